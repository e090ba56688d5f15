/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rows of the route table and the handlers behind them. */
#ifndef FABRICD_CONTROL_API_ROUTES_H
#define FABRICD_CONTROL_API_ROUTES_H

#include "fabricd/control/api/api.h"
#include "fabricd/control/observe/observe.h"
#include "fabricd/control/view/view.h"
#include "proto/model/schema.h"

enum api_who {
    API_ADMIN, /* The same; over TCP a token of scope admin. */
    API_OWN, /* The same as API_ADMIN, of this host only: another host may not ask for it. */
    API_FULL, /* These, and other hosts. */
    API_READ  /* Local users too: they see what --allow opens to them. */
};

struct route {
    const char *method;
    const char *path; /* "*" stands for one part; "KIND" for the plural of one. */
    void (*handle)(struct api_request *);
    enum api_who who;
    const char *help;
    const char *later; /* Not built yet: 501 with this. */
};

extern const struct route routes[]; /* Ends with method == NULL. */

/* api_objects.c: the kinds of the model. parts[0] is the plural. */
void api_list(struct api_request *);
void api_get(struct api_request *);
void api_put(struct api_request *);
void api_patch(struct api_request *);
void api_delete(struct api_request *);
/* Submits a change of one item and answers when the data path has followed. Takes the change. */
void api_submit(struct api_request *, struct change *);

/* api_file.c */
void api_apply(struct api_request *);
void api_export(struct api_request *);

/* api_history.c */
void api_rollback(struct api_request *);
void api_accept(struct api_request *);
void api_standing(struct api_request *);
void api_history(struct api_request *);

/* How an apply or rollback is to be done, out of query and If-Match. False: answered. */
bool api_terms(struct api_request *, struct change *);

/* Submits a plan's change and answers with it when the data path has followed. */
void api_submit_plan(struct api_request *, struct change *);

/* The revision of If-Match, 0 without one; *any: "*" was said. False: answered. */
bool api_if_match(struct api_request *, uint64_t *revision, bool *any);

/* api_fabric.c */
void api_fabric(struct api_request *);
void api_fabric_rename(struct api_request *);
void api_key_drop(struct api_request *);
void api_invite(struct api_request *);
void api_join(struct api_request *);
void api_leave(struct api_request *);

/* api_status.c */
void api_status(struct api_request *);
void api_macs(struct api_request *);
void api_stop(struct api_request *);

/* api_route.c: the row for a path, whose parts may be {in braces}; NULL = none. */
const struct route *api_route_of(const char *method, const char *path);

/* api_auth.c: who asks, and whether he may. False: answered. */
bool api_admit(struct api_request *);
bool api_still_admitted(const struct api_request *); /* Of an answer that goes on. */
enum scope api_scope_of(const struct route *);       /* What a token needs. */
bool api_permit(struct api_request *, const struct route *);

/* api_openapi.c */
void api_openapi(struct api_request *);

/* api_tokens.c */
void api_tokens(struct api_request *);
void api_token_create(struct api_request *);
void api_token_delete(struct api_request *);

/* api_audit.c */
void api_audit(struct api_request *);
void api_audit_note(const struct api_request *, const struct api_answer *);

/* api_page.c: a part of a list. */
struct api_page {
    unsigned limit;    /* 0 = none was given. */
    const char *after; /* What the answer before gave as `next`; or NULL. */
};
struct api_page api_page_asked(const struct api_request *);
void api_answer_page(struct api_request *, struct node *items); /* Takes the list. */

/* api_events.c */
void api_events(struct api_request *);

/* api_pass.c: a request for another host goes there, over the link. */
void api_pass(struct api_request *);

/* The same for a handler that finds that the answer is there. Takes the path. */
void api_pass_to(struct api_request *, const char *host, char *path);

/* api_services.c */
void api_service_start(struct api_request *);
void api_service_stop(struct api_request *);
void api_service_restart(struct api_request *);
void api_service_logs(struct api_request *);

/* api_migrate.c */
void api_service_migrate(struct api_request *);
void api_service_here(struct api_request *);
void api_service_state(struct api_request *);

/* api_names.c, metrics.c */
void api_resolve(struct api_request *);
void api_metrics(struct api_request *);

/* --- api_shape.c: objects as the API shows them, with status -------------------------------- */

/* Every object of the kind that the peer may see, as a list of maps. `network` NULL = all. */
struct node *shape_all(struct api_request *, const struct kind *, const char *network,
                       const struct stats *);

/* One object, NULL if there is none (or the peer may not see it). */
struct node *shape_one(struct api_request *, const struct kind *, const char *network,
                       const char *name, const struct stats *);

/* What the kind's status needs from the switch: IPC_STATS_*; 0 = nothing. */
uint32_t shape_needs(const struct kind *);

/* Whether the peer may see the network (of either scope). What is local to this host no other
 * one sees. */
bool shape_visible(const struct api_request *, const char *network);

/* Why a port does not forward, where that is not the tree's own way; else NULL. */
const char *shape_tree_problem(const struct ipc_stats_stp_port *);

/* api_shape_counters.c: what the network's switch on this host has counted, and what it did at a port. */
void shape_counters(struct node *status, const struct stats *, const struct view_network *);
struct node *shape_port_counters(const struct ipc_stats_port *,
                                 const struct view_network *);

/* api_shape_tree.c: the spanning tree of a network on this host (`tree` NULL = none), and a port in
 * it, as `stp` of the status. */
void shape_tree(struct node *status, const struct control *, const struct view_network *,
                const struct ipc_stats_tree *tree);
void shape_tree_port(struct node *status, const struct control *,
                     const struct ipc_stats_port *);

/* The pairs of hosts of the network without a working link, as far as this host knows. */
struct node *shape_degraded(const struct control *, const struct view_network *);

#endif
