/* send_many MODE ADDRESS...: send many DNS queries (see query.h), port 53, in one of MODES.
 *
 * Needs nameservers there. Prints `done`, and waits to be killed.
 *   turns       one UDP socket without a peer, 23 to each ADDRESS, by turns
 *   turns-mmsg  the same, to all of them with each sendmmsg()
 *   answered    one connected UDP socket, 23, each of them answered
 *   patient     one connected UDP socket, 997, in some two and a half seconds
 *   crowd       64 threads with a socket each, 23 from each, each of them answered
 *   fastopen    over TCP, 23, the first of them given with the connection's start (MSG_FASTOPEN)
 *   multipath   over Multipath TCP (RFC 8684), 23
 *   pipelined   over TCP, 23 with one write
 *   split       over TCP, 23, of each the length and the rest with a write of its own
 */
#define _GNU_SOURCE
#include <err.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "query.h"

enum { COUNT = 23, PATIENT_COUNT = 997, THREADS = 64, MOST_ADDRESSES = 8, ANSWER_SECONDS = 10 };

static struct addrinfo *servers[MOST_ADDRESSES];
static int number;

static int open_socket_of(int type, int protocol)
{
    struct timeval limit = {.tv_sec = ANSWER_SECONDS};
    int on = 1, fd = socket(servers[0]->ai_family, type, protocol);
    if (fd < 0)
        err(1, "socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (type == SOCK_STREAM)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static int open_socket(int type) { return open_socket_of(type, 0); }

static void send_all(int fd, const void *data, ssize_t size, const struct addrinfo *to)
{
    if (sendto(fd, data, size, 0, to ? to->ai_addr : NULL, to ? to->ai_addrlen : 0) != size)
        err(1, "send");
}

static void receive(int fd)
{
    unsigned char answer[512];
    if (recv(fd, answer, sizeof answer, 0) <= 0)
        err(1, "no answer");
}

static void turns(void)
{
    int fd = open_socket(SOCK_DGRAM);
    for (int i = 0; i < COUNT; i++)
        for (int to = 0; to < number; to++)
            send_all(fd, QUERY, QUERY_SIZE, servers[to]);
}

static void turns_mmsg(void)
{
    int fd = open_socket(SOCK_DGRAM);
    struct iovec part = {QUERY, QUERY_SIZE};
    struct mmsghdr messages[MOST_ADDRESSES] = {0};
    for (int to = 0; to < number; to++)
        messages[to].msg_hdr = (struct msghdr){.msg_iov = &part,
                                               .msg_iovlen = 1,
                                               .msg_name = servers[to]->ai_addr,
                                               .msg_namelen = servers[to]->ai_addrlen};
    for (int i = 0; i < COUNT; i++)
        if (sendmmsg(fd, messages, number, 0) != number)
            err(1, "sendmmsg");
}

static void patient(void)
{
    const struct timespec pause_between = {.tv_nsec = 2500000};
    int fd = open_socket(SOCK_DGRAM);
    connect_to(fd, servers[0]);
    for (int i = 0; i < PATIENT_COUNT; i++) {
        send_all(fd, QUERY, QUERY_SIZE, NULL);
        nanosleep(&pause_between, NULL);
    }
}

static void ask(int fd, const struct addrinfo *to)
{
    for (int i = 0; i < COUNT; i++) {
        send_all(fd, QUERY, QUERY_SIZE, to);
        receive(fd);
    }
}

static void answered(void)
{
    int fd = open_socket(SOCK_DGRAM);
    connect_to(fd, servers[0]);
    ask(fd, NULL);
}

static void *ask_in_thread(void *unused)
{
    ask(open_socket(SOCK_DGRAM), servers[0]);
    return unused;
}

static void crowd(void)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, ask_in_thread, NULL))
            errx(1, "no thread");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void fastopen(void)
{
    int fd = open_socket(SOCK_STREAM);
    if (sendto(fd, framed, framed_size, MSG_FASTOPEN, servers[0]->ai_addr, servers[0]->ai_addrlen) != framed_size)
        err(1, "MSG_FASTOPEN");
    receive(fd);
    ask_over_tcp(fd, COUNT - 1);
}

static void multipath(void)
{
    int fd = open_socket_of(SOCK_STREAM, IPPROTO_MPTCP);
    connect_to(fd, servers[0]);
    ask_over_tcp(fd, COUNT);
}

static void pipelined(void)
{
    int fd = open_socket(SOCK_STREAM);
    unsigned char queries[COUNT * framed_size];
    for (int i = 0; i < COUNT; i++)
        memcpy(queries + i * framed_size, framed, framed_size);
    connect_to(fd, servers[0]);
    send_all(fd, queries, sizeof queries, NULL);
    receive(fd);
}

static void split(void)
{
    int fd = open_socket(SOCK_STREAM);
    connect_to(fd, servers[0]);
    for (int i = 0; i < COUNT; i++) {
        send_all(fd, framed, 2, NULL);
        send_all(fd, QUERY, QUERY_SIZE, NULL);
        receive(fd);
    }
}

static const struct mode {
    const char *name;
    void (*run)(void);
} MODES[] = {
    {"turns", turns},         {"turns-mmsg", turns_mmsg}, {"answered", answered},
    {"patient", patient},     {"crowd", crowd},           {"fastopen", fastopen},
    {"multipath", multipath}, {"pipelined", pipelined},   {"split", split},
};

int main(int argc, char **argv)
{
    const struct mode *mode = MODES, *end = MODES + sizeof MODES / sizeof *MODES;
    while (argc >= 3 && mode < end && strcmp(mode->name, argv[1]))
        mode++;
    if (argc < 3 || argc > 2 + MOST_ADDRESSES || mode == end)
        errx(2, "usage: send_many MODE ADDRESS... (modes: see the source)");
    setvbuf(stdout, NULL, _IOLBF, 0);
    make_query();
    for (int i = 2; i < argc; i++)
        servers[number++] = resolve(argv[i], "53");
    mode->run();
    puts("done");
    for (;;)
        pause();
}
