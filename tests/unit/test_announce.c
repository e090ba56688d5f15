/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an announcement says is what its neighbours must believe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/announce.h"
#include "proto/wire/checksum.h"
#include "proto/wire/packet.h"

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 7};
static const uint8_t v4[4] = {10, 64, 0, 7};
static const uint8_t v6[16] = {0xfd, 1, [15] = 7};

static void claims(const uint8_t *frame, size_t size, unsigned family, const uint8_t *addr)
{
    struct packet_claim list[PACKET_CLAIMS_MAX];
    int n = packet_claims(frame, size, list);
    bool tied = false;

    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        assert_int_equal(list[i].family, family);
        assert_memory_equal(list[i].addr, addr, family == 4 ? 4 : 16);
        if (list[i].has_mac)
            assert_memory_equal(list[i].mac, mac, sizeof mac);
        tied |= list[i].has_mac;
    }
    assert_true(tied);
}

static void arp_is_gratuitous(void **state)
{
    uint8_t frame[ANNOUNCE_ARP_SIZE];

    (void)state;
    announce_arp(frame, mac, v4);
    claims(frame, sizeof frame, 4, v4);
    assert_memory_equal(frame, "\xff\xff\xff\xff\xff\xff", 6);
    assert_memory_equal(frame + 38, v4, 4); /* The target is the sender. */
}

static void advertisements_override(void **state)
{
    uint8_t frame[ANNOUNCE_NA_SIZE];
    struct packet pk;

    (void)state;
    announce_na(frame, mac, v6);
    claims(frame, sizeof frame, 6, v6);
    assert_int_equal(packet_parse(frame, sizeof frame, &pk), 0);
    assert_int_equal(pk.l4, PACKET_L4_ICMP6);
    assert_true(checksum_l4_ok(frame, &pk));
    assert_int_equal(frame[pk.l4_ofs], 136);
    assert_int_equal(frame[pk.l4_ofs + 4], 0x20);
    assert_int_equal(frame[pk.l3_ofs + 7], 255);
    frame[sizeof frame - 1] ^= 1;
    assert_false(checksum_l4_ok(frame, &pk));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arp_is_gratuitous),
        cmocka_unit_test(advertisements_override),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
