/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the fabric looks like: who is where and how they are joined; and four ways to draw it. */
#ifndef CTL_TOPOLOGY_H
#define CTL_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "proto/model/node.h"

struct topo_item { /* An endpoint, or a port that is no endpoint's. */
    char *name;
    char *kind; /* "endpoint", "tap", "vde", … */
    char *text; /* Addresses, or the kind; with the VLAN where there is one. */
    char *state;
};

struct topo_net { /* One network on one host. */
    char *name;
    char *text; /* Its plan, or its VLANs. */
    struct topo_item *items;
    size_t n_items;
};

struct topo_host {
    char *name, *address, *state;
    bool self;
    struct topo_net *nets;
    size_t n_nets;
};

struct topo_link {
    char *name;
    size_t from, to; /* Hosts, from < to. */
    bool up;
    char *text; /* "up, 0.4 ms, AES-256-GCM" */
};

struct topo {
    char *fabric; /* "" = it has no name yet. */
    struct topo_host *hosts;
    size_t n_hosts;
    struct topo_link *links;
    size_t n_links;
    char **degraded; /* "lan1: alpha-gamma" */
    size_t n_degraded;
};

/* The API's answers; a NULL one counts as empty. */
struct topo_source {
    const struct node *status, *hosts, *networks, *ports, *endpoints, *links;
};

void topo_init(struct topo *, const struct topo_source *);
void topo_done(struct topo *);

/* Boxes and lines; `ascii` for terminals without UTF-8. */
void topo_text(const struct topo *, FILE *, bool ascii);
void topo_dot(const struct topo *, FILE *);
void topo_svg(const struct topo *, FILE *);
struct node *topo_node(const struct topo *); /* The caller's to node_free(). */

#endif
