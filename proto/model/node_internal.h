/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the readers and printers of the tree share. */
#ifndef PROTO_MODEL_NODE_INTERNAL_H
#define PROTO_MODEL_NODE_INTERNAL_H

#include "proto/model/node.h"
#include "proto/model/text_internal.h"

/* Adds a child under a key that the map does not hold yet. Takes ownership of both. */
void node_append_key(struct node *map, char *key, struct node *value);

/* The keys of a map in their order, for maps that outsiders fill: they may hold a hundred thousand.
 * Borrows the map's keys; node_index_done() it before the map changes. */
struct node_index {
    struct node_entry {
        const char *key;
        size_t at; /* Of the child. */
    } * list;      /* By key, equal ones by place. */
    size_t n;
};

void node_index_init(struct node_index *, const struct node *map);
void node_index_done(struct node_index *);
bool node_index_find(const struct node_index *, const char *key, size_t *at);

/* What YAML's core schema makes of a plain scalar: sets kind and value (not text). False for a
 * number that is none: infinite, or not a number. */
bool node_resolve_plain(struct node *, const char *text);

/* A null, a boolean or a number, which JSON and YAML write alike. */
void node_print_plain(struct text *, const struct node *);

/* A text in double quotes. With `yaml`, what YAML takes for unprintable is escaped too. */
void node_print_quoted(struct text *, const char *text, bool yaml);

#endif
