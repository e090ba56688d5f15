/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a set of objects counts on and does not declare: names that only the fabric knows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/fabric_file.h"
#include "proto/model/schema_internal.h"

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

/* Adds "networks a, b and c" to what stands in `text`. */
static char *say(char *text, const struct kind *kind, const struct names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        bool first = i == 0, last = i + 1 == names->n;
        char *more;

        if (i == OUTSIDE_SHOWN && !last) {
            more = xasprintf("%s and %zu more", text, names->n - i);
            free(text);
            return more;
        }
        more = first ? xasprintf("%s%s%s %s", text ? text : "", text ? ", " : "",
                                 names->n > 1 ? kind->plural : kind->name, names->list[i])
                     : xasprintf("%s%s%s", text, last ? " and " : ", ", names->list[i]);
        free(text);
        text = more;
    }
    return text;
}

char *objects_outside(const struct objects *set)
{
    char *text = NULL;

    for (const struct kind *kind = schema_kinds; kind->name; kind++) {
        struct names names = names_outside(set, kind);

        text = say(text, kind, &names);
        free(names.list);
    }
    return text;
}
