/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/base/cur.h"

#include <string.h>

struct cur cur_init(const void *data, size_t size)
{
    static const uint8_t nothing;
    const uint8_t *p = data ? data : &nothing;

    return (struct cur){.p = p, .end = p + (data ? size : 0)};
}

size_t cur_left(const struct cur *c)
{
    return c->bad ? 0 : (size_t)(c->end - c->p);
}

const uint8_t *cur_bytes(struct cur *c, size_t size)
{
    const uint8_t *p = c->p;

    if (c->bad || size > (size_t)(c->end - c->p)) {
        c->bad = true;
        return NULL;
    }
    c->p += size;
    return p;
}

void cur_copy(struct cur *c, void *out, size_t size)
{
    const uint8_t *p = cur_bytes(c, size);

    if (p)
        memcpy(out, p, size);
    else
        memset(out, 0, size);
}

void cur_skip(struct cur *c, size_t size)
{
    (void)cur_bytes(c, size);
}

struct cur cur_sub(struct cur *c, size_t size)
{
    const uint8_t *p = cur_bytes(c, size);
    struct cur sub = cur_init(p, p ? size : 0);

    sub.bad = !p;
    return sub;
}

uint8_t cur_u8(struct cur *c)
{
    const uint8_t *p = cur_bytes(c, 1);

    return p ? p[0] : 0;
}

uint16_t cur_u16(struct cur *c)
{
    const uint8_t *p = cur_bytes(c, 2);

    return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

uint32_t cur_u32(struct cur *c)
{
    const uint8_t *p = cur_bytes(c, 4);

    return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

uint64_t cur_u64(struct cur *c)
{
    struct cur whole = cur_sub(c, 8);
    uint64_t high = cur_u32(&whole);

    return high << 32 | cur_u32(&whole);
}

uint16_t cur_u16_ne(struct cur *c)
{
    uint16_t v;

    cur_copy(c, &v, sizeof v);
    return v;
}

uint32_t cur_u32_ne(struct cur *c)
{
    uint32_t v;

    cur_copy(c, &v, sizeof v);
    return v;
}

uint64_t cur_u64_ne(struct cur *c)
{
    uint64_t v;

    cur_copy(c, &v, sizeof v);
    return v;
}

void cur_str8(struct cur *c, char *out, size_t out_size)
{
    size_t size = cur_u8(c);
    const uint8_t *p = cur_bytes(c, size);

    out[0] = '\0';
    if (!p)
        return;
    if (size >= out_size || memchr(p, 0, size)) {
        c->bad = true;
        return;
    }
    memcpy(out, p, size);
    out[size] = '\0';
}

bool cur_done(const struct cur *c)
{
    return !c->bad && c->p == c->end;
}

struct wr wr_init(void *data, size_t size)
{
    return (struct wr){.start = data, .p = data, .end = (uint8_t *)data + size};
}

size_t wr_size(const struct wr *w)
{
    return (size_t)(w->p - w->start);
}

size_t wr_left(const struct wr *w)
{
    return w->bad ? 0 : (size_t)(w->end - w->p);
}

uint8_t *wr_reserve(struct wr *w, size_t size)
{
    uint8_t *p = w->p;

    if (w->bad || size > (size_t)(w->end - w->p)) {
        w->bad = true;
        return NULL;
    }
    w->p += size;
    return p;
}

void wr_bytes(struct wr *w, const void *data, size_t size)
{
    uint8_t *p = wr_reserve(w, size);

    if (p && size)
        memcpy(p, data, size);
}

void wr_u8(struct wr *w, uint8_t v)
{
    wr_bytes(w, &v, 1);
}

void wr_u16(struct wr *w, uint16_t v)
{
    uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

    wr_bytes(w, b, sizeof b);
}

void wr_u32(struct wr *w, uint32_t v)
{
    uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

    wr_bytes(w, b, sizeof b);
}

void wr_u64(struct wr *w, uint64_t v)
{
    wr_u32(w, (uint32_t)(v >> 32));
    wr_u32(w, (uint32_t)v);
}

void wr_u16_ne(struct wr *w, uint16_t v)
{
    wr_bytes(w, &v, sizeof v);
}

void wr_u32_ne(struct wr *w, uint32_t v)
{
    wr_bytes(w, &v, sizeof v);
}

void wr_u64_ne(struct wr *w, uint64_t v)
{
    wr_bytes(w, &v, sizeof v);
}

void wr_str8(struct wr *w, const char *text)
{
    size_t size = strlen(text);

    if (size > UINT8_MAX) {
        w->bad = true;
        return;
    }
    wr_u8(w, (uint8_t)size);
    wr_bytes(w, text, size);
}
