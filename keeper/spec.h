/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a service is, out of the object that control sends. Pure. */
#ifndef KEEPER_SPEC_H
#define KEEPER_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "libioth/netns/netcfg.h"
#include "proto/base/err.h"
#include "proto/model/node.h"
#include "proto/plug/plug.h"
#include "proto/service/supervise.h"

enum spec_check { SPEC_NONE, SPEC_HTTP, SPEC_TCP, SPEC_COMMAND };

struct spec {
    struct node *body; /* The object; what follows points into it. */
    char network[PLUG_NAME_SIZE];
    uint16_t vlan;
    uint8_t mac[6];
    unsigned n_addrs;
    struct plug_addr addrs[PLUG_MAX_ADDRS];
    struct netcfg_addr gateway4, gateway6; /* family 0 = none. */
    char **argv;                           /* NULL-ended, as check_argv. */
    const char *folder;
    struct supervise_policy policy;
    enum spec_check check;
    const char *check_path;
    uint16_t check_port;
    char **check_argv;
    int64_t memory; /* Bytes; 0 = no limit, as the others. */
    int64_t cpu;    /* Percent of one processor. */
    int64_t processes;
};

/* Takes the body. NULL with `err` recorded if it is none of a service. */
struct spec *spec_new(struct node *body, struct err *err);
void spec_free(struct spec *); /* Accepts NULL. */

/* Whether the program must be started anew for `b` to be true, where `a` is. */
bool spec_needs_restart(const struct spec *a, const struct spec *b);

/*
 * The program's environment: PATH, HOME, USER, LOGNAME, LANG and what the object says, with its
 * secrets read from their files. NULL-ended, freed by spec_free_environment(); NULL with `err`
 * recorded if a secret cannot be read.
 */
char **spec_environment(const struct spec *, struct err *err);
void spec_free_environment(char **);

#endif
