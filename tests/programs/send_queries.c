/* send_queries MODE COUNT ADDRESS [PORT]: send exactly COUNT DNS queries (see query.h) to ADDRESS, in one of MODES.
 *
 * Needs a nameserver there: a refused query ends it. Answers over UDP are not read. Prints `ready` and `done`; with STAY
 * set in the environment it then waits to be killed, its sockets open.
 */
#define _GNU_SOURCE
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "query.h"

enum call { SEND, WRITE, SENDTO, SENDMSG, SENDMMSG, TCP, NOTHING };

static const struct mode {
    const char *name;
    enum call call;
    int connect, mapped, hold, fresh;
} MODES[] = {
    {"connected-send", SEND, .connect = 1},
    {"connected-write", WRITE, .connect = 1},
    {"connected-sendmmsg", SENDMMSG, .connect = 1},
    {"sendto", SENDTO, .connect = 0},
    {"sendmsg", SENDMSG, .connect = 0},
    {"sendmmsg", SENDMMSG, .connect = 0},
    {"connect-sendto", SENDTO, .connect = 1}, /* gives the address again */
    {"mapped", SENDTO, .mapped = 1},          /* an IPv4 address on an IPv6 socket */
    {"mapped-connected", SEND, .connect = 1, .mapped = 1},
    {"tcp", TCP, .connect = 1},                   /* one segment a query, all on one connection */
    {"tcp-fresh", TCP, .connect = 1, .fresh = 1}, /* a connection a query */
    {"connect-only", NOTHING, .connect = 1},      /* sends nothing, whatever COUNT */
    {"hold", SEND, .connect = 1, .hold = 1},      /* connects; sends after a line on standard input */
    {"tcp-hold", TCP, .connect = 1, .hold = 1},
};

static struct addrinfo *server;

static void set_server(const char *address, int mapped, const char *port)
{
    char text[INET6_ADDRSTRLEN];
    snprintf(text, sizeof text, "%s%s", mapped ? "::ffff:" : "", address);
    server = resolve(text, port);
}

static int open_socket(const struct mode *mode)
{
    int tcp = mode->call == TCP, on = 1, fd = socket(server->ai_family, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    if (fd < 0)
        err(1, "socket");
    if (mode->connect)
        connect_to(fd, server);
    if (tcp)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Send at most `count` queries, one except with sendmmsg; return how many. */
static int send_some(int fd, const struct mode *mode, int count)
{
    struct iovec part = {.iov_base = QUERY, .iov_len = QUERY_SIZE};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct mmsghdr messages[64];

    if (!mode->connect)
        message.msg_name = server->ai_addr, message.msg_namelen = server->ai_addrlen;
    for (int i = 0; i < 64; i++)
        messages[i].msg_hdr = message;
    switch (mode->call) {
    case SEND:
        return send(fd, QUERY, QUERY_SIZE, 0) == QUERY_SIZE;
    case WRITE:
        return write(fd, QUERY, QUERY_SIZE) == QUERY_SIZE;
    case SENDTO:
        return sendto(fd, QUERY, QUERY_SIZE, 0, server->ai_addr, server->ai_addrlen) == QUERY_SIZE;
    case SENDMSG:
        return sendmsg(fd, &message, 0) == QUERY_SIZE;
    case SENDMMSG:
        return sendmmsg(fd, messages, count < 64 ? count : 64, 0);
    case TCP:
        ask_over_tcp(fd, 1);
        return 1;
    case NOTHING:
        return count;
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct mode *mode = MODES, *end = MODES + sizeof MODES / sizeof *MODES;
    while (argc >= 4 && mode < end && strcmp(mode->name, argv[1]))
        mode++;
    if (argc < 4 || mode == end)
        errx(2, "usage: send_queries MODE COUNT ADDRESS [PORT] (modes: see the source)");
    make_query();
    set_server(argv[3], mode->mapped, argc > 4 ? argv[4] : "53");
    setvbuf(stdout, NULL, _IOLBF, 0);
    int count = atoi(argv[2]), fd = mode->fresh ? -1 : open_socket(mode);
    puts("ready");
    if (mode->hold && getchar() == EOF)
        errx(1, "standard input ended");
    for (int sent = 0, now; sent < count; sent += now) {
        if (mode->fresh) {
            close(fd);
            fd = open_socket(mode);
        }
        if ((now = send_some(fd, mode, count - sent)) <= 0)
            err(1, "query %d", sent + 1);
    }
    if (mode->call == NOTHING)
        close(fd);
    puts("done");
    if (getenv("STAY"))
        pause();
}
