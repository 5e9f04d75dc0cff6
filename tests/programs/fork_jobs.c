/* fork_jobs NAME INTERVAL_MS [daemon] [exec]: read resolv.conf once, then fork a child for each job, as sendmail does.
 *
 * The child looks NAME up twice and exits at once; the parent does once, at the start, and never again. It prints
 * `parent PID` when it is about to fork, and for each child `job PID` and the answers.
 *   daemon  the process that read the file forks the parent and exits, like sendmail -bd
 *   exec    the child becomes this program again (fork_jobs NAME job) and uses getaddrinfo, once
 * A state of the program's own keeps the children from reading the file again (see frozen_state.c).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dns_answer.h"

static struct __res_state state;

static void ask(const char *name)
{
    unsigned char answer[NS_MAXMSG];
    print_answer("A", answer, res_nquery(&state, name, ns_c_in, ns_t_a, answer, sizeof answer));
}

static int job_after_exec(const char *name)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    char text[NI_MAXHOST];
    int error = getaddrinfo(name, NULL, &hints, &found);
    if (error) {
        printf("A error: %s\n", gai_strerror(error));
        return 1;
    }
    getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
    printf("A %s\n", text);
    return 0;
}

static void job(const char *name, int exec)
{
    printf("job %d\n", getpid());
    if (exec) {
        execl(program_invocation_name, program_invocation_name, name, "job", NULL);
        _exit(127);
    }
    ask(name);
    ask(name);
    _exit(0);
}

static int has(int argc, char **argv, const char *word)
{
    for (int i = 3; i < argc; i++)
        if (!strcmp(argv[i], word))
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 3 && !strcmp(argv[2], "job"))
        return job_after_exec(argv[1]);
    if (argc < 3) {
        fprintf(stderr, "usage: %s NAME INTERVAL_MS [daemon] [exec]\n", argv[0]);
        return 2;
    }
    res_ninit(&state);
    ask(argv[1]);
    if (has(argc, argv, "daemon") && fork() > 0)
        return 0;
    printf("parent %d\n", getpid());
    for (;;) {
        pid_t child = fork();
        if (child == 0)
            job(argv[1], has(argc, argv, "exec"));
        waitpid(child, NULL, 0);
        usleep(1000 * atoi(argv[2]));
    }
}
