/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FABRICD_CONTROL_PLUGD_PLUGD_INTERNAL_H
#define FABRICD_CONTROL_PLUGD_PLUGD_INTERNAL_H

#include <stdbool.h>

#include "fabricd/control/plugd/plugd.h"
#include "proto/base/door.h"
#include "proto/base/fd.h"
#include "proto/plug/plug.h"

struct plugd {
    struct control *control;
    struct door door;
    struct loop_timer sweep;
    struct list conns;
    unsigned n_conns;
};

struct plug_conn {
    struct list link;
    struct plugd *plugd;
    struct loop_watch watch;
    struct loop_timer late;
    struct loop_timer again; /* Armed while another's port is in the way. */
    mtime_t waits_since;     /* For that; 0: it does not. */
    struct fd_peer peer;
    struct plug_request request;
    int sock;
    int tap;        /* -1: none */
    bool submitted; /* A change is on its way; its end frees the connection. */
    bool closed;    /* The client went while it was. */
};

/* Reads the request and carries it out; frees the connection in the end. */
void plug_request(struct plug_conn *);

/* The same for a request that was received and had to wait. */
void plug_request_again(struct plug_conn *);

/* Answers with the reason and frees the connection. */
void plug_refuse(struct plug_conn *, int code, const struct err *);

void plug_conn_free(struct plug_conn *);

#endif
