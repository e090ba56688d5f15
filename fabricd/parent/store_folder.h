/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The folder of the store, which is all of the state folder that control may touch: STATE/store, or
 * where a "sqlite:PATH" lies.
 */
#ifndef FABRICD_PARENT_STORE_FOLDER_H
#define FABRICD_PARENT_STORE_FOLDER_H

#include <stdbool.h>

#include "fabricd/ipc/ipc.h"
#include "proto/base/err.h"

#define STORE_PATH_SIZE 320

/*
 * Writes the folder's path to `path`. *has is false where the store has none. STATE/store is made,
 * and a store of an earlier version, which lies in STATE, is moved there: call it only while no
 * control runs. 0 or -errno with `err`; *has and `path` are set all the same.
 */
int store_folder(const struct ipc_start *, char path[STORE_PATH_SIZE], bool *has,
                 struct err *err) __attribute__((warn_unused_result));

#endif
