/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The services of this host. Each has a keeper (keeper/keeper.c), a process that the parent starts and
 * that outlives control: it comes to RUN/keep.sock, is told what is wanted, and tells what is.
 *
 * Level-triggered: each run compares the services that are placed here, with what they wait for, with
 * the keepers that there are, and has these started, told or ended. So a control process that was
 * restarted finds every keeper again, when it comes.
 *
 * Bounds: SERVICES_MAX connections of keepers; one that has not said who it is within five seconds
 * is hung up on. What a keeper says is taken for data of its user: texts are cut and made printable.
 */
#ifndef FABRICD_CONTROL_SERVICES_SERVICES_H
#define FABRICD_CONTROL_SERVICES_SERVICES_H

#include <stdbool.h>

#include "fabricd/control/context.h"
#include "fabricd/control/view/view.h"
#include "proto/base/fd.h"
#include "proto/sync/message.h"

#define SERVICES_MAX 1024u

/* Takes the listening socket. NULL and err on failure. */
struct services *services_new(struct control *, int sock, struct err *err);
void services_free(struct services *);

/* Runs before the loop waits again. Harmless on NULL. */
void services_kick(struct services *);

/* The parent tells of a keeper that there is, or that has ended. */
void services_learn(struct services *, const struct ipc_service *);
void services_gone(struct services *, const struct ipc_service *);

/* Whether the peer is the keeper of that service, which is placed on this host's network. */
bool services_is_keeper(const struct control *, const struct fd_peer *, const char *network,
                        const char *name);

/* Whether the user is the one of --services: its keepers look up names. */
bool services_is_user(const struct control *, uid_t uid);

/*
 * Whether this host's own users asked for the service as it is (asked.c); and a change on its way
 * that may ask for some: its end is noted, so `then` and `aux` become others.
 */
bool services_asked_here(const struct control *, const struct view_service *);
void services_note_asked(struct control *, const struct change *, change_done_fn **then,
                         void **aux);

/* The state of a service on whatever host: one of "running", "starting", "backoff", "stopping",
 * "stopped", "failed", "unhealthy", "waiting", "refused", "unknown". */
const char *services_state(const struct control *, const struct view_service *);

/* The same with everything, as the API shows it: the caller's. */
struct node *services_status(const struct control *, const struct view_service *);

/* Whether it has become what is wanted, as far as this host knows: not yet, it has, or it does not;
 * and unless it has, what is in the way. */
enum services_verdict { SERVICES_YET, SERVICES_WELL, SERVICES_BAD };
enum services_verdict services_judge(const struct control *, const struct view_service *,
                                     char *why, size_t size);

/* What this host itself has of it, for the lead of a move (migrate.h): state, health, problem, exit,
 * restarts; ready: an instance is well behind its fence; serves: its program runs, and its check, if it has one,
 * says so; home: the endpoint lives here. The caller's. */
struct node *services_here(const struct control *, const struct view_service *);

/* Asks the keeper here for what the question says (keeper/state.h), and calls back with the answer,
 * or NULL. Takes the question. */
typedef void state_answer_fn(void *aux, const struct node *answer);
void services_ask_state(struct services *, const char *name, struct node *question,
                        state_answer_fn *, void *aux);

/* For this host's report. */
void services_tell(const struct control *, const struct view_service *,
                   struct sync_seen_service *out);

#endif
