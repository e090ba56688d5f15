/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a stranger can send to the UDP port. The input is a sequence of records: how 8, size 16,
 * bytes. how 0: a datagram as it is. 1: the same with a right mac1, as somebody can make it who
 * knows the host's public key. 2: the payload of a first message, sealed as an initiator does.
 * 3: the same with a member's chain put into it. Invariant: nothing comes up, no frame comes out,
 * and at most one answer goes out for each datagram.
 */
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/link/cookie.h"
#include "proto/link/hello.h"
#include "tests/sim/links.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t first_message(struct links *s, bool member, const uint8_t *payload,
                            size_t size, uint8_t *out)
{
    static const char prologue[] = "ioth link 1";
    uint8_t text[DATAGRAM_HANDSHAKE_MAX], ephemeral[32] = {3};
    struct links_host *from = &s->hosts[1];
    struct hello hello;
    struct noise ns;
    size_t n = 0;

    if (size > 900)
        return 0;
    memcpy(text, payload, size);
    if (member && hello_read(payload, size, &hello)) {
        hello.chain_size = from->self.chain_size;
        memcpy(hello.chain, from->self.chain, hello.chain_size);
        size = hello_write(&hello, text, sizeof text);
    }
    noise_begin(&ns, true, prologue, sizeof prologue - 1, from->self.noise_secret,
                from->self.noise_public);
    noise_set_remote(&ns, s->hosts[0].self.noise_public);
    memset(out, 0, DATAGRAM_INIT_HEAD);
    out[0] = DATAGRAM_INIT;
    out[7] = 9;
    if (noise_write(&ns, ephemeral, text, size, out + DATAGRAM_INIT_HEAD,
                    DATAGRAM_HANDSHAKE_MAX - DATAGRAM_INIT_HEAD - 2 * DATAGRAM_MAC,
                    &n) != 0)
        return 0;
    return DATAGRAM_INIT_HEAD + n + 2 * DATAGRAM_MAC;
}

static void one(struct links *s, uint8_t how, const uint8_t *bytes, size_t size)
{
    static uint8_t datagram[65536], plain[65536];
    struct links_host *at = &s->hosts[0];
    struct cookie_keys keys;
    struct hub_frame frame;
    uint64_t sent = s->n_sent;

    cookie_keys_init(&keys, at->self.noise_public);
    if (how >= 2) {
        size = first_message(s, how == 3, bytes, size, datagram);
    } else if (size <= 2000) {
        memcpy(datagram, bytes, size);
    } else {
        return;
    }
    if (how >= 1 && size >= 2 * DATAGRAM_MAC)
        cookie_sign(&keys, NULL, datagram, size);
    if (hub_input(at->hub, &s->hosts[1].addr, datagram, size, plain, s->now,
                  (int64_t)1800000000 * 1000000 + s->now, &frame))
        abort();
    if (s->n_sent > sent + 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur in = cur_init(data, size);
    struct links *s;

    if (sodium_init() < 0)
        return 0;
    s = links_new(2, 1);
    links_enrol(s, 0);
    links_enrol(s, 1);
    hub_put_invite(s->hosts[0].hub, 42, 1900000000);
    while (cur_left(&in) > 3) {
        uint8_t how = cur_u8(&in);
        size_t n = cur_u16(&in);
        const uint8_t *bytes;

        n = n < cur_left(&in) ? n : cur_left(&in);
        bytes = cur_bytes(&in, n);
        one(s, how % 4, bytes, n);
        s->now += 10 * MTIME_MS;
    }
    for (struct peer *p = hub_first(s->hosts[0].hub); p; p = hub_next(s->hosts[0].hub, p)) {
        if (p->up)
            abort();
    }
    links_free(s);
    return 0;
}
