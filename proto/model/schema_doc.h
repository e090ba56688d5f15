/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the generated documents share: JSON Schema out of the tables, built of nodes. */
#ifndef PROTO_MODEL_SCHEMA_DOC_H
#define PROTO_MODEL_SCHEMA_DOC_H

#include "proto/model/schema_internal.h"

#define DOC_NAME_PATTERN "^[a-z][a-z0-9-]{0,62}$"

/* {"type": TYPE} */
struct node *doc_typed(const char *type);

/* A text that matches. */
struct node *doc_pattern(const char *pattern);

/* {"$ref": BASE NAME} */
struct node *doc_reference(const char *base, const char *name);

/* Adds a key to a map and gives the map back; takes both. */
struct node *doc_with(struct node *map, const char *key, struct node *value);

/* {"anyOf": [A, B]}; takes both. */
struct node *doc_either(struct node *a, struct node *b);

/* The words that '|' separates, as a list. */
struct node *doc_words(const char *words);

/* An object with these keys and no others; with `open`, others too. Keys that are not built yet
 * are left out. */
struct node *doc_object(const struct field *fields, bool open);

/* The same of a kind, with its description. */
struct node *doc_kind(const struct kind *);

#endif
