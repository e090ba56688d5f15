/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The string of ioth_config() taken apart, before anything is done. */
#ifndef LIBIOTH_CONF_OPTIONS_H
#define LIBIOTH_CONF_OPTIONS_H

#include "libioth/conf/set.h"
#include "proto/base/err.h"

#define OPTIONS_SIZE 4096u /* Of the whole string. */
#define OPTIONS_MAX  64u

/* Beyond the bits of iothconf.h. */
#define OPTIONS_SLAAC (1u << 8)

struct options {
    unsigned on, off; /* IOTHCONF_*, OPTIONS_SLAAC. */
    bool debug;
    char iface[16]; /* "" = none named. */
    unsigned ifindex;
    bool has_mac;
    uint8_t mac[6];
    char fqdn[CONF_NAME_SIZE];
    const char *stack, *vnl;     /* Into text. */
    struct conf_set add, remove; /* What is static. */
    char text[OPTIONS_SIZE];
};

/* Reads `config` (NULL: ""). stack= and vnl= are allowed where `with_stack`. Returns 0 or -EINVAL. */
int options_parse(const char *config, bool with_stack, struct options *out, struct err *err)
    __attribute__((warn_unused_result));

#endif
