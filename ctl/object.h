/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of objects on the command line, and where the API has them. */
#ifndef CTL_OBJECT_H
#define CTL_OBJECT_H

#include <stdbool.h>

#include "ctl/ctl.h"
#include "proto/model/node.h"

/*
 * The path of an object, by its noun ("net", "port", …) and its name as typed: NAME, or NET/NAME
 * where the kind lives in a network. 0 with *path, which is the caller's to free(); or the exit
 * status with the failure recorded (a name that cannot be one is a missing object).
 */
int object_path(struct ctl *, const char *noun, const char *name, char **path)
    __attribute__((warn_unused_result));

/* The object of that noun and name as the API has it: *out is the caller's to node_free(), NULL where it
 * fails. 0, or the exit status with the failure recorded. */
int object_get(struct ctl *, const char *noun, const char *name, struct node **out)
    __attribute__((warn_unused_result));

/* "networks" of "net". */
const char *object_plural(const char *noun);
const char *object_kind(const char *noun);

/* A text inside sub-maps, by the keys that lead to it ("status", "state"); NULL if absent. */
const char *object_text(const struct node *object, const char *map, const char *key);
const struct node *object_node(const struct node *object, const char *map, const char *key);

/*
 * Puts KEY=VALUE into a map as a merge patch: KEY may have dots (vlans.20.name), VALUE is a
 * scalar or a list as YAML has them, empty takes the key away. 0, or CTL_USAGE recorded.
 */
int object_assign(struct ctl *, struct node *patch, const char *assignment)
    __attribute__((warn_unused_result));

/* Changes the object of the command's first word by a merge patch, and shows it with -o. 0, or the exit status with the failure
 * recorded. */
int object_patch(struct ctl *, const struct args *, const char *noun,
                 const struct node *patch) __attribute__((warn_unused_result));

/* This host's name in the fabric, the caller's to free(); NULL with the failure recorded. */
char *object_own_host(struct ctl *, int *code);

/* PUTs a new object and shows what it became: with -o the object, else `said` of it; or prints it, as
 * the command line asks. 0 or the exit status, with the failure recorded. */
int object_create(struct ctl *, const struct args *, const char *noun, const char *name,
                  struct node *body, void (*said)(const struct node *))
    __attribute__((warn_unused_result));

/* Every key of an object on a line of its own, those of inner maps by dotted names. */
void object_print(const struct ctl *, const struct node *object);

/* A value of the command line as YAML has it, the caller's to node_free(): null if it is empty, NULL if it
 * cannot be read. */
struct node *value_parse(const char *text);

/* The texts between separators, but for empty ones, as a list. */
struct node *list_split(const char *text, const char *separators);

/* A number of the command line in min..max. 0, or CTL_USAGE recorded; `what` names it. */
int number_parse(struct ctl *, const char *what, const char *text, long min, long max,
                 long *out) __attribute__((warn_unused_result));

#endif
