/* The query that the sending programs send, and to whom. */
#pragma once

#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LONGEST_NAME 64
#define QUERY (framed + 2)
#define QUERY_SIZE (framed_size - 2)

/* Two bytes of length, which only TCP sends, and the query. */
static unsigned char framed[2 + 12 + LONGEST_NAME + 6];
static int framed_size;

/* Type A, class IN, of the name that the environment's NAME says, or of hat.com. */
static inline void make_query(void)
{
    static const unsigned char header[] = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, type_and_class[] = {0, 0, 1, 0, 1};
    const char *name = getenv("NAME") ? getenv("NAME") : "hat.com";
    unsigned char *end = QUERY + sizeof header;

    if (strlen(name) > LONGEST_NAME)
        errx(2, "%s: too long", name);
    memcpy(QUERY, header, sizeof header);
    while (*name) {
        size_t label = strcspn(name, ".");
        *end++ = label;
        memcpy(end, name, label);
        end += label;
        name += label + (name[label] == '.');
    }
    memcpy(end, type_and_class, sizeof type_and_class);
    framed_size = end + sizeof type_and_class - framed;
    framed[1] = QUERY_SIZE;
}

static inline struct addrinfo *resolve(const char *text, const char *port)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM}, *found;
    int error = getaddrinfo(text, port, &hints, &found);
    if (error)
        errx(2, "%s: %s", text, gai_strerror(error));
    return found;
}

static inline void connect_to(int fd, const struct addrinfo *to)
{
    if (connect(fd, to->ai_addr, to->ai_addrlen))
        err(1, "connect");
}

/* Ask `count` times over TCP, and wait for each answer. */
static inline void ask_over_tcp(int fd, int count)
{
    unsigned char length[2], answer[65535];
    while (count--)
        if (send(fd, framed, framed_size, 0) != framed_size || recv(fd, length, 2, MSG_WAITALL) != 2 ||
            recv(fd, answer, length[0] << 8 | length[1], MSG_WAITALL) <= 0)
            err(1, "tcp");
}
