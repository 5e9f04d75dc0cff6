/* The maps, and what every program does with them. */

#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define DNS_PORT 53
#define DOT_PORT 853
#define SECOND 1000000000ULL
#define CHANGES 4096
#define CALLS 256
#define SLOTS (1 << SLOT_BITS)
#define EFAULT_RESULT -14 /* the call itself could not read what the process pointed to */

BPF_TABLE("array", u32, u64, control, CONTROLS);
BPF_TABLE("array", u32, u64, losses, LOSSES);
BPF_F_TABLE("hash", u32, struct process, processes, MAX_PROCESSES, BPF_F_NO_PREALLOC);
BPF_F_TABLE("array", u32, struct slot, slots, 2 * SLOTS, BPF_F_MMAPABLE);
BPF_F_TABLE("array", u32, struct slot, steady, 1 << STEADY_BITS, BPF_F_MMAPABLE); /* bpf/steady.h */
BPF_F_TABLE("hash", struct query_key, struct queries, overflow0, MAX_QUERIES, BPF_F_NO_PREALLOC);
BPF_F_TABLE("hash", struct query_key, struct queries, overflow1, MAX_QUERIES, BPF_F_NO_PREALLOC);
/* By tgid & (CHANGES - 1): the last change of its entry, by number. */
BPF_TABLE("array", u32, u64, changes, CHANGES);
/* How many threads are inside a call that matters, by kind and tid. */
BPF_TABLE("array", u32, u64, calls, 2 * CALLS);
BPF_TABLE("lru_hash", u64, struct connector, connectors, MAX_CONNECTIONS);
BPF_TABLE("lru_hash", u64, struct image, images, MAX_IMAGES);
/* The resolv.conf of each view, set by the daemon. */
BPF_TABLE("hash", struct file_id, u32, view_files, MAX_VIEW_FILES);
/* By tgid & (CHANGES - 1): whether such a process may have acted. */
BPF_F_TABLE("array", u32, u32, acted, CHANGES, BPF_F_MMAPABLE);
/* By tgid & (CHANGES - 1): the thread that last did a stat or a read of resolv.conf. */
BPF_TABLE("array", u32, u32, file_users, CHANGES);
BPF_RINGBUF_OUTPUT(records, RING_PAGES);

static __always_inline void lose_many(u32 reason, u64 number)
{
    u64 *count = losses.lookup(&reason);
    if (count)
        __sync_fetch_and_add(count, number);
}

static __always_inline void lose(u32 reason) { lose_many(reason, 1); }

/* Atomics on 64 bits, and no result of an add: all that every CPU version of BPF has (LLVM compiles for the oldest here).
 * An exchange orders what stands before it for other processors; an add does not on arm64, nor does a load. What depends
 * on a loaded value by its address comes after that load on any machine: `after` makes it depend.
 */
#define EXCHANGE(place, value) __sync_lock_test_and_set(place, value)

static __always_inline void *after(u64 loaded, void *pointer)
{
    asm volatile("%0 &= 0" : "+r"(loaded));
    return pointer + loaded;
}

/* A number that no other state, root or image has, greater than all before it, for 18 years of uptime (CHROOTED takes the
 * highest bit): 64 ns, in which no processor does two things of a kind, and the processor. tracer/observation/lineage.py
 * goes on there.
 */
static __always_inline u64 fresh_id(void)
{
    return bpf_ktime_get_boot_ns() >> 6 << 10 | (bpf_get_smp_processor_id() & 1023);
}

static __always_inline u32 current_tgid(void) { return bpf_get_current_pid_tgid() >> 32; }

/* The current process's entry; one is made if its fork was not seen. NULL only if the map is full. */
static __always_inline struct process *current_process(void)
{
    u32 tgid = current_tgid();
    struct process *found = processes.lookup(&tgid);
    if (found)
        return found;
    struct process unseen = {};
    unseen.res_state_id = fresh_id();
    processes.update(&tgid, &unseen);
    found = processes.lookup(&tgid);
    if (!found)
        lose(PROCESSES_FULL);
    return found;
}

static __always_inline u64 *changes_of(u32 tgid)
{
    u32 index = tgid & (CHANGES - 1);
    return changes.lookup(&index);
}

/* What was described of the process in this tick is out of date. Called after the change: whoever sees the number sees
 * the change.
 */
static __always_inline void changed(u32 tgid)
{
    u64 *last = changes_of(tgid);
    if (last)
        EXCHANGE(last, fresh_id());
}

/* Like changed(), of something in `control`. */
static __always_inline void renew(u32 what)
{
    u64 *last = control.lookup(&what);
    if (last)
        EXCHANGE(last, fresh_id());
}

/* If the ring has no room for it, the daemon is awake, and sees in `control` what it is woken for. */
static __always_inline void wake(u64 why)
{
    u64 *record = records.ringbuf_reserve(sizeof(why));
    if (!record)
        return;
    *record = why;
    records.ringbuf_submit(record, 0);
}

/* Threads of a process set its flags at once. */
static __always_inline void set_flags(struct process *process, u64 flags)
{
    if ((process->flags & flags) != flags)
        __sync_fetch_and_or(&process->flags, flags);
}

static __always_inline void clear_flags(struct process *process, u64 flags)
{
    if (process->flags & flags)
        __sync_fetch_and_and(&process->flags, ~flags);
}

/* A process as a line names it: its pid, and 40 bits of its birth in units of 1.05 ms. */
#define BIRTH_SHIFT 20
#define BIRTH_BITS 40
#define BIRTH_MASK ((1ULL << BIRTH_BITS) - 1)

static __always_inline u64 ancestor(u32 tgid, u64 birth)
{
    return (u64)tgid << BIRTH_BITS | (birth >> BIRTH_SHIFT & BIRTH_MASK);
}

/* A birth that was not seen is 0 in a line that began while it was unknown. */
static __always_inline bool is_ancestor(struct process *process, u64 named)
{
    u64 birth = named & BIRTH_MASK;
    return !birth || birth == (process->birth >> BIRTH_SHIFT & BIRTH_MASK);
}

static __always_inline bool lives(u64 named)
{
    u32 tgid = named >> BIRTH_BITS;
    struct process *found = processes.lookup(&tgid);
    return found && is_ancestor(found, named);
}

/* A full line drops the topmost process that has exited, or else one from the middle. */
static __always_inline void add_to_line(u64 *line, u64 named)
{
    int out = LINE_KEPT;
#pragma unroll
    for (int i = 0; i < LINE; i++)
        if (!line[i]) {
            line[i] = named;
            return;
        }
#pragma unroll
    for (int i = LINE - 1; i >= 0; i--)
        if (!lives(line[i]))
            out = i;
#pragma unroll
    for (int i = 0; i < LINE - 1; i++)
        if (i >= out)
            line[i] = line[i + 1];
    line[LINE - 1] = named;
}

static __always_inline void note_file_user(void)
{
    u64 task = bpf_get_current_pid_tgid();
    u32 index = task >> 32 & (CHANGES - 1), tid = task;
    file_users.update(&index, &tid);
}

/* Whether another thread did the last stat or read of resolv.conf: this one's queries may come from a second resolver. */
static __always_inline bool is_stray(u64 task)
{
    u32 index = task >> 32 & (CHANGES - 1);
    u32 *user = file_users.lookup(&index);
    return user && *user != (u32)task;
}

static __always_inline void mark_acted(struct process *process, u32 tgid)
{
    u32 index = tgid & (CHANGES - 1), yes = 1;
    set_flags(process, ACTED);
    acted.update(&index, &yes);
}

/* Whether its exec or exit is reported: it has acted, or is an heir that has not (Probes.follow). */
static __always_inline bool is_followed(struct process *process, u32 tgid)
{
    if (process->flags & ACTED)
        return true;
    u32 index = tgid & (CHANGES - 1);
    u32 *may_be = process->line[0] ? acted.lookup(&index) : NULL;
    return may_be && *may_be;
}

/* Others may share the resolver state that a process is about to leave: their owner has to be determined again. */
static __always_inline void leave_state(struct process *process)
{
    if ((process->flags & FORKED) && (process->flags & ACTED))
        renew(OWNERS);
}

/* From here on the process has a state of its own: the children that it forked before keep the one it had. */
static __always_inline void own_new_state(struct process *process, u32 tgid)
{
    leave_state(process);
    clear_flags(process, FORKED);
    process->res_state_id = fresh_id();
    __builtin_memset(process->line, 0, sizeof(process->line));
    changed(tgid);
}

static __always_inline void describe(struct subject *subject, struct process *process, u32 tgid)
{
    subject->birth = process->birth;
    subject->res_state_id = process->res_state_id;
    subject->root = process->root;
    subject->image = process->image;
    subject->parent_birth = process->parent_birth;
    subject->checked = process->checked;
    subject->tgid = tgid;
    subject->execs = process->execs;
    subject->parent_tgid = process->parent_tgid;
    subject->flags = process->flags;
    subject->owner_tgid = tgid;
    subject->owner_birth = process->birth;
    subject->owner_execs = process->execs;
#pragma unroll
    for (int i = 0; i < LINE; i++) {
        u64 named = process->line[i];
        if (!named)
            return;
        u32 above_tgid = named >> BIRTH_BITS;
        struct process *above = processes.lookup(&above_tgid);
        if (above && above->res_state_id == process->res_state_id && is_ancestor(above, named)) {
            subject->owner_tgid = above_tgid;
            subject->owner_birth = above->birth;
            subject->owner_execs = above->execs;
            return;
        }
    }
}

/* Only if the current task is the subject: not in softirq. */
static __always_inline void describe_current(struct subject *subject)
{
    subject->cgroup = bpf_get_current_cgroup_id();
    subject->uid = bpf_get_current_uid_gid();
    bpf_get_current_comm(&subject->comm, sizeof(subject->comm));
}

static __always_inline struct record *begin_record(u32 kind, struct process *process)
{
    struct record *record = records.ringbuf_reserve(sizeof(struct record));
    if (!record) {
        lose(RING_FULL);
        return NULL;
    }
    u64 task = bpf_get_current_pid_tgid();
    __builtin_memset(record, 0, sizeof(*record));
    describe(&record->subject, process, task >> 32);
    describe_current(&record->subject);
    record->time = bpf_ktime_get_ns();
    record->kind = kind;
    record->tid = task;
    return record;
}

/* At the end of each such call of each thread: whether it is of interest, first without a search. A thread that is killed
 * inside stays counted, and some threads then search in vain.
 */
enum call { OPENING, CONNECTING };

static __always_inline u64 *calls_of(enum call call, u64 task)
{
    u32 index = call * CALLS + (task & (CALLS - 1));
    return calls.lookup(&index);
}

static __always_inline void call_begins(enum call call, u64 task)
{
    u64 *number = calls_of(call, task);
    if (number)
        __sync_fetch_and_add(number, 1);
}

static __always_inline bool call_may_be_under_way(enum call call, u64 task)
{
    u64 *number = calls_of(call, task);
    return number && *number;
}

static __always_inline void call_ends(enum call call, u64 task)
{
    u64 *number = calls_of(call, task);
    if (number)
        __sync_fetch_and_add(number, -1);
}
