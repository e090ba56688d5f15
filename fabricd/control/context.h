/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The context of the control process, handed to all its parts, and what membership
 * (fabricd/control/fabric) does for the others. Parts own their own struct; nobody else looks
 * inside.
 */
#ifndef FABRICD_CONTROL_CONTEXT_H
#define FABRICD_CONTROL_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/control/chan/chan.h"
#include "fabricd/control/change/change.h"
#include "fabricd/control/store/store.h"
#include "fabricd/ipc/ipc.h"
#include "proto/base/loop.h"
#include "proto/base/mtime.h"

struct view;
struct observe;
struct seen;
struct events;
struct audit;
struct failures;
struct reconcile;
struct homes_teller;
struct migrate;
struct api;
struct console;
struct plugd;
struct member;
struct blocks;
struct standing;
struct part;
struct settling;
struct services;
struct control;

/* Who this host is. Kept as the object (STORE_LOCAL, "self", "self"); the keys are the
 * parent's. */
struct identity {
    struct ipc_self self; /* host number, name, fabric id, public keys, chain */
    bool founder;         /* This host's store is the fabric's. */
};

/*
 * Membership. A fabric of one host needs none: then `ops` is NULL and every change is carried
 * out here. All run on the loop's thread.
 */
struct member_ops {
    /* Sends the change to the founder and hands back its result, after the rows that it wrote
     * have arrived here (change_replicate()); 503 with one clear line that names the founder
     * while it is out of reach. Takes the change. */
    void (*forward)(struct control *, struct change *, change_done_fn *, void *aux);
    bool (*founder_reachable)(const struct control *);

    /* Whether this host has all that the founder has. */
    bool (*is_current)(const struct control *);

    /* The API's actions; the result's value is the body of the answer. expires 0 = an hour. */
    void (*invite)(struct control *, const char *name, int64_t expires_sec,
                   change_done_fn *, void *aux);
    void (*join)(struct control *, const char *token, bool discard, change_done_fn *,
                 void *aux);
    void (*leave)(struct control *, change_done_fn *, void *aux);

    /* What the switch tells of hosts. */
    void (*peer_state)(struct control *, const struct ipc_peer_state *);
    void (*stream_in)(struct control *, const struct ipc_stream *);
    void (*stream_room)(struct control *, uint32_t conn);
    void (*joining)(struct control *, const struct ipc_joining *);

    /* A new switch process has come: sessions begin anew. */
    void (*switch_restarted)(struct control *);

    /* Something of this host may have changed that others are told of. */
    void (*noticed)(struct control *);
};

struct control {
    struct loop *loop;
    struct store *store;
    struct ipc_start start; /* Names, folders and flags from the parent. */
    struct identity id;
    struct chan parent;
    struct chan switch_;
    pid_t parent_pid, switch_pid; /* 0 = unknown */
    struct view *view;
    struct observe *observe;
    struct seen *seen;
    struct events *events;
    struct reconcile *reconcile;
    struct homes_teller *homes;
    struct migrate *migrate;
    struct api *api;
    struct console *console;
    struct audit *audit;       /* NULL: nothing is kept. */
    struct failures *failures; /* Wrong tokens, by address. */
    struct plugd *plugd;
    struct blocks *blocks;
    struct services *services;
    struct standing *standing; /* NULL: what is applied is not put on trial. */
    struct part *part;         /* NULL: nothing that is local of a file waits. */
    struct settling *settling; /* NULL: trees are not asked about. */
    struct list in_flight;     /* Changes on their way: fabricd/control/change/submit.c. */
    const struct member_ops *member_ops; /* NULL: none */
    struct member *member;
    bool stopping;
};

/* The identity was changed (founded, joined, left, renamed): stores it, tells the parent, and
 * starts the parts that depend on it anew. Returns 0 or -errno. */
int control_set_identity(struct control *, const struct identity *, struct err *err)
    __attribute__((warn_unused_result));

/* This host's name in the fabric. */
const char *control_host(const struct control *);

/* The founder can be reached again: what was put off is made good. Called by membership. */
void control_founder_back(struct control *);

/* Whether changes of fabric objects have to be made at another host. */
bool control_follows(const struct control *);

#endif
