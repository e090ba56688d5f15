/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is set of an interface. Its engines and sockets are in nic_net.c. */
#include "libioth/conf/nic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libioth/addr/iothaddr.h"
#include "libioth/conf/iothconf.h"

static int family_of(const struct conf_addr *a)
{
    return a->family == 4 ? AF_INET : AF_INET6;
}

/* The link-local address that its MAC makes. False: it has none, or is the host's, whose own are left alone. */
static bool link_local_of(const struct nic *i, uint8_t addr[16])
{
    uint8_t mac[6];

    memset(addr, 0, 16);
    addr[0] = 0xfe;
    addr[1] = 0x80;
    if (i->conf->stack == &stack_kernel ||
        ioth_linkgetaddr(i->conf->stack, i->ifindex, mac) < 0)
        return false;
    iothaddr_eui64(addr, mac);
    return true;
}

static int set_mac(struct nic *i, uint8_t mac[6])
{
    uint8_t before[16], after[16];
    bool had = link_local_of(i, before);

    if (ioth_linksetaddr(i->conf->stack, i->ifindex, mac) < 0)
        return -errno;
    /* The kernel keeps the address of the old one, at which nothing would arrive. */
    if (had && link_local_of(i, after) && memcmp(before, after, sizeof before) != 0)
        (void)ioth_ipaddr_del(i->conf->stack, AF_INET6, before, 64, i->ifindex);
    return 0;
}

/* It is given like any other, so that it is good at once: a stack that makes it itself probes for it, for two seconds
 * perhaps. */
static void give_link_local(struct nic *i)
{
    struct ioth *s = i->conf->stack;
    uint8_t addr[16];

    if (!link_local_of(i, addr))
        return;
    (void)ioth_ipaddr_del(s, AF_INET6, addr, 64, i->ifindex);
    (void)ioth_ipaddr_add(s, AF_INET6, addr, 64, i->ifindex);
}

int nic_set_link(struct nic *i, const struct options *o)
{
    uint8_t mac[6];
    int r = 0;

    if (o->has_mac)
        memcpy(mac, o->mac, sizeof mac);
    else if (o->fqdn[0])
        iothaddr_hashmac(mac, o->fqdn, NULL);
    if (o->has_mac || o->fqdn[0])
        r = set_mac(i, mac);
    if (r < 0)
        return r;
    if (ioth_linksetupdown(i->conf->stack, i->ifindex, 1) < 0)
        return -errno;
    give_link_local(i);
    return 0;
}

int nic_set_down(struct nic *i)
{
    return ioth_linksetupdown(i->conf->stack, i->ifindex, 0) < 0 ? -errno : 0;
}

/* --- addresses and routes ------------------------------------------------------------------------ */

/* Does another source say it too? */
static bool elsewhere(const struct nic *i, enum source but, const struct conf_addr *a)
{
    for (unsigned s = 0; s < N_SOURCES; s++) {
        if (s != but && conf_has(i->sets[s].addrs, i->sets[s].n_addrs, a))
            return true;
    }
    return false;
}

static void remove_addrs(struct nic *i, enum source source, const struct conf_set *now)
{
    struct conf_set *had = &i->sets[source];

    for (unsigned n = 0; n < had->n_addrs; n++) {
        struct conf_addr *a = &had->addrs[n];

        if (!conf_has(now->addrs, now->n_addrs, a) && !elsewhere(i, source, a))
            (void)ioth_ipaddr_del(i->conf->stack, family_of(a), a->bytes, a->prefix,
                                  i->ifindex);
    }
}

static int add_addrs(struct nic *i, enum source source, const struct conf_set *now)
{
    const struct conf_set *had = &i->sets[source];
    int r = 0;

    for (unsigned n = 0; n < now->n_addrs; n++) {
        struct conf_addr a = now->addrs[n];

        if (conf_has(had->addrs, had->n_addrs, &a) || elsewhere(i, source, &a))
            continue;
        if (ioth_ipaddr_add(i->conf->stack, family_of(&a), a.bytes, a.prefix, i->ifindex) <
                0 &&
            errno != EEXIST && r == 0)
            r = -errno;
    }
    return r;
}

/* The first router of a family, of the sources in their order. */
static struct conf_addr best_router(const struct nic *i, uint8_t family)
{
    for (unsigned s = 0; s < N_SOURCES; s++) {
        for (unsigned n = 0; n < i->sets[s].n_routers; n++) {
            if (i->sets[s].routers[n].family == family)
                return i->sets[s].routers[n];
        }
    }
    return (struct conf_addr){.family = 0};
}

static void remove_route(struct nic *i, uint8_t family, struct conf_addr *has)
{
    struct conf_addr wanted = best_router(i, family);

    if (!has->family || conf_addr_equal(&wanted, has))
        return;
    (void)ioth_iproute_del(i->conf->stack, family_of(has), NULL, 0, has->bytes, i->ifindex);
    has->family = 0;
}

static int add_route(struct nic *i, uint8_t family, struct conf_addr *has)
{
    struct conf_addr wanted = best_router(i, family);

    if (!wanted.family || conf_addr_equal(&wanted, has))
        return 0;
    if (ioth_iproute_add(i->conf->stack, family_of(&wanted), NULL, 0, wanted.bytes,
                         i->ifindex) < 0 &&
        errno != EEXIST)
        return -errno;
    *has = wanted;
    return 0;
}

static bool same_names(const struct conf_set *a, const struct conf_set *b)
{
    return a->n_dns == b->n_dns && a->n_domains == b->n_domains &&
           memcmp(a->dns, b->dns, a->n_dns * sizeof a->dns[0]) == 0 &&
           memcmp(a->domains, b->domains, a->n_domains * sizeof a->domains[0]) == 0;
}

/* What goes first makes room: a stack may have one IPv4 address per interface. */
int nic_apply(struct nic *i, enum source source, const struct conf_set *now)
{
    uint64_t one = 1;
    int r, later;

    if (!memcmp(&i->sets[source], now, sizeof *now))
        return i->errors[source];
    if (!same_names(&i->sets[source], now))
        i->names_changed = true;
    remove_addrs(i, source, now);
    r = add_addrs(i, source, now);
    i->sets[source] = *now;
    remove_route(i, 4, &i->route4);
    remove_route(i, 6, &i->route6);
    later = add_route(i, 4, &i->route4);
    r = r < 0 ? r : later;
    later = add_route(i, 6, &i->route6);
    (void)!write(i->conf->event, &one, sizeof one);
    i->errors[source] = r < 0 ? r : later;
    return i->errors[source];
}

/* --- names -------------------------------------------------------------------------------------- */

static bool said_before(const struct nic *i, unsigned source, const char *domain)
{
    for (unsigned s = 0; s < source; s++) {
        for (unsigned n = 0; n < i->sets[s].n_domains; n++) {
            if (!strcmp(i->sets[s].domains[n], domain))
                return true;
        }
    }
    return false;
}

static void print_search(const struct nic *i, FILE *f)
{
    const char *before = "search ";

    for (unsigned s = 0; s < N_SOURCES; s++) {
        for (unsigned n = 0; n < i->sets[s].n_domains; n++) {
            if (said_before(i, s, i->sets[s].domains[n]))
                continue;
            fprintf(f, "%s%s", before, i->sets[s].domains[n]);
            before = " ";
        }
    }
    if (*before == ' ')
        fputc('\n', f);
}

static void print_servers(const struct nic *i, enum source source, uint8_t family, FILE *f)
{
    const struct conf_set *set = &i->sets[source];
    char text[INET6_ADDRSTRLEN];

    for (unsigned n = 0; n < set->n_dns; n++) {
        const struct conf_addr *a = &set->dns[n];
        bool on_link = a->family == 6 && conf_is_link_local(a->bytes);

        if (a->family == family && inet_ntop(family_of(a), a->bytes, text, sizeof text))
            fprintf(f, "nameserver %s%s%s\n", text, on_link ? "%" : "",
                    on_link ? i->name : "");
    }
}

char *nic_resolvconf(const struct nic *i)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        return NULL;
    print_search(i, f);
    print_servers(i, SOURCE_STATIC, 6, f);
    print_servers(i, SOURCE_STATIC, 4, f);
    print_servers(i, SOURCE_DHCP6, 6, f);
    print_servers(i, SOURCE_RD, 6, f);
    print_servers(i, SOURCE_DHCP4, 4, f);
    return fclose(f) == 0 ? text : NULL;
}
