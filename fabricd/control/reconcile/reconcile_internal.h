/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the reconciler share. */
#ifndef FABRICD_CONTROL_RECONCILE_RECONCILE_INTERNAL_H
#define FABRICD_CONTROL_RECONCILE_RECONCILE_INTERNAL_H

#include "fabricd/control/reconcile/heard.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "proto/base/map.h"

enum opened_kind { OPENED_DEVICE, OPENED_VDE, OPENED_DOOR };

/* A declared port or a VDE entry: what the parent was asked for, and what came of it. */
struct opened {
    struct list link;
    struct reconcile *owner;
    char what[2 * IPC_NAME_SIZE + 8]; /* "lan1/core", "network lan1" */
    union {
        struct ipc_open_device device;
        struct ipc_open_vde vde;
        struct ipc_open_door door;
    } asked;
    enum opened_kind kind;
    bool wanted; /* Seen in this run. */
    bool waiting;
    bool failed;
    unsigned busy; /* How often it was used by another at once, and is tried again soon. */
    uint64_t run;  /* In which it was asked for. */
    uint32_t request;
    char why[320];
    char hint[160]; /* What mends it; "" = nothing known. */
};

struct udp_waiter {
    struct list link;
    reconcile_udp_fn *done;
    void *aux;
};

struct settle_waiter {
    struct list link;
    void (*done)(void *aux);
    void *aux;
    mtime_t until;
};

struct reconcile {
    struct control *control;
    struct store_watch watch;
    struct vault *mirror;
    struct heard *heard;
    struct loop_timer run; /* Due at once when something has changed. */
    struct loop_timer retry;
    struct loop_timer settle_late;
    struct list settling;
    bool replayed;
    bool dirty; /* A run is due. */
    /* States that were sent, and how many of them are known to have reached the switch. */
    uint64_t sent, arrived;
    uint64_t fenced; /* So many went before the fence that is out; 0 = none is. */
    uint32_t fence;  /* Its request. */
    uint32_t next_port;
    struct list opened;
    struct map opened_by_what;
    unsigned n_waiting; /* Of them: asked for and not answered. */
    unsigned n_busy;    /* Of them: tried again soon. */
    uint64_t runs;
    struct map port_by_name; /* Ids of ports of the mirror, by network and name. */
    struct list udp_waiters;
    bool udp_asked;
    struct ipc_addr udp; /* family 0: not open */
};

/* --- mirror.c ------------------------------------------------------------------------------ */

/* Puts a state at the parent unless it has it already; takes one away, if it is there. */
void mirror_put(struct reconcile *, enum ipc_type, uint64_t id, const void *body);
void mirror_delete(struct reconcile *, uint16_t type, uint64_t id);

/* The same for a port that the parent has, or has taken away, already; watchers are told that it is
 * down. */
void mirror_learn_port(struct reconcile *, const struct ipc_port *);
bool mirror_forget_port(struct reconcile *, uint32_t id);

/* --- opened.c: what the parent opens ------------------------------------------------------- */

struct opened *opened_find(struct reconcile *, const char *what);

/* Asks for the same thing once, and again while it fails. `asked` is of the sort's struct. */
void opened_want(struct reconcile *, const char *what, enum opened_kind, const void *asked,
                 size_t size);

/* Forgets what was not wanted since the last call. */
void opened_drop_unwanted(struct reconcile *);
void opened_free(struct opened *);

/* Tells those who wait for it, if all is done and the switch has it. */
void opened_settle(struct reconcile *);
void opened_settle_late(struct loop_timer *, mtime_t now);

#endif
