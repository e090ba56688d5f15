/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Beginning and answering handshakes. Whatever is wrong here is met with silence. */
#include <sodium.h>
#include <string.h>

#include "proto/link/hello.h"
#include "proto/link/hub_internal.h"
#include "proto/wire/bytes.h"

static const char prologue[] = "ioth link 1";

#define MACS_SIZE   (2 * DATAGRAM_MAC)
#define RETRY_FIRST (500 * MTIME_MS)
#define RETRY_MAX   (16 * MTIME_SEC)

void handshake_abort(struct peer *p)
{
    if (p->hs.index)
        hub_index_free(p->hub, p->hs.index);
    p->hs.index = 0;
    p->hs.under_way = false;
    p->hs.due = MTIME_NEVER;
    noise_wipe(&p->hs.noise);
}

/* 0.5 s, then doubled up to 16 s, a quarter more or less. */
static mtime_t retry_wait(struct hub *h, unsigned attempts)
{
    mtime_t wait = RETRY_FIRST << (attempts < 6 ? attempts : 6);

    wait = wait > RETRY_MAX ? RETRY_MAX : wait;
    return wait * 3 / 4 + (mtime_t)(hub_random64(h) % (uint64_t)(wait / 2));
}

static void fill_hello(const struct peer *p, struct hello *hello)
{
    const struct hub_self *self = &p->hub->self;

    *hello = (struct hello){.version = DATAGRAM_VERSION,
                            .suites = aead_available(),
                            .features = HELLO_PIECES,
                            .instance = p->instance,
                            .invite = p->kind == PEER_INVITER ? p->invite : 0};
    if (p->kind != PEER_INVITER) {
        hello->chain_size = self->chain_size;
        memcpy(hello->chain, self->chain, self->chain_size);
    }
}

/* Rises over restarts too, as long as the wall clock does. */
static uint64_t next_timestamp(struct hub *h)
{
    uint64_t t = h->wall_us > 0 ? (uint64_t)h->wall_us : 1;

    if (t <= h->last_timestamp)
        t = h->last_timestamp + 1;
    h->last_timestamp = t;
    return t;
}

static size_t build_init(struct peer *p, uint8_t *data, mtime_t now)
{
    struct hub *h = p->hub;
    uint8_t text[HELLO_FIXED + CERT_CHAIN_MAX], ephemeral[32];
    struct hello hello;
    size_t size, noise_size = 0;
    int r;

    fill_hello(p, &hello);
    hello.timestamp = next_timestamp(h);
    size = hello_write(&hello, text, sizeof text);
    noise_begin(&p->hs.noise, true, prologue, sizeof prologue - 1, h->self.noise_secret,
                h->self.noise_public);
    noise_set_remote(&p->hs.noise, p->noise_public);
    h->ops->random(h->aux, ephemeral, sizeof ephemeral);
    r = noise_write(&p->hs.noise, ephemeral, text, size, data + DATAGRAM_INIT_HEAD,
                    DATAGRAM_HANDSHAKE_MAX - DATAGRAM_INIT_HEAD - MACS_SIZE, &noise_size);
    sodium_memzero(ephemeral, sizeof ephemeral);
    if (r != 0)
        return 0;
    store_be32(data, (uint32_t)DATAGRAM_INIT << 24);
    store_be32(data + 4, p->hs.index);
    size = DATAGRAM_INIT_HEAD + noise_size + MACS_SIZE;
    cookie_sign(&p->keys, now < p->hs.cookie_until ? p->hs.cookie : NULL, data, size);
    memcpy(p->hs.mac1, data + size - MACS_SIZE, DATAGRAM_MAC);
    return size;
}

/*
 * Sends the same message to every address known: the responder answers the copy that comes
 * first and takes the others for replays, so the fastest way wins.
 */
void handshake_start(struct peer *p, mtime_t now)
{
    struct hub *h = p->hub;
    uint8_t data[DATAGRAM_HANDSHAKE_MAX];
    size_t size;

    if (!h->has_self || (p->kind == PEER_MEMBER && h->self.host == 0) ||
        (p->n_addrs == 0 && p->addr.family == 0)) {
        p->hs.due = MTIME_NEVER;
        return;
    }
    if (p->hs.index)
        hub_index_free(h, p->hs.index);
    p->hs.index = hub_index_new(h, p, NULL);
    p->hs.under_way = true;
    p->hs.due = now + retry_wait(h, p->hs.attempts);
    p->hs.attempts++;
    size = build_init(p, data, now);
    if (size == 0)
        return;
    if (p->addr.family)
        h->ops->send(h->aux, &p->addr, data, size);
    for (unsigned i = 0; i < p->n_addrs; i++) {
        if (!link_addr_equal(&p->addrs[i], &p->addr))
            h->ops->send(h->aux, &p->addrs[i], data, size);
    }
}

/* --- who may come in --------------------------------------------------------------------- */

static bool invite_open(const struct hub *h, uint64_t id)
{
    for (unsigned i = 0; i < h->n_invites; i++) {
        if (h->invites[i].id == id)
            return h->invites[i].expires >= h->wall_us / MTIME_SEC;
    }
    return false;
}

/* The member that shows this chain, made if the directory has not named it yet. */
static struct peer *member_of(struct hub *h, const struct hello *hello,
                              const uint8_t key[32], mtime_t now)
{
    struct cert_host cert;
    struct peer *p;

    if (h->self.host == 0 ||
        cert_chain_verify(hello->chain, hello->chain_size, h->self.root,
                          h->wall_us / MTIME_SEC, &cert, NULL) != 0 ||
        cert.fabric != h->self.fabric || cert.host == h->self.host ||
        sodium_memcmp(cert.noise_public, key, 32) != 0)
        return NULL;
    p = hub_find_host(h, cert.host);
    if (p && sodium_memcmp(p->noise_public, key, 32) != 0) {
        if (p->listed || p->up) /* The directory knows better; or it may be a replay. */
            return NULL;
        peer_down(p, false, now);
        hub_peer_free(p);
        p = NULL;
    }
    if (!p)
        p = hub_peer_new(h, PEER_MEMBER, key, now);
    if (p) {
        p->host = cert.host;
        memcpy(p->name, cert.name, sizeof p->name);
    }
    return p;
}

static struct peer *initiator_of(struct hub *h, const struct hello *hello,
                                 const uint8_t key[32], mtime_t now)
{
    struct peer *p;

    if (hello->chain_size > 0)
        return member_of(h, hello, key, now);
    if (hello->invite == 0 || !invite_open(h, hello->invite))
        return NULL;
    p = hub_find_key(h, PEER_STRANGER, key);
    if (!p)
        p = hub_peer_new(h, PEER_STRANGER, key, now);
    if (p && !p->up)
        p->invite = hello->invite;
    return p;
}

/* --- answering --------------------------------------------------------------------------- */

static struct session *finish(struct noise *ns, uint8_t suite, mtime_t now)
{
    uint8_t tx[32], rx[32];
    struct session *s = NULL;

    if (noise_split(ns, tx, rx) == 0)
        s = session_new(suite, tx, rx);
    sodium_memzero(tx, sizeof tx);
    sodium_memzero(rx, sizeof rx);
    if (!s)
        return NULL;
    s->born = now;
    return s;
}

static void answer(struct peer *p, const struct link_addr *from, struct noise *ns,
                   const struct hello *theirs, uint32_t remote_index, mtime_t now)
{
    struct hub *h = p->hub;
    uint8_t data[DATAGRAM_HANDSHAKE_MAX], text[HELLO_FIXED + CERT_CHAIN_MAX], ephemeral[32];
    struct hello ours;
    struct session *s;
    size_t size;
    int r;

    fill_hello(p, &ours);
    ours.suites = (uint8_t)aead_choose(aead_available(), theirs->suites);
    size = hello_write(&ours, text, sizeof text);
    h->ops->random(h->aux, ephemeral, sizeof ephemeral);
    r = noise_write(ns, ephemeral, text, size, data + DATAGRAM_RESPONSE_HEAD,
                    sizeof data - DATAGRAM_RESPONSE_HEAD - MACS_SIZE, &size);
    sodium_memzero(ephemeral, sizeof ephemeral);
    if (r != 0)
        return;
    s = finish(ns, ours.suites, now);
    if (!s)
        return;
    s->index = hub_index_new(h, p, s);
    s->remote_index = remote_index;
    s->remote_instance = theirs->instance;
    s->takes_pieces = theirs->features & HELLO_PIECES;
    peer_set_next(p, s);
    store_be32(data, (uint32_t)DATAGRAM_RESPONSE << 24);
    store_be32(data + 4, s->index);
    store_be32(data + 8, remote_index);
    size += DATAGRAM_RESPONSE_HEAD + MACS_SIZE;
    cookie_sign(&p->keys, NULL, data, size);
    h->ops->send(h->aux, from, data, size);
}

/* Counts handshakes; above the limit only those with a good cookie are worked on, and of one source
 * only so many. */
static bool is_too_much(struct hub *h, const struct link_addr *from, const uint8_t *data,
                        size_t size, mtime_t now)
{
    uint8_t nonce[24], reply[DATAGRAM_COOKIE_SIZE];

    if (now - h->load_from >= MTIME_SEC) {
        h->load_from = now;
        h->load_count = 0;
    }
    if (++h->load_count <= HUB_LOAD_MAX)
        return false;
    if (now >= h->cookie_secret_until) {
        h->ops->random(h->aux, h->cookie_secret, sizeof h->cookie_secret);
        h->cookie_secret_until = now + COOKIE_LIFE;
    }
    if (cookie_mac2_good(h->cookie_secret, from, data, size)) {
        if (rate_take(&h->rate, from, now))
            return false;
        h->counters.rx_limited++;
        return true;
    }
    h->ops->random(h->aux, nonce, sizeof nonce);
    cookie_reply(&h->self_keys, h->cookie_secret, from, data, size, nonce, reply);
    h->ops->send(h->aux, from, reply, sizeof reply);
    h->counters.cookies_sent++;
    return true;
}

static void init_input(struct hub *h, const struct link_addr *from, const uint8_t *data,
                       size_t size, mtime_t now)
{
    uint8_t text[DATAGRAM_HANDSHAKE_MAX];
    size_t text_size = 0;
    struct hello hello;
    struct noise ns;
    struct peer *p = NULL;

    noise_begin(&ns, false, prologue, sizeof prologue - 1, h->self.noise_secret,
                h->self.noise_public);
    if (noise_read(&ns, data + DATAGRAM_INIT_HEAD, size - DATAGRAM_INIT_HEAD - MACS_SIZE,
                   text, sizeof text, &text_size) == 0 &&
        hello_read(text, text_size, &hello) && hello.version == DATAGRAM_VERSION &&
        hello.suites & AEAD_CHACHA20_POLY1305)
        p = initiator_of(h, &hello, ns.remote_static, now);
    if (p && hello.timestamp > p->last_timestamp) {
        p->last_timestamp = hello.timestamp;
        answer(p, from, &ns, &hello, load_be32(data + 4), now);
    } else {
        h->counters.rx_rejected++;
    }
    noise_wipe(&ns);
}

/* --- the answer to ours ------------------------------------------------------------------ */

static bool responder_good(const struct peer *p, const struct hello *hello)
{
    const struct hub *h = p->hub;
    struct cert_host cert;

    if (hello->version != DATAGRAM_VERSION ||
        (hello->suites != AEAD_CHACHA20_POLY1305 && hello->suites != AEAD_AES256_GCM) ||
        !(hello->suites & aead_available()))
        return false;
    if (p->kind == PEER_INVITER) /* The token named its key; control checks its fabric. */
        return true;
    return cert_chain_verify(hello->chain, hello->chain_size, h->self.root,
                             h->wall_us / MTIME_SEC, &cert, NULL) == 0 &&
           cert.fabric == h->self.fabric && cert.host == p->host &&
           sodium_memcmp(cert.noise_public, p->noise_public, 32) == 0;
}

static void response_input(struct hub *h, const struct link_addr *from, const uint8_t *data,
                           size_t size, mtime_t now)
{
    struct hub_index *e = hub_index_find(h, load_be32(data + 8));
    uint8_t text[DATAGRAM_HANDSHAKE_MAX];
    size_t text_size = 0;
    struct hello hello;
    struct session *s = NULL;
    struct noise ns;
    struct peer *p;

    if (!e || e->session || !e->peer->hs.under_way) {
        h->counters.rx_rejected++;
        return;
    }
    p = e->peer;
    ns = p->hs.noise; /* A copy: a forged answer may not spoil ours. */
    if (noise_read(&ns, data + DATAGRAM_RESPONSE_HEAD,
                   size - DATAGRAM_RESPONSE_HEAD - MACS_SIZE, text, sizeof text,
                   &text_size) == 0 &&
        hello_read(text, text_size, &hello) && responder_good(p, &hello))
        s = finish(&ns, hello.suites, now);
    noise_wipe(&ns);
    if (!s) {
        h->counters.rx_rejected++;
        return;
    }
    s->initiator = true;
    s->index = p->hs.index; /* The one that the responder was told. */
    e->session = s;
    p->hs.index = 0;
    s->remote_index = load_be32(data + 4);
    s->remote_instance = hello.instance;
    s->takes_pieces = hello.features & HELLO_PIECES;
    p->addr = *from;
    p->hs.attempts = 0;
    peer_promote(p, s, now);
    peer_probe(p, 0, now); /* Tells the responder that the session stands. */
}

static void cookie_input(struct hub *h, const uint8_t *data, size_t size, mtime_t now)
{
    struct hub_index *e = hub_index_find(h, load_be32(data + 4));
    struct peer_handshake *hs;
    uint8_t cookie[COOKIE_SIZE];

    if (!e || e->session || !e->peer->hs.under_way)
        return;
    hs = &e->peer->hs;
    if (!cookie_open(&e->peer->keys, hs->mac1, data, size, cookie))
        return;
    if (now >= hs->cookie_until) {
        hs->due = now; /* Once more at once, with the cookie. */
        hub_soon(h, now);
    } /* Else the one that we had is no good any more: the next attempt has this one. */
    memcpy(hs->cookie, cookie, sizeof hs->cookie);
    hs->cookie_until = now + COOKIE_LIFE;
}

void handshake_input(struct hub *h, const struct link_addr *from, const uint8_t *data,
                     size_t size, mtime_t now)
{
    uint32_t type = load_be32(data);
    size_t least = type == (uint32_t)DATAGRAM_INIT << 24
                       ? DATAGRAM_INIT_HEAD + NOISE_FIRST_OVERHEAD
                       : DATAGRAM_RESPONSE_HEAD + NOISE_SECOND_OVERHEAD;

    if (type == (uint32_t)DATAGRAM_COOKIE << 24) {
        if (size == DATAGRAM_COOKIE_SIZE)
            cookie_input(h, data, size, now);
        return;
    }
    if ((type != (uint32_t)DATAGRAM_INIT << 24 && type != (uint32_t)DATAGRAM_RESPONSE
                                                              << 24) ||
        size < least + MACS_SIZE || size > DATAGRAM_HANDSHAKE_MAX) {
        h->counters.rx_garbage++;
        return;
    }
    if (!cookie_mac1_good(&h->self_keys, data, size)) {
        h->counters.rx_unproven++;
        return;
    }
    if (type == (uint32_t)DATAGRAM_RESPONSE << 24)
        response_input(h, from, data, size, now);
    else if (!is_too_much(h, from, data, size, now))
        init_input(h, from, data, size, now);
}
