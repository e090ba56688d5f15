/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tapflood IN OUT SECONDS [VLAN]: sends frames of 60 bytes into the interface IN as fast as it can,
 * from one MAC to another behind OUT, tagged if a VLAN is named, and prints how many a second
 * came out at OUT.
 */
#include <arpa/inet.h>
#include <err.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/mtime.h"

#define BATCH 64

static const unsigned char here[6] = {2, 0, 0, 0, 0, 1}, there[6] = {2, 0, 0, 0, 0, 2};

static int socket_on(const char *name)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET,
                             .sll_ifindex = (int)if_nametoindex(name)};
    int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1;

    if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to) < 0)
        err(1, "%s", name);
    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
    return fd;
}

static unsigned fill(unsigned char *frame, const unsigned char *dst,
                     const unsigned char *src, unsigned vlan)
{
    unsigned at = 12;

    memset(frame, 0, 64);
    memcpy(frame, dst, 6);
    memcpy(frame + 6, src, 6);
    if (vlan) {
        const unsigned char tag[4] = {0x81, 0, (unsigned char)(vlan >> 8),
                                      (unsigned char)vlan};

        memcpy(frame + 12, tag, 4);
        at = 16;
    }
    frame[at] = 0x88;
    frame[at + 1] = 0xb5;
    return at + 48;
}

static long long received(const char *name)
{
    char path[128];
    long long n = 0;
    FILE *f;

    snprintf(path, sizeof path, "/sys/class/net/%s/statistics/rx_packets", name);
    f = fopen(path, "r");
    if (!f || fscanf(f, "%lld", &n) != 1)
        err(1, "%s", path);
    fclose(f);
    return n;
}

int main(int argc, char **argv)
{
    unsigned char frame[64];
    struct iovec iov = {.iov_base = frame};
    struct mmsghdr messages[BATCH];
    unsigned vlan;
    long long first;
    mtime_t start, length;
    int in, out;

    if (argc < 4)
        errx(2, "usage: tapflood IN OUT SECONDS [VLAN]");
    vlan = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
    length = (mtime_t)(strtod(argv[3], NULL) * (double)MTIME_SEC);
    in = socket_on(argv[1]);
    out = socket_on(argv[2]);
    iov.iov_len = fill(frame, here, there, vlan); /* So that its place is known. */
    if (send(out, frame, iov.iov_len, 0) < 0)
        err(1, "%s", argv[2]);
    usleep(100000);
    iov.iov_len = fill(frame, there, here, vlan);
    for (unsigned i = 0; i < BATCH; i++)
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
    first = received(argv[2]);
    start = mtime_now();
    while (mtime_now() - start < length)
        (void)sendmmsg(in, messages, BATCH, 0);
    printf("%.0f\n",
           (double)(received(argv[2]) - first) * 1e6 / (double)(mtime_now() - start));
    return 0;
}
