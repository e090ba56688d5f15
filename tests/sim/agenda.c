/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/sim/agenda.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"

void *agenda_at(struct agenda *a, unsigned i)
{
    return a->records + i * a->size;
}

static const struct due *due_at(struct agenda *a, unsigned i)
{
    return agenda_at(a, i);
}

static bool before(const struct due *x, const struct due *y)
{
    return x->at != y->at ? x->at < y->at : x->order < y->order;
}

static void move(struct agenda *a, unsigned to, unsigned from)
{
    memcpy(agenda_at(a, to), agenda_at(a, from), a->size);
}

void agenda_add(struct agenda *a, const void *record)
{
    unsigned i = a->n++;
    struct due due = {.order = ++a->order};

    memcpy(&due.at, record, sizeof due.at);
    if (a->n > a->room) {
        a->room = a->room ? 2 * a->room : 256;
        a->records = xrealloc(a->records, a->room * a->size);
    }
    while (i > 0 && before(&due, due_at(a, (i - 1) / 2))) {
        move(a, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
    memcpy(agenda_at(a, i), record, a->size);
    memcpy(agenda_at(a, i), &due, sizeof due);
}

bool agenda_take(struct agenda *a, mtime_t until, void *out)
{
    unsigned i = 0, last;

    if (a->n == 0 || due_at(a, 0)->at > until)
        return false;
    memcpy(out, a->records, a->size);
    last = --a->n;
    for (unsigned child; (child = 2 * i + 1) < a->n; i = child) {
        if (child + 1 < a->n && before(due_at(a, child + 1), due_at(a, child)))
            child++;
        if (!before(due_at(a, child), due_at(a, last)))
            break;
        move(a, i, child);
    }
    if (i != last)
        move(a, i, last);
    return true;
}

void agenda_free(struct agenda *a)
{
    free(a->records);
    a->records = NULL;
    a->n = a->room = 0;
}
