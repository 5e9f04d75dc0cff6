/* Who shares whose resolver state: fork copies it, exec drops it. Kept here for every process, because a worker
 * that lives for 100 ms leaves nothing in /proc to read afterwards.
 */

#define CLONE_NEWNS 0x00020000
#define CLONE_THREAD 0x00010000

/* task_newtask, not sched_process_fork: it tells a thread from a process. The current task is the parent. */
TRACEPOINT_PROBE(task, task_newtask)
{
    if (args->clone_flags & CLONE_THREAD)
        return 0;
    u32 tgid = args->pid;
    u32 parent_tgid = current_tgid();
    struct process *parent = current_process();
    if (!parent)
        return 0;
    set_flags(parent, FORKED);
    struct process child = *parent;
    child.birth = bpf_ktime_get_boot_ns();
    child.parent_tgid = parent_tgid;
    child.parent_birth = parent->birth;
    add_to_line(child.line, ancestor(parent_tgid, parent->birth));
    child.execs = 0;
    child.flags &= ~(ACTED | FORKED);
    child.refused = 0;
    child.hosts_opened = 0;
    if (args->clone_flags & CLONE_NEWNS)
        child.root = fresh_id() | (parent->root & CHROOTED);
    if (processes.update(&tgid, &child))
        lose(PROCESSES_FULL);
    changed(tgid); /* the pid may have been another's */
    return 0;
}

TRACEPOINT_PROBE(sched, sched_process_exec)
{
    u32 tgid = current_tgid();
    struct process *process = current_process();
    if (!process)
        return 0;
    if (is_followed(process, tgid)) {
        struct record *record = begin_record(EXECED, process);
        if (record)
            records.ringbuf_submit(record, 0);
    }
    own_new_state(process, tgid);
    process->execs++;
    process->flags = 0;
    process->checked = 0;
    process->refused = 0;
    process->hosts_opened = 0;
    process->image = fresh_id();
    struct image image = {};
    TP_DATA_LOC_READ_STR(&image.path, filename, sizeof(image.path));
    images.update(&process->image, &image);
    return 0;
}

TRACEPOINT_PROBE(sched, sched_process_exit)
{
#ifdef EXIT_TELLS_GROUP_DEAD
#define CERTAIN 1
    if (!args->group_dead)
        return 0;
#else
#define CERTAIN 0 /* the first thread may exit before the others */
    if ((u32)bpf_get_current_pid_tgid() != current_tgid())
        return 0;
#endif
    u32 tgid = current_tgid();
    struct process *process = processes.lookup(&tgid);
    if (!process)
        return 0;
    if (is_followed(process, tgid)) {
        struct record *record = begin_record(EXITED, process);
        if (record) {
            record->result = CERTAIN;
            records.ringbuf_submit(record, 0);
        }
    }
    leave_state(process);
    processes.delete(&tgid);
    return 0;
}

/* A new root directory or mount namespace: what /etc/resolv.conf means to the process may have changed. */
static __always_inline int new_root(long result, u64 chrooted)
{
    if (result)
        return 0;
    struct process *process = current_process();
    if (process) {
        process->root = fresh_id() | (process->root & CHROOTED) | chrooted;
        changed(current_tgid());
    }
    return 0;
}

TRACEPOINT_PROBE(syscalls, sys_exit_chroot) { return new_root(args->ret, CHROOTED); }
TRACEPOINT_PROBE(syscalls, sys_exit_pivot_root) { return new_root(args->ret, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_setns) { return new_root(args->ret, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_unshare) { return new_root(args->ret, 0); }
