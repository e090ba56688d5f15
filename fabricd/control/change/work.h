/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A change while it is carried out: the objects that it writes, gathered on top of the view so
 * that later items see what earlier ones did, until all goes to the store in one transaction.
 */
#ifndef FABRICD_CONTROL_CHANGE_WORK_H
#define FABRICD_CONTROL_CHANGE_WORK_H

#include "fabricd/control/change/change.h"
#include "fabricd/control/context.h"
#include "fabricd/control/view/view.h"
#include "proto/base/map.h"
#include "proto/model/schema.h"

/* An object to be written, or (body NULL) deleted. */
struct pending {
    struct list link;
    enum store_scope scope;
    char *kind, *network, *name;
    struct node *body;
    uint64_t expect;
    struct view_network *net; /* What the view will make of the body, by kind. */
    struct view_endpoint *ep;
    struct view_block *block;
};

struct work {
    struct control *control;
    const struct change *change;
    struct change_result *result;
    struct list pending;        /* In the order of their coming. */
    struct map by_key;          /* The same by scope, kind, network and name. */
    struct map by_addr, by_mac; /* Those of endpoints. */
    struct subnets *subnets; /* Of all networks: finish_network.c; NULL until asked for. */
    bool planned;            /* Its items are the steps of a plan. */
    char *note;              /* What the history says of it; NULL: nothing. */
};

void work_init(struct work *, struct control *, const struct change *,
               struct change_result *);
void work_done(struct work *);

/* Whether another host asks for the change. */
bool work_foreign(const struct work *);

/* The object as it stands, the caller's; NULL if there is none. *revision (or NULL): its
 * revision in the store, STORE_ABSENT if it is not there. */
struct node *work_get(struct work *, enum store_scope, const char *kind,
                      const char *network, const char *name, uint64_t *revision);
bool work_has(struct work *, enum store_scope, const char *kind, const char *network,
              const char *name);

/* Whether the object is pending to be deleted. network NULL = "". */
bool work_gone(struct work *, const char *kind, const char *network, const char *name);

/* Takes the body. `expect` is of the store, for a key not yet pending. */
void work_put(struct work *, enum store_scope, const char *kind, const char *network,
              const char *name, struct node *body, uint64_t expect);
void work_delete(struct work *, enum store_scope, const char *kind, const char *network,
                 const char *name);

/* 0, or the result is filled in and -errno returned. *revision of the transaction. */
int work_commit(struct work *, uint64_t *revision);

/* As view_X(), with what is pending laid over it. */
const struct view_network *work_network(struct work *, const char *name);
const struct view_endpoint *work_endpoint(struct work *, const char *network,
                                          const char *name);
const struct view_endpoint *work_endpoint_by_addr(struct work *, const char *network,
                                                  const struct addr *);
const struct view_endpoint *work_endpoint_by_mac(struct work *, const char *network,
                                                 const uint8_t mac[6]);
const struct view_block *work_block(struct work *, const char *network, uint16_t vlan,
                                    const char *host);
bool work_has_host(struct work *, const char *name);
const struct node *work_host(struct work *,
                             const struct view_host *); /* Its body; NULL: it goes. */

/* Whether what is pending takes the claim (view_port_claim()) from the port, or the port away. */
bool work_moves(struct work *, const struct view_port *, const char *claim);

/* What the history says of the change: one line; a second one is "and more". */
void work_note(struct work *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether a program runs under the endpoint's name on a host that is there to say when it ends:
 * this one, or one that a session is up with. */
bool work_runs(const struct work *, const struct view_endpoint *);

/* A hint beside a refusal because of the endpoint: how to be rid of it, or where it runs. */
void work_hint_endpoint(struct work *, const struct view_endpoint *);

/* In a file the refusal is a mistake of that place, too. Takes the path. */
void work_place(struct work *, char *path);

/* Every network, every block of a network's VLAN, with what is pending laid over. */
void work_each_network(struct work *, void (*each)(void *aux, const struct view_network *),
                       void *aux);
void work_each_block(struct work *, const char *network, uint16_t vlan,
                     void (*each)(void *aux, const struct view_block *), void *aux);

/* --- per kind: what follows from the object and its surroundings --------------------------- */

/*
 * Completes `body`, canonical, into what is stored: resolves what was left to the daemon, checks
 * references and conflicts, adds the daemon's own keys. `now` is the present object or NULL.
 * Returns 0, or the result is filled in and -errno returned.
 */
int finish_network(struct work *, const struct change_item *, enum store_scope,
                   const struct node *now, struct node *body);
int finish_port(struct work *, const struct change_item *, const struct node *now,
                struct node *body);
int finish_endpoint(struct work *, const struct change_item *, enum store_scope,
                    const struct node *now, struct node *body);
int finish_service(struct work *, const struct change_item *, enum store_scope scope,
                   const struct node *now, struct node *body);
int finish_host(struct work *, const struct change_item *, const struct node *now,
                struct node *body);
int finish_link(struct work *, const struct change_item *, const struct node *now,
                struct node *body);

/* The addresses that the endpoint would have on this host, as its key `addresses`: the caller's.
 * NULL if it asks for some or keeps its own. Returns 0, or the result is filled in and -errno
 * returned: -ENOSPC if this host's blocks are used up. */
int propose_addresses(struct work *, const struct change_item *, struct node **out);

/* The network that a service's change names, or that the service has: "" if neither. */
const char *service_network(struct control *, const struct change_item *);

/* Whether services wait for others that there are, and not for themselves, once all items are in; else the
 * result is filled in: check_services.c. */
int check_services(struct work *);

/* Whether there is what ports newly name as their mirrors, once all items are in: check_mirrors.c. */
int check_mirrors(struct work *);

/* Whether networks whose VLANs change still have those that their ports name, once all items are in:
 * check_vlans.c. */
int check_vlans(struct work *);

/* Whether the network (NULL: it is not there yet) has the VLANs that a port has limits for. */
int check_limits(struct work *, const struct view_network *, const struct node *port);

/* Whether the users and groups that the change lets in exist here; else the result is filled in:
 * check_allow.c. */
bool change_allow_ok(const struct control *, const struct change *, struct change_result *);

/* Takes a change that is a file with local things in it, at a host that follows: split.c. False: it is
 * none. */
bool change_submit_split(struct control *, struct change *, change_done_fn *done,
                         void *aux);

/* Whether a change on its way has the address already: submit.c. */
bool change_in_flight(const struct control *, const char *network, const struct addr *);

/* A network is pending that is so now (NULL: it goes): finish_network.c. */
void subnets_follow(struct work *, enum store_scope, const char *name,
                    const struct view_network *now);

/* A plan will make the network what `after` says (before NULL: it is new): its subnets are taken, and
 * those that it gives up are free, before the first of the plan's networks is made. */
void subnets_reserve(struct work *, const char *name, const struct node *before,
                     const struct node *after);

/* Checks that a VLAN is named where the network has VLANs, and only there. */
int check_vlan(struct work *, const struct view_network *, int64_t vlan);

/* Takes one more block of the plan for the host into the work. -ENOSPC if the plan is used up;
 * the result is filled in then. */
int take_block(struct work *, const struct view_network *, uint16_t vlan, const char *host);

/* The item's verbs APPLY, ROLLBACK and HISTORY: apply.c, history.c. */
int execute_apply(struct work *, const struct change_item *);
int execute_rollback(struct work *, const struct change_item *);
int execute_history(struct work *, const struct change_item *);

/* The item's verb MOVE: move.c. */
int execute_move(struct work *, const struct change_item *);

/* One item of the other verbs, into the work. */
int execute_item(struct work *, const struct change_item *);

/* The object as the API shows it without status: the stored body without the keys that begin
 * with _, with name, network, revision and owner (or NULL). Takes the body. */
struct node *object_shown(struct node *body, const char *network, const char *name,
                          uint64_t revision, const char *owner);

#endif
