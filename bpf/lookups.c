/* Which process tries a lookup socket (nscd's, systemd-resolved's, SSSD's), and whether a service listened there. */

#define SOCKET_PATH_BYTES 48

struct attempt {
    u64 unread; /* where the address is, if its page was not in memory yet; else 0 */
    u32 bytes;  /* of the address, then */
    u32 service;
};

BPF_F_TABLE("hash", u64, struct attempt, connecting, MAX_CALLS, BPF_F_NO_PREALLOC); /* by thread, as in opens.c */

/* By words, and gathering the difference: a branch for each byte would be more paths than the verifier follows.
 * Unrolled, so that the text becomes constants: there is no memcmp() and no string section here.
 */
#define IS(path, text) same((const u64 *)(path), text, sizeof(text))

static __always_inline bool same(const u64 *path, const char *text, int bytes)
{
    u64 difference = 0;
#pragma unroll
    for (int start = 0; start < SOCKET_PATH_BYTES; start += 8) {
        u64 word = 0, mask = 0;
#pragma unroll
        for (int i = 0; i < 8; i++)
            if (start + i < bytes) {
                word |= (u64)(u8)text[start + i] << 8 * i;
                mask |= 0xffULL << 8 * i;
            }
        difference |= (path[start / 8] & mask) ^ word;
    }
    return !difference;
}

/* The four differ in one character, so the verifier follows one comparison and not one after the other. */
static __always_inline u32 service_at(const char *path)
{
    switch (path[5]) {
    case 'n':
        return IS(path, "/run/nscd/socket") ? NSCD : 0;
    case 'r':
        return IS(path, "/var/run/nscd/socket") ? NSCD : 0;
    case 's':
        return IS(path, "/run/systemd/resolve/io.systemd.Resolve") ? RESOLVED : 0;
    case 'l':
        return IS(path, "/var/lib/sss/pipes/nss") ? SSSD : 0;
    }
    return 0;
}

/* The part of a socket address (unix(7)) that is needed; the family lies in front of an aligned path. */
struct unix_address {
    u8 before[6];
    u16 family;
    char path[SOCKET_PATH_BYTES];
} __attribute__((aligned(8)));

#define ADDRESS_BYTES (sizeof(u16) + SOCKET_PATH_BYTES)
#define SHORTEST_ADDRESS (sizeof(u16) + sizeof("/run/nscd/socket") - 1)
#define IPV6_ADDRESS 28

/* 0 if it is none, negative if it cannot be read. */
static __always_inline int service_of(const void *from, u64 bytes)
{
    struct unix_address address = {};
    asm volatile("" : "+r"(bytes)); /* as in opens.c */
    if (bytes > ADDRESS_BYTES)
        bytes = ADDRESS_BYTES;
    if (read_user(&address.family, bytes, from))
        return -1;
    return address.family == AF_UNIX ? service_at(address.path) : 0;
}

/* What is not in memory yet is read at the end of the call, as in opens.c. */
TRACEPOINT_PROBE(syscalls, sys_enter_connect)
{
    /* The length rules out most others, and costs nothing to check. */
    u32 bytes = (u32)args->addrlen;
    if (bytes < SHORTEST_ADDRESS || bytes == IPV6_ADDRESS)
        return 0;
    int service = service_of(args->uservaddr, bytes);
    if (!service)
        return 0;
    struct attempt attempt = {};
    if (service < 0) {
        attempt.unread = (u64)args->uservaddr;
        attempt.bytes = bytes;
    } else {
        attempt.service = service;
    }
    u64 task = bpf_get_current_pid_tgid();
    if (connecting.update(&task, &attempt))
        lose(CALLS_FULL);
    else
        call_begins(CONNECTING, task);
    return 0;
}

static __always_inline u32 tried_service(struct attempt *attempt, long result)
{
    if (!attempt->unread)
        return attempt->service;
    int service = service_of((const void *)attempt->unread, attempt->bytes);
    if (service < 0 && result != EFAULT_RESULT)
        lose(USER_MEMORY);
    return service > 0 ? service : 0;
}

TRACEPOINT_PROBE(syscalls, sys_exit_connect)
{
    u64 task = bpf_get_current_pid_tgid();
    if (!call_may_be_under_way(CONNECTING, task))
        return 0;
    struct attempt *attempt = connecting.lookup(&task);
    if (!attempt)
        return 0;
    u32 tried = tried_service(attempt, args->ret);
    connecting.delete(&task);
    call_ends(CONNECTING, task);
    struct process *process = tried ? current_process() : NULL;
    if (!process)
        return 0;
    /* EAGAIN: its queue is full, so a service listens (unix(7)). */
    bool answered = args->ret == 0 || args->ret == -11;
    u64 seen = (answered ? ANSWERED : REFUSED) << tried;
    if (!answered && tried == NSCD) {
        process->refused = bpf_ktime_get_ns();
        process->refused_tid = task;
        changed(task >> 32);
    }
    if (process->flags & seen)
        return 0;
    /* nscd may start and stop: what was seen last counts. */
    clear_flags(process, (answered ? REFUSED : ANSWERED) << tried);
    if (answered && tried == NSCD)
        clear_flags(process, NSCD_FALLBACK);
    set_flags(process, seen);
    changed(task >> 32);
    /* passwd and group lookups go this way too. It is for names if the process has read resolv.conf; or if nscd answers
     * every lookup, so that it never reads the file: only the client's memory shows that, and the daemon reads it there.
     */
    if (!(process->flags & READ_ONCE) && !(answered && tried == NSCD))
        return 0;
    struct record *record = begin_record(TRIED, process);
    if (record) {
        record->service = tried;
        record->result = args->ret;
        records.ringbuf_submit(record, 0);
    }
    return 0;
}
