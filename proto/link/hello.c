/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/link/hello.h"

#include "proto/base/cur.h"

size_t hello_write(const struct hello *h, uint8_t *out, size_t room)
{
    struct wr w = wr_init(out, room);

    wr_u8(&w, h->version);
    wr_u8(&w, h->suites);
    wr_u16(&w, h->features);
    wr_u64(&w, h->instance);
    wr_u64(&w, h->timestamp);
    wr_u64(&w, h->invite);
    wr_u16(&w, h->chain_size);
    wr_bytes(&w, h->chain, h->chain_size);
    return w.bad ? 0 : wr_size(&w);
}

bool hello_read(const uint8_t *data, size_t size, struct hello *h)
{
    struct cur in = cur_init(data, size);

    h->version = cur_u8(&in);
    h->suites = cur_u8(&in);
    h->features = cur_u16(&in);
    h->instance = cur_u64(&in);
    h->timestamp = cur_u64(&in);
    h->invite = cur_u64(&in);
    h->chain_size = cur_u16(&in);
    if (h->chain_size > sizeof h->chain)
        return false;
    cur_copy(&in, h->chain, h->chain_size);
    return !in.bad && h->instance != 0;
}
