/* Who asks whom. Cgroup socket programs see every process in every namespace, from io_uring and 32-bit programs too.
 * Each returns 1, allow, and nothing else.
 */

#define ALLOW 1
#define ESTABLISHED 1 /* BPF_TCP_ESTABLISHED: for UDP too, the socket is connected */
#define TLS_APPLICATION_DATA 23 /* RFC 8446, section 5.1 */


static __always_inline bool is_dns(u16 port)
{
    return port == DNS_PORT || port == DOT_PORT;
}

static __always_inline void set_ipv4(struct query_key *key, u32 address)
{
    key->address[10] = 0xff;
    key->address[11] = 0xff;
    __builtin_memcpy(&key->address[12], &address, 4);
}

static __always_inline void set_ipv6(struct query_key *key, u32 a, u32 b, u32 c, u32 d)
{
    __builtin_memcpy(&key->address[0], &a, 4);
    __builtin_memcpy(&key->address[4], &b, 4);
    __builtin_memcpy(&key->address[8], &c, 4);
    __builtin_memcpy(&key->address[12], &d, 4);
}

static __always_inline bool is_link_local(struct query_key *key)
{
    return key->address[0] == 0xfe && (key->address[1] & 0xc0) == 0x80;
}

static __always_inline bool same_address(struct query_key *a, struct query_key *b)
{
    u64 *left = (u64 *)a->address, *right = (u64 *)b->address; /* offset 24: aligned */
    return left[0] == right[0] && left[1] == right[1];
}

static __always_inline struct queries *asked(struct query_key *key, u64 tick)
{
    return tick & 1 ? asked1.lookup(key) : asked0.lookup(key);
}

static __always_inline void ask_first(struct query_key *key, u64 tick, struct queries *new)
{
    if (tick & 1)
        asked1.insert(key, new);
    else
        asked0.insert(key, new);
}

/* Whose state it may be that is used has to be reported when it ends, though it may never do a thing itself. */
static __always_inline void watch(u32 tgid, u64 birth)
{
    struct process *process = processes.lookup(&tgid);
    if (process && process->birth == birth && !(process->flags & ACTED))
        process->flags |= ACTED;
}

/* Find the tick's entry of (process, nameserver), or make it. `here`: the current task is the one that asks. */
static __always_inline struct queries *entry(struct query_key *key, struct process *process, u32 tgid, bool here)
{
    u32 first = 0;
    u64 *tick = control.lookup(&first);
    if (!tick)
        return NULL;
    key->tgid = tgid;
    key->birth = process->birth;
    key->state = process->state;
    struct queries *found = asked(key, *tick);
    if (found)
        return found;
    process->flags |= ACTED;
    watch(process->owner_tgid, process->owner_birth);
    watch(process->parent_tgid, process->parent_birth);
    struct queries new = {};
    describe(&new.subject, process, tgid);
    if (here)
        describe_current(&new.subject);
    ask_first(key, *tick, &new);
    found = asked(key, *tick);
    if (!found)
        lose(QUERIES_FULL);
    return found;
}

static __always_inline void count(struct queries *queries, struct process *process, u32 number, bool handshake)
{
    u64 now = bpf_ktime_get_boot_ns();
    __sync_fetch_and_add(&queries->number, number);
    if (handshake)
        __sync_fetch_and_add(&queries->handshakes, number);
    if (!queries->first)
        queries->first = now;
    queries->previous = number > 1 ? now : queries->last;
    queries->last = now;
    queries->subject.checked = process->checked;
    queries->subject.flags = process->flags;
}

/* On this thread, within a second, nobody was at nscd's socket: it goes through NSS, and asks for itself. */
static __always_inline void note_lookup_path(struct process *process)
{
    if (process->flags & ASKED_ALONE || !process->refused)
        return;
    if (process->refused_tid == (u32)bpf_get_current_pid_tgid() &&
        bpf_ktime_get_boot_ns() - process->refused < SECOND)
        process->flags |= ASKED_ALONE;
}

static __always_inline void ask_here(struct query_key *key, u32 number)
{
    struct process *process = current_process();
    if (!process)
        return;
    note_lookup_path(process);
    struct queries *queries = entry(key, process, current_tgid(), true);
    if (queries)
        count(queries, process, number, false);
}

/* The egress program is about to count one for the socket's own peer, which this datagram does not go to. */
static __always_inline void ask_one_less(struct query_key *key)
{
    struct process *process = current_process();
    if (!process)
        return;
    struct queries *queries = entry(key, process, current_tgid(), true);
    if (queries)
        __sync_fetch_and_add(&queries->number, -1);
}

static __always_inline void set_peer(struct query_key *key, struct bpf_sock *socket)
{
    key->port = bpf_ntohs((u16)socket->dst_port);
    if (socket->family == AF_INET)
        set_ipv4(key, socket->dst_ip4);
    else
        set_ipv6(key, socket->dst_ip6[0], socket->dst_ip6[1], socket->dst_ip6[2], socket->dst_ip6[3]);
    if (is_link_local(key))
        key->scope = socket->bound_dev_if;
}

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
            ask_one_less(&peer);
        }
    }
    if (!is_dns(key->port))
        return ALLOW;
    if (is_link_local(key) && socket)
        key->scope = socket->bound_dev_if;
    ask_here(key, 1);
    return ALLOW;
}

int on_sendmsg4(struct bpf_sock_addr *ctx)
{
    struct query_key key = {};
    key.port = bpf_ntohs((u16)ctx->user_port);
    set_ipv4(&key, ctx->user_ip4);
    return datagram(ctx, &key);
}

int on_sendmsg6(struct bpf_sock_addr *ctx)
{
    struct query_key key = {};
    key.port = bpf_ntohs((u16)ctx->user_port);
    set_ipv6(&key, ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]);
    return datagram(ctx, &key);
}

/* Segments may leave in softirq, in any task: remember who connected. */
static __always_inline int connects(struct bpf_sock_addr *ctx)
{
    if (ctx->protocol != IPPROTO_TCP || !is_dns(bpf_ntohs((u16)ctx->user_port)))
        return ALLOW;
    struct process *process = current_process();
    if (!process)
        return ALLOW;
    note_lookup_path(process);
    struct connector connector = {};
    connector.birth = process->birth;
    connector.state = process->state;
    connector.tgid = current_tgid();
    connector.execs = process->execs;
    u64 cookie = bpf_get_socket_cookie(ctx);
    connectors.update(&cookie, &connector);
    return ALLOW;
}

int on_connect4(struct bpf_sock_addr *ctx) { return connects(ctx); }
int on_connect6(struct bpf_sock_addr *ctx) { return connects(ctx); }

/* Bytes of IP and TCP header; 0 where there is no payload. IPv6 extension headers are not followed. */
static __always_inline u32 tcp_payload_at(struct __sk_buff *skb)
{
    u8 version = 0, offset = 0;
    u32 ip_bytes = 40;
    if (bpf_skb_load_bytes(skb, 0, &version, 1))
        return 0;
    if (version >> 4 == 4)
        ip_bytes = (version & 15) * 4;
    if (bpf_skb_load_bytes(skb, ip_bytes + 12, &offset, 1))
        return 0;
    u32 header_bytes = ip_bytes + (offset >> 4) * 4;
    return skb->len > header_bytes ? header_bytes : 0;
}

static __always_inline void segment(struct __sk_buff *skb, struct query_key *key)
{
    u32 payload_at = tcp_payload_at(skb);
    if (!payload_at)
        return;
    u64 cookie = bpf_get_socket_cookie(skb);
    struct connector *connector = connectors.lookup(&cookie);
    if (!connector) {
        lose(TCP_UNATTRIBUTED);
        return;
    }
    u8 type = TLS_APPLICATION_DATA;
    key->transport = TCP;
    if (key->port == DOT_PORT) {
        key->transport = TLS;
        bpf_skb_load_bytes(skb, payload_at, &type, 1);
    }
    u32 tgid = connector->tgid;
    struct process gone = {};
    struct process *process = processes.lookup(&tgid);
    if (!process || process->birth != connector->birth || process->execs != connector->execs) {
        gone.birth = connector->birth;
        gone.state = connector->state;
        gone.execs = connector->execs;
        gone.owner_tgid = tgid;
        gone.owner_birth = connector->birth;
        process = &gone;
    }
    struct queries *queries = entry(key, process, tgid, false);
    if (queries)
        count(queries, process, 1, type != TLS_APPLICATION_DATA);
}

int on_egress(struct __sk_buff *skb)
{
    struct bpf_sock *socket = skb->sk;
    if (!socket)
        return ALLOW;
    socket = bpf_sk_fullsock(socket);
    if (!socket || !is_dns(bpf_ntohs((u16)socket->dst_port)))
        return ALLOW;
    struct query_key key = {};
    set_peer(&key, socket);
    key.netns = NETNS_COOKIE(skb);
    if (socket->protocol == IPPROTO_TCP) {
        segment(skb, &key);
    } else if (socket->protocol == IPPROTO_UDP) {
        key.transport = UDP;
        ask_here(&key, skb->gso_segs > 1 ? skb->gso_segs : 1);
    }
    return ALLOW;
}
