/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each case runs in a process of its own, which reports by its exit status. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/control/store/store.h"
#include "fabricd/parent/store_folder.h"
#include "fabricd/sandbox/sandbox.h"

#if defined(IOTH_SANITIZED)
static const int filtered = 0;
#else
static const int filtered = 1;
#endif

static int status_of(int (*body)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(body());
    assert_true(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int in_switch(void)
{
    int pair[2], epoll;
    struct stat st;
    char *page;

    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0 || sandbox_switch() < 0)
        return 1;
    /* What the data path does. */
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0 || send(pair[0], "x", 1, 0) != 1 || fstat(pair[0], &st) < 0)
        return 2;
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return 3;
    /* What it never does. */
    if (open("/etc/passwd", O_RDONLY) >= 0 || errno != ENOENT)
        return 4;
    if (socket(AF_INET, SOCK_DGRAM, 0) >= 0 || errno != EPERM)
        return 5;
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0 || errno != EPERM)
        return 6;
    if (fork() >= 0 || execl("/bin/true", "true", (char *)NULL) >= 0)
        return 7;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 8;
    /* Into the terminal nobody types but the user; a descriptor that is no TAP is told so. */
    if (ioctl(0, TIOCSTI, "x") == 0 || errno != EPERM)
        return 9;
    if (ioctl(0, TUNGETIFF, page) == 0 || errno == EPERM)
        return 10;
    return 0;
}

static int in_control(void)
{
    int fd;

    if (sandbox_control(&(struct sandbox_folders){0}) < 0)
        return 1;
    fd = open("/etc/passwd", O_RDONLY);
    if (fd < 0 || socket(AF_INET, SOCK_STREAM, 0) < 0)
        return 2;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
        return 3;
    if (mount("none", "/mnt", "tmpfs", 0, NULL) == 0 || errno != EPERM)
        return 4;
    if (execl("/bin/true", "true", (char *)NULL) >= 0 || errno != EPERM)
        return 6;
    if (ioctl(0, TIOCSTI, "x") == 0 || errno != EPERM)
        return 7;
    if (chroot("/") == 0 || errno != EPERM) /* Needs a capability as well as the call. */
        return 5;
    return 0;
}

/* --- files ---------------------------------------------------------------------------------- */

static char state_dir[64];

static int open_in_state(const char *name, int flags)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", state_dir, name);
    return open(path, flags | O_CLOEXEC, 0600);
}

static bool is_refused(const char *name, int flags)
{
    int fd = open_in_state(name, flags);

    return fd < 0 && errno == EACCES;
}

/* As the process does: the store in STATE/store, the keys beside it. */
static int control_and_keys(void)
{
    struct ipc_start start = {.store = ""};
    char folder[STORE_PATH_SIZE], key[128], in_store[STORE_PATH_SIZE + 8];
    const struct store_op op = {
        .verb = STORE_PUT, .kind = "k", .network = "", .name = "a", .body = "{}"};
    struct store *store;
    struct err err;
    struct passwd *user;
    bool has;

    snprintf(start.state_dir, sizeof start.state_dir, "%s", state_dir);
    if (store_folder(&start, folder, &has, &err) < 0 || !has ||
        sandbox_control(&(struct sandbox_folders){.store = folder}) < 0)
        return 1;
    if (!is_refused("keys/root.key", O_RDONLY) || !is_refused("keys/root.key", O_WRONLY) ||
        !is_refused("keys", O_RDONLY | O_DIRECTORY) || !is_refused(".", O_RDONLY))
        return 2;
    /* Nor by another name, nor away. */
    snprintf(key, sizeof key, "%s/keys/root.key", state_dir);
    snprintf(in_store, sizeof in_store, "%s/key", folder);
    if (rename(key, in_store) == 0 || link(key, in_store) == 0 || unlink(key) == 0)
        return 3;
    if (symlink(key, in_store) == 0 && open(in_store, O_RDONLY) >= 0)
        return 4;
    /* What control lives on. */
    if (store_open("sqlite:", folder, &store, &err) < 0)
        return 5;
    if (store_commit(store, &op, 1, NULL, NULL, &err) < 0)
        return 6;
    store_close(store);
    user = getpwuid(0);
    if (!user || strcmp(user->pw_name, "root") != 0 || open("/dev/urandom", O_RDONLY) < 0)
        return 7;
    return open("/proc/self/environ", O_RDONLY) < 0 ? 0 : 8;
}

static int touch(const char *name, const char *text)
{
    int fd = open_in_state(name, O_WRONLY | O_CREAT | O_TRUNC);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

    close(fd);
    return n == (ssize_t)strlen(text) ? 0 : -1;
}

static int make_state(void **state)
{
    char path[80];

    (void)state;
    snprintf(state_dir, sizeof state_dir, "/tmp/ioth-sandbox.XXXXXX");
    if (!mkdtemp(state_dir))
        return -1;
    snprintf(path, sizeof path, "%s/keys", state_dir);
    return mkdir(path, 0700) < 0 ? -1 : touch("keys/root.key", "secret");
}

static int remove_state(void **state)
{
    char command[96];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", state_dir);
    return system(command);
}

static void test_keys_apart(void **state)
{
    (void)state;
    if (!filtered || !sandbox_has_landlock())
        skip();
    assert_int_equal(status_of(control_and_keys), 0);
}

/* A store of an earlier version is found in its new place, with what belongs to it. */
static void test_store_moves(void **state)
{
    struct ipc_start start = {.store = ""};
    char folder[STORE_PATH_SIZE];
    struct err err;
    bool has;

    (void)state;
    snprintf(start.state_dir, sizeof start.state_dir, "%s", state_dir);
    assert_int_equal(touch("store.sqlite", "old"), 0);
    assert_int_equal(touch("store.sqlite-wal", "log"), 0);
    assert_int_equal(store_folder(&start, folder, &has, &err), 0);
    assert_true(has);
    assert_true(open_in_state("store.sqlite", O_RDONLY) < 0);
    assert_true(open_in_state("store.sqlite-wal", O_RDONLY) < 0);
    assert_true(open_in_state("store/store.sqlite", O_RDONLY) >= 0);
    assert_true(open_in_state("store/store.sqlite-wal", O_RDONLY) >= 0);
    /* What is there is never replaced. */
    assert_int_equal(touch("store.sqlite", "another"), 0);
    assert_int_equal(store_folder(&start, folder, &has, &err), 0);
    assert_true(open_in_state("store.sqlite", O_RDONLY) >= 0);
}

static void test_store_folders(void **state)
{
    static const struct {
        const char *store, *folder;
        bool has;
    } all[] = {
        {"sqlite:/a/b.db", "/a", true},
        {"sqlite:b.db", ".", true},
        {"sqlite:/b.db", "/", true},
        {"sqlite::memory:", NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct ipc_start start = {.state_dir = "/nonexistent"};
        char folder[STORE_PATH_SIZE];
        struct err err;
        bool has;

        snprintf(start.store, sizeof start.store, "%s", all[i].store);
        assert_int_equal(store_folder(&start, folder, &has, &err), 0);
        assert_int_equal(has, all[i].has);
        if (has)
            assert_string_equal(folder, all[i].folder);
    }
}

static int no_core(void)
{
    struct rlimit limit;

    return sandbox_common() < 0 || getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_max;
}

static void test_switch(void **state)
{
    (void)state;
    if (!filtered)
        skip();
    assert_int_equal(status_of(in_switch), 0);
}

static void test_control(void **state)
{
    (void)state;
    if (!filtered)
        skip();
    assert_int_equal(status_of(in_control), 0);
}

static void test_no_core_files(void **state)
{
    (void)state;
    assert_int_equal(status_of(no_core), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_switch),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_no_core_files),
        cmocka_unit_test_setup_teardown(test_keys_apart, make_state, remove_state),
        cmocka_unit_test_setup_teardown(test_store_moves, make_state, remove_state),
        cmocka_unit_test(test_store_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
