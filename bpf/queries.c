/* Who asks whom. Cgroup socket programs see every process in every namespace, from io_uring and 32-bit programs too.
 * Each returns 1, allow, and nothing else.
 */

#define ALLOW 1
#define ESTABLISHED 1 /* BPF_TCP_ESTABLISHED: for UDP too, the socket is connected */
#define TCP_SYN 2
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
    u64 *left = (u64 *)a->address, *right = (u64 *)b->address; /* offset 8: aligned */
    return left[0] == right[0] && left[1] == right[1];
}

static __always_inline bool same_key(struct query_key *a, struct query_key *b)
{
    u64 *left = (u64 *)a, *right = (u64 *)b;
    return !((left[0] ^ right[0]) | (left[1] ^ right[1]) | (left[2] ^ right[2]) | (left[3] ^ right[3]) |
             (left[4] ^ right[4]));
}

/* The first of the two slots that a key may have; the other's number differs in the last bit. Multiplying carries what
 * differs upwards, where the number is taken from.
 */
static __always_inline u32 first_slot(struct query_key *key, u64 tick)
{
    u64 *words = (u64 *)key;
    u64 mixed = (words[2] ^ words[1] ^ words[0]) * 0x9e3779b97f4a7c15ULL;
    mixed = (mixed ^ words[3] ^ words[4]) * 0xc2b2ae3d27d4eb4fULL;
    return (tick & 1) << SLOT_BITS | mixed >> (64 - SLOT_BITS);
}

static __always_inline struct slot *slot_in_use(u32 index, struct query_key *key, bool *free)
{
    struct slot *slot = slots.lookup(&index);
    if (!slot)
        return NULL;
    if (slot->use == READY && same_key(&slot->key, key))
        return slot;
    if (slot->use == FREE)
        *free = true;
    return NULL;
}

/* Searching the map takes longer than all the rest: it is only for what found both of its slots taken. */
static __always_inline struct queries *asked(struct query_key *key, u64 tick)
{
    u32 index = first_slot(key, tick);
    bool free = false;
    struct slot *slot = slot_in_use(index, key, &free);
    if (!slot)
        slot = slot_in_use(index ^ 1, key, &free);
    if (slot)
        return &slot->queries;
    if (free)
        return NULL;
    return tick & 1 ? asked1.lookup(key) : asked0.lookup(key);
}

static __always_inline u64 add_one(u32 what)
{
    u64 *number = control.lookup(&what);
    return number ? __sync_fetch_and_add(number, 1) : 0;
}

static __always_inline struct queries *take_slot(u32 index, struct query_key *key, u64 tick, struct queries *queries)
{
    struct slot *slot = slots.lookup(&index);
    if (!slot || __sync_val_compare_and_swap(&slot->use, FREE, CLAIMED) != FREE)
        return NULL;
    slot->key = *key;
    slot->queries = *queries;
    u32 at = (tick & 1) << SLOT_BITS | add_one(SLOTS_TAKEN + (tick & 1));
    taken.update(&at, &index);
    __sync_fetch_and_add(&slot->use, READY - CLAIMED); /* and no sooner for any processor */
    return &slot->queries;
}

/* Only where it is not there: another processor may have begun to count in it. */
static __always_inline int begin_in_map(struct query_key *key, u64 tick, struct queries *queries)
{
    add_one(MAP_ENTRIES + (tick & 1));
    return tick & 1 ? asked1.insert(key, queries) : asked0.insert(key, queries);
}

static __always_inline struct queries *begin_asked(struct query_key *key, u64 tick, struct queries *queries)
{
    u32 index = first_slot(key, tick);
    struct queries *begun = take_slot(index, key, tick, queries);
    if (!begun)
        begun = take_slot(index ^ 1, key, tick, queries);
    if (begun)
        return begun;
    begin_in_map(key, tick, queries);
    return tick & 1 ? asked1.lookup(key) : asked0.lookup(key);
}

/* Whose state it may be that is used has to be reported when it ends, though it may never do a thing itself. */
static __always_inline void watch(u32 tgid, u64 birth)
{
    struct process *process = processes.lookup(&tgid);
    if (process && process->birth == birth && !(process->flags & ACTED))
        process->flags |= ACTED;
}

/* On this thread, within a second, nobody was at nscd's socket: it goes through NSS, and asks for itself.
 * True as long as that may still turn out.
 */
static __always_inline bool note_lookup_path(struct process *process, u64 task)
{
    /* Signed: the coarse clock may be a tick behind. */
    if (process->flags & ASKED_ALONE || !process->refused ||
        (s64)(bpf_ktime_get_coarse_ns() - process->refused) >= (s64)SECOND)
        return false;
    if (process->refused_tid == (u32)task)
        process->flags |= ASKED_ALONE;
    return true;
}

static __always_inline struct queries *describe_anew(struct query_key *key, u64 tick, struct queries *found,
                                                     struct process *process, u32 seen, bool here)
{
    if (found && found->subject.state == process->state && found->subject.birth == process->birth) {
        found->subject.flags = process->flags;
        found->seen = seen;
        return found;
    }
    if (found) {
        /* It read the file, or is another process, since: what it did before is kept apart. */
        struct query_key former = *key;
        former.former = found->subject.state;
        if (begin_in_map(&former, tick, found) && found->number > 0)
            lose_many(QUERIES_FULL, found->number);
    }
    process->flags |= ACTED;
    watch(process->owner_tgid, process->owner_birth);
    watch(process->parent_tgid, process->parent_birth);
    struct queries new = {};
    describe(&new.subject, process, key->tgid);
    if (here)
        describe_current(&new.subject);
    new.seen = seen;
    if (found)
        *found = new;
    else
        found = begin_asked(key, tick, &new);
    if (!found)
        lose(QUERIES_FULL);
    return found;
}

static __always_inline u64 current_tick(void)
{
    u32 what = TICK;
    u64 *tick = control.lookup(&what);
    return tick ? *tick : 0;
}

/* The tick's entry of (current process, nameserver). The process itself is looked up only where it has changed since
 * the entry was made: that would be the dearer half of the price.
 */
static __always_inline struct queries *entry_here(struct query_key *key)
{
    u64 task = bpf_get_current_pid_tgid();
    key->tgid = task >> 32;
    u64 tick = current_tick();
    u32 *seen = changes_of(key->tgid);
    struct queries *found = asked(key, tick);
    if (!seen)
        return NULL;
    u32 now_seen = *seen;
    if (found && found->seen == now_seen)
        return found;
    struct process *process = current_process();
    if (!process)
        return NULL;
    /* One less: it is looked up again at the next query. */
    if (note_lookup_path(process, task))
        now_seen--;
    return describe_anew(key, tick, found, process, now_seen, true);
}

static __always_inline void count(struct queries *queries, u32 number, bool handshake)
{
    u64 now = bpf_ktime_get_coarse_ns();
    __sync_fetch_and_add(&queries->number, number);
    if (handshake)
        __sync_fetch_and_add(&queries->handshakes, number);
    if (!queries->first)
        queries->first = now;
    queries->previous = number > 1 ? now : queries->last;
    queries->last = now;
}

static __always_inline void ask_here(struct query_key *key, u32 number)
{
    struct queries *queries = entry_here(key);
    if (queries)
        count(queries, number, false);
}

/* The egress program is about to count one for the socket's own peer, which this datagram does not go to. */
static __always_inline void ask_one_less(struct query_key *key)
{
    struct queries *queries = entry_here(key);
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
    /* Which interface is meant stands in the address that the process gave, which is not to be had here. */
    if (is_link_local(key) && !(socket && socket->state == ESTABLISHED))
        return ALLOW; /* unconnected() counts it, as it leaves by that interface */
    if (is_link_local(key))
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
    note_lookup_path(process, bpf_get_current_pid_tgid());
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

/* A packet's headers lie in its linear part. IPv6 extension headers are not followed. */
static __always_inline u8 header_byte(struct __sk_buff *skb, u32 at)
{
    u8 *data = (u8 *)(long)skb->data;
    u8 *end = (u8 *)(long)skb->data_end;
    return data + at + 1 > end ? 0 : data[at];
}

static __always_inline bool is_ipv4(struct __sk_buff *skb)
{
    return header_byte(skb, 0) >> 4 == 4;
}

/* Bytes of IP and TCP header; 0 where there is no payload. `end` is the sequence number that follows it. */
static __always_inline u32 tcp_payload_at(struct __sk_buff *skb, u32 *end)
{
    u32 ip_bytes = is_ipv4(skb) ? (header_byte(skb, 0) & 15) * 4 : 40;
    struct { u32 sequence, acknowledgement; u8 offset, flags; u16 window; } tcp = {}; /* behind the ports */
    if (bpf_skb_load_bytes(skb, ip_bytes + 4, &tcp, sizeof(tcp)))
        return 0;
    u32 header_bytes = ip_bytes + (tcp.offset >> 4) * 4;
    if (skb->len <= header_bytes)
        return 0;
    u32 syn = tcp.flags & TCP_SYN ? 1 : 0; /* which has a number of its own, before the payload (RFC 7413) */
    *end = bpf_ntohl(tcp.sequence) + syn + skb->len - header_bytes;
    return header_bytes;
}

static __always_inline void segment(struct __sk_buff *skb, struct query_key *key)
{
    u32 end = 0, payload_at = tcp_payload_at(skb, &end);
    if (!payload_at)
        return;
    u64 cookie = bpf_get_socket_cookie(skb);
    struct connector *connector = connectors.lookup(&cookie);
    if (!connector) {
        lose(TCP_UNATTRIBUTED);
        return;
    }
    if (connector->begun && (s32)(end - connector->end) <= 0) /* sent again: it was lost, or its answer is late */
        return;
    connector->begun = 1;
    connector->end = end;
    u8 type = TLS_APPLICATION_DATA;
    key->transport = TCP;
    key->netns = NETNS_COOKIE(skb);
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
    key->tgid = tgid;
    u64 tick = current_tick();
    struct queries *queries = describe_anew(key, tick, asked(key, tick), process, 0, false);
    if (queries)
        count(queries, 1, type != TLS_APPLICATION_DATA);
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

int on_egress(struct __sk_buff *skb)
{
    struct bpf_sock *socket = skb->sk;
    if (!socket)
        return ALLOW;
    if (socket->dst_port && !is_dns(bpf_ntohs((u16)socket->dst_port))) /* all that most packets ever cost */
        return ALLOW;
    struct query_key key = {};
    u32 datagrams = 0;
    if (!socket->dst_port) {
        datagrams = unconnected(skb, &key);
    } else {
        set_peer(&key, socket);
        u8 protocol = header_byte(skb, is_ipv4(skb) ? 9 : 6);
        if (protocol == IPPROTO_UDP)
            datagrams = skb->gso_segs > 1 ? skb->gso_segs : 1;
        else if (protocol == IPPROTO_TCP)
            segment(skb, &key);
    }
    if (datagrams) {
        key.transport = UDP;
        key.netns = NETNS_COOKIE(skb);
        ask_here(&key, datagrams);
    }
    return ALLOW;
}
