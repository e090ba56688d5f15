/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The codec writes field by field, so that the messages do not depend on a compiler's layout. */
#include "proto/plug/plug.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "proto/base/cur.h"

#define MAGIC_REQUEST 0x696f7051u
#define MAGIC_REPLY   0x696f7052u

static void put_text(struct wr *w, const char *text, size_t room)
{
    size_t size = strnlen(text, room);

    if (size == room || size > UINT16_MAX) {
        w->bad = true;
        return;
    }
    wr_u16_ne(w, (uint16_t)size);
    wr_bytes(w, text, size);
}

/* Bad if it holds a NUL or has no room for its own. */
static void get_text(struct cur *c, char *text, size_t room)
{
    size_t size = cur_u16_ne(c);
    const uint8_t *p = cur_bytes(c, size);

    memset(text, 0, room);
    if (!p)
        return;
    if (size >= room || memchr(p, 0, size)) {
        c->bad = true;
        return;
    }
    memcpy(text, p, size);
}

static void put_addr(struct wr *w, const struct plug_addr *a)
{
    wr_u8(w, a->family);
    wr_u8(w, a->prefix);
    wr_bytes(w, a->addr, sizeof a->addr);
}

static bool addr_valid(const struct plug_addr *a)
{
    switch (a->family) {
    case 0:
        return true;
    case 4:
        return a->prefix <= 32 || a->prefix == 255;
    case 6:
        return a->prefix <= 128 || a->prefix == 255;
    default:
        return false;
    }
}

static void get_addr(struct cur *c, struct plug_addr *a)
{
    a->family = cur_u8(c);
    a->prefix = cur_u8(c);
    cur_copy(c, a->addr, sizeof a->addr);
    if (!addr_valid(a))
        c->bad = true;
}

static void put_addrs(struct wr *w, const struct plug_addr *addrs, uint8_t n)
{
    if (n > PLUG_MAX_ADDRS) {
        w->bad = true;
        return;
    }
    wr_u8(w, n);
    for (unsigned i = 0; i < n; i++)
        put_addr(w, &addrs[i]);
}

static uint8_t get_addrs(struct cur *c, struct plug_addr addrs[PLUG_MAX_ADDRS])
{
    uint8_t n = cur_u8(c);

    if (n > PLUG_MAX_ADDRS) {
        c->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        get_addr(c, &addrs[i]);
        if (addrs[i].family == 0)
            c->bad = true;
    }
    return n;
}

static void put_head(struct wr *w, uint32_t magic)
{
    wr_u32_ne(w, magic);
    wr_u16_ne(w, PLUG_VERSION);
}

static void get_head(struct cur *c, uint32_t magic)
{
    if (cur_u32_ne(c) != magic || cur_u16_ne(c) != PLUG_VERSION)
        c->bad = true;
}

size_t plug_request_encode(const struct plug_request *r, void *out, size_t room)
{
    struct wr w = wr_init(out, room < PLUG_MAX_SIZE ? room : PLUG_MAX_SIZE);

    put_head(&w, MAGIC_REQUEST);
    wr_u8(&w, r->kind);
    wr_u8(&w, r->flags);
    put_text(&w, r->network, sizeof r->network);
    wr_u16_ne(&w, r->vlan);
    put_text(&w, r->name, sizeof r->name);
    wr_bytes(&w, r->mac, sizeof r->mac);
    put_addrs(&w, r->addrs, r->n_addrs);
    wr_u64_ne(&w, r->rate);
    wr_u32_ne(&w, r->caps);
    wr_u32_ne(&w, r->node_pid);
    wr_u32_ne(&w, r->snap);
    return w.bad ? 0 : wr_size(&w);
}

int plug_request_decode(const void *data, size_t size, struct plug_request *out)
{
    struct cur c = cur_init(data, size);
    struct plug_request r = {.kind = 0};

    get_head(&c, MAGIC_REQUEST);
    r.kind = cur_u8(&c);
    r.flags = cur_u8(&c);
    get_text(&c, r.network, sizeof r.network);
    r.vlan = cur_u16_ne(&c);
    get_text(&c, r.name, sizeof r.name);
    cur_copy(&c, r.mac, sizeof r.mac);
    r.n_addrs = get_addrs(&c, r.addrs);
    r.rate = cur_u64_ne(&c);
    r.caps = cur_u32_ne(&c);
    r.node_pid = cur_u32_ne(&c);
    r.snap = cur_u32_ne(&c);
    if (!cur_done(&c) || r.kind < PLUG_TAP || r.kind > PLUG_CAPTURE || r.vlan > 4094 ||
        r.flags & ~(PLUG_ENDPOINT | PLUG_ANONYMOUS | PLUG_SERVICE | PLUG_STATION))
        return -EPROTO;
    *out = r;
    return 0;
}

size_t plug_reply_encode(const struct plug_reply *r, void *out, size_t room)
{
    struct wr w = wr_init(out, room < PLUG_MAX_SIZE ? room : PLUG_MAX_SIZE);

    put_head(&w, MAGIC_REPLY);
    wr_u32_ne(&w, (uint32_t)r->code);
    put_text(&w, r->why, sizeof r->why);
    put_text(&w, r->hint, sizeof r->hint);
    put_text(&w, r->name, sizeof r->name);
    wr_u16_ne(&w, r->vlan);
    wr_u32_ne(&w, r->mtu);
    wr_bytes(&w, r->mac, sizeof r->mac);
    put_addrs(&w, r->addrs, r->n_addrs);
    put_addr(&w, &r->gateway4);
    put_addr(&w, &r->gateway6);
    return w.bad ? 0 : wr_size(&w);
}

int plug_reply_decode(const void *data, size_t size, struct plug_reply *out)
{
    struct cur c = cur_init(data, size);
    struct plug_reply r = {.code = 0};

    get_head(&c, MAGIC_REPLY);
    r.code = (int32_t)cur_u32_ne(&c);
    get_text(&c, r.why, sizeof r.why);
    get_text(&c, r.hint, sizeof r.hint);
    get_text(&c, r.name, sizeof r.name);
    r.vlan = cur_u16_ne(&c);
    r.mtu = cur_u32_ne(&c);
    cur_copy(&c, r.mac, sizeof r.mac);
    r.n_addrs = get_addrs(&c, r.addrs);
    get_addr(&c, &r.gateway4);
    get_addr(&c, &r.gateway6);
    if (!cur_done(&c) || r.code > 0 || r.code < -4095 || r.vlan > 4094 ||
        r.gateway4.family == 6 || r.gateway6.family == 4)
        return -EPROTO;
    *out = r;
    return 0;
}
