/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/conf/dhcp6.h"

#include <string.h>

#include "libioth/conf/dhcp6_message.h"

#define NOT_YET        (100 * MTIME_MS)
#define PAUSE          (1 * MTIME_SEC) /* After a refusal. */
#define REQUESTS_MAX   4u
#define REFRESH        86400u /* RFC 8415, 7.6: IRT_DEFAULT … */
#define REFRESH_MIN    600u   /* … and IRT_MINIMUM. */
#define T1_MIN         1u
#define LIFETIME_SCALE 10u

/* Retransmission (RFC 8415, 7.6 and 15), by state. */
static const struct {
    mtime_t first, last;
    enum dhcp6_type type;
} phases[] = {
    [DHCP6_SOLICITING] = {MTIME_SEC, 3600 * MTIME_SEC, DHCP6_SOLICIT},
    [DHCP6_REQUESTING] = {MTIME_SEC, 30 * MTIME_SEC, DHCP6_REQUEST},
    [DHCP6_RENEWING] = {10 * MTIME_SEC, 600 * MTIME_SEC, DHCP6_RENEW},
    [DHCP6_REBINDING] = {10 * MTIME_SEC, 600 * MTIME_SEC, DHCP6_REBIND},
    [DHCP6_INFORMING] = {MTIME_SEC, 3600 * MTIME_SEC, DHCP6_INFORMATION_REQUEST},
};

static void enter(struct dhcp6 *d, enum dhcp6_state state, mtime_t now)
{
    d->state = state;
    d->tries = 0;
    d->xid = d->ops->random(d->aux);
    d->began = d->next = now;
}

static void begin(struct dhcp6 *d, mtime_t now)
{
    enter(d, d->stateless ? DHCP6_INFORMING : DHCP6_SOLICITING, now);
}

void dhcp6_start(struct dhcp6 *d, mtime_t now)
{
    d->bound = false;
    begin(d, now);
}

static uint16_t elapsed(const struct dhcp6 *d, mtime_t now)
{
    mtime_t n = d->tries ? (now - d->began) / (10 * MTIME_MS) : 0;

    return n > UINT16_MAX ? UINT16_MAX : (uint16_t)n;
}

static bool say(struct dhcp6 *d, enum dhcp6_type type, mtime_t now)
{
    uint8_t message[DHCP6_MESSAGE_MAX];
    size_t size = dhcp6_encode(d, type, elapsed(d, now), message);

    return d->ops->send(d->aux, message, size);
}

void dhcp6_stop(struct dhcp6 *d)
{
    if (d->bound && d->answer.set.n_addrs) {
        d->xid = d->ops->random(d->aux);
        d->tries = 0;
        (void)say(d, DHCP6_RELEASE, 0);
    }
    d->state = DHCP6_OFF;
    d->bound = false;
}

void dhcp6_go_stateless(struct dhcp6 *d, mtime_t now)
{
    d->stateless = true;
    if (d->state == DHCP6_SOLICITING || d->state == DHCP6_REQUESTING)
        begin(d, now);
}

static void lose(struct dhcp6 *d, mtime_t now)
{
    bool had = d->bound;

    d->bound = false;
    begin(d, now);
    if (had)
        d->ops->changed(d->aux);
}

/* --- answers ------------------------------------------------------------------------------------ */

static void hold(struct dhcp6 *d, const struct dhcp6_answer *a)
{
    bool same = d->bound && memcmp(&a->set, &d->answer.set, sizeof a->set) == 0;

    d->answer = *a;
    d->bound = true;
    if (!same)
        d->ops->changed(d->aux);
}

static void hold_address(struct dhcp6 *d, struct dhcp6_answer *a, mtime_t now)
{
    uint32_t valid = a->valid_sec;

    /* Left to the client: half and four fifths (RFC 8415, 21.4). */
    if (a->t1_sec == 0 || a->t1_sec > valid)
        a->t1_sec = valid == CONF_FOR_EVER ? valid : valid / 2;
    if (a->t2_sec == 0 || a->t2_sec > valid)
        a->t2_sec = valid == CONF_FOR_EVER
                        ? valid
                        : (uint32_t)((uint64_t)valid * 8 / LIFETIME_SCALE);
    if (a->t1_sec < T1_MIN)
        a->t1_sec = T1_MIN;
    d->state = DHCP6_BOUND;
    d->t1 = conf_end_of(now, a->t1_sec);
    d->t2 = conf_end_of(now, a->t2_sec);
    d->end = conf_end_of(now, valid);
    d->next = d->t1;
    hold(d, a);
}

static void hold_information(struct dhcp6 *d, struct dhcp6_answer *a, mtime_t now)
{
    uint32_t refresh = a->refresh_sec ? a->refresh_sec : REFRESH;

    if (refresh < REFRESH_MIN)
        refresh = REFRESH_MIN;
    a->set.n_addrs = 0;
    d->state = DHCP6_INFORMED;
    d->next = conf_end_of(now, refresh);
    hold(d, a);
}

static void replied(struct dhcp6 *d, struct dhcp6_answer *a, mtime_t now)
{
    if (d->state == DHCP6_INFORMING) {
        hold_information(d, a, now);
    } else if (a->set.n_addrs && (d->state != DHCP6_SOLICITING || a->rapid)) {
        hold_address(d, a, now);
    } else if (a->status == DHCP6_NO_BINDING &&
               (d->state == DHCP6_RENEWING || d->state == DHCP6_REBINDING)) {
        /* It has forgotten us: is the address still to be had? */
        memcpy(d->answer.server, a->server, sizeof a->server);
        d->answer.server_size = a->server_size;
        enter(d, DHCP6_REQUESTING, now);
    } else if (d->state == DHCP6_SOLICITING) {
        enter(d, DHCP6_INFORMING, now);
    } else if (d->state == DHCP6_REQUESTING || a->status == DHCP6_NO_ADDRS) {
        lose(d, now);
        d->next = now + PAUSE;
    }
}

void dhcp6_input(struct dhcp6 *d, const void *data, size_t size, mtime_t now)
{
    struct dhcp6_answer a;
    int type;

    if (d->state == DHCP6_OFF || d->state == DHCP6_BOUND || d->state == DHCP6_INFORMED)
        return;
    type = dhcp6_decode(d, data, size, &a);
    if (type == DHCP6_REPLY) {
        replied(d, &a, now);
    } else if (type == DHCP6_ADVERTISE && d->state == DHCP6_SOLICITING) {
        if (a.set.n_addrs) {
            d->answer = a;
            enter(d, DHCP6_REQUESTING, now);
        } else {
            /* There are servers here, but no addresses; the rest may be had. */
            enter(d, DHCP6_INFORMING, now);
        }
    }
}

/* --- time --------------------------------------------------------------------------------------- */

mtime_t dhcp6_deadline(const struct dhcp6 *d)
{
    return d->state == DHCP6_OFF ? MTIME_NEVER : d->next;
}

/* One tenth more or less. */
static mtime_t about(struct dhcp6 *d, mtime_t span)
{
    mtime_t tenth = span / 10;

    return span - tenth + (mtime_t)(d->ops->random(d->aux) % (uint64_t)(2 * tenth + 1));
}

static void retransmit(struct dhcp6 *d, mtime_t now)
{
    if (!say(d, phases[d->state].type, now)) {
        d->next = now + NOT_YET;
        return;
    }
    d->wait = d->tries ? d->wait * 2 : phases[d->state].first;
    if (d->wait > phases[d->state].last)
        d->wait = phases[d->state].last;
    d->tries++;
    d->next = now + about(d, d->wait);
}

void dhcp6_run(struct dhcp6 *d, mtime_t now)
{
    if (now < dhcp6_deadline(d))
        return;
    if (d->state == DHCP6_INFORMED)
        enter(d, DHCP6_INFORMING, now);
    else if (d->state == DHCP6_BOUND)
        enter(d, DHCP6_RENEWING, now);
    if ((d->state == DHCP6_RENEWING || d->state == DHCP6_REBINDING) && now >= d->end)
        lose(d, now);
    else if (d->state == DHCP6_RENEWING && now >= d->t2)
        enter(d, DHCP6_REBINDING, now);
    else if (d->state == DHCP6_REQUESTING && d->tries == REQUESTS_MAX)
        lose(d, now);
    retransmit(d, now);
    if (d->state == DHCP6_RENEWING)
        d->next = mtime_min(d->next, d->t2);
    if (d->state == DHCP6_RENEWING || d->state == DHCP6_REBINDING)
        d->next = mtime_min(d->next, d->end);
}
