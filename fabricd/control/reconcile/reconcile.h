/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reconciler: makes the data path what the store says. Level-triggered: each run works out
 * the whole wanted state of this host, compares it with the mirror (what the parent was told, or
 * had when control started) and sends the difference. So a control process that was restarted
 * sends nothing that is right already, and deletes what nobody wants any more.
 *
 * Ports are of two sorts: declared ones, which it has opened by the parent, and those of
 * programs, which the plug server puts; these stay for as long as their endpoint does.
 */
#ifndef FABRICD_CONTROL_RECONCILE_RECONCILE_H
#define FABRICD_CONTROL_RECONCILE_RECONCILE_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/control/context.h"
#include "fabricd/control/view/view.h"
#include "fabricd/ipc/vault.h"

struct reconcile *reconcile_new(struct control *);
void reconcile_free(struct reconcile *);

/* Control ends: whoever waits in reconcile_settle() is told. */
void reconcile_stop(struct reconcile *);

/* Runs before the loop waits again. Cheap to call often. */
void reconcile_kick(struct reconcile *);

/* Calls `done` once when what the store says has been carried out or has failed, so that an
 * answer may promise that it is there. Waits a second at most. */
void reconcile_settle(struct reconcile *, void (*done)(void *aux), void *aux);

/* Whether all that the store says has reached the switch or has failed; so too while there is no
 * parent to carry anything out. */
bool reconcile_settled(const struct reconcile *);

/* The same, and nothing of it was in the way of something that may be on its way out only. */
bool reconcile_steady(const struct reconcile *);

/* How often what the store says has been worked out: what was learnt of the data path before the last
 * time is old. */
uint64_t reconcile_runs(const struct reconcile *);

/* State that the parent replays to a control process that starts (without descriptors), or that
 * the switch tells of (VDE ports); and the end of the replay, after which it may run. */
void reconcile_learn(struct reconcile *, const struct ipc_message *);
void reconcile_replayed(struct reconcile *);

/* The switch heard a bridge at the port, for the first time. */
void reconcile_heard(struct reconcile *, uint64_t net, const char *port);
bool reconcile_ready(const struct reconcile *);

/* The parent is another one, with nothing but what a switch told it: everything is sent again. */
void reconcile_forget(struct reconcile *);

/* A port's other side went: its state is deleted already. */
void reconcile_port_gone(struct reconcile *, uint32_t id);

/* Puts the port of a program. Gives it its id. Takes the descriptors. */
void reconcile_put_port(struct reconcile *, struct ipc_port *, const int *fds,
                        unsigned n_fds);
void reconcile_drop_port(struct reconcile *, uint32_t id);

/* Ports that there are, or NULL: by network and name, by id. Borrowed until the next event. */
const struct ipc_port *reconcile_port(const struct reconcile *, uint64_t net,
                                      const char *name);
const struct ipc_port *reconcile_port_by_id(const struct reconcile *, uint32_t id);

/* Calls `each` for every port until it returns false. */
void reconcile_each_port(const struct reconcile *,
                         bool (*each)(void *aux, const struct ipc_port *), void *aux);

/* Why a declared port is not there (one line), or NULL; *hint (may be NULL) becomes what mends it, or "". */
const char *reconcile_problem(const struct reconcile *, const char *network,
                              const char *name, const char **hint);
void reconcile_each_problem(const struct reconcile *,
                            void (*each)(void *aux, const char *what, const char *why),
                            void *aux);

/* Opens the UDP socket of the links if it is not open; `done` gets 0 and its port, or -errno and
 * why. */
typedef void reconcile_udp_fn(void *aux, int code, uint16_t port, const char *why);
void reconcile_open_udp(struct reconcile *, reconcile_udp_fn *done, void *aux);

/* The socket's address as bound; false if it is not open. */
bool reconcile_udp(const struct reconcile *, struct ipc_addr *out);

/* --- wanted.c: objects into state messages. Pure of effects. ------------------------------- */

bool wanted_net(const struct control *, const struct view_network *, struct ipc_net *out);
bool wanted_peer(const struct control *, const struct view_host *, struct ipc_peer *out);
/* wanted_stp.c: the spanning tree of a network on this host, and what a declared port is set to in it. */
void wanted_stp(const struct control *, const struct view_network *, struct ipc_stp *out);
void wanted_stp_port(const struct node *port, struct ipc_stp_port *out);
/* "32768.02:00:00:00:00:01" under the key. */
void stp_set_bridge(struct node *, const char *key, uint64_t bridge);

/* The host whose bridge that is in the network; NULL if it is none of ours. Borrowed of the view. */
const char *stp_host(const struct control *, const struct view_network *, uint64_t bridge);
bool wanted_vde(const struct control *, const struct view_network *,
                struct ipc_open_vde *out);

/* What a declared port is set to. */
void wanted_settings(const struct node *port, struct swport_settings *out);

/* uid:N, gid:N, user:U, group:G; names are this machine's. False for one it does not know. */
bool principal_parse(const char *text, struct ipc_allow *out);

/* "ADDR:PORT", "[ADDR]:PORT". */
bool ipc_addr_parse(const char *text, struct ipc_addr *out);
char *ipc_addr_print(const struct ipc_addr *, char *out, size_t size);

#endif
