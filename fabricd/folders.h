/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The run and state folders: made where they are missing, and refused where others could put
 * things into them. */
#ifndef FABRICD_FOLDERS_H
#define FABRICD_FOLDERS_H

#include <stddef.h>
#include <sys/types.h>

#include "proto/base/err.h"

/*
 * Makes `path`, and what is missing above it, unless it is there; checks that it is a folder of
 * ours that nobody else may write to, and writes its absolute path back. `mode` is for a folder
 * that is made. Returns 0 or -errno.
 */
int folder_make(char *path, size_t room, mode_t mode, struct err *err)
    __attribute__((warn_unused_result));

#endif
