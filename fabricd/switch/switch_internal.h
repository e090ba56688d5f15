/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For the files of the switch only. */
#ifndef FABRICD_SWITCH_SWITCH_INTERNAL_H
#define FABRICD_SWITCH_SWITCH_INTERNAL_H

#include "fabricd/switch/homes.h"
#include "fabricd/switch/multicast.h"
#include "fabricd/switch/switch.h"
#include "proto/wire/bytes.h"
#include "proto/wire/frame.h"
#include "proto/wire/packet.h"

struct vlan {
    uint64_t
        *set; /* A bit for each port that is in it and forwards; NULL = none ever was. */
    struct switch_vlan counters;
};

struct switch_ {
    struct switch_config config;
    struct fdb *fdb;
    struct multicast *multicast; /* NULL = no snooping. */
    struct homes *homes;
    struct neighbors *neighbors;
    struct list ports;
    const struct switch_capture *capture; /* NULL = nobody looks. */
    const struct switch_trap *trap;
    const struct switch_notices *notices;
    struct swport **port_at; /* By index; n_words * 64 of them. */
    unsigned n_words;
    struct vlan *vlans; /* [SWPORT_VLANS] */
    struct swport_heard heard[SWPORT_IP_N];
    uint64_t *nobody;  /* A set without any. */
    bool mirrors;      /* A port names one. */
    bool nested;       /* In the burst at hand is a frame with a tag inside. */
    struct frame *cut; /* [FRAME_BURST], for segments of a superframe. */
    /* Of the burst at hand: the keys of destination and source of each frame, and where they are. */
    uint64_t keys[2 * FRAME_BURST];
    uint32_t at[2 * FRAME_BURST];
    struct frame *vector[FRAME_BURST]; /* For the port that is given its own just now. */
    uint8_t *scratch; /* Their bytes; pages are only touched where something is cut. */
};

#define EGRESS_SCRATCH ((FRAME_BURST + 1u) * (FRAME_SIZE_MAX + 2u * FRAME_HEADROOM))
#define VLAN_TAG_SIZE  4u
#define FORWARD        SWPORT_DROP_N /* Verdict: no reason to drop. */
#define TAKEN          ((enum swport_drop)(SWPORT_DROP_N + 1)) /* It went elsewhere. */

/* One burst on its way through. */
struct burst {
    struct switch_ *sw;
    struct swport *in;
    mtime_t now;
    bool held; /* Stop before a unicast destination without room. */
    struct swport *blocked;
    struct list dirty;           /* Ports with pending frames. */
    uint64_t n_vlan, vlan_bytes; /* Of VLAN `vid`, not counted there yet. */
    const uint64_t *set;         /* Of VLAN `vid`. */
    uint16_t vid;
    uint64_t bit;            /* The frame's in the sets of frames that ports get. */
    uint32_t dst_at, src_at; /* Hints where the frame's MACs are in the table; 0 = none. */
};

/* --- vlan.c ------------------------------------------------------------------------------- */

/* The port's place in the sets of all VLANs, after anything that decides it has changed. */
void vlan_add_port(struct switch_ *, struct swport *);
void vlan_remove_port(struct switch_ *, struct swport *);
void vlan_update_port(struct switch_ *, const struct swport *);
void vlan_free(struct switch_ *);

static inline bool set_has(const uint64_t *set, unsigned index)
{
    return set[index / 64] >> (index % 64) & 1;
}

/* Of frames of at least 14 bytes. */
static inline bool vlan_is_tagged(const struct frame *f)
{
    return load_be16(f->data + 12) == PACKET_TYPE_VLAN;
}

/* In a network that declares VLANs, puts the frame into its own: takes its tag out of the bytes,
 * into tci. Membership is the caller's to check. */
enum swport_drop vlan_classify(struct switch_ *, const struct swport *in, struct frame *);

/* Whether the frame leaves by the port with a tag. */
static inline bool vlan_leaves_tagged(const struct swport *port, uint16_t vid)
{
    return port->set.tagged && vid != port->set.vlan;
}

/* Puts the tag of tci into the bytes, and takes it out again. */
void vlan_tag(struct frame *);
void vlan_untag(struct frame *);

/* --- egress.c ----------------------------------------------------------------------------- */

/* Gives the port the frames, in a form that it takes. */
void egress_flush(struct switch_ *, struct swport *, struct frame *const *frames,
                  unsigned n);

/* Gives a port's mirror copies of frames; their VLANs are shown by tags. */
void egress_mirror(struct switch_ *, struct swport *, struct frame *const *frames,
                   unsigned n);

/* --- mirror.c ----------------------------------------------------------------------------- */

/* Finds the mirrors anew, after ports came or went or have other settings. */
void mirror_resolve(struct switch_ *);

/* Copies those of the frames that came in by the port whose bits are set. */
void mirror_in(struct switch_ *, struct swport *, struct frame *frames, unsigned n,
               uint64_t which);

/* --- place.c ------------------------------------------------------------------------------ */

/* A pinned port was added, or its MAC's home is another one: fences it, or lets it forward. */
void place_port(struct swport *);

/* True if the frame's source lives elsewhere, as far as control has said. */
bool place_denies(const struct swport *in, const struct frame *);

/* --- guard.c, storm.c ----------------------------------------------------------------------- */

/* True if the pinned port may send this frame: its MAC, ARP sender, IPv4 and IPv6 source are
 * its own, and it does not play DHCP server or router. */
bool guard_allows(const struct swport *, const struct frame *);

/* True if the frame is none of those that SWPORT_GUARD_* keep out. */
bool guard_lets_in(const struct swport *, const struct frame *);

/* True if storm control lets one more frame of this sort in. */
bool storm_allows(struct burst *, enum swport_flood, const struct frame *);

/* True if the port may send one more frame, of any sort. */
bool police_allows(struct burst *, const struct frame *);

/* --- suppress.c --------------------------------------------------------------------------- */

/* The MAC whose owner a request of ARP or neighbour discovery asks for; NULL = it is none, or of an
 * address that nobody has told of. */
const uint8_t *suppress_target(const struct switch_ *, const struct frame *, uint16_t vid);

/* Such a request went to the owner alone. */
void suppress_count(struct burst *, const struct frame *);

/* Tells of it, if that was not done lately. */
void notice(struct burst *, enum swport_notice, const uint8_t mac[6], uint16_t vlan);

#endif
