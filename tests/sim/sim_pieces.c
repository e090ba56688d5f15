/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Superframes in pieces over paths that lose, reorder and double them: what arrives is right, and a lost datagram costs
 * what it carried. */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"
#include "proto/wire/packet.h"
#include "tests/sim/links.h"
#include "tests/unit/frames.h"

#define NET            99
#define GSO_SIZE       1448u
#define DATAGRAMS_LOST 120u /* For one figure. */

struct world {
    struct links *s;
    uint32_t seq;
    uint64_t random;
    uint64_t sent, arrived; /* Bytes of payload. */
    bool ordered;           /* Everything must come in order and once. */
    uint32_t next;
};

static uint8_t stream_byte(uint32_t seq)
{
    return (uint8_t)(seq * 7 ^ seq >> 8 ^ seq >> 17);
}

static void stream_bytes(uint32_t seq, uint8_t *out, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        out[i] = stream_byte(seq + i);
}

static void on_frame(void *aux, const struct frame *f)
{
    static uint8_t bytes[FRAME_SUPER_MAX], expected[FRAME_SUPER_MAX];
    struct world *w = aux;
    struct frame copy = *f;
    struct packet pk;
    uint32_t seq, size;

    memcpy(bytes, f->data, f->size);
    copy.data = bytes;
    assert_int_equal(packet_parse(bytes, f->size, &pk), 0);
    seq = load_be32(bytes + pk.l4_ofs + 4);
    size = f->size - pk.payload_ofs;
    stream_bytes(seq, expected, size);
    assert_memory_equal(bytes + pk.payload_ofs, expected, size);
    copy.gso = FRAME_GSO_NONE;
    checksum_complete(&copy);
    assert_true(frames_checksums_right(bytes, f->size));
    if (size > GSO_SIZE)
        assert_int_equal(f->gso_size, GSO_SIZE);
    if (w->ordered) {
        assert_int_equal(seq, w->next);
        w->next = seq + size;
    }
    w->arrived += size;
}

static void begin(struct world *w, uint64_t seed, struct links_path path)
{
    *w = (struct world){.random = seed, .s = links_new(2, seed)};
    links_mesh(w->s);
    for (unsigned i = 0; i < 2; i++)
        assert_true(hub_put_net(w->s->hosts[i].hub, NET, true, NULL, 0, w->s->now) >= 0);
    assert_true(links_until(w->s, links_all_up, 5 * MTIME_SEC) >= 0);
    links_run(w->s, MTIME_SEC);
    assert_int_equal(links_peer(w->s, 0, 1)->path.mtu, 1500);
    w->s->on_frame = on_frame;
    w->s->aux = w;
    links_set(w->s, 0, 1, path);
}

static void send(struct world *w, uint32_t size, bool ip6)
{
    static uint8_t bytes[FRAME_SUPER_MAX], payload[65000];
    struct frames_spec spec = {.ip6 = ip6,
                               .flags = 0x18,
                               .df = true,
                               .seq = w->seq,
                               .ack = 1,
                               .src_port = 7,
                               .payload = payload,
                               .size = size};
    struct frame f = {.data = bytes, .gso_size = GSO_SIZE, .flags = FRAME_NEEDS_CSUM};
    struct packet pk;

    stream_bytes(w->seq, payload, size);
    f.size = frames_build(&spec, bytes);
    assert_int_equal(packet_parse(bytes, f.size, &pk), 0);
    f.gso = ip6 ? FRAME_GSO_TCP6 : FRAME_GSO_TCP4;
    f.hdr_size = pk.payload_ofs;
    f.csum_start = pk.l4_ofs;
    f.csum_ofs = 16;
    assert_true(links_super(w->s, 0, 1, 0, &f));
    w->seq += size;
    w->sent += size;
}

/* Bytes of payload that did not arrive, for each datagram that was lost, in payloads of a datagram. */
static double cost_of_loss(unsigned loss, uint32_t least, uint32_t most)
{
    struct links_path path = {.delay = MTIME_MS, .mtu = 1500, .loss = loss};
    uint64_t lost, sent;
    struct world w;
    double cost;

    begin(&w, 3 + loss + most, path);
    lost = w.s->n_lost;
    sent = w.s->n_sent;
    for (unsigned i = 0; w.s->n_lost < lost + DATAGRAMS_LOST; i++) {
        send(&w, least + frames_random(&w.random) % (most - least + 1), i % 2);
        links_run(w.s, 3 * MTIME_MS);
    }
    links_run(w.s, MTIME_SEC);
    lost = w.s->n_lost - lost;
    sent = w.s->n_sent - sent;
    cost = (double)(w.sent - w.arrived) / (double)lost / ((double)w.sent / (double)sent);
    printf("loss %2u/1000, superframes of %u-%u bytes: %llu of %llu datagrams lost, each "
           "costs %.3f\n",
           loss, least, most, (unsigned long long)lost, (unsigned long long)sent, cost);
    links_free(w.s);
    return cost;
}

static void a_loss_costs_one_segment(void **state)
{
    (void)state;
    assert_true(cost_of_loss(1, 40000, 64000) < 1.1);
    assert_true(cost_of_loss(10, 40000, 64000) < 1.1);
    assert_true(cost_of_loss(10, 8000, 20000) < 1.1);
    assert_true(cost_of_loss(10, 1500, 8000) < 1.1);
    assert_true(cost_of_loss(100, 40000, 64000) < 1.15);
}

/* Late pieces, and some before any headers of theirs: all arrive, and nobody counts an orphan. */
static void the_order_does_not_matter(void **state)
{
    struct links_path path = {
        .delay = MTIME_MS, .jitter = 3 * MTIME_MS, .mtu = 1500, .duplicate = 300};
    struct world w;

    (void)state;
    begin(&w, 5, path);
    for (unsigned i = 0; i < 500; i++) {
        send(&w, 1500 + frames_random(&w.random) % 60000, i % 2);
        links_run(w.s, MTIME_MS);
    }
    links_run(w.s, MTIME_SEC);
    assert_int_equal(w.arrived, w.sent);
    assert_int_equal(links_peer(w.s, 1, 0)->counters.rx_orphans, 0);
    assert_true(links_peer(w.s, 1, 0)->counters.rx_replayed > 1000);
    links_free(w.s);
}

static void undisturbed_they_come_whole(void **state)
{
    struct links_path path = {.delay = MTIME_MS, .mtu = 1500};
    unsigned before;
    struct world w;

    (void)state;
    begin(&w, 6, path);
    w.ordered = true;
    before = w.s->hosts[1].n_frames;
    for (unsigned i = 0; i < 200; i++) {
        send(&w, 1500 + 317 * i, i % 2);
        links_run(w.s, 2 * MTIME_MS);
    }
    assert_int_equal(w.arrived, w.sent);
    assert_int_equal(w.s->hosts[1].n_frames - before, 200);
    links_free(w.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loss_costs_one_segment),
        cmocka_unit_test(the_order_does_not_matter),
        cmocka_unit_test(undisturbed_they_come_whole),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
