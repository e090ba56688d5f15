/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fabric files of a command line: all that -f names, and what they include, read and joined
 * into one tree. Only here are files opened: the daemon is handed what they hold. What is wrong
 * with them is printed as FILE:LINE:COLUMN: PATH: WHAT, all of it, whoever found it.
 */
#ifndef CTL_FILES_H
#define CTL_FILES_H

#include "ctl/ctl.h"
#include "proto/model/fabric_file.h"

#define FILES_MAX       64         /* Files of one command, included ones too. */
#define FILES_MAX_DEPTH 8          /* Files that include one another. */
#define FILES_MAX_BYTES (1u << 20) /* Together; as much as the API takes. */

struct files {
    struct node *root; /* Without `include`. Its nodes know their file. */
    char *names[FILES_MAX];
    unsigned n;
    const char *what; /* The command, for messages. */
};

/*
 * Reads the files of --file: files, folders (all *.yaml, *.yml and *.json in them, by name) or -
 * for standard input. Returns 0 or the exit status, with the mistakes printed or the failure
 * recorded; files_done() in any case.
 */
int files_read(struct ctl *, const struct args *, struct files *out)
    __attribute__((warn_unused_result));
void files_done(struct files *);

/* "a.yaml", or "a.yaml and 2 more", in buffer[]. */
const char *files_name(const struct files *, char *buffer, size_t size);

/* Checks them as the daemon would that knows of no other objects. True with the objects in `out`
 * (objects_done() in any case), false with the mistakes printed. */
bool files_check(const struct files *, struct objects *out);

/* Prints the daemon's complaints about them (a problem document, or NULL), at the places in the
 * files. False if it has none that belong to a place. */
bool files_print_errors(const struct files *, const struct node *problem);

#endif
