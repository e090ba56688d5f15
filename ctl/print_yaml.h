/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --print-yaml: a changing command prints the fabric file that would do the same, and does
 * nothing. Every command that changes objects has the option (OPTION_PRINT_YAML in its row) and
 * asks print_yaml_asked() before it changes anything; no daemon is started for it.
 */
#ifndef CTL_PRINT_YAML_H
#define CTL_PRINT_YAML_H

#include "ctl/ctl.h"
#include "proto/model/node.h"

/* True if the file is asked for; from then on no daemon is started. */
bool print_yaml_asked(struct ctl *, const struct args *);

/* The file that makes one object what `body` says. `kind` is the kind's name, `name` NAME or
 * NETWORK/NAME. Returns 0, or the exit status with the failure recorded. */
int print_yaml_object(struct ctl *, const char *kind, const char *name,
                      const struct node *body) __attribute__((warn_unused_result));

/* The same for an object that is there, after a merge patch (RFC 7396). */
int print_yaml_patched(struct ctl *, const char *kind, const struct node *object,
                       const struct node *patch) __attribute__((warn_unused_result));

/* The same for several services at once. */
int print_yaml_services(struct ctl *, const char *const *names, unsigned n,
                        const struct node *patch) __attribute__((warn_unused_result));

/* The file that removes objects if it is applied with --prune: what is, without them. */
int print_yaml_without(struct ctl *, const char *kind, const char *const *names, unsigned n)
    __attribute__((warn_unused_result));

/* The file that gives the fabric its name. */
int print_yaml_fabric(struct ctl *, const char *name) __attribute__((warn_unused_result));

#endif
