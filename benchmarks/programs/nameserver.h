/* A nameserver's socket, 127.0.0.53 port 53, and a query to it. */
#pragma once

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Type A, class IN, of hat.com. */
static const unsigned char QUERY[] = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 'h', 'a', 't',
                                      3,    'c',  'o', 'm', 0, 0, 1, 0, 1};

static const struct sockaddr_in NAMESERVER = {
    .sin_family = AF_INET, .sin_port = 13568 /* 53 */, .sin_addr = {0x3500007f} /* 127.0.0.53, both as on the wire */};

static inline int udp_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0)
        err(1, "socket");
    return fd;
}

static inline int connected_socket(void)
{
    int fd = udp_socket();
    if (connect(fd, (const struct sockaddr *)&NAMESERVER, sizeof NAMESERVER))
        err(1, "connect");
    return fd;
}

static inline long long nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static inline void sleep_until(long long at)
{
    struct timespec then = {.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL))
        ;
}

/* A child that does not outlive its parent. */
static inline pid_t fork_child(void)
{
    pid_t child = fork();
    if (child < 0)
        err(1, "fork");
    if (child == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child;
}

static inline void read_nothing(int fd)
{
    (void)fd;
    for (;;)
        pause();
}

/* In a process of its own: whoever holds a socket on port 53 counts as a forwarder. The one before may still be ending.
 * What nobody reads the kernel drops, and the sender does not notice.
 */
static inline void start_nameserver(void (*serve)(int))
{
    int fd = udp_socket(), tries = 5000;
    while (bind(fd, (const struct sockaddr *)&NAMESERVER, sizeof NAMESERVER)) {
        if (errno != EADDRINUSE || !tries--)
            err(1, "127.0.0.53 port 53");
        usleep(1000);
    }
    if (fork_child() == 0)
        serve(fd);
    close(fd);
}
