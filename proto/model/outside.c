/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a set of objects counts on and does not declare: names that only the fabric knows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/fabric_file.h"
#include "proto/model/schema_internal.h"
#include "proto/model/text_internal.h"

#define OUTSIDE_SHOWN 8 /* Names of one kind. */

struct names {
    const char **list; /* The texts are the set's. */
    size_t n, room;
};

static void names_add(struct names *names, const char *name)
{
    if (names->n == names->room) {
        names->room = names->room ? names->room * 2 : 16;
        names->list = xrealloc(names->list, names->room * sizeof(*names->list));
    }
    names->list[names->n++] = name;
}

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static void names_sort_once(struct names *names)
{
    size_t kept = 0;

    if (names->n) {
        qsort(names->list, names->n, sizeof(*names->list), by_name);
    }
    for (size_t i = 0; i < names->n; i++) {
        if (!kept || strcmp(names->list[kept - 1], names->list[i]) != 0) {
            names->list[kept++] = names->list[i];
        }
    }
    names->n = kept;
}

static void collect(const struct objects *set, const struct kind *kind,
                    const struct node *named, struct names *names)
{
    for (size_t i = 0; named && i < named->n; i++) {
        collect(set, kind, named->child[i], names);
    }
    if (named && named->text && strcmp(named->text, "all") != 0 &&
        !objects_find(set, kind, NULL, named->text)) {
        names_add(names, named->text);
    }
}

static struct names names_outside(const struct objects *set, const struct kind *kind)
{
    struct names names = {0};

    for (size_t i = 0; i < set->n; i++) {
        const struct object *o = &set->list[i];

        for (const struct field *f = o->kind->fields; o->body && f->name; f++) {
            if ((f->flags & FIELD_LINK) && !strcmp(f->words, kind->name)) {
                collect(set, kind, node_get(o->body, f->name), &names);
            }
        }
        if (o->network && !strcmp(kind->name, "network") &&
            !objects_find(set, kind, NULL, o->network)) {
            names_add(&names, o->network);
        }
    }
    names_sort_once(&names);
    return names;
}

/* "networks a, b and c" */
static void say(struct text *out, const struct kind *kind, const struct names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        bool last = i + 1 == names->n;

        if (i == OUTSIDE_SHOWN && !last) {
            text_printf(out, " and %zu more", names->n - i);
            return;
        }
        if (i == 0)
            text_printf(out, "%s%s %s", out->size ? ", " : "",
                        last ? kind->name : kind->plural, names->list[i]);
        else
            text_printf(out, "%s%s", last ? " and " : ", ", names->list[i]);
    }
}

char *objects_outside(const struct objects *set)
{
    struct text out = {0};

    for (const struct kind *kind = schema_kinds; kind->name; kind++) {
        struct names names = names_outside(set, kind);

        say(&out, kind, &names);
        free(names.list);
    }
    return out.size ? text_take(&out) : NULL;
}
