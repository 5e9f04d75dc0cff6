/* fork_storm SECONDS: fork as fast as it goes, each child gone at once; prints `done FORKS`. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec now, begun;
    unsigned long forks = 0;
    if (argc != 2)
        errx(2, "usage: fork_storm SECONDS");
    signal(SIGCHLD, SIG_IGN); /* none stays as a zombie */
    clock_gettime(CLOCK_MONOTONIC, &begun);
    do {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        if (child > 0)
            forks++;
        else if (errno == EAGAIN)
            sched_yield();
        else
            err(1, "fork");
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - begun.tv_sec < atoi(argv[1]));
    printf("done %lu\n", forks);
}
