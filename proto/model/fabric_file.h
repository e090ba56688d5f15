/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fabric file: a tree <-> a set of objects; and the difference of two sets. */
#ifndef PROTO_MODEL_FABRIC_FILE_H
#define PROTO_MODEL_FABRIC_FILE_H

#include "proto/model/schema.h"

struct object {
    const struct kind *kind;
    char *network; /* Of kinds that live in one; else NULL. */
    char *name;
    struct node *body; /* Canonical; without `name`. */
};

struct objects {
    char *fabric; /* Name, or NULL. */
    struct object *list;
    size_t n, room;
    bool declares[16]; /* By index in schema_kinds: the file has a section for it. */
};

void objects_init(struct objects *);
void objects_done(struct objects *);
void objects_add(struct objects *, const struct kind *, const char *network,
                 const char *name, struct node *body); /* Takes the body. */
struct object *objects_find(const struct objects *, const struct kind *,
                            const char *network, const char *name);

/* Checks a whole file, cross-references included (unknown hosts, VLANs not declared, names
 * used twice). True if it is valid; otherwise `out` is empty and diags has all mistakes. Also
 * takes a single object as printed by `-o yaml` (with `kind`), or a list of such. */
bool fabric_file_read(const struct node *root, const char *file, struct objects *out,
                      struct diags *);

/* The file that would make these objects, minimal. */
struct node *fabric_file_write(const struct objects *);

enum step_verb { STEP_CREATE, STEP_UPDATE, STEP_DELETE };

struct step {
    enum step_verb verb;
    const struct kind *kind;
    char *network, *name;
    struct node *before, *after; /* NULL for create, delete. */
    enum impact impact;
    char *what; /* "vlans.20: added; mtu: 1500 -> 9000" */
};

struct plan {
    struct step *list;
    size_t n, room;
};

/* What leads from `now` to `wanted`. Keys absent from a wanted object keep their present value
 * if that was resolved by the daemon, else fall to the default. Without `prune` nothing is
 * deleted; with it, objects of the kinds that `wanted` declares, never hosts or endpoints. In an
 * order in which it can be done. */
void plan_make(const struct objects *now, const struct objects *wanted, bool prune,
               struct plan *out);
void plan_done(struct plan *);
struct node *plan_to_node(const struct plan *); /* As the API returns it. */

#endif
