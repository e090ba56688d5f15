/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tree that YAML and JSON become: ordered maps, lists and scalars, each with its place in
 * the text. A node owns its children; node_free() frees the whole. Keys of a map are unique
 * (a second one is an error at parsing).
 */
#ifndef PROTO_MODEL_NODE_H
#define PROTO_MODEL_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/model/diag.h"

enum node_kind {
    NODE_NULL,
    NODE_BOOL,
    NODE_INT,
    NODE_REAL,
    NODE_TEXT,
    NODE_LIST,
    NODE_MAP
};

struct node {
    enum node_kind kind;
    unsigned line, column;         /* From 1; 0 = not from a text. */
    unsigned key_line, key_column; /* Of its key, for a child of a map. */
    const char *file; /* Borrowed: the text's name, as the caller of the parser gave it. */
    bool boolean;
    int64_t integer;
    double real;
    char *text; /* NODE_TEXT; for other scalars out of YAML the text as written, or NULL. */
    size_t n;   /* Children of a list or map. */
    struct node **child;
    char **key; /* Of a map: key[i] names child[i]. */
};

/* Limits of everything that is parsed: deeper or larger is an error, not a crash. */
#define NODE_MAX_DEPTH 32
#define NODE_MAX_NODES 2000000

/* Parse a text. NULL with at least one diag on failure. YAML: one document, no aliases, no
 * anchors, no custom tags; the core schema's scalars. `file` names the text in diags and,
 * from YAML, in every node: it must live as long as the tree and its copies. */
struct node *node_from_yaml(const char *text, size_t size, const char *file,
                            struct diags *);
struct node *node_from_json(const char *text, size_t size, const char *file,
                            struct diags *);

/* As node_from_yaml(), but mistakes that leave the structure clear (a key twice, an alias, a tag) do
 * not take the tree away: for whoever looks for all the other mistakes, too, and then uses none of it. */
struct node *node_from_yaml_partly(const char *text, size_t size, const char *file,
                                   struct diags *);

/* Print. The result is the caller's to free(). Texts that YAML would take for something else
 * are quoted, so node_from_yaml(node_to_yaml(x)) equals x. Short maps and lists stay one to a
 * line; `indent` JSON has newlines (0 = compact). */
char *node_to_yaml(const struct node *);
char *node_to_json(const struct node *, unsigned indent);

struct node *node_new(enum node_kind);
struct node *node_text(const char *);
struct node *node_int(int64_t);
struct node *node_bool(bool);
struct node *node_map(void);
struct node *node_list(void);
void node_free(struct node *);
struct node *node_copy(const struct node *);
bool node_equal(const struct node *,
                const struct node *); /* Order of keys does not matter. */

/* Maps. node_set takes ownership of `value` and replaces; node_get borrows, NULL if absent. */
struct node *node_get(const struct node *map, const char *key);
void node_set(struct node *map, const char *key, struct node *value);
void node_set_text(struct node *map, const char *key, const char *value);
void node_set_int(struct node *map, const char *key, int64_t value);
void node_set_bool(struct node *map, const char *key, bool value);
bool node_remove(struct node *map, const char *key);

/* Lists. Takes ownership. */
void node_append(struct node *list, struct node *value);

/* Convenience for checked objects: the value, or the default if it is absent or of another kind. */
const char *node_get_text(const struct node *map, const char *key, const char *otherwise);
int64_t node_get_int(const struct node *map, const char *key, int64_t otherwise);
bool node_get_bool(const struct node *map, const char *key, bool otherwise);

/* RFC 7396 merge patch: returns a new tree. */
struct node *node_merge(const struct node *base, const struct node *patch);

#endif
