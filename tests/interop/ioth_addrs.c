/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ioth_addrs STACK VNL SECONDS COUNT: makes a stack and prints its addresses, but those of lo, when there are
 * COUNT of them beside link-local ones; exit status 1 at the end of the time. With a stack that configures
 * itself, that is what it was told.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libioth/api/ioth.h"
#include "proto/base/mtime.h"

#define LOOK_US 20000

static unsigned addresses(struct ioth *stack, bool print)
{
    struct ifaddrs *all;
    unsigned n = 0;

    if (ioth_getifaddrs(stack, &all) < 0)
        return 0;
    for (struct ifaddrs *i = all; i; i = i->ifa_next) {
        const struct sockaddr_in *in = (const void *)i->ifa_addr;
        const struct sockaddr_in6 *in6 = (const void *)i->ifa_addr;
        int family = i->ifa_addr->sa_family;
        char text[INET6_ADDRSTRLEN];

        if (i->ifa_flags & IFF_LOOPBACK || (family != AF_INET && family != AF_INET6))
            continue;
        n += family == AF_INET || !IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr);
        if (print)
            printf("%s %s\n", i->ifa_name,
                   inet_ntop(family,
                             family == AF_INET ? (const void *)&in->sin_addr
                                               : (const void *)&in6->sin6_addr,
                             text, sizeof text));
    }
    ioth_freeifaddrs(all);
    return n;
}

int main(int argc, char **argv)
{
    struct ioth *stack = argc == 5 ? ioth_newstack(argv[1], argv[2]) : NULL;
    unsigned count = argc == 5 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
    mtime_t end;

    if (!stack) {
        fprintf(stderr, "ioth_addrs: %s\n",
                argc == 5 ? ioth_error() : "usage: ioth_addrs STACK VNL SECONDS COUNT");
        return 2;
    }
    end = mtime_now() + (mtime_t)(strtod(argv[3], NULL) * MTIME_SEC);
    while (addresses(stack, false) < count && mtime_now() < end)
        usleep(LOOK_US);
    addresses(stack, true);
    return addresses(stack, false) >= count ? 0 : 1;
}
