/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a peer with a session can send: the input is a sequence of records (size 16, inner header
 * and body), each sealed by host 0 and opened by host 1. Invariant: what comes out as a frame is
 * of a network that both have, from the peer itself, and lies where it should.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "tests/sim/links.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct hub_frame *f, const uint8_t *plain, size_t size)
{
    if (f->slot != 0 || f->inner.source != 1 || f->size > 65536)
        abort();
    if (!f->whole && (f->data != plain + DATAGRAM_INNER ||
                      f->size + DATAGRAM_INNER + DATAGRAM_OUTER + DATAGRAM_TAG != size))
        abort();
}

static void one(struct links *s, const uint8_t *bytes, size_t size)
{
    static uint8_t datagram[70000], plain[70000];
    struct peer *p = links_peer(s, 0, 1);
    struct hub_frame frame;
    size_t total;

    if (!p || !p->current || size < DATAGRAM_INNER || size > 9000)
        return;
    memcpy(datagram + DATAGRAM_OUTER, bytes, size);
    total = session_seal(p->current, datagram, size);
    if (hub_input(s->hosts[1].hub, &s->hosts[0].addr, datagram, total, plain, s->now,
                  (int64_t)1800000000 * 1000000 + s->now, &frame))
        check(&frame, plain, total);
    links_run(s, 5 * MTIME_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur in = cur_init(data, size);
    struct links *s;

    if (sodium_init() < 0)
        return 0;
    s = links_new(2, 1);
    links_mesh(s);
    for (unsigned i = 0; i < 2; i++) {
        if (hub_put_net(s->hosts[i].hub, 99, true, NULL, 0, s->now) < 0)
            abort();
    }
    if (links_until(s, links_all_up, 5 * MTIME_SEC) < 0)
        abort();
    links_run(s, 50 * MTIME_MS);
    while (cur_left(&in) > 2) {
        size_t n = cur_u16(&in);

        n = n < cur_left(&in) ? n : cur_left(&in);
        one(s, cur_bytes(&in, n), n);
    }
    links_free(s);
    return 0;
}
