/* Who mounts something may change what /etc/resolv.conf is to any process, in this mount namespace or, if mounts are shared,
 * in others: inotify does not report it. The first one since the daemon last looked wakes it.
 */

static __always_inline int new_mount(long result)
{
    u32 what = MOUNTED;
    u64 *reported = control.lookup(&what);
    if (!result && reported && !EXCHANGE(reported, 1))
        wake(WAKE_MOUNTED);
    return 0;
}

TRACEPOINT_PROBE(syscalls, sys_exit_mount) { return new_mount(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_exit_umount) { return new_mount(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_exit_move_mount) { return new_mount(args->ret); }
