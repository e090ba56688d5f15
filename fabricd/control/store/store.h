/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store: objects as JSON texts, each under (scope, kind, network, name) and with the
 * revision of the transaction that wrote it last. One transaction gives one revision; revisions
 * only rise. What was committed is on the disk when store_commit() returns.
 *
 * Two scopes are kept apart: STORE_FABRIC is what all hosts of the fabric share (joined hosts
 * keep a copy of it), STORE_LOCAL is this host's own: local networks, anonymous endpoints, and
 * what the host knows about itself. The same name may be in both.
 *
 * Kinds are plain texts: those of the model ("network", "port", "endpoint", "host", "link") and
 * what control keeps besides ("fabric", "self", "block", "invite" …). The store does not look
 * into bodies.
 *
 * Engines sit behind struct store_engine; there is one, SQLite (WAL, synchronous=FULL), and one
 * conformance suite, tests/unit/store_conformance.h. Single-threaded.
 */
#ifndef FABRICD_CONTROL_STORE_STORE_H
#define FABRICD_CONTROL_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/base/list.h"

enum store_scope { STORE_FABRIC, STORE_LOCAL };

#define STORE_MAX_BODY (256u * 1024u) /* Bytes of one body. */
#define STORE_HISTORY  10000u  /* Revisions that the history goes back, at the most. */
#define STORE_ROWS     500000u /* Written objects that it holds, at the most. */

/* An object; texts are the store's and live until the callback returns, or, from store_get(),
 * until store_object_done(). */
struct store_object {
    enum store_scope scope;
    const char *kind;
    const char *network; /* "" for kinds that live in none. */
    const char *name;
    uint64_t revision;
    const char *owner; /* Who made it: "cli", "file", "run", "daemon". */
    const char *body;  /* JSON; NULL in a change: deleted. */
};

enum store_verb {
    STORE_PUT,    /* Writes the body. */
    STORE_DELETE, /* Harmless if there is none, unless `expect` says otherwise. */
    STORE_CHECK   /* Only compares. */
};

#define STORE_ANY    UINT64_MAX /* expect: whatever is there */
#define STORE_ABSENT 0u         /* expect: nothing is there */

struct store_op {
    enum store_verb verb;
    enum store_scope scope;
    const char *kind, *network, *name;
    uint64_t expect;   /* STORE_ANY, STORE_ABSENT, or the revision that it must have. */
    uint64_t revision; /* 0 = the transaction's; else as replicated from another store. */
    const char *owner; /* NULL = keeps the present one, "cli" for a new object. */
    const char *body;
};

/* Who made a transaction and why: what the history shows of it. */
struct store_note {
    const char *who;   /* "root", "uid 1000" */
    const char *host;  /* Where it was asked for. */
    const char *owner; /* "cli", "file", "run", … */
    const char *what;  /* For people, one line: "apply", "network lab created". */
    uint32_t n;        /* Objects that it changed. */
};

/* A line of the history. Texts live until the callback returns. */
struct store_entry {
    uint64_t revision;
    int64_t time; /* Milliseconds since 1970. */
    struct store_note note;
};

struct store;

/*
 * Opens the store that `url` names: "sqlite:" (a file in state_dir), "sqlite:PATH",
 * "sqlite::memory:". On failure err says why. Others than SQLite are refused by name.
 */
int store_open(const char *url, const char *state_dir, struct store **out, struct err *err)
    __attribute__((warn_unused_result));
void store_close(struct store *);

/* The revision of the last transaction; 0 in an empty store. */
uint64_t store_revision(const struct store *);

/* 0 with `out` filled in (store_object_done() frees it), -ENOENT, or another -errno. */
int store_get(struct store *, enum store_scope scope, const char *kind, const char *network,
              const char *name, struct store_object *out)
    __attribute__((warn_unused_result));
void store_object_done(struct store_object *);

/* Returns non-zero to stop. May read the store, must not write to it. */
typedef int store_each_fn(void *aux, const struct store_object *);

/* Every object of the scope, by kind, network and name in their order. kind NULL = all;
 * network NULL = all. Returns 0, what `each` stopped with, or -errno. */
int store_each(struct store *, enum store_scope scope, const char *kind,
               const char *network, store_each_fn *each, void *aux)
    __attribute__((warn_unused_result));

/*
 * One transaction: all of it or nothing. *revision (or NULL) becomes its revision. Errors, with
 * err filled in and the store as it was: -EEXIST (expected absent, is there), -ENOENT (expected,
 * is not there), -ESTALE (has another revision), -ENOSPC (disk full), -EBUSY (locked by
 * somebody else), -EFBIG, -EIO. *failed (or NULL) becomes the index of the op that a
 * comparison refused.
 */
int store_commit(struct store *, const struct store_op *ops, size_t n, uint64_t *revision,
                 size_t *failed, struct err *err) __attribute__((warn_unused_result));

/* The same, and a line of the history with it, if something was written. */
int store_commit_noted(struct store *, const struct store_note *,
                       const struct store_op *ops, size_t n, uint64_t *revision,
                       size_t *failed, struct err *err) __attribute__((warn_unused_result));

/* Told after each commit, in the order of their adding. `changed` must not commit itself. */
struct store_watch {
    void (*changed)(struct store_watch *, uint64_t revision,
                    const struct store_object *changes, size_t n);
    struct list link;
};
void store_watch_add(struct store *, struct store_watch *);
void store_watch_remove(struct store_watch *); /* Harmless on a zeroed one. */

/*
 * What was changed in the scope after revision `from`, oldest first, each key perhaps more than
 * once. -ERANGE if the history does not go back so far or `from` lies in the future: take a
 * snapshot with store_each() instead.
 */
int store_history(struct store *, enum store_scope scope, uint64_t from,
                  store_each_fn *each, void *aux) __attribute__((warn_unused_result));

/*
 * The history goes back to this revision: what was then is known still. It is forgotten from its
 * oldest end, a whole transaction at a time, beyond STORE_HISTORY revisions or STORE_ROWS objects.
 */
uint64_t store_oldest(const struct store *);

/*
 * How the scope was at revision `from`: each object that was written after it, up to and with
 * revision `to`, once, by kind, network and name, as it was at `from`; without a body it was not
 * there. -ERANGE if `from` lies before store_oldest() or in the future.
 */
int store_as_was(struct store *, enum store_scope scope, uint64_t from, uint64_t to,
                 store_each_fn *each, void *aux) __attribute__((warn_unused_result));

/* Lines of the history, newest first, of revisions below `before` (0 = all). Until `each` returns
 * non-zero, which is returned. */
typedef int store_entry_fn(void *aux, const struct store_entry *);
int store_entries(struct store *, uint64_t before, store_entry_fn *each, void *aux)
    __attribute__((warn_unused_result));

/* --- for engines ------------------------------------------------------------------------- */

struct store_engine {
    const char *scheme;
    int (*open)(const char *rest, const char *state_dir, void **engine, struct err *);
    void (*close)(void *engine);
    uint64_t (*revision)(const void *engine);
    int (*get)(void *engine, enum store_scope, const char *kind, const char *network,
               const char *name, struct store_object *out);
    int (*each)(void *engine, enum store_scope, const char *kind, const char *network,
                store_each_fn *, void *aux);
    int (*commit)(void *engine, const struct store_note *, const struct store_op *,
                  size_t n, uint64_t *revision, size_t *failed, struct err *);
    int (*history)(void *engine, enum store_scope, uint64_t from, store_each_fn *,
                   void *aux);
    uint64_t (*oldest)(const void *engine);
    int (*as_was)(void *engine, enum store_scope, uint64_t from, uint64_t to,
                  store_each_fn *, void *aux);
    int (*entries)(void *engine, uint64_t before, store_entry_fn *, void *aux);
};

extern const struct store_engine store_sqlite;

#endif
