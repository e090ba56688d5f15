/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "libioth/plug/locate.h"
#include "proto/base/fd.h"
#include "proto/base/mtime.h"

#define LOG_KEEP (1 << 20) /* A longer log moves aside at the next start. */

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Looks in PATH; true and the path in `out`. */
static bool find_in_path(char *out, size_t size)
{
    const char *path = getenv("PATH");
    if (!path || !*path)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    while (*path) {
        int n = (int)strcspn(path, ":");
        if (n > 0 && snprintf(out, size, "%.*s/fabricd", n, path) < (int)size &&
            is_program(out))
            return true;
        path += n;
        path += *path == ':';
    }
    return false;
}

static bool find_fabricd(char *out, size_t size)
{
    static const char *const beside[] = {"fabricd", "../sbin/fabricd",
                                         "../fabricd/fabricd"};
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; slash && i < sizeof(beside) / sizeof(beside[0]); i++) {
        char path[2 * PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", self, beside[i]);
        char *real = realpath(path, NULL);
        bool found =
            real && is_program(real) && snprintf(out, size, "%s", real) < (int)size;
        free(real);
        if (found)
            return true;
    }
    return find_in_path(out, size);
}

int launch_log_path(struct ctl *ctl, char *out, size_t size)
{
    char state[LOCATE_PATH_SIZE];
    struct err err = {0};
    if (locate_state_dir(state, &err) < 0)
        return ctl_fail_err(ctl, CTL_REFUSED, &err);
    if (snprintf(out, size, "%s/fabricd.log", state) >= (int)size)
        return ctl_fail(ctl, CTL_REFUSED, "the path of the state folder is too long");
    return 0;
}

/* Makes the folders that lead to a file; those that are there already are not an error. */
static int make_folders(const char *file)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s", file);
    for (char *p = path + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return -errno;
        *p = '/';
    }
    return 0;
}

static int open_log(struct ctl *ctl, char *path, size_t size, int *fd)
{
    struct stat st;
    char old[PATH_MAX];
    int r = launch_log_path(ctl, path, size);
    if (r)
        return r;
    int code = make_folders(path);
    if (code == 0 && stat(path, &st) == 0 && st.st_size > LOG_KEEP &&
        snprintf(old, sizeof(old), "%s.1", path) < (int)sizeof(old))
        (void)!rename(path, old);
    *fd = code ? -1
               : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0)
        return ctl_fail(ctl, CTL_REFUSED, "%s: %s", path, err_text(code ? code : errno));
    return 0;
}

/* In the child: the daemon gets a session of its own, the log, and nothing else of ours. */
_Noreturn static void become_fabricd(const char *program, int log)
{
    char *const argv[] = {(char[]){"fabricd"}, NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0 || chdir("/") < 0)
        _exit(126);
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    execv(program, argv);
    _exit(errno == ENOENT ? 127 : 126);
}

/* The last line of the log that this start wrote (from `start` on); "" if none. */
static void last_words(const char *path, off_t start, char *out, size_t size)
{
    char line[512];
    FILE *f = fopen(path, "re");
    out[0] = '\0';
    if (!f)
        return;
    if (fseeko(f, start, SEEK_SET) == 0)
        while (fgets(line, sizeof(line), f)) {
            line[strcspn(line, "\n")] = '\0';
            if (line[0])
                snprintf(out, size, "%s", line);
        }
    fclose(f);
}

static bool answers(const struct locate *where)
{
    struct locate now;
    return locate_daemon(where->api, &now, NULL) == 0 && now.running;
}

static void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* Waits until the API answers. Another iothctl may have started a daemon at the same moment:
 * then ours gives way and ends, and the other's answer is as good. */
static int wait_answer(struct ctl *ctl, const struct locate *where, pid_t child,
                       const char *log_path, off_t log_start)
{
    mtime_t end = mtime_now() + LAUNCH_LIMIT_MS * MTIME_MS;
    bool over = false;
    int status = 0, wait_ms = 2;
    char last[512];
    while (mtime_now() < end) {
        if (answers(where))
            return 0;
        if (!over && waitpid(child, &status, WNOHANG) == child) {
            over = true;
            end = mtime_min(end, mtime_now() + 500 * MTIME_MS);
        }
        pause_ms(wait_ms);
        wait_ms = wait_ms < 20 ? wait_ms + 2 : 20;
    }
    last_words(log_path, log_start, last, sizeof(last));
    if (over)
        ctl_fail(ctl, CTL_UNREACHABLE, "the daemon ended at once%s%s", last[0] ? ": " : "",
                 last);
    else
        ctl_fail(ctl, CTL_UNREACHABLE, "the daemon does not answer after %d s%s%s",
                 LAUNCH_LIMIT_MS / 1000, last[0] ? ": " : "", last);
    ctl_hint(ctl, "iothctl daemon log");
    return CTL_UNREACHABLE;
}

int launch_fabricd(struct ctl *ctl, const struct locate *where)
{
    char program[PATH_MAX], log_path[PATH_MAX];
    int log = -1;
    if (!find_fabricd(program, sizeof(program)))
        return ctl_fail(
            ctl, CTL_UNREACHABLE,
            "no daemon runs, and fabricd is neither beside iothctl nor in PATH");
    if (open_log(ctl, log_path, sizeof(log_path), &log))
        return CTL_UNREACHABLE;
    off_t start = lseek(log, 0, SEEK_END);
    ctl_note(ctl, "starting %s in the background (log: %s)", program, log_path);
    pid_t child = fork();
    if (child == 0)
        become_fabricd(program, log);
    int code = errno;
    fd_close(&log);
    if (child < 0)
        return ctl_fail(ctl, CTL_UNREACHABLE, "starting fabricd: %s", err_text(code));
    return wait_answer(ctl, where, child, log_path, start < 0 ? 0 : start);
}

/* Whether that process runs and is a fabricd: its number may be another's by now, and one that has
 * ended may wait long for somebody to ask how. */
static bool is_fabricd(pid_t pid)
{
    char path[64], line[256] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool read = fgets(line, sizeof(line), f) != NULL;
    fclose(f);
    const char *name = read ? strstr(line, "(fabricd) ") : NULL;
    return name && !strchr("ZX", name[strlen("(fabricd) ")]);
}

int launch_wait_gone(struct ctl *ctl, const struct locate *where, pid_t pid)
{
    mtime_t end = mtime_now() + LAUNCH_LIMIT_MS * MTIME_MS;
    while (mtime_now() < end) {
        if (!answers(where) && (pid <= 0 || !is_fabricd(pid)))
            return 0;
        pause_ms(5);
    }
    return ctl_fail(ctl, CTL_REFUSED, "the daemon still answers after %d s",
                    LAUNCH_LIMIT_MS / 1000);
}
