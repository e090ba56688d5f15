/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ioth_conf CONFIG SECONDS: makes a stack with ioth_newstackc(CONFIG) and prints what was configured; then, for
 * so long, each time that it changes. A line of standard input is another string for ioth_config(), or ?NAME to
 * be looked for, and the
 * end of it, after a line, the end.
 *
 *   bits static eth dhcp dhcpv6 rd
 *   addr 10.0.0.5 24
 *   resolv search example.org
 */
#include <arpa/inet.h>
#include <errno.h>
#include <iothconf.h>
#include <iothdns.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/mtime.h"

static void print_bits(int bits)
{
    printf("bits%s%s%s%s%s\n", bits & IOTHCONF_STATIC ? " static" : "",
           bits & IOTHCONF_ETH ? " eth" : "", bits & IOTHCONF_DHCP ? " dhcp" : "",
           bits & IOTHCONF_DHCPV6 ? " dhcpv6" : "", bits & IOTHCONF_RD ? " rd" : "");
}

static void print_addresses(struct ioth *stack)
{
    struct ifaddrs *all;

    if (ioth_getifaddrs(stack, &all) < 0)
        return;
    for (struct ifaddrs *i = all; i; i = i->ifa_next) {
        const struct sockaddr_in *in = (const void *)i->ifa_addr;
        const struct sockaddr_in6 *in6 = (const void *)i->ifa_addr;
        int family = i->ifa_addr->sa_family;
        char text[INET6_ADDRSTRLEN];

        if (i->ifa_flags & IFF_LOOPBACK || (family != AF_INET && family != AF_INET6) ||
            (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr)))
            continue;
        printf("addr %s\n", inet_ntop(family,
                                      family == AF_INET ? (const void *)&in->sin_addr
                                                        : (const void *)&in6->sin6_addr,
                                      text, sizeof text));
    }
    ioth_freeifaddrs(all);
}

/* "name 10.0.0.5", or why not. */
static void print_name(struct ioth *stack, const char *name)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *all;
    int r = ioth_getaddrinfo(stack, name, NULL, &hints, &all);

    if (r) {
        printf("name %s\n", iothdns_gai_strerror(r));
        return;
    }
    for (struct addrinfo *i = all; i; i = i->ai_next) {
        const struct sockaddr_in *in = (const void *)i->ai_addr;
        const struct sockaddr_in6 *in6 = (const void *)i->ai_addr;
        char text[INET6_ADDRSTRLEN];

        printf("name %s\n",
               inet_ntop(i->ai_family,
                         i->ai_family == AF_INET ? (const void *)&in->sin_addr
                                                 : (const void *)&in6->sin6_addr,
                         text, sizeof text));
    }
    ioth_freeaddrinfo(all);
}

static void print_state(struct ioth *stack)
{
    char *text = ioth_resolvconf(stack, NULL);
    char *save = NULL;

    print_addresses(stack);
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save))
        printf("resolv %s\n", line);
    free(text);
    printf("end\n");
    fflush(stdout);
}

static void follow(struct ioth *stack, mtime_t end)
{
    struct pollfd fds[2] = {{.fd = ioth_config_fd(stack), .events = POLLIN},
                            {.fd = STDIN_FILENO, .events = POLLIN}};
    char line[512];
    bool spoken = false;
    uint64_t count;

    while (mtime_now() < end) {
        if (poll(fds, 2, (int)((end - mtime_now()) / MTIME_MS) + 1) <= 0)
            return;
        if (fds[1].revents && !fgets(line, sizeof line, stdin)) {
            if (spoken)
                return;
            fds[1].fd = -1;
            continue;
        }
        if (fds[1].revents) {
            spoken = true;
            line[strcspn(line, "\n")] = 0;
            if (line[0] == '?')
                print_name(stack, line + 1);
            else
                print_bits(ioth_config(stack, line));
        }
        if (fds[0].revents)
            (void)!read(fds[0].fd, &count, sizeof count);
        print_state(stack);
    }
}

int main(int argc, char **argv)
{
    mtime_t begin = mtime_now();
    struct ioth *stack = argc == 3 ? ioth_newstackc(argv[1]) : NULL;

    if (!stack) {
        fprintf(stderr, "ioth_conf: %s\n",
                argc == 3 ? ioth_error() : "usage: ioth_conf CONFIG SECONDS");
        return 2;
    }
    printf("after %lld ms\n", (long long)((mtime_now() - begin) / MTIME_MS));
    (void)!read(ioth_config_fd(stack), &begin, sizeof begin);
    print_state(stack);
    follow(stack, mtime_now() + (mtime_t)(strtod(argv[2], NULL) * MTIME_SEC));
    return ioth_delstack(stack) < 0;
}
