/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The link engine among others of its kind, under virtual time. */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/link/cookie.h"
#include "proto/link/rate.h"
#include "proto/wire/bytes.h"
#include "tests/sim/links.h"

#define LOSSY                                                                              \
    (struct links_path)                                                                    \
    {                                                                                      \
        .delay = 10 * MTIME_MS, .jitter = 20 * MTIME_MS, .loss = 100, .duplicate = 50,     \
        .mtu = 1500                                                                        \
    }

static void put_net(struct links *s, unsigned i, uint64_t id)
{
    assert_true(hub_put_net(s->hosts[i].hub, id, true, NULL, 0, s->now) >= 0);
}

static bool attached_everywhere(struct links *s)
{
    for (unsigned i = 0; i < s->n_hosts; i++) {
        if (s->hosts[i].n_attached != s->n_hosts - 1)
            return false;
    }
    return true;
}

/* All of them link up and carry network 99. */
static void meet(struct links *s)
{
    links_mesh(s);
    for (unsigned i = 0; i < s->n_hosts; i++)
        put_net(s, i, 99);
    assert_true(links_until(s, attached_everywhere, 5 * MTIME_SEC) >= 0);
}

/* Three hosts, both ends of each pair begin at once; frames pass; idle costs next to nothing. */
static void three_hosts_meet(void **state)
{
    struct links *s = links_new(3, 1);
    mtime_t took;
    uint64_t sent;

    (void)state;
    links_mesh(s);
    for (unsigned i = 0; i < 3; i++)
        put_net(s, i, 99);
    took = links_until(s, attached_everywhere, 5 * MTIME_SEC);
    assert_in_range(took, 0, 20 * MTIME_MS);
    assert_true(links_all_up(s));
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < 3; j++) {
            if (i != j)
                assert_true(links_frame(s, i, j, 0, 1000));
        }
    }
    links_run(s, 10 * MTIME_MS);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(s->hosts[i].n_frames, 2);
    assert_int_equal(links_peer(s, 0, 1)->path.mtu, 1500);
    links_run(s, 30 * MTIME_SEC);
    sent = s->n_sent;
    links_run(s, 60 * MTIME_SEC);
    /* Three links, each at most one probe from either side in 5 s, and its answer. */
    assert_in_range(s->n_sent - sent, 3 * 2 * 10, 3 * 4 * 13);
    assert_true(links_all_up(s));
    links_free(s);
}

static void lossy_links_come_up(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct links *s = links_new(3, seed);

        links_set_all(s, LOSSY);
        links_mesh(s);
        assert_true(links_until(s, links_all_up, 30 * MTIME_SEC) >= 0);
        links_run(s, 10 * MTIME_SEC);
        assert_true(links_all_up(s));
        links_free(s);
    }
}

static void send_numbered(struct links *s, unsigned a, unsigned b, unsigned n)
{
    static uint8_t text[STREAM_MESSAGE_MAX];
    struct peer *p = links_peer(s, a, b);

    for (uint32_t i = 0; i < n; i++) {
        size_t size = i % 7 == 0 ? STREAM_MESSAGE_MAX : 4 + i * 131 % 3000;

        memcpy(text, &i, 4);
        while (hub_stream_send(s->hosts[a].hub, p->conn, text, size, s->now) != 0)
            links_run(s, 20 * MTIME_MS);
    }
}

static void streams_survive_losses(void **state)
{
    struct links *s = links_new(2, 7);

    (void)state;
    links_set_all(s, LOSSY);
    links_mesh(s);
    assert_true(links_until(s, links_all_up, 30 * MTIME_SEC) >= 0);
    send_numbered(s, 0, 1, LINKS_MESSAGES);
    links_run(s, 120 * MTIME_SEC);
    assert_int_equal(s->hosts[1].n_messages, LINKS_MESSAGES);
    for (uint32_t i = 0; i < LINKS_MESSAGES; i++) {
        assert_int_equal(s->hosts[1].messages[i].head, i);
        assert_int_equal(s->hosts[1].messages[i].size,
                         i % 7 == 0 ? STREAM_MESSAGE_MAX : 4 + i * 131 % 3000);
    }
    links_free(s);
}

/* A message that is too long would never come to an end: the session does, and a new one works. */
static void too_long_a_message_ends_the_session(void **state)
{
    struct links *s = links_new(2, 19);
    const struct inner in = {.type = INNER_CONTROL, .channel = PEER_STREAM_CONTROL};
    uint8_t data[DATAGRAM_OUTER + DATAGRAM_INNER + STREAM_HEAD + 2 + DATAGRAM_TAG] = {0};
    uint32_t conn;

    (void)state;
    links_mesh(s);
    assert_true(links_until(s, links_all_up, 5 * MTIME_SEC) >= 0);
    conn = links_peer(s, 1, 0)->conn;
    inner_write(&in, data + DATAGRAM_OUTER);
    store_be16(data + sizeof data - DATAGRAM_TAG - 2, STREAM_MESSAGE_MAX + 1);
    assert_int_equal(
        session_seal(links_peer(s, 0, 1)->current, data, DATAGRAM_INNER + STREAM_HEAD + 2),
        sizeof data);
    links_inject(s, 0, 1, data, sizeof data);
    links_run(s, 100 * MTIME_MS);
    assert_false(links_peer(s, 1, 0)->up);
    assert_false(links_peer(s, 0, 1)->up); /* It was told. */
    assert_true(links_until(s, links_all_up, 5 * MTIME_SEC) >= 0);
    assert_int_not_equal(links_peer(s, 1, 0)->conn, conn);
    assert_int_equal(s->hosts[1].n_messages, 0);
    send_numbered(s, 0, 1, 5);
    links_run(s, 10 * MTIME_SEC);
    assert_int_equal(s->hosts[1].n_messages, 5);
    links_free(s);
}

/* A control that does not read stops the sender and loses nothing. */
static void streams_wait_for_the_reader(void **state)
{
    struct links *s = links_new(2, 8);
    static uint8_t text[50000];
    unsigned taken = 0;

    (void)state;
    links_mesh(s);
    assert_true(links_until(s, links_all_up, 5 * MTIME_SEC) >= 0);
    s->hosts[1].refuse_messages = true;
    for (unsigned i = 0; i < 20; i++) {
        if (hub_stream_send(s->hosts[0].hub, links_peer(s, 0, 1)->conn, text, sizeof text,
                            s->now) == 0)
            taken++;
        links_run(s, MTIME_SEC);
    }
    assert_in_range(taken, 2, 4);
    assert_int_equal(s->hosts[1].n_messages, 0);
    s->hosts[1].refuse_messages = false;
    hub_stream_resume(s->hosts[1].hub);
    links_run(s, 20 * MTIME_SEC);
    assert_int_equal(s->hosts[1].n_messages, taken);
    assert_true(links_all_up(s));
    links_free(s);
}

static bool pair_down(struct links *s)
{
    return !links_peer(s, 0, 2)->up && !links_peer(s, 2, 0)->up;
}

/* A-C is cut while frames flow: both ends notice in little more than a second; B stays. */
static void cut_is_noticed_and_heals(void **state)
{
    struct links *s = links_new(3, 2);
    struct links_path path = s->paths[0][2];
    mtime_t took;

    (void)state;
    meet(s);
    for (unsigned i = 0; i < 100; i++) {
        links_frame(s, 0, 2, 0, 500);
        links_run(s, 10 * MTIME_MS);
    }
    path.cut = true;
    links_set(s, 0, 2, path);
    took = links_until(s, pair_down, 10 * MTIME_SEC);
    assert_in_range(took, 500 * MTIME_MS, 2 * MTIME_SEC);
    assert_true(links_peer(s, 0, 1)->up && links_peer(s, 1, 2)->up);
    assert_int_equal(s->hosts[0].n_attached, 1);
    links_run(s, 60 * MTIME_SEC);
    assert_true(pair_down(s));
    path.cut = false;
    links_set(s, 0, 2, path);
    assert_true(links_until(s, attached_everywhere, 25 * MTIME_SEC) >= 0);
    assert_true(links_frame(s, 0, 2, 0, 500));
    links_free(s);
}

static bool both_silent(struct links *s)
{
    return links_peer(s, 0, 1)->silent && links_peer(s, 1, 0)->silent;
}

static bool none_silent(struct links *s)
{
    return !links_peer(s, 0, 1)->silent && !links_peer(s, 1, 0)->silent;
}

/* While frames flow, silence is told within about 150 ms; the session goes on and the peer is heard
 * again at once. A path that loses much, and one that is idle, are not silent. */
static void silence_is_told(void **state)
{
    struct links *s = links_new(2, 12);
    struct links_path path = s->paths[0][1];
    mtime_t took;

    (void)state;
    meet(s);
    path.loss = 200;
    links_set(s, 0, 1, path);
    for (unsigned i = 0; i < 300; i++) {
        links_frame(s, 0, 1, 0, 500);
        links_frame(s, 1, 0, 0, 500);
        links_run(s, 10 * MTIME_MS);
    }
    assert_int_equal(s->hosts[0].n_silences + s->hosts[1].n_silences, 0);
    path.loss = 0;
    path.cut = true;
    links_set(s, 0, 1, path);
    took = links_until(s, both_silent, MTIME_SEC);
    assert_in_range(took, 100 * MTIME_MS, 200 * MTIME_MS);
    assert_true(links_all_up(s));
    path.cut = false;
    links_set(s, 0, 1, path);
    took = links_until(s, none_silent, MTIME_SEC);
    assert_in_range(took, 0, 60 * MTIME_MS);
    assert_int_equal(s->hosts[0].n_silences, 1);
    links_run(s, 60 * MTIME_SEC);
    assert_int_equal(s->hosts[0].n_silences, 1);
    links_free(s);
}

/* The BPDUs of many networks share datagrams, and do not make the link a busy one. */
static void bpdus_share_datagrams(void **state)
{
    enum { NETS = 200, SIZE = 36 };
    struct links *s = links_new(2, 13);
    uint8_t body[HUB_BPDUS_ROOM], bpdu[SIZE] = {7};
    struct peer *p;
    size_t used = 0;
    uint64_t sent;

    (void)state;
    links_mesh(s);
    for (unsigned i = 0; i < NETS; i++) {
        put_net(s, 0, 1000 + i);
        put_net(s, 1, 1000 + i);
    }
    links_run(s, 60 * MTIME_SEC);
    p = links_peer(s, 0, 1);
    sent = s->n_sent;
    for (unsigned i = 0; i < NETS; i++) {
        if (!hub_bpdu_add(p, i, bpdu, SIZE, body, &used)) {
            hub_bpdus_send(p, body, used);
            used = 0;
            assert_true(hub_bpdu_add(p, i, bpdu, SIZE, body, &used));
        }
    }
    hub_bpdus_send(p, body, used);
    assert_in_range(s->n_sent - sent, 1, NETS / 30 + 1);
    links_run(s, MTIME_SEC);
    assert_int_equal(s->hosts[1].n_bpdus, NETS);
    assert_int_equal(s->hosts[1].last_bpdu_slot, NETS - 1);
    assert_int_equal(s->hosts[1].last_bpdu_size, SIZE);
    assert_int_equal(s->hosts[1].last_bpdu_byte, 7);
    assert_int_equal(s->hosts[1].n_frames, 0);
    assert_true(s->n_sent - sent < NETS / 30 + 6);
    links_free(s);
}

/* An idle link that is cut is noticed within the idle interval and a second. */
static void idle_cut_is_noticed(void **state)
{
    struct links *s = links_new(3, 3);
    struct links_path path = s->paths[0][2];

    (void)state;
    links_mesh(s);
    assert_true(links_until(s, links_all_up, 5 * MTIME_SEC) >= 0);
    links_run(s, 60 * MTIME_SEC);
    path.cut = true;
    links_set(s, 0, 2, path);
    assert_in_range(links_until(s, pair_down, 30 * MTIME_SEC), 0, 8 * MTIME_SEC);
    links_free(s);
}

/* Sessions are renewed for an hour without a frame lost, and old keys go. */
static void rekey_costs_no_frame(void **state)
{
    struct links *s = links_new(2, 4);
    unsigned sent = 0;

    (void)state;
    meet(s);
    for (unsigned i = 0; i < 36000; i++) {
        sent += links_frame(s, 0, 1, 0, 100);
        links_run(s, 100 * MTIME_MS);
        assert_true(s->now - links_peer(s, 0, 1)->current->born <= 140 * MTIME_SEC);
    }
    assert_int_equal(sent, 36000);
    assert_int_equal(s->hosts[1].n_frames, sent);
    assert_in_range(links_peer(s, 0, 1)->counters.handshakes, 25, 65);
    links_free(s);
}

/* A host that changes its address is followed by its next datagram; streams go on. */
static void roaming_is_followed(void **state)
{
    struct links *s = links_new(2, 5);
    uint32_t conn;
    unsigned changes;

    (void)state;
    meet(s);
    conn = links_peer(s, 1, 0)->conn;
    s->hosts[0].addr.addr[0] = 172;
    s->hosts[0].addr.port = 9999;
    assert_true(links_frame(s, 0, 1, 0, 100));
    links_run(s, 100 * MTIME_MS);
    assert_true(link_addr_equal(&links_peer(s, 1, 0)->addr, &s->hosts[0].addr));
    assert_true(links_frame(s, 1, 0, 0, 100));
    links_run(s, 100 * MTIME_MS);
    assert_int_equal(s->hosts[0].n_frames, 1);
    assert_int_equal(links_peer(s, 1, 0)->conn, conn);
    /* One that moves all the time is followed, but not told of each time. */
    changes = s->hosts[1].n_changes;
    for (uint16_t i = 0; i < 300; i++) {
        s->hosts[0].addr.port = (uint16_t)(10000 + i);
        assert_true(links_frame(s, 0, 1, 0, 100));
        links_run(s, 10 * MTIME_MS);
    }
    assert_in_range(s->hosts[1].n_changes - changes, 2, 5);
    links_run(s, 2 * MTIME_SEC);
    assert_in_range(s->hosts[1].n_changes - changes, 3, 6);
    assert_true(link_addr_equal(&links_peer(s, 1, 0)->addr, &s->hosts[0].addr));
    links_free(s);
}

/* A host that lost its memory is taken back at once, with a new conn. */
static void restart_is_recovered(void **state)
{
    struct links *s = links_new(2, 6);
    uint32_t conn;

    (void)state;
    meet(s);
    conn = links_peer(s, 1, 0)->conn;
    links_run(s, 10 * MTIME_SEC);
    links_restart(s, 0);
    put_net(s, 0, 99);
    links_acquaint(s, 0, 1, true);
    assert_in_range(links_until(s, attached_everywhere, 5 * MTIME_SEC), 0, 100 * MTIME_MS);
    assert_int_not_equal(links_peer(s, 1, 0)->conn, conn);
    send_numbered(s, 0, 1, 3);
    links_run(s, MTIME_SEC);
    assert_int_equal(s->hosts[1].n_messages, 3);
    links_free(s);
}

static bool joined(struct links *s)
{
    return s->hosts[1].joined == 0;
}

/* With an invitation a stranger gets a control stream and nothing else. */
static void invited_strangers_may_talk(void **state)
{
    struct links *s = links_new(3, 9);
    struct links_host *a = &s->hosts[0];

    (void)state;
    links_enrol(s, 0);
    put_net(s, 0, 99);
    put_net(s, 1, 99);
    hub_put_invite(a->hub, 42, 1900000000);
    hub_join(s->hosts[1].hub, 17, 42, a->self.noise_public, &a->addr, 1, s->now);
    assert_true(links_until(s, joined, 5 * MTIME_SEC) >= 0);
    assert_int_equal(s->hosts[1].last_conn, 17);
    links_run(s, 100 * MTIME_MS);
    assert_int_equal(links_peer(s, 0, 1)->kind, PEER_STRANGER);
    assert_true(links_peer(s, 0, 1)->invite == 42);
    assert_int_equal(hub_stream_send(s->hosts[1].hub, 17, "abcd", 4, s->now), 0);
    links_run(s, 100 * MTIME_MS);
    assert_int_equal(a->n_messages, 1);
    assert_int_equal(hub_stream_send(a->hub, a->messages[0].conn, "efgh", 4, s->now), 0);
    links_run(s, 100 * MTIME_MS);
    assert_int_equal(s->hosts[1].n_messages, 1);
    assert_int_equal(a->n_attached + s->hosts[1].n_attached, 0);
    assert_false(links_frame(s, 1, 0, 0, 100));

    /* A wrong invitation meets silence. */
    s->n_sent = 0;
    hub_join(s->hosts[2].hub, 18, 43, a->self.noise_public, &a->addr, 1, s->now);
    links_run(s, 20 * MTIME_SEC);
    assert_int_equal(s->hosts[2].joined, -110);
    assert_null(links_peer(s, 0, 2));

    /* And silence ends the stranger's session. */
    links_run(s, 90 * MTIME_SEC);
    assert_null(links_peer(s, 0, 1));
    assert_null(links_peer(s, 1, 0));
    links_free(s);
}

/* The joiner becomes a member in the middle of its session. */
static void strangers_become_members(void **state)
{
    struct links *s = links_new(2, 10);
    struct links_host *a = &s->hosts[0];

    (void)state;
    links_enrol(s, 0);
    hub_put_invite(a->hub, 42, 1900000000);
    hub_join(s->hosts[1].hub, 17, 42, a->self.noise_public, &a->addr, 1, s->now);
    assert_true(links_until(s, joined, 5 * MTIME_SEC) >= 0);
    links_enrol(s, 1);
    put_net(s, 0, 99);
    put_net(s, 1, 99);
    links_acquaint(s, 0, 1, true);
    assert_true(links_until(s, attached_everywhere, 5 * MTIME_SEC) >= 0);
    links_run(s, 90 * MTIME_SEC);
    assert_int_equal(links_peer(s, 0, 1)->kind, PEER_MEMBER);
    assert_true(links_all_up(s));
    links_free(s);
}

/* State that is put again as it was disturbs nothing. */
static void repeated_state_changes_nothing(void **state)
{
    struct links *s = links_new(2, 18);
    unsigned changes;
    uint32_t conn;

    (void)state;
    meet(s);
    links_run(s, 5 * MTIME_SEC);
    changes = s->hosts[0].n_changes + s->hosts[1].n_changes;
    conn = links_peer(s, 0, 1)->conn;
    for (unsigned i = 0; i < 2; i++) {
        hub_set_self(s->hosts[i].hub, &s->hosts[i].self, s->now);
        put_net(s, i, 99);
        links_acquaint(s, 0, 1, true);
        links_run(s, MTIME_SEC);
    }
    assert_int_equal(s->hosts[0].n_changes + s->hosts[1].n_changes, changes);
    assert_int_equal(links_peer(s, 0, 1)->conn, conn);
    assert_int_equal(s->hosts[0].n_attached, 1);
    links_free(s);
}

/* A hundred joiners with one token: all may talk; which one is let in is the control's. */
static void a_hundred_strangers(void **state)
{
    struct links *s = links_new(101, 11);
    struct links_host *a = &s->hosts[0];
    unsigned n = 0;

    (void)state;
    links_enrol(s, 0);
    hub_put_invite(a->hub, 42, 1900000000);
    for (unsigned i = 1; i <= 100; i++)
        hub_join(s->hosts[i].hub, i, 42, a->self.noise_public, &a->addr, 1, s->now);
    links_run(s, 10 * MTIME_SEC);
    for (unsigned i = 1; i <= 100; i++)
        n += s->hosts[i].joined == 0;
    assert_int_equal(n, 100);
    links_free(s);
}

/* Only hosts of `on` get a channel; the others' frames are refused. */
static void networks_are_kept_apart(void **state)
{
    static const uint16_t on[] = {1, 2};
    struct links *s = links_new(3, 12);

    (void)state;
    links_mesh(s);
    for (unsigned i = 0; i < 3; i++)
        assert_true(hub_put_net(s->hosts[i].hub, 7, i == 2, on, 2, s->now) >= 0);
    links_run(s, 2 * MTIME_SEC);
    assert_int_equal(s->hosts[0].n_attached, 1);
    assert_int_equal(s->hosts[1].n_attached, 1);
    assert_int_equal(s->hosts[2].n_attached, 0);
    assert_true(links_frame(s, 0, 1, 0, 100));
    assert_false(links_frame(s, 2, 0, 0, 100));
    /* Host 1 is taken off: its port goes. */
    assert_true(hub_put_net(s->hosts[0].hub, 7, false, on, 1, s->now) >= 0);
    links_run(s, 2 * MTIME_SEC);
    assert_int_equal(s->hosts[0].n_attached, 0);
    assert_int_equal(s->hosts[1].n_attached, 0);
    hub_delete_net(s->hosts[1].hub, 7, s->now);
    links_run(s, 2 * MTIME_SEC);
    assert_true(links_all_up(s));
    links_free(s);
}

/* A path that takes less is used at what it takes; one that shrinks is noticed. */
/* A frame that is under way while its network goes and another one takes its slot is lost, not
 * one of the other network. */
static void channels_are_not_used_again(void **state)
{
    struct links *s = links_new(2, 21);
    uint64_t refused;

    (void)state;
    links_mesh(s);
    put_net(s, 0, 7);
    put_net(s, 0, 8);
    put_net(s, 1, 7);
    assert_true(links_until(s, attached_everywhere, 5 * MTIME_SEC) >= 0);
    refused = links_peer(s, 1, 0)->counters.rx_refused;
    assert_true(links_frame(s, 0, 1, 0, 100));
    hub_delete_net(s->hosts[1].hub, 7, s->now);
    assert_int_equal(hub_put_net(s->hosts[1].hub, 8, true, NULL, 0, s->now), 0);
    assert_int_equal(s->hosts[1].n_attached, 1);
    links_run(s, MTIME_SEC);
    assert_int_equal(s->hosts[1].n_frames, 0);
    assert_int_equal(links_peer(s, 1, 0)->counters.rx_refused, refused + 1);
    assert_true(links_frame(s, 0, 1, 1, 100));
    links_run(s, MTIME_SEC);
    assert_int_equal(s->hosts[1].n_frames, 1);
    /* However often. */
    for (unsigned i = 0; i < 100; i++) {
        hub_delete_net(s->hosts[1].hub, 8, s->now);
        put_net(s, 1, 8);
    }
    links_run(s, MTIME_SEC);
    assert_true(links_frame(s, 0, 1, 1, 100));
    links_run(s, MTIME_SEC);
    assert_int_equal(s->hosts[1].n_frames, 2);
    links_free(s);
}

/* More offers than there may be networks, withdrawn and made again: those of the networks that both
 * have are still right. */
static void many_offers(void **state)
{
    struct links *s = links_new(2, 22);
    uint32_t conn;

    (void)state;
    links_mesh(s);
    put_net(s, 0, 7);
    put_net(s, 1, 7);
    assert_true(links_until(s, attached_everywhere, 5 * MTIME_SEC) >= 0);
    conn = links_peer(s, 1, 0)->conn;
    for (uint64_t round = 1; round <= 4; round++) {
        for (uint64_t id = 1; id < HUB_NETS_MAX; id++)
            put_net(s, 0, round << 32 | id);
        links_run(s, 5 * MTIME_SEC);
        assert_int_equal(s->hosts[1].n_attached, 1);
        for (uint64_t id = 1; id < HUB_NETS_MAX; id++) {
            hub_delete_net(s->hosts[0].hub, round << 32 | id, s->now);
            if (id % 100 == 0)
                links_run(s, 20 * MTIME_MS);
        }
        links_run(s, MTIME_SEC);
        assert_int_equal(s->hosts[1].n_attached, 1);
    }
    hub_delete_net(s->hosts[0].hub, 7, s->now);
    links_run(s, MTIME_SEC);
    assert_int_equal(s->hosts[1].n_attached, 0);
    put_net(s, 0, 7);
    links_run(s, MTIME_SEC);
    assert_int_equal(s->hosts[1].n_attached, 1);
    assert_int_equal(links_peer(s, 1, 0)->conn, conn); /* It has been up all the time. */
    links_free(s);
}

static void path_mtu_is_found(void **state)
{
    struct links *s = links_new(2, 13);
    struct links_path path = s->paths[0][1];

    (void)state;
    path.mtu = 1450;
    links_set(s, 0, 1, path);
    meet(s);
    links_run(s, 10 * MTIME_SEC);
    assert_int_equal(links_peer(s, 0, 1)->path.mtu, 1440);
    path.mtu = 1380;
    links_set(s, 0, 1, path);
    for (unsigned i = 0; i < 400; i++) {
        links_frame(s, 0, 1, 0, 100);
        links_run(s, 50 * MTIME_MS);
    }
    assert_int_equal(links_peer(s, 0, 1)->path.mtu, 1380);
    path.mtu = 9000;
    links_set(s, 0, 1, path);
    links_run(s, 1300 * MTIME_SEC);
    assert_int_equal(links_peer(s, 0, 1)->path.mtu, 9000);
    assert_true(links_all_up(s));
    links_free(s);
}

/* Every datagram on the wire is played again, later and to everybody: nothing changes. */
static void replays_change_nothing(void **state)
{
    struct links *s = links_new(2, 14);
    uint64_t answers;
    unsigned changes;

    (void)state;
    links_mesh(s);
    put_net(s, 0, 99);
    put_net(s, 1, 99);
    links_set_all(s,
                  (struct links_path){.delay = MTIME_MS, .mtu = 1500, .duplicate = 1000});
    assert_true(links_until(s, attached_everywhere, 5 * MTIME_SEC) >= 0);
    links_run(s, 10 * MTIME_SEC);
    changes = s->hosts[0].n_changes + s->hosts[1].n_changes;
    for (unsigned i = 0; i < 100; i++) {
        assert_true(links_frame(s, 0, 1, 0, 100));
        links_run(s, 50 * MTIME_MS);
    }
    assert_int_equal(s->hosts[1].n_frames, 100);
    assert_true(links_peer(s, 1, 0)->counters.rx_replayed >= 100);
    answers = s->n_sent;
    for (unsigned i = 0; i < 1000; i++)
        links_inject(s, 0, 1, s->tape, s->tape_size);
    links_run(s, 2 * MTIME_MS);
    assert_in_range(s->n_sent - answers, 0, 2);
    assert_int_equal(s->hosts[0].n_changes + s->hosts[1].n_changes, changes);
    links_free(s);
}

/* Garbage of every size and type gets no answer. */
static void garbage_gets_no_answer(void **state)
{
    struct links *s = links_new(2, 15);
    uint8_t data[2000];
    uint64_t sent;

    (void)state;
    links_enrol(s, 0);
    hub_put_invite(s->hosts[0].hub, 42, 1900000000);
    links_run(s, MTIME_SEC);
    sent = s->n_sent;
    for (size_t size = 0; size < sizeof data; size++) {
        for (size_t i = 0; i < size; i++)
            data[i] = (uint8_t)(s->random += 0x9e3779b97f4a7c15u);
        if (size > 4) {
            memset(data, 0, 4);
            data[0] = (uint8_t)(size % 6);
        }
        links_inject(s, 1, 0, data, size);
    }
    links_run(s, MTIME_SEC);
    assert_int_equal(s->n_sent, sent);
    assert_true(hub_counters(s->hosts[0].hub)->rx_garbage > 0);
    assert_true(hub_counters(s->hosts[0].hub)->rx_unproven > 300);
    assert_null(hub_first(s->hosts[0].hub));
    links_free(s);
}

/* Two hundred hosts dial one at once: it asks for cookies, and all get in. */
static void cookies_under_load(void **state)
{
    struct links *s = links_new(200, 16);

    (void)state;
    for (unsigned i = 0; i < 200; i++)
        links_enrol(s, i);
    for (unsigned i = 1; i < 200; i++)
        links_acquaint(s, 0, i, true);
    links_run(s, 20 * MTIME_SEC);
    for (unsigned i = 1; i < 200; i++)
        assert_true(links_peer(s, 0, i)->up && links_peer(s, i, 0)->up);
    assert_true(hub_counters(s->hosts[0].hub)->cookies_sent > 50);
    links_free(s);
}

/* A first message that is none but for its MACs: only the work of opening it shows that. */
static void forge_first(struct links *s, unsigned to, const uint8_t *cookie, uint8_t *data,
                        size_t size)
{
    struct cookie_keys keys;

    memset(data, 0, size);
    data[0] = DATAGRAM_INIT;
    for (size_t i = 4; i < size; i++)
        data[i] = (uint8_t)(s->random += 0x9e3779b97f4a7c15u);
    cookie_keys_init(&keys, s->hosts[to].self.noise_public);
    cookie_sign(&keys, cookie, data, size);
}

/* Somebody who knows a host's key answers its cookies: what he gets for it is bounded, and others
 * get in meanwhile. */
static void cookies_are_no_licence(void **state)
{
    struct links *s = links_new(3, 18);
    const struct hub_counters *c;
    uint8_t data[300], cookie[COOKIE_SIZE];
    struct cookie_keys keys;

    (void)state;
    links_enrol(s, 0);
    links_enrol(s, 1);
    c = hub_counters(s->hosts[0].hub);
    for (unsigned i = 0; i < 120; i++) {
        forge_first(s, 0, NULL, data, sizeof data);
        links_inject(s, 2, 0, data, sizeof data);
    }
    links_run(s, 20 * MTIME_MS);
    assert_int_equal(c->rx_rejected, 100);
    assert_int_equal(c->cookies_sent, 20);
    cookie_keys_init(&keys, s->hosts[0].self.noise_public);
    assert_true(cookie_open(&keys, data + sizeof data - 2 * DATAGRAM_MAC, s->tape,
                            s->tape_size, cookie));
    /* 1,000 a second for ten seconds. */
    for (unsigned i = 0; i < 10000; i++) {
        if (i == 5000) {
            links_acquaint(s, 0, 1, false);
            links_acquaint(s, 1, 0, true);
        }
        forge_first(s, 0, cookie, data, sizeof data);
        links_inject(s, 2, 0, data, sizeof data);
        links_run(s, MTIME_MS);
    }
    /* 100 in each of twelve counted seconds at the most, and 20 beyond. */
    assert_in_range(c->rx_rejected, 1000, 12 * 100 + 10 * RATE_PER_SECOND + RATE_BURST);
    assert_in_range(c->rx_limited, 8500, 10000);
    assert_true(links_peer(s, 0, 1)->up && links_peer(s, 1, 0)->up);
    links_free(s);
}

/* A certificate that has run out, and one of another root. */
static void bad_certificates_stay_out(void **state)
{
    struct links *s = links_new(3, 17);

    (void)state;
    links_enrol(s, 0);
    links_enrol(s, 1);
    s->hosts[1].clock_skew = 0;
    s->hosts[0].clock_skew = (CERT_HOST_LIFE + 2 * CERT_SLACK) * MTIME_SEC;
    s->issuer_secret[0] ^= 1;
    links_enrol(s, 2);
    links_acquaint(s, 0, 1, true);
    links_acquaint(s, 0, 2, true);
    links_run(s, 20 * MTIME_SEC);
    assert_false(links_peer(s, 0, 1)->up);
    assert_false(links_peer(s, 1, 0)->up);
    assert_false(links_peer(s, 0, 2)->up);
    assert_true(hub_counters(s->hosts[0].hub)->rx_rejected > 0);
    links_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_hosts_meet),
        cmocka_unit_test(lossy_links_come_up),
        cmocka_unit_test(streams_survive_losses),
        cmocka_unit_test(streams_wait_for_the_reader),
        cmocka_unit_test(too_long_a_message_ends_the_session),
        cmocka_unit_test(cut_is_noticed_and_heals),
        cmocka_unit_test(silence_is_told),
        cmocka_unit_test(bpdus_share_datagrams),
        cmocka_unit_test(idle_cut_is_noticed),
        cmocka_unit_test(rekey_costs_no_frame),
        cmocka_unit_test(roaming_is_followed),
        cmocka_unit_test(restart_is_recovered),
        cmocka_unit_test(invited_strangers_may_talk),
        cmocka_unit_test(strangers_become_members),
        cmocka_unit_test(repeated_state_changes_nothing),
        cmocka_unit_test(a_hundred_strangers),
        cmocka_unit_test(networks_are_kept_apart),
        cmocka_unit_test(channels_are_not_used_again),
        cmocka_unit_test(many_offers),
        cmocka_unit_test(path_mtu_is_found),
        cmocka_unit_test(replays_change_nothing),
        cmocka_unit_test(garbage_gets_no_answer),
        cmocka_unit_test(cookies_under_load),
        cmocka_unit_test(cookies_are_no_licence),
        cmocka_unit_test(bad_certificates_stay_out),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
