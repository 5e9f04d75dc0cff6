/* Which process reads resolv.conf: opens of any file of that name, with their result, and stat calls on it. */

#define O_ACCMODE 3
#define O_WRONLY 1
#define O_PATH 010000000
#define O_CLOEXEC 02000000
#define NAME_BYTES 12  /* "resolv.conf" and its NUL */
#define HEAD_BYTES 16  /* at least NAME_BYTES, and aligned */
#define WHOLE_BYTES 17 /* "/etc/resolv.conf" and its NUL */
#define HOSTS_BYTES 11 /* "/etc/hosts" and its NUL */

/* The name of a path too short for it would begin in the head. */
struct opening {
    char head[HEAD_BYTES];
    char path[PATH_BYTES];
    u64 unread; /* where the path is, if its page was not in memory yet; else 0 */
};

/* By thread. An entry is removed when its call ends, which the kernel reports for a killed thread too. */
BPF_F_TABLE("hash", u64, struct opening, openings, MAX_CALLS, BPF_F_NO_PREALLOC);

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

static __always_inline bool opens_for_writing(u64 flags) { return (flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH); }

static __always_inline bool is_etc_hosts(const char *path)
{
    return path[0] == '/' && path[1] == 'e' && path[2] == 't' && path[3] == 'c' && path[4] == '/' && path[5] == 'h' &&
           path[6] == 'o' && path[7] == 's' && path[8] == 't' && path[9] == 's';
}

/* getaddrinfo(3) and gethostbyname(3) read /etc/hosts before they query a nameserver (nss_files(5), as
 * nsswitch.conf(5) has it everywhere); res_query(3) does not. Of the resolvers that programs bring along some do (c-ares:
 * ares_hosts_file.c), but without O_CLOEXEC, which glibc always sets (nss/nss_files/files-XXX.c: fopen(..., "rce")).
 */
static __always_inline void note_hosts(void)
{
    struct process *process = current_process();
    if (!process)
        return;
    process->hosts_opened = bpf_ktime_get_ns();
    process->hosts_tid = bpf_get_current_pid_tgid();
}

/* A program cannot bring a page in. The kernel does, for the call itself: what is not there yet is read at its end. */
static __always_inline int open_begins(const char *filename, u64 flags)
{
    if (opens_for_writing(flags))
        return 0;
    struct opening opening; /* its path is not cleared: that would take as long as reading it */
    __builtin_memset(opening.head, 0, sizeof(opening.head));
    opening.unread = 0;
    int length = read_user_text(opening.path, PATH_BYTES, filename);
    if (length < 0)
        opening.unread = (u64)filename;
    else if (!ends_in_resolv_conf(&opening, length)) {
        if (length == HOSTS_BYTES && flags & O_CLOEXEC && is_etc_hosts(opening.path))
            note_hosts();
        return 0;
    }
    u64 task = bpf_get_current_pid_tgid();
    if (openings.update(&task, &opening))
        lose(CALLS_FULL);
    else
        call_begins(OPENING, task);
    return 0;
}

static __always_inline bool is_read_now(struct opening *opening, long result)
{
    int length = read_user_text(opening->path, PATH_BYTES, (const char *)opening->unread);
    if (length < 0 && result != EFAULT_RESULT)
        lose(USER_MEMORY);
    if (length == HOSTS_BYTES && is_etc_hosts(opening->path))
        note_hosts();
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

static __always_inline bool is_etc_resolv_conf(const char *path)
{
    return path[0] == '/' && path[1] == 'e' && path[2] == 't' && path[3] == 'c' && path[4] == '/' &&
           is_resolv_conf(path + 5) && !path[WHOLE_BYTES - 1];
}

/* Which file a descriptor of the current task reads (include/linux/fdtable.h, fs.h); {} if it only writes, or if the
 * kernel's BTF lacks the offsets.
 */
static __always_inline struct file_id file_of(u32 descriptor)
{
    struct file_id id = {};
#ifdef TASK_FILES
    u64 table = kernel_word(kernel_word(bpf_get_current_task(), TASK_FILES), FILES_FDT);
    u64 file = kernel_word(kernel_word(table, FDTABLE_FD) + 8 * (u64)descriptor, 0);
    if (opens_for_writing((u32)kernel_word(file, FILE_FLAGS)))
        return id;
    u64 inode = kernel_word(file, FILE_INODE);
    id.inode = kernel_word(inode, INODE_INO);
    id.device = (u32)kernel_word(kernel_word(inode, INODE_SB), SB_DEV);
#endif
    return id;
}

static __always_inline bool is_view_file(struct file_id *id) { return id->inode && view_files.lookup(id); }

static __always_inline struct record *begin_record_of_file(u32 kind, struct process *process, const char *path,
                                                           struct file_id *id, long result)
{
    struct record *record = begin_record(kind, process);
    if (!record)
        return NULL;
    record->result = result;
    record->inode = id->inode;
    record->device = id->device;
    if (path)
        __builtin_memcpy(record->path, path, sizeof(record->path));
    return record;
}

static __always_inline void reads(u32 tgid, const char *path, struct file_id *id, long result)
{
    struct process *process = current_process();
    if (!process)
        return;
    u64 before = process->res_state_id, line[LINE];
    u32 shared = (process->flags & FORKED ? BY_CHILDREN : 0) | (process->line[0] ? BY_ANCESTORS : 0);
    __builtin_memcpy(line, process->line, sizeof(line));
    own_new_state(process, tgid);
    set_flags(process, READ_ONCE);
    mark_acted(process, tgid);
    note_file_user();
    struct record *record = begin_record_of_file(READ, process, path, id, result);
    if (!record)
        return;
    record->res_state_id_before = before;
    record->shared = shared;
    __builtin_memcpy(record->line, line, sizeof(record->line));
    records.ringbuf_submit(record, 0);
}

/* One that has acted may read the file by any name: the file that it opened decides. */
static __always_inline int opened_by_another_name(u32 tgid, long result)
{
    u32 index = tgid & (CHANGES - 1);
    u32 *may_have_acted = acted.lookup(&index);
    if (result < 0 || !may_have_acted || !*may_have_acted)
        return 0;
    struct file_id id = file_of(result);
    if (!is_view_file(&id))
        return 0;
    struct process *process = processes.lookup(&tgid);
    if (process && (process->flags & ACTED))
        reads(tgid, NULL, &id, result);
    return 0;
}

/* A relative path, or through /proc/self: most likely its own resolv.conf. The daemon checks whether it was. */
static __always_inline bool may_be_its_own(const char *path)
{
    return path[0] != '/' || (path[1] == 'p' && path[2] == 'r' && path[3] == 'o' && path[4] == 'c' && path[5] == '/');
}

/* By the name /etc/resolv.conf it is a read whatever the result; by another only if it is a view's file. */
static __always_inline void on_resolv_conf_opened(u32 tgid, const char *path, long result)
{
    struct file_id id = {};
    if (result >= 0)
        id = file_of(result);
    bool is_read =
        is_etc_resolv_conf(path) ? counts_as_read(result) : result >= 0 && (is_view_file(&id) || may_be_its_own(path));
    if (is_read) {
        reads(tgid, path, &id, result);
    } else if (result >= 0) {
        struct process *process = current_process();
        struct record *record = process ? begin_record_of_file(OPENED, process, path, &id, result) : NULL;
        if (record)
            records.ringbuf_submit(record, 0);
    }
}

static __always_inline int open_ends(long result)
{
    u64 task = bpf_get_current_pid_tgid();
    struct opening *opening = call_may_be_under_way(OPENING, task) ? openings.lookup(&task) : NULL;
    if (!opening)
        return opened_by_another_name(task >> 32, result);
    if (!opening->unread || is_read_now(opening, result))
        on_resolv_conf_opened(task >> 32, opening->path, result);
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

/* A current glibc does a stat of the file before each lookup (io/file_change_detection.c), a frozen one never does. libuv
 * (Node) and Rust's library do it by statx(2).
 */
static __always_inline int on_stat(const char *filename)
{
    u32 tgid = current_tgid();
    struct process *process = processes.lookup(&tgid);
    if (!process || !(process->flags & ACTED))
        return 0;
    char path[WHOLE_BYTES] = {};
    if (read_user_text(&path, sizeof(path), filename) != WHOLE_BYTES)
        return 0;
    if (is_etc_resolv_conf(path)) {
        process->checked = bpf_ktime_get_ns();
        note_file_user();
    }
    return 0;
}

TRACEPOINT_PROBE(syscalls, sys_enter_newfstatat) { return on_stat(args->filename); }
TRACEPOINT_PROBE(syscalls, sys_enter_statx) { return on_stat(args->filename); }
#ifdef HAVE_SYS_NEWSTAT
TRACEPOINT_PROBE(syscalls, sys_enter_newstat) { return on_stat(args->filename); }
#endif
