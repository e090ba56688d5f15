/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gethostbyname() and its relatives, which write into a buffer of the caller's, or into one of ours. */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <stdint.h>
#include <string.h>

#include "libioth/preload/preload.h"

#define TEXTS_SIZE 8192

/* A buffer that is given out from the front. */
struct room {
    char *at;
    size_t left;
};

static void *give(struct room *room, size_t size, size_t align)
{
    size_t pad = (size_t)(-(uintptr_t)room->at & (align - 1));
    char *out = room->at + pad;

    if (room->left < pad + size)
        return NULL;
    room->at = out + size;
    room->left -= pad + size;
    return out;
}

static char *copy(struct room *room, const char *text)
{
    size_t size = strlen(text) + 1;
    char *out = give(room, size, 1);

    return out ? memcpy(out, text, size) : NULL;
}

/* Fills a host in; ERANGE if there is no room. */
static int fill(struct hostent *host, struct room *room, const char *name, int family,
                const struct asked *addrs)
{
    size_t size = family == AF_INET ? 4 : 16;
    char **list = give(room, (addrs->n + 2) * sizeof *list, sizeof(void *));

    if (!list)
        return ERANGE;
    *host = (struct hostent){.h_addrtype = family, .h_length = (int)size};
    host->h_aliases = &list[addrs->n + 1];
    host->h_aliases[0] = NULL;
    host->h_addr_list = list;
    for (unsigned i = 0; i < addrs->n; i++) {
        list[i] = give(room, size, sizeof(void *));
        if (!list[i])
            return ERANGE;
        memcpy(list[i], addrs->of[i].addr, size);
    }
    list[addrs->n] = NULL;
    host->h_name = copy(room, name);
    return host->h_name ? 0 : ERANGE;
}

/* 0 with *why as h_errno has it. */
static int look_up(const char *name, int family, struct asked *addrs, int *why)
{
    int r;

    memset(addrs, 0, sizeof *addrs);
    if (inet_pton(family, name, addrs->of[0].addr) == 1) {
        addrs->n = 1;
        return 0;
    }
    r = ask(name, family == AF_INET ? ns_t_a : ns_t_aaaa, addrs);
    if (r == 0 && addrs->n)
        return 0;
    *why = r == -EAGAIN ? TRY_AGAIN : r == 0 ? NO_DATA : HOST_NOT_FOUND;
    return -1;
}

EXPORT int gethostbyname2_r(const char *name, int family, struct hostent *host, char *texts,
                            size_t size, struct hostent **out, int *why)
{
    struct room room = {texts, size};
    struct asked addrs;
    int r;

    *out = NULL;
    if (family != AF_INET && family != AF_INET6) {
        *why = NETDB_INTERNAL;
        return EAFNOSUPPORT;
    }
    if (look_up(name, family, &addrs, why) < 0)
        return 0;
    r = fill(host, &room, name, family, &addrs);
    if (r)
        *why = NETDB_INTERNAL;
    else
        *out = host;
    return r;
}

EXPORT int gethostbyname_r(const char *name, struct hostent *host, char *texts, size_t size,
                           struct hostent **out, int *why)
{
    return gethostbyname2_r(name, AF_INET, host, texts, size, out, why);
}

EXPORT int gethostbyaddr_r(const void *addr, socklen_t len, int family,
                           struct hostent *host, char *texts, size_t size,
                           struct hostent **out, int *why)
{
    struct room room = {texts, size};
    struct asked names, addrs = {.n = 1};
    int r;

    *out = NULL;
    if ((family != AF_INET || len != 4) && (family != AF_INET6 || len != 16)) {
        *why = HOST_NOT_FOUND;
        return EINVAL;
    }
    r = ask_reverse(family, addr, &names);
    if (r < 0 || names.n == 0) {
        *why = r == -EAGAIN ? TRY_AGAIN : HOST_NOT_FOUND;
        return 0;
    }
    memcpy(addrs.of[0].addr, addr, len);
    r = fill(host, &room, names.of[0].name, family, &addrs);
    if (r)
        *why = NETDB_INTERNAL;
    else
        *out = host;
    return r;
}

static struct hostent of_program;
static char texts_of_program[TEXTS_SIZE];

EXPORT struct hostent *gethostbyname2(const char *name, int family)
{
    struct hostent *out = NULL;

    (void)gethostbyname2_r(name, family, &of_program, texts_of_program, TEXTS_SIZE, &out,
                           &h_errno);
    return out;
}

EXPORT struct hostent *gethostbyname(const char *name)
{
    return gethostbyname2(name, AF_INET);
}

EXPORT struct hostent *gethostbyaddr(const void *addr, socklen_t len, int family)
{
    struct hostent *out = NULL;

    (void)gethostbyaddr_r(addr, len, family, &of_program, texts_of_program, TEXTS_SIZE,
                          &out, &h_errno);
    return out;
}
