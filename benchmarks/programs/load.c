/* load MODE RATE [PROCESSES]: RATE things a second; prints `ready`, and for each line of input how many it has done.
 *
 *   ask   PROCESSES, each with a connected socket, send RATE queries in all
 *   fork  one process forks, and its children are gone at once
 *   come  one process forks children that read resolv.conf, ask once and are gone
 * Ends with its input. Slower than RATE where the machine does not do more.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "nameserver.h"

enum { ROUND_NANOSECONDS = 100000000, MOST_PROCESSES = 100000 };

static unsigned long *done; /* by process, shared */

static void ask(int number, double each_round, long long first)
{
    int fd = connected_socket();
    double owed = 0;
    for (long long at = first;; at += ROUND_NANOSECONDS) {
        sleep_until(at);
        if (nanoseconds() - at > 2 * ROUND_NANOSECONDS)
            at = nanoseconds();
        for (owed += each_round; owed >= 1; owed--)
            if (send(fd, QUERY, sizeof QUERY, 0) > 0)
                done[number]++;
    }
}

static void read_and_ask(void)
{
    char text[4096];
    int file = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC), fd = connected_socket();
    if (file >= 0 && read(file, text, sizeof text) >= 0)
        send(fd, QUERY, sizeof QUERY, 0);
}

static void fork_on(double rate, int asks)
{
    signal(SIGCHLD, SIG_IGN); /* none stays as a zombie */
    for (long long at = nanoseconds();; at += 1e9 / rate) {
        if (at > nanoseconds())
            sleep_until(at);
        else if (nanoseconds() - at > ROUND_NANOSECONDS)
            at = nanoseconds(); /* what could not be done in time is left out */
        pid_t child = fork();
        if (child == 0) {
            if (asks)
                read_and_ask();
            _exit(0);
        }
        done[0] += child > 0;
    }
}

static void start_askers(int processes, double rate)
{
    long long now = nanoseconds();
    for (int i = 0; i < processes; i++)
        if (fork_child() == 0)
            ask(i, rate / processes * ROUND_NANOSECONDS / 1e9, now + (long long)i * ROUND_NANOSECONDS / processes);
}

int main(int argc, char **argv)
{
    int asks = argc == 4 && !strcmp(argv[1], "ask"), comes = argc == 3 && !strcmp(argv[1], "come");
    if (!asks && !comes && !(argc == 3 && !strcmp(argv[1], "fork")))
        errx(2, "usage: load ask RATE PROCESSES | fork RATE | come RATE");
    done = mmap(NULL, MOST_PROCESSES * sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    start_nameserver(read_nothing);
    int processes = asks ? atoi(argv[3]) : 1;
    if (asks)
        start_askers(processes, atof(argv[2]));
    else if (fork_child() == 0)
        fork_on(atof(argv[2]), comes);
    puts("ready");
    while (getchar() != EOF) {
        unsigned long sum = 0;
        for (int i = 0; i < processes; i++)
            sum += done[i];
        printf("%lu\n", sum);
    }
}
