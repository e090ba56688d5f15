/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/ends.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

_Noreturn void ends_fail(const char *what)
{
    fprintf(stderr, "%s: %s: %s (%s)\n", program_invocation_short_name, what,
            strerror(errno), ioth_error());
    exit(1);
}

double ends_cpu_seconds(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

/* Of the kernel's sockets; NULL: as it likes. */
static const char *congestion;

/* The kind without the algorithm behind it. */
static struct ioth *new_stack(const char *kind, const char *vnl)
{
    char name[32];

    congestion = strchr(kind, ':');
    snprintf(name, sizeof name, "%.*s", (int)strcspn(kind, ":"), kind);
    if (congestion)
        congestion++;
    return ioth_newstack(name, strcmp(vnl, "-") ? vnl : NULL);
}

static bool set_congestion(int fd)
{
    return !congestion || ioth_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion,
                                          (socklen_t)strlen(congestion)) == 0;
}

struct ioth *ends_stack(const char *kind, const char *vnl, const char *addr)
{
    struct ioth *stack = new_stack(kind, vnl);
    const char *slash = strchr(addr, '/');
    char text[INET6_ADDRSTRLEN] = "";
    uint8_t bytes[16];
    int family = strchr(addr, ':') ? AF_INET6 : AF_INET, index;

    if (!stack)
        ends_fail("no stack");
    if (!slash)
        return stack;
    memcpy(text, addr, (size_t)(slash - addr));
    index = ioth_if_nametoindex(stack, "vde0");
    if (index < 0 || inet_pton(family, text, bytes) != 1 ||
        ioth_linksetupdown(stack, (unsigned)index, 1) < 0 ||
        ioth_ipaddr_add(stack, family, bytes, (int)strtol(slash + 1, NULL, 10),
                        (unsigned)index) < 0)
        ends_fail("no address");
    return stack;
}

static socklen_t address(const char *text, const char *port, struct sockaddr_storage *out)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)out;
    uint16_t number = htons((uint16_t)strtoul(port, NULL, 10));

    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = number;
        return sizeof *in;
    }
    in6->sin6_family = AF_INET6;
    in6->sin6_port = number;
    if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
        ends_fail("no such address");
    return sizeof *in6;
}

int ends_listen(struct ioth *stack, const char *addr, const char *port)
{
    struct sockaddr_storage sa;
    socklen_t size = address(strchr(addr, ':') ? "::" : "0.0.0.0", port, &sa);
    int fd = ioth_msocket(stack, sa.ss_family, SOCK_STREAM, 0);

    if (fd < 0 || !set_congestion(fd) ||
        ioth_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
        ioth_bind(fd, (const struct sockaddr *)(const void *)&sa, size) < 0 ||
        ioth_listen(fd, 100) < 0)
        ends_fail("cannot listen");
    printf("listening\n");
    fflush(stdout);
    return fd;
}

int ends_dial(struct ioth *stack, const char *peer, const char *port)
{
    struct sockaddr_storage sa;
    socklen_t size = address(peer, port, &sa);
    int fd = ioth_msocket(stack, sa.ss_family, SOCK_STREAM, 0);

    if (fd < 0 || !set_congestion(fd) ||
        ioth_connect(fd, (const struct sockaddr *)(const void *)&sa, size) < 0)
        ends_fail("cannot connect");
    ioth_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}
