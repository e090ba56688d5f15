/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a command line of `iothctl run` asks for. Pure. */
#ifndef CTL_RUN_PLAN_H
#define CTL_RUN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/grammar.h"
#include "libioth/node/init.h"
#include "proto/base/err.h"
#include "proto/plug/plug.h"

#define RUN_MAX_NETS NODE_MAX_NETS

struct run_net {
    char network[PLUG_NAME_SIZE];
    uint16_t vlan;  /* 0 = none named. */
    uint8_t mac[6]; /* All zero = the daemon chooses. */
    unsigned n_addrs;
    struct plug_addr addrs[PLUG_MAX_ADDRS];
};

struct run_plan {
    unsigned n_nets; /* At least one. */
    struct run_net nets[RUN_MAX_NETS];
    char name[PLUG_NAME_SIZE]; /* "" = anonymous. */
    uint64_t rate;             /* Bits per second; 0 = no limit. */
    bool root;
    bool lwip;         /* The stack is in the program's process, not a namespace: */
    const char *stack; /* its kind and settings; borrowed. */
    char **argv;       /* The program; borrowed. */
};

/*
 * Reads the options. An --ip or --mac belongs to the --net before it, or to the first one.
 * Returns 0, or -EINVAL (-ENOSYS for what is not built) with `err` recorded and `out` untouched.
 */
int run_plan_read(const struct args *, struct run_plan *out, struct err *err)
    __attribute__((warn_unused_result));

/* What is asked of the daemon for the i-th network: a plug of that kind. */
struct plug_request run_plan_request(const struct run_plan *, unsigned i,
                                     enum plug_kind kind);

/* "10M", "1.5G", "64k", "1000": decimal units of bits per second, at least 1. False if not. */
bool run_rate_read(const char *text, uint64_t *rate);

#endif
