/* Pairs whose state more queries do not change: a process that queries what its resolv.conf lists. The daemon puts them
 * here, where they are counted from then on without it, and takes them out when something changes.
 */

#define STEADY_WAYS 4 /* places that a key may have, beside each other */

/* tracer/kernel/steady.py computes the same. */
static __always_inline u32 first_steady(struct query_key *key)
{
    return (u32)(mixed(key) >> (64 - STEADY_BITS)) & ~(STEADY_WAYS - 1);
}

static __always_inline struct queries *find_steady(struct query_key *key)
{
    u32 first = first_steady(key);
#pragma unroll
    for (int i = 0; i < STEADY_WAYS; i++) {
        u32 index = first + i;
        struct slot *slot = steady.lookup(&index);
        if (!slot)
            return NULL;
        u64 use = slot->use;
        if (use == READY && same_key(&slot->key, key))
            return &((struct slot *)after(use, slot))->queries;
    }
    return NULL;
}
