/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the parent share. */
#ifndef FABRICD_PARENT_PARENT_INTERNAL_H
#define FABRICD_PARENT_PARENT_INTERNAL_H

#include "fabricd/ipc/vault.h"
#include "fabricd/parent/child.h"
#include "fabricd/parent/closer.h"
#include "fabricd/parent/keys.h"
#include "fabricd/parent/parent.h"

enum { SWITCH, CONTROL, N_CHILDREN };

/* Numbers of the listening sockets in the vault; VDE sockets come after. */
enum {
    LISTEN_API = 1,
    LISTEN_PLUG = 2,
    LISTEN_API_TCP = 3,
    LISTEN_UDP = 4,
    LISTEN_KEEP = 5,
    LISTEN_FIRST_VDE = 16
};

#define PARENT_FENCE UINT32_MAX /* The request of the parent's own fences. */

struct process {
    struct child child;
    struct parent *parent;
    struct loop_timer restart;
    mtime_t started;
    unsigned failures; /* In quick succession. */
};

struct parent {
    const struct parent_config *config;
    struct loop *loop;
    struct vault *vault;
    struct keys *keys;
    int lock;
    struct process processes[N_CHILDREN];
    /* Control's end of a channel to the switch, while control does not run yet; -1 = none. */
    int spare;
    bool replaying; /* The switch is being told the vault from the start. */
    uint32_t
        fence; /* Control's request for a fence that the switch has to pass; 0 = none. */
    bool fence_set;        /* The switch has been sent it, */
    bool fence_passed;     /* and has passed it. */
    struct closer *closer; /* Of devices. */
    struct list waiting;   /* struct open_waits: request.c */
    bool cold;             /* Nothing was adopted, and control has not been started yet. */
    bool fresh;    /* Nothing was adopted, and no control process has been steady yet. */
    bool hopeless; /* Ending since the first control process gave up. */
    bool stopping;
    bool switch_told; /* To end. */
    struct loop_watch signals;
    struct loop_timer stop_late;
    uint32_t next_listen;
    uint32_t group;
    struct list keepers; /* Of services: service.c. */
    unsigned n_keepers;
    uint64_t files; /* The limit of open files that this process was started with. */
};

/* --- parent.c ---------------------------------------------------------------------------- */

/* Tells the switch what it does not know yet of the vault. Returns false when it is full. */
bool parent_sync(struct parent *);

/* Ends the daemon cleanly. */
void parent_stop(struct parent *);

/* While the daemon ends, something of it has: what is the next to end, or all has. */
void parent_end_next(struct parent *);

/* --- state.c: what the two put and delete, and ask ---------------------------------------- */

void state_from_control(struct parent *, struct ipc_message *);
void state_from_switch(struct parent *, struct ipc_message *);

/* Takes the descriptors of a port's device out of the vault, to be closed. */
void state_close_device(struct parent *, const struct vault_entry *);

/* --- request.c ---------------------------------------------------------------------------- */

/* Answers a request of control or of the switch. False if it is none that it may ask. The
 * message's descriptors stay the caller's. */
bool request_from_control(struct parent *, const struct ipc_message *);
bool request_from_switch(struct parent *, const struct ipc_message *);

/* Devices that were to be closed are: what waited for that goes on. */
void request_closed(void *parent);
void request_done(struct parent *);

/* Opens the API's and the plug server's sockets and puts them into the vault. */
int request_open_own(struct parent *, struct err *err) __attribute__((warn_unused_result));

/* Closes and removes the VDE entry of a network. */
void request_close_vde(struct parent *, uint64_t net);

/* Closes the door of a declared VDE port. */
void request_close_door(struct parent *, uint64_t id);

/* --- service.c: the keepers of services ---------------------------------------------------- */

/* Starts one, or answers why not. */
void service_start(struct parent *, const struct ipc_message *);

/* One that control has found, with its process descriptor, or one that was adopted (it is in the
 * vault). False if it cannot be watched. */
bool service_take(struct parent *, const struct ipc_message *);
void service_adopt_all(struct parent *);

/* Ends one at once. */
void service_kill(struct parent *, uint64_t id);

/* The daemon ends: all are asked to, or made to. */
void service_stop_all(struct parent *);
void service_kill_all(struct parent *);
void service_done(struct parent *);

/* --- adopt.c ------------------------------------------------------------------------------ */

/*
 * Looks for a switch without a parent. Returns 1 when one has been adopted: the vault is filled,
 * the switch is taken over and, if there is one, control; 0 when there is nobody; or -errno.
 */
int adopt(struct parent *, struct err *err) __attribute__((warn_unused_result));

#endif
