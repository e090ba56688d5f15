/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/conf/rd.h"

#include <string.h>

#include "libioth/addr/iothaddr.h"
#include "proto/base/cur.h"

#define SOLICITATIONS 4u
#define SOLICIT_AGAIN (1 * MTIME_SEC)
#define NOT_YET       (100 * MTIME_MS)
#define HOPS          255
#define TWO_HOURS     (7200 * MTIME_SEC)
#define SLAAC_PREFIX  64

enum {
    ICMP_SOLICIT = 133,
    ICMP_ADVERTISE = 134,
    OPT_SOURCE_MAC = 1,
    OPT_PREFIX = 3,
    OPT_DNS = 25,
    OPT_DOMAINS = 31,
    FLAG_MANAGED = 0x80,
    FLAG_OTHER = 0x40,
    FLAG_AUTONOMOUS = 0x40,
};

void rd_start(struct rd *r, mtime_t now)
{
    r->on = true;
    r->tries = 0;
    r->next = now;
}

void rd_stop(struct rd *r)
{
    r->on = r->heard = r->managed = r->other = false;
    r->n_routers = r->n_prefixes = r->n_dns = r->n_domains = 0;
}

/* --- what was advertised ------------------------------------------------------------------------ */

static void take_out(struct rd_item *list, unsigned *n, unsigned i)
{
    (*n)--;
    memmove(&list[i], &list[i + 1], (*n - i) * sizeof *list);
}

/* Until `end`; an end that has come takes it out. */
static void renew(struct rd_item *list, unsigned *n, const struct rd_item *item,
                  mtime_t now)
{
    unsigned i = 0;

    while (i < *n && !conf_addr_equal(&list[i].addr, &item->addr))
        i++;
    if (i < *n && item->end <= now)
        take_out(list, n, i);
    else if (i < *n)
        list[i] = *item;
    else if (*n < RD_ITEMS_MAX && item->end > now)
        list[(*n)++] = *item;
}

/* Who cannot be trusted must not end an address at once (RFC 4862, 5.5.3 e). */
static mtime_t not_too_soon(const struct rd *r, const struct conf_addr *prefix, mtime_t end,
                            mtime_t now)
{
    for (unsigned i = 0; i < r->n_prefixes; i++) {
        mtime_t had = r->prefixes[i].end;

        if (!conf_addr_equal(&r->prefixes[i].addr, prefix) || end > had ||
            end - now > TWO_HOURS)
            continue;
        return had - now <= TWO_HOURS ? had : now + TWO_HOURS;
    }
    return end;
}

static void take_prefix(struct rd *r, struct cur c, mtime_t now)
{
    uint8_t len = cur_u8(&c), flags = cur_u8(&c), bytes[16];
    uint32_t valid = cur_u32(&c), preferred = cur_u32(&c);
    struct rd_item item = {.autonomous = flags & FLAG_AUTONOMOUS};

    cur_skip(&c, 4);
    cur_copy(&c, bytes, sizeof bytes);
    if (c.bad || len != SLAAC_PREFIX || preferred > valid || conf_is_link_local(bytes) ||
        bytes[0] == 0xff)
        return;
    memset(bytes + 8, 0, 8);
    item.addr = conf_addr6(bytes, len);
    item.end = not_too_soon(r, &item.addr, conf_end_of(now, valid), now);
    renew(r->prefixes, &r->n_prefixes, &item, now);
}

static void take_dns(struct rd *r, struct cur c, mtime_t now)
{
    struct rd_item item = {.autonomous = false};
    uint8_t bytes[16];

    cur_skip(&c, 2);
    item.end = conf_end_of(now, cur_u32(&c));
    while (cur_left(&c) >= sizeof bytes) {
        cur_copy(&c, bytes, sizeof bytes);
        item.addr = conf_addr6(bytes, 0);
        renew(r->dns, &r->n_dns, &item, now);
    }
}

static void renew_domain(struct rd *r, const char *name, mtime_t end, mtime_t now)
{
    unsigned i = 0;

    while (i < r->n_domains && strcmp(r->domains[i].name, name) != 0)
        i++;
    if (i < r->n_domains && end <= now) {
        r->n_domains--;
        memmove(&r->domains[i], &r->domains[i + 1],
                (r->n_domains - i) * sizeof r->domains[0]);
    } else if (i < r->n_domains) {
        r->domains[i].end = end;
    } else if (i < CONF_DOMAINS_MAX && end > now) {
        memcpy(r->domains[i].name, name, strlen(name) + 1);
        r->domains[i].end = end;
        r->n_domains++;
    }
}

static void take_domains(struct rd *r, struct cur c, mtime_t now)
{
    struct conf_set names = {.n_domains = 0};
    mtime_t end;

    cur_skip(&c, 2);
    end = conf_end_of(now, cur_u32(&c));
    if (c.bad)
        return;
    conf_put_domain_list(&names, c.p, cur_left(&c), false);
    for (unsigned i = 0; i < names.n_domains; i++)
        renew_domain(r, names.domains[i], end, now);
}

static void take_options(struct rd *r, struct cur c, mtime_t now)
{
    while (cur_left(&c)) {
        uint8_t type = cur_u8(&c), units = cur_u8(&c);
        struct cur value;

        if (c.bad || units == 0)
            return;
        value = cur_sub(&c, units * 8u - 2);
        if (c.bad)
            return;
        if (type == OPT_PREFIX)
            take_prefix(r, value, now);
        else if (type == OPT_DNS)
            take_dns(r, value, now);
        else if (type == OPT_DOMAINS)
            take_domains(r, value, now);
    }
}

/* An option of no length makes the whole message bad (RFC 4861, 6.1.2). */
static bool options_ok(struct cur c)
{
    while (cur_left(&c)) {
        uint8_t units;

        cur_skip(&c, 1);
        units = cur_u8(&c);
        if (c.bad || units == 0)
            return false;
        cur_skip(&c, units * 8u - 2);
    }
    return !c.bad;
}

void rd_input(struct rd *r, const void *data, size_t size, const uint8_t from[16],
              int hop_limit, mtime_t now)
{
    struct cur c = cur_init(data, size);
    uint8_t type = cur_u8(&c), code = cur_u8(&c), flags;
    struct rd_item router = {.addr = conf_addr6(from, 0)};
    struct conf_set before, set;
    bool managed, other, news;

    cur_skip(&c, 3); /* Checksum, hop limit. */
    flags = cur_u8(&c);
    router.end = now + cur_u16(&c) * MTIME_SEC;
    cur_skip(&c, 8);
    if (!r->on || c.bad || type != ICMP_ADVERTISE || code != 0 || hop_limit != HOPS ||
        !conf_is_link_local(from) || !options_ok(c))
        return;
    rd_set(r, &before);
    renew(r->routers, &r->n_routers, &router, now);
    take_options(r, c, now);
    rd_set(r, &set);
    managed = flags & FLAG_MANAGED;
    other = flags & FLAG_OTHER;
    news = !r->heard || managed != r->managed || other != r->other ||
           memcmp(&before, &set, sizeof set) != 0;
    r->heard = true;
    r->managed = managed;
    r->other = other;
    if (news)
        r->ops->changed(r->aux);
}

/* --- what it makes ------------------------------------------------------------------------------ */

static void make_address(const struct rd *r, const struct rd_item *prefix,
                         struct conf_set *out)
{
    struct conf_addr a = prefix->addr;
    uint8_t mac[6];

    memcpy(mac, r->mac, sizeof mac);
    /* A name's address is wanted whatever the router thinks of making one. */
    if (r->name[0])
        iothaddr_hash(a.bytes, r->name, NULL, 0);
    else if (prefix->autonomous)
        iothaddr_eui64(a.bytes, mac);
    else
        return;
    conf_put(out->addrs, &out->n_addrs, CONF_ADDRS_MAX, &a);
}

void rd_set(const struct rd *r, struct conf_set *out)
{
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < r->n_routers; i++)
        conf_put(out->routers, &out->n_routers, CONF_ROUTERS_MAX, &r->routers[i].addr);
    for (unsigned i = 0; r->slaac && i < r->n_prefixes; i++)
        make_address(r, &r->prefixes[i], out);
    for (unsigned i = 0; i < r->n_dns; i++)
        conf_put(out->dns, &out->n_dns, CONF_DNS_MAX, &r->dns[i].addr);
    for (unsigned i = 0; i < r->n_domains; i++)
        conf_put_domain(out, r->domains[i].name);
}

/* --- time --------------------------------------------------------------------------------------- */

static mtime_t first_end(const struct rd_item *list, unsigned n, mtime_t soonest)
{
    for (unsigned i = 0; i < n; i++)
        soonest = mtime_min(soonest, list[i].end);
    return soonest;
}

mtime_t rd_deadline(const struct rd *r)
{
    mtime_t soonest = MTIME_NEVER;

    if (!r->on)
        return soonest;
    if (!r->heard && r->tries < SOLICITATIONS)
        soonest = r->next;
    soonest = first_end(r->routers, r->n_routers, soonest);
    soonest = first_end(r->prefixes, r->n_prefixes, soonest);
    soonest = first_end(r->dns, r->n_dns, soonest);
    for (unsigned i = 0; i < r->n_domains; i++)
        soonest = mtime_min(soonest, r->domains[i].end);
    return soonest;
}

static void expire(struct rd_item *list, unsigned *n, mtime_t now)
{
    for (unsigned i = *n; i-- > 0;) {
        if (list[i].end <= now)
            take_out(list, n, i);
    }
}

static void solicit(struct rd *r, mtime_t now)
{
    uint8_t message[16] = {ICMP_SOLICIT, [8] = OPT_SOURCE_MAC, [9] = 1};

    memcpy(message + 10, r->mac, sizeof r->mac);
    if (!r->ops->send(r->aux, message, sizeof message)) {
        r->next = now + NOT_YET;
        return;
    }
    r->tries++;
    r->next = now + SOLICIT_AGAIN;
}

void rd_run(struct rd *r, mtime_t now)
{
    struct conf_set before, set;

    if (now < rd_deadline(r))
        return;
    rd_set(r, &before);
    expire(r->routers, &r->n_routers, now);
    expire(r->prefixes, &r->n_prefixes, now);
    expire(r->dns, &r->n_dns, now);
    for (unsigned i = r->n_domains; i-- > 0;) {
        if (r->domains[i].end <= now)
            renew_domain(r, r->domains[i].name, now, now);
    }
    rd_set(r, &set);
    if (!r->heard && r->tries < SOLICITATIONS && now >= r->next)
        solicit(r, now);
    if (memcmp(&before, &set, sizeof set) != 0)
        r->ops->changed(r->aux);
}
