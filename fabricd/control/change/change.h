/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes: every wish to alter objects, whoever has it (the API, the plug server, membership),
 * is a struct change and passes change_submit(). What concerns the whole fabric is carried out
 * at the founding host: there at once, elsewhere by forwarding the change as a tree and handing
 * back the founder's result. What is local to this host is carried out here. So a change says
 * what is wanted, not which rows to write: the plan of addresses is made where the change is
 * carried out, in the transaction that stores it.
 *
 * One change is one transaction: all items or none.
 */
#ifndef FABRICD_CONTROL_CHANGE_CHANGE_H
#define FABRICD_CONTROL_CHANGE_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fabricd/control/store/store.h"
#include "fabricd/control/trial/trial.h"
#include "proto/base/err.h"
#include "proto/model/diag.h"
#include "proto/model/node.h"

struct control;

enum change_verb {
    CHANGE_PUT,    /* body replaces the object, or makes it. */
    CHANGE_PATCH,  /* body is merged into it (RFC 7396). */
    CHANGE_DELETE, /* The object goes, and what lives in it. */
    CHANGE_APPLY,  /* body is a fabric file's tree. */
    CHANGE_RENAME, /* name is the fabric's new name. */
    CHANGE_BLOCK, /* One more block of addresses of (network, vlan) for the host `name`, unless
                      it got one since: create_only, if_revision of what it has. */
    CHANGE_LET_GO, /* The program under endpoint (network, name) on the change's host ended. */
    CHANGE_ROLLBACK, /* body: {revision}: back to how the fabric was then, as a plan. */
    CHANGE_ACCEPT,   /* The second word of an apply that waits for it. */
    CHANGE_MOVE, /* body: {phase, …}: a step of the service's move to another host: migrate.h. */
    CHANGE_HISTORY, /* Changes nothing. body: {revision} or {before, limit}: see history.h. */
};

struct change_item {
    enum change_verb verb;
    char *kind;    /* network, port, endpoint, host, link */
    char *network; /* "" for kinds that live in none. */
    char *name;
    struct node *body;    /* As it came in; or NULL. */
    bool create_only;     /* PUT: refused if it exists. */
    bool update_only;     /* PUT: refused if it does not exist. */
    uint64_t if_revision; /* 0 = any */
    uint16_t vlan;        /* BLOCK */
    bool optional;        /* BLOCK: a plan that is used up costs the other items nothing. */
    bool restart;         /* PATCH of a service: it is to be started anew. */
    bool held; /* PUT of an endpoint: a program takes it over on the change's host. */

    /* PUT of an endpoint, in this host's store whatever its network: */
    bool anonymous; /* It goes with its program. */
    bool promote;   /* The founder is out of reach; it becomes a fabric object later. */
};

/* How an APPLY or ROLLBACK is to prove itself. */
struct change_terms {
    enum trial_require require;
    int64_t within_ms;  /* To be carried out on the hosts; 0 = CHANGE_WITHIN. */
    int64_t confirm_ms; /* 0 = no second word is wanted. */
};

#define CHANGE_MARK_SIZE   33    /* With the NUL. */
#define CHANGE_WITHIN      10000 /* Milliseconds. */
#define CHANGE_WITHIN_MAX  120000
#define CHANGE_CONFIRM_MAX 86400000

struct change {
    char *host;  /* Where it was asked for; addresses come out of that host's blocks. */
    char *owner; /* "cli", "file", "run" */
    char *who;   /* The user that asked for it, for the history: "root". */
    bool prune;  /* APPLY */
    bool allow_destroy; /* APPLY, ROLLBACK */
    bool dry_run;
    bool foreign;    /* Another host asks: what is local here stays as it is. */
    bool local_only; /* APPLY: only what is this host's own. Never travels. */
    char mark
        [CHANGE_MARK_SIZE]; /* APPLY: of a file with a local part; else "". trial/part.h */
    struct change_terms terms;
    struct change_item *items;
    size_t n;
};

struct change_result {
    int status;     /* As HTTP says it: 200, 201, 204, 400, 404, 409, 412, 422, 503, 507. */
    struct err err; /* With a status from 400 on. */
    struct diags diags; /* Mistakes in the input, if that was it. */
    struct node
        *value; /* The object after it (one PUT or PATCH), the plan (APPLY), or NULL. */
};

/* Called exactly once. The result is lent until it returns; it may take `value` out by setting
 * it to NULL. */
typedef void change_done_fn(void *aux, struct change_result *);

/* `who` is "daemon" until it is said otherwise with change_set_who(). */
struct change *change_new(const char *host, const char *owner);
void change_set_who(struct change *, const char *who);
void change_free(struct change *);

/* Adds an item and returns it; body is taken over and may be NULL. */
struct change_item *change_add(struct change *, enum change_verb verb, const char *kind,
                               const char *network, const char *name, struct node *body);

/* The one way in. Takes the change; `done` may be called before it returns. */
void change_submit(struct control *, struct change *, change_done_fn *done, void *aux);

/* Carries a change out here, in this host's store: what the founder does with one that was
 * forwarded. Takes the change. */
void change_execute(struct control *, struct change *, change_done_fn *done, void *aux);

/*
 * What the founder has committed arrives at a host that follows it: writes the rows of
 * STORE_FABRIC as they are, with their revisions, and `also` (or NULL, n_also) with them, in one
 * transaction. With `snapshot`, rows of STORE_FABRIC that are not among them go.
 */
int change_replicate(struct control *, const struct store_op *ops, size_t n, bool snapshot,
                     const struct store_op *also, size_t n_also, struct err *err)
    __attribute__((warn_unused_result));

/* Trees for the way between hosts. from_node: NULL, and change_result_from_node: false, if the
 * tree is not one; they trust nothing in it. */
struct node *change_to_node(const struct change *);
struct change *change_from_node(const struct node *);
struct node *change_result_to_node(const struct change_result *);
bool change_result_from_node(const struct node *, struct change_result *out);

void change_result_init(struct change_result *);
void change_result_done(struct change_result *);

/* Sets status and reason at once: change_fail(&r, 409, "…"). */
void change_fail(struct change_result *, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The status that says the same as an errno of the store. */
int change_status_of(int code);

#endif
