/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The node of the service while its program runs: its first process, its plug, its names and what
 * the program writes. Each start makes a new one. */
#ifndef KEEPER_PLACE_H
#define KEEPER_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "keeper/group.h"
#include "keeper/output.h"
#include "keeper/spec.h"
#include "libioth/node/answerer.h"
#include "libioth/node/attach.h"
#include "libioth/node/init.h"
#include "proto/base/loop.h"

struct place;

struct place_ops {
    void (*started)(struct place *);
    /* The program ended (`status` as waitpid() gives it), or, with -1, could not be started or the
     * node died; `why` says it for people. The place is empty already. */
    void (*ended)(struct place *, int status, const char *why);
    /* The daemon does not let the service onto its network. */
    void (*refused)(struct place *, const char *why);
};

struct place {
    const struct place_ops *ops;
    struct loop *loop;
    struct output *output;
    const char *name, *plug_path, *api_path;

    /* Private. */
    pid_t pid;        /* Of the node's first process; 0 = none. */
    bool plugged, up; /* Its network is there; its program runs. */
    int channel, pipe;
    struct loop_watch channel_watch, pipe_watch;
    struct attach attach;
    struct answerer answerer;
    struct init_plan plan;
    struct init_config config;
    const struct spec *spec; /* Borrowed for as long as the place is taken. */
    char own_group[GROUP_PATH_SIZE];
};

void place_init(struct place *);

/* Makes the node for the spec with the environment; both are borrowed until it is empty again.
 * Returns 0, and started() or ended() follows, or -errno. */
int place_take(struct place *, const struct spec *, char **environment, struct err *err)
    __attribute__((warn_unused_result));

/* Asks the program to end; or ends the node, where there is no program yet. */
void place_terminate(struct place *);

/* Ends everything in it: ended() follows. */
void place_kill(struct place *);

/* Ends everything in it at once, and tells nobody. */
void place_clear(struct place *);

#endif
