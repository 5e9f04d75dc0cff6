/* What the programs on the cgroup share. They see every process in every namespace, from io_uring and 32-bit programs
 * too. Each returns 1, allow, and nothing else.
 */

#define ALLOW 1

/* A packet's headers lie in its linear part. IPv6 extension headers are not followed. */
static __always_inline u8 header_byte(struct __sk_buff *skb, u32 at)
{
    u8 *data = (u8 *)(long)skb->data;
    u8 *end = (u8 *)(long)skb->data_end;
    return data + at + 1 > end ? 0 : data[at];
}

static __always_inline bool is_ipv4(struct __sk_buff *skb) { return header_byte(skb, 0) >> 4 == 4; }

/* The address that a datagram is sent to, as the process names it, or that one is from. */
static __always_inline void set_named4(struct query_key *key, struct bpf_sock_addr *ctx)
{
    key->port = bpf_ntohs((u16)ctx->user_port);
    set_ipv4(key, ctx->user_ip4);
}

static __always_inline void set_named6(struct query_key *key, struct bpf_sock_addr *ctx)
{
    key->port = bpf_ntohs((u16)ctx->user_port);
    set_ipv6(key, ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]);
}
