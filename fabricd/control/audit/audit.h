/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who asked for which change, and what came of it: one line of JSON each in FOLDER/audit.jsonl,
 * numbered without a gap. At AUDIT_FILE_SIZE it becomes audit.jsonl.1, that one .2, and the last of
 * AUDIT_FILES goes. The file is written through at once and not forced to the disk: what the
 * machine's own failure can take is the last seconds. Where it cannot be written, changes go on and
 * the log says so once.
 */
#ifndef FABRICD_CONTROL_AUDIT_AUDIT_H
#define FABRICD_CONTROL_AUDIT_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/fd.h"
#include "proto/base/mtime.h"
#include "proto/model/node.h"

#define AUDIT_FILE_SIZE (1024u * 1024u)
#define AUDIT_FILES     5u
#define AUDIT_LINE_MAX  4096u /* A longer entry is not written. */
#define AUDIT_CHEAP     120u  /* Entries of audit_add_cheap() in a minute. */

struct audit;

/* `folder` NULL, or no audit at all: nothing is kept. Never fails; what is wrong is logged. */
struct audit *audit_new(const char *folder);
void audit_free(struct audit *);

/* Takes the entry, a map, and puts its number and time in front. */
void audit_add(struct audit *, struct node *entry);

/* The same for what costs its maker nothing, as being refused: one that says the same as the one
 * before, and all after AUDIT_CHEAP in a minute, are counted only, so that nobody washes out what was
 * done. The next entry that is written says how many, as `left_out`. */
void audit_add_cheap(struct audit *, struct node *entry, mtime_t now);

/* Who it was, of a socket's peer: uid, and user if he has a name. */
void audit_set_peer(struct node *entry, const struct fd_peer *);

/*
 * At most `most` entries older than number `before` (0 = the latest), newest first, as a list.
 * *more says whether there are still older ones. Returns NULL if the files cannot be read.
 */
struct node *audit_read(struct audit *, uint64_t before, unsigned most, bool *more);

#endif
