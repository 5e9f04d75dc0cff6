/* Queries over UDP: the sendmsg programs see the address that a process names, the egress program all others. */

#define ESTABLISHED 1 /* BPF_TCP_ESTABLISHED: for UDP too, the socket is connected */

/* Runs for a datagram sent to an explicit address. On a connected socket the egress program counts it. */
static __always_inline int datagram(struct bpf_sock_addr *ctx, struct query_key *key)
{
    if (ctx->protocol != IPPROTO_UDP)
        return ALLOW;
    struct bpf_sock *socket = ctx->sk;
    key->transport = UDP;
    key->netns = NETNS_COOKIE(ctx);
    if (socket && socket->state == ESTABLISHED) {
        struct query_key peer = {};
        set_peer(&peer, socket);
        if (peer.port == key->port && same_address(&peer, key))
            return ALLOW;
        if (is_dns(peer.port)) {
            peer.transport = UDP;
            peer.netns = key->netns;
            uncount_query(&peer);
        }
    }
    if (!is_dns(key->port))
        return ALLOW;
    /* The interface is in the address that the process gave, which is not available here. */
    if (is_link_local(key) && !(socket && socket->state == ESTABLISHED))
        return ALLOW; /* unconnected() counts it, as it leaves by that interface */
    if (is_link_local(key))
        key->scope = socket->bound_dev_if;
    count_queries(key, 1);
    return ALLOW;
}

int on_sendmsg4(struct bpf_sock_addr *ctx)
{
    struct query_key key = {};
    set_named4(&key, ctx);
    return datagram(ctx, &key);
}

int on_sendmsg6(struct bpf_sock_addr *ctx)
{
    struct query_key key = {};
    set_named6(&key, ctx);
    return datagram(ctx, &key);
}

/* A datagram from a socket without a peer: how many to count. The sendmsg programs count those, but for two things that
 * only show here: by which interface one to a link-local address leaves, and that the kernel cuts one call into many
 * (UDP_SEGMENT).
 */
static __always_inline u32 unconnected(struct __sk_buff *skb, struct query_key *key)
{
    u32 ip_bytes = is_ipv4(skb) ? (header_byte(skb, 0) & 15) * 4 : 40;
    if (header_byte(skb, is_ipv4(skb) ? 9 : 6) != IPPROTO_UDP)
        return 0;
    bool link_local = !is_ipv4(skb) && header_byte(skb, 24) == 0xfe && (header_byte(skb, 25) & 0xc0) == 0x80;
    u32 segments = skb->gso_segs > 1 ? skb->gso_segs : 1;
    u32 more = link_local ? segments : segments - 1;
    u16 port = 0;
    if (!more || bpf_skb_load_bytes(skb, ip_bytes + 2, &port, sizeof(port)) || !is_dns(bpf_ntohs(port)))
        return 0;
    key->port = bpf_ntohs(port);
    if (is_ipv4(skb)) {
        u32 address = 0;
        bpf_skb_load_bytes(skb, 16, &address, sizeof(address));
        set_ipv4(key, address);
    } else {
        bpf_skb_load_bytes(skb, 24, &key->address, sizeof(key->address));
    }
    if (link_local)
        key->scope = skb->ifindex;
    return more;
}

#define UDP_BYTES 8
#define DNS_BYTES 12 /* RFC 1035, 4.1.1: the header; the question follows, with its type and class behind the name */
#define QUESTION_END 4
#define TYPE_A 1
#define TYPE_PTR 12
#define TYPE_AAAA 28

/* Of a plain question, the last four bytes are its type and class. No name is read. */
static __always_inline bool has_other_type(struct __sk_buff *skb)
{
    u32 dns_at = (is_ipv4(skb) ? (header_byte(skb, 0) & 15) * 4 : 40) + UDP_BYTES;
    u16 counts[4] = {}, type = 0; /* of questions, answers, authorities and additional records */
    if (skb->gso_segs > 1 || skb->len < dns_at + DNS_BYTES + QUESTION_END ||
        bpf_skb_load_bytes(skb, dns_at + 4, &counts, sizeof(counts)) ||
        bpf_skb_load_bytes(skb, skb->len - QUESTION_END, &type, sizeof(type)))
        return false;
    if (bpf_ntohs(counts[0]) != 1 || counts[1] || counts[2] || counts[3])
        return false;
    type = bpf_ntohs(type);
    return type != TYPE_A && type != TYPE_AAAA && type != TYPE_PTR;
}
