/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which descriptor is of which stack, by descriptor, in pages that are made when they are needed and
 * stay. Reading takes no lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "libioth/api/stack.h"

#define PAGE_LEN 1024
#define N_PAGES                                                                            \
    1024 /* A million descriptors: what Linux lets a process have, unless told otherwise. */

struct page {
    struct ioth *_Atomic of[PAGE_LEN];
};

static struct page *_Atomic pages[N_PAGES];

static struct ioth *_Atomic *slot(int fd, bool make)
{
    struct page *page, *made, *expected = NULL;

    if (fd < 0 || fd >= PAGE_LEN * N_PAGES)
        return NULL;
    page = atomic_load_explicit(&pages[fd / PAGE_LEN], memory_order_acquire);
    if (!page && make) {
        made = calloc(1, sizeof *made);
        if (!made)
            return NULL;
        if (atomic_compare_exchange_strong(&pages[fd / PAGE_LEN], &expected, made)) {
            page = made;
        } else {
            free(made);
            page = expected;
        }
    }
    return page ? &page->of[fd % PAGE_LEN] : NULL;
}

struct ioth *fdtab_get(int fd)
{
    struct ioth *_Atomic *at = slot(fd, false);

    return at ? atomic_load_explicit(at, memory_order_acquire) : NULL;
}

/* Whoever had the number before has closed it without telling. */
int fdtab_add(int fd, struct ioth *s)
{
    struct ioth *_Atomic *at = slot(fd, true);
    struct ioth *before;

    if (!at)
        return -ENOMEM;
    before = atomic_exchange(at, s);
    if (before)
        atomic_fetch_sub(&before->n_fds, 1);
    atomic_fetch_add(&s->n_fds, 1);
    return 0;
}

void fdtab_remove(int fd)
{
    struct ioth *_Atomic *at = slot(fd, false);
    struct ioth *before = at ? atomic_exchange(at, NULL) : NULL;

    if (before)
        atomic_fetch_sub(&before->n_fds, 1);
}

void fdtab_sweep(struct ioth *s)
{
    for (int p = 0; p < N_PAGES; p++) {
        if (!atomic_load_explicit(&pages[p], memory_order_acquire))
            continue;
        for (int fd = p * PAGE_LEN; fd < (p + 1) * PAGE_LEN; fd++) {
            if (fdtab_get(fd) == s && fcntl(fd, F_GETFD) < 0)
                fdtab_remove(fd);
        }
    }
}

struct ioth *stack_of(int fd)
{
    struct ioth *s = fdtab_get(fd);

    if (s)
        stack_enter(s);
    else
        errno = EBADF;
    return s;
}
