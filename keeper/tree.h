/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is in a state folder: regular files, folders and symbolic links; everything else is passed
 * over. Paths are relative to the folder, and no link in them is followed.
 */
#ifndef KEEPER_TREE_H
#define KEEPER_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base/err.h"
#include "proto/model/node.h"

#define TREE_MAX       100000u /* Entries. */
#define TREE_DEPTH     64u
#define TREE_PATH_MAX  1400u          /* Bytes: in base64 it fits a call. */
#define TREE_PAGE      200u           /* Entries in one message, … */
#define TREE_PAGE_MAX  (100u * 1024u) /* … and bytes of their paths and targets. */
#define TREE_PART_NAME ".ioth-copy"   /* A file on its way here: no part of a tree. */
#define TREE_FRESH_US  1100000 /* File systems tell times in steps of up to a second. */

struct tree_entry {
    char *path;
    char type; /* 'd', 'f', 'l' */
    uint32_t mode;
    uint64_t size;
    int64_t mtime_us;
    bool fresh;   /* Changed just now: one more change may not show in its time. */
    char *target; /* 'l' */
};

struct tree {
    struct tree_entry *list; /* In the order of their paths, so that folders come first. */
    size_t n, room;
};

/* Reads the folder. 0, or -errno with err. */
int tree_read(int folder, struct tree *out, struct err *err)
    __attribute__((warn_unused_result));
void tree_done(struct tree *);

const struct tree_entry *tree_find(const struct tree *, const char *path);

/* True if the path cannot leave the folder by itself. */
bool tree_path_ok(const char *path);

/* The folder that the last part of the path is in, opened part by part; *last is that part.
 * -errno. The caller's. */
int tree_parent(int folder, const char *path, const char **last)
    __attribute__((warn_unused_result));

/* An entry as a map, and back: NULL path if it is none. Paths and targets are base64. */
struct node *tree_entry_node(const struct tree_entry *);
bool tree_entry_parse(const struct node *, struct tree_entry *out);
void tree_entry_done(struct tree_entry *);

/* base64 for messages: the caller's. NULL if it is none. */
char *tree_text(const void *data, size_t size);
uint8_t *tree_data(const char *text, size_t *size);

#endif
