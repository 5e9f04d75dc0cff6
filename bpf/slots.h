/* Where a tick's queries are added up: in slots that the key leads to, or in a map if both are taken. */

/* The first of the two slots that a key may have; the other's number differs in the last bit. */
static __always_inline u32 first_slot(struct query_key *key, u64 tick)
{
    return (tick & 1) << SLOT_BITS | mixed(key) >> (64 - SLOT_BITS);
}

static __always_inline struct slot *slot_in_use(u32 index, struct query_key *key, bool *free)
{
    struct slot *slot = slots.lookup(&index);
    if (!slot)
        return NULL;
    u64 use = slot->use;
    if (use == FREE)
        *free = true;
    if (use != READY)
        return NULL;
    slot = after(use, slot);
    return same_key(&slot->key, key) ? slot : NULL;
}

/* Searching the map takes longer than all the rest: it is only for what found both of its slots taken. */
static __always_inline struct queries *find_queries(struct query_key *key, u64 tick)
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
    return tick & 1 ? overflow1.lookup(key) : overflow0.lookup(key);
}

/* The first query of a tick was counted. */
static __always_inline void wake_if_resting(void)
{
    u32 what = RESTING;
    u64 *resting = control.lookup(&what);
    if (resting && *resting)
        wake(WAKE_COUNTED);
}

static __always_inline struct queries *take_slot(u32 index, struct query_key *key, u64 tick, struct queries *queries)
{
    u32 what = LAST_TAKEN + (tick & 1);
    u64 *last = control.lookup(&what);
    struct slot *slot = slots.lookup(&index);
    if (!last || !slot || __sync_val_compare_and_swap(&slot->use, FREE, CLAIMED) != FREE)
        return NULL;
    slot->key = *key;
    slot->queries = *queries;
    u64 taken_before = EXCHANGE(last, index + 1);
    slot->next = taken_before;
    EXCHANGE(&slot->use, READY);
    if (!taken_before)
        wake_if_resting();
    return &slot->queries;
}

/* Only if it is not there: another processor may have begun to count in it. */
static __always_inline int begin_in_map(struct query_key *key, u64 tick, struct queries *queries)
{
    u32 what = MAP_ENTRIES + (tick & 1);
    u64 *entries = control.lookup(&what);
    if (entries) {
        bool first = !*entries;
        __sync_fetch_and_add(entries, 1);
        if (first)
            wake_if_resting();
    }
    return tick & 1 ? overflow1.insert(key, queries) : overflow0.insert(key, queries);
}

static __always_inline struct queries *begin_queries(struct query_key *key, u64 tick, struct queries *queries)
{
    u32 index = first_slot(key, tick);
    struct queries *begun = take_slot(index, key, tick, queries);
    if (!begun)
        begun = take_slot(index ^ 1, key, tick, queries);
    if (begun)
        return begun;
    begin_in_map(key, tick, queries);
    return tick & 1 ? overflow1.lookup(key) : overflow0.lookup(key);
}
