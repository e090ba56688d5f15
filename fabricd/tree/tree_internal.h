/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For the files of the tree only. */
#ifndef FABRICD_TREE_TREE_INTERNAL_H
#define FABRICD_TREE_TREE_INTERNAL_H

#include "fabricd/tree/tree.h"
#include "proto/base/damping.h"

struct tree_port {
    struct swport *sw;
    bool is_link;
    bool alive;   /* There is somebody at the other end. */
    bool direct;  /* Link: who says that he forwards this network direct. */
    bool heard;   /* A BPDU, ever. */
    bool blocked; /* By a probe. */
    bool held;    /* Its interface went down too often of late. */
    struct damping damping;
    uint16_t host;
    uint16_t blocked_by;
    mtime_t blocked_until;
    mtime_t answered;      /* When a probe was answered last. */
    enum rstp_state state; /* What the engine says. */
    struct tree_port_config config;
    mtime_t answer;
};

struct tree {
    struct switch_ *sw;
    const struct tree_ops *ops;
    void *aux;
    struct tree_config config;
    struct switch_trap trap;
    struct rstp *rstp;        /* NULL = there is no spanning tree. */
    struct tree_port **ports; /* By number - 1; NULL = not used. */
    unsigned room;
    unsigned n_links, n_own, n_held;
    mtime_t held_until; /* The first that is held, is it so long; MTIME_NEVER: none is. */
    mtime_t probe_at;   /* MTIME_NEVER: none are sent. */
    mtime_t told;       /* The deadline that `wake` was told. */
    bool moved; /* A port forwards, or does not any more, in the call that is under way. */
};

/* --- tree.c --- */
struct tree_port *tree_port_find(const struct tree *, const struct swport *);
void tree_apply_state(struct tree *, const struct tree_port *);
/* Its settings are what they were; what follows from them is not. */
void tree_update(struct tree *, const struct tree_port *, mtime_t now);

/* --- tree_hold.c --- */

/* The port has come up, or gone down. */
void hold_note(struct tree *, struct tree_port *, mtime_t now);
/* It may have to be held: a bridge was heard. */
void hold_look(struct tree *, struct tree_port *, mtime_t now);
void hold_forget(struct tree *, struct tree_port *);
void hold_run(struct tree *, mtime_t now);

/* --- tree_probe.c --- */

/* Probes begin or end, as there is somebody to hear them. */
void probe_arm(struct tree *, mtime_t now);
/* Sends one out of the port, if it forwards. */
void probe_send(struct tree *, const struct tree_port *, unsigned number);
void probe_input(struct tree *, struct tree_port *, unsigned number,
                 const struct loop_probe *, mtime_t now);
/* BPDUs come in by the port now: where the tree sees what the probe found, it is the tree's. */
void probe_leave_to_tree(struct tree *, struct tree_port *);
mtime_t probe_deadline(const struct tree *);
void probe_run(struct tree *, mtime_t now);

#endif
