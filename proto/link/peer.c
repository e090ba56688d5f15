/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One peer: association, liveness, probes. Handshakes are in hub_handshake.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/link/hub_internal.h"

#define PROBE_MIN       (50 * MTIME_MS)
#define PROBE_IDLE      (5 * MTIME_SEC)
#define ACTIVE_FOR      MTIME_SEC /* After the last frame. */
#define SILENT_PROBES   3 /* So many times the interval of probes, and a peer is silent. */
#define UNANSWERED_MAX  5u
#define SILENCE_MAX     MTIME_SEC
#define FULL_EVERY      (5 * MTIME_SEC)
#define MOVED_EVERY     MTIME_SEC
#define ANSWER_MIN      (300 * MTIME_MS)
#define UNCONFIRMED_MAX (10 * MTIME_SEC)
#define JOIN_MAX        (15 * MTIME_SEC)
#define STRANGER_QUIET  (60 * MTIME_SEC)
#define RESPONDER_LATER (10 * MTIME_SEC)
#define BODY_MAX        (PATH_MTU_MAX - DATAGRAM_UNDER4 - DATAGRAM_OVERHEAD)

static mtime_t probe_interval(const struct peer *p)
{
    mtime_t path = p->srtt + 4 * p->rttvar;

    return path > PROBE_MIN ? path : PROBE_MIN;
}

static mtime_t answer_wait(const struct peer *p)
{
    mtime_t wait = 3 * (p->srtt + 4 * p->rttvar);

    return wait > ANSWER_MIN ? wait : ANSWER_MIN;
}

static size_t under(const struct peer *p)
{
    return p->addr.family == 4 ? DATAGRAM_UNDER4 : DATAGRAM_UNDER6;
}

size_t peer_payload_max(const struct peer *p)
{
    return p->path.mtu - under(p) - DATAGRAM_OVERHEAD;
}

/* --- sending ----------------------------------------------------------------------------- */

static int send_inner(struct peer *p, const struct inner *in, const void *body, size_t size,
                      size_t pad)
{
    uint8_t data[DATAGRAM_OVERHEAD + BODY_MAX];
    size_t total;

    if (!p->current || p->addr.family == 0 || size + pad > BODY_MAX)
        return -ENOTCONN;
    inner_write(in, data + DATAGRAM_OUTER);
    memcpy(data + DATAGRAM_OUTER + DATAGRAM_INNER, body, size);
    memset(data + DATAGRAM_OUTER + DATAGRAM_INNER + size, 0, pad);
    total = session_seal(p->current, data, DATAGRAM_INNER + size + pad);
    if (total == 0)
        return -ENOTCONN;
    p->counters.tx_datagrams++;
    p->counters.tx_bytes += total;
    return p->hub->ops->send(p->hub->aux, &p->addr, data, total);
}

bool peer_send(struct peer *p, const struct inner *in, const void *body, size_t size)
{
    return send_inner(p, in, body, size, 0) == 0;
}

void peer_probe(struct peer *p, uint16_t ip_size, mtime_t now)
{
    struct inner in = {.type = INNER_PROBE, .source = p->hub->self.host};
    size_t least = under(p) + DATAGRAM_OVERHEAD + 8;
    uint8_t clock[8];
    struct wr w = wr_init(clock, sizeof clock);

    wr_u64(&w, (uint64_t)now);
    if (send_inner(p, &in, clock, sizeof clock, ip_size > least ? ip_size - least : 0) ==
        -EMSGSIZE)
        hub_too_big(p, ip_size, now);
}

void peer_close(struct peer *p)
{
    struct inner in = {.type = INNER_CLOSE, .source = p->hub->self.host};

    peer_send(p, &in, "", 0);
}

/* --- streams ----------------------------------------------------------------------------- */

static void stream_transmit(struct peer *p, uint16_t number, const uint8_t *data,
                            size_t size)
{
    struct inner in = {
        .type = INNER_CONTROL, .channel = number, .source = p->hub->self.host};

    if (p->up)
        peer_send(p, &in, data, size);
}

static void link_transmit(void *aux, const uint8_t *data, size_t size)
{
    stream_transmit(aux, PEER_STREAM_LINK, data, size);
}

static bool link_message(void *aux, const uint8_t *data, size_t size)
{
    channel_input(aux, data, size);
    return true;
}

static void link_room(void *aux)
{
    struct peer *p = aux;

    p->announce_later = true;
    hub_soon(p->hub, 0);
}

static void control_transmit(void *aux, const uint8_t *data, size_t size)
{
    stream_transmit(aux, PEER_STREAM_CONTROL, data, size);
}

static bool control_message(void *aux, const uint8_t *data, size_t size)
{
    struct peer *p = aux;

    return p->hub->ops->stream_in(p->hub->aux, p, data, size);
}

static void control_room(void *aux)
{
    struct peer *p = aux;

    p->hub->ops->stream_room(p->hub->aux, p);
}

static const struct stream_ops stream_ops[PEER_STREAM_N] = {
    [PEER_STREAM_LINK] = {link_transmit, link_message, link_room},
    [PEER_STREAM_CONTROL] = {control_transmit, control_message, control_room},
};

/* --- associations ------------------------------------------------------------------------ */

/* Streams and channels begin anew, under another conn. */
static void association_reset(struct peer *p)
{
    channel_reset(p);
    for (unsigned i = 0; i < PEER_STREAM_N; i++)
        stream_reset(&p->streams[i]);
    if (p->kind != PEER_INVITER)
        p->conn = ++p->hub->next_conn | (uint32_t)1 << 31;
}

void peer_begin(struct peer *p, mtime_t now)
{
    if (!p->streams[0].ops) {
        for (unsigned i = 0; i < PEER_STREAM_N; i++)
            stream_init(&p->streams[i], &stream_ops[i], p);
    }
    association_reset(p);
    p->instance = hub_random64(p->hub);
    p->remote_instance = 0;
    p->rekey_at = p->check_at = MTIME_NEVER;
    path_init(&p->path, now);
    path_stop(&p->path);
}

void peer_session_free(struct peer *p, struct session **s)
{
    if (!*s)
        return;
    hub_index_free(p->hub, (*s)->index);
    session_free(*s);
    *s = NULL;
}

void peer_set_next(struct peer *p, struct session *s)
{
    peer_session_free(p, &p->next);
    p->next = s;
    hub_soon(p->hub, s->born + UNCONFIRMED_MAX);
}

/* --- damping ----------------------------------------------------------------------------- */

/* Not by an end that was said. */
static void lose(struct peer *p, mtime_t now)
{
    if (p->up && p->kind == PEER_MEMBER)
        damping_lost(&p->damping, now);
}

static void come_back(struct peer *p, mtime_t now)
{
    mtime_t lasts = damping_back(&p->damping, now);

    p->held = damping_held(&p->damping, now);
    if (p->held)
        hub_soon(p->hub, p->damping.until);
    if (lasts > 0)
        (void)channel_hold(p, lasts, now);
}

/* What is held begins or ends with time, or by the other end's word. */
static void damping_settle(struct peer *p, mtime_t now)
{
    if (p->told_held)
        damping_told(&p->damping, p->told_held * MTIME_SEC, now);
    p->told_held = 0;
    if (p->held == damping_held(&p->damping, now))
        return;
    p->held = !p->held;
    if (!p->up)
        return;
    p->hub->ops->condition(p->hub->aux, p);
    p->hub->ops->peer_changed(p->hub->aux, p);
}

/* --- up and down ------------------------------------------------------------------------- */

static void set_up(struct peer *p, mtime_t now)
{
    p->up = true;
    p->last_rx = p->quiet_since = p->last_use = p->attentive_since = now;
    p->unanswered = 0;
    p->silent = false;
    p->idle_interval = PROBE_MIN;
    p->check_at = now + PROBE_MIN;
    p->full_probe = false;
    p->full_probe_at = now + FULL_EVERY;
    path_init(&p->path, now);
    come_back(p, now);
    if (p->kind == PEER_INVITER) {
        p->joined = true;
        p->hub->ops->joining(p->hub->aux, p->conn, 0);
    } else {
        p->hub->ops->peer_changed(p->hub->aux, p);
    }
    if (p->kind == PEER_MEMBER)
        channel_sync(p, now);
}

void peer_promote(struct peer *p, struct session *s, mtime_t now)
{
    if (p->next == s)
        p->next = NULL;
    peer_session_free(p, &p->previous);
    p->previous = p->current;
    p->current = s;
    if (p->remote_instance != s->remote_instance) {
        peer_session_free(p, &p->previous);
        if (p->up) {
            lose(p, now);
            p->up = false;
            channel_reset(p);
            p->hub->ops->peer_changed(p->hub->aux, p);
        }
        association_reset(p);
        p->remote_instance = s->remote_instance;
    }
    p->rekey_at = s->born + SESSION_REKEY_AFTER;
    if (!s->initiator) /* So that not both begin; with some scatter for safety. */
        p->rekey_at += RESPONDER_LATER + (mtime_t)(hub_random64(p->hub) % 5000000);
    handshake_abort(p);
    p->counters.handshakes++;
    if (!p->up)
        set_up(p, now);
    hub_soon(p->hub, now);
}

void peer_down(struct peer *p, bool tell, mtime_t now)
{
    bool was_up = p->up;

    if (tell && p->current)
        peer_close(p);
    p->up = false;
    channel_reset(p);
    if (was_up)
        p->hub->ops->peer_changed(p->hub->aux, p);
    peer_session_free(p, &p->current);
    peer_session_free(p, &p->previous);
    peer_session_free(p, &p->next);
    handshake_abort(p);
    peer_begin(p, now);
    p->hs.attempts = 0;
    p->hs.due = p->dial ? now : MTIME_NEVER;
    fragments_drop_peer(p->hub->fragments, p->id);
    pieces_drop_peer(p->hub->pieces, p->id);
    hub_soon(p->hub, now);
}

/* --- liveness ---------------------------------------------------------------------------- */

/* Not for each datagram of a peer that moves with every one. */
static void moved_tell(struct peer *p, mtime_t now)
{
    if (!p->moved || !p->up || now < p->moved_told + MOVED_EVERY)
        return;
    p->moved = false;
    p->moved_told = now;
    p->hub->ops->peer_changed(p->hub->aux, p);
}

void peer_heard(struct peer *p, const struct link_addr *from, bool newest, mtime_t now)
{
    p->last_rx = p->quiet_since = now;
    p->unanswered = 0;
    if (p->silent) {
        p->silent = false;
        come_back(p, now);
        p->hub->ops->condition(p->hub->aux, p);
        if (p->held)
            p->hub->ops->peer_changed(p->hub->aux, p);
    }
    if (newest && !link_addr_equal(from, &p->addr)) {
        p->addr = *from;
        p->moved = true;
        moved_tell(p, now);
    }
}

void peer_note_frames(struct peer *p, mtime_t now)
{
    p->last_frame = now;
    if (p->up && p->idle_interval > PROBE_MIN) {
        p->idle_interval = PROBE_MIN;
        p->check_at = mtime_min(p->check_at, now + probe_interval(p));
        hub_soon(p->hub, p->check_at);
    }
}

static void full_probe(struct peer *p, mtime_t now)
{
    p->full_probe_at = now + FULL_EVERY;
    p->full_probe = p->path.mtu > DATAGRAM_MTU_MIN;
    p->full_sent = now;
    peer_probe(p, p->path.mtu, now);
}

/* A full-sized probe stayed unanswered although the peer was heard since. */
static void full_check(struct peer *p, mtime_t now)
{
    if (!p->full_probe || now - p->full_sent < answer_wait(p))
        return;
    p->full_probe = false;
    if (p->last_rx > p->full_sent) {
        p->full_probe_at = now;
        if (path_unheard(&p->path, now))
            p->hub->ops->peer_changed(p->hub->aux, p);
    }
}

/*
 * While frames flow, a peer that lets three intervals of probes pass (150 ms on a LAN) is silent: a
 * spanning tree leaves the link at once, and comes back when the peer is heard. The session itself waits
 * longer before it ends.
 */
static void silence_check(struct peer *p, mtime_t now)
{
    mtime_t since = p->last_rx > p->attentive_since ? p->last_rx : p->attentive_since;

    if (p->silent || p->unanswered + 1 < SILENT_PROBES ||
        now - since < SILENT_PROBES * probe_interval(p))
        return;
    p->silent = true;
    lose(p, now);
    p->hub->ops->condition(p->hub->aux, p);
}

static void liveness_run(struct peer *p, mtime_t now)
{
    bool active = now - p->last_frame < ACTIVE_FOR;
    mtime_t interval = active || p->unanswered > 0 ? probe_interval(p) : p->idle_interval;
    mtime_t due = (p->probe_sent > p->last_rx ? p->probe_sent : p->last_rx) + interval;

    moved_tell(p, now);
    full_check(p, now);
    if (active)
        silence_check(p, now);
    if (active && now >= p->full_probe_at && p->unanswered == 0)
        full_probe(p, now); /* Also keeps the round-trip time fresh under one-way load. */
    if (now < due) {
        p->check_at = active && p->unanswered == 0 ? mtime_min(due, p->full_probe_at) : due;
        if (p->full_probe)
            p->check_at = mtime_min(p->check_at, p->full_sent + answer_wait(p));
        if (p->check_at <= now)
            p->check_at = now + MTIME_MS;
        return;
    }
    if (p->unanswered >= UNANSWERED_MAX && now - p->quiet_since >= SILENCE_MAX) {
        lose(p, now);
        peer_down(p, false, now);
        return;
    }
    p->idle_interval = active || p->unanswered > 0
                           ? probe_interval(p)
                           : mtime_min(2 * p->idle_interval, PROBE_IDLE);
    p->probe_sent = now;
    p->check_at = now + probe_interval(p);
    if (p->unanswered++ == 0 && now >= p->full_probe_at)
        full_probe(p, now);
    else
        peer_probe(p, 0, now);
}

void peer_probe_input(struct peer *p, const uint8_t *data, size_t size, mtime_t now)
{
    struct inner in = {.type = INNER_PROBE_REPLY, .source = p->hub->self.host};
    struct cur c = cur_init(data, size);
    uint64_t clock = cur_u64(&c);
    uint8_t body[10];
    struct wr w = wr_init(body, sizeof body);

    (void)now;
    wr_u64(&w, clock);
    wr_u16(&w, (uint16_t)(size + DATAGRAM_OVERHEAD));
    if (!c.bad)
        peer_send(p, &in, body, sizeof body);
}

static void measure(struct peer *p, mtime_t rtt)
{
    mtime_t delta = rtt > p->srtt ? rtt - p->srtt : p->srtt - rtt;

    if (p->srtt == 0) {
        p->srtt = rtt > 0 ? rtt : 1;
        p->rttvar = rtt / 2;
        return;
    }
    p->rttvar += (delta - p->rttvar) / 4;
    p->srtt += (rtt - p->srtt) / 8;
}

void peer_probe_reply_input(struct peer *p, const uint8_t *data, size_t size, mtime_t now)
{
    struct cur c = cur_init(data, size);
    uint64_t clock = cur_u64(&c);
    size_t ip_size = cur_u16(&c) + under(p);
    mtime_t rtt;

    if (c.bad || clock > (uint64_t)now || ip_size > PATH_MTU_MAX)
        return;
    rtt = now - (mtime_t)clock;
    if (rtt > 60 * MTIME_SEC)
        return;
    measure(p, rtt);
    if (ip_size >= p->path.mtu)
        p->full_probe = false;
    if (path_answered(&p->path, (uint16_t)ip_size, now) && p->up)
        p->hub->ops->peer_changed(p->hub->aux, p);
    hub_soon(p->hub, p->path.due);
}

/* --- time -------------------------------------------------------------------------------- */

static mtime_t expiry(const struct session *s, mtime_t life)
{
    return s ? s->born + life : MTIME_NEVER;
}

/* When a peer that nobody has listed goes, unless it is heard. */
static mtime_t gone_at(const struct peer *p)
{
    if (p->kind == PEER_INVITER && !p->up)
        return p->joined ? p->created : p->created + JOIN_MAX;
    if (p->kind != PEER_MEMBER && p->up)
        return p->last_use + STRANGER_QUIET;
    if (!p->up && !p->listed)
        return p->created + UNCONFIRMED_MAX;
    return MTIME_NEVER;
}

mtime_t peer_deadline(const struct peer *p)
{
    mtime_t due = mtime_min(p->hs.due, p->rekey_at);

    due = mtime_min(due, mtime_min(p->check_at, p->path.due));
    due = mtime_min(due, expiry(p->current, SESSION_LIFE));
    due = mtime_min(due, expiry(p->previous, SESSION_LIFE));
    due = mtime_min(due, expiry(p->next, UNCONFIRMED_MAX));
    due = mtime_min(due, gone_at(p));
    for (unsigned i = 0; p->up && i < PEER_STREAM_N; i++)
        due = mtime_min(due, stream_deadline(&p->streams[i]));
    if (p->held)
        due = mtime_min(due, p->damping.until);
    return (p->announce_later && p->up) || p->told_held ? 0 : due;
}

static void sessions_run(struct peer *p, mtime_t now)
{
    if (now >= expiry(p->previous, SESSION_LIFE))
        peer_session_free(p, &p->previous);
    if (now >= expiry(p->next, UNCONFIRMED_MAX))
        peer_session_free(p, &p->next);
    if (now >= expiry(p->current, SESSION_LIFE) ||
        (p->current && p->current->counter >= SESSION_COUNT_MAX)) {
        lose(p, now);
        peer_down(p, false, now);
    }
    if (now >= p->rekey_at ||
        (p->current && p->current->counter >= SESSION_REKEY_COUNT && !p->hs.under_way)) {
        p->rekey_at = MTIME_NEVER;
        p->hs.attempts = 0;
        p->hs.due = now;
    }
    if (now >= p->hs.due)
        handshake_start(p, now);
}

static bool gone_run(struct peer *p, mtime_t now)
{
    if (now < gone_at(p))
        return false;
    if (p->kind == PEER_INVITER && !p->joined)
        p->hub->ops->joining(p->hub->aux, p->conn, -ETIMEDOUT);
    peer_down(p, true, now);
    hub_peer_free(p);
    return true;
}

/* It does not keep to the protocol: the association ends, and may begin anew. */
static void broken_run(struct peer *p, mtime_t now)
{
    bool broken = false;

    for (unsigned i = 0; i < PEER_STREAM_N; i++)
        broken = broken || p->streams[i].broken;
    if (!broken || !p->up)
        return;
    p->counters.rx_bad++;
    lose(p, now);
    peer_down(p, true, now);
    if (p->dial)
        p->hs.due = now + MTIME_SEC;
}

bool peer_run(struct peer *p, mtime_t now)
{
    if (gone_run(p, now))
        return false;
    broken_run(p, now);
    sessions_run(p, now);
    damping_settle(p, now);
    if (!p->up)
        return true;
    if (now >= p->check_at)
        liveness_run(p, now);
    if (p->up && now >= p->path.due) {
        uint16_t size = path_run(&p->path, now, answer_wait(p));

        if (size)
            peer_probe(p, size, now);
    }
    if (p->up && p->announce_later)
        channel_sync(p, now);
    for (unsigned i = 0; p->up && i < PEER_STREAM_N; i++)
        stream_run(&p->streams[i], now);
    return true;
}
