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
BPF_F_TABLE("array", u32, u32, taken, 2 * SLOTS, BPF_F_MMAPABLE);
BPF_F_TABLE("hash", struct query_key, struct queries, asked0, MAX_QUERIES, BPF_F_NO_PREALLOC);
BPF_F_TABLE("hash", struct query_key, struct queries, asked1, MAX_QUERIES, BPF_F_NO_PREALLOC);
BPF_TABLE("array", u32, u32, changes, CHANGES);       /* by tgid & (CHANGES - 1): counts changes of its entry below */
BPF_TABLE("array", u32, u64, calls, 2 * CALLS);        /* how many threads are inside a call that matters, by kind and tid */
BPF_TABLE("lru_hash", u64, struct connector, connectors, MAX_CONNECTIONS);
BPF_TABLE("lru_hash", u64, struct image, images, MAX_IMAGES);
BPF_RINGBUF_OUTPUT(records, RING_PAGES);

static __always_inline void lose_many(u32 reason, u64 number)
{
    u64 *count = losses.lookup(&reason);
    if (count)
        __sync_fetch_and_add(count, number);
}

static __always_inline void lose(u32 reason)
{
    lose_many(reason, 1);
}

/* A number that no other state, root or image has, greater than all before it, for nine years of uptime: two events
 * of one nanosecond differ by their CPU.
 */
static __always_inline u64 fresh_id(void)
{
    return bpf_ktime_get_boot_ns() << 6 | (bpf_get_smp_processor_id() & 63);
}

static __always_inline u32 current_tgid(void)
{
    return bpf_get_current_pid_tgid() >> 32;
}

/* The current process's entry; one is made where its fork was not seen. NULL only where the map is full. */
static __always_inline struct process *current_process(void)
{
    u32 tgid = current_tgid();
    struct process *found = processes.lookup(&tgid);
    if (found)
        return found;
    struct process unseen = {};
    unseen.state = fresh_id();
    unseen.owner_tgid = tgid;
    processes.update(&tgid, &unseen);
    found = processes.lookup(&tgid);
    if (!found)
        lose(PROCESSES_FULL);
    return found;
}

static __always_inline u32 *changes_of(u32 tgid)
{
    u32 index = tgid & (CHANGES - 1);
    return changes.lookup(&index);
}

/* What was described of the process in this tick holds no more. */
static __always_inline void changed(u32 tgid)
{
    u32 *count = changes_of(tgid);
    if (count)
        __sync_fetch_and_add(count, 1);
}

/* From here on the process stands on its own: what it forked before goes on with the state it had. */
static __always_inline void own_new_state(struct process *process, u32 tgid)
{
    process->state = fresh_id();
    process->owner_tgid = tgid;
    process->owner_birth = process->birth;
    changed(tgid);
}

static __always_inline void describe(struct subject *subject, struct process *process, u32 tgid)
{
    subject->birth = process->birth;
    subject->state = process->state;
    subject->root = process->root;
    subject->image = process->image;
    subject->parent_birth = process->parent_birth;
    subject->owner_birth = process->owner_birth;
    subject->checked = process->checked;
    subject->tgid = tgid;
    subject->execs = process->execs;
    subject->parent_tgid = process->parent_tgid;
    subject->owner_tgid = process->owner_tgid;
    subject->flags = process->flags;
}

/* Only where the current task is the subject: not in softirq. */
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

/* Whether the end of a call is of interest is asked at each such call of each thread: so first without a search. A
 * thread that is killed inside leaves its place counted, and some threads search then for nothing.
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
