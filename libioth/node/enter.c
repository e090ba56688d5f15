/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/node/enter.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The first id inside, of the map of a process, what it is outside, and whether there are more. */
static unsigned long first_id(pid_t pid, const char *map, unsigned long *outside,
                              bool *more)
{
    char path[64], line[128];
    unsigned long inside = 0, count = 0;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, map);
    f = fopen(path, "re");
    if (f && fgets(line, sizeof line, f)) {
        char *rest;

        inside = strtoul(line, &rest, 10);
        *outside = strtoul(rest, &rest, 10);
        count = strtoul(rest, NULL, 10);
        *more = count > 1 || fgets(line, sizeof line, f);
    }
    if (f)
        (void)fclose(f);
    return inside;
}

int enter_join(pid_t pid, struct enter *inside, struct err *err)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0U);
    unsigned long group = 0;
    bool more_groups = false;
    int r = 0;

    if (fd < 0)
        return err_set(err, -errno, "the node has gone: %s", err_text(errno));
    /* Before: inside, this process is not in /proc. */
    inside->uid = first_id(pid, "uid_map", &inside->owner, &inside->root);
    inside->gid = first_id(pid, "gid_map", &group, &more_groups);
    /* Root enters anybody's node, but whoever it belongs to must not come by root's groups. */
    if (geteuid() == 0 && inside->owner != 0 && setgroups(0, NULL) < 0)
        r = err_set(err, -errno, "cannot give up groups: %s", err_text(errno));
    if (r == 0 && setns(fd, CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS |
                                CLONE_NEWPID) < 0)
        r = err_set(err, -errno, "cannot enter the node: %s",
                    errno == EPERM ? "it belongs to another user" : err_text(errno));
    close(fd);
    return r;
}

int enter_become(const struct enter *inside, struct err *err)
{
    gid_t gid = (gid_t)inside->gid;
    uid_t uid = (uid_t)inside->uid;

    if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return err_set(err, -errno, "cannot become the node's user: %s", err_text(errno));
    return 0;
}
