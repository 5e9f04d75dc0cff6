/* res_query_loop NAME INTERVAL_MS REINIT_EVERY: query NAME's A, MX and NS records in turn, with the resolver itself.
 *
 * After every REINIT_EVERY queries (0: never) it calls res_close() and res_init(), and says `reinit`. Prints one line
 * a query. Plain glibc >= 2.26 would reload by itself: run it with RES_OPTIONS=no-reload.
 */
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <unistd.h>

#include "dns_answer.h"

int main(int argc, char **argv)
{
    static const struct {
        int type;
        const char *name;
    } asked[] = {{ns_t_a, "A"}, {ns_t_mx, "MX"}, {ns_t_ns, "NS"}};
    unsigned char answer[NS_MAXMSG];

    if (argc != 4) {
        fprintf(stderr, "usage: %s NAME INTERVAL_MS REINIT_EVERY\n", argv[0]);
        return 2;
    }
    int reinit_every = atoi(argv[3]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    res_init();
    for (int queries = 1;; queries++) {
        int which = (queries - 1) % 3;
        print_answer(asked[which].name, answer, res_query(argv[1], ns_c_in, asked[which].type, answer, sizeof answer));
        if (reinit_every && queries % reinit_every == 0) {
            res_close();
            res_init();
            puts("reinit");
        }
        usleep(1000 * atoi(argv[2]));
    }
}
