/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The view: what is in the store, typed and indexed, for those who work with objects rather than
 * print them: the planner, the reconciler, the plug server, names. It follows the store by a
 * watch and is always of its latest revision. Everything handed out is borrowed until the next
 * commit.
 *
 * The keys of stored bodies that are the daemon's own:
 *   network  id (16 hexadecimal digits)
 *   endpoint anonymous, epoch; _held: a program runs under the name on its host; and of local
 *            ones _promote: registered while the founder was out of reach, to become a fabric
 *            object
 *   host     number, key and sign_key (64 hexadecimal digits), listens (list of ADDR:PORT where
 *            it says it can be reached), founder, besides the declared address
 *   service  _from: the host that asked last for what it is, absent if that was not the host's
 *            own user; _restarts: how often somebody has asked for a restart
 *   block    (network, VLAN.HOST): vlan, host, ranges (list of [first address, number])
 * Keys that begin with _ are never shown.
 */
#ifndef FABRICD_CONTROL_VIEW_VIEW_H
#define FABRICD_CONTROL_VIEW_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fabricd/control/plan/addr.h"
#include "fabricd/control/plan/plan.h"
#include "fabricd/control/store/store.h"
#include "proto/base/list.h"
#include "proto/base/map.h"
#include "proto/model/node.h"

#define VIEW_NAME_SIZE  64
#define VIEW_MAX_ADDRS  8
#define VIEW_CLAIM_SIZE (2 * VIEW_NAME_SIZE + 16)
#define VIEW_OWNER      16 /* Bytes of an owner: "cli", "file", "run", … */

/* The plan of a network that declares no VLANs (vlan 0), or of one VLAN. */
struct view_plan {
    uint16_t vlan;
    struct addr v4, v6; /* family 0 = none */
};

struct view_network {
    struct list link;
    enum store_scope scope;
    uint64_t revision;
    char owner[VIEW_OWNER];
    uint64_t id;
    char name[VIEW_NAME_SIZE];
    uint32_t mtu;
    bool vlan_aware;
    struct view_plan *plans; /* By VLAN; exactly one, of VLAN 0, if not vlan_aware. */
    size_t n_plans;
    struct node *body;
};

struct view_endpoint {
    struct list link;
    enum store_scope scope;
    uint64_t revision;
    char owner[VIEW_OWNER];
    char network[VIEW_NAME_SIZE];
    char name[VIEW_NAME_SIZE];
    char host[VIEW_NAME_SIZE];
    uint16_t vlan;
    bool anonymous;
    bool held;
    bool promote;
    uint32_t epoch;
    uint8_t mac[6];
    uint8_t n_addrs;
    struct addr addrs[VIEW_MAX_ADDRS];
};

struct view_host {
    struct list link;
    uint64_t revision;
    char owner[VIEW_OWNER];
    char name[VIEW_NAME_SIZE];
    uint16_t number;
    bool has_key;
    uint8_t noise_public[32];
    uint8_t sign_public[32];
    struct node *body;
};

struct view_service {
    struct list link;
    enum store_scope scope; /* Its network's. */
    uint64_t revision;
    char name[VIEW_NAME_SIZE];
    char network[VIEW_NAME_SIZE];
    char host[VIEW_NAME_SIZE];
    char owner[VIEW_OWNER];
    struct node *body;
};

/* A declared port. */
struct view_port {
    struct list link;
    enum store_scope scope;
    uint64_t revision;
    char owner[VIEW_OWNER];
    char network[VIEW_NAME_SIZE];
    char name[VIEW_NAME_SIZE];
    struct node *body;
};

struct view_block {
    struct list link;
    struct list plan; /* Of the blocks of its plan: view_blocks(). */
    uint64_t revision;
    char network[VIEW_NAME_SIZE];
    char host[VIEW_NAME_SIZE];
    uint16_t vlan;
    struct plan_block *ranges;
    size_t n_ranges;
};

struct view {
    struct store *store;
    struct store_watch watch;
    struct list networks, endpoints, hosts, ports, blocks,
        services; /* struct view_X's link */
    size_t n_networks, n_endpoints, n_hosts, n_ports, n_services;
    struct map network_by_name, network_by_id; /* By scope and name; by 16 digits. */
    struct map port_by_name, port_by_claim;    /* By scope, network, name; host, claim. */
    struct map plan_blocks;                    /* By network and VLAN: heads of lists. */
    void *endpoints_by_name, *endpoints_by_addr,
        *endpoints_by_mac; /* Trees of <search.h> */
};

/* Reads the store; NULL and err if it cannot. */
struct view *view_new(struct store *, struct err *);
void view_free(struct view *);

/* Of either scope; a fabric object hides a local one of its name. NULL if there is none. */
struct view_network *view_network(const struct view *, const char *name);
struct view_network *view_network_in(const struct view *, enum store_scope,
                                     const char *name);
struct view_network *view_network_by_id(const struct view *, uint64_t id);
struct view_endpoint *view_endpoint(const struct view *, const char *network,
                                    const char *name);
struct view_endpoint *view_endpoint_in(const struct view *, enum store_scope,
                                       const char *network, const char *name);
struct view_port *view_port(const struct view *, const char *network, const char *name);
/* The service whose endpoint that is, or NULL. */
struct view_service *view_service_of(const struct view *, const char *network,
                                     const char *name);
struct view_service *view_service(const struct view *, const char *name);
struct view_service *view_service_in(const struct view *, enum store_scope,
                                     const char *name);
struct view_host *view_host(const struct view *, const char *name);
struct view_host *view_host_by_number(const struct view *, uint16_t number);
struct view_block *view_block(const struct view *, const char *network, uint16_t vlan,
                              const char *host);

/* What a declared port takes on its host, for people: the interface that it opens, or the socket
 * that it makes ("interface t0", "socket lan1/vm.sock"); "" for nothing. And the port of the
 * host that has it, or NULL. */
void view_port_claim(const char *network, const char *name, const struct node *body,
                     char claim[VIEW_CLAIM_SIZE]);
struct view_port *view_port_by_claim(const struct view *, const char *host,
                                     const char *claim);

/* The blocks of a plan, struct view_block by its `plan`; NULL if there is none. */
struct list *view_blocks(const struct view *, const char *network, uint16_t vlan);

/* The endpoint of a network that holds the address or MAC. */
struct view_endpoint *view_endpoint_by_addr(const struct view *, const char *network,
                                            const struct addr *);
struct view_endpoint *view_endpoint_by_mac(const struct view *, const char *network,
                                           const uint8_t mac[6]);

/* The plan of a VLAN of the network, or NULL. */
const struct view_plan *view_plan(const struct view_network *, uint16_t vlan);

/* Whether the network is on that host: `on` says so, or it is local there. */
bool view_network_on(const struct view_network *, const char *host);

/* --- for view.c: bodies, view_body.c ------------------------------------------------------- */

struct view_network *view_parse_network(const struct store_object *, struct node *body);
struct view_endpoint *view_parse_endpoint(const struct store_object *, const struct node *);
struct view_host *view_parse_host(const struct store_object *, struct node *body);
struct view_port *view_parse_port(const struct store_object *, struct node *body);
struct view_service *view_parse_service(const struct store_object *, struct node *body);
struct view_block *view_parse_block(const struct store_object *, const struct node *);
void view_free_network(struct view_network *);
void view_free_block(struct view_block *);

#endif
