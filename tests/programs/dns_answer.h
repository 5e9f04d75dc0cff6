/* What a raw DNS answer says, in one word. */
#pragma once

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <stdio.h>

/* Print `TYPE what`: the first A record's address, `answered` for an answer without one, or `error: ...`. */
static inline void print_answer(const char *type, const unsigned char *answer, int length)
{
    ns_msg message;
    ns_rr record;
    char text[INET_ADDRSTRLEN];

    if (length < 0 && h_errno == NO_DATA) /* res_query: the server answered that there is no such record */
        printf("%s answered\n", type);
    else if (length < 0)
        printf("%s error: %s\n", type, hstrerror(h_errno));
    else if (ns_initparse(answer, length, &message) == 0 && ns_parserr(&message, ns_s_an, 0, &record) == 0 &&
             ns_rr_type(record) == ns_t_a)
        printf("%s %s\n", type, inet_ntop(AF_INET, ns_rr_rdata(record), text, sizeof text));
    else
        printf("%s answered\n", type);
}
