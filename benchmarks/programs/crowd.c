/* crowd DIRECTORY VIEWS PROCESSES SECONDS: VIEWS times PROCESSES that read resolv.conf, and ask once in SECONDS.
 *
 * Those of one view share a mount namespace in which a file in DIRECTORY stands in resolv.conf's place. Prints `ready`
 * when all have asked. Ends with its input, and they with it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "nameserver.h"

static atomic_int *asked;

static void enter_view(const char *directory, int view)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/resolv.conf.%d", directory, view);
    FILE *file = fopen(path, "w");
    if (!file || fprintf(file, "# %d\nnameserver 127.0.0.53\n", view) < 0 || fclose(file))
        err(1, "%s", path);
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL))
        err(1, "a resolv.conf of one's own");
}

static void live(long long first, double seconds)
{
    char text[4096];
    int file = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC), fd = connected_socket();
    if (file < 0 || read(file, text, sizeof text) < 0)
        err(1, "/etc/resolv.conf");
    close(file);
    if (send(fd, QUERY, sizeof QUERY, 0) < 0)
        err(1, "send");
    (*asked)++;
    for (long long at = first;; at += seconds * 1e9) {
        sleep_until(at);
        send(fd, QUERY, sizeof QUERY, 0);
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        errx(2, "usage: crowd DIRECTORY VIEWS PROCESSES SECONDS");
    int views = atoi(argv[2]), processes = atoi(argv[3]);
    double seconds = atof(argv[4]);
    asked = mmap(NULL, sizeof *asked, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    start_nameserver(read_nothing);
    long long begun = nanoseconds();
    for (int view = 0; view < views; view++) {
        if (fork_child())
            continue;
        enter_view(argv[1], view);
        for (int i = 0; i < processes; i++)
            if (fork_child() == 0)
                live(begun + (i * views + view + 1) * seconds * 1e9 / views / processes, seconds);
        for (;;)
            pause();
    }
    while (*asked < views * processes)
        usleep(10000);
    puts("ready");
    fflush(stdout);
    getchar();
}
