/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A spanning tree whose surroundings do nothing, for what is measured without a daemon. */
#ifndef TESTS_BENCH_DEAF_TREE_H
#define TESTS_BENCH_DEAF_TREE_H

#include "fabricd/tree/tree.h"

static void on_wake(void *aux, mtime_t due)
{
    (void)aux;
    (void)due;
}

static void on_send_link(void *aux, struct swport *sw, const void *bpdu, size_t size)
{
    (void)aux;
    (void)sw;
    (void)bpdu;
    (void)size;
}

static void on_heard(void *aux, struct swport *sw)
{
    (void)aux;
    (void)sw;
}

static void on_event(void *aux, const struct swport *sw, enum tree_event event,
                     uint16_t host)
{
    (void)aux;
    (void)sw;
    (void)event;
    (void)host;
}

static const struct tree_ops deaf_tree = {
    .wake = on_wake, .send_link = on_send_link, .heard = on_heard, .event = on_event};

#endif
