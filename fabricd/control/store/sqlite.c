/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The SQLite engine of the store: one file, WAL, full sync, one connection that holds the file
 * alone (locking_mode=EXCLUSIVE: no shared memory file, and a second daemon on the same folder
 * is told that the store is busy instead of writing too). Objects are rows; `history` has what
 * each transaction did, so that hosts that follow can resume.
 */
#include "fabricd/control/store/store.h"
#include "proto/base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/mtime.h"
#include "proto/base/xalloc.h"

#define SCHEMA_VERSION 2
#define BUSY_MS        500
#define HEAP_LIMIT     (1024 * 1024) /* SQLite's own caches stay below it where it can. */

struct sqlite {
    sqlite3 *db;
    uint64_t revision;
    uint64_t trimmed; /* Of what came up to this revision the history has nothing. */
    uint64_t oldest;  /* From this one on it has what was before. */
    uint64_t rows;
    sqlite3_stmt *get, *put, *del, *log, *note, *trim, *trim_notes, *nth, *set;
};

static const char schema_1[] =
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

/* What an object was before each write, who wrote it, and how far back that goes. */
static const char schema_2[] =
    "ALTER TABLE history ADD COLUMN was_revision INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE history ADD COLUMN was_owner TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE history ADD COLUMN was_body TEXT;"
    "CREATE TABLE notes(at INTEGER PRIMARY KEY, time INTEGER NOT NULL, who TEXT NOT NULL,"
    " host TEXT NOT NULL, owner TEXT NOT NULL, what TEXT NOT NULL, n INTEGER NOT NULL);"
    "INSERT INTO meta SELECT 'oldest', value FROM meta WHERE key='revision';"
    "INSERT INTO meta SELECT 'trimmed', MAX(0, value - 10000) FROM meta WHERE "
    "key='revision';"
    "INSERT INTO meta SELECT 'rows', COUNT(*) FROM history;"
    "PRAGMA user_version=2;";

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

static int read_meta(struct sqlite *s, struct err *err)
{
    const struct {
        const char *sql;
        uint64_t *out;
    } all[] = {
        {"SELECT value FROM meta WHERE key='revision'", &s->revision},
        {"SELECT value FROM meta WHERE key='trimmed'", &s->trimmed},
        {"SELECT value FROM meta WHERE key='oldest'", &s->oldest},
        {"SELECT value FROM meta WHERE key='rows'", &s->rows},
    };
    int64_t value = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(all) / sizeof(all[0]); i++) {
        r = query_int(s, all[i].sql, &value, err);
        *all[i].out = (uint64_t)value;
    }
    return r;
}

static int set_up(struct sqlite *s, struct err *err)
{
    int64_t version = 0;
    int r;

    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    sqlite3_soft_heap_limit64(HEAP_LIMIT);
    /* The end waits for no disk: what is committed is in the log, and the next start reads it. */
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
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
        r = run(s, schema_1, err);
    if (r == 0 && version < 2)
        r = run(s, schema_2, err);
    if (r == 0)
        r = read_meta(s, err);
    return r == 0 ? run(s, "COMMIT", err) : r;
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
        {&s->log, "INSERT INTO history VALUES(?8,?9,?1,?2,?3,?4,?5,?6,?7,?10,?11,?12)"},
        {&s->note, "INSERT INTO notes VALUES(?1,?2,?3,?4,?5,?6,?7)"},
        {&s->trim, "DELETE FROM history WHERE at<=?1"},
        {&s->trim_notes, "DELETE FROM notes WHERE at<=?1"},
        {&s->nth, "SELECT at FROM history ORDER BY at,seq LIMIT 1 OFFSET ?1"},
        {&s->set, "UPDATE meta SET value=?2 WHERE key=?1"},
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

    sqlite3_stmt *const all[] = {s->get,  s->put,        s->del, s->log, s->note,
                                 s->trim, s->trim_notes, s->nth, s->set};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sqlite3_finalize(all[i]);
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

    if (from > s->revision || from < s->trimmed)
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
        sqlite3_bind_int64(s->log, 10, (sqlite3_int64)now.revision);
        sqlite3_bind_text(s->log, 11, found ? now.owner : "", -1, SQLITE_STATIC);
        sqlite3_bind_text(s->log, 12, now.body, -1, SQLITE_STATIC); /* NULL: not there. */
        r = step_write(s, s->log, err);
    }
    store_object_done(&now);
    return r == 0 ? 1 : r;
}

static int set_meta(struct sqlite *s, const char *key, uint64_t value, struct err *err)
{
    sqlite3_bind_text(s->set, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s->set, 2, (sqlite3_int64)value);
    return step_write(s, s->set, err);
}

static int write_note(struct sqlite *s, const struct store_note *note, uint64_t revision,
                      struct err *err)
{
    const char *texts[] = {note->who, note->host, note->owner, note->what};

    sqlite3_bind_int64(s->note, 1, (sqlite3_int64)revision);
    sqlite3_bind_int64(s->note, 2, wall_now_us() / 1000);
    for (int i = 0; i < 4; i++)
        sqlite3_bind_text(s->note, 3 + i, texts[i], -1, SQLITE_STATIC);
    sqlite3_bind_int64(s->note, 7, note->n);
    return step_write(s, s->note, err);
}

/* The revision up to which the history is to be forgotten, or what is forgotten already. */
static uint64_t to_be_trimmed(struct sqlite *s, uint64_t revision, uint64_t rows)
{
    uint64_t upto = revision > STORE_HISTORY ? revision - STORE_HISTORY : 0;
    uint64_t nth = 0;

    if (rows > STORE_ROWS) {
        sqlite3_bind_int64(s->nth, 1, (sqlite3_int64)(rows - STORE_ROWS - 1));
        if (sqlite3_step(s->nth) == SQLITE_ROW)
            nth = (uint64_t)sqlite3_column_int64(s->nth, 0);
        sqlite3_reset(s->nth);
        nth = nth < revision ? nth : revision - 1; /* The last one stays, however large. */
    }
    upto = upto > nth ? upto : nth;
    return upto > s->trimmed ? upto : s->trimmed;
}

static int trim(struct sqlite *s, uint64_t upto, uint64_t *rows, struct err *err)
{
    int r;

    sqlite3_bind_int64(s->trim, 1, (sqlite3_int64)upto);
    r = step_write(s, s->trim, err);
    *rows -= (uint64_t)sqlite3_changes(s->db);
    sqlite3_bind_int64(s->trim_notes, 1, (sqlite3_int64)upto);
    if (r == 0)
        r = step_write(s, s->trim_notes, err);
    if (r == 0)
        r = set_meta(s, "trimmed", upto, err);
    if (r == 0 && upto > s->oldest)
        r = set_meta(s, "oldest", upto, err);
    return r;
}

static int finish(struct sqlite *s, const struct store_note *note, uint64_t revision,
                  size_t wrote, struct err *err)
{
    uint64_t rows = s->rows + wrote, upto = to_be_trimmed(s, revision, rows);
    int r = set_meta(s, "revision", revision, err);

    if (r == 0 && note != NULL)
        r = write_note(s, note, revision, err);
    if (r == 0 && upto > s->trimmed)
        r = trim(s, upto, &rows, err);
    if (r == 0)
        r = set_meta(s, "rows", rows, err);
    if (r == 0)
        fault_at(FAULT_STORE_WRITTEN);
    if (r == 0)
        r = run(s, "COMMIT", err);
    if (r < 0)
        return r;
    s->revision = revision;
    s->rows = rows;
    s->trimmed = upto;
    s->oldest = upto > s->oldest ? upto : s->oldest;
    return 0;
}

static int sqlite_commit(void *engine, const struct store_note *note,
                         const struct store_op *ops, size_t n, uint64_t *revision,
                         size_t *failed, struct err *err)
{
    struct sqlite *s = engine;
    uint64_t next = s->revision + 1;
    size_t wrote = 0;
    int r = run(s, "BEGIN IMMEDIATE", err);

    for (size_t i = 0; r == 0 && i < n; i++) {
        r = apply(s, &ops[i], i, next, err);
        if (r == -EEXIST || r == -ENOENT || r == -ESTALE)
            *failed = i;
        wrote += r == 1;
        r = r > 0 ? 0 : r;
    }
    if (r == 0)
        r = wrote > 0 ? finish(s, note, next, wrote, err) : run(s, "ROLLBACK", err);
    if (r < 0) {
        /* An error of the disk may have rolled it back already; then this is refused. */
        if (sqlite3_get_autocommit(s->db) == 0)
            sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
        return r;
    }
    *revision = s->revision;
    return 0;
}

static uint64_t sqlite_oldest(const void *engine)
{
    return ((const struct sqlite *)engine)->oldest;
}

static int sqlite_as_was(void *engine, enum store_scope scope, uint64_t from, uint64_t to,
                         store_each_fn *each, void *aux)
{
    struct sqlite *s = engine;
    sqlite3_stmt *st = NULL;
    /* The columns of SQLite's row that has the MIN(): the first write after `from`. */
    int code = sqlite3_prepare_v2(
        s->db,
        "SELECT scope,kind,network,name,was_revision,was_owner,was_body,"
        "MIN(at*1048576+seq) FROM history WHERE at>?1 AND at<=?2 AND scope=?3 "
        "GROUP BY kind,network,name ORDER BY kind,network,name",
        -1, &st, NULL);

    if (code != SQLITE_OK)
        return fail(s, code, NULL);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)from);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)to);
    sqlite3_bind_int(st, 3, scope == STORE_LOCAL);
    return walk(s, st, each, aux);
}

static int sqlite_entries(void *engine, uint64_t before, store_entry_fn *each, void *aux)
{
    struct sqlite *s = engine;
    sqlite3_stmt *st = NULL;
    int r = 0;
    int code = sqlite3_prepare_v2(s->db,
                                  "SELECT at,time,who,host,owner,what,n FROM notes "
                                  "WHERE ?1=0 OR at<?1 ORDER BY at DESC",
                                  -1, &st, NULL);

    if (code != SQLITE_OK)
        return fail(s, code, NULL);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)before);
    while (r == 0 && (code = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_entry entry = {
            .revision = (uint64_t)sqlite3_column_int64(st, 0),
            .time = sqlite3_column_int64(st, 1),
            .note = {column(st, 2), column(st, 3), column(st, 4), column(st, 5),
                     (uint32_t)sqlite3_column_int64(st, 6)},
        };
        r = each(aux, &entry);
    }
    if (r == 0 && code != SQLITE_DONE)
        r = fail(s, code, NULL);
    sqlite3_finalize(st);
    return r;
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
    .oldest = sqlite_oldest,
    .as_was = sqlite_as_was,
    .entries = sqlite_entries,
};
