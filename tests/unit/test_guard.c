/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a pinned port may send: frame by frame, written out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/switch_ports.h"

#define SIZE_ROOM 128u

static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t own4[4] = {10, 64, 0, 2};
static const uint8_t other4[4] = {10, 64, 0, 3};
static const uint8_t zero[16];
static const uint8_t own6[16] = {0xfd, 1, [15] = 2};
static const uint8_t other6[16] = {0xfd, 1, [15] = 3};
/* Of own_mac. */
static const uint8_t own_local[16] = {0xfe, 0x80, [11] = 0xff, [12] = 0xfe, [15] = 1};

struct world {
    struct switch_ *sw;
    struct fake_port pinned, free;
};

static int setup(void **state)
{
    static struct world w;
    const struct switch_config config = {.mtu = 1500};

    w.sw = switch_new(&config);
    fake_port_init(&w.pinned, 1, 0, false);
    fake_port_init(&w.free, 2, 0, false);
    w.pinned.sw.pinned = true;
    memcpy(w.pinned.sw.pin_mac, own_mac, 6);
    w.pinned.sw.pin_addrs[0].family = 4;
    memcpy(w.pinned.sw.pin_addrs[0].addr, own4, 4);
    w.pinned.sw.pin_addrs[1].family = 6;
    memcpy(w.pinned.sw.pin_addrs[1].addr, own6, 16);
    w.pinned.sw.n_pin_addrs = 2;
    switch_add_port(w.sw, &w.pinned.sw);
    switch_add_port(w.sw, &w.free.sw);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    switch_remove_port(&w->pinned.sw);
    switch_remove_port(&w->free.sw);
    fake_port_clear(&w->pinned);
    fake_port_clear(&w->free);
    fake_frames_drop();
    switch_free(w->sw);
    return 0;
}

/* True if the frame passes; if not, it must have been counted as a false source. */
static bool passes(struct world *w, const uint8_t *bytes, uint32_t size)
{
    struct frame f = fake_frame_of(bytes, size);
    uint64_t dropped = w->pinned.sw.counters.rx_drops[SWPORT_DROP_SOURCE];
    unsigned before = w->free.n;

    switch_input(&w->pinned.sw, &f, 1, 0);
    if (w->free.n == before + 1)
        return true;
    assert_int_equal(w->pinned.sw.counters.rx_drops[SWPORT_DROP_SOURCE], dropped + 1);
    return false;
}

static uint8_t *ethernet(uint8_t *p, const uint8_t *src, uint16_t type)
{
    memcpy(p, all, 6);
    memcpy(p + 6, src, 6);
    p[12] = (uint8_t)(type >> 8);
    p[13] = (uint8_t)type;
    return p + 14;
}

static bool arp_passes(struct world *w, const uint8_t *src, const uint8_t *sender_mac,
                       const uint8_t *sender)
{
    uint8_t bytes[60] = {0};
    uint8_t *p = ethernet(bytes, src, 0x0806);

    memcpy(p, (uint8_t[]){0, 1, 8, 0, 6, 4, 0, 2}, 8);
    memcpy(p + 8, sender_mac, 6);
    memcpy(p + 14, sender, 4);
    return passes(w, bytes, sizeof bytes);
}

/* `fragment` is the field with flags and offset. */
static bool udp4_passes(struct world *w, const uint8_t *source, uint16_t src_port,
                        uint16_t fragment)
{
    uint8_t bytes[60] = {0};
    uint8_t *p = ethernet(bytes, own_mac, 0x0800);

    p[0] = 0x45;
    p[3] = 46;
    p[6] = (uint8_t)(fragment >> 8);
    p[7] = (uint8_t)fragment;
    p[8] = 64;
    p[9] = 17;
    memcpy(p + 12, source, 4);
    memcpy(p + 16, other4, 4);
    p[20] = (uint8_t)(src_port >> 8);
    p[21] = (uint8_t)src_port;
    p[23] = 9;
    p[25] = 26;
    return passes(w, bytes, sizeof bytes);
}

/* IPv6 with `extensions` (already in wire form, the first of them numbered `first`) and an
 * ICMPv6 message. */
static bool icmp6_passes(struct world *w, const uint8_t *source, uint8_t type,
                         const uint8_t *target, const uint8_t *extensions,
                         uint8_t n_extensions, uint8_t first)
{
    uint8_t bytes[SIZE_ROOM] = {0};
    uint8_t *p = ethernet(bytes, own_mac, 0x86dd);
    uint8_t size = (uint8_t)(n_extensions + 24);

    p[0] = 0x60;
    p[5] = size;
    p[6] = first;
    p[7] = 255;
    memcpy(p + 8, source, 16);
    p[24] = 0xff;
    p[25] = 2;
    p[39] = 1;
    if (n_extensions)
        memcpy(p + 40, extensions, n_extensions);
    p += 40 + n_extensions;
    p[0] = type;
    memcpy(p + 8, target, 16);
    return passes(w, bytes, 14u + 40u + size);
}

static void macs(void **state)
{
    struct world *w = *state;
    uint8_t bytes[60] = {0};

    ethernet(bytes, own_mac, 0x88b5);
    assert_true(passes(w, bytes, sizeof bytes));
    ethernet(bytes, other_mac, 0x88b5);
    assert_false(passes(w, bytes, sizeof bytes));
}

static void arp(void **state)
{
    struct world *w = *state;

    assert_true(arp_passes(w, own_mac, own_mac, own4));
    assert_true(arp_passes(w, own_mac, own_mac, zero)); /* A probe. */
    assert_false(arp_passes(w, own_mac, own_mac, other4));
    assert_false(arp_passes(w, own_mac, other_mac, own4));
    assert_false(arp_passes(w, other_mac, own_mac, own4));
}

static void ip4(void **state)
{
    struct world *w = *state;

    assert_true(udp4_passes(w, own4, 1234, 0));
    assert_true(udp4_passes(w, zero, 68, 0)); /* Asks for an address. */
    assert_false(udp4_passes(w, other4, 1234, 0));
    assert_false(udp4_passes(w, own4, 67, 0));      /* Gives one. */
    assert_false(udp4_passes(w, own4, 67, 0x2000)); /* … in fragments. */
    assert_true(udp4_passes(w, own4, 1234, 0x2000));
    assert_true(
        udp4_passes(w, own4, 67, 0x2003)); /* No first fragment: these are no ports. */
}

static void neighbours(void **state)
{
    struct world *w = *state;

    assert_true(icmp6_passes(w, own6, 136, own6, NULL, 0, 58));
    assert_true(icmp6_passes(w, own_local, 136, own_local, NULL, 0, 58));
    assert_true(icmp6_passes(w, zero, 135, own6, NULL, 0, 58)); /* Is it taken? */
    assert_true(icmp6_passes(w, own6, 135, other6, NULL, 0, 58));
    assert_false(icmp6_passes(w, own6, 136, other6, NULL, 0, 58));
    assert_false(icmp6_passes(w, other6, 135, own6, NULL, 0, 58));
}

static void routers(void **state)
{
    static const uint8_t hop_by_hop[8] = {58, 0, 5, 2};
    static const uint8_t fragment[8] = {58, 0, 0, 1};
    static const uint8_t later[8] = {58, 0, 0, 8};
    static const uint8_t both[16] = {44, 0, 5, 2, 0, 0, 0, 0, 58, 0, 0, 1};
    static const uint8_t cut[8] = {60, 200};
    /* A source link-layer address and a nonce, where messages of either size have options. */
    static const uint8_t options[16] = {1, 1, 2, 0, 0, 0, 0, 1, 14, 1};
    struct world *w = *state;

    assert_true(icmp6_passes(w, own_local, 133, options, NULL, 0, 58));
    assert_false(icmp6_passes(w, own_local, 134, options, NULL, 0, 58));
    assert_false(icmp6_passes(w, own_local, 137, zero, NULL, 0, 58));
    /* Hidden behind other headers. */
    assert_true(icmp6_passes(w, own_local, 131, zero, hop_by_hop, 8, 0));
    assert_false(icmp6_passes(w, own_local, 134, options, hop_by_hop, 8, 0));
    assert_false(icmp6_passes(w, own_local, 134, options, fragment, 8, 44));
    assert_false(icmp6_passes(w, own_local, 135, zero, fragment, 8, 44));
    assert_false(icmp6_passes(w, own_local, 134, options, both, 16, 0));
    assert_true(icmp6_passes(w, own_local, 134, options, later, 8, 44));
    assert_false(icmp6_passes(w, own_local, 129, zero, cut, 8, 60));
}

static void tags_hide_nothing(void **state)
{
    struct world *w = *state;
    uint8_t bytes[64] = {0};
    uint8_t *p = ethernet(bytes, own_mac, 0x8100);

    p[1] = 5;
    p[2] = 0x08;
    p[3] = 0x06;
    p += 4;
    memcpy(p, (uint8_t[]){0, 1, 8, 0, 6, 4, 0, 2}, 8);
    memcpy(p + 8, own_mac, 6);
    memcpy(p + 14, own4, 4);
    assert_true(passes(w, bytes, sizeof bytes));
    memcpy(p + 14, other4, 4);
    assert_false(passes(w, bytes, sizeof bytes));
}

/* As passes(), with a checksum that is completed on the way out. */
static bool open_passes(struct world *w, const uint8_t *bytes, uint32_t size,
                        uint16_t csum_start, uint16_t csum_ofs)
{
    struct frame f = fake_frame_of(bytes, size);
    unsigned before = w->free.n;

    f.flags = FRAME_NEEDS_CSUM;
    f.csum_start = csum_start;
    f.csum_ofs = csum_ofs;
    switch_input(&w->pinned.sw, &f, 1, 0);
    return w->free.n == before + 1;
}

/* A checksum is not completed over what has been checked: addresses, ports, messages. */
static void open_checksums(void **state)
{
    struct world *w = *state;
    uint8_t bytes[60] = {0}, message[78] = {0};
    uint8_t *p = ethernet(bytes, own_mac, 0x0800);

    memcpy(p, (uint8_t[]){0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17}, 10);
    memcpy(p + 12, own4, 4);
    p[25] = 26; /* The size of the UDP datagram. */
    assert_true(open_passes(w, bytes, sizeof bytes, 34, 6));
    assert_false(open_passes(w, bytes, sizeof bytes, 14, 12)); /* Source address. */
    assert_false(open_passes(w, bytes, sizeof bytes, 14, 14));
    assert_false(open_passes(w, bytes, sizeof bytes, 34, 0)); /* Source port. */
    assert_true(open_passes(w, bytes, sizeof bytes, 48, 6));  /* Of a packet inside. */
    p[9] = 47;
    assert_true(open_passes(w, bytes, sizeof bytes, 48, 6));
    assert_false(open_passes(w, bytes, sizeof bytes, 14, 10));
    p[6] = 0x20; /* Nobody leaves the checksum of a fragment open. */
    assert_false(open_passes(w, bytes, sizeof bytes, 34, 6));
    p = ethernet(bytes, own_mac, 0x0806);
    memcpy(p, (uint8_t[]){0, 1, 8, 0, 6, 4, 0, 2}, 8);
    memcpy(p + 8, own_mac, 6);
    memcpy(p + 14, own4, 4);
    assert_false(open_passes(w, bytes, sizeof bytes, 14, 14));
    p = ethernet(message, own_mac, 0x86dd);
    p[0] = 0x60;
    p[5] = 24;
    p[6] = 58;
    memcpy(p + 8, own6, 16);
    p[40] = 136;
    memcpy(p + 48, own6, 16);
    assert_true(open_passes(w, message, sizeof message, 54, 2));
    assert_false(open_passes(w, message, sizeof message, 54, 0)); /* Its type. */
    assert_false(open_passes(w, message, sizeof message, 54, 8)); /* Its target. */
}

/* The MAC of a pinned port stays behind it, whoever else uses it as a source. */
static void nobody_takes_the_mac(void **state)
{
    struct world *w = *state;
    struct fake_port third;
    struct frame f;

    fake_port_init(&third, 3, 0, false);
    switch_add_port(w->sw, &third.sw);
    f = fake_frame(all, own_mac, 60, 0);
    switch_input(&w->free.sw, &f, 1, 0);
    fake_port_clear(&w->pinned);
    f = fake_frame(own_mac, other_mac, 60, 1);
    switch_input(&third.sw, &f, 1, 0);
    assert_int_equal(w->pinned.n, 1);
    assert_int_equal(w->free.n, 0);
    switch_remove_port(&third.sw);
    fake_port_clear(&third);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(macs),
        TEST(arp),
        TEST(ip4),
        TEST(neighbours),
        TEST(routers),
        TEST(tags_hide_nothing),
        TEST(open_checksums),
        TEST(nobody_takes_the_mac),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
