/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One pass over the burst decides for each frame and puts it on the pending list of every port
 * that it leaves by; a second pass over the ports that got something hands each its vector. So a
 * port is called once per burst, and per-port costs (system calls, ring indices, doorbells) are
 * paid once.
 */
#include "fabricd/switch/switch_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/bytes.h"
#include "proto/wire/mac.h"
#include "proto/wire/packet.h"

#define AGEING_DEFAULT (300 * MTIME_SEC)
#define FDB_DEFAULT    65536u
#define LEARN_AGAIN    MTIME_SEC
#define FORWARD        SWPORT_DROP_N       /* Verdict: no reason to drop. */
#define TAKEN          (SWPORT_DROP_N + 1) /* Verdict: the trap has it. */

/* One burst on its way through. */
struct burst {
    struct switch_ *sw;
    struct swport *in;
    mtime_t now;
    bool held; /* Stop before a unicast destination without room. */
    struct swport *blocked;
    struct list dirty; /* Ports with pending frames. */
};

static_assert(SWPORT_DROP_N == 9, "a name for each cause");

const char *swport_drop_name(enum swport_drop cause)
{
    static const char *const names[SWPORT_DROP_N] = {
        [SWPORT_DROP_MALFORMED] = "malformed",
        [SWPORT_DROP_TOO_BIG] = "too_big",
        [SWPORT_DROP_VLAN] = "vlan",
        [SWPORT_DROP_SOURCE] = "source",
        [SWPORT_DROP_RESERVED] = "reserved",
        [SWPORT_DROP_NOWHERE] = "nowhere",
        [SWPORT_DROP_BLOCKED] = "blocked",
        [SWPORT_DROP_FULL] = "full",
        [SWPORT_DROP_IO] = "io",
    };

    return cause < SWPORT_DROP_N ? names[cause] : "unknown";
}

static bool is_declared(const struct switch_config *config, uint16_t vid)
{
    return config->vlans[vid / 8] & (1u << (vid % 8));
}

struct switch_ *switch_new(const struct switch_config *config)
{
    struct switch_ *sw = calloc(1, sizeof *sw);

    if (!sw)
        return NULL;
    sw->fdb = fdb_new(config->fdb_room ? config->fdb_room : FDB_DEFAULT, config->seed);
    sw->cut = calloc(FRAME_BURST, sizeof *sw->cut);
    sw->scratch = malloc(EGRESS_SCRATCH);
    list_init(&sw->ports);
    if (!sw->fdb || !sw->cut || !sw->scratch) {
        switch_free(sw);
        return NULL;
    }
    switch_configure(sw, config);
    return sw;
}

void switch_free(struct switch_ *sw)
{
    if (!sw)
        return;
    assert(list_empty(&sw->ports));
    fdb_free(sw->fdb);
    free(sw->cut);
    free(sw->scratch);
    free(sw);
}

void switch_configure(struct switch_ *sw, const struct switch_config *config)
{
    for (uint16_t vid = 0; vid < 4096; vid++) {
        if (is_declared(&sw->config, vid) && !is_declared(config, vid))
            fdb_flush_vlan(sw->fdb, vid);
    }
    if (sw->config.vlan_aware != config->vlan_aware)
        fdb_flush_vlan(sw->fdb, 0);
    sw->config = *config;
    if (!sw->config.ageing)
        sw->config.ageing = AGEING_DEFAULT;
    fdb_set_ageing(sw->fdb, sw->config.ageing);
    if (sw->config.sooner)
        *sw->config.sooner = true;
}

void switch_add_port(struct switch_ *sw, struct swport *port)
{
    port->sw = sw;
    port->n_pending = 0;
    port->last.src = port->last.dst = 0;
    port->last.dst_port = NULL;
    list_append(&sw->ports, &port->ports_link);
    list_init(&port->dirty_link);
    fdb_add_port(sw->fdb, &port->fdb);
    /* Its MAC is nobody else's, however loudly somebody else uses it as a source. */
    if (port->pinned)
        (void)fdb_fix(sw->fdb, fdb_key(port->pin_mac, port->vlan), &port->fdb, 0);
}

void switch_remove_port(struct swport *port)
{
    if (!port->sw)
        return;
    fdb_remove_port(port->sw->fdb, &port->fdb);
    list_remove(&port->ports_link);
    list_remove(&port->dirty_link);
    port->sw = NULL;
}

void switch_set_port_state(struct swport *port, enum swport_state state)
{
    port->state = state;
    if (state != SWPORT_FORWARDING)
        port->n_pending = 0;
}

void switch_flush_port(struct swport *port)
{
    fdb_flush_port(port->sw->fdb, &port->fdb);
}

void switch_set_trap(struct switch_ *sw, const struct switch_trap *trap)
{
    sw->trap = trap;
}

void switch_send(struct swport *port, struct frame *frame)
{
    const struct switch_capture *capture = port->sw->capture;
    struct frame *one[1] = {frame};

    if (capture)
        capture->out(capture->aux, port, one, 1);
    port->ops->send(port, one, 1);
}

static struct swport *port_of(struct fdb_port *p)
{
    return p ? list_entry(p, struct swport, fdb) : NULL;
}

static bool is_member(const struct swport *port, uint16_t vid)
{
    return port->all_vlans || port->vlan == vid;
}

/* Takes a priority tag (VLAN id 0) out of the bytes; its priority goes on in tci. */
static void strip_priority_tag(struct frame *f, uint16_t vid)
{
    uint16_t tag = load_be16(f->data + 14);

    memmove(f->data + 4, f->data, 12);
    f->data += 4;
    f->size -= 4;
    f->tci = (uint16_t)((tag & ~FRAME_TCI_VID) | vid);
    if (f->flags & FRAME_NEEDS_CSUM)
        f->csum_start = (uint16_t)(f->csum_start - 4);
    if (f->hdr_size)
        f->hdr_size = (uint16_t)(f->hdr_size - 4);
}

/* Puts the frame into its VLAN, in tci. */
static enum swport_drop classify_vlan(const struct switch_ *sw, const struct swport *in,
                                      struct frame *f)
{
    if (!sw->config.vlan_aware) {
        if (in->vlan || f->tci)
            return SWPORT_DROP_VLAN;
        return FORWARD;
    }
    if (in->all_vlans)
        return is_declared(&sw->config, f->tci & FRAME_TCI_VID) && f->tci & FRAME_TCI_VID
                   ? FORWARD
                   : SWPORT_DROP_VLAN;
    if (!in->vlan || !is_declared(&sw->config, in->vlan))
        return SWPORT_DROP_VLAN;
    f->tci = in->vlan;
    if (load_be16(f->data + 12) != PACKET_TYPE_VLAN)
        return FORWARD;
    /* A checksum in the tag would come to lie in the MACs. */
    if (f->size < FRAME_SIZE_MIN + 4 ||
        (f->flags & FRAME_NEEDS_CSUM && f->csum_start < FRAME_SIZE_MIN + 4))
        return SWPORT_DROP_MALFORMED;
    if (load_be16(f->data + 14) & FRAME_TCI_VID)
        return SWPORT_DROP_VLAN; /* Nothing tags itself into another VLAN. */
    strip_priority_tag(f, in->vlan);
    return FORWARD;
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

static bool is_too_big(const struct switch_ *sw, const struct frame *f)
{
    uint32_t most = sw->config.mtu + 18;

    if (f->gso == FRAME_GSO_NONE)
        return f->size > most;
    return f->size > FRAME_SUPER_MAX || (uint32_t)f->hdr_size + f->gso_size > most;
}

/* What the ingress has to say about the frame. */
static enum swport_drop admit(const struct burst *b, struct frame *f)
{
    enum swport_drop verdict = FORWARD;

    if (f->size < FRAME_SIZE_MIN || mac_is_group(f->data + MAC_SIZE))
        return SWPORT_DROP_MALFORMED;
    if (is_too_big(b->sw, f))
        return SWPORT_DROP_TOO_BIG;
    if (f->data[0] & 1)
        verdict = admit_group(b, f);
    if (verdict == FORWARD)
        verdict = classify_vlan(b->sw, b->in, f);
    if (verdict != FORWARD)
        return verdict;
    if (b->in->pinned && !guard_allows(b->in, f))
        return SWPORT_DROP_SOURCE;
    return FORWARD;
}

/* The last answer is good until something changed, or the entry wants to be heard again. */
static void learn(struct burst *b, const struct frame *f, uint16_t vid)
{
    struct swport *in = b->in;
    uint64_t key = fdb_key(f->data + 6, vid);

    if (key == in->last.src && in->last.src_version == fdb_version(b->sw->fdb) &&
        b->now < in->last.src_until)
        return;
    fdb_learn(b->sw->fdb, key, &in->fdb, b->now);
    in->last.src = key;
    in->last.src_version = fdb_version(b->sw->fdb);
    in->last.src_until = b->now + LEARN_AGAIN;
}

static struct swport *look_up(struct burst *b, const struct frame *f, uint16_t vid)
{
    struct swport *in = b->in;
    uint64_t key = fdb_key(f->data, vid);

    if (key == in->last.dst && in->last.dst_version == fdb_version(b->sw->fdb))
        return in->last.dst_port;
    in->last.dst = key;
    in->last.dst_version = fdb_version(b->sw->fdb);
    in->last.dst_port = port_of(fdb_lookup(b->sw->fdb, key));
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
    if (port->n_pending || !list_empty(&port->dirty_link))
        return;
    list_append(&b->dirty, &port->dirty_link);
    if (b->held && port->ops->room)
        port->room_left = port->ops->room(port);
}

static void enqueue(struct burst *b, struct swport *port, struct frame *f)
{
    touch(b, port);
    port->pending[port->n_pending++] = f;
    if (b->held && port->ops->room) {
        size_t need = room_of(f);

        port->room_left -= need < port->room_left ? need : port->room_left;
    }
}

static bool may_leave_by(const struct burst *b, const struct swport *port, uint16_t vid)
{
    return port != b->in && is_member(port, vid) && port->state == SWPORT_FORWARDING &&
           (!port->horizon || port->horizon != b->in->horizon);
}

static void flood(struct burst *b, struct frame *f, uint16_t vid)
{
    bool sent = false;

    list_for_each (it, &b->sw->ports) {
        struct swport *port = list_entry(it, struct swport, ports_link);

        if (may_leave_by(b, port, vid)) {
            enqueue(b, port, f);
            sent = true;
        }
    }
    if (!sent)
        b->in->counters.rx_drops[SWPORT_DROP_NOWHERE]++;
}

/* False if the frame has to wait for its only destination. */
static bool forward(struct burst *b, struct frame *f)
{
    uint16_t vid = f->tci & FRAME_TCI_VID;
    struct swport *port;

    if (b->in->state != SWPORT_DISCARDING)
        learn(b, f, vid);
    if (b->in->state != SWPORT_FORWARDING) {
        b->in->counters.rx_drops[SWPORT_DROP_BLOCKED]++;
        return true;
    }
    port = f->data[0] & 1 ? NULL : look_up(b, f, vid);
    if (!port) {
        flood(b, f, vid);
        return true;
    }
    if (!may_leave_by(b, port, vid)) {
        b->in->counters.rx_drops[SWPORT_DROP_NOWHERE]++;
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

static void deliver(struct burst *b)
{
    while (!list_empty(&b->dirty)) {
        struct swport *port = list_entry(b->dirty.next, struct swport, dirty_link);

        list_remove(&port->dirty_link);
        if (port->n_pending)
            egress_flush(b->sw, port);
        port->n_pending = 0;
    }
}

static unsigned run_burst(struct burst *b, struct frame *frames, unsigned n)
{
    struct swport_counters *counters = &b->in->counters;
    mtime_t deadline = fdb_deadline(b->sw->fdb);
    uint64_t bytes = 0;
    unsigned i;

    assert(n <= FRAME_BURST);
    list_init(&b->dirty);
    for (i = 0; i < n; i++) {
        struct frame *f = &frames[i];
        uint32_t size = f->size;
        enum swport_drop verdict = admit(b, f);

        if (verdict < FORWARD)
            counters->rx_drops[verdict]++;
        else if (verdict == FORWARD && !forward(b, f))
            break;
        bytes += size;
    }
    counters->rx_frames += i;
    counters->rx_bytes += bytes;
    if (b->sw->capture && i)
        b->sw->capture->in(b->sw->capture->aux, b->in, frames, i);
    deliver(b);
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

mtime_t switch_deadline(const struct switch_ *sw)
{
    return fdb_deadline(sw->fdb);
}

void switch_run(struct switch_ *sw, mtime_t now)
{
    fdb_run(sw->fdb, now);
}

void switch_flush_vlan(struct switch_ *sw, uint16_t vlan)
{
    fdb_flush_vlan(sw->fdb, vlan);
}

unsigned switch_list_macs(const struct switch_ *sw, struct switch_mac *out, unsigned room,
                          uint32_t *cursor)
{
    unsigned n = 0;

    while (n < room) {
        struct fdb_mac mac;

        if (!fdb_list(sw->fdb, &mac, 1, cursor))
            break;
        memcpy(out[n].mac, mac.mac, sizeof out[n].mac);
        out[n].vlan = mac.vlan;
        out[n].port_id = list_entry(mac.port, struct swport, fdb)->id;
        out[n++].seen = mac.seen;
        if (!*cursor)
            break;
    }
    return n;
}

unsigned switch_count_macs(const struct switch_ *sw)
{
    return fdb_count(sw->fdb);
}

void switch_set_capture(struct switch_ *sw, const struct switch_capture *capture)
{
    sw->capture = capture;
}
