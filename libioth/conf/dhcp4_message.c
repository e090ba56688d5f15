/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/conf/dhcp4_message.h"

#include <errno.h>
#include <string.h>

#include "proto/base/cur.h"

#define COOKIE         0x63825363u
#define SNAME_SIZE     64u
#define FILE_SIZE      128u
#define MIN_SIZE       300u /* BOOTP's: some relays drop less. */
#define OPTIONS_MAX    512u /* Of one kind, joined (RFC 3396). */
#define TAKES_SIZE     1472u
#define FQDN_UPDATE    1u /* The server is to register the name. */
#define FQDN_MAX       251u
#define OVERLOAD_FILE  1u
#define OVERLOAD_SNAME 2u

enum {
    OPT_PAD = 0,
    OPT_MASK = 1,
    OPT_ROUTER = 3,
    OPT_DNS = 6,
    OPT_DOMAIN = 15,
    OPT_ADDRESS = 50,
    OPT_LEASE = 51,
    OPT_OVERLOAD = 52,
    OPT_TYPE = 53,
    OPT_SERVER = 54,
    OPT_WANTED = 55,
    OPT_MAX_SIZE = 57,
    OPT_T1 = 58,
    OPT_T2 = 59,
    OPT_CLIENT = 61,
    OPT_FQDN = 81,
    OPT_SEARCH = 119,
    OPT_END = 255,
};

/* --- what is sent ------------------------------------------------------------------------------- */

static void option(struct wr *w, uint8_t code, const void *data, size_t size)
{
    wr_u8(w, code);
    wr_u8(w, (uint8_t)size);
    wr_bytes(w, data, size);
}

static void options(struct wr *w, const struct dhcp4 *d, enum dhcp4_type type, bool ask)
{
    static const uint8_t wanted[] = {OPT_MASK,  OPT_ROUTER, OPT_DNS, OPT_DOMAIN,
                                     OPT_LEASE, OPT_T1,     OPT_T2,  OPT_SEARCH};
    static const uint8_t size[] = {TAKES_SIZE >> 8, TAKES_SIZE & 0xff};
    uint8_t kind = (uint8_t)type, client[7] = {1}, fqdn[3 + FQDN_MAX] = {FQDN_UPDATE};
    size_t n = strlen(d->name);

    memcpy(client + 1, d->mac, 6);
    option(w, OPT_TYPE, &kind, 1);
    option(w, OPT_CLIENT, client, sizeof client);
    if (ask)
        option(w, OPT_ADDRESS, d->lease.addr, 4);
    if (ask || type == DHCP4_RELEASE)
        option(w, OPT_SERVER, d->lease.server, 4);
    if (type == DHCP4_RELEASE)
        return;
    option(w, OPT_MAX_SIZE, size, sizeof size);
    option(w, OPT_WANTED, wanted, sizeof wanted);
    if (n > 0 && n <= FQDN_MAX) {
        memcpy(fqdn + 3, d->name, n);
        option(w, OPT_FQDN, fqdn, 3 + n);
    }
}

size_t dhcp4_encode(const struct dhcp4 *d, enum dhcp4_type type, bool ask, bool have,
                    uint16_t secs, uint8_t out[DHCP4_MESSAGE_MAX])
{
    static const uint8_t zero[SNAME_SIZE + FILE_SIZE];
    struct wr w = wr_init(out, DHCP4_MESSAGE_MAX);

    wr_u32(&w, 0x01010600); /* Request, Ethernet. */
    wr_u32(&w, d->xid);
    wr_u16(&w, secs);
    wr_u16(&w, 0); /* Answers may be unicast: we hear all of the link. */
    wr_bytes(&w, have ? d->lease.addr : zero, 4);
    wr_bytes(&w, zero, 12);
    wr_bytes(&w, d->mac, 6);
    wr_bytes(&w, zero, 10);
    wr_bytes(&w, zero, SNAME_SIZE + FILE_SIZE);
    wr_u32(&w, COOKIE);
    options(&w, d, type, ask);
    wr_u8(&w, OPT_END);
    while (wr_size(&w) < MIN_SIZE)
        wr_u8(&w, OPT_PAD);
    return wr_size(&w);
}

/* --- what comes --------------------------------------------------------------------------------- */

/* Up to three areas of a message hold options, in this order. */
struct areas {
    struct cur of[3];
    unsigned n;
};

/* The next option of an area. False at its end. */
static bool next(struct cur *c, uint8_t *code, struct cur *value)
{
    do
        *code = cur_u8(c);
    while (*code == OPT_PAD && !c->bad);
    if (c->bad || *code == OPT_END)
        return false;
    *value = cur_sub(c, cur_u8(c));
    return !c->bad;
}

/* All options of a code, one behind another. Returns how many bytes, of which `room` are there at most. */
static size_t join(const struct areas *all, uint8_t code, uint8_t *out, size_t room)
{
    size_t size = 0;

    for (unsigned i = 0; i < all->n; i++) {
        struct cur c = all->of[i], value;
        uint8_t got;

        while (next(&c, &got, &value)) {
            size_t n = cur_left(&value);

            if (got != code || n > room - size)
                continue;
            cur_copy(&value, out + size, n);
            size += n;
        }
    }
    return size;
}

static bool number(const struct areas *all, uint8_t code, uint32_t *out)
{
    uint8_t data[OPTIONS_MAX];
    struct cur c;

    if (join(all, code, data, sizeof data) != 4)
        return false;
    c = cur_init(data, 4);
    *out = cur_u32(&c);
    return true;
}

static void addresses(const struct areas *all, uint8_t code, struct conf_addr *list,
                      unsigned *n, unsigned max)
{
    uint8_t data[OPTIONS_MAX];
    size_t size = join(all, code, data, sizeof data);

    for (size_t at = 0; at + 4 <= size; at += 4) {
        struct conf_addr a = conf_addr4(data + at, 0);

        conf_put(list, n, max, &a);
    }
}

/* The length of a mask, or of the address's class where there is none. */
static uint8_t prefix(const struct areas *all, const uint8_t addr[4])
{
    uint32_t mask;
    uint8_t n = 0;

    if (!number(all, OPT_MASK, &mask) || mask == 0)
        return addr[0] < 128 ? 8 : addr[0] < 192 ? 16 : 24;
    while (n < 32 && mask & 0x80000000u >> n)
        n++;
    return n;
}

static void names(const struct areas *all, struct conf_set *set)
{
    uint8_t data[OPTIONS_MAX + 1];
    size_t size = join(all, OPT_SEARCH, data, OPTIONS_MAX);

    conf_put_domain_list(set, data, size, true);
    size = join(all, OPT_DOMAIN, data, OPTIONS_MAX);
    data[size] = 0;
    if (size && strlen((const char *)data) + 1 >= size)
        conf_put_domain(set, (const char *)data);
}

static void find_areas(struct areas *all, struct cur sname, struct cur file,
                       struct cur options)
{
    uint8_t overload[OPTIONS_MAX] = {0};

    *all = (struct areas){.of = {options}, .n = 1};
    if (join(all, OPT_OVERLOAD, overload, sizeof overload) != 1)
        return;
    if (overload[0] & OVERLOAD_FILE)
        all->of[all->n++] = file;
    if (overload[0] & OVERLOAD_SNAME)
        all->of[all->n++] = sname;
}

static bool is_usable(const uint8_t addr[4])
{
    return addr[0] != 0 && addr[0] != 127 && addr[0] < 224;
}

static int take(const struct areas *all, const uint8_t addr[4], struct dhcp4_offer *out)
{
    uint8_t type[OPTIONS_MAX], server[OPTIONS_MAX];
    struct dhcp4_offer o = {.t1_sec = 0};
    struct conf_addr own;

    if (join(all, OPT_TYPE, type, sizeof type) != 1 ||
        join(all, OPT_SERVER, server, sizeof server) != 4)
        return -EBADMSG;
    if (type[0] == DHCP4_NAK) {
        memcpy(out->server, server, 4);
        return DHCP4_NAK;
    }
    if ((type[0] != DHCP4_OFFER && type[0] != DHCP4_ACK) || !is_usable(addr) ||
        !number(all, OPT_LEASE, &o.lease_sec) || o.lease_sec == 0)
        return -EBADMSG;
    memcpy(o.addr, addr, 4);
    memcpy(o.server, server, 4);
    o.prefix = prefix(all, addr);
    (void)number(all, OPT_T1, &o.t1_sec);
    (void)number(all, OPT_T2, &o.t2_sec);
    own = conf_addr4(addr, o.prefix);
    conf_put(o.set.addrs, &o.set.n_addrs, CONF_ADDRS_MAX, &own);
    addresses(all, OPT_ROUTER, o.set.routers, &o.set.n_routers, CONF_ROUTERS_MAX);
    addresses(all, OPT_DNS, o.set.dns, &o.set.n_dns, CONF_DNS_MAX);
    names(all, &o.set);
    *out = o;
    return type[0];
}

int dhcp4_decode(const struct dhcp4 *d, const void *data, size_t size,
                 struct dhcp4_offer *out)
{
    struct cur c = cur_init(data, size), sname, file;
    uint32_t head = cur_u32(&c), xid = cur_u32(&c);
    uint8_t addr[4], mac[6];
    struct areas all;

    cur_skip(&c, 8); /* secs, flags, ciaddr */
    cur_copy(&c, addr, sizeof addr);
    cur_skip(&c, 8); /* siaddr, giaddr */
    cur_copy(&c, mac, sizeof mac);
    cur_skip(&c, 10);
    sname = cur_sub(&c, SNAME_SIZE);
    file = cur_sub(&c, FILE_SIZE);
    if (cur_u32(&c) != COOKIE || c.bad || head >> 8 != 0x020106 || xid != d->xid ||
        memcmp(mac, d->mac, sizeof mac) != 0)
        return -EBADMSG;
    find_areas(&all, sname, file, c);
    return take(&all, addr, out);
}
