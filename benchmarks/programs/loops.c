/* loops MODE SECONDS: do one thing again and again, and print the nanoseconds that it took: those of the
 * faster quarter of many chunks, since in the others it may have been another's turn on the processor.
 *
 *   lookup  socket, connect, send, receive, close, against a nameserver on the same processor that echoes
 *   sendto  one socket, to an explicit address; nobody reads it
 *   send    one connected socket; nobody reads it
 */
#include <stdio.h>
#include <string.h>

#include "nameserver.h"

enum { CHUNK_NANOSECONDS = 1000000, CALLS_BETWEEN_CLOCKS = 10, MOST_CHUNKS = 100000 };

static int fd;

static void echo(int server)
{
    struct sockaddr_in from;
    unsigned char query[512];
    for (;;) {
        socklen_t length = sizeof from;
        ssize_t size = recvfrom(server, query, sizeof query, 0, (struct sockaddr *)&from, &length);
        sendto(server, query, size, 0, (struct sockaddr *)&from, length);
    }
}

static void lookup(void)
{
    unsigned char answer[512];
    int own = connected_socket();
    if (send(own, QUERY, sizeof QUERY, 0) < 0 || recv(own, answer, sizeof answer, 0) < 0)
        err(1, "lookup");
    close(own);
}

static void send_to_address(void)
{
    if (sendto(fd, QUERY, sizeof QUERY, 0, (const struct sockaddr *)&NAMESERVER, sizeof NAMESERVER) < 0)
        err(1, "sendto");
}

static void send_connected(void)
{
    if (send(fd, QUERY, sizeof QUERY, 0) < 0)
        err(1, "send");
}

static double chunk(void (*once)(void))
{
    long long begun = nanoseconds(), now = begun;
    long calls = 0;
    while (now - begun < CHUNK_NANOSECONDS) {
        for (int i = 0; i < CALLS_BETWEEN_CLOCKS; i++)
            once();
        calls += CALLS_BETWEEN_CLOCKS;
        now = nanoseconds();
    }
    return (double)(now - begun) / calls;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    static double chunks[MOST_CHUNKS];
    int number = 0;
    if (argc != 3)
        errx(2, "usage: loops lookup|sendto|send SECONDS");
    void (*once)(void) = !strcmp(argv[1], "lookup")   ? lookup
                         : !strcmp(argv[1], "sendto") ? send_to_address
                                                      : send_connected;
    start_nameserver(once == lookup ? echo : read_nothing);
    fd = once == send_connected ? connected_socket() : udp_socket();
    long long end = nanoseconds() + atof(argv[2]) * 1e9;
    while (nanoseconds() < end && number < MOST_CHUNKS)
        chunks[number++] = chunk(once);
    qsort(chunks, number, sizeof *chunks, compare);
    printf("%.1f\n", chunks[number / 4]);
}
