/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/sim/links.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"

#define WALL_START  ((int64_t)1800000000 * 1000000)
#define GATHER_ROOM (256u * 1024)

struct links_packet {
    mtime_t at;
    uint64_t order;
    unsigned from, to;
    size_t size;
    uint8_t *data;
};

static uint64_t draw(struct links *s)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return s->random;
}

/* --- the network ------------------------------------------------------------------------- */

static bool before(const struct links_packet *a, const struct links_packet *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void queue_push(struct links *s, struct links_packet p)
{
    unsigned i = s->n_queue++;

    if (s->n_queue > s->room_queue) {
        s->room_queue = s->room_queue ? 2 * s->room_queue : 256;
        s->queue = xrealloc(s->queue, s->room_queue * sizeof *s->queue);
    }
    while (i > 0 && before(&p, &s->queue[(i - 1) / 2])) {
        s->queue[i] = s->queue[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    s->queue[i] = p;
}

static struct links_packet queue_pop(struct links *s)
{
    struct links_packet top = s->queue[0], last = s->queue[--s->n_queue];
    unsigned i = 0;

    for (;;) {
        unsigned child = 2 * i + 1;

        if (child >= s->n_queue)
            break;
        if (child + 1 < s->n_queue && before(&s->queue[child + 1], &s->queue[child]))
            child++;
        if (!before(&s->queue[child], &last))
            break;
        s->queue[i] = s->queue[child];
        i = child;
    }
    s->queue[i] = last;
    return top;
}

static void deliver_later(struct links *s, unsigned from, unsigned to, const uint8_t *data,
                          size_t size)
{
    const struct links_path *path = &s->paths[from][to];
    struct links_packet p = {.from = from, .to = to, .size = size, .order = ++s->order};

    p.at = s->now + path->delay;
    if (path->jitter)
        p.at += (mtime_t)(draw(s) % (uint64_t)path->jitter);
    p.data = xcalloc(1, size);
    memcpy(p.data, data, size);
    queue_push(s, p);
}

static int sim_send(void *aux, const struct link_addr *to, const uint8_t *data, size_t size)
{
    struct links_host *h = aux;
    struct links *s = h->sim;

    s->n_sent++;
    s->tape = xrealloc(s->tape, size);
    memcpy(s->tape, data, size);
    s->tape_size = size;
    for (unsigned i = 0; i < s->n_hosts; i++) {
        const struct links_path *path = &s->paths[h->place][i];

        if (!link_addr_equal(&s->hosts[i].addr, to))
            continue;
        if (path->cut || size + DATAGRAM_UNDER4 > path->mtu ||
            draw(s) % 1000 < path->loss) {
            s->n_lost++;
            continue;
        }
        deliver_later(s, h->place, i, data, size);
        if (draw(s) % 1000 < path->duplicate)
            deliver_later(s, h->place, i, data, size);
    }
    return size + DATAGRAM_UNDER4 > PATH_MTU_MAX ? -EMSGSIZE : 0;
}

static void sim_random(void *aux, void *out, size_t size)
{
    struct links_host *h = aux;
    uint8_t *p = out;

    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)(draw(h->sim) >> 24);
}

static void sim_changed(void *aux, struct peer *p)
{
    struct links_host *h = aux;

    h->n_changes++;
    h->last_conn = p->conn;
}

static void sim_gone(void *aux, struct peer *p)
{
    (void)aux;
    (void)p;
}

static void sim_attach(void *aux, struct peer *p, unsigned slot)
{
    struct links_host *h = aux;

    (void)p;
    (void)slot;
    h->n_attached++;
}

static void sim_detach(void *aux, struct peer *p, unsigned slot)
{
    struct links_host *h = aux;

    (void)p;
    (void)slot;
    h->n_attached--;
}

static bool sim_stream_in(void *aux, struct peer *p, const uint8_t *data, size_t size)
{
    struct links_host *h = aux;
    struct links_message *m = &h->messages[h->n_messages % LINKS_MESSAGES];

    if (h->refuse_messages)
        return false;
    *m = (struct links_message){.conn = p->conn, .size = size};
    if (size >= 4)
        memcpy(&m->head, data, 4);
    h->n_messages++;
    return true;
}

static void sim_stream_room(void *aux, struct peer *p)
{
    (void)aux;
    (void)p;
}

static void sim_joining(void *aux, uint32_t conn, int code)
{
    struct links_host *h = aux;

    h->last_conn = conn;
    h->joined = code;
}

static void sim_condition(void *aux, struct peer *p)
{
    struct links_host *h = aux;

    h->n_silences += p->silent;
    h->n_takes += !p->silent && !p->held;
    h->silence_changed = h->sim->now;
}

static void sim_bpdu(void *aux, struct peer *p, unsigned slot, const uint8_t *data,
                     size_t size)
{
    struct links_host *h = aux;

    (void)p;
    h->n_bpdus++;
    h->last_bpdu_slot = slot;
    h->last_bpdu_size = size;
    h->last_bpdu_byte = size ? data[0] : 0;
}

static const struct hub_ops ops = {
    sim_send,      sim_random,      sim_changed, sim_gone,      sim_attach, sim_detach,
    sim_stream_in, sim_stream_room, sim_joining, sim_condition, sim_bpdu};

static int64_t wall(const struct links_host *h)
{
    return WALL_START + h->sim->now + h->clock_skew;
}

/* --- hosts ------------------------------------------------------------------------------- */

void links_enrol(struct links *s, unsigned i)
{
    struct links_host *h = &s->hosts[i];
    struct cert_host cert = {.fabric = 5,
                             .host = (uint16_t)(i + 1),
                             .not_before = WALL_START / 1000000 - 10,
                             .not_after = WALL_START / 1000000 + CERT_HOST_LIFE};
    size_t size = 0;

    snprintf(cert.name, sizeof cert.name, "host-%u", i);
    memcpy(cert.noise_public, h->self.noise_public, 32);
    if (cert_host_sign(&cert, s->issuer_secret, s->issuer_cert, s->issuer_size,
                       h->self.chain, sizeof h->self.chain, &size) != 0)
        abort();
    h->self.chain_size = (uint16_t)size;
    h->self.host = h->number = cert.host;
    h->self.fabric = 5;
    memcpy(h->self.root, s->root, 32);
    hub_set_self(h->hub, &h->self, s->now);
}

struct links *links_new(unsigned n_hosts, uint64_t seed)
{
    struct links *s = xcalloc(1, sizeof *s);
    uint8_t seed_key[32] = {1}, issuer_public[32];
    struct cert_issuer issuer = {.fabric = 5,
                                 .not_before = WALL_START / 1000000 - 10,
                                 .not_after = WALL_START / 1000000 + CERT_ISSUER_LIFE};

    s->random = seed ? seed : 1;
    s->now = 1000000;
    s->n_hosts = n_hosts;
    crypto_sign_seed_keypair(s->root, s->root_secret, seed_key);
    seed_key[0] = 2;
    crypto_sign_seed_keypair(issuer_public, s->issuer_secret, seed_key);
    memcpy(issuer.sign_public, issuer_public, 32);
    if (cert_issuer_sign(&issuer, s->root_secret, s->issuer_cert, sizeof s->issuer_cert,
                         &s->issuer_size) != 0)
        abort();
    links_set_all(s, (struct links_path){.delay = MTIME_MS, .mtu = 1500});
    gather_init(&s->gather, xcalloc(1, GATHER_ROOM), GATHER_ROOM);
    for (unsigned i = 0; i < n_hosts; i++) {
        struct links_host *h = &s->hosts[i];

        h->sim = s;
        h->place = i;
        h->joined = 1;
        h->addr = (struct link_addr){
            .family = 4, .port = 4655, .addr = {10, 0, (uint8_t)(i >> 8), (uint8_t)i}};
        sim_random(h, h->self.noise_secret, 32);
        crypto_scalarmult_base(h->self.noise_public, h->self.noise_secret);
        h->hub = hub_new(&ops, h);
        hub_set_self(h->hub, &h->self, s->now);
    }
    return s;
}

void links_free(struct links *s)
{
    for (unsigned i = 0; i < s->n_hosts; i++)
        hub_free(s->hosts[i].hub, s->now);
    while (s->n_queue > 0)
        free(queue_pop(s).data);
    free(s->queue);
    free(s->gather.room);
    free(s->tape);
    free(s);
}

static void acquaint(struct links *s, unsigned at, unsigned of, bool dial)
{
    const struct links_host *h = &s->hosts[of];
    struct hub_peer_config c = {.host = h->number, .dial = dial, .n_addrs = 1};

    snprintf(c.name, sizeof c.name, "host-%u", of);
    memcpy(c.noise_public, h->self.noise_public, 32);
    c.addrs[0] = h->addr;
    hub_put_peer(s->hosts[at].hub, &c, s->now);
}

void links_acquaint(struct links *s, unsigned a, unsigned b, bool dial)
{
    acquaint(s, a, b, dial);
    acquaint(s, b, a, dial);
}

void links_mesh(struct links *s)
{
    for (unsigned i = 0; i < s->n_hosts; i++)
        links_enrol(s, i);
    for (unsigned i = 0; i < s->n_hosts; i++) {
        for (unsigned j = 0; j < i; j++)
            links_acquaint(s, i, j, true);
    }
}

void links_set_all(struct links *s, struct links_path path)
{
    for (unsigned i = 0; i < s->n_hosts; i++) {
        for (unsigned j = 0; j < s->n_hosts; j++)
            s->paths[i][j] = path;
    }
}

void links_set(struct links *s, unsigned a, unsigned b, struct links_path path)
{
    s->paths[a][b] = s->paths[b][a] = path;
}

void links_restart(struct links *s, unsigned i)
{
    struct links_host *h = &s->hosts[i];
    struct links_path saved[LINKS_HOSTS_MAX];

    /* It dies without a word. */
    memcpy(saved, s->paths[i], sizeof saved);
    for (unsigned j = 0; j < s->n_hosts; j++)
        s->paths[i][j].cut = true;
    hub_free(h->hub, s->now);
    memcpy(s->paths[i], saved, sizeof saved);
    h->hub = hub_new(&ops, h);
    hub_set_self(h->hub, &h->self, s->now);
    h->n_attached = 0;
}

/* --- time -------------------------------------------------------------------------------- */

static void hand_over(struct links *s)
{
    struct gather *g = &s->gather;

    gather_end(g);
    for (unsigned i = 0; s->on_frame && i < g->n; i++)
        s->on_frame(s->aux, &g->frames[i]);
    s->hosts[s->gathers].n_frames += g->n;
    gather_clear(g);
}

static void receive(struct links *s, const struct links_packet *p)
{
    struct links_host *h = &s->hosts[p->to];
    struct gather *g = &s->gather;
    struct hub_frame frame;
    bool good;

    if (s->gathers != p->to || !gather_has_room(g, p->size))
        hand_over(s);
    s->gathers = p->to;
    good = hub_input(h->hub, &s->hosts[p->from].addr, p->data, p->size, gather_place(g),
                     s->now, wall(h), &frame);
    gather_opened(g);
    for (; good; good = hub_more(h->hub, &frame)) {
        if (!gather_has_room(g, frame.size))
            hand_over(s);
        gather_add(g, &frame);
    }
}

static mtime_t next_event(const struct links *s)
{
    mtime_t due = s->n_queue > 0 ? s->queue[0].at : MTIME_NEVER;

    for (unsigned i = 0; i < s->n_hosts; i++)
        due = mtime_min(due, hub_deadline(s->hosts[i].hub));
    return due;
}

static void turn(struct links *s)
{
    while (s->n_queue > 0 && s->queue[0].at <= s->now) {
        struct links_packet p = queue_pop(s);

        receive(s, &p);
        free(p.data);
    }
    hand_over(s);
    for (unsigned i = 0; i < s->n_hosts; i++) {
        if (hub_deadline(s->hosts[i].hub) <= s->now)
            hub_run(s->hosts[i].hub, s->now, wall(&s->hosts[i]));
    }
}

static bool never(struct links *s)
{
    (void)s;
    return false;
}

mtime_t links_until(struct links *s, bool (*condition)(struct links *), mtime_t limit)
{
    mtime_t start = s->now, end = s->now + limit;

    for (;;) {
        mtime_t due = next_event(s);

        if (condition(s))
            return s->now - start;
        if (due > end) {
            s->now = end;
            return -1;
        }
        if (due > s->now)
            s->now = due;
        turn(s);
    }
}

void links_run(struct links *s, mtime_t for_)
{
    links_until(s, never, for_);
}

struct peer *links_peer(struct links *s, unsigned at, unsigned of)
{
    struct hub *h = s->hosts[at].hub;

    for (struct peer *p = hub_first(h); p; p = hub_next(h, p)) {
        if (memcmp(p->noise_public, s->hosts[of].self.noise_public, 32) == 0)
            return p;
    }
    return NULL;
}

bool links_all_up(struct links *s)
{
    for (unsigned i = 0; i < s->n_hosts; i++) {
        for (unsigned j = 0; j < s->n_hosts; j++) {
            const struct peer *p = i == j ? NULL : links_peer(s, i, j);

            if (i != j && (!p || !p->up))
                return false;
        }
    }
    return true;
}

bool links_frame(struct links *s, unsigned a, unsigned b, unsigned slot, size_t size)
{
    static uint8_t data[65536];
    struct peer *p = links_peer(s, a, b);
    struct inner in = {.type = INNER_FRAME, .source = s->hosts[a].number};
    size_t total;

    in.channel = hub_channel(p, slot);
    if (!in.channel || !p->current)
        return false;
    inner_write(&in, data + DATAGRAM_OUTER);
    memset(data + DATAGRAM_OUTER + DATAGRAM_INNER, 0x55, size);
    total = session_seal(p->current, data, DATAGRAM_INNER + size);
    peer_note_frames(p, s->now);
    return total > 0 && sim_send(&s->hosts[a], &p->addr, data, total) == 0;
}

bool links_super(struct links *s, unsigned a, unsigned b, unsigned slot,
                 const struct frame *f)
{
    static uint8_t data[65536];
    struct peer *p = links_peer(s, a, b);
    struct inner in = {.type = INNER_PIECE,
                       .channel = hub_channel(p, slot),
                       .source = s->hosts[a].number,
                       .tci = f->tci,
                       .gso_size = f->gso_size};
    uint8_t *body = data + DATAGRAM_OUTER + DATAGRAM_INNER;
    struct piece_plan plan;
    struct segmenter seg;
    struct piece piece;

    if (!p->current || !p->current->takes_pieces ||
        segment_init(&seg, f, UINT16_MAX, SEGMENT_OPEN_CSUM) < 0 ||
        !piece_plan_init(&plan, seg.left, seg.hdr_size, peer_payload_max(p)))
        return false;
    while (piece_next(&plan, &piece)) {
        in.index = piece.index;
        in.piece_at = piece.at;
        in.head_size = piece.has_head ? seg.hdr_size : 0;
        in.flags = piece.last ? INNER_LAST : 0;
        inner_write(&in, data + DATAGRAM_OUTER);
        memcpy(body, f->data + seg.hdr_size + piece.at, piece.size);
        if (piece.has_head)
            piece_head_write(&seg, body + piece.size);
        sim_send(
            &s->hosts[a], &p->addr, data,
            session_seal(p->current, data, DATAGRAM_INNER + piece.size + in.head_size));
    }
    peer_note_frames(p, s->now);
    return true;
}

void links_inject(struct links *s, unsigned from, unsigned to, const void *data,
                  size_t size)
{
    deliver_later(s, from, to, data, size);
}
