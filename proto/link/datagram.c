/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/link/datagram.h"

#include "proto/wire/bytes.h"

void outer_write(const struct outer *o, uint8_t out[DATAGRAM_OUTER])
{
    uint64_t number = outer_number(o);

    store_be32(out, (uint32_t)DATAGRAM_SEALED << 24);
    store_be32(out + 4, o->index);
    store_be32(out + 8, (uint32_t)(number >> 32));
    store_be32(out + 12, (uint32_t)number);
}

bool outer_read(const uint8_t *data, size_t size, struct outer *o)
{
    uint32_t high;

    if (size < DATAGRAM_OVERHEAD || load_be32(data) != (uint32_t)DATAGRAM_SEALED << 24)
        return false;
    o->index = load_be32(data + 4);
    high = load_be32(data + 8);
    o->lane = (uint8_t)(high >> 24);
    o->counter = (uint64_t)(high & 0xffffffu) << 32 | load_be32(data + 12);
    return o->lane < DATAGRAM_LANES;
}

void inner_write(const struct inner *in, uint8_t out[DATAGRAM_INNER])
{
    out[0] = in->type;
    out[1] = in->flags;
    store_be16(out + 2, in->channel);
    store_be16(out + 4, in->source);
    out[6] = in->hops;
    out[7] = in->index;
    store_be16(out + 8, in->tci);
    store_be16(out + 10, in->csum_start);
    store_be16(out + 12, in->csum_ofs);
    store_be16(out + 14, in->gso_size);
}

void inner_read(const uint8_t in[DATAGRAM_INNER], struct inner *out)
{
    out->type = in[0];
    out->flags = in[1];
    out->channel = load_be16(in + 2);
    out->source = load_be16(in + 4);
    out->hops = in[6];
    out->index = in[7];
    out->tci = load_be16(in + 8);
    out->csum_start = load_be16(in + 10);
    out->csum_ofs = load_be16(in + 12);
    out->gso_size = load_be16(in + 14);
}
