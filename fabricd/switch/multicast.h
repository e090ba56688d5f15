/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For the files of the switch only: IGMP and MLD snooping, and the querier. */
#ifndef FABRICD_SWITCH_MULTICAST_H
#define FABRICD_SWITCH_MULTICAST_H

#include "fabricd/switch/groups.h"
#include "fabricd/switch/switch.h"

struct burst;

/* Who asks for listeners of one family in a VLAN. */
struct multicast_asking {
    mtime_t
        heard; /* When the query of another came last who is not to be asked over; 0 = never. */
    mtime_t ask_at;   /* When the querier asks next, or sees whether it has to, */
    mtime_t asked_at; /* and when it asked last. */
    unsigned asked;
};

struct multicast {
    struct groups *groups;
    struct multicast_asking (*asking)[SWPORT_IP_N]; /* [SWPORT_VLANS] */
    mtime_t run_at; /* The earliest ask_at of a VLAN in use. */
};

enum multicast_way {
    MULTICAST_ALL,       /* As without snooping. */
    MULTICAST_ROUTERS,   /* Ports by which a query came, and all links. */
    MULTICAST_LISTENERS, /* Those, and who has joined. */
};

/* Learns from a frame to a group, and says which way it goes. Only where there is snooping. */
enum multicast_way multicast_hear(struct burst *, const struct frame *);
bool multicast_reaches(const struct burst *, const struct frame *, enum multicast_way,
                       struct swport *);

/* What was heard of behind links may not hold any more: they get all until it was told again. */
void multicast_wait_for_links(struct switch_ *);

/* A port has come into the VLAN; who is behind it is asked at once, or a second after the last time. */
void multicast_port_came(struct switch_ *, uint16_t vid);

void multicast_configure(struct switch_ *); /* On or off, as the configuration says. */
void multicast_free(struct switch_ *);
void multicast_remove_port(struct switch_ *, const struct swport *);
mtime_t multicast_deadline(const struct switch_ *);
void multicast_run(struct switch_ *, mtime_t now);

#endif
