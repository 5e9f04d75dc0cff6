/* send_raw MODE ADDRESS [INTERFACE]: send 23 DNS queries (see query.h) to an IPv4 ADDRESS, port 53, past the kernel's
 * UDP, in one of MODES. Prints `done`, and waits to be killed.
 *   ip      SOCK_RAW, raw(7): with a UDP header of its own
 *   packet  AF_PACKET, packet(7): with an IP header of its own too, to everyone behind INTERFACE
 */
#define _GNU_SOURCE
#include <err.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "query.h"

enum { COUNT = 23, OWN_PORT = 4953, HOPS = 64 };

static unsigned char packet[1024];
static struct iphdr *ip = (struct iphdr *)packet;
static struct udphdr *udp = (struct udphdr *)(packet + sizeof *ip);

static uint16_t ip_checksum(void)
{
    uint32_t sum = 0;
    for (const uint16_t *word = (uint16_t *)ip; word < (uint16_t *)udp; word++)
        sum += *word;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

/* UDP over IPv4 needs no checksum. */
static size_t build(const struct sockaddr_in *to)
{
    size_t datagram = sizeof *udp + QUERY_SIZE;
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(fd, (struct sockaddr *)to, sizeof *to) || getsockname(fd, (struct sockaddr *)&own, &size))
        err(1, "no way there");
    *udp = (struct udphdr){.source = htons(OWN_PORT), .dest = to->sin_port, .len = htons(datagram)};
    memcpy(udp + 1, QUERY, QUERY_SIZE);
    *ip = (struct iphdr){.version = 4,
                         .ihl = 5,
                         .tot_len = htons(sizeof *ip + datagram),
                         .ttl = HOPS,
                         .protocol = IPPROTO_UDP,
                         .saddr = own.sin_addr.s_addr,
                         .daddr = to->sin_addr.s_addr};
    ip->check = ip_checksum();
    return datagram;
}

int main(int argc, char **argv)
{
    if (!(argc == 3 && !strcmp(argv[1], "ip")) && !(argc == 4 && !strcmp(argv[1], "packet")))
        errx(2, "usage: send_raw ip ADDRESS | send_raw packet ADDRESS INTERFACE");
    setvbuf(stdout, NULL, _IOLBF, 0);
    make_query();
    struct sockaddr_in to = *(struct sockaddr_in *)resolve(argv[2], "53")->ai_addr;
    struct sockaddr_ll link = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_halen = ETH_ALEN};
    ssize_t datagram = build(&to), size = argc == 4 ? (ssize_t)sizeof *ip + datagram : datagram, sent;
    int fd = argc == 4 ? socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP)) : socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
    memset(link.sll_addr, 0xff, ETH_ALEN);
    for (int i = 0; i < COUNT; i++) {
        if (argc == 4) {
            link.sll_ifindex = if_nametoindex(argv[3]);
            sent = sendto(fd, ip, size, 0, (struct sockaddr *)&link, sizeof link);
        } else {
            to.sin_port = 0; /* as raw(7) wants it */
            sent = sendto(fd, udp, size, 0, (struct sockaddr *)&to, sizeof to);
        }
        if (sent != size)
            err(1, "send");
    }
    puts("done");
    for (;;)
        pause();
}
