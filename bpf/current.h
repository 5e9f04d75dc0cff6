/* Reading memory, by the helpers' numbers (enum bpf_func_id, linux/bpf.h). Of their names BCC wants to know first whether
 * the kernel has them: it reads all of /proc/kallsyms for each call that it compiles, and takes older ones, which programs
 * on cgroups may not call, where it cannot.
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

/* Who the current task is, where programs on packets may not ask that (on 6.12, not all of it): read from the task
 * itself. The places (TASK_PID, ...) are the kernel's own word: tracer/kernel/btf_offsets.py takes them from its BTF.
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
