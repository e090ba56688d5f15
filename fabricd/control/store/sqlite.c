/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The SQLite engine of the store: one file, WAL, full sync, one connection that holds the file
 * alone (locking_mode=EXCLUSIVE: no shared memory file, and a second daemon on the same folder
 * is told that the store is busy instead of writing too). Objects are rows; `history` has what
 * each transaction did, so that hosts that follow can resume.
 */
#include "fabricd/control/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/xalloc.h"

#define SCHEMA_VERSION 1
#define BUSY_MS        500
#define HEAP_LIMIT     (1024 * 1024) /* SQLite's own caches stay below it where it can. */

struct sqlite {
    sqlite3 *db;
    uint64_t revision;
    sqlite3_stmt *get, *put, *del, *log, *trim, *bump;
};

static const char schema[] =
    "CREATE TABLE objects(scope INTEGER NOT NULL, kind TEXT NOT NULL, network TEXT NOT "
    "NULL,"
    " name TEXT NOT NULL, revision INTEGER NOT NULL, owner TEXT NOT NULL, body TEXT NOT "
    "NULL,"
    " PRIMARY KEY(scope, kind, network, name)) WITHOUT ROWID;"
    "CREATE TABLE history(at INTEGER NOT NULL, seq INTEGER NOT NULL, scope INTEGER NOT "
    "NULL,"
    " kind TEXT NOT NULL, network TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT "
    "NULL,"
    " owner TEXT NOT NULL, body TEXT, PRIMARY KEY(at, seq)) WITHOUT ROWID;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO meta VALUES('revision', 0);"
    "PRAGMA user_version=1;";

/* What to tell a person, and the errno, of a result code of SQLite. */
static int fail(struct sqlite *s, int code, struct err *err)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
        return err_set(err, -ENOSPC, "the disk that holds the store is full");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, -EBUSY, "the store is in use by another process");
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return err_set(err, -EROFS, "the store cannot be written to");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, -EUCLEAN, "the store's file is damaged");
    case SQLITE_NOMEM:
        return err_set(err, -ENOMEM, "out of memory");
    case SQLITE_CANTOPEN:
        return err_set(err, -ENOENT, "the store's file cannot be opened: %s",
                       s->db != NULL ? sqlite3_errmsg(s->db) : "no memory");
    default:
        return err_set(err, -EIO, "the store failed: %s",
                       s->db != NULL ? sqlite3_errmsg(s->db) : "no memory");
    }
}

static int run(struct sqlite *s, const char *sql, struct err *err)
{
    int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : fail(s, code, err);
}

static int query_int(struct sqlite *s, const char *sql, int64_t *out, struct err *err)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return code == SQLITE_ROW ? 0 : fail(s, code, err);
}

static int set_up(struct sqlite *s, struct err *err)
{
    int64_t version = 0, revision = 0;
    int r;

    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    sqlite3_soft_heap_limit64(HEAP_LIMIT);
    r = run(
        s,
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "PRAGMA cache_size=-256; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;"
        "PRAGMA journal_size_limit=1048576; BEGIN EXCLUSIVE;",
        err);
    if (r == 0)
        r = query_int(s, "PRAGMA user_version", &version, err);
    if (r == 0 && version > SCHEMA_VERSION)
        r = err_set(
            err, -EPROTONOSUPPORT,
            "the store was written by a later version (its format is %lld, known is %d)",
            (long long)version, SCHEMA_VERSION);
    if (r == 0 && version == 0)
        r = run(s, schema, err);
    if (r == 0)
        r = query_int(s, "SELECT value FROM meta WHERE key='revision'", &revision, err);
    if (r == 0)
        r = run(s, "COMMIT", err);
    s->revision = (uint64_t)revision;
    return r;
}

static int prepare(struct sqlite *s, struct err *err)
{
    const struct {
        sqlite3_stmt **st;
        const char *sql;
    } all[] = {
        {&s->get, "SELECT scope,kind,network,name,revision,owner,body FROM objects "
                  "WHERE scope=?1 AND kind=?2 AND network=?3 AND name=?4"},
        {&s->put, "INSERT OR REPLACE INTO objects VALUES(?1,?2,?3,?4,?5,?6,?7)"},
        {&s->del,
         "DELETE FROM objects WHERE scope=?1 AND kind=?2 AND network=?3 AND name=?4"},
        {&s->log, "INSERT INTO history VALUES(?8,?9,?1,?2,?3,?4,?5,?6,?7)"},
        {&s->trim, "DELETE FROM history WHERE at<=?1"},
        {&s->bump, "UPDATE meta SET value=?1 WHERE key='revision'"},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int code = sqlite3_prepare_v3(s->db, all[i].sql, -1, SQLITE_PREPARE_PERSISTENT,
                                      all[i].st, NULL);
        if (code != SQLITE_OK)
            return fail(s, code, err);
    }
    return 0;
}

static void sqlite_close(void *engine)
{
    struct sqlite *s = engine;

    sqlite3_finalize(s->get);
    sqlite3_finalize(s->put);
    sqlite3_finalize(s->del);
    sqlite3_finalize(s->log);
    sqlite3_finalize(s->trim);
    sqlite3_finalize(s->bump);
    sqlite3_close(s->db);
    free(s);
}

/* Puts in front which file the error is about. */
static void name_file(struct err *err, const char *path)
{
    struct err about = *err;

    err_set(err, 0, "%.160s: %.150s", path, about.why);
}

static int sqlite_open(const char *rest, const char *state_dir, void **engine,
                       struct err *err)
{
    struct sqlite *s = xcalloc(1, sizeof(*s));
    char *path = rest[0] != '\0' ? xstrdup(rest) : xasprintf("%s/store.sqlite", state_dir);
    bool memory = strcmp(path, ":memory:") == 0;
    int code, r = 0;

    if (!memory) {
        /* SQLite would make it readable for all; what it holds is the owner's. */
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            r = err_set(err, -errno, "%s: %s", path, err_text(errno));
        else
            close(fd);
    }
    if (r == 0) {
        code = sqlite3_open_v2(
            path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
            NULL);
        r = code == SQLITE_OK ? set_up(s, err) : fail(s, code, err);
        if (r == 0)
            r = prepare(s, err);
        if (r < 0)
            name_file(err, path);
    }
    free(path);
    if (r < 0) {
        sqlite_close(s);
        return r;
    }
    *engine = s;
    return 0;
}

static uint64_t sqlite_revision(const void *engine)
{
    return ((const struct sqlite *)engine)->revision;
}

static const char *column(sqlite3_stmt *st, int i)
{
    return (const char *)sqlite3_column_text(st, i);
}

/* Columns scope, kind, network, name, revision, owner, body. */
static struct store_object row(sqlite3_stmt *st)
{
    return (struct store_object){
        .scope = sqlite3_column_int(st, 0) != 0 ? STORE_LOCAL : STORE_FABRIC,
        .kind = column(st, 1),
        .network = column(st, 2),
        .name = column(st, 3),
        .revision = (uint64_t)sqlite3_column_int64(st, 4),
        .owner = column(st, 5),
        .body = column(st, 6),
    };
}

static void bind_key(sqlite3_stmt *st, enum store_scope scope, const char *kind,
                     const char *network, const char *name)
{
    sqlite3_bind_int(st, 1, scope == STORE_LOCAL);
    sqlite3_bind_text(st, 2, kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 3, network, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 4, name, -1, SQLITE_STATIC);
}

/* One block that holds all texts, the kind first: see store_object_done(). */
static void keep(const struct store_object *in, struct store_object *out)
{
    const char *texts[] = {in->kind, in->network, in->name, in->owner, in->body};
    const char **places[] = {&out->kind, &out->network, &out->name, &out->owner,
                             &out->body};
    size_t size = 0;
    char *p;

    for (size_t i = 0; i < 5; i++)
        size += strlen(texts[i]) + 1;
    p = xcalloc(1, size);
    for (size_t i = 0; i < 5; i++) {
        size_t n = strlen(texts[i]) + 1;
        memcpy(p, texts[i], n);
        *places[i] = p;
        p += n;
    }
    out->scope = in->scope;
    out->revision = in->revision;
}

static int sqlite_get(void *engine, enum store_scope scope, const char *kind,
                      const char *network, const char *name, struct store_object *out)
{
    struct sqlite *s = engine;
    int code, r = 0;

    bind_key(s->get, scope, kind, network, name);
    code = sqlite3_step(s->get);
    if (code == SQLITE_ROW) {
        struct store_object found = row(s->get);
        keep(&found, out);
    } else {
        r = code == SQLITE_DONE ? -ENOENT : fail(s, code, NULL);
    }
    sqlite3_reset(s->get);
    return r;
}

static int walk(struct sqlite *s, sqlite3_stmt *st, store_each_fn *each, void *aux)
{
    int code, r = 0;

    while (r == 0 && (code = sqlite3_step(st)) != SQLITE_DONE) {
        struct store_object found;

        if (code != SQLITE_ROW) {
            r = fail(s, code, NULL);
            break;
        }
        found = row(st);
        r = each(aux, &found);
    }
    sqlite3_finalize(st);
    return r;
}

static int sqlite_each(void *engine, enum store_scope scope, const char *kind,
                       const char *network, store_each_fn *each, void *aux)
{
    struct sqlite *s = engine;
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(
        s->db,
        "SELECT scope,kind,network,name,revision,owner,body FROM objects WHERE scope=?1 "
        "AND (?2 IS NULL OR kind=?2) AND (?3 IS NULL OR network=?3) "
        "ORDER BY kind,network,name",
        -1, &st, NULL);

    if (code != SQLITE_OK)
        return fail(s, code, NULL);
    sqlite3_bind_int(st, 1, scope == STORE_LOCAL);
    if (kind != NULL)
        sqlite3_bind_text(st, 2, kind, -1, SQLITE_TRANSIENT);
    if (network != NULL)
        sqlite3_bind_text(st, 3, network, -1, SQLITE_TRANSIENT);
    return walk(s, st, each, aux);
}

static int sqlite_history(void *engine, enum store_scope scope, uint64_t from,
                          store_each_fn *each, void *aux)
{
    struct sqlite *s = engine;
    sqlite3_stmt *st = NULL;
    int code;

    if (from > s->revision || s->revision - from > STORE_HISTORY)
        return -ERANGE;
    code = sqlite3_prepare_v2(
        s->db,
        "SELECT scope,kind,network,name,revision,owner,body FROM history "
        "WHERE at>?1 AND scope=?2 ORDER BY at,seq",
        -1, &st, NULL);
    if (code != SQLITE_OK)
        return fail(s, code, NULL);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)from);
    sqlite3_bind_int(st, 2, scope == STORE_LOCAL);
    return walk(s, st, each, aux);
}

static int step_write(struct sqlite *s, sqlite3_stmt *st, struct err *err)
{
    int code = sqlite3_step(st);
    int r = code == SQLITE_DONE ? 0 : fail(s, code, err);

    sqlite3_reset(st);
    return r;
}

static int compare(const struct store_op *op, bool found, uint64_t revision,
                   struct err *err)
{
    const char *in = op->network[0] != '\0' ? op->network : NULL;
    const char *slash = in != NULL ? "/" : "";

    if (op->expect == STORE_ANY)
        return 0;
    in = in != NULL ? in : "";
    if (op->expect == STORE_ABSENT)
        return !found ? 0
                      : err_set(err, -EEXIST, "%s %s%s%s exists already", op->kind, in,
                                slash, op->name);
    if (!found)
        return err_set(err, -ENOENT, "there is no %s %s%s%s", op->kind, in, slash,
                       op->name);
    if (revision != op->expect)
        return err_set(err, -ESTALE,
                       "%s %s%s%s was changed meanwhile (its revision is %llu, not %llu)",
                       op->kind, in, slash, op->name, (unsigned long long)revision,
                       (unsigned long long)op->expect);
    return 0;
}

static void bind_row(sqlite3_stmt *st, const struct store_op *op, uint64_t revision,
                     const char *owner)
{
    bind_key(st, op->scope, op->kind, op->network, op->name);
    sqlite3_bind_int64(st, 5, (sqlite3_int64)(op->revision != 0 ? op->revision : revision));
    sqlite3_bind_text(st, 6, owner, -1, SQLITE_TRANSIENT);
    if (op->verb == STORE_PUT)
        sqlite3_bind_text(st, 7, op->body, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(st, 7);
}

/* Returns 1 if something was written, 0, or -errno. */
static int apply(struct sqlite *s, const struct store_op *op, size_t seq, uint64_t revision,
                 struct err *err)
{
    struct store_object now = {.kind = NULL};
    int r = sqlite_get(s, op->scope, op->kind, op->network, op->name, &now);
    bool found = r == 0;
    const char *owner;

    if (r < 0 && r != -ENOENT)
        return err_set(err, r, "the store cannot be read");
    owner = op->owner != NULL ? op->owner : found ? now.owner : "cli";
    r = compare(op, found, now.revision, err);
    if (r == 0 && op->verb == STORE_PUT) {
        bind_row(s->put, op, revision, owner);
        r = step_write(s, s->put, err);
    } else if (r == 0 && op->verb == STORE_DELETE && found) {
        bind_key(s->del, op->scope, op->kind, op->network, op->name);
        r = step_write(s, s->del, err);
    } else if (r == 0) {
        store_object_done(&now);
        return 0;
    }
    if (r == 0) {
        bind_row(s->log, op, revision, owner);
        sqlite3_bind_int64(s->log, 8, (sqlite3_int64)revision);
        sqlite3_bind_int64(s->log, 9, (sqlite3_int64)seq);
        r = step_write(s, s->log, err);
    }
    store_object_done(&now);
    return r == 0 ? 1 : r;
}

static int finish(struct sqlite *s, uint64_t revision, struct err *err)
{
    int r;

    sqlite3_bind_int64(s->bump, 1, (sqlite3_int64)revision);
    r = step_write(s, s->bump, err);
    if (r == 0 && revision > STORE_HISTORY) {
        sqlite3_bind_int64(s->trim, 1, (sqlite3_int64)(revision - STORE_HISTORY));
        r = step_write(s, s->trim, err);
    }
    return r == 0 ? run(s, "COMMIT", err) : r;
}

static int sqlite_commit(void *engine, const struct store_op *ops, size_t n,
                         uint64_t *revision, size_t *failed, struct err *err)
{
    struct sqlite *s = engine;
    uint64_t next = s->revision + 1;
    bool wrote = false;
    int r = run(s, "BEGIN IMMEDIATE", err);

    for (size_t i = 0; r == 0 && i < n; i++) {
        r = apply(s, &ops[i], i, next, err);
        if (r == -EEXIST || r == -ENOENT || r == -ESTALE)
            *failed = i;
        wrote = wrote || r == 1;
        r = r > 0 ? 0 : r;
    }
    if (r == 0)
        r = wrote ? finish(s, next, err) : run(s, "ROLLBACK", err);
    if (r < 0) {
        /* An error of the disk may have rolled it back already; then this is refused. */
        if (sqlite3_get_autocommit(s->db) == 0)
            sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
        return r;
    }
    if (wrote)
        s->revision = next;
    *revision = s->revision;
    return 0;
}

const struct store_engine store_sqlite = {
    .scheme = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .revision = sqlite_revision,
    .get = sqlite_get,
    .each = sqlite_each,
    .commit = sqlite_commit,
    .history = sqlite_history,
};
