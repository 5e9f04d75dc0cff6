/* getaddrinfo_loop NAME INTERVAL_MS: look NAME up again and again, as most programs do, and print each answer.
 *
 * Prints one line a lookup: the first address, or `error:` and why. RES_OPTIONS=no-reload in its environment makes
 * today's glibc read resolv.conf only once, as glibc before 2.26 did (resolv.conf(5)).
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void look_up(const char *name)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(name, NULL, &hints, &found);
    if (error) {
        printf("error: %s\n", gai_strerror(error));
        return;
    }
    char text[NI_MAXHOST];
    getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
    puts(text);
    freeaddrinfo(found);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s NAME INTERVAL_MS\n", argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (;;) {
        look_up(argv[1]);
        usleep(1000 * atoi(argv[2]));
    }
}
