/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bulk of a sum is taken in vectors of four 64-bit lanes, each lane split into two 32-bit
 * halves so that nothing overflows. The same lines are compiled twice, for AVX2 and for the
 * baseline; which one runs is decided per call from a word that the C runtime set at start-up,
 * since resolvers (ifunc) do not go with the sanitizers.
 */
#include "proto/wire/checksum.h"

#include <string.h>

#include "proto/wire/bytes.h"

#define BULK_MIN 128u

typedef uint64_t lanes __attribute__((vector_size(32)));

static inline __attribute__((always_inline)) uint64_t sum_bulk(const uint8_t *p, size_t n)
{
    const lanes low = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    lanes a = {0}, b = {0}, c = {0}, d = {0};

    for (; n >= 64; n -= 64, p += 64) {
        lanes v, w;

        memcpy(&v, p, sizeof v);
        memcpy(&w, p + 32, sizeof w);
        a += v & low;
        b += v >> 32;
        c += w & low;
        d += w >> 32;
    }
    a += b + c + d;
    return a[0] + a[1] + a[2] + a[3];
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t sum_avx2(const uint8_t *p, size_t n)
{
    return sum_bulk(p, n);
}
#endif

static uint64_t sum_baseline(const uint8_t *p, size_t n)
{
    return sum_bulk(p, n);
}

static uint64_t sum_lines(const uint8_t *p, size_t n)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return sum_avx2(p, n);
#endif
    return sum_baseline(p, n);
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t size)
{
    const uint8_t *p = data;
    uint64_t word;

    if (size >= BULK_MIN) {
        size_t bulk = size & ~(size_t)63;

        sum += sum_lines(p, bulk);
        p += bulk;
        size -= bulk;
    }
    for (; size >= 8; size -= 8, p += 8) {
        memcpy(&word, p, sizeof word);
        sum += (word & UINT32_MAX) + (word >> 32);
    }
    if (size) {
        word = 0;
        memcpy(&word, p, size);
        sum += (word & UINT32_MAX) + (word >> 32);
    }
    return sum;
}

uint64_t checksum_add_u16(uint64_t sum, uint16_t word)
{
    uint8_t b[2];
    uint16_t native;

    store_be16(b, word);
    memcpy(&native, b, sizeof native);
    return sum + native;
}

uint16_t checksum_fold(uint64_t sum)
{
    uint8_t b[2];
    uint16_t native;

    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    native = (uint16_t)sum;
    memcpy(b, &native, sizeof b);
    return load_be16(b);
}

uint64_t checksum_pseudo(const uint8_t *data, const struct packet *pk, uint32_t l4_size)
{
    static const uint8_t protos[] = {[PACKET_L4_NONE] = 0,
                                     [PACKET_L4_TCP] = PACKET_PROTO_TCP,
                                     [PACKET_L4_UDP] = PACKET_PROTO_UDP,
                                     [PACKET_L4_ICMP6] = PACKET_PROTO_ICMP6};
    const uint8_t *ip = data + pk->l3_ofs;
    uint64_t sum =
        pk->l3 == PACKET_L3_IP4 ? checksum_add(0, ip + 12, 8) : checksum_add(0, ip + 8, 32);

    sum = checksum_add_u16(sum, protos[pk->l4]);
    sum = checksum_add_u16(sum, (uint16_t)(l4_size >> 16));
    return checksum_add_u16(sum, (uint16_t)l4_size);
}

void checksum_set_ip4(uint8_t *data, const struct packet *pk)
{
    uint8_t *ip = data + pk->l3_ofs;

    store_be16(ip + 10, 0);
    store_be16(ip + 10,
               (uint16_t)~checksum_fold(checksum_add(0, ip, (size_t)(ip[0] & 15u) * 4)));
}

bool checksum_ip4_ok(const uint8_t *data, const struct packet *pk)
{
    const uint8_t *ip = data + pk->l3_ofs;

    return checksum_fold(checksum_add(0, ip, (size_t)(ip[0] & 15u) * 4)) == UINT16_MAX;
}

bool checksum_l4_ok(const uint8_t *data, const struct packet *pk)
{
    uint32_t size = pk->end - pk->l4_ofs;

    if (pk->l4 == PACKET_L4_UDP && pk->l3 == PACKET_L3_IP4 &&
        load_be16(data + pk->l4_ofs + 6) == 0)
        return true;
    return checksum_fold(checksum_add(checksum_pseudo(data, pk, size), data + pk->l4_ofs,
                                      size)) == UINT16_MAX;
}

void checksum_complete(struct frame *f)
{
    uint16_t sum;

    if (!(f->flags & FRAME_NEEDS_CSUM))
        return;
    sum = (uint16_t)~checksum_fold(
        checksum_add(0, f->data + f->csum_start, f->size - f->csum_start));
    /* 0 would say "no checksum" to UDP [RFC 768]. */
    if (sum == 0 && f->csum_ofs == 6)
        sum = UINT16_MAX;
    store_be16(f->data + f->csum_start + f->csum_ofs, sum);
    f->flags &= (uint8_t)~FRAME_NEEDS_CSUM;
}
