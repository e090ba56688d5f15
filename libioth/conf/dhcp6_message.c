/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/conf/dhcp6_message.h"

#include <errno.h>
#include <string.h>

#include "proto/base/cur.h"

#define XID_MASK    0xffffffu
#define DUID_LL     3u
#define HW_ETHERNET 1u
#define DUID_SIZE   10u
#define FQDN_UPDATE 1u

enum {
    OPT_CLIENT = 1,
    OPT_SERVER = 2,
    OPT_IA_NA = 3,
    OPT_ADDR = 5,
    OPT_WANTED = 6,
    OPT_ELAPSED = 8,
    OPT_STATUS = 13,
    OPT_RAPID = 14,
    OPT_DNS = 23,
    OPT_DOMAINS = 24,
    OPT_REFRESH = 32,
    OPT_FQDN = 39,
};

/* --- what is sent ------------------------------------------------------------------------------- */

static void put_head(struct wr *w, uint16_t code, size_t size)
{
    wr_u16(w, code);
    wr_u16(w, (uint16_t)size);
}

static void put_duid(struct wr *w, const uint8_t mac[6])
{
    wr_u16(w, DUID_LL);
    wr_u16(w, HW_ETHERNET);
    wr_bytes(w, mac, 6);
}

/* With the addresses that it had, to renew or to release them. */
static void put_ia(struct wr *w, const struct dhcp6 *d, enum dhcp6_type type)
{
    const struct conf_set *set = &d->answer.set;
    unsigned n = type == DHCP6_SOLICIT ? 0 : set->n_addrs;

    put_head(w, OPT_IA_NA, 12 + n * 28u);
    wr_bytes(w, d->mac + 2, 4);
    wr_u32(w, 0);
    wr_u32(w, 0);
    for (unsigned i = 0; i < n; i++) {
        put_head(w, OPT_ADDR, 24);
        wr_bytes(w, set->addrs[i].bytes, 16);
        wr_u32(w, 0);
        wr_u32(w, 0);
    }
}

static void put_name(struct wr *w, const char *name)
{
    uint8_t text[CONF_NAME_SIZE];
    size_t size = conf_name_encode(name, text, sizeof text);

    if (size == 0)
        return;
    put_head(w, OPT_FQDN, 1 + size);
    wr_u8(w, FQDN_UPDATE);
    wr_bytes(w, text, size);
}

size_t dhcp6_encode(const struct dhcp6 *d, enum dhcp6_type type, uint16_t elapsed,
                    uint8_t out[DHCP6_MESSAGE_MAX])
{
    static const uint16_t wanted[] = {OPT_DNS, OPT_DOMAINS, OPT_REFRESH};
    struct wr w = wr_init(out, DHCP6_MESSAGE_MAX);

    wr_u32(&w, (uint32_t)type << 24 | (d->xid & XID_MASK));
    put_head(&w, OPT_CLIENT, DUID_SIZE);
    put_duid(&w, d->mac);
    if (type == DHCP6_REQUEST || type == DHCP6_RENEW || type == DHCP6_RELEASE) {
        put_head(&w, OPT_SERVER, d->answer.server_size);
        wr_bytes(&w, d->answer.server, d->answer.server_size);
    }
    put_head(&w, OPT_ELAPSED, 2);
    wr_u16(&w, elapsed);
    if (type != DHCP6_INFORMATION_REQUEST)
        put_ia(&w, d, type);
    if (type == DHCP6_SOLICIT)
        put_head(&w, OPT_RAPID, 0);
    if (type != DHCP6_RELEASE) {
        put_head(&w, OPT_WANTED, sizeof wanted);
        for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++)
            wr_u16(&w, wanted[i]);
        if (type != DHCP6_INFORMATION_REQUEST)
            put_name(&w, d->name);
    }
    return w.bad ? 0 : wr_size(&w);
}

/* --- what comes --------------------------------------------------------------------------------- */

static bool next(struct cur *c, uint16_t *code, struct cur *value)
{
    *code = cur_u16(c);
    *value = cur_sub(c, cur_u16(c));
    return !c->bad;
}

static void worse(struct dhcp6_answer *a, struct cur value)
{
    uint16_t status = cur_u16(&value);

    if (!value.bad && status != DHCP6_SUCCESS)
        a->status = status;
}

static void take_addr(struct dhcp6_answer *a, struct cur c)
{
    struct conf_addr addr;
    uint8_t bytes[16];
    uint32_t preferred, valid;

    cur_copy(&c, bytes, sizeof bytes);
    preferred = cur_u32(&c);
    valid = cur_u32(&c);
    if (c.bad || valid == 0 || preferred > valid || bytes[0] == 0xff)
        return;
    addr = conf_addr6(bytes, 128);
    conf_put(a->set.addrs, &a->set.n_addrs, CONF_ADDRS_MAX, &addr);
    if (valid < a->valid_sec)
        a->valid_sec = valid;
}

static void take_ia(const struct dhcp6 *d, struct dhcp6_answer *a, struct cur c)
{
    const uint8_t *id = cur_bytes(&c, 4);
    uint32_t t1 = cur_u32(&c), t2 = cur_u32(&c);
    struct cur value;
    uint16_t code;

    if (c.bad || memcmp(id, d->mac + 2, 4) != 0 || (t1 > t2 && t2 != 0))
        return;
    a->t1_sec = t1;
    a->t2_sec = t2;
    while (next(&c, &code, &value)) {
        if (code == OPT_ADDR)
            take_addr(a, value);
        else if (code == OPT_STATUS)
            worse(a, value);
    }
}

static void take_dns(struct dhcp6_answer *a, struct cur c)
{
    uint8_t bytes[16];

    while (cur_left(&c) >= sizeof bytes) {
        struct conf_addr addr;

        cur_copy(&c, bytes, sizeof bytes);
        addr = conf_addr6(bytes, 0);
        conf_put(a->set.dns, &a->set.n_dns, CONF_DNS_MAX, &addr);
    }
}

/* False: not for us. */
static bool take(const struct dhcp6 *d, struct dhcp6_answer *a, uint16_t code,
                 struct cur value)
{
    uint8_t own[DUID_SIZE];
    struct wr w = wr_init(own, sizeof own);
    size_t size = cur_left(&value);

    switch (code) {
    case OPT_CLIENT:
        put_duid(&w, d->mac);
        return size == DUID_SIZE && memcmp(value.p, own, size) == 0;
    case OPT_SERVER:
        if (size == 0 || size > DHCP6_DUID_MAX)
            return false;
        a->server_size = (unsigned)size;
        cur_copy(&value, a->server, size);
        return true;
    case OPT_IA_NA:
        take_ia(d, a, value);
        return true;
    case OPT_STATUS:
        worse(a, value);
        return true;
    case OPT_RAPID:
        a->rapid = true;
        return true;
    case OPT_DNS:
        take_dns(a, value);
        return true;
    case OPT_DOMAINS:
        conf_put_domain_list(&a->set, value.p, size, false);
        return true;
    case OPT_REFRESH:
        if (size == 4)
            a->refresh_sec = cur_u32(&value);
        return true;
    default:
        return true;
    }
}

int dhcp6_decode(const struct dhcp6 *d, const void *data, size_t size,
                 struct dhcp6_answer *out)
{
    struct cur c = cur_init(data, size), value;
    struct dhcp6_answer a = {.valid_sec = UINT32_MAX};
    uint32_t head = cur_u32(&c);
    bool ours = false;
    uint16_t code;

    if (c.bad || (head & XID_MASK) != (d->xid & XID_MASK) ||
        (head >> 24 != DHCP6_ADVERTISE && head >> 24 != DHCP6_REPLY))
        return -EBADMSG;
    while (next(&c, &code, &value)) {
        if (!take(d, &a, code, value))
            return -EBADMSG;
        ours = ours || code == OPT_CLIENT;
    }
    if (!ours || a.server_size == 0)
        return -EBADMSG;
    *out = a;
    return (int)(head >> 24);
}
