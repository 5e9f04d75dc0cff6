/* connect_all ADDRESS: a nameserver and its client in one, as fast as it goes, until SIGTERM; every failure counts.
 *
 * A child serves ADDRESS, port 53: it answers UDP queries with themselves, and accepts TCP connections. The parent
 * queries over a new connected UDP socket, over one without a peer, and over a new TCP connection, by turns, and to an
 * address on port 54, which is no nameserver's. It prints `ready`, and at the end `done ROUNDS FAILURES`.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { BYTES = 12, ANSWER_SECONDS = 10 };

static unsigned long failures;

/* It is blocked and looked for: a handler would interrupt a recv that has a time limit, which is a failure of nobody's. */
static int stopped(void)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGTERM);
}

static void failed(const char *what)
{
    if (!failures++)
        fprintf(stderr, "%s: %s\n", what, strerror(errno));
}

static int open_socket(int type)
{
    struct timeval limit = {.tv_sec = ANSWER_SECONDS};
    int on = 1, fd = socket(AF_INET, type, 0);
    if (fd < 0)
        err(1, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    /* Closed at once: a thousand connections a second would use up the ports. */
    struct linger reset = {.l_onoff = 1};
    if (type == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return fd;
}

static int bound(int type, const struct sockaddr_in *address)
{
    int fd = open_socket(type);
    if (bind(fd, (const struct sockaddr *)address, sizeof *address))
        err(1, "bind");
    return fd;
}

static void answer(int fd)
{
    char data[BYTES];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    struct timeval forever = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof forever);
    for (;;) {
        size = sizeof from;
        ssize_t got = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&from, &size);
        if (got > 0)
            sendto(fd, data, got, 0, (struct sockaddr *)&from, size);
    }
}

static void ask(const struct sockaddr_in *server, int connected)
{
    char data[BYTES] = {0};
    int fd = open_socket(SOCK_DGRAM);
    const struct sockaddr *address = (const struct sockaddr *)server;
    if (connected && connect(fd, address, sizeof *server))
        failed("connect");
    if (sendto(fd, data, sizeof data, 0, connected ? NULL : address, connected ? 0 : sizeof *server) != BYTES)
        failed("send");
    else if (recv(fd, data, sizeof data, 0) != BYTES)
        failed("no answer");
    close(fd);
}

static void connect_tcp(const struct sockaddr_in *server, int listener)
{
    char data[BYTES] = {0};
    int fd = open_socket(SOCK_STREAM);
    if (connect(fd, (const struct sockaddr *)server, sizeof *server)) {
        failed("connect over TCP");
    } else {
        int accepted = accept(listener, NULL, NULL);
        if (send(fd, data, sizeof data, 0) != BYTES)
            failed("send over TCP");
        else if (accepted < 0 || recv(accepted, data, sizeof data, MSG_WAITALL) != BYTES)
            failed("nothing came over TCP");
        close(accepted);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(53)}, other;
    if (argc != 2 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
        errx(2, "usage: connect_all ADDRESS");
    other = server;
    other.sin_port = htons(54);
    int one = bound(SOCK_DGRAM, &server), two = bound(SOCK_DGRAM, &other), listener = bound(SOCK_STREAM, &server);
    if (listen(listener, 16))
        err(1, "listen");
    for (int fd = one; fd <= two; fd += two - one)
        if (fork() == 0)
            answer(fd);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    puts("ready");
    fflush(stdout);
    unsigned long rounds = 0;
    for (; !stopped(); rounds++) {
        ask(&server, 1);
        ask(&server, 0);
        ask(&other, 1);
        connect_tcp(&server, listener);
    }
    printf("done %lu %lu\n", rounds, failures);
    return failures != 0;
}
