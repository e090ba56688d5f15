/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs with a resolver of their own (dig, what is built with c-ares) ask the name servers of /etc/resolv.conf, which
 * is the host's: over the node's network, which may not reach them, and where they do not know the fabric's names. It
 * is let be, but said.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "libioth/preload/preload.h"

#define PORT        53
#define SERVERS_MAX 8
#define FILE_MAX    8192

static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned n_servers;
static struct in6_addr servers[SERVERS_MAX]; /* Of IPv4 as ::ffff:A. */
static _Atomic bool told;

static struct in6_addr mapped(struct in_addr four)
{
    struct in6_addr six = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

    memcpy(six.s6_addr + 12, &four, sizeof four);
    return six;
}

static void take_line(char *line)
{
    char *save = NULL, *key = strtok_r(line, " \t", &save);
    char *text = key ? strtok_r(NULL, " \t", &save) : NULL;
    struct in_addr four;

    if (!text || strcmp(key, "nameserver") != 0 || n_servers == SERVERS_MAX)
        return;
    text[strcspn(text, "%")] = 0;
    if (inet_pton(AF_INET, text, &four) == 1)
        servers[n_servers++] = mapped(four);
    else if (inet_pton(AF_INET6, text, &servers[n_servers]) == 1)
        n_servers++;
}

static void read_servers(void)
{
    char text[FILE_MAX], *save = NULL;
    int fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : libc()->read(fd, text, sizeof text - 1);

    if (fd >= 0)
        libc()->close(fd);
    text[n > 0 ? n : 0] = 0;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        take_line(line);
}

/* Where it goes, if that is port 53 of somebody. */
static bool asks(const struct sockaddr *to, socklen_t len, struct in6_addr *out)
{
    const struct sockaddr_in *in4 = (const void *)to;
    const struct sockaddr_in6 *in6 = (const void *)to;

    if (len >= sizeof *in4 && to->sa_family == AF_INET && in4->sin_port == htons(PORT)) {
        *out = mapped(in4->sin_addr);
        return true;
    }
    if (len >= sizeof *in6 && to->sa_family == AF_INET6 && in6->sin6_port == htons(PORT)) {
        *out = in6->sin6_addr;
        return true;
    }
    return false;
}

void resolver_note(const struct sockaddr *to, socklen_t len)
{
    struct in6_addr whom;

    if (!to || !asks(to, len, &whom) || told)
        return;
    (void)pthread_once(&once, read_servers);
    for (unsigned i = 0; i < n_servers; i++) {
        char text[INET6_ADDRSTRLEN], why[160];

        if (memcmp(&servers[i], &whom, sizeof whom) != 0 || atomic_exchange(&told, true))
            continue;
        if (IN6_IS_ADDR_V4MAPPED(&whom))
            (void)inet_ntop(AF_INET, whom.s6_addr + 12, text, sizeof text);
        else
            (void)inet_ntop(AF_INET6, &whom, text, sizeof text);
        (void)snprintf(
            why, sizeof why,
            "%s is the host's name server; here names are found by getaddrinfo()", text);
        preload_line(why);
    }
}
