/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fabric file: a tree <-> a set of objects; and the difference of two sets. */
#ifndef PROTO_MODEL_FABRIC_FILE_H
#define PROTO_MODEL_FABRIC_FILE_H

#include "proto/model/schema.h"

struct object {
    const struct kind *kind;
    char *network; /* Of kinds that live in one; else NULL. */
    char *name;
    struct node *body; /* Canonical; without `name`. NULL only within fabric_file_read(). */
};

struct objects {
    char *fabric; /* Name, or NULL. */
    struct object *list;
    size_t n, room;
    bool declares[16]; /* By index in schema_kinds: the file has a section for it. */
    bool sorted;       /* By kind, network and name; objects_sort() makes it so. */
};

void objects_init(struct objects *);
void objects_done(struct objects *);
void objects_add(struct objects *, const struct kind *, const char *network,
                 const char *name, struct node *body); /* Takes the body. */
void objects_sort(struct objects *);                   /* Makes objects_find() fast. */
struct object *objects_find(const struct objects *, const struct kind *,
                            const char *network, const char *name);

/* Checks a whole file, cross-references included (unknown hosts, VLANs not declared, names
 * used twice). True if it is valid; otherwise `out` is empty and diags has all mistakes. Also
 * takes a single object as printed by `-o yaml` (with `kind`), or a list of such, alone or under
 * the key `items`; those with revision 0 are there by themselves and say nothing. */
bool fabric_file_read(const struct node *root, const char *file, struct objects *out,
                      struct diags *);

/*
 * Several files as one: `more` (taken) joined into `whole` (taken; NULL at first), whatever the
 * form of each. Maps are joined key by key; what both say must be the same, else there is a
 * mistake at each of the two places.
 */
struct node *fabric_file_join(struct node *whole, struct node *more, struct diags *);

/* The node that a JSON pointer of the daemon means, in any form of file; the last one on the way
 * if there is no such. */
const struct node *fabric_file_place(const struct node *root, const char *pointer);

/*
 * Cross-checks a set of canonical objects: the VLANs that ports and endpoints are in are those of
 * their network; a TAP, a MAC, an address is not used twice. What the set names and does not
 * declare is left to the daemon, which knows the fabric: see objects_outside(). `file` may be NULL.
 * Sorts the set. True if there are no mistakes.
 */
bool objects_check(struct objects *, const char *file, struct diags *);

/*
 * The hosts and networks that a checked set names and does not declare, as a person reads them:
 * "network lan1, hosts alpha and beta", to be freed; NULL if there are none.
 */
char *objects_outside(const struct objects *);

/* The file that would make these objects, minimal. */
struct node *fabric_file_write(const struct objects *);

enum step_verb { STEP_CREATE, STEP_UPDATE, STEP_DELETE };

struct step {
    enum step_verb verb;
    const struct kind *kind;
    char *network, *name;
    struct node *before, *after; /* NULL for create, delete. */
    enum impact impact;
    char *what;     /* "vlans.20: removed; mtu: 1500 -> 9000" */
    char *destroys; /* The part of it that destroys: "vlans.20: removed"; or "" */
};

struct plan {
    struct step *list;
    size_t n, room;
};

/* What leads from `now` to `wanted`, both canonical; sorts both. Keys absent from a wanted
 * object keep their present value if that was resolved by the daemon, else fall to the default;
 * read-only keys are kept. Without `prune` nothing is
 * deleted; with it, objects of the kinds that `wanted` declares, never hosts or endpoints. In an
 * order in which it can be done. */
void plan_make(struct objects *now, struct objects *wanted, bool prune, struct plan *out);
void plan_done(struct plan *);

/* One object as an update would leave it: `wanted` (canonical) with what it keeps of `before`.
 * The caller's to free. */
struct node *plan_update(const struct kind *, const struct node *before,
                         const struct node *wanted);

/* How two canonical objects differ, for people ("" = not at all; the caller's to free()), the
 * worst impact of it, and the part of it that destroys (may be NULL; else the caller's, too). */
char *plan_difference(const struct kind *, const struct node *before,
                      const struct node *after, enum impact *, char **destroys);
struct node *plan_to_node(const struct plan *); /* As the API returns it: {"steps": […]}. */

#endif
