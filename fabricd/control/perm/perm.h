/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may what, by the credentials of the socket's peer: the daemon's owner, root and group
 * `ioth` may all; others may plug into and read the networks that --allow opens to them.
 */
#ifndef FABRICD_CONTROL_PERM_PERM_H
#define FABRICD_CONTROL_PERM_PERM_H

#include <stdbool.h>

#include "fabricd/control/view/view.h"
#include "proto/base/fd.h"

bool perm_full(const struct fd_peer *);
/* Who that is, for people: the user's name, or "uid N". */
#define PERM_WHO_SIZE 80
char *perm_who(const struct fd_peer *, char out[PERM_WHO_SIZE]);

bool perm_network(const struct fd_peer *, const struct view_network *);

#endif
