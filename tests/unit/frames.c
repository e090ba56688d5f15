/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/frames.h"

#include <string.h>

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

uint16_t frames_sum(const uint8_t *data, size_t size, uint32_t sum)
{
    for (size_t i = 0; i < size; i++) {
        sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static uint32_t pseudo(const uint8_t *ip, bool ip6, uint32_t proto, uint32_t size)
{
    uint32_t sum = ip6 ? frames_sum(ip + 8, 32, 0) : frames_sum(ip + 12, 8, 0);

    return sum + proto + (size >> 16) + (size & 0xffff);
}

static void build_ip(const struct frames_spec *s, uint8_t *ip, uint32_t l4_size)
{
    uint8_t proto = s->udp ? 17 : 6;

    if (s->ip6) {
        put32(ip, 0x60000000);
        put16(ip + 4, l4_size);
        ip[6] = proto;
        ip[7] = 64;
        memset(ip + 8, 0xfd, 16);
        memset(ip + 24, 0xfe, 16);
        return;
    }
    ip[0] = 0x45;
    put16(ip + 2, l4_size + 20);
    put16(ip + 4, s->id);
    ip[6] = s->df ? 0x40 : 0;
    ip[8] = 64;
    ip[9] = proto;
    put32(ip + 12, 0x0a400001);
    put32(ip + 16, 0x0a400002);
    put16(ip + 10, (uint32_t)~frames_sum(ip, 20, 0));
}

uint32_t frames_build(const struct frames_spec *s, uint8_t *out)
{
    uint32_t l3_size = s->ip6 ? 40 : 20;
    uint32_t header = s->udp ? 8 : 20u + s->options_size;
    uint32_t l4_size = header + s->size;
    uint8_t *ip = out + 14, *l4 = ip + l3_size;
    uint8_t *field = l4 + (s->udp ? 6 : 16);
    uint32_t sum;

    memset(out, 0, 14 + l3_size + header);
    memcpy(out, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01", 12);
    put16(out + 12, s->ip6 ? 0x86dd : 0x0800);
    build_ip(s, ip, l4_size);
    put16(l4, s->src_port);
    put16(l4 + 2, 80);
    if (s->udp) {
        put16(l4 + 4, l4_size);
    } else {
        put32(l4 + 4, s->seq);
        put32(l4 + 8, s->ack);
        l4[12] = (uint8_t)(header / 4 << 4);
        l4[13] = s->flags;
        put16(l4 + 14, 0x7fff);
        put16(l4 + 18, s->urgent);
        if (s->options_size)
            memcpy(l4 + 20, s->options, s->options_size);
    }
    if (s->size)
        memcpy(l4 + header, s->payload, s->size);
    sum = frames_sum(l4, l4_size, pseudo(ip, s->ip6, s->udp ? 17 : 6, l4_size));
    put16(field, s->udp && sum == 0xffff ? 0xffff : ~sum);
    return 14 + l3_size + l4_size;
}

bool frames_checksums_right(const uint8_t *frame, uint32_t size)
{
    bool ip6 = get16(frame + 12) == 0x86dd;
    const uint8_t *ip = frame + 14;
    const uint8_t *l4 = ip + (ip6 ? 40 : 20);
    uint32_t l4_size = size - (uint32_t)(l4 - frame);

    if (!ip6 && frames_sum(ip, 20, 0) != 0xffff)
        return false;
    if ((ip6 ? get16(ip + 4) : get16(ip + 2) - 20) != l4_size)
        return false;
    return frames_sum(l4, l4_size, pseudo(ip, ip6, ip6 ? ip[6] : ip[9], l4_size)) == 0xffff;
}

uint32_t frames_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}
