/* Reading memory, by the helpers' numbers (enum bpf_func_id, linux/bpf.h). Called by name, BCC first
 * checks that the kernel has them: it reads all of /proc/kallsyms for each call that it compiles, and if it cannot, falls
 * back to older helpers, which programs on cgroups may not call.
 */
static long (*read_user)(void *to, u32 size, const void *from) = (void *)112;
static long (*read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*read_user_text)(void *to, u32 size, const void *from) = (void *)114;

static __always_inline u64 kernel_word(u64 base, u32 place)
{
    u64 word = 0;
    read_kernel(&word, sizeof(word), (void *)(base + place));
    return word;
}

/* The ids of the current task, if programs on packets may not call the helpers for them (on 6.12, not all): read from the
 * task itself. The offsets (TASK_PID, ...) come from the kernel's BTF: tracer/kernel/btf_offsets.py.
 */

#ifdef TASK_PID

/* Two ints beside each other: pid, tgid. */
static __always_inline u64 task_pid_tgid(void) { return kernel_word(bpf_get_current_task(), TASK_PID); }

static __always_inline u64 task_uid_gid(void)
{
    return kernel_word(kernel_word(bpf_get_current_task(), TASK_CRED), CRED_UID);
}

static __always_inline u64 task_cgroup_id(void)
{
    u64 group = kernel_word(kernel_word(bpf_get_current_task(), TASK_CGROUPS), CSS_SET_DFL_CGRP);
    return kernel_word(kernel_word(group, CGROUP_KN), KERNFS_NODE_ID);
}

#define bpf_get_current_pid_tgid() task_pid_tgid()
#define bpf_get_current_uid_gid() task_uid_gid()
#define bpf_get_current_cgroup_id() task_cgroup_id()
#define bpf_get_current_comm(text, size) read_kernel(text, size, (void *)(bpf_get_current_task() + TASK_COMM))

#endif
