/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The place on a network of a node that is one process (`run --stack lwip`). The launcher plugs a
 * ring in, so the endpoint is there from the start, under its name and with its addresses, and
 * gives it to the process that asks for it, by the exchange of proto/plug/plug.h at a socket with
 * an abstract name. That process has it alone: a second one is told who has it. When it ends, or the
 * daemon goes, the launcher plugs a new ring in under the same name.
 */
#ifndef CTL_RUN_PLACE_H
#define CTL_RUN_PLACE_H

#include <sys/types.h>

#include "libioth/node/attach.h"
#include "proto/base/door.h"

#define PLACE_NAME_SIZE 48

struct place {
    struct attach
        attach; /* Its plug_path, request, aux, changed and refused are the owner's. */
    bool with_gateway; /* The way out is by this network. */

    /* Private. */
    struct loop *loop;
    int sock; /* Where the process asks; -1 = nowhere. */
    struct door door;
    struct loop_watch holder; /* The connection of who has it; -1 = nobody. */
    pid_t pid;                /* The holder. */
    bool waiting;             /* The holder has not been answered yet. */
    struct loop_watch
        other; /* Somebody who will be told that there is a holder; -1 = nobody. */
};

/* A listening socket under the abstract name NAME.PART, of that type. Returns it, or -errno. */
int place_listen(const char *name, const char *part, int type);

/* No sockets. */
void place_init(struct place *);

/* Plugs in and waits for the reply; then listens under NAME.<number>. Returns 0 or -errno. */
int place_take(struct place *, const char *name, unsigned number, struct err *err)
    __attribute__((warn_unused_result));

/* From now on the loop gives it to who asks. Returns 0 or -errno. */
int place_keep(struct place *, struct loop *) __attribute__((warn_unused_result));

void place_done(struct place *);

#endif
