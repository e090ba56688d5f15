/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a program in a node finds about names in its file system: files of ours over
 * /etc/resolv.conf, /etc/nsswitch.conf and /etc/hosts, and nothing of the host's resolvers
 * (nscd, systemd-resolved, avahi), which would answer for another network. Called in the node's
 * own mount namespace, by a process that may mount there.
 */
#ifndef LIBIOTH_NODE_NAMES_H
#define LIBIOTH_NODE_NAMES_H

#include <stddef.h>

#include "proto/base/err.h"

/*
 * Puts all of it in place; `networks` become the search list. /etc/hosts has loopback only:
 * *hosts is a descriptor to append to, or -1 where the host has no such file. Returns 0 or
 * -errno.
 */
int names_install(const char *const *networks, unsigned n_networks, int *hosts,
                  struct err *err) __attribute__((warn_unused_result));

/* The text of nsswitch.conf with only files and dns for hosts. Returns its length, or 0 if it
 * does not fit in `room` bytes. */
size_t names_nsswitch(const char *original, char *out, size_t room);

#endif
