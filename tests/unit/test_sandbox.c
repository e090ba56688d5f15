/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each case runs in a process of its own, which reports by its exit status. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
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

    if (sandbox_control() < 0)
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
