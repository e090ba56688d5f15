/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "proto/base/fd.h"

#define CGROUP2_MAGIC 0x63677270
#define CPU_PERIOD_US 100000
#define DAEMON_GROUP  "/ioth-fabricd" /* Of the processes that were in the group itself. */

static int write_file(const char *folder, const char *file, const char *text)
{
    char path[GROUP_PATH_SIZE + 64];
    int fd, r = 0;

    (void)snprintf(path, sizeof path, "%s/%s", folder, file);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        r = -errno;
    fd_close(&fd);
    return r;
}

/* The first words of a small file, or "". */
static void read_file(const char *folder, const char *file, char *out, size_t size)
{
    char path[GROUP_PATH_SIZE + 64];
    int fd;
    ssize_t n;

    (void)snprintf(path, sizeof path, "%s/%s", folder, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? 0 : read(fd, out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    fd_close(&fd);
}

static void strip(char *path, const char *end)
{
    size_t size = strlen(path), less = strlen(end);

    if (size > less && strcmp(path + size - less, end) == 0)
        path[size - less] = '\0';
}

int group_own(char out[GROUP_PATH_SIZE], struct err *err)
{
    static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    char text[GROUP_PATH_SIZE];
    const char *path;
    struct statfs fs;

    read_file("/proc/self", "cgroup", text, sizeof text);
    path = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    for (unsigned i = 0; path && i < 2; i++) {
        if (statfs(roots[i], &fs) < 0 || fs.f_type != CGROUP2_MAGIC)
            continue;
        path = strstr(path, "0::") + 3;
        if (snprintf(out, GROUP_PATH_SIZE, "%s%.*s", roots[i], (int)strcspn(path, "\n"),
                     path) >= GROUP_PATH_SIZE)
            break;
        strip(out, DAEMON_GROUP);
        return 0;
    }
    return err_set(err, -ENOENT,
                   "limits need control groups of version 2, which are not mounted");
}

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = words; (p = strstr(p, word)); p += len)
        if ((p == words || p[-1] == ' ') && strchr(" \n", p[len]))
            return true;
    return false;
}

int group_make_room(const char *own)
{
    char below[GROUP_PATH_SIZE + 32], pids[4096], *rest = pids, *pid;
    int r = 0;

    (void)snprintf(below, sizeof below, "%s" DAEMON_GROUP, own);
    if (mkdir(below, 0755) < 0 && errno != EEXIST)
        return -errno;
    read_file(own, "cgroup.procs", pids, sizeof pids);
    while (r == 0 && (pid = strsep(&rest, "\n")) != NULL) {
        r = *pid ? write_file(below, "cgroup.procs", pid) : 0;
        r = r == -ESRCH ? 0 : r; /* It ended meanwhile. */
    }
    return r;
}

/* Makes a controller available to the groups below `own`. */
static int enable(const char *own, const char *controller, struct err *err)
{
    char words[512], text[32];
    int r;

    read_file(own, "cgroup.controllers", words, sizeof words);
    if (!has_word(words, controller)) {
        err_set(err, -ENOTSUP, "limits: control group %s has no controller %s", own,
                controller);
        err_hint(err, "systemctl edit fabricd, with [Service] Delegate=yes");
        return -ENOTSUP;
    }
    read_file(own, "cgroup.subtree_control", words, sizeof words);
    if (has_word(words, controller))
        return 0;
    (void)snprintf(text, sizeof text, "+%s", controller);
    r = write_file(own, "cgroup.subtree_control", text);
    if (r == -EBUSY && group_make_room(own) == 0)
        r = write_file(own, "cgroup.subtree_control", text);
    if (r < 0) {
        err_set(err, r, "limits: controller %s cannot be had in %s: %s", controller, own,
                r == -EBUSY ? "the group has processes of its own" : err_text(r));
        err_hint(err, "systemctl edit fabricd, with [Service] Delegate=yes");
    }
    return r;
}

struct limit {
    const char *controller, *file;
    char text[48];
};

static unsigned limits_of(const struct spec *s, struct limit out[3])
{
    unsigned n = 0;

    if (s->memory > 0) {
        out[n] = (struct limit){.controller = "memory", .file = "memory.max"};
        (void)snprintf(out[n++].text, sizeof out[0].text, "%lld", (long long)s->memory);
    }
    if (s->cpu > 0) {
        out[n] = (struct limit){.controller = "cpu", .file = "cpu.max"};
        (void)snprintf(out[n++].text, sizeof out[0].text, "%lld %d",
                       (long long)s->cpu * CPU_PERIOD_US / 100, CPU_PERIOD_US);
    }
    if (s->processes > 0) {
        /* The node's own first process is one more. */
        out[n] = (struct limit){.controller = "pids", .file = "pids.max"};
        (void)snprintf(out[n++].text, sizeof out[0].text, "%lld",
                       (long long)s->processes + 1);
    }
    return n;
}

int group_enter(const char *own, const char *name, const struct spec *s, pid_t pid,
                struct err *err)
{
    char folder[GROUP_PATH_SIZE + 80], text[24];
    struct limit limits[3];
    unsigned n = limits_of(s, limits);
    int r = 0;

    if (n == 0)
        return 0;
    for (unsigned i = 0; i < n && r == 0; i++)
        r = enable(own, limits[i].controller, err);
    if (r < 0)
        return r;
    (void)snprintf(folder, sizeof folder, "%s/ioth-%s", own, name);
    if (mkdir(folder, 0755) < 0 && errno != EEXIST)
        return err_set(err, -errno, "limits: %s: %s", folder, err_text(errno));
    for (unsigned i = 0; i < n && r == 0; i++)
        r = write_file(folder, limits[i].file, limits[i].text);
    (void)snprintf(text, sizeof text, "%d", (int)pid);
    if (r == 0)
        r = write_file(folder, "cgroup.procs", text);
    return r < 0 ? err_set(err, r, "limits: %s: %s", folder, err_text(r)) : 0;
}

bool group_out_of_memory(const char *own, const char *name)
{
    char folder[GROUP_PATH_SIZE + 80], events[512];
    const char *kills;

    (void)snprintf(folder, sizeof folder, "%s/ioth-%s", own, name);
    read_file(folder, "memory.events", events, sizeof events);
    kills = strstr(events, "oom_kill ");
    return kills && kills[strlen("oom_kill ")] != '0';
}

void group_remove(const char *own, const char *name)
{
    char folder[GROUP_PATH_SIZE + 80];

    (void)snprintf(folder, sizeof folder, "%s/ioth-%s", own, name);
    (void)rmdir(folder);
}
