/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ends.h, and what ioth_web needs of ioth.h, over LWIPv6: so that the same program runs on VirtualSquare's stack. VNL is
 * then the folder of a vde_switch, ADDR/LEN an address of IPv4 with the length 24.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lwipv6.h>

#include "tests/bench/ends.h"

#define SETTLE_US 200000 /* LWIPv6 does not say when an interface is up. */

_Noreturn void ends_fail(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

struct ioth *ends_stack(const char *kind, const char *vnl, const char *addr)
{
    struct stack *stack = lwip_stack_new();
    struct ip_addr ip = {.addr = {0, 0, htonl(0xffff), 0}};
    struct ip_addr mask = {.addr = {UINT32_MAX, UINT32_MAX, UINT32_MAX, htonl(0xffffff00)}};
    char text[INET_ADDRSTRLEN];
    struct netif *netif;
    char *folder = strdup(vnl); /* LWIPv6 keeps it. */

    (void)kind;
    snprintf(text, sizeof text, "%.*s", (int)strcspn(addr, "/"), addr);
    if (inet_pton(AF_INET, text, &ip.addr[3]) != 1)
        ends_fail("no address");
    netif = stack && folder ? lwip_vdeif_add(stack, folder) : NULL;
    if (!netif)
        ends_fail("no stack");
    lwip_add_addr(netif, &ip, &mask);
    lwip_ifup(netif);
    usleep(SETTLE_US);
    return (struct ioth *)(void *)stack;
}

static struct sockaddr_in address(const char *peer, const char *port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};

    if (inet_pton(AF_INET, peer, &sa.sin_addr) != 1)
        ends_fail("no such address");
    return sa;
}

static int new_socket(struct ioth *stack)
{
    int fd = lwip_msocket((struct stack *)(void *)stack, AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        ends_fail("no socket");
    return fd;
}

int ends_listen(struct ioth *stack, const char *addr, const char *port)
{
    struct sockaddr_in sa = address("0.0.0.0", port);
    int fd = new_socket(stack);

    (void)addr;
    if (lwip_bind(fd, (const struct sockaddr *)(const void *)&sa, sizeof sa) < 0 ||
        lwip_listen(fd, 100) < 0)
        ends_fail("cannot listen");
    printf("listening\n");
    fflush(stdout);
    return fd;
}

int ends_dial(struct ioth *stack, const char *peer, const char *port)
{
    struct sockaddr_in sa = address(peer, port);
    int fd = new_socket(stack);

    if (lwip_connect(fd, (const struct sockaddr *)(const void *)&sa, sizeof sa) < 0)
        ends_fail("cannot connect");
    return fd;
}

int ioth_accept(int fd, struct sockaddr *addr, socklen_t *size)
{
    struct sockaddr_in sa;
    socklen_t sa_size = sizeof sa;

    (void)addr;
    (void)size;
    return lwip_accept(fd, (struct sockaddr *)(void *)&sa, &sa_size);
}

ssize_t ioth_recv(int fd, void *buf, size_t size, int flags)
{
    return lwip_recv(fd, buf, (int)size, (unsigned)flags);
}

ssize_t ioth_send(int fd, const void *buf, size_t size, int flags)
{
    (void)flags; /* It knows no signals. */
    return lwip_send(fd, buf, (int)size, 0);
}

int ioth_close(int fd)
{
    return lwip_close(fd);
}
