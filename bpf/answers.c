/* Answers over UDP, if the receiver takes the sender's address: recvfrom(2) or recvmsg(2) with room for it. No program runs
 * at other receives: it is not known of who uses recv(2) or read(2).
 */

static __always_inline int answer(struct bpf_sock_addr *ctx, struct query_key *key)
{
    if (ctx->protocol != IPPROTO_UDP || !is_dns(key->port))
        return ALLOW;
    key->transport = UDP;
    key->netns = NETNS_COOKIE(ctx);
    if (is_link_local(key)) {
        struct bpf_sock *socket = ctx->sk;
        if (!socket || !socket->bound_dev_if)
            return ALLOW; /* the interface that it came by is not available here */
        key->scope = socket->bound_dev_if;
    }
    struct queries *queries = current_queries(key, bpf_get_current_pid_tgid());
    if (!queries)
        return ALLOW;
    if (!queries->number && !queries->answered)
        queries->lookup = NO_QUERY;
    queries->answered = bpf_ktime_get_coarse_ns();
    queries->unanswered = 0;
    return ALLOW;
}

int on_recvmsg4(struct bpf_sock_addr *ctx)
{
    struct query_key key = {};
    set_named4(&key, ctx);
    return answer(ctx, &key);
}

int on_recvmsg6(struct bpf_sock_addr *ctx)
{
    struct query_key key = {};
    set_named6(&key, ctx);
    return answer(ctx, &key);
}
