/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/conf/dhcp4.h"

#include <string.h>

#include "libioth/conf/dhcp4_message.h"

#define FIRST_RETRY  (1 * MTIME_SEC)
#define LAST_RETRY   (64 * MTIME_SEC)
#define REQUESTS_MAX 4u
#define RENEWALS     16               /* At most, from T1 to the end … */
#define RENEW_LEAST  (1 * MTIME_SEC)  /* … and at most so often. */
#define PAUSE        (1 * MTIME_SEC)  /* After a refusal. */
#define NOT_YET      (100 * MTIME_MS) /* The link cannot send. */

static uint16_t secs_since(mtime_t began, mtime_t now)
{
    mtime_t secs = (now - began) / MTIME_SEC;

    return secs > UINT16_MAX ? UINT16_MAX : (uint16_t)secs;
}

/* With one eighth more or less, so that many do not ask at the same moment. */
static mtime_t about(struct dhcp4 *d, mtime_t span)
{
    mtime_t eighth = span / 8;

    return span - eighth + (mtime_t)(d->ops->random(d->aux) % (uint64_t)(2 * eighth + 1));
}

static bool say(struct dhcp4 *d, enum dhcp4_type type, mtime_t now)
{
    uint8_t message[DHCP4_MESSAGE_MAX];
    bool have = d->state == DHCP4_RENEWING || d->state == DHCP4_REBINDING;
    size_t size = dhcp4_encode(d, type, d->state == DHCP4_REQUESTING, have,
                               secs_since(d->began, now), message);

    return d->ops->send(d->aux, message, size,
                        d->state == DHCP4_RENEWING ? d->lease.server : NULL);
}

static void enter(struct dhcp4 *d, enum dhcp4_state state, mtime_t now)
{
    d->state = state;
    d->tries = 0;
    d->next = now;
}

static void begin(struct dhcp4 *d, mtime_t now)
{
    d->xid = d->ops->random(d->aux);
    d->began = now;
    enter(d, DHCP4_SELECTING, now);
}

void dhcp4_start(struct dhcp4 *d, mtime_t now)
{
    d->bound = false;
    begin(d, now);
}

static void lose(struct dhcp4 *d, mtime_t now)
{
    bool had = d->bound;

    d->bound = false;
    begin(d, now);
    if (had)
        d->ops->changed(d->aux);
}

void dhcp4_stop(struct dhcp4 *d)
{
    uint8_t message[DHCP4_MESSAGE_MAX];

    d->state = DHCP4_OFF;
    if (d->bound) {
        size_t size;

        d->xid = d->ops->random(d->aux);
        size = dhcp4_encode(d, DHCP4_RELEASE, false, true, 0, message);
        (void)d->ops->send(d->aux, message, size, d->lease.server);
    }
    d->bound = false;
}

/* --- a lease ------------------------------------------------------------------------------------ */

static void set_times(struct dhcp4 *d)
{
    uint32_t lease = d->lease.lease_sec, t1 = d->lease.t1_sec, t2 = d->lease.t2_sec;

    if (lease == CONF_FOR_EVER) {
        d->t1 = d->t2 = d->end = MTIME_NEVER;
        return;
    }
    if (t2 == 0 || t2 > lease)
        t2 = (uint32_t)((uint64_t)lease * 7 / 8);
    if (t1 == 0 || t1 > t2)
        t1 = lease / 2 < t2 ? lease / 2 : t2;
    /* From when it was asked for: the server counts from no earlier. */
    d->t1 = d->asked + t1 * MTIME_SEC;
    d->t2 = d->asked + t2 * MTIME_SEC;
    d->end = d->asked + lease * MTIME_SEC;
}

static void bind_lease(struct dhcp4 *d, const struct dhcp4_offer *o)
{
    bool same = d->bound && memcmp(&o->set, &d->lease.set, sizeof o->set) == 0;

    d->lease = *o;
    d->bound = true;
    set_times(d);
    d->state = DHCP4_BOUND;
    d->next = d->t1;
    if (!same)
        d->ops->changed(d->aux);
}

void dhcp4_input(struct dhcp4 *d, const void *data, size_t size, mtime_t now)
{
    struct dhcp4_offer o;
    int type;

    if (d->state == DHCP4_OFF || d->state == DHCP4_BOUND)
        return;
    type = dhcp4_decode(d, data, size, &o);
    if (type == DHCP4_OFFER && d->state == DHCP4_SELECTING) {
        d->lease = o;
        enter(d, DHCP4_REQUESTING, now);
        dhcp4_run(d, now);
    } else if (type == DHCP4_ACK && d->state != DHCP4_SELECTING) {
        bind_lease(d, &o);
    } else if (type == DHCP4_NAK && d->state != DHCP4_SELECTING &&
               (d->state == DHCP4_REBINDING || memcmp(o.server, d->lease.server, 4) == 0)) {
        lose(d, now);
        d->next = now + PAUSE;
    }
}

/* --- time --------------------------------------------------------------------------------------- */

mtime_t dhcp4_deadline(const struct dhcp4 *d)
{
    return d->state == DHCP4_OFF ? MTIME_NEVER : d->next;
}

static mtime_t backed_off(const struct dhcp4 *d)
{
    mtime_t span = FIRST_RETRY << (d->tries > 6 ? 6 : d->tries);

    return span > LAST_RETRY ? LAST_RETRY : span;
}

/* Without a lease: again and again, slower and slower. */
static void ask(struct dhcp4 *d, mtime_t now)
{
    bool selecting = d->state == DHCP4_SELECTING;

    if (!selecting && d->tries == REQUESTS_MAX) {
        begin(d, now);
        selecting = true;
    }
    if (!selecting)
        d->asked = now;
    if (!say(d, selecting ? DHCP4_DISCOVER : DHCP4_REQUEST, now)) {
        d->next = now + NOT_YET;
        return;
    }
    d->next = now + about(d, backed_off(d));
    d->tries++;
}

/* With one: at half of the time that is left, each time, down to a share of it all. */
static void renew(struct dhcp4 *d, mtime_t now)
{
    mtime_t limit, step, least;

    if (now >= d->end) {
        lose(d, now);
        return;
    }
    if (d->state == DHCP4_BOUND) {
        d->xid = d->ops->random(d->aux);
        d->began = now;
        enter(d, DHCP4_RENEWING, now);
    }
    if (d->state == DHCP4_RENEWING && now >= d->t2)
        enter(d, DHCP4_REBINDING, now);
    limit = d->state == DHCP4_RENEWING ? d->t2 : d->end;
    d->asked = now;
    (void)say(d, DHCP4_REQUEST, now);
    step = (limit - now) / 2;
    least = (d->end - d->t1) / RENEWALS;
    if (step < least)
        step = least;
    d->next = mtime_min(now + (step < RENEW_LEAST ? RENEW_LEAST : step), limit);
}

void dhcp4_run(struct dhcp4 *d, mtime_t now)
{
    if (now < dhcp4_deadline(d))
        return;
    switch (d->state) {
    case DHCP4_OFF:
        break;
    case DHCP4_SELECTING:
    case DHCP4_REQUESTING:
        ask(d, now);
        break;
    case DHCP4_BOUND:
    case DHCP4_RENEWING:
    case DHCP4_REBINDING:
        renew(d, now);
        break;
    }
    if (d->state == DHCP4_SELECTING && d->next <= now)
        ask(d, now);
}
