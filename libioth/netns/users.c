/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The users and groups that a node's namespace has. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libioth/netns/netns.h"
#include "proto/base/fd.h"

#define MAP_SIZE 4000 /* Of an id map: the kernel takes less than a page. */

extern char **environ;

struct netns_user netns_user_self(void)
{
    return (struct netns_user){.uid = geteuid(), .gid = getegid()};
}

/* Writes a whole file of /proc/PID at once, as id maps have to be. */
static int write_proc(pid_t pid, const char *file, const char *text, struct err *err)
{
    char path[64];
    int fd, r = 0;

    if (pid)
        (void)snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, file);
    else
        (void)snprintf(path, sizeof path, "/proc/self/%s", file);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        r = -errno;
    fd_close(&fd);
    return r ? err_set(err, r, "cannot write %s: %s", path, err_text(r)) : 0;
}

int netns_map_self(struct netns_user user, struct err *err)
{
    char text[64];
    int r = write_proc(0, "setgroups", "deny", err);

    (void)snprintf(text, sizeof text, "%lu %lu 1\n", (unsigned long)user.uid,
                   (unsigned long)user.uid);
    if (r == 0)
        r = write_proc(0, "uid_map", text, err);
    (void)snprintf(text, sizeof text, "%lu %lu 1\n", (unsigned long)user.gid,
                   (unsigned long)user.gid);
    if (r == 0)
        r = write_proc(0, "gid_map", text, err);
    if (r == -EPERM || r == -EACCES) {
        err_set(err, r, "this machine forbids user namespaces to this user");
        err_hint(err, "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
    }
    return r;
}

/* Every id of this process's own namespace, mapped to itself in the child's. */
static int map_all(pid_t child, const char *file, struct err *err)
{
    char path[32], line[128], text[MAP_SIZE] = "";
    size_t size = 0;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/self/%s", file);
    f = fopen(path, "re");
    if (!f)
        return err_set(err, -errno, "cannot read %s: %s", path, err_text(errno));
    while (fgets(line, sizeof line, f)) {
        char *rest;
        unsigned long inside = strtoul(line, &rest, 10);
        unsigned long count;
        int n;

        (void)strtoul(rest, &rest, 10);
        count = strtoul(rest, NULL, 10);
        n = snprintf(text + size, sizeof text - size, "%lu %lu %lu\n", inside, inside,
                     count);
        if (n < 0 || (size_t)n >= sizeof text - size)
            break;
        size += (size_t)n;
    }
    (void)fclose(f);
    return write_proc(child, file, text, err);
}

int netns_subids(const char *path, const char *name, unsigned long id, unsigned long *first,
                 unsigned long *count)
{
    char line[512], number[24];
    FILE *f = fopen(path, "re");
    int r = -ENOENT;

    if (!f)
        return -ENOENT;
    (void)snprintf(number, sizeof number, "%lu", id);
    while (r && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        char *rest;
        unsigned long from, n;

        if (!colon)
            continue;
        *colon = '\0';
        if ((!name || strcmp(line, name) != 0) && strcmp(line, number) != 0)
            continue;
        from = strtoul(colon + 1, &rest, 10);
        n = *rest == ':' ? strtoul(rest + 1, NULL, 10) : 0;
        if (n == 0)
            continue;
        *first = from;
        *count = n;
        r = 0;
    }
    (void)fclose(f);
    return r;
}

/* Runs newuidmap or newgidmap. */
static int run_helper(const char *helper, pid_t child, const unsigned long outside[3],
                      struct err *err)
{
    char text[4][24];
    char pid_text[24];
    char name[16], zero[] = "0", one_a[] = "1", one_b[] = "1";
    char *argv[] = {name, pid_text, zero, text[0], one_a, one_b, text[1], text[2], NULL};
    pid_t pid;
    int r, status;

    (void)snprintf(name, sizeof name, "%s", helper);
    (void)snprintf(pid_text, sizeof pid_text, "%ld", (long)child);
    for (unsigned i = 0; i < 3; i++)
        (void)snprintf(text[i], sizeof text[i], "%lu", outside[i]);
    r = posix_spawnp(&pid, helper, NULL, NULL, argv, environ);
    if (r) {
        err_set(err, -r, "%s cannot be run: %s", helper, err_text(r));
        err_hint(err, "sudo apt-get install uidmap");
        return -r;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_set(err, -errno, "%s: %s", helper, err_text(errno));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, -EPERM, "%s refused the subordinate ids", helper);
    return 0;
}

static int map_sub(pid_t child, struct netns_user user, struct err *err)
{
    struct passwd entry, *found = NULL;
    char room[2048];
    unsigned long uids[3] = {user.uid}, gids[3] = {user.gid};
    const char *name;
    int r;

    (void)getpwuid_r(user.uid, &entry, room, sizeof room, &found);
    name = found ? found->pw_name : NULL;
    if (netns_subids("/etc/subuid", name, user.uid, &uids[1], &uids[2]) ||
        netns_subids("/etc/subgid", name, user.uid, &gids[1], &gids[2])) {
        err_set(err, -ENOENT,
                "this user has no subordinate ids in /etc/subuid and /etc/subgid");
        err_hint(err,
                 "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
                 name ? name : "USER");
        return -ENOENT;
    }
    r = run_helper("newuidmap", child, uids, err);
    return r ? r : run_helper("newgidmap", child, gids, err);
}

int netns_map_root(pid_t child, struct netns_user user, struct err *err)
{
    int r;

    if (user.uid != 0)
        return map_sub(child, user, err);
    r = map_all(child, "uid_map", err);
    if (r)
        return r;
    if (map_all(child, "gid_map", NULL) == 0)
        return 0;
    /* Root of a user namespace that may not set groups: then neither may the node. */
    (void)write_proc(child, "setgroups", "deny", NULL);
    return map_all(child, "gid_map", err);
}

int netns_become_root(struct err *err)
{
    /* Refused where setgroups is denied; the groups are harmless then. */
    (void)setgroups(0, NULL);
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return err_set(err, -errno, "cannot become root of the node: %s", err_text(errno));
    /* A change of user hides the process from `iothctl exec` of the same user. */
    if (prctl(PR_SET_DUMPABLE, 1UL) < 0)
        return err_set(err, -errno, "cannot be made visible: %s", err_text(errno));
    return 0;
}
