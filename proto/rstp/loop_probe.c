/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/rstp/loop_probe.h"

#include <string.h>

#include "proto/base/cur.h"
#include "proto/wire/mac.h"

#define ETHERTYPE 0x88b5u
#define VERSION   1u

static const uint8_t magic[8] = {'i', 'o', 't', 'h', 'l', 'o', 'o', 'p'};

void loop_probe_write(const uint8_t source[6], const struct loop_probe *probe,
                      uint8_t out[LOOP_PROBE_FRAME_SIZE])
{
    struct wr w = wr_init(out, LOOP_PROBE_FRAME_SIZE);

    memset(out, 0, LOOP_PROBE_FRAME_SIZE);
    wr_bytes(&w, mac_loop_probe, MAC_SIZE);
    wr_bytes(&w, source, MAC_SIZE);
    wr_u16(&w, ETHERTYPE);
    wr_bytes(&w, magic, sizeof magic);
    wr_u8(&w, VERSION);
    wr_u8(&w, 0);
    wr_u16(&w, probe->host);
    wr_u64(&w, probe->network);
    wr_u16(&w, probe->port);
    wr_u64(&w, (uint64_t)probe->since);
}

bool loop_probe_read(const void *frame, size_t size, struct loop_probe *out)
{
    struct cur in = cur_init(frame, size);
    const uint8_t *to = cur_bytes(&in, MAC_SIZE), *text;
    struct loop_probe p;
    uint16_t type;
    uint8_t version;

    cur_skip(&in, MAC_SIZE);
    type = cur_u16(&in);
    text = cur_bytes(&in, sizeof magic);
    version = cur_u8(&in);
    cur_skip(&in, 1);
    p.host = cur_u16(&in);
    p.network = cur_u64(&in);
    p.port = cur_u16(&in);
    p.since = (int64_t)cur_u64(&in);
    if (in.bad || !mac_equal(to, mac_loop_probe) || type != ETHERTYPE ||
        memcmp(text, magic, sizeof magic) != 0 || version != VERSION)
        return false;
    *out = p;
    return true;
}

bool loop_probe_younger(const struct loop_probe *a, const struct loop_probe *b)
{
    if (a->since != b->since)
        return a->since > b->since;
    if (a->host != b->host)
        return a->host > b->host;
    return a->port > b->port;
}
