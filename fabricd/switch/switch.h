/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The switch of one network on one host: pure logic, no descriptor, no clock, no allocation
 * after a port is added.
 *
 * A driver hands over the vector of frames that it has read (switch_input). The switch learns,
 * decides for every frame where it goes, gathers what goes to the same port, and calls each
 * egress port once with its vector. Towards a port that lacks an offload it completes checksums
 * and cuts superframes first (fabricd/switch/egress.c).
 *
 * VLANs [IEEE 802.1Q]: a port is an access port of one VLAN, a trunk (tagged in its VLANs, untagged
 * in its native one), or transparent, in a network that declares no VLANs. Inside the VLAN and
 * the priority are in frame.tci and the tag is not in the bytes; links carry every VLAN in tci.
 * Learning is per VLAN. For each VLAN the switch keeps the set of ports that are in it and
 * forward, so that neither VLANs nor the states of ports cost anything per frame.
 *
 * Horizon groups: a frame never leaves by a port of the group (other than 0) by which it came.
 * Homes: a MAC whose home control has told is believed from there only (switch_put_home()).
 *
 * Mirrors: a port that another one names as its mirror gets copies of what comes in and goes out
 * there, tagged with their VLANs; it takes no other part in the network while it is named.
 *
 * Port states: a port that is discarding or learning neither takes nor gives frames but those of
 * the bridge protocols, which a trap takes out and switch_send() puts in.
 */
#ifndef FABRICD_SWITCH_SWITCH_H
#define FABRICD_SWITCH_SWITCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fabricd/switch/fdb.h"
#include "fabricd/switch/neighbors.h"
#include "fabricd/switch/settings.h"
#include "proto/base/list.h"
#include "proto/base/mtime.h"
#include "proto/wire/frame.h"

struct switch_;
struct swport;

struct swport_counters {
    struct swport_heard heard[SWPORT_IP_N];
    struct swport_mirrored mirrored;
    uint64_t rx_drops[SWPORT_DROP_N];
    uint64_t tx_drops[SWPORT_DROP_N];
    /* From the endpoint into the switch, those dropped there too. A superframe is one. */
    uint64_t rx_frames, rx_bytes;
    uint64_t tx_frames, tx_bytes; /* What the endpoint was given. */
};

/* What a switch has to tell of a port, at most every SWPORT_NOTICE_TIME for each sort. */
enum swport_notice {
    SWPORT_NOTICE_STORM, /* Storm control drops. */
    SWPORT_NOTICE_MACS,  /* The port has as many MACs as it may. */
    SWPORT_NOTICE_FLAP,  /* A MAC moved too often; it stays where it was. */
    SWPORT_NOTICE_GUARD, /* It sent what its guards do not let in. */
    SWPORT_NOTICE_SPOOF, /* It sent by another MAC or address than those it was given. */
    SWPORT_NOTICE_ISOLATED, /* It is isolated, and sent to somebody behind another such port. */
    SWPORT_NOTICE_POLICED, /* It sent more than it may. */
    SWPORT_NOTICES
};

#define SWPORT_NOTICE_TIME (10 * MTIME_SEC)

/* A token bucket. It may go below zero by one frame. */
struct storm {
    int64_t credit; /* In millionths of a frame or bit. */
    mtime_t refilled;
};

struct swport_ops {
    /*
     * Sends n (1..FRAME_BURST) frames. They are only borrowed; the driver writes or copies them
     * before it returns, never blocks, and counts what it drops in port->counters.tx_drops and
     * what it sent in tx_*. Frames fit the port's caps and max_frame.
     */
    void (*send)(struct swport *, struct frame *const *frames, unsigned n);

    /* How many bytes the driver would take now without dropping, each frame counted with
     * SWPORT_ROOM_FRAME bytes more than its size. For drivers whose senders are held back
     * rather than frames dropped (rings); NULL = always all. */
    size_t (*room)(struct swport *);

    bool takes_rest; /* send() copies a frame's rest by itself (proto/wire/frame.h). */
};

#define SWPORT_ROOM_FRAME 128u

/* What a port does with frames [IEEE 802.1D-2004, 7.4]. */
enum swport_state {
    SWPORT_FORWARDING, /* As every port that nobody has spoken of. */
    SWPORT_LEARNING,   /* Learns who is there, drops all. */
    SWPORT_DISCARDING, /* Drops all. */
};

/* The last answers of the MAC table for an ingress. */
struct swport_last {
    uint64_t src, dst; /* Keys; 0 = none. */
    mtime_t src_until; /* The source need not be learnt again before. */
    struct swport *dst_port;
    uint32_t src_version, dst_version;
};

/*
 * A port. The driver embeds it, and fills in what is its own before switch_add_port(). What a burst
 * touches lies together, from the end of the counters to the beginning of the settings, since the ports of
 * a large switch are not all in the cache.
 */
struct swport {
    struct swport_counters counters;

    /* The switch's own. */
    struct fdb_port fdb;
    struct swport_last last;
    struct switch_ *sw;
    struct swport *mirror; /* Gets copies; NULL = none. */
    struct list dirty_link;
    uint64_t pending; /* Frames of the burst at hand that it gets, a bit for each. */
    size_t room_left; /* Of ops->room(), in the burst at hand. */
    unsigned index;   /* In the sets of ports. */
    bool is_mirror;   /* Of another port. */
    bool watched;     /* Frames have to pass more than VLANs and learning. */

    /* The driver's. */
    bool pinned;  /* Source MAC must be pin_mac, and addresses in pin_addrs. */
    bool station; /* Says that only pin_mac is behind it; until something else is heard. */
    bool all_vlans;     /* A link: takes and gives frames of every VLAN, in tci. */
    uint8_t horizon;    /* Horizon group; 0 = none. */
    uint8_t caps;       /* FRAME_CAP_* of what it takes. */
    uint32_t max_frame; /* Bytes of a plain frame that it takes. */
    const struct swport_ops *ops;
    struct swport_settings set; /* Afterwards by switch_set_port(). */
    uint32_t id;                /* Unique in the daemon; for messages and captures. */
    const char *name;           /* For captures; lives as long as the port. NULL = none. */
    uint16_t
        host; /* A link: the host it leads to; without a horizon, on a tree, others behind it too. */
    uint8_t pin_mac[6];
    struct {
        uint8_t family; /* 4 or 6 */
        uint8_t addr[16];
    } pin_addrs[8];
    uint8_t n_pin_addrs;     /* The IPv6 link-local of pin_mac is always allowed. */
    enum swport_state state; /* Set by switch_set_port_state() once the port is added. */
    uint16_t tree_port;      /* Its number in the spanning tree; 0 = in none. The trap's. */
    bool transit; /* An own port with hosts of the fabric behind it, by the tree's way. */

    /* The switch's own. */
    struct list ports_link;
    mtime_t router_until; /* A router's query came by it; multicast goes there. */
    struct storm storm[SWPORT_FLOOD_N], police, vlan_police[SWPORT_VLAN_LIMITS];
    mtime_t noticed[SWPORT_NOTICES];
};

struct switch_config {
    uint32_t mtu;    /* IP MTU of the network, 1280..9216; frames up to mtu + 18. */
    bool vlan_aware; /* The network declares VLANs. */
    bool
        suppression; /* ARP and ND requests go to the owner of the address, if it is known. */
    bool snooping;  /* Of IGMP and MLD: groups go to their listeners and to routers only. */
    bool querier;   /* Asks for listeners where no router does. With snooping only. */
    uint8_t mac[6]; /* The switch's own, by which it asks. */
    uint8_t vlans[SWPORT_VLANS / 8]; /* Bit set = declared. */
    mtime_t ageing;                  /* 300 s unless set. */
    uint32_t fdb_room; /* Most MACs, 65,536 unless set; at the limit the port that holds the
                        * most loses its oldest. Fixed at switch_new(). */
    uint64_t seed;     /* Random: keys the MAC table. Fixed at switch_new(). */
    bool *sooner; /* Set when switch_deadline() has become earlier; NULL = nobody asks. */
};

struct switch_ *switch_new(const struct switch_config *); /* NULL if there is no memory. */
void switch_free(struct switch_ *); /* Ports must have been removed. */
void switch_configure(struct switch_ *, const struct switch_config *);

void switch_add_port(struct switch_ *, struct swport *);
void switch_remove_port(struct swport *); /* Forgets its MACs too. Harmless if not added. */

/*
 * New settings for a port that forwards. What was learnt in VLANs that the port leaves is
 * forgotten; in those that it keeps nothing is lost. When it returns, no frame of a VLAN that the
 * port left goes to it any more (frames that its driver queues have left the switch).
 */
void switch_set_port(struct swport *, const struct swport_settings *);

/* Where the port sends untagged frames of the VLAN, tagged ones, or none; states do not count. */
bool switch_is_member(const struct swport *, uint16_t vid);

/* Takes effect before it returns: what is pending for a port that no longer forwards is not
 * delivered. Learnt MACs stay: see switch_flush_port(). */
void switch_set_port_state(struct swport *, enum swport_state);

/* Forgets what was learnt behind the port, at the same cost however much that is. */
void switch_flush_port(struct swport *);

/*
 * Takes frames of the bridge protocols out: `take` is asked about each frame to a reserved address
 * (01-80-C2-00-00-00..0F) and to mac_loop_probe that comes in by a port which is not pinned, whatever
 * its VLAN and the port's state. True: it was taken. False: the first sort is dropped, the second
 * treated like any other. It may call switch_send(), switch_set_port_state() and
 * switch_flush_port() of any port, and nothing else here. Borrowed; NULL takes it off.
 */
struct switch_trap {
    bool (*take)(void *aux, struct swport *in, const struct frame *, mtime_t now);
    /* Another MAC than its own was heard at a port that said it was an end station: it is one no more. May call
     * the same. NULL: it does not matter. */
    void (*no_station)(void *aux, struct swport *in, mtime_t now);
    void *aux;
};

void switch_set_trap(struct switch_ *, const struct switch_trap *);

/* Gives the port a plain frame of the bridge's own, whatever its state. */
void switch_send(struct swport *, struct frame *);

/* Told of what is noticed at ports; a leaf call, from inside switch_input(). */
struct switch_notices {
    void (*noticed)(void *aux, const struct swport *, enum swport_notice,
                    const uint8_t mac[6], uint16_t vlan);
    void *aux;
};

void switch_set_notices(struct switch_ *, const struct switch_notices *); /* Borrowed. */
const char *swport_notice_name(enum swport_notice);

/* The MAC is about to be heard elsewhere, by migration: that is no flap. */
void switch_expect_move(struct switch_ *, const uint8_t mac[6], uint16_t vlan);

/* The tree has changed: MACs that moved until now did no wrong, and none stays where it was left. */
void switch_pardon(struct switch_ *, mtime_t now);

/*
 * The burst came in by `in`. n <= FRAME_BURST. Frames may be altered (checksums, egress). Each
 * has passed frame_check() (proto/wire/vnet.h), or is plain and of 14..FRAME_SIZE_MAX bytes;
 * what fails that, the driver counts as malformed and keeps to itself.
 */
void switch_input(struct swport *in, struct frame *frames, unsigned n, mtime_t now);

/* As switch_input(), but stops before the first frame whose only destination is a port without
 * room. Returns how many frames were consumed, and in *blocked (if fewer than n) that port. */
unsigned switch_input_held(struct swport *in, struct frame *frames, unsigned n, mtime_t now,
                           struct swport **blocked);

/*
 * Where the endpoint with that MAC lives: HOMES_HERE or a host's number (fabricd/switch/homes.h).
 * From then on frames that come from it by other ways are dropped (SWPORT_DROP_ELSEWHERE): with its
 * home here those of links, else those of all ports but links that lead to that host or, in a tree,
 * anywhere. Frames to it go there at once. A pinned port of that MAC is fenced (SWPORT_DISCARDING)
 * while its home is elsewhere. True if the home has come here from another host.
 */
bool switch_put_home(struct switch_ *, const uint8_t mac[6], uint16_t vlan, uint16_t host,
                     mtime_t now);
void switch_remove_home(struct switch_ *, const uint8_t mac[6]);

/* The addresses of an endpoint, for suppression; swept with its home. */
void switch_put_neighbor(struct switch_ *, const uint8_t mac[6], uint16_t vlan,
                         const struct neighbor_addr *, unsigned n);
void switch_remove_neighbor(struct switch_ *, const uint8_t mac[6]);

/* Homes that are not put between the two are removed. */
void switch_begin_homes(struct switch_ *);
void switch_end_homes(struct switch_ *);

/* True if the last unicast frame of `in` went to a port that takes TCP superframes: a hint that
 * it pays to coalesce. */
bool switch_wants_super(const struct swport *in);

/* Not later than the next ageing; MTIME_NEVER while nothing is learnt. */
mtime_t switch_deadline(const struct switch_ *);
void switch_run(struct switch_ *, mtime_t now); /* Ageing. */

struct switch_mac {
    uint8_t mac[6];
    uint16_t vlan;
    bool fixed;
    uint32_t port_id;
    mtime_t seen;
};

struct switch_vlan {
    uint64_t rx_frames, rx_bytes; /* Came in and were let in. */
    uint64_t policed;             /* Were over what a port may send in it. */
};

/* Memberships of groups that are known by snooping: how many, and up to `room` of them from *cursor on (0 = the
 * start; 0 again at the end), with the group's MAC and, in `seen`, when they end. */
unsigned switch_list_groups(const struct switch_ *, struct switch_mac *out, unsigned room,
                            uint32_t *cursor);
unsigned switch_count_groups(const struct switch_ *);

/* What was understood at all ports together, those that are gone too; ip6 = of MLD and ND. */
struct swport_heard switch_heard(const struct switch_ *, bool ip6);

/* What came into the switch in a VLAN (0 = in a network without them). */
struct switch_vlan switch_vlan_counters(const struct switch_ *, uint16_t vlan);

/* Forgets what was learnt in a VLAN. */
void switch_flush_vlan(struct switch_ *, uint16_t vlan);

/* Copies up to `room` learnt MACs from position *cursor (0 = start; 0 again at the end). */
unsigned switch_list_macs(const struct switch_ *, struct switch_mac *out, unsigned room,
                          uint32_t *cursor);
unsigned switch_count_macs(const struct switch_ *);

/*
 * A look into the switch for captures. `in` is called for the frames that come in by a port,
 * before they are forwarded; `out` for those that are about to leave by one, as they came. NULL
 * takes it off; it costs one branch per burst and port when off. Leaf calls.
 */
struct switch_capture {
    void (*in)(void *aux, const struct swport *port, const struct frame *frames,
               unsigned n);
    void (*out)(void *aux, const struct swport *port, struct frame *const *frames,
                unsigned n);
    void *aux;
};

/* `capture` is borrowed. */
void switch_set_capture(struct switch_ *, const struct switch_capture *capture);

const char *swport_drop_name(enum swport_drop);

#endif
