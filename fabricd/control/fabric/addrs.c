/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where other hosts can reach this one: what is declared, else the addresses of its interfaces. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "fabricd/control/fabric/member_internal.h"
#include "fabricd/control/reconcile/reconcile.h"

struct gathering {
    struct ipc_addr *out;
    unsigned n, room;
};

static void gather(struct gathering *g, const struct ipc_addr *a)
{
    for (unsigned i = 0; i < g->n; i++) {
        if (!memcmp(&g->out[i], a, sizeof(*a))) {
            return;
        }
    }
    if (g->n < g->room) {
        g->out[g->n++] = *a;
    }
}

static void gather_declared(struct gathering *g, const struct control *control)
{
    const struct view_host *self = view_host(control->view, control_host(control));
    const struct node *list = self ? node_get(self->body, "address") : NULL;

    for (size_t i = 0; list && list->kind == NODE_LIST && i < list->n; i++) {
        struct ipc_addr a;

        if (list->child[i]->text && ipc_addr_parse(list->child[i]->text, &a)) {
            gather(g, &a);
        }
    }
}

/* False for addresses that mean nothing elsewhere: of the link only, or none. */
static bool to_addr(const struct sockaddr *sa, uint16_t port, struct ipc_addr *out)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    *out = (struct ipc_addr){.port = port};
    if (sa && sa->sa_family == AF_INET) {
        memcpy(&in, sa, sizeof(in));
        out->family = 4;
        memcpy(out->addr, &in.sin_addr, 4);
        return (ntohl(in.sin_addr.s_addr) >> 16) != 0xa9fe; /* 169.254.0.0/16 */
    }
    if (sa && sa->sa_family == AF_INET6) {
        memcpy(&in6, sa, sizeof(in6));
        out->family = 6;
        memcpy(out->addr, &in6.sin6_addr, 16);
        return !IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr);
    }
    return false;
}

/* A pass over the interfaces: those that lead out, or (nothing else being there) the loopback. */
static void gather_interfaces(struct gathering *g, const struct ifaddrs *list,
                              const struct ipc_addr *bound, bool loopback)
{
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        struct ipc_addr a;

        if (!(i->ifa_flags & IFF_UP) || !(i->ifa_flags & IFF_LOOPBACK) == loopback ||
            !to_addr(i->ifa_addr, bound->port, &a)) {
            continue;
        }
        if (a.family == bound->family || bound->family == 6) { /* :: takes both. */
            gather(g, &a);
        }
    }
}

unsigned member_addrs(const struct control *control, struct ipc_addr *out, unsigned room)
{
    static const uint8_t any[16];
    struct gathering g = {.out = out, .room = room};
    struct ipc_addr bound;
    struct ifaddrs *list;
    unsigned declared;

    gather_declared(&g, control);
    declared = g.n;
    if (!reconcile_udp(control->reconcile, &bound)) {
        return g.n;
    }
    if (memcmp(bound.addr, any, sizeof(any)) != 0) {
        gather(&g, &bound);
        return g.n;
    }
    if (getifaddrs(&list) < 0) {
        return g.n;
    }
    gather_interfaces(&g, list, &bound, false);
    if (g.n == declared && !declared) {
        gather_interfaces(&g, list, &bound, true);
    }
    freeifaddrs(list);
    return g.n;
}

unsigned member_sync_addrs(const struct control *control,
                           struct sync_addr out[SYNC_MAX_ADDRS])
{
    struct ipc_addr addrs[SYNC_MAX_ADDRS];
    unsigned n = member_addrs(control, addrs, SYNC_MAX_ADDRS);

    for (unsigned i = 0; i < n; i++) {
        out[i] = (struct sync_addr){.family = addrs[i].family, .port = addrs[i].port};
        memcpy(out[i].addr, addrs[i].addr, sizeof(out[i].addr));
    }
    return n;
}

struct node *member_addrs_node(const struct sync_addr *addrs, unsigned n,
                               const struct ipc_addr *also)
{
    struct ipc_addr list[SYNC_MAX_ADDRS];
    struct gathering g = {.out = list, .room = SYNC_MAX_ADDRS};
    struct node *out = node_list();
    char text[64];

    for (unsigned i = 0; i < n; i++) {
        struct ipc_addr a = {.family = addrs[i].family, .port = addrs[i].port};

        memcpy(a.addr, addrs[i].addr, sizeof(a.addr));
        gather(&g, &a);
    }
    if (also && also->family) {
        struct ipc_addr a = {.family = also->family, .port = also->port};

        memcpy(a.addr, also->addr, also->family == 4 ? 4 : 16);
        gather(&g, &a);
    }
    for (unsigned i = 0; i < g.n; i++) {
        node_append(out, node_text(ipc_addr_print(&g.out[i], text, sizeof(text))));
    }
    return out;
}
