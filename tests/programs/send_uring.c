/* send_uring MODE ADDRESS: send 23 DNS queries (see query.h) by io_uring(7) alone, in one of MODES.
 *
 * From the start on the kernel ends it at any system call that connects or sends otherwise. Needs a nameserver there.
 * Prints `done`, and waits to be killed.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "query.h"

enum { COUNT = 23, ENTRIES = 32 };

static const struct mode {
    const char *name;
    int type, connect, operation, setup, flags;
} MODES[] = {
    {"connect-send", SOCK_DGRAM, 1, IORING_OP_SEND, 0, 0},
    {"connect-send-tcp", SOCK_STREAM, 1, IORING_OP_SEND, 0, 0},
    {"sendmsg", SOCK_DGRAM, 0, IORING_OP_SENDMSG, 0, 0},
    {"worker", SOCK_DGRAM, 0, IORING_OP_SENDMSG, 0, IOSQE_ASYNC},         /* the kernel's threads do it */
    {"polled", SOCK_DGRAM, 0, IORING_OP_SENDMSG, IORING_SETUP_SQPOLL, 0}, /* the kernel's thread finds it by itself */
    {"polled-tcp", SOCK_STREAM, 1, IORING_OP_SEND, IORING_SETUP_SQPOLL, 0},
};

static int ring, polled;
static struct io_uring_sqe *entries;
static struct io_uring_params params;
static unsigned char *queue; /* submissions and completions: IORING_FEAT_SINGLE_MMAP */

static unsigned *field(unsigned offset) { return (unsigned *)(queue + offset); }

static void set_up(int flags)
{
    params.flags = flags;
    polled = flags & IORING_SETUP_SQPOLL;
    ring = syscall(SYS_io_uring_setup, ENTRIES, &params);
    if (ring < 0)
        err(1, "io_uring_setup");
    size_t size = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    queue = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    entries = mmap(NULL, ENTRIES * sizeof *entries, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    if (queue == MAP_FAILED || entries == MAP_FAILED || !(params.features & IORING_FEAT_SINGLE_MMAP))
        err(1, "the ring's memory");
}

/* Submit one operation, wait for its completion, and return what the operation returned. */
static int complete(struct io_uring_sqe operation)
{
    unsigned *head = field(params.cq_off.head), *tail = field(params.sq_off.tail), at = *tail % ENTRIES;
    entries[at] = operation;
    field(params.sq_off.array)[at] = at;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_SEQ_CST);
    unsigned flags = IORING_ENTER_GETEVENTS;
    if (polled && __atomic_load_n(field(params.sq_off.flags), __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
        flags |= IORING_ENTER_SQ_WAKEUP;
    while (syscall(SYS_io_uring_enter, ring, polled ? 0 : 1, 1, flags, NULL, 0) < 0)
        if (errno != EINTR)
            err(1, "io_uring_enter");
    struct io_uring_cqe *done = (struct io_uring_cqe *)(queue + params.cq_off.cqes);
    int result = done[*head % params.cq_entries].res;
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    return result;
}

static void expect(int result, int wanted, const char *what)
{
    if (result != wanted)
        errx(1, "%s: %s", what, result < 0 ? strerror(-result) : "cut short");
}

#define KILL_AT(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), BPF_STMT(BPF_RET, SECCOMP_RET_KILL_PROCESS)

static void forbid_other_ways(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        KILL_AT(connect),
        KILL_AT(sendto),
        KILL_AT(sendmsg),
        KILL_AT(sendmmsg),
        BPF_STMT(BPF_RET, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        err(1, "seccomp");
}

static void run(const struct mode *mode, const struct addrinfo *to)
{
    int tcp = mode->type == SOCK_STREAM, fd = socket(to->ai_family, mode->type, 0);
    struct iovec part = {tcp ? framed : QUERY, tcp ? framed_size : QUERY_SIZE};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_name = to->ai_addr, .msg_namelen = to->ai_addrlen};
    struct io_uring_sqe connects = {
        .opcode = IORING_OP_CONNECT, .fd = fd, .addr = (unsigned long)to->ai_addr, .off = to->ai_addrlen};
    struct io_uring_sqe sends = {.opcode = mode->operation, .fd = fd, .flags = mode->flags};
    unsigned char answer[512];

    if (mode->operation == IORING_OP_SENDMSG)
        sends.addr = (unsigned long)&message, sends.len = 1;
    else
        sends.addr = (unsigned long)part.iov_base, sends.len = part.iov_len;
    set_up(mode->setup);
    if (mode->connect)
        expect(complete(connects), 0, "connect");
    for (int i = 0; i < COUNT; i++) {
        expect(complete(sends), part.iov_len, "send");
        if (tcp && recv(fd, answer, sizeof answer, 0) <= 0) /* or the next query would share a segment */
            err(1, "no answer");
    }
}

int main(int argc, char **argv)
{
    const struct mode *mode = MODES, *end = MODES + sizeof MODES / sizeof *MODES;
    while (argc == 3 && mode < end && strcmp(mode->name, argv[1]))
        mode++;
    if (argc != 3 || mode == end)
        errx(2, "usage: send_uring MODE ADDRESS (modes: see the source)");
    setvbuf(stdout, NULL, _IOLBF, 0);
    make_query();
    forbid_other_ways();
    run(mode, resolve(argv[2], "53"));
    puts("done");
    for (;;)
        pause();
}
