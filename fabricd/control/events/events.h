/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happened, for those who watch: objects made, changed and removed, ports and peers going up
 * and down. The last EVENTS_KEPT are kept in memory, once for all clients: each has its place in
 * them. A client that falls behind the oldest is dropped; one that comes back resumes from the
 * event that it names, or is told to begin anew (a reset), as after a restart of control.
 */
#ifndef FABRICD_CONTROL_EVENTS_EVENTS_H
#define FABRICD_CONTROL_EVENTS_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/control/context.h"

#define EVENTS_KEPT    1024u
#define EVENTS_BURST   256u /* Objects in one commit; of more, a reset is told. */
#define EVENTS_CLIENTS 32u
#define EVENTS_LIMITED 8u /* Of these, of users who may not do everything. */
#define EVENTS_BEAT    (10 * MTIME_SEC)

struct event {
    uint64_t number;
    const char
        *type; /* "object", "port", "service", "peer", "tree", "apply", "reset"; static */
    char *network;     /* Whose visibility counts; "" = everybody's. */
    char *kind, *name; /* Of what it is about; "" of a reset. */
    bool local;        /* It does not concern other hosts. */
    char *json;
};

struct events_client {
    struct list link;
    uint64_t next; /* The number that it has to be told. */
    bool reset;    /* It has to be told first to begin anew. */
    bool beat;     /* A sign of life is due. */
    bool limited;  /* One of EVENTS_LIMITED. */
    bool behind;   /* Lost its place: it is to be dropped. */
    void (*ready)(struct events_client *);
};

/* Before the view: whether an object is new is what the view does not know yet. */
struct events *events_new(struct control *);
void events_free(struct events *);

/* Of this host; harmless where there are no events. */
void events_port(struct control *, const struct ipc_port *, bool up);
void events_service(struct control *, const char *name, const char *state);
void events_peer(struct control *, uint16_t host, bool up);

/* The link to the host is held, or not any more (proto/base/damping.h). */
void events_held(struct control *, const struct ipc_peer_state *);

/* What became of an apply: "verified" (it waits to be accepted), "kept", "rolled-back". */
void events_apply(struct control *, const char *verb, uint64_t revision, const char *who,
                  const char *host);

/* Something happened to the spanning tree of a network. What wants somebody's care is logged too. */
void events_notice(struct control *, const struct ipc_notice *);
void events_tree(struct control *, const struct ipc_tree_event *);

/* `last` is what the client heard last, as events_id() wrote it, or NULL: only what is new. False
 * if there are too many. */
bool events_attach(struct events *, struct events_client *, const char *last);
void events_detach(struct events *, struct events_client *);

/* The client's next event, or NULL. Borrowed until the next one happens. */
const struct event *events_next(struct events *, struct events_client *);

#define EVENTS_ID_SIZE 40
char *events_id(const struct events *, uint64_t number, char out[EVENTS_ID_SIZE]);

#endif
