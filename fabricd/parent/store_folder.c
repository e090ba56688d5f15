/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/parent/store_folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEME "sqlite:"

static int move(const char *state_dir, const char *folder, const char *name,
                struct err *err)
{
    char from[STORE_PATH_SIZE + 32], to[STORE_PATH_SIZE + 32];

    snprintf(from, sizeof from, "%s/%s", state_dir, name);
    snprintf(to, sizeof to, "%s/%s", folder, name);
    if (rename(from, to) < 0 && errno != ENOENT)
        return err_set(err, -errno, "%s cannot be moved to %s: %s", from, folder,
                       err_text(errno));
    return 0;
}

/* The database is the last: what is beside it belongs to it, and if we end half-way the next one
 * finds it where it was and goes on. */
static int move_old(const char *state_dir, const char *folder, struct err *err)
{
    static const char *const names[] = {"store.sqlite-wal", "store.sqlite-journal",
                                        "store.sqlite"};
    char old[STORE_PATH_SIZE], new[STORE_PATH_SIZE + 32];
    int r = 0;

    snprintf(old, sizeof old, "%s/store.sqlite", state_dir);
    snprintf(new, sizeof new, "%s/store.sqlite", folder);
    if (access(new, F_OK) == 0 || access(old, F_OK) < 0)
        return 0;
    for (unsigned i = 0; !r && i < sizeof names / sizeof *names; i++)
        r = move(state_dir, folder, names[i], err);
    return r;
}

static void folder_of(char path[STORE_PATH_SIZE], const char *file)
{
    const char *end = strrchr(file, '/');

    if (!end)
        snprintf(path, STORE_PATH_SIZE, ".");
    else if (end == file)
        snprintf(path, STORE_PATH_SIZE, "/");
    else
        snprintf(path, STORE_PATH_SIZE, "%.*s", (int)(end - file), file);
}

int store_folder(const struct ipc_start *start, char path[STORE_PATH_SIZE], bool *has,
                 struct err *err)
{
    size_t n = strlen(SCHEME);
    const char *rest = strncmp(start->store, SCHEME, n) == 0 ? start->store + n : "";

    *has = strcmp(rest, ":memory:") != 0;
    if (*rest) {
        folder_of(path, rest);
        return 0;
    }
    snprintf(path, STORE_PATH_SIZE, "%s/" IPC_STORE_FOLDER, start->state_dir);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, -errno, "%s: %s", path, err_text(errno));
    return move_old(start->state_dir, path, err);
}
