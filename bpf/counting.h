/* Counts a query for its process: which process, by which kind of lookup, and when. */

/* The exit of a process whose resolver state others may use has to be reported, even if it never queries itself. */
static __always_inline void report_exit_of(u32 tgid, u64 birth)
{
    struct process *process = processes.lookup(&tgid);
    if (process && process->birth == birth && !(process->flags & ACTED))
        mark_acted(process, tgid);
}

/* Sets NSCD_FALLBACK if this thread found no nscd within the last second: its lookup goes through NSS, and glibc queries
 * the nameserver itself. True as long as the flag may still be set.
 */
static __always_inline bool note_lookup_path(struct process *process, u64 task)
{
    /* Signed: the coarse clock may be a tick behind. */
    if (process->flags & NSCD_FALLBACK || !process->refused ||
        (s64)(bpf_ktime_get_coarse_ns() - process->refused) >= (s64)SECOND)
        return false;
    if (process->refused_tid == (u32)task)
        set_flags(process, NSCD_FALLBACK);
    return true;
}

/* A lookup without an answer goes on for this long, and queries again and again (resolv.conf(5), timeout, attempts). */
#define LOOKUP_NS (30 * SECOND)

static __always_inline u32 lookup_of(struct process *process)
{
    s64 since = bpf_ktime_get_coarse_ns() - process->hosts_opened; /* the coarse clock may be behind */
    if (!process->hosts_opened || since >= (s64)LOOKUP_NS)
        return BY_ITSELF;
    return since < (s64)SECOND && process->hosts_tid == (u32)bpf_get_current_pid_tgid() ? THROUGH_NSS : LOOKUP_UNKNOWN;
}

static __always_inline bool same_subject(struct subject *a, struct subject *b)
{
    return a->res_state_id == b->res_state_id && a->birth == b->birth && a->owner_tgid == b->owner_tgid &&
           a->owner_birth == b->owner_birth && a->owner_execs == b->owner_execs;
}

/* Whether the pair's process is as it was when the daemon put it there, though it may have changed and changed back. */
static __always_inline bool is_still_steady(struct queries *steady, struct subject *now)
{
    return same_subject(&steady->subject, now) && steady->subject.root == now->root;
}

static __always_inline struct queries *describe_again(struct query_key *key, u64 tick, struct queries *found,
                                                      struct queries *steady, struct process *process, u64 seen,
                                                      bool here)
{
    struct queries new = {};
    describe(&new.subject, process, key->tgid);
    if (steady && is_still_steady(steady, &new.subject)) {
        steady->seen = seen;
        return steady;
    }
    if (found && same_subject(&found->subject, &new.subject)) {
        found->subject.flags = process->flags;
        found->seen = seen;
        return found;
    }
    if (found) {
        /* It has read the file since, or has another owner: what it did before is kept apart. */
        key->tick_part = (u32)found->first | 1; /* and not in a copy: there is little room on the stack */
        if (begin_in_map(key, tick, found) && found->number > 0)
            lose_many(QUERIES_FULL, found->number);
        key->tick_part = 0;
    }
    mark_acted(process, key->tgid);
    report_exit_of(new.subject.owner_tgid, new.subject.owner_birth);
    report_exit_of(process->parent_tgid, process->parent_birth);
    if (here) {
        describe_current(&new.subject);
        new.lookup = lookup_of(process);
    }
    new.seen = seen;
    new.first = bpf_ktime_get_ns();
    new.subject.flags = process->flags;
    if (found)
        *found = new;
    else
        found = begin_queries(key, tick, &new);
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

/* The tick's entry of (current process, nameserver). The process itself is looked up only if it has changed since
 * the entry was made: the lookup would be more than half of the cost.
 */
static __always_inline struct queries *current_queries(struct query_key *key, u64 task)
{
    key->tgid = task >> 32;
    u32 what = OWNERS;
    u64 *seen = changes_of(key->tgid);
    u64 *owners = control.lookup(&what);
    if (!seen || !owners)
        return NULL;
    struct queries *steady = find_steady(key);
    u64 now_seen = *seen + *owners;
    if (steady && steady->seen == now_seen)
        return steady;
    u64 tick = current_tick();
    struct queries *found = find_queries(key, tick);
    if (found && found->seen == now_seen)
        return found;
    struct process *process = current_process();
    if (!process)
        return NULL;
    process = after(now_seen, process);
    /* One less: it is looked up again at the next query. */
    if (note_lookup_path(process, task))
        now_seen--;
    return describe_again(key, tick, found, steady, process, now_seen, true);
}

/* What began with an answer is of the first query from here on. */
static __always_inline void begin_after_answer(struct queries *queries)
{
    struct process *process = current_process();
    queries->lookup = process ? lookup_of(process) : LOOKUP_UNKNOWN;
    queries->first = bpf_ktime_get_ns();
}

static __always_inline void count(struct queries *queries, u32 number, bool handshake)
{
    u64 now = bpf_ktime_get_coarse_ns();
    if (!queries->unanswered)
        queries->unanswered_since = now;
    queries->unanswered += number;
    __sync_fetch_and_add(&queries->number, number);
    if (handshake)
        __sync_fetch_and_add(&queries->handshakes, number);
    queries->previous = number > 1 ? now : queries->last;
    queries->last = now;
}

static __always_inline struct queries *count_queries(struct query_key *key, u32 number)
{
    u64 task = bpf_get_current_pid_tgid();
    struct queries *queries = current_queries(key, task);
    if (!queries)
        return NULL;
    if (queries->lookup == NO_QUERY)
        begin_after_answer(queries);
    count(queries, number, false);
    if (is_stray(task))
        queries->strays += number; /* no atomic: one that is lost does not matter */
    return queries;
}

/* The egress program is about to count one for the socket's own peer, which this datagram does not go to. */
static __always_inline void uncount_query(struct query_key *key)
{
    struct queries *queries = current_queries(key, bpf_get_current_pid_tgid());
    if (!queries)
        return;
    __sync_fetch_and_add(&queries->number, -1);
    if (queries->unanswered)
        queries->unanswered--;
}
