/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The group's management protocol of lwIP knows no sources (IGMPv2, MLDv1): what is not wanted comes to the host, and is
 * left out here. */
#include <errno.h>
#include <stdlib.h>

#include "libioth/sockets/ip_sock.h"

#define SOURCES_MAX 64u /* Of one membership. */

struct mcast_sources {
    bool blocked; /* They are those that are not heard, not those that are. */
    unsigned n;
    ip_addr_t ips[SOURCES_MAX];
};

static unsigned find(const struct mcast_sources *s, const ip_addr_t *ip)
{
    unsigned n = 0;

    while (s && n < s->n && !ip_addr_eq(&s->ips[n], ip))
        n++;
    return n;
}

static int add(struct mcast_sources **at, const ip_addr_t *ip, bool blocked)
{
    struct mcast_sources *s = *at;

    if (s && find(s, ip) < s->n)
        return -EADDRNOTAVAIL;
    if (!s)
        s = calloc(1, sizeof *s);
    if (!s || s->n == SOURCES_MAX)
        return -ENOBUFS;
    s->blocked = blocked;
    s->ips[s->n++] = *ip;
    *at = s;
    return 0;
}

static int drop(struct mcast_sources **at, const ip_addr_t *ip)
{
    struct mcast_sources *s = *at;
    unsigned n = find(s, ip);

    if (!s || n == s->n)
        return -EADDRNOTAVAIL;
    s->ips[n] = s->ips[--s->n];
    if (s->n)
        return 0;
    free(s);
    *at = NULL;
    return 1;
}

int mcast_source_change(struct mcast_sources **at, enum mcast_change what,
                        const ip_addr_t *source)
{
    bool all = !*at || (*at)->blocked; /* It hears all, or all but some. */
    int r;

    switch (what) {
    case MCAST_JOIN:
        return *at && all ? -EINVAL : add(at, source, false);
    case MCAST_LEAVE:
        return all ? -EINVAL : drop(at, source);
    case MCAST_BLOCK:
        return all ? add(at, source, true) : -EINVAL;
    case MCAST_UNBLOCK:
        r = all ? drop(at, source) : -EINVAL;
        return r > 0 ? 0 : r;
    }
    return -EINVAL;
}

bool mcast_source_passes(const struct mcast_sources *s, const ip_addr_t *source)
{
    return !s || (find(s, source) < s->n) != s->blocked;
}
