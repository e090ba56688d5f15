/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A daemon that is a thread of a test: it answers on a plug.sock and joins the two rings that are plugged
 * in by a wire, with superframes, back-pressure and, if wanted, loss.
 */
#ifndef TESTS_UNIT_WIRE_H
#define TESTS_UNIT_WIRE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "libioth/plug/ringmap.h"

#define WIRE_PORTS 2

struct wire_port {
    int conn, bell; /* -1: nobody is there. */
    struct ringmap map;
    bool blocked; /* A frame did not fit. */
};

struct wire {
    char folder[32];
    int listener;
    pthread_t thread;
    atomic_bool stop;
    atomic_uint drop_every; /* Every so many frames one is lost; 0 = none. */
    atomic_ulong passed, dropped, supers;
    struct wire_port ports[WIRE_PORTS];
};

/* Begins, and makes IOTH_SOCKET name it: "ioth://any" then plugs in here. 0 or -1. */
int wire_start(struct wire *);
int wire_end(struct wire *);

#endif
