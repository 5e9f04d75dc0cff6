/* puppet FD: a process that follows commands, for tests that play a history of processes.
 *
 * FD is one end of a SOCK_SEQPACKET pair. A packet holds acts, one a line; the answer holds one number a line, the
 * result of each: 0 or more, or an errno below zero. A process that an act creates introduces itself with `here` on
 * the descriptor that came with the packet (SCM_RIGHTS), which is its own end from then on.
 *
 *   udp HOW ADDRESS COUNT     send queries to port 53: connect, sendto, sendmsg, sendmmsg, write, mapped (::ffff:),
 *                             kept (one connected socket for the life of the process)
 *   tcp ADDRESS COUNT         a connection for each query, one segment with payload on each
 *   open HOW PATH             open and read: open, openat, openat2, dirfd (of the directory), relative (after chdir)
 *   stat PATH
 *   thread ACT                the act is a thread's, which is gone after it
 *   fork, fork-twice, spawn   a child; a grandchild whose parent exits; a child that execs this program
 *   exec                      this program again, on the same descriptor
 *   leave                     the main thread exits, another one goes on with the commands
 *   chroot DIR, unshare mount|net, tmpfs DIR, bind FROM TO, setns PATH
 *   serve                     a child that accepts TCP on port 53 and swallows what UDP brings there
 *   exit                      without an answer
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "query.h"

#define ACT_BYTES 512
#define PACKET_BYTES 16384
#define MANY 16
#define KEPT_SOCKETS 16
#define SELF_FD 900 /* out of the way of the descriptors that come and go */

static int told_on, new_end = -1;
static char **arguments;
static struct {
    struct in6_addr address;
    int fd;
} kept[KEPT_SOCKETS];

static int act(char *line);

static socklen_t destination(const char *text, int mapped, struct sockaddr_storage *to)
{
    char address[INET6_ADDRSTRLEN + 8];

    memset(to, 0, sizeof *to);
    snprintf(address, sizeof address, "%s%s", mapped ? "::ffff:" : "", text);
    if (!strchr(address, ':')) {
        struct sockaddr_in *in = (struct sockaddr_in *)to;
        in->sin_family = AF_INET;
        in->sin_port = htons(53);
        inet_pton(AF_INET, address, &in->sin_addr);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(53);
    inet_pton(AF_INET6, address, &in6->sin6_addr);
    return sizeof *in6;
}

/* The socket that this process, or an ancestor of it, keeps for an address. */
static int kept_socket(const struct sockaddr_storage *to, socklen_t size)
{
    struct in6_addr address = {0};
    int i = 0;

    if (to->ss_family == AF_INET)
        memcpy(&address, &((const struct sockaddr_in *)to)->sin_addr, 4);
    else
        address = ((const struct sockaddr_in6 *)to)->sin6_addr;
    while (kept[i].fd && memcmp(&kept[i].address, &address, sizeof address))
        if (++i == KEPT_SOCKETS)
            errx(1, "too many addresses");
    if (!kept[i].fd) {
        kept[i].address = address;
        kept[i].fd = socket(to->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (connect(kept[i].fd, (const struct sockaddr *)to, size))
            err(1, "connect");
    }
    return kept[i].fd;
}

static int send_many(int fd, struct sockaddr_storage *to, socklen_t size, int count)
{
    struct iovec query = {QUERY, QUERY_SIZE};
    struct mmsghdr messages[MANY] = {0};

    for (int i = 0; i < MANY; i++)
        messages[i].msg_hdr = (struct msghdr){.msg_name = to, .msg_namelen = size, .msg_iov = &query, .msg_iovlen = 1};
    for (int sent = 0, done; sent < count; sent += done) {
        done = sendmmsg(fd, messages, count - sent < MANY ? count - sent : MANY, 0);
        if (done <= 0)
            return -errno;
    }
    return count;
}

static int send_one(int fd, const char *how, struct sockaddr_storage *to, socklen_t size)
{
    struct iovec query = {QUERY, QUERY_SIZE};
    struct msghdr message = {.msg_name = to, .msg_namelen = size, .msg_iov = &query, .msg_iovlen = 1};

    if (!strcmp(how, "sendto"))
        return sendto(fd, QUERY, QUERY_SIZE, 0, (struct sockaddr *)to, size);
    if (!strcmp(how, "sendmsg"))
        return sendmsg(fd, &message, 0);
    if (strcmp(how, "kept") && connect(fd, (struct sockaddr *)to, size))
        return -1;
    return !strcmp(how, "write") ? write(fd, QUERY, QUERY_SIZE) : send(fd, QUERY, QUERY_SIZE, 0);
}

static int udp(const char *how, const char *address, int count)
{
    struct sockaddr_storage to;
    socklen_t size = destination(address, !strcmp(how, "mapped"), &to);
    int keep = !strcmp(how, "kept"), result = count;

    for (int i = 0; i < count && result == count; i++) {
        int fd = keep ? kept_socket(&to, size) : socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (!strcmp(how, "sendmmsg")) {
            result = send_many(fd, &to, size, count);
            i = count;
        } else if (send_one(fd, how, &to, size) != QUERY_SIZE) {
            result = -errno;
        }
        if (!keep)
            close(fd);
    }
    return result;
}

static int tcp(const char *address, int count)
{
    struct sockaddr_storage to;
    socklen_t size = destination(address, 0, &to);
    char end;

    for (int i = 0; i < count; i++) {
        int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&to, size) || send(fd, framed, framed_size, 0) != framed_size) {
            int error = errno;
            close(fd);
            return -error;
        }
        shutdown(fd, SHUT_WR);
        recv(fd, &end, 1, 0);
        close(fd);
    }
    return count;
}

/* Part a path into its directory and its name. */
static const char *directory_of(char *path)
{
    char *slash = strrchr(path, '/');
    *slash = 0;
    return slash + 1;
}

static int open_file(const char *how, char *path)
{
    struct open_how read_only = {.flags = O_RDONLY | O_CLOEXEC};
    char content[4096];
    int fd = -1, directory;

    if (!strcmp(how, "open")) {
        fd = syscall(SYS_open, path, O_RDONLY | O_CLOEXEC);
    } else if (!strcmp(how, "openat")) {
        fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    } else if (!strcmp(how, "openat2")) {
        fd = syscall(SYS_openat2, AT_FDCWD, path, &read_only, sizeof read_only);
    } else if (!strcmp(how, "dirfd")) {
        const char *name = directory_of(path);
        directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
        close(directory);
    } else if (!strcmp(how, "relative")) {
        const char *name = directory_of(path);
        if (chdir(path) == 0)
            fd = openat(AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
    } else {
        errno = EINVAL;
    }
    if (fd < 0)
        return -errno;
    while (read(fd, content, sizeof content) > 0)
        ;
    close(fd);
    return 0;
}

static int say(const char *text) { return send(told_on, text, strlen(text), MSG_NOSIGNAL) < 0 ? -errno : 0; }

/* Acts until the other end is closed; the test is gone then. */
static void be_told(void)
{
    static char packet[PACKET_BYTES];
    char answers[PACKET_BYTES], control[CMSG_SPACE(sizeof(int))];

    for (;;) {
        struct iovec vector = {packet, sizeof packet - 1};
        struct msghdr message = {
            .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        ssize_t size = recvmsg(told_on, &message, MSG_CMSG_CLOEXEC);
        if (size <= 0)
            _exit(0);
        packet[size] = 0;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_type == SCM_RIGHTS)
            memcpy(&new_end, CMSG_DATA(header), sizeof new_end);
        int length = 0;
        char *rest = packet, *line;
        while ((line = strsep(&rest, "\n")))
            length += snprintf(answers + length, sizeof answers - length, "%d\n", act(line));
        say(answers);
    }
}

static void take_new_end(void)
{
    close(told_on);
    told_on = new_end;
    new_end = -1;
    say("here");
    be_told();
}

static int give_new_end(pid_t pid)
{
    int error = errno;
    close(new_end);
    new_end = -1;
    return pid < 0 ? -error : pid;
}

static void execute(int end)
{
    char number[16];
    char *argv[] = {arguments[0], number, NULL}, *environment[] = {NULL};

    snprintf(number, sizeof number, "%d", end);
    fcntl(end, F_SETFD, 0);
    fexecve(SELF_FD, argv, environment);
    err(1, "fexecve");
}

static int create(const char *how)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (!strcmp(how, "spawn"))
            execute(new_end);
        if (!strcmp(how, "fork-twice") && fork() > 0)
            _exit(0);
        take_new_end();
    }
    return give_new_end(pid);
}

static void *do_in_thread(void *line) { return (void *)(long)act(line); }

static int in_thread(char *line)
{
    pthread_t thread;
    void *result;
    int error = pthread_create(&thread, NULL, do_in_thread, line);

    if (error)
        return -error;
    pthread_join(thread, &result);
    return (long)result;
}

static void *go_on(void *leader)
{
    char path[64], state = 0;

    do { /* until the main thread is a zombie: the process is one without a leader then */
        snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)(long)leader);
        FILE *stat = fopen(path, "re");
        if (!stat)
            break;
        if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
            state = 0;
        fclose(stat);
    } while (state != 'Z');
    say("0\n");
    be_told();
    return NULL;
}

static int leave(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, go_on, (void *)(long)getpid());

    if (error)
        return -error;
    syscall(SYS_exit, 0); /* this thread alone: pthread_exit(3) would wait for nothing else either, but unwinds */
    return 0;
}

static int unshare_namespace(const char *kind)
{
    struct ifreq loopback = {.ifr_name = "lo"};
    int fd, result;

    if (!strcmp(kind, "mount"))
        return unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ? -errno : 0;
    if (unshare(CLONE_NEWNET))
        return -errno;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    loopback.ifr_flags = IFF_UP | IFF_RUNNING;
    result = ioctl(fd, SIOCSIFFLAGS, &loopback) ? -errno : 0;
    close(fd);
    return result;
}

static int set_namespace(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int result = fd < 0 || setns(fd, 0) ? -errno : 0;

    close(fd);
    return result;
}

static int listening(int type)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
    int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), yes = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&any, sizeof any) || (type == SOCK_STREAM && listen(fd, 512)))
        err(1, "port 53");
    return fd;
}

static int serve(void)
{
    int stream = listening(SOCK_STREAM), datagram = listening(SOCK_DGRAM);
    struct pollfd ready[] = {{stream, POLLIN, 0}, {datagram, POLLIN, 0}};
    char content[512];
    pid_t pid = fork();

    if (pid) {
        close(stream);
        close(datagram);
        return pid < 0 ? -errno : pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(told_on);
    while (poll(ready, 2, -1) > 0) {
        int connection = ready[0].revents ? accept(stream, NULL, NULL) : -1;
        if (connection >= 0) {
            while (recv(connection, content, sizeof content, 0) > 0)
                ;
            close(connection);
        }
        while (recv(datagram, content, sizeof content, MSG_DONTWAIT) >= 0)
            ;
    }
    _exit(0);
}

static int act(char *line)
{
    char *verb = strsep(&line, " "), *words[3] = {0};
    struct stat status;

    if (!strcmp(verb, "thread"))
        return in_thread(line);
    for (int i = 0; i < 3 && line; i++)
        words[i] = strsep(&line, " ");
    if (!strcmp(verb, "udp") && words[2])
        return udp(words[0], words[1], atoi(words[2]));
    if (!strcmp(verb, "tcp") && words[1])
        return tcp(words[0], atoi(words[1]));
    if (!strcmp(verb, "open") && words[1])
        return open_file(words[0], words[1]);
    if (!strcmp(verb, "stat") && words[0])
        return stat(words[0], &status) ? -errno : 0;
    if (!strcmp(verb, "fork") || !strcmp(verb, "fork-twice") || !strcmp(verb, "spawn"))
        return create(verb);
    if (!strcmp(verb, "exec"))
        execute(told_on);
    if (!strcmp(verb, "leave"))
        return leave();
    if (!strcmp(verb, "chroot") && words[0])
        return chroot(words[0]) || chdir("/") ? -errno : 0;
    if (!strcmp(verb, "unshare") && words[0])
        return unshare_namespace(words[0]);
    if (!strcmp(verb, "tmpfs") && words[0])
        return mount("tmpfs", words[0], "tmpfs", 0, "mode=0755") ? -errno : 0;
    if (!strcmp(verb, "bind") && words[1])
        return mount(words[0], words[1], NULL, MS_BIND, NULL) ? -errno : 0;
    if (!strcmp(verb, "setns") && words[0])
        return set_namespace(words[0]);
    if (!strcmp(verb, "serve"))
        return serve();
    if (!strcmp(verb, "exit"))
        _exit(0);
    return -EINVAL;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        errx(2, "usage: puppet FD");
    arguments = argv;
    told_on = atoi(argv[1]);
    fcntl(told_on, F_SETFD, FD_CLOEXEC);
    if (fcntl(SELF_FD, F_GETFD) < 0) {
        int self = open("/proc/self/exe", O_RDONLY);
        if (self < 0 || dup2(self, SELF_FD) < 0)
            err(1, "/proc/self/exe");
        close(self);
    }
    prctl(PR_SET_NAME, "puppet");
    signal(SIGCHLD, SIG_IGN); /* children are reaped by the kernel */
    make_query();
    say("here");
    be_told();
}
