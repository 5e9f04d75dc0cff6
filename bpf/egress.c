/* Sorts every packet that leaves: most are none of ours. */

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
        struct queries *queries = count_queries(&key, datagrams);
        if (queries && queries->number == datagrams && has_other_type(skb)) /* the first of the tick stands for all */
            queries->lookup = OTHER_TYPE;
    }
    return ALLOW;
}
