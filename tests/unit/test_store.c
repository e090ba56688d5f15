/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The SQLite engine: the conformance suite in memory, and what only files can go through: being
 * opened again, killed in the middle of a transaction, a full disk, a second owner. */
#include "tests/unit/store_conformance.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static struct store *conformance_open(void)
{
    struct store *store;

    assert_int_equal(store_open("sqlite::memory:", "/nonexistent", &store, NULL), 0);
    return store;
}

static struct store *open_in(const char *dir, struct err *err)
{
    struct store *store = NULL;

    return store_open("sqlite:", dir, &store, err) == 0 ? store : NULL;
}

static void remove_files(void)
{
    static const char *const names[] = {"store.sqlite", "store.sqlite-wal",
                                        "store.sqlite-shm", "store.sqlite-journal"};
    char path[128];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/ioth-store.XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    remove_files();
    return rmdir(folder);
}

static void test_opened_again(void **state)
{
    struct err err = {.why = ""};
    struct store *store = open_in(folder, &err);
    struct stat st;
    char path[128];

    (void)state;
    assert_non_null(store);
    assert_int_equal(commit1(store, op_put("k", "", "a", STORE_ANY, "1")), 0);
    assert_int_equal(commit1(store, op_put("k", "", "b", STORE_ANY, "2")), 0);
    store_close(store);
    snprintf(path, sizeof(path), "%s/store.sqlite", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    store = open_in(folder, &err);
    assert_non_null(store);
    assert_int_equal(store_revision(store), 2);
    assert_body(store, "k", "a", "1");
    assert_body(store, "k", "b", "2");
    store_close(store);
}

/* A second process on the same file is told so and harms nothing. */
static void test_second_owner(void **state)
{
    struct err err = {.why = ""};
    struct store *store = open_in(folder, &err);
    struct store *second = NULL;

    (void)state;
    assert_non_null(store);
    assert_int_equal(commit1(store, op_put("k", "", "a", STORE_ANY, "1")), 0);
    assert_int_equal(store_open("sqlite:", folder, &second, &err), -EBUSY);
    assert_non_null(strstr(err.why, "in use"));
    assert_int_equal(commit1(store, op_put("k", "", "a", STORE_ANY, "2")), 0);
    store_close(store);
}

/*
 * The writer is killed at a random moment, over and over. Whatever it reported as done is there,
 * and both objects of a transaction or none are of it.
 */
static void run_writer(int report)
{
    struct store *store = open_in(folder, NULL);

    for (unsigned i = 0; store != NULL; i++) {
        char text[16];
        struct store_op ops[2];
        uint64_t revision;

        snprintf(text, sizeof(text), "%u", i);
        ops[0] = op_put("k", "", "first", STORE_ANY, text);
        ops[1] = op_put("k", "", "second", STORE_ANY, text);
        if (store_commit(store, ops, 2, &revision, NULL, NULL) < 0 ||
            write(report, &revision, sizeof(revision)) != (ssize_t)sizeof(revision))
            break;
    }
    _exit(1);
}

static void test_killed(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 20; round++) {
        uint64_t reported = 0, revision;
        char *first, *second;
        struct store *store;
        int pipes[2], left = 1 + rand() % 20;
        pid_t pid;

        assert_int_equal(pipe(pipes), 0);
        pid = fork();
        if (pid == 0)
            run_writer(pipes[1]);
        close(pipes[1]);
        while (left-- > 0 &&
               read(pipes[0], &revision, sizeof(revision)) == (ssize_t)sizeof(revision))
            reported = revision;
        kill(pid, SIGKILL);
        while (read(pipes[0], &revision, sizeof(revision)) == (ssize_t)sizeof(revision))
            reported = revision;
        close(pipes[0]);
        waitpid(pid, NULL, 0);
        assert_true(reported > 0);
        store = open_in(folder, NULL);
        assert_non_null(store);
        assert_true(store_revision(store) >= reported);
        first = body_of(store, STORE_FABRIC, "k", "", "first", NULL);
        second = body_of(store, STORE_FABRIC, "k", "", "second", NULL);
        assert_string_equal(first, second);
        free(first);
        free(second);
        store_close(store);
    }
}

/* Fills a small disk; the change is refused with the reason, the old state stays readable, and
 * goes on when there is room again. */
static void test_full_disk(void **state)
{
    struct err err = {.why = ""};
    char dir[128], path[160], *large;
    struct store *store;
    unsigned n = 0;
    int r = 0;

    (void)state;
    snprintf(dir, sizeof(dir), "%s/disk", folder);
    assert_int_equal(mkdir(dir, 0700), 0);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", dir, "tmpfs", 0, "size=1m") < 0) {
        rmdir(dir);
        skip();
    }
    store = open_in(dir, &err);
    assert_non_null(store);
    large = malloc(64 * 1024);
    memset(large, 'x', 64 * 1024);
    large[64 * 1024 - 1] = '\0';
    assert_int_equal(commit1(store, op_put("k", "", "kept", STORE_ANY, "1")), 0);
    while (r == 0 && n < 100) {
        char name[16];

        snprintf(name, sizeof(name), "n%u", n++);
        struct store_op op = op_put("k", "", name, STORE_ANY, large);
        r = store_commit(store, &op, 1, NULL, NULL, &err);
    }
    assert_int_equal(r, -ENOSPC);
    assert_non_null(strstr(err.why, "full"));
    assert_int_equal(store_revision(store), n);
    assert_body(store, "k", "kept", "1");
    assert_body(store, "k", "n0", large);
    store_close(store);
    store = open_in(dir, &err);
    assert_non_null(store);
    assert_int_equal(store_revision(store), n);
    assert_body(store, "k", "kept", "1");
    assert_int_equal(mount(NULL, dir, NULL, MS_REMOUNT, "size=4m"), 0);
    assert_int_equal(commit1(store, op_put("k", "", "kept", STORE_ANY, "2")), 0);
    assert_body(store, "k", "kept", "2");
    store_close(store);
    free(large);
    snprintf(path, sizeof(path), "%s/store.sqlite", dir);
    unlink(path);
    umount(dir);
    rmdir(dir);
}

static void run_sql(const char *sql)
{
    char path[128];
    sqlite3 *db;

    snprintf(path, sizeof(path), "%s/store.sqlite", folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_later_version(void **state)
{
    struct err err = {.why = ""};
    struct store *store = open_in(folder, &err);

    (void)state;
    assert_non_null(store);
    store_close(store);
    run_sql("PRAGMA user_version=99");
    assert_int_equal(store_open("sqlite:", folder, &store, &err), -EPROTONOSUPPORT);
    assert_non_null(strstr(err.why, "later version"));
}

/* A store of the format before this one: what is in it stays, and its history begins now. */
static void test_earlier_version(void **state)
{
    char text[200] = "";
    struct store *store;

    (void)state;
    run_sql(
        "CREATE TABLE objects(scope INTEGER NOT NULL, kind TEXT NOT NULL, network TEXT NOT "
        "NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, owner TEXT NOT NULL, body "
        "TEXT NOT NULL, PRIMARY KEY(scope, kind, network, name)) WITHOUT ROWID;"
        "CREATE TABLE history(at INTEGER NOT NULL, seq INTEGER NOT NULL, scope INTEGER NOT "
        "NULL, kind TEXT NOT NULL, network TEXT NOT NULL, name TEXT NOT NULL, revision "
        "INTEGER NOT NULL, owner TEXT NOT NULL, body TEXT, PRIMARY KEY(at, seq)) WITHOUT "
        "ROWID;"
        "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
        "INSERT INTO meta VALUES('revision', 2);"
        "INSERT INTO objects VALUES(0,'k','','a',2,'cli','2');"
        "INSERT INTO history VALUES(1,0,0,'k','','a',1,'cli','1');"
        "INSERT INTO history VALUES(2,0,0,'k','','a',2,'cli','2');"
        "PRAGMA user_version=1;");
    store = open_in(folder, NULL);
    assert_non_null(store);
    assert_body(store, "k", "a", "2");
    assert_int_equal(store_oldest(store), 2);
    assert_int_equal(store_as_was(store, STORE_FABRIC, 1, 2, list_was, text), -ERANGE);
    assert_int_equal(commit1(store, op_put("k", "", "a", STORE_ANY, "3")), 0);
    assert_was(store, 2, 3, "a=2 ");
    store_close(store);
}

static void test_damaged(void **state)
{
    struct err err = {.why = ""};
    struct store *store;
    char path[128];
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "%s/store.sqlite", folder);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "this is no database, whatever it says", 37), 37);
    assert_int_equal(ftruncate(fd, 8192), 0);
    close(fd);
    assert_int_equal(store_open("sqlite:", folder, &store, &err), -EUCLEAN);
}

static void test_urls(void **state)
{
    struct err err = {.why = ""};
    struct store *store;

    (void)state;
    assert_int_equal(store_open("etcd://host:2379", folder, &store, &err), -ENOTSUP);
    assert_non_null(strstr(err.why, "etcd"));
    assert_int_equal(store_open("mysql:x", folder, &store, &err), -EINVAL);
    assert_int_equal(store_open("sqlite", folder, &store, &err), -EINVAL);
    assert_int_equal(store_open("sqlite:/nonexistent/x", folder, &store, &err), -ENOENT);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_CONFORMANCE_TESTS,
        ON_DISK(test_opened_again),
        ON_DISK(test_second_owner),
        ON_DISK(test_killed),
        ON_DISK(test_full_disk),
        ON_DISK(test_later_version),
        ON_DISK(test_earlier_version),
        ON_DISK(test_damaged),
        ON_DISK(test_urls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
