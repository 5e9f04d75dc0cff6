/* send_shared MODE ADDRESS: two processes, one of which may send what the other has prepared, in one of MODES.
 *
 * 23 DNS queries (see query.h), port 53. Needs a nameserver there. Prints `child PID` and `done`, and waits to be killed.
 *   pass      a connected UDP socket, passed over SCM_RIGHTS, unix(7), to another program, which alone sends
 *   pass-tcp  the same with a TCP connection
 *   leave     a TCP connection, left open in another program; says `ready`, and sends after a line on standard input
 *   worker    a forked child sends all and ends; `lived MS` says how long it lived, at the most
 *   brief     as worker, and the child is a program of its own
 */
#define _GNU_SOURCE
#include <err.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "query.h"

enum { COUNT = 23 };

static const char *address;

/* Room for one descriptor in a message of one byte. */
struct parcel {
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec part;
    struct msghdr message;
};

static void wrap(struct parcel *parcel)
{
    memset(parcel, 0, sizeof *parcel);
    parcel->part = (struct iovec){&parcel->byte, 1};
    parcel->message = (struct msghdr){.msg_iov = &parcel->part,
                                      .msg_iovlen = 1,
                                      .msg_control = parcel->control,
                                      .msg_controllen = sizeof parcel->control};
}

static void hand_over(int channel, int fd)
{
    struct parcel parcel;
    wrap(&parcel);
    struct cmsghdr *head = CMSG_FIRSTHDR(&parcel.message);
    *head = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    if (sendmsg(channel, &parcel.message, 0) != 1)
        err(1, "SCM_RIGHTS");
}

static int take_over(int channel)
{
    struct parcel parcel;
    int fd;
    wrap(&parcel);
    if (recvmsg(channel, &parcel.message, 0) != 1 || !CMSG_FIRSTHDR(&parcel.message))
        err(1, "SCM_RIGHTS");
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&parcel.message)), sizeof fd);
    return fd;
}

static void send_all(int fd)
{
    for (int i = 0; i < COUNT; i++)
        if (send(fd, QUERY, QUERY_SIZE, 0) != QUERY_SIZE)
            err(1, "send");
}

static int connected(int type)
{
    struct addrinfo *to = resolve(address, "53");
    int on = 1, fd = socket(to->ai_family, type, 0);
    if (type == SOCK_STREAM)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connect_to(fd, to);
    return fd;
}

/* The other program: its standard input is the channel. It stays. */
static void receive(int unused)
{
    int fd = take_over(STDIN_FILENO), type;
    socklen_t size = sizeof type;
    (void)unused;
    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
    if (type == SOCK_STREAM)
        ask_over_tcp(fd, COUNT);
    else
        send_all(fd);
}

static void ask(int unused)
{
    (void)unused;
    send_all(connected(SOCK_DGRAM));
}

static pid_t start(const char *mode)
{
    char program[4096] = "";
    pid_t child = fork();
    if (child == 0 &&
        (readlink("/proc/self/exe", program, sizeof program - 1) < 0 || execl(program, program, mode, address, NULL)))
        err(1, "exec");
    printf("child %d\n", child);
    return child;
}

static void pass(int type)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) || dup2(ends[0], STDIN_FILENO))
        err(1, "the channel");
    start("receive");
    hand_over(ends[1], connected(type));
}

static void leave(int type)
{
    int fd = connected(type);
    start("keep");
    if (getchar() == EOF)
        errx(1, "standard input ended");
    ask_over_tcp(fd, COUNT);
}

static void keep(int unused)
{
    (void)unused;
    puts("ready");
}

static void live(int with_exec)
{
    struct timespec begin, end;
    int status;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    pid_t child = with_exec ? start("ask") : fork();
    if (child == 0) {
        ask(0);
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child || status)
        errx(1, "the child failed");
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("lived %ld\n", (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 + 1);
}

static const struct mode {
    const char *name;
    void (*run)(int);
    int argument, says_done, stays;
} MODES[] = {
    {"pass", pass, SOCK_DGRAM, 0, 1},
    {"pass-tcp", pass, SOCK_STREAM, 0, 1},
    {"leave", leave, SOCK_STREAM, 1, 1},
    {"worker", live, 0, 1, 1},
    {"brief", live, 1, 1, 1},
    {"keep", keep, 0, 0, 1},
    {"receive", receive, 0, 1, 1},
    {"ask", ask, 0, 0, 0},
};

int main(int argc, char **argv)
{
    const struct mode *mode = MODES, *end = MODES + sizeof MODES / sizeof *MODES;
    while (argc == 3 && mode < end && strcmp(mode->name, argv[1]))
        mode++;
    if (argc != 3 || mode == end)
        errx(2, "usage: send_shared MODE ADDRESS (modes: see the source)");
    setvbuf(stdout, NULL, _IOLBF, 0);
    make_query();
    address = argv[2];
    mode->run(mode->argument);
    if (mode->says_done)
        puts("done");
    while (mode->stays)
        pause();
}
