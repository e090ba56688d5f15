/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/folders.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes every missing folder of a path; the last one with `mode`, the others as the umask has it. */
static int make_all(const char *path, mode_t mode)
{
    char part[PATH_MAX];
    size_t len = strlen(path);

    if (len >= sizeof part)
        return -ENAMETOOLONG;
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, i == len ? mode : 0755) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

static int check(const char *path, struct err *err)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return err_set(err, -errno, "%s: %s", path, err_text(errno));
    /* A link of somebody else's would put us where that one wants us. */
    if (S_ISLNK(st.st_mode) && st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(err, -EPERM, "%s is a link of another user", path);
    if (S_ISLNK(st.st_mode) && stat(path, &st) < 0)
        return err_set(err, -errno, "%s: %s", path, err_text(errno));
    if (!S_ISDIR(st.st_mode))
        return err_set(err, -ENOTDIR, "%s is no folder", path);
    if (st.st_uid != geteuid())
        return err_set(err, -EPERM, "%s belongs to another user", path);
    if (st.st_mode & 022) {
        err_set(err, -EPERM, "others may write to %s", path);
        err_hint(err, "chmod go-w %.120s", path);
        return -EPERM;
    }
    return 0;
}

int folder_make(char *path, size_t room, mode_t mode, struct err *err)
{
    char real[PATH_MAX];
    mode_t old = umask(022);
    int r = make_all(path, mode);

    umask(old);
    if (r < 0)
        return err_set(err, r, "cannot make %s: %s", path, err_text(r));
    r = check(path, err);
    if (r < 0)
        return r;
    if (!realpath(path, real))
        return err_set(err, -errno, "%s: %s", path, err_text(errno));
    if (strlen(real) >= room) {
        err_set(err, -ENAMETOOLONG, "%.200s is too long", real);
        return -ENAMETOOLONG;
    }
    memcpy(path, real, strlen(real) + 1);
    return 0;
}
