/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For the files of the switch only: IGMP and MLD snooping, and the querier. */
#ifndef FABRICD_SWITCH_MULTICAST_H
#define FABRICD_SWITCH_MULTICAST_H

#include "fabricd/switch/groups.h"
#include "fabricd/switch/switch.h"

struct burst;

struct multicast {
    struct groups *groups;
    mtime_t heard;  /* When another's query came last; 0 = never. */
    mtime_t ask_at; /* When the querier looks again. */
    unsigned asked;
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

void multicast_configure(struct switch_ *); /* On or off, as the configuration says. */
void multicast_free(struct switch_ *);
void multicast_remove_port(struct switch_ *, const struct swport *);
mtime_t multicast_deadline(const struct switch_ *);
void multicast_run(struct switch_ *, mtime_t now);

#endif
