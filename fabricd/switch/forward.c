/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One pass over the burst decides for each frame and puts it on the pending list of every port
 * that it leaves by; a second pass over the ports that got something hands each its vector. So a
 * port is called once per burst, and per-port costs (system calls, ring indices, doorbells) are
 * paid once.
 */
#include <assert.h>
#include <string.h>

#include "fabricd/switch/qos.h"
#include "fabricd/switch/switch_internal.h"
#include "proto/wire/bytes.h"
#include "proto/wire/mac.h"

#define LEARN_AGAIN MTIME_SEC
#define FIND_FRAMES 4u /* In a burst of fewer each frame looks for itself. */

static struct swport *port_of(struct fdb_port *p)
{
    return p ? list_entry(p, struct swport, fdb) : NULL;
}

static bool is_too_big(const struct switch_ *sw, const struct frame *f)
{
    uint32_t most = sw->config.mtu + 18;

    if (f->gso == FRAME_GSO_NONE)
        return f->size > most;
    return f->size > FRAME_SUPER_MAX || (uint32_t)f->hdr_size + f->gso_size > most;
}

/* The set of the frame's VLAN; counts what came in before it. */
static void enter_vlan(struct burst *b, uint16_t vid)
{
    const struct vlan *vlan = &b->sw->vlans[vid];

    if (b->n_vlan) {
        struct switch_vlan *left = &b->sw->vlans[b->vid].counters;

        left->rx_frames += b->n_vlan;
        left->rx_bytes += b->vlan_bytes;
        b->n_vlan = b->vlan_bytes = 0;
    }
    b->vid = vid;
    b->set = vlan->set ? vlan->set : b->sw->nobody;
}

/* A frame to a group: the bridge protocols' own never go further. */
static enum swport_drop admit_group(const struct burst *b, const struct frame *f)
{
    bool reserved = mac_is_reserved(f->data);
    const struct switch_trap *trap = b->in->pinned ? NULL : b->sw->trap;

    if (!reserved && (!trap || !mac_is_loop_probe(f->data)))
        return FORWARD;
    if (trap && trap->take(trap->aux, b->in, f, b->now))
        return TAKEN;
    return reserved ? SWPORT_DROP_RESERVED : FORWARD;
}

static enum swport_drop guard(struct burst *b, struct frame *f)
{
    const struct swport *in = b->in;

    if (in->pinned && !guard_allows(in, f)) {
        notice(b, SWPORT_NOTICE_SPOOF, f->data + MAC_SIZE, f->tci & FRAME_TCI_VID);
        return SWPORT_DROP_SOURCE;
    }
    if (in->set.guards && !guard_lets_in(in, f)) {
        notice(b, SWPORT_NOTICE_GUARD, f->data + MAC_SIZE, f->tci & FRAME_TCI_VID);
        return SWPORT_DROP_GUARD;
    }
    if (!police_allows(b, f))
        return SWPORT_DROP_POLICED;
    qos_mark(&in->set, f);
    return FORWARD;
}

/* The last answer is good until something changed, or the entry wants to be heard again. */
static inline bool is_known(const struct burst *b, uint64_t key)
{
    const struct swport *in = b->in;

    return key == in->last.src && in->last.src_version == fdb_version(b->sw->fdb) &&
           b->now < in->last.src_until;
}

/* Whoever claims to be an end station is believed until a frame comes of somebody behind it. */
static void end_station(struct burst *b)
{
    const struct switch_trap *trap = b->sw->trap;

    b->in->station = false;
    if (trap && trap->no_station)
        trap->no_station(trap->aux, b->in, b->now);
}

static enum swport_drop learn(struct burst *b, const struct frame *f, uint64_t key)
{
    struct swport *in = b->in;
    enum fdb_heard heard;

    if (in->station && !mac_equal(f->data + MAC_SIZE, in->pin_mac))
        end_station(b);
    if (place_denies(in, f))
        return SWPORT_DROP_ELSEWHERE;
    heard = fdb_learn(b->sw->fdb, key, b->src_at, &in->fdb, b->now);
    if (heard == FDB_HEARD) {
        in->last.src = key;
        in->last.src_version = fdb_version(b->sw->fdb);
        in->last.src_until = b->now + LEARN_AGAIN;
        return FORWARD;
    }
    if (heard == FDB_FLAPPED)
        in->noticed[SWPORT_NOTICE_FLAP] = 0; /* Each MAC is told of. */
    if (heard != FDB_DAMPED)
        notice(b, heard == FDB_LIMIT ? SWPORT_NOTICE_MACS : SWPORT_NOTICE_FLAP,
               f->data + MAC_SIZE, f->tci & FRAME_TCI_VID);
    return heard == FDB_LIMIT ? SWPORT_DROP_MACS : SWPORT_DROP_FLAP;
}

/* The port does not forward, or is not in the frame's VLAN. */
static enum swport_drop refuse(struct burst *b, const struct frame *f)
{
    if (b->in->is_mirror)
        return SWPORT_DROP_BLOCKED;
    if (b->in->state == SWPORT_FORWARDING || !switch_is_member(b->in, b->vid))
        return SWPORT_DROP_VLAN;
    if (b->in->state == SWPORT_LEARNING)
        (void)learn(b, f, fdb_key(f->data + MAC_SIZE, b->vid));
    return SWPORT_DROP_BLOCKED;
}

/* The common cases at once: no VLANs, or an untagged frame of an access port. */
static enum swport_drop classify(struct switch_ *sw, const struct swport *in,
                                 struct frame *f)
{
    if (!sw->config.vlan_aware)
        return f->tci & FRAME_TCI_VID ? SWPORT_DROP_VLAN : FORWARD;
    if (in->set.vlan && !vlan_is_tagged(f)) {
        f->tci = in->set.vlan;
        return FORWARD;
    }
    return vlan_classify(sw, in, f);
}

/* What the ingress has to say about the frame. */
static enum swport_drop admit(struct burst *b, struct frame *f)
{
    enum swport_drop verdict = FORWARD;
    uint64_t key;
    uint16_t vid;

    if (f->size < FRAME_SIZE_MIN || mac_is_group(f->data + MAC_SIZE))
        return SWPORT_DROP_MALFORMED;
    if (is_too_big(b->sw, f))
        return SWPORT_DROP_TOO_BIG;
    if (f->data[0] & 1)
        verdict = admit_group(b, f);
    if (verdict == FORWARD)
        verdict = classify(b->sw, b->in, f);
    if (verdict != FORWARD)
        return verdict;
    vid = f->tci & FRAME_TCI_VID;
    if (vid != b->vid)
        enter_vlan(b, vid);
    if (!set_has(b->set, b->in->index))
        return refuse(b, f);
    if (b->in->watched)
        verdict = guard(b, f);
    key = fdb_key(f->data + MAC_SIZE, vid);
    return verdict == FORWARD && !is_known(b, key) ? learn(b, f, key) : verdict;
}

static struct swport *look_up(struct burst *b, const struct frame *f, uint16_t vid)
{
    struct swport *in = b->in;
    uint64_t key = fdb_key(f->data, vid);

    if (key == in->last.dst && in->last.dst_version == fdb_version(b->sw->fdb))
        return in->last.dst_port;
    in->last.dst = key;
    in->last.dst_version = fdb_version(b->sw->fdb);
    in->last.dst_port = port_of(fdb_lookup(b->sw->fdb, key, b->dst_at));
    return in->last.dst_port;
}

/* What the frame takes of a port's room, cut into segments where the port wants that. */
static size_t room_of(const struct frame *f)
{
    uint32_t segments = f->gso ? f->size / f->gso_size + 1u : 1u;
    size_t need = f->size + segments * (SWPORT_ROOM_FRAME + (size_t)f->hdr_size);

    /* A port with room for this much is not full: whoever waited for more could wait forever. */
    return need < FRAME_SUPER_MAX ? need : FRAME_SUPER_MAX;
}

static void touch(struct burst *b, struct swport *port)
{
    if (!list_empty(&port->dirty_link))
        return;
    list_append(&b->dirty, &port->dirty_link);
    if (b->held && port->ops->room)
        port->room_left = port->ops->room(port);
}

static void enqueue(struct burst *b, struct swport *port, struct frame *f)
{
    touch(b, port);
    port->pending |= b->bit;
    if (b->held && port->ops->room) {
        size_t need = room_of(f);

        port->room_left -= need < port->room_left ? need : port->room_left;
    }
}

static bool is_kept_apart(const struct swport *port, const struct frame *f)
{
    return f->flags & FRAME_ISOLATED && port->set.isolated;
}

/* What is left to ask of a port that is in the VLAN and forwards. */
static bool may_leave_by(const struct burst *b, const struct swport *port,
                         const struct frame *f)
{
    return port != b->in && (!port->horizon || port->horizon != b->in->horizon) &&
           !is_kept_apart(port, f);
}

/* Its only destination does not get it. */
static void withhold(struct burst *b, const struct frame *f, const struct swport *port)
{
    if (port == b->in || !set_has(b->set, port->index) || !is_kept_apart(port, f)) {
        b->in->counters.rx_drops[SWPORT_DROP_NOWHERE]++;
        return;
    }
    b->in->counters.rx_drops[SWPORT_DROP_ISOLATED]++;
    notice(b, SWPORT_NOTICE_ISOLATED, f->data + MAC_SIZE, b->vid);
}

static enum swport_flood flood_sort(const struct frame *f)
{
    static const uint8_t broadcast[MAC_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    if (!mac_is_group(f->data))
        return SWPORT_UNKNOWN;
    return mac_equal(f->data, broadcast) ? SWPORT_BROADCAST : SWPORT_MULTICAST;
}

/* The port of who is asked for by a request that goes to a group; NULL = to all. */
static struct swport *asked_port(const struct burst *b, const struct frame *f)
{
    const uint8_t *mac = suppress_target(b->sw, f, b->vid);
    struct swport *port =
        mac ? port_of(fdb_lookup(b->sw->fdb, fdb_key(mac, b->vid), 0)) : NULL;

    return port && set_has(b->set, port->index) && may_leave_by(b, port, f) ? port : NULL;
}

static void flood(struct burst *b, struct frame *f)
{
    struct swport *asked = NULL;
    enum swport_flood sort = flood_sort(f);
    enum multicast_way way = MULTICAST_ALL;
    bool sent = false;

    if (sort == SWPORT_MULTICAST && b->sw->multicast)
        way = multicast_hear(b, f);
    if (!storm_allows(b, sort, f)) {
        b->in->counters.rx_drops[SWPORT_DROP_STORM]++;
        return;
    }
    if (b->sw->config.suppression && sort != SWPORT_UNKNOWN)
        asked = asked_port(b, f);
    if (asked) {
        suppress_count(b, f);
        enqueue(b, asked, f);
        return;
    }
    for (unsigned w = 0; w < b->sw->n_words; w++) {
        for (uint64_t bits = b->set[w]; bits; bits &= bits - 1) {
            struct swport *port = b->sw->port_at[w * 64 + (unsigned)__builtin_ctzll(bits)];

            if (may_leave_by(b, port, f) &&
                (way == MULTICAST_ALL || multicast_reaches(b, f, way, port))) {
                enqueue(b, port, f);
                sent = true;
            } else if (port != b->in && is_kept_apart(port, f)) {
                port->counters.tx_drops[SWPORT_DROP_ISOLATED]++;
            }
        }
    }
    if (!sent && way == MULTICAST_ALL)
        b->in->counters.rx_drops[SWPORT_DROP_NOWHERE]++;
}

/* False if the frame has to wait for its only destination. */
static bool forward(struct burst *b, struct frame *f)
{
    struct swport *port = f->data[0] & 1 ? NULL : look_up(b, f, b->vid);

    if (!port) {
        flood(b, f);
        return true;
    }
    if (!set_has(b->set, port->index) || !may_leave_by(b, port, f)) {
        withhold(b, f, port);
        return true;
    }
    if (b->held && port->ops->room) {
        touch(b, port);
        if (port->room_left < room_of(f)) {
            b->blocked = port;
            return false;
        }
    }
    enqueue(b, port, f);
    return true;
}

static void deliver(struct burst *b, struct frame *frames)
{
    struct frame **vector = b->sw->vector;

    while (!list_empty(&b->dirty)) {
        struct swport *port = list_entry(b->dirty.next, struct swport, dirty_link);
        unsigned n = 0;

        list_remove(&port->dirty_link);
        for (uint64_t bits = port->pending; bits; bits &= bits - 1)
            vector[n++] = &frames[__builtin_ctzll(bits)];
        port->pending = 0;
        if (n)
            egress_flush(b->sw, port, vector, n);
    }
}

/* The VLAN of a frame, where that is plain without taking it apart; only hints follow from it. */
static inline uint16_t likely_vid(const struct burst *b, const struct frame *f)
{
    if (b->in->set.tagged && vlan_is_tagged(f))
        return load_be16(f->data + 14) & FRAME_TCI_VID;
    return b->in->set.vlan ? b->in->set.vlan : f->tci & FRAME_TCI_VID;
}

static bool is_as_last(const struct burst *b, const struct frame *f)
{
    uint16_t vid = likely_vid(b, f);

    return f->size >= FRAME_SIZE_MIN + VLAN_TAG_SIZE &&
           fdb_key(f->data + MAC_SIZE, vid) == b->in->last.src &&
           fdb_key(f->data, vid) == b->in->last.dst;
}

/* Frames of a burst often leave by the same port, which is not in the cache where there are many. */
static void foresee(const struct burst *b, const struct swport *out)
{
    if (!out)
        return;
    __builtin_prefetch(&out->mirror, 1);
    __builtin_prefetch(&out->set);
    __builtin_prefetch(&b->set[out->index / 64]);
}

/*
 * A burst of many flows asks the table for all of its MACs at once, rather than for one after another:
 * a large table is not in the cache. False: the burst looks like one flow, for which the last answer
 * will do.
 */
static bool find_all(const struct burst *b, const struct frame *frames, unsigned n)
{
    uint64_t *keys = b->sw->keys;

    if (n < FIND_FRAMES || (is_as_last(b, &frames[0]) && is_as_last(b, &frames[n - 1])))
        return false;
    for (unsigned i = 0; i < n; i++) {
        const struct frame *f = &frames[i];
        bool whole = f->size >= FRAME_SIZE_MIN + VLAN_TAG_SIZE;
        uint16_t vid = whole ? likely_vid(b, f) : 0;

        keys[2 * i] = whole ? fdb_key(f->data, vid) : 0;
        keys[2 * i + 1] = whole ? fdb_key(f->data + MAC_SIZE, vid) : 0;
    }
    __builtin_prefetch(&b->in->counters.rx_frames, 1);
    __builtin_prefetch(&b->in->last, 1);
    __builtin_prefetch(&b->set[b->in->index / 64]);
    fdb_find(b->sw->fdb, keys, b->sw->at, 2 * n);
    foresee(b, port_of(fdb_peek(b->sw->fdb, b->sw->at[0])));
    return true;
}

static unsigned run_burst(struct burst *b, struct frame *frames, unsigned n)
{
    mtime_t deadline = fdb_deadline(b->sw->fdb);
    uint64_t bytes = 0, admitted = 0;
    bool found;
    unsigned i;

    assert(n <= FRAME_BURST);
    list_init(&b->dirty);
    b->sw->nested = false;
    enter_vlan(b, b->in->set.vlan);
    found = find_all(b, frames, n);
    for (i = 0; b->in->set.isolated && i < n; i++)
        frames[i].flags |= FRAME_ISOLATED;
    for (i = 0; i < n; i++) {
        struct frame *f = &frames[i];
        uint32_t size = f->size;
        enum swport_drop verdict;

        if (found) {
            b->dst_at = b->sw->at[2 * i];
            b->src_at = b->sw->at[2 * i + 1];
        }
        b->bit = (uint64_t)1 << i;
        verdict = admit(b, f);
        if (verdict < FORWARD) {
            b->in->counters.rx_drops[verdict]++;
        } else if (verdict == FORWARD) {
            if (!forward(b, f))
                break;
            admitted |= b->bit;
            b->n_vlan++;
            b->vlan_bytes += size;
        }
        bytes += size;
    }
    enter_vlan(b, 0);
    b->in->counters.rx_frames += i;
    b->in->counters.rx_bytes += bytes;
    for (unsigned n_seen = 0; b->sw->capture && n_seen < i; n_seen++)
        frame_whole(&frames[n_seen]);
    if (b->sw->capture && i)
        b->sw->capture->in(b->sw->capture->aux, b->in, frames, i);
    if (b->in->mirror)
        mirror_in(b->sw, b->in, frames, i, admitted);
    deliver(b, frames);
    if (b->sw->config.sooner && fdb_deadline(b->sw->fdb) < deadline)
        *b->sw->config.sooner = true;
    return i;
}

void switch_input(struct swport *in, struct frame *frames, unsigned n, mtime_t now)
{
    struct burst b = {.sw = in->sw, .in = in, .now = now};

    if (in->sw && n)
        run_burst(&b, frames, n);
}

unsigned switch_input_held(struct swport *in, struct frame *frames, unsigned n, mtime_t now,
                           struct swport **blocked)
{
    struct burst b = {.sw = in->sw, .in = in, .now = now, .held = true};

    *blocked = NULL;
    if (!in->sw || !n)
        return n;
    n = run_burst(&b, frames, n);
    *blocked = b.blocked;
    return n;
}

bool switch_wants_super(const struct swport *in)
{
    const struct swport *out = in->last.dst_port;

    return in->sw && in->last.dst && in->last.dst_version == fdb_version(in->sw->fdb) &&
           out && out->caps & FRAME_CAP_CSUM &&
           out->caps & (FRAME_CAP_TSO4 | FRAME_CAP_TSO6);
}
