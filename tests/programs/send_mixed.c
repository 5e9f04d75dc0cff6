/* send_mixed MODE ADDRESS [OTHER]: send DNS queries (see query.h) in one of the ways that are easily counted wrong.
 *
 * 23 queries to ADDRESS and, where it is given, 23 to OTHER, but for what a mode says. Port 53, UDP, where not said
 * otherwise. Needs nameservers there: a refused query ends it. Prints `done`, and waits to be killed.
 *   explicit         connected to ADDRESS, but sends to OTHER alone
 *   flood            as explicit, but without end; `done` comes first
 *   alternate        connected to ADDRESS, and sends to it and to OTHER by turns
 *   reconnect        connected to ADDRESS, then to OTHER
 *   dissolve         connected to ADDRESS; then to nobody (AF_UNSPEC), and sends to OTHER
 *   corked           each datagram written in two parts, MSG_MORE
 *   corked-connected as above, connected
 *   segmented        one call, which the kernel cuts into datagrams: UDP_SEGMENT, udp(7)
 *   segmented-connected
 *   threads          two threads, 23 each; for each of the 23 they wait for one another, and then send both at once,
 *                    to an address of its own: the last byte of ADDRESS, IPv4, goes up by one
 *   fork             connected before a fork; the child sends 19, the parent 23. Prints `child PID`
 *   fork-tcp         the same over TCP
 *   fork-hold        over TCP, and only the parent sends: says `ready`, and waits for a line on standard input
 *   tls              TCP, port 853, a server of its own; says `serves` and goes by standard input. A line `h`: a new
 *                    connection and 5 segments that begin like a TLS handshake. A line `d`: 23 like data. Echoes the line
 */
#define _GNU_SOURCE
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "query.h"

enum { COUNT = 23, CHILDS = 19, HANDSHAKES = 5, THREADS = 2, HANDSHAKE = 0x16, DATA = 0x17 };

static struct addrinfo *address, *other;

static int open_socket(int type)
{
    int fd = socket(address->ai_family, type, 0);
    if (fd < 0)
        err(1, "socket");
    return fd;
}

static void send_part(int fd, const void *data, size_t size, int flags, const struct addrinfo *to)
{
    if (sendto(fd, data, size, flags, to ? to->ai_addr : NULL, to ? to->ai_addrlen : 0) != (ssize_t)size)
        err(1, "send");
}

static void send_to(int fd, const struct addrinfo *to) { send_part(fd, QUERY, QUERY_SIZE, 0, to); }

static void send_some(int fd, int count, const struct addrinfo *to)
{
    while (count--)
        send_to(fd, to);
}

static void explicit(int fd)
{
    connect_to(fd, address);
    send_some(fd, COUNT, other);
}

static void flood(int fd)
{
    connect_to(fd, address);
    puts("done");
    for (;;)
        send_to(fd, other);
}

static void alternate(int fd)
{
    connect_to(fd, address);
    for (int i = 0; i < COUNT; i++) {
        send_to(fd, NULL);
        send_to(fd, other);
    }
}

static void reconnect(int fd)
{
    connect_to(fd, address);
    send_some(fd, COUNT, NULL);
    connect_to(fd, other);
    send_some(fd, COUNT, NULL);
}

static void dissolve(int fd)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    connect_to(fd, address);
    send_some(fd, COUNT, NULL);
    if (connect(fd, &nobody, sizeof nobody))
        err(1, "connect to nobody");
    send_some(fd, COUNT, other);
}

static void corked_to(int fd, const struct addrinfo *to)
{
    for (int i = 0; i < COUNT; i++) {
        send_part(fd, QUERY, 12, MSG_MORE, to);
        send_part(fd, QUERY + 12, QUERY_SIZE - 12, 0, to);
    }
}

static void corked(int fd) { corked_to(fd, address); }

static void corked_connected(int fd)
{
    connect_to(fd, address);
    corked_to(fd, NULL);
}

static void segmented_to(int fd, const struct addrinfo *to)
{
    unsigned char queries[COUNT * QUERY_SIZE];
    int size = QUERY_SIZE;
    for (int i = 0; i < COUNT; i++)
        memcpy(queries + i * QUERY_SIZE, QUERY, QUERY_SIZE);
    if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof size))
        err(1, "UDP_SEGMENT");
    send_part(fd, queries, sizeof queries, 0, to);
}

static void segmented(int fd) { segmented_to(fd, address); }

static void segmented_connected(int fd)
{
    connect_to(fd, address);
    segmented_to(fd, NULL);
}

/* On a processor each, and without sleeping in between: they meet within nanoseconds. */
static void *send_in_thread(void *processor)
{
    static atomic_int arrived;
    struct sockaddr_in to = *(struct sockaddr_in *)address->ai_addr;
    struct addrinfo info = {.ai_addr = (struct sockaddr *)&to, .ai_addrlen = sizeof to};
    int fd = open_socket(SOCK_DGRAM);
    cpu_set_t here;

    CPU_ZERO(&here);
    CPU_SET((long)processor, &here);
    sched_setaffinity(0, sizeof here, &here);
    for (int i = 1; i <= COUNT; i++) {
        arrived++;
        while (arrived < THREADS * i)
            ;
        send_to(fd, &info);
        to.sin_addr.s_addr = htonl(ntohl(to.sin_addr.s_addr) + 1);
    }
    return NULL;
}

static void threads(int unused)
{
    pthread_t thread[THREADS];
    close(unused);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, send_in_thread, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

/* Wait for a child that goes on; WSTOPPED, since it must not end. */
static void wait_until_it_stops(pid_t child)
{
    int status;
    if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status))
        errx(1, "the child failed");
    kill(child, SIGCONT);
}

static int forks(void)
{
    pid_t child = fork();
    if (child) {
        printf("child %d\n", child);
        wait_until_it_stops(child);
    }
    return child == 0;
}

static void child_stays(void)
{
    raise(SIGSTOP);
    for (;;)
        pause();
}

static void shared(int fd)
{
    connect_to(fd, address);
    if (forks()) {
        send_some(fd, CHILDS, NULL);
        child_stays();
    }
    send_some(fd, COUNT, NULL);
}

static void shared_tcp(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connect_to(fd, address);
    if (forks()) {
        ask_over_tcp(fd, CHILDS);
        child_stays();
    }
    ask_over_tcp(fd, COUNT);
}

static void held_tcp(int fd)
{
    connect_to(fd, address);
    if (forks())
        child_stays();
    puts("ready");
    if (getchar() == EOF)
        errx(1, "standard input ended");
    ask_over_tcp(fd, COUNT);
}

/* A server that sends back whatever comes. */
static void echo(int listener)
{
    char data[512];
    ssize_t size;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        while ((size = recv(fd, data, sizeof data, 0)) > 0)
            if (send(fd, data, size, 0) != size)
                break;
        close(fd);
    }
}

/* One segment, answered before the next one leaves. */
static void exchange(int fd, unsigned char type, int count)
{
    unsigned char record[] = {type, 3, 3, 0, 1, 0}, back[sizeof record];
    while (count--)
        if (send(fd, record, sizeof record, 0) != sizeof record ||
            recv(fd, back, sizeof back, MSG_WAITALL) != sizeof back)
            err(1, "tls");
}

static void tls(int fd)
{
    char line[8];
    int listener = open_socket(SOCK_STREAM);
    if (bind(listener, address->ai_addr, address->ai_addrlen) || listen(listener, 1))
        err(1, "listen");
    if (fork() == 0)
        echo(listener);
    puts("serves");
    while (fgets(line, sizeof line, stdin)) {
        if (line[0] == 'h') {
            close(fd);
            connect_to(fd = open_socket(SOCK_STREAM), address);
            exchange(fd, HANDSHAKE, HANDSHAKES);
        } else {
            exchange(fd, DATA, COUNT);
        }
        fputs(line, stdout);
    }
}

static const struct mode {
    const char *name;
    void (*run)(int fd);
    int type;
    const char *port;
} MODES[] = {
    {"explicit", explicit, SOCK_DGRAM, "53"},
    {"flood", flood, SOCK_DGRAM, "53"},
    {"alternate", alternate, SOCK_DGRAM, "53"},
    {"reconnect", reconnect, SOCK_DGRAM, "53"},
    {"dissolve", dissolve, SOCK_DGRAM, "53"},
    {"corked", corked, SOCK_DGRAM, "53"},
    {"corked-connected", corked_connected, SOCK_DGRAM, "53"},
    {"segmented", segmented, SOCK_DGRAM, "53"},
    {"segmented-connected", segmented_connected, SOCK_DGRAM, "53"},
    {"threads", threads, SOCK_DGRAM, "53"},
    {"fork", shared, SOCK_DGRAM, "53"},
    {"fork-tcp", shared_tcp, SOCK_STREAM, "53"},
    {"fork-hold", held_tcp, SOCK_STREAM, "53"},
    {"tls", tls, SOCK_STREAM, "853"},
};

int main(int argc, char **argv)
{
    const struct mode *mode = MODES, *end = MODES + sizeof MODES / sizeof *MODES;
    while (argc >= 3 && mode < end && strcmp(mode->name, argv[1]))
        mode++;
    if (argc < 3 || mode == end)
        errx(2, "usage: send_mixed MODE ADDRESS [OTHER] (modes: see the source)");
    setvbuf(stdout, NULL, _IOLBF, 0);
    make_query();
    address = resolve(argv[2], mode->port);
    if (argc > 3)
        other = resolve(argv[3], mode->port);
    mode->run(open_socket(mode->type));
    puts("done");
    for (;;)
        pause();
}
