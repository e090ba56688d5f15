/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/api/watch.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#define PAGE_LEN 1024
#define N_PAGES  1024 /* As many descriptors as fdtab.c knows. */

struct watch {
    _Atomic int epoll; /* 0 = none. */
    _Atomic uint64_t data;
};

static struct watch *_Atomic pages[N_PAGES];

static struct watch *slot(int fd, bool make)
{
    struct watch *page, *made, *expected = NULL;

    if (fd < 0 || fd >= PAGE_LEN * N_PAGES)
        return NULL;
    page = atomic_load(&pages[fd / PAGE_LEN]);
    if (!page && make) {
        made = calloc(PAGE_LEN, sizeof *made);
        if (!made)
            return NULL;
        page = made;
        if (!atomic_compare_exchange_strong(&pages[fd / PAGE_LEN], &expected, made)) {
            free(made);
            page = expected;
        }
    }
    return page ? &page[fd % PAGE_LEN] : NULL;
}

void watch_add(int fd, int epoll, uint64_t data)
{
    struct watch *w = slot(fd, true);

    if (!w)
        return;
    atomic_store(&w->data, data);
    atomic_store(&w->epoll, epoll);
}

void watch_remove(int fd, int epoll)
{
    struct watch *w = slot(fd, false);

    if (w)
        (void)atomic_compare_exchange_strong(&w->epoll, &epoll, 0);
}

bool watch_find(int fd, int epoll, uint64_t *data)
{
    struct watch *w = slot(fd, false);

    if (!w || epoll <= 0 || atomic_load(&w->epoll) != epoll)
        return false;
    *data = atomic_load(&w->data);
    return true;
}
