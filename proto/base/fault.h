/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Faults at named steps, for tests: a process ends as if it had crashed, or stands still, exactly there.
 * Only in debug builds; in others these functions do nothing.
 *
 * A test makes a file of FAULT_FILE_SIZE zeros, names it to the daemon by the environment
 * (IOTH_FAULT=PATH), and later writes "STEP kill" or "STEP stop" and a NUL into it, in place. The first
 * process of the daemon that comes to the step clears it and dies by SIGKILL, or stops by SIGSTOP.
 * tests/support/fault_steps prints the table, so that a test walks through all of it.
 */
#ifndef PROTO_BASE_FAULT_H
#define PROTO_BASE_FAULT_H

#include <stdbool.h>

#define FAULT_FILE_SIZE 64u

/* X(constant, name): what has just happened. */
#define FAULT_STEPS(X)                                                                     \
    /* Where an apply is carried out: the founder. */                                      \
    X(FAULT_APPLY_PLANNED, "apply.planned")                                                \
    X(FAULT_STORE_WRITTEN, "store.written") /* Any transaction, but for its COMMIT. */     \
    X(FAULT_APPLY_COMMITTED, "apply.committed")                                            \
    X(FAULT_TRIAL_BEGUN, "trial.begun")                                                    \
    X(FAULT_RECONCILE_SENT, "reconcile.sent")       /* To the parent; on every host. */    \
    X(FAULT_TRIAL_CARRIED_OUT, "trial.carried-out") /* On the founder itself. */           \
    X(FAULT_TRIAL_VERIFIED, "trial.verified")                                              \
    X(FAULT_CONFIRM_BEGUN, "confirm.begun")                                                \
    X(FAULT_CONFIRM_ACCEPTED, "confirm.accepted")                                          \
    X(FAULT_APPLY_KEPT, "apply.kept")                                                      \
    X(FAULT_TRIAL_FAILED, "trial.failed")                                                  \
    X(FAULT_APPLY_RESTORED, "apply.restored")                                              \
    /* At a host that follows. */                                                          \
    X(FAULT_LOCAL_COMMITTED, "local.committed") /* What is local of a file. */             \
    X(FAULT_FORWARD_SENT, "forward.sent")                                                  \
    X(FAULT_FORWARD_ANSWERED, "forward.answered")                                          \
    X(FAULT_FOLLOW_RECEIVED, "follow.received") /* Rows of the founder's store. */         \
    X(FAULT_FOLLOW_STORED, "follow.stored")                                                \
    X(FAULT_FOLLOW_REPORTED, "follow.reported") /* What has been carried out. */           \
    /* Where a service moves: the founder, which leads. */                                 \
    X(FAULT_MOVE_BEGUN, "move.lead.begun")                                                 \
    X(FAULT_MOVE_ASKED, "move.lead.asked")                                                 \
    X(FAULT_MOVE_ANSWERED, "move.lead.answered")                                           \
    X(FAULT_MOVE_STOP,                                                                     \
      "move.lead.stop") /* That it is to stop is about to be committed, */                 \
    X(FAULT_MOVE_STOPPED, "move.lead.stop-committed") /* and has been; as the others. */   \
    X(FAULT_MOVE_SWITCH, "move.lead.switch")                                               \
    X(FAULT_MOVE_SWITCHED, "move.lead.switch-committed")                                   \
    X(FAULT_MOVE_DONE, "move.lead.done")                                                   \
    X(FAULT_MOVE_DONE_COMMITTED, "move.lead.done-committed")                               \
    X(FAULT_MOVE_FAILED, "move.lead.failed")                                               \
    X(FAULT_MOVE_FAILED_COMMITTED, "move.lead.failed-committed")                           \
    /* Every host: the row of the move was read. */                                        \
    X(FAULT_MOVE_SEEN_PREPARE, "move.seen.prepare")                                        \
    X(FAULT_MOVE_SEEN_STOP, "move.seen.stop")                                              \
    X(FAULT_MOVE_SEEN_SWITCH, "move.seen.switch")                                          \
    X(FAULT_MOVE_SEEN_DONE, "move.seen.done")                                              \
    X(FAULT_MOVE_SEEN_FAILED, "move.seen.failed")                                          \
    /* The host that it goes to. */                                                        \
    X(FAULT_MOVE_KEEPER_ASKED, "move.to.keeper-asked") /* Of the parent. */                \
    X(FAULT_MOVE_KEEPER_THERE, "move.to.keeper-there")                                     \
    X(FAULT_MOVE_KEEPER_CAME, "move.to.keeper-came")                                       \
    X(FAULT_MOVE_KEEPER_TOLD, "move.to.keeper-told")                                       \
    X(FAULT_MOVE_PLUGGED, "move.to.plugged") /* Behind the fence. */                       \
    X(FAULT_MOVE_FETCH, "move.to.fetch")     /* Of its state. */                           \
    X(FAULT_MOVE_FETCHED, "move.to.fetched")                                               \
    X(FAULT_MOVE_READY, "move.to.ready") /* The leader is about to hear of it. */          \
    /* The host that it leaves. */                                                         \
    X(FAULT_MOVE_HOLD_TOLD, "move.from.hold-told")                                         \
    X(FAULT_MOVE_STATE_ASKED, "move.from.state-asked")                                     \
    X(FAULT_MOVE_STATE_ANSWERED, "move.from.state-answered")                               \
    X(FAULT_MOVE_END_TOLD, "move.from.end-told")                                           \
    X(FAULT_MOVE_KEEPER_GONE, "move.from.keeper-gone")

#define FAULT_CONSTANT(constant, name) constant,
enum fault_step { FAULT_STEPS(FAULT_CONSTANT) FAULT_N };
#undef FAULT_CONSTANT

/* Whether this is a build in which faults can be. */
bool fault_possible(void);

/* Before the first fork. Without a path, or if the file cannot be mapped, nothing ever happens. */
void fault_open(const char *path);

void fault_at(enum fault_step);

#endif
