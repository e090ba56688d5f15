/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port of a stack by which nothing comes by itself: what is sent goes to the test, which gives the stack its frames. */
#ifndef TESTS_SUPPORT_DEAF_PORT_H
#define TESTS_SUPPORT_DEAF_PORT_H

#include "libioth/port/port.h"

static void deaf_nothing(struct port *p)
{
    (void)p;
}

static unsigned deaf_recv(struct port *p, struct frame *frames, unsigned max)
{
    (void)p;
    (void)frames;
    (void)max;
    return 0;
}

static bool deaf_yes(struct port *p)
{
    (void)p;
    return true;
}

/* The rest of the calls beside `.send`. */
#define DEAF_PORT                                                                          \
    .flush = deaf_nothing, .recv = deaf_recv, .recv_done = deaf_nothing, .room = deaf_yes, \
    .free = deaf_nothing

#endif
