/* Who reads resolv.conf: opens of any file of that name, with their result, and a look at it by stat. */

#define O_ACCMODE 3
#define O_WRONLY 1
#define O_PATH 010000000
#define NAME_BYTES 12 /* "resolv.conf" and its NUL */
#define HEAD_BYTES 16 /* at least NAME_BYTES, and aligned */
#define WHOLE_BYTES 17 /* "/etc/resolv.conf" and its NUL */

/* The name of a path too short for it would begin in the head. */
struct opening {
    char head[HEAD_BYTES];
    char path[PATH_BYTES];
    u64 unread;              /* where the path stands, of which no page was in memory yet; else 0 */
};

/* LRU: a thread killed inside its call leaves its entry behind. */
BPF_TABLE("lru_hash", u64, struct opening, openings, 1024);

static __always_inline bool is_resolv_conf(const char *name)
{
    return name[10] == 'f' && name[0] == 'r' && name[1] == 'e' && name[2] == 's' && name[3] == 'o' && name[4] == 'l' &&
           name[5] == 'v' && name[6] == '.' && name[7] == 'c' && name[8] == 'o' && name[9] == 'n';
}

/* `length` counts the NUL. */
static __always_inline bool ends_in_resolv_conf(const struct opening *opening, u64 length)
{
    asm volatile("" : "+r"(length)); /* or the compiler tests one copy and uses another, which confuses the verifier */
    if (length > PATH_BYTES)
        return false;
    return is_resolv_conf((const char *)opening + HEAD_BYTES - NAME_BYTES + length);
}

/* A program cannot bring a page in. The kernel does, for the call itself: what is not there yet is read at its end. */
static __always_inline int open_begins(const char *filename, u64 flags)
{
    if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH))
        return 0;
    struct opening opening; /* its path is not cleared: that would take as long as reading it */
    __builtin_memset(opening.head, 0, sizeof(opening.head));
    opening.unread = 0;
    int length = read_user_text(opening.path, PATH_BYTES, filename);
    if (length < 0)
        opening.unread = (u64)filename;
    else if (!ends_in_resolv_conf(&opening, length))
        return 0;
    u64 task = bpf_get_current_pid_tgid();
    openings.update(&task, &opening);
    call_begins(OPENING, task);
    return 0;
}

static __always_inline bool is_read_now(struct opening *opening, long result)
{
    int length = read_user_text(opening->path, PATH_BYTES, (const char *)opening->unread);
    if (length < 0 && result != EFAULT_RESULT)
        lose(USER_MEMORY);
    return length >= 0 && ends_in_resolv_conf(opening, length);
}

/* The results that leave a resolver with a new state: a file read, or those that glibc takes for an empty file
 * (resolv/res_init.c: ENOENT, EACCES, EISDIR, ELOOP, ENOTDIR, EPERM). Any other fails the lookup and changes nothing.
 */
static __always_inline bool counts_as_read(long result)
{
    return result >= 0 || result == -2 || result == -13 || result == -21 || result == -40 || result == -20 ||
           result == -1;
}

static __always_inline int open_ends(long result)
{
    u64 task = bpf_get_current_pid_tgid();
    if (!call_may_be_under_way(OPENING, task))
        return 0;
    struct opening *opening = openings.lookup(&task);
    if (!opening)
        return 0;
    bool is_meant = !opening->unread || is_read_now(opening, result);
    struct process *process = is_meant && counts_as_read(result) ? current_process() : NULL;
    if (process) {
        u64 before = process->state;
        own_new_state(process, task >> 32);
        process->flags |= ACTED | READ_ONCE;
        struct record *record = begin_record(READ, process);
        if (record) {
            record->state_before = before;
            record->result = result;
            __builtin_memcpy(record->path, opening->path, sizeof(record->path));
            records.ringbuf_submit(record, 0);
        }
    }
    openings.delete(&task);
    call_ends(OPENING, task);
    return 0;
}

#ifdef HAVE_SYS_OPEN
TRACEPOINT_PROBE(syscalls, sys_enter_open) { return open_begins(args->filename, args->flags); }
TRACEPOINT_PROBE(syscalls, sys_exit_open) { return open_ends(args->ret); }
#endif
TRACEPOINT_PROBE(syscalls, sys_enter_openat) { return open_begins(args->filename, args->flags); }
TRACEPOINT_PROBE(syscalls, sys_exit_openat) { return open_ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_openat2)
{
    u64 flags = 0; /* the first field of struct open_how, openat2(2) */
    read_user(&flags, sizeof(flags), args->how);
    return open_begins(args->filename, flags);
}
TRACEPOINT_PROBE(syscalls, sys_exit_openat2) { return open_ends(args->ret); }

/* A live glibc looks at the file before each lookup (io/file_change_detection.c), a frozen one never does. */
static __always_inline int looked(const char *filename)
{
    u32 tgid = current_tgid();
    struct process *process = processes.lookup(&tgid);
    if (!process || !(process->flags & ACTED))
        return 0;
    char path[WHOLE_BYTES] = {};
    if (read_user_text(&path, sizeof(path), filename) != WHOLE_BYTES)
        return 0;
    if (path[0] == '/' && path[1] == 'e' && path[2] == 't' && path[3] == 'c' && path[4] == '/' &&
        is_resolv_conf(path + 5))
        process->checked = bpf_ktime_get_ns();
    return 0;
}

TRACEPOINT_PROBE(syscalls, sys_enter_newfstatat) { return looked(args->filename); }
#ifdef HAVE_SYS_NEWSTAT
TRACEPOINT_PROBE(syscalls, sys_enter_newstat) { return looked(args->filename); }
#endif
