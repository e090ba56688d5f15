/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a port of a switch is set to, and why a frame was not delivered. Plain values of fixed
 * layout: they come from the object of the port, travel in the messages between the daemon's
 * processes, and are changed on a port that forwards (switch_set_port()).
 */
#ifndef FABRICD_SWITCH_SETTINGS_H
#define FABRICD_SWITCH_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#define SWPORT_VLANS    4096u
#define SWPORT_NAME     64u
#define SWPORT_RATE_MAX 1000000000000u /* Of limits: 1 Tbit/s. */

/* Why a frame was not delivered. Each port counts them; names in swport_drop_name(). */
enum swport_drop {
    SWPORT_DROP_MALFORMED, /* Shorter than a header, or metadata that does not fit it. */
    SWPORT_DROP_TOO_BIG,   /* Over what the egress port or the network's MTU takes. */
    SWPORT_DROP_VLAN,      /* Of a VLAN that the port is not in. */
    SWPORT_DROP_SOURCE,    /* Source MAC or address not the port's own (pinned ports). */
    SWPORT_DROP_RESERVED,  /* To 01-80-C2-00-00-00..0F. */
    SWPORT_DROP_NOWHERE,   /* No port to go to, or back where it came from. */
    SWPORT_DROP_FULL,      /* The egress queue or ring was full. */
    SWPORT_DROP_IO,        /* The kernel refused it. */
    SWPORT_DROP_BLOCKED, /* The port does not forward (spanning tree, or a mirror's target). */
    SWPORT_DROP_STORM, /* More broadcast, multicast or unknown unicast than is let in. */
    SWPORT_DROP_MACS,  /* A source MAC over the port's limit. */
    SWPORT_DROP_FLAP,  /* A source MAC that moved too often, not where it was left. */
    SWPORT_DROP_GUARD, /* A DHCP server's or a router's message where there may be none. */
    SWPORT_DROP_POLICED,   /* Over the rate that the port may send. */
    SWPORT_DROP_ELSEWHERE, /* Its source lives elsewhere: a second instance. */
    SWPORT_DROP_ISOLATED,  /* From an isolated port to another one. */
    SWPORT_DROP_N
};

/* What was understood of the protocols of groups (IGMP, MLD) and of addresses (ARP, ND), in messages. The former are
 * read where there is snooping, the latter where there is suppression. */
struct swport_heard {
    uint64_t queries, reports, leaves; /* One that both stays and leaves is both. */
    uint64_t asked;                    /* Queries of the switch's own. */
    uint64_t suppressed; /* Requests that went to the owner of the address alone. */
};

enum { SWPORT_IP4, SWPORT_IP6, SWPORT_IP_N };

/* Copies for a port's mirror: how many, and of them those that it did not take. */
struct swport_mirrored {
    uint64_t frames, lost;
};

/* What a port may not send. */
enum {
    SWPORT_GUARD_DHCP = 1,  /* Messages of a DHCP server. */
    SWPORT_GUARD_RA = 2,    /* Router advertisements and redirects. */
    SWPORT_GUARD_SPOOF = 4, /* In the name of endpoints: their MACs and addresses. */
};

/* What goes to all ports, by the sort of its destination. */
enum swport_flood { SWPORT_BROADCAST, SWPORT_MULTICAST, SWPORT_UNKNOWN, SWPORT_FLOOD_N };

struct swport_limit {
    uint64_t rate; /* Per second; 0 = no limit. */
    bool in_bits;  /* Else in frames. */
};

#define SWPORT_VLAN_LIMITS 16u /* VLANs of a port with limits of their own. */

/* A VLAN's part of what a port may send, and of what is sent to it. */
struct swport_vlan_limit {
    uint16_t vlan;
    struct swport_limit police;
    uint64_t rate; /* Bits per second towards the endpoint; 0 = no limit. */
};

#define SWPORT_PRIORITIES                                                                  \
    8u /* As of 802.1Q: 0 is best effort, 1 below it, 7 the highest. */

/* What tells the priority of a frame. */
enum swport_trust {
    SWPORT_TRUST_PCP,  /* Its tag. */
    SWPORT_TRUST_DSCP, /* The first three bits of its DSCP [RFC 2474 4.2.2]; else its tag. */
    SWPORT_TRUST_NONE, /* Nothing: it is the port's. */
};

struct swport_settings {
    uint16_t
        vlan; /* Of frames without a tag: access VLAN, or a trunk's native one. 0 = none. */
    bool
        bare; /* vlan is 0, and untagged frames are of VLAN 0: that of ports without one. */
    bool tagged;      /* A trunk: in `trunk` too, with tags. */
    bool isolated;    /* Exchanges nothing with other isolated ports. */
    uint8_t guards;   /* SWPORT_GUARD_* */
    uint8_t trust;    /* enum swport_trust */
    uint8_t priority; /* Of frames that tell none. */
    uint8_t weights
        [SWPORT_PRIORITIES];    /* Of the queues; 0 = served before those with weights. */
    struct swport_limit police; /* Of all that the port sends. */
    uint8_t n_limits;
    struct swport_vlan_limit limits[SWPORT_VLAN_LIMITS];
    uint32_t macs_max; /* Most MACs behind the port; 0 = no limit. */
    struct swport_limit storm[SWPORT_FLOOD_N];
    uint8_t trunk[SWPORT_VLANS / 8];
    char mirror
        [SWPORT_NAME]; /* The port of that name gets copies of what passes here; "" = none. */
};

static inline bool swport_vlan_has(const uint8_t vlans[SWPORT_VLANS / 8], uint16_t vid)
{
    return vlans[vid / 8] & (1u << (vid % 8));
}

static inline void swport_vlan_add(uint8_t vlans[SWPORT_VLANS / 8], uint16_t vid)
{
    vlans[vid / 8] = (uint8_t)(vlans[vid / 8] | 1u << (vid % 8));
}

#endif
