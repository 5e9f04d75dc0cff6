/* Queries over TCP and TLS: the connect programs remember who connected, the egress program counts the segments. */

#define TCP_SYN 2
#define TLS_APPLICATION_DATA 23 /* RFC 8446, section 5.1 */

/* Segments may leave in softirq, in any task: remember who connected. */
static __always_inline int remember_connector(struct bpf_sock_addr *ctx)
{
    if (ctx->protocol != IPPROTO_TCP || !is_dns(bpf_ntohs((u16)ctx->user_port)))
        return ALLOW;
    struct process *process = current_process();
    if (!process)
        return ALLOW;
    note_lookup_path(process, bpf_get_current_pid_tgid());
    struct connector connector = {};
    connector.birth = process->birth;
    connector.res_state_id = process->res_state_id;
    connector.tgid = current_tgid();
    connector.execs = process->execs;
    connector.lookup = lookup_of(process);
    u64 cookie = bpf_get_socket_cookie(ctx);
    connectors.update(&cookie, &connector);
    return ALLOW;
}

int on_connect4(struct bpf_sock_addr *ctx) { return remember_connector(ctx); }
int on_connect6(struct bpf_sock_addr *ctx) { return remember_connector(ctx); }

/* Bytes of IP and TCP header; 0 if there is no payload. `end` is the sequence number that follows it. */
static __always_inline u32 tcp_payload_at(struct __sk_buff *skb, u32 *end)
{
    u32 ip_bytes = is_ipv4(skb) ? (header_byte(skb, 0) & 15) * 4 : 40;
    struct {
        u32 sequence, acknowledgement;
        u8 offset, flags;
        u16 window;
    } tcp = {}; /* behind the ports */
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
        gone.res_state_id = connector->res_state_id;
        gone.execs = connector->execs;
        process = &gone;
    }
    key->tgid = tgid;
    u64 tick = current_tick();
    struct queries *queries = describe_again(key, tick, find_queries(key, tick), NULL, process, 0, false);
    if (!queries)
        return;
    if (!queries->lookup)
        queries->lookup = connector->lookup;
    count(queries, 1, type != TLS_APPLICATION_DATA);
}
