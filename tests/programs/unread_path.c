/* unread_path MODE [FILE]: make system calls whose paths stand in memory of which no page has been read in yet.
 *
 *   lookup    as getaddrinfo(3): try nscd's socket, open /etc/hosts and /etc/resolv.conf, send two queries to
 *             127.23.53.77; then wait to be killed
 *   vanishing open FILE, a FIFO, in a thread, and take the path away from under it before the open ends
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* A mapping of a file whose page no page table has. */
static void *unread(const void *data, size_t size)
{
    int fd = memfd_create("unread", 0);
    if (fd < 0 || ftruncate(fd, PAGE) || write(fd, data, size) != (ssize_t)size)
        err(1, "memfd");
    void *page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        err(1, "mmap");
    close(fd);
    return page;
}

static void lookup(void)
{
    struct sockaddr_un nscd = {.sun_family = AF_UNIX, .sun_path = "/var/run/nscd/socket"};
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(53)};
    const char *paths[] = {"/etc/hosts", "/etc/resolv.conf"}, query[12] = {0};
    const struct sockaddr *address = unread(&nscd, sizeof nscd);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, address, sizeof nscd) == 0)
        errx(1, "somebody is there");
    close(fd);
    for (int i = 0; i < 2; i++) {
        fd = open(unread(paths[i], strlen(paths[i]) + 1), O_RDONLY);
        if (fd < 0)
            err(1, "%s", paths[i]);
        close(fd);
    }
    inet_pton(AF_INET, "127.23.53.77", &server.sin_addr);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    for (int i = 0; i < 2; i++)
        if (sendto(fd, query, sizeof query, 0, (struct sockaddr *)&server, sizeof server) < 0)
            err(1, "send");
}

static volatile pid_t opener;

static void *open_it(void *path)
{
    opener = gettid();
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        err(1, "open");
    close(fd);
    return NULL;
}

/* Whether a thread waits inside open: /proc/PID/task/TID/syscall, proc(5). */
static int waits_in_open(pid_t tid)
{
    char name[64];
    long call = -1;
    snprintf(name, sizeof name, "/proc/self/task/%d/syscall", tid);
    FILE *file = fopen(name, "r");
    int found = file && fscanf(file, "%ld", &call) == 1 && call == SYS_openat;
    if (file)
        fclose(file);
    return found;
}

static void vanish(const char *fifo)
{
    void *path = unread(fifo, strlen(fifo) + 1);
    pthread_t thread;
    if (pthread_create(&thread, NULL, open_it, path))
        errx(1, "no thread");
    while (!opener || !waits_in_open(opener))
        usleep(1000);
    munmap(path, PAGE);
    int fd = open(fifo, O_WRONLY);
    if (fd < 0)
        err(1, "fifo");
    pthread_join(thread, NULL);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "lookup"))
        lookup();
    else if (argc == 3 && !strcmp(argv[1], "vanishing"))
        vanish(argv[2]);
    else
        errx(2, "usage: unread_path lookup | vanishing FILE");
    puts("done");
    fflush(stdout);
    pause();
}
