/* What a query is counted under: how its key is made and compared. */

static __always_inline bool is_dns(u16 port) { return port == DNS_PORT || port == DOT_PORT; }

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

/* Multiplying carries what differs upwards, where the number of a place is taken from. */
static __always_inline u64 mixed(struct query_key *key)
{
    u64 *words = (u64 *)key;
    u64 mixed = (words[2] ^ words[1] ^ words[0]) * 0x9e3779b97f4a7c15ULL;
    return (mixed ^ words[3] ^ words[4]) * 0xc2b2ae3d27d4eb4fULL;
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
