/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a switch reads of IGMP [RFC 2236, 3376] and MLD [RFC 2710, 3810] to know behind which ports the
 * listeners of a group are [RFC 4541], and the general queries that make them speak.
 */
#ifndef PROTO_SNOOP_SNOOP_H
#define PROTO_SNOOP_SNOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/mac.h"

#define SNOOP_GROUPS_MAX 64u /* Of one message that are looked at. */
#define SNOOP_QUERY_SIZE 86u /* Most bytes of a query's frame. */

enum snoop_kind {
    SNOOP_OTHER,  /* Nothing of these protocols, or malformed. */
    SNOOP_QUERY,  /* From a router, or a querier. */
    SNOOP_REPORT, /* Of a listener: joins and leaves. */
};

struct snoop_message {
    uint8_t kind; /* enum snoop_kind */
    bool ip6;
    bool
        anonymous; /* QUERY: from 0.0.0.0, or an address of snoop_build_query(): from no router. */
    uint8_t n_groups;
    struct snoop_group {
        uint8_t mac[MAC_SIZE]; /* The group's MAC. */
        bool leaves;
    } groups[SNOOP_GROUPS_MAX];
};

/* Reads data[size], a frame from its destination MAC on. Never fails: what is not understood is
 * SNOOP_OTHER. */
void snoop_parse(const uint8_t *data, size_t size, struct snoop_message *);

/* Groups whose frames go to everybody, registered or not: those of the link itself [RFC 4541 2.1.2,
 * 3], and the solicited nodes of neighbour discovery. */
bool snoop_is_link_group(const uint8_t mac[MAC_SIZE]);

/* Writes the frame of a general query (IGMPv2, or MLDv1) from `mac`; returns its size. Its source is 0.0.0.0, and
 * fe80::ffff: with the MAC behind it, so that every router's is lower and goes before it. */
size_t snoop_build_query(bool ip6, const uint8_t mac[MAC_SIZE],
                         uint8_t out[SNOOP_QUERY_SIZE]);

#endif
