/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The codec of BPDUs. Everything is read into a local through the cursor, then judged, then handed
 * out. */
#include "proto/rstp/bpdu.h"

#include <errno.h>
#include <string.h>

#include "proto/base/cur.h"

/* The flags octet [9.3.3]. */
#define FLAG_TC         0x01u
#define FLAG_PROPOSAL   0x02u
#define FLAG_ROLE_SHIFT 2u
#define FLAG_ROLE_MASK  0x03u
#define FLAG_LEARNING   0x10u
#define FLAG_FORWARDING 0x20u
#define FLAG_AGREEMENT  0x40u
#define FLAG_TC_ACK     0x80u

#define LLC_SIZE   3u
#define LLC_BRIDGE 0x42u /* DSAP and SSAP of the spanning tree protocols. */
#define LLC_UI     0x03u

static const uint8_t bridge_group[6] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x00};

static void read_body(struct cur *c, struct bpdu *b)
{
    b->vector.root = cur_u64(c);
    b->vector.cost = cur_u32(c);
    b->vector.bridge = cur_u64(c);
    b->vector.port = cur_u16(c);
    b->times.message_age = cur_u16(c);
    b->times.max_age = cur_u16(c);
    b->times.hello = cur_u16(c);
    b->times.forward_delay = cur_u16(c);
}

static void read_rst_flags(struct bpdu *b, uint8_t flags)
{
    b->role = (enum bpdu_role)(flags >> FLAG_ROLE_SHIFT & FLAG_ROLE_MASK);
    b->tc = flags & FLAG_TC;
    if (b->role == BPDU_ROLE_UNKNOWN) {
        b->type = BPDU_CONFIG;
        b->role = BPDU_ROLE_DESIGNATED;
        return;
    }
    b->proposal = flags & FLAG_PROPOSAL;
    b->learning = flags & FLAG_LEARNING;
    b->forwarding = flags & FLAG_FORWARDING;
    b->agreement = flags & FLAG_AGREEMENT;
}

int bpdu_decode(const void *data, size_t size, struct bpdu *out)
{
    struct cur c = cur_init(data, size);
    struct bpdu b = {.role = BPDU_ROLE_DESIGNATED};
    uint16_t protocol = cur_u16(&c);
    uint8_t version = cur_u8(&c);
    uint8_t type = cur_u8(&c);
    uint8_t flags;

    if (c.bad || protocol != 0)
        return -EBADMSG;
    if (type == BPDU_TCN) {
        b.type = BPDU_TCN;
        *out = b;
        return 0;
    }
    if (type != BPDU_CONFIG && !(type == BPDU_RST && version >= 2))
        return -EBADMSG;
    flags = cur_u8(&c);
    read_body(&c, &b);
    b.type = (enum bpdu_type)type;
    if (type == BPDU_RST) {
        (void)cur_u8(&c); /* Version 1 length. */
        read_rst_flags(&b, flags);
    } else {
        b.tc = flags & FLAG_TC;
        b.tc_ack = flags & FLAG_TC_ACK;
    }
    if (c.bad)
        return -EBADMSG;
    if (b.type == BPDU_CONFIG && b.times.message_age >= b.times.max_age)
        return -EBADMSG;
    *out = b;
    return 0;
}

static uint8_t flags_of(const struct bpdu *b)
{
    unsigned flags = b->tc ? FLAG_TC : 0;

    if (b->type == BPDU_CONFIG)
        return (uint8_t)(flags | (b->tc_ack ? FLAG_TC_ACK : 0));
    flags |= (unsigned)b->role << FLAG_ROLE_SHIFT;
    flags |= b->proposal ? FLAG_PROPOSAL : 0;
    flags |= b->learning ? FLAG_LEARNING : 0;
    flags |= b->forwarding ? FLAG_FORWARDING : 0;
    flags |= b->agreement ? FLAG_AGREEMENT : 0;
    return (uint8_t)flags;
}

size_t bpdu_encode(const struct bpdu *b, uint8_t out[BPDU_SIZE_MAX])
{
    struct wr w = wr_init(out, BPDU_SIZE_MAX);

    wr_u16(&w, 0);
    wr_u8(&w, b->type == BPDU_RST ? 2 : 0);
    wr_u8(&w, (uint8_t)b->type);
    if (b->type == BPDU_TCN)
        return wr_size(&w);
    wr_u8(&w, flags_of(b));
    wr_u64(&w, b->vector.root);
    wr_u32(&w, b->vector.cost);
    wr_u64(&w, b->vector.bridge);
    wr_u16(&w, b->vector.port);
    wr_u16(&w, b->times.message_age);
    wr_u16(&w, b->times.max_age);
    wr_u16(&w, b->times.hello);
    wr_u16(&w, b->times.forward_delay);
    if (b->type == BPDU_RST)
        wr_u8(&w, 0); /* Version 1 length. */
    return wr_size(&w);
}

void bpdu_frame_write(const uint8_t source[6], const void *bpdu, size_t size,
                      uint8_t out[BPDU_FRAME_SIZE])
{
    struct wr w = wr_init(out, BPDU_FRAME_SIZE);

    memset(out, 0, BPDU_FRAME_SIZE);
    wr_bytes(&w, bridge_group, sizeof bridge_group);
    wr_bytes(&w, source, 6);
    wr_u16(&w, (uint16_t)(LLC_SIZE + size));
    wr_u8(&w, LLC_BRIDGE);
    wr_u8(&w, LLC_BRIDGE);
    wr_u8(&w, LLC_UI);
    wr_bytes(&w, bpdu, size);
}

const uint8_t *bpdu_frame_find(const void *frame, size_t frame_size, size_t *size)
{
    struct cur c = cur_init(frame, frame_size), payload;
    const uint8_t *to = cur_bytes(&c, sizeof bridge_group);
    uint8_t dsap, ssap, control;

    if (!to || memcmp(to, bridge_group, sizeof bridge_group) != 0)
        return NULL;
    cur_skip(&c, 6);
    payload = cur_sub(&c, cur_u16(&c));
    dsap = cur_u8(&payload);
    ssap = cur_u8(&payload);
    control = cur_u8(&payload);
    if (payload.bad || dsap != LLC_BRIDGE || ssap != LLC_BRIDGE || control != LLC_UI)
        return NULL;
    *size = cur_left(&payload);
    return cur_bytes(&payload, *size);
}

int rstp_vector_compare(const struct rstp_vector *a, const struct rstp_vector *b)
{
    if (a->root != b->root)
        return a->root < b->root ? -1 : 1;
    if (a->cost != b->cost)
        return a->cost < b->cost ? -1 : 1;
    if (a->bridge != b->bridge)
        return a->bridge < b->bridge ? -1 : 1;
    if (a->port != b->port)
        return a->port < b->port ? -1 : 1;
    return 0;
}

bool rstp_times_equal(const struct rstp_times *a, const struct rstp_times *b)
{
    return a->message_age == b->message_age && a->max_age == b->max_age &&
           a->hello == b->hello && a->forward_delay == b->forward_delay;
}
