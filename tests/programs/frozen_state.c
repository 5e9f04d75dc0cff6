/* frozen_state NAME INTERVAL_MS: query NAME's A record with a resolver state of the program's own.
 *
 * res_ninit() reads resolv.conf once; glibc never reloads a state that a program owns, whatever the options
 * (resolv/resolv_context.c, __resolv_context_get_override). Postfix's smtp is such a program. Prints one line a query.
 */
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <unistd.h>

#include "dns_answer.h"

int main(int argc, char **argv)
{
    static struct __res_state state;
    unsigned char answer[NS_MAXMSG];

    if (argc != 3) {
        fprintf(stderr, "usage: %s NAME INTERVAL_MS\n", argv[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (res_ninit(&state)) {
        fputs("res_ninit failed\n", stderr);
        return 1;
    }
    for (;;) {
        print_answer("A", answer, res_nquery(&state, argv[1], ns_c_in, ns_t_a, answer, sizeof answer));
        usleep(1000 * atoi(argv[2]));
    }
}
