/*
 * What this machine's glibc makes of a resolv.conf: the oracle for tracer/resolvconf/parser.py.
 *
 * stdin:  for each file its length (32 bits, host order), then its bytes. Length 0xffffffff: no file at all.
 * stdout: for each file one line: timeout, attempts, search domains (glibc keeps six here), 1 if A and AAAA are
 *         queried one after the other, then the nameservers, with %interface where the scope id is not 0.
 *
 * It runs in namespaces of its own: /etc is an empty tmpfs, the host has a domain, and there are interfaces whose names
 * are worth a try (tests/support/glibc.py lists them).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <net/if.h>
#include <resolv.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define NO_FILE 0xffffffffu

static void enter_namespaces(void)
{
    static const char host[] = "oracle.example";
    static const char interfaces[] = "ip link add name eth0 index 5 type veth peer name 7 index 6 &&"
                                     "ip link add name 'wg-x.1_2~3@ab!' index 7 type veth peer name 0x2 index 8";

    if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS))
        err(1, "unshare");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        err(1, "make mounts private");
    if (mount("etc", "/etc", "tmpfs", 0, NULL))
        err(1, "mount tmpfs on /etc");
    if (sethostname(host, sizeof host - 1))
        err(1, "sethostname");
    if (system(interfaces))
        errx(1, "cannot make the interfaces");
    if (unsetenv("RES_OPTIONS") || unsetenv("LOCALDOMAIN"))
        err(1, "unsetenv");
}

/* A new inode each time: glibc would take a file of the same size and time of change for the one it has. */
static void put_resolv_conf(const char *bytes, uint32_t length)
{
    FILE *file = fopen("/etc/new", "we");

    if (!file || fwrite(bytes, 1, length, file) != length || fclose(file))
        err(1, "write");
    if (rename("/etc/new", "/etc/resolv.conf"))
        err(1, "rename");
}

static void print_nameserver(struct __res_state *state, int n)
{
    char text[INET6_ADDRSTRLEN], name[IF_NAMESIZE];
    const struct sockaddr_in6 *six = state->_u._ext.nsaddrs[n];

    if (state->nsaddr_list[n].sin_family == AF_INET) {
        printf(" %s", inet_ntop(AF_INET, &state->nsaddr_list[n].sin_addr, text, sizeof text));
        return;
    }
    printf(" %s", inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text));
    if (six->sin6_scope_id && if_indextoname(six->sin6_scope_id, name))
        printf("%%%s", name);
    else if (six->sin6_scope_id)
        printf("%%%u", six->sin6_scope_id);
}

static void print_configuration(void)
{
    struct __res_state state;
    int domains = 0;

    memset(&state, 0, sizeof state);
    if (res_ninit(&state))
        err(1, "res_ninit");
    while (domains < MAXDNSRCH && state.dnsrch[domains])
        domains++;
    printf("%d %d %d %d", state.retrans, state.retry, domains, (state.options & (RES_SNGLKUP | RES_SNGLKUPREOP)) != 0);
    for (int n = 0; n < state.nscount; n++)
        print_nameserver(&state, n);
    putchar('\n');
    res_nclose(&state);
}

int main(void)
{
    uint32_t length;

    enter_namespaces();
    while (fread(&length, sizeof length, 1, stdin) == 1) {
        if (length == NO_FILE) {
            unlink("/etc/resolv.conf");
        } else {
            char *bytes = malloc(length + 1);

            if (!bytes || fread(bytes, 1, length, stdin) != length)
                err(1, "read");
            put_resolv_conf(bytes, length);
            free(bytes);
        }
        print_configuration();
    }
    return 0;
}
