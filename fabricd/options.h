/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The flags of fabricd and its configuration file, whose keys have the flags' names. A flag
 * counts before the environment (IOTH_RUN_DIR, IOTH_STATE_DIR), that before the file, that before
 * the default.
 */
#ifndef FABRICD_OPTIONS_H
#define FABRICD_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "fabricd/ipc/ipc.h"
#include "proto/base/err.h"

#define OPTIONS_CONFIG "/etc/ioth/fabricd.yaml" /* Read by root's daemon, if it is there. */

enum { OPTIONS_GO = -1 }; /* From options_read(): start the daemon. */

/*
 * Reads arguments, environment and file into *start (folders as they are named, not made yet).
 * Returns OPTIONS_GO, or the exit status: 0 after --help and --version (on `out`), 1 for what is
 * refused, 2 for what is wrong (on `errors`, one line for each mistake).
 */
int options_read(int argc, char *const *argv, struct ipc_start *start, FILE *out,
                 FILE *errors);

/* Makes `text` fit for a name of a host: "Büro.example" -> "b-ro". Never empty. */
void options_fit_name(const char *text, char name[IPC_NAME_SIZE]);

/* ADDR:PORT, [ADDR]:PORT, :PORT. */
bool options_parse_listen(const char *text, struct ipc_addr *out);

#endif
