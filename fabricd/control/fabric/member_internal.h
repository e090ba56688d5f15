/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FABRICD_CONTROL_FABRIC_MEMBER_INTERNAL_H
#define FABRICD_CONTROL_FABRIC_MEMBER_INTERNAL_H

#include "fabricd/control/context.h"
#include "fabricd/control/fabric/call.h"
#include "fabricd/control/fabric/fabric.h"
#include "fabricd/control/view/view.h"
#include "proto/link/token.h"
#include "proto/sync/follower.h"
#include "proto/sync/pipe.h"
#include "proto/sync/source.h"

#define MEMBER_KIND  "sync" /* Of this room's own rows in STORE_LOCAL. */
#define MAX_CONNS    2048u  /* Members and strangers; the switch holds fewer. */
#define TELL_CHANGES 256u   /* Reports that changed between two rounds. */

enum member_role {
    ROLE_NONE,     /* Nothing to say. */
    ROLE_SELF,     /* This host: calls come back to it. */
    ROLE_PEER,     /* It follows the same founder: calls only. */
    ROLE_FOLLOWER, /* It follows us. */
    ROLE_FOUNDER,  /* We follow it. */
    ROLE_STRANGER, /* It wants to join. */
    ROLE_INVITER,  /* We want to join it. */
};

/* One control stream. */
struct member_conn {
    struct list link;
    struct member *member;
    uint32_t conn;
    enum member_role role;
    uint16_t host;
    uint8_t noise_public[32];
    struct ipc_addr addr; /* Where it was heard. */
    struct pipe_end pipe;
    struct source source; /* ROLE_FOLLOWER; ROLE_STRANGER once it is welcome. */
    bool has_source;
    bool admitting; /* ROLE_STRANGER: being looked at. */
    bool tell_all;  /* ROLE_FOLLOWER: all reports are due, not only those that changed. */
};

/* A change, or an action, on its way to the founder. */
struct forwarded {
    struct list link;
    uint32_t id;
    change_done_fn *done;
    void *aux;
    mtime_t due;
    bool answered;     /* Its rows have not come yet. */
    uint64_t revision; /* Of them. */
    struct change_result result;
};

struct joining;

struct member {
    struct control *control;
    struct store_watch watch;
    struct list conns;
    unsigned n_conns;
    uint64_t store_id;         /* Names this host's store to followers. */
    struct loop_timer changed; /* Something was committed: followers are told next. */
    struct loop_timer timer;
    struct ipc_stream *frame; /* For sending. */

    struct follower follower;
    struct member_conn *founder; /* The stream to it, or NULL. */
    struct list forwarded;
    struct list carried; /* carried.c: who waits for a revision. */
    uint32_t last_request;

    struct loop_timer tell; /* What hosts see: tell.c. */
    mtime_t told_at, refreshed_at;
    bool tell_founder; /* It has not been told since its stream began. */
    struct sync_seen own_seen;
    uint16_t changed_seen[TELL_CHANGES]; /* Hosts, at the founder: whose reports are due. */
    unsigned n_changed_seen;

    struct list calls, served; /* call.c, call_serve.c */
    unsigned n_calls, n_served;
    uint32_t last_call;
    struct member_conn self;
    struct list loopback; /* What it has been sent. */
    struct loop_timer loopback_timer;

    uint16_t next_number; /* Of hosts; counts reservations that are not stored yet. */
    struct joining *joining;
    change_done_fn *left; /* Told when this host has founded a fabric of its own again. */
    void *left_aux;
};

/* --- member.c */
struct member_conn *member_conn(struct member *, uint32_t conn);
struct member_conn *member_add_conn(struct member *, const struct ipc_peer_state *,
                                    enum member_role);
void member_drop_conn(struct member_conn *);
int member_send(struct member_conn *, const struct sync_message *);
void member_refuse(struct member_conn *, uint16_t status, const struct err *);
void member_schedule(struct member *); /* The timer, to the nearest deadline. */

/* Learns of the sessions that there are, and begins in the role that the identity gives. */
void member_begin(struct member *);

/* The host at the other end, by number and key; NULL if it is not in the fabric. */
const struct view_host *member_peer(const struct member_conn *);

/* The name of the founding host, or "the founding host". */
const char *member_founder_name(const struct member *);

/* Calls back with a status and a reason. */
void member_fail(change_done_fn *, void *aux, int status, const char *hint,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

/* A row of MEMBER_KIND as a tree, the caller's, or NULL; and a put of one. */
struct node *member_row(const struct member *, enum store_scope, const char *kind,
                        const char *name, uint64_t *revision);

/* --- addrs.c: as member_addrs(), for messages and the directory. */
unsigned member_sync_addrs(const struct control *, struct sync_addr out[SYNC_MAX_ADDRS]);
struct node *member_addrs_node(const struct sync_addr *, unsigned n,
                               const struct ipc_addr *also);

/* --- serve.c */
extern const struct source_ops member_source_ops;
void serve_message(struct member_conn *, const struct sync_message *);
void serve_changed(struct member *);
void serve_began(struct member_conn *);

/* --- follow.c */
void follow_init(struct member *);
void follow_began(struct member *);
void follow_lost(struct member *);
void follow_message(struct member *, const struct sync_message *);
void follow_run(struct member *, mtime_t now);
mtime_t follow_deadline(const struct member *);
/* The founder has ANSWER_WITHIN and `more` to answer. */
void follow_request(struct member *, enum sync_verb, const struct node *, mtime_t more,
                    change_done_fn *, void *aux);
struct store_op follow_mark_op(uint64_t store, uint64_t revision, char **body);
void follow_forward(struct control *, struct change *, change_done_fn *, void *aux);
bool follow_reachable(const struct control *);
bool follow_is_current(const struct control *);

/* Rows as ops of the store; the array is the caller's to free(), the texts are the rows'. */
struct store_op *follow_ops(const struct sync_rows *);

/* Whether the rows are named as objects are: the founder may be another's now. */
bool follow_rows_ok(const struct sync_rows *);

/* --- tell.c: what hosts see of one another */
void tell_kick(struct control *); /* Something may have changed. */
void tell_expired(struct loop_timer *, mtime_t now);
void tell_began(struct member_conn *);
void tell_lost(struct member_conn *);
void tell_message(struct member_conn *, struct sync_seen *);

/* --- call.c: who calls */
void call_answer(struct member_conn *, const struct sync_answer *);
void call_lost(struct member_conn *);

/* --- call_serve.c: who is called */
void call_serve(struct member_conn *, struct sync_call *);
void call_took_up(struct member_conn *, const struct sync_took *);
void call_cancelled(struct member_conn *, uint32_t id);
void call_unserve(struct member_conn *);

/* --- invite.c */
void invite_action(struct control *, const char *name, int64_t expires_sec,
                   change_done_fn *, void *aux);
bool invite_any(struct store *);          /* Whether some are open or remembered. */
int invite_refresh_self(struct member *); /* This host's addresses into the directory. */

/* --- admit.c */
void admit_message(struct member_conn *, const struct sync_message *);

/* --- join.c */
void join_action(struct control *, const char *token, bool discard, change_done_fn *,
                 void *aux);
void join_opened(struct member *, const struct ipc_joining *);
void join_message(struct member *, const struct sync_message *);
void join_began(struct member *);
void join_lost(struct member *);
void join_stream_gone(struct member *, const struct member_conn *);
void join_run(struct member *, mtime_t now);
mtime_t join_deadline(const struct member *);
uint32_t join_conn(const struct member *); /* 0 = none. */

/* --- leave.c */
void leave_action(struct control *, change_done_fn *, void *aux);
void leave_serve(struct member *, const char *host, change_done_fn *, void *aux);

#endif
