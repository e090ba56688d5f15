/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/fd.h"
#include "proto/base/mtime.h"
#include "proto/base/xalloc.h"

#define BASE64 sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* --- reading -------------------------------------------------------------------------------- */

static int read_folder(int fd, const char *prefix, unsigned depth, struct tree *out,
                       struct err *err);

static char *read_target(int folder, const char *name)
{
    char target[TREE_PATH_MAX + 1];
    ssize_t n = readlinkat(folder, name, target, sizeof target);

    if (n <= 0 || (size_t)n >= sizeof target)
        return NULL;
    target[n] = '\0';
    return xstrdup(target);
}

static struct tree_entry *add(struct tree *out)
{
    if (out->n == out->room) {
        out->room = out->room * 2 + 64;
        out->list = xrealloc(out->list, out->room * sizeof *out->list);
    }
    out->list[out->n] = (struct tree_entry){.path = NULL};
    return &out->list[out->n++];
}

static int read_below(int folder, const char *name, const char *path, unsigned depth,
                      struct tree *out, struct err *err)
{
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return 0; /* It went meanwhile. */
    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, err_text(errno));
    return read_folder(fd, path, depth + 1, out, err);
}

static int read_one(int folder, const char *prefix, const char *name, unsigned depth,
                    struct tree *out, struct err *err)
{
    char *path = prefix[0] ? xasprintf("%s/%s", prefix, name) : xstrdup(name);
    struct tree_entry *e;
    struct stat st;
    int r = 0;

    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        free(path); /* It went meanwhile. */
        return 0;
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode)) {
        free(path);
        return 0;
    }
    if (strlen(path) > TREE_PATH_MAX || out->n >= TREE_MAX || depth > TREE_DEPTH)
        r = err_set(err, -E2BIG,
                    "%.100s: more than %u files, %u levels or %u bytes of path are not "
                    "copied",
                    path, TREE_MAX, TREE_DEPTH, TREE_PATH_MAX);
    if (r < 0) {
        free(path);
        return r;
    }
    e = add(out);
    e->path = path;
    e->type = S_ISDIR(st.st_mode) ? 'd' : S_ISREG(st.st_mode) ? 'f' : 'l';
    e->mode = st.st_mode & 07777;
    e->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    e->mtime_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
    e->fresh = e->mtime_us > wall_now_us() - TREE_FRESH_US;
    if (e->type == 'l')
        e->target = read_target(folder, name);
    return e->type == 'd' ? read_below(folder, name, path, depth, out, err) : 0;
}

/* Takes fd. */
static int read_folder(int fd, const char *prefix, unsigned depth, struct tree *out,
                       struct err *err)
{
    DIR *dir = fdopendir(fd);
    struct dirent *d;
    int r = 0;

    if (!dir) {
        r = err_set(err, -errno, "%s: %s", prefix, err_text(errno));
        fd_close(&fd);
        return r;
    }
    while (r == 0 && (d = readdir(dir)) != NULL) {
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
            strcmp(d->d_name, TREE_PART_NAME) != 0)
            r = read_one(fd, prefix, d->d_name, depth, out, err);
    }
    closedir(dir);
    return r;
}

static int by_path(const void *a, const void *b)
{
    const struct tree_entry *x = a, *y = b;

    return strcmp(x->path, y->path);
}

int tree_read(int folder, struct tree *out, struct err *err)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r;

    *out = (struct tree){.n = 0};
    if (fd < 0)
        return err_set(err, -errno, "%s", err_text(errno));
    r = read_folder(fd, "", 0, out, err);
    if (r < 0)
        tree_done(out);
    else if (out->n > 1)
        qsort(out->list, out->n, sizeof *out->list, by_path);
    return r;
}

void tree_entry_done(struct tree_entry *e)
{
    free(e->path);
    free(e->target);
    *e = (struct tree_entry){.path = NULL};
}

void tree_done(struct tree *t)
{
    for (size_t i = 0; i < t->n; i++)
        tree_entry_done(&t->list[i]);
    free(t->list);
    *t = (struct tree){.n = 0};
}

const struct tree_entry *tree_find(const struct tree *t, const char *path)
{
    size_t low = 0, high = t->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(t->list[mid].path, path);

        if (order == 0)
            return &t->list[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* --- paths ---------------------------------------------------------------------------------- */

bool tree_path_ok(const char *path)
{
    size_t n;

    if (!*path || strlen(path) > TREE_PATH_MAX)
        return false;
    for (;; path += n + 1) {
        n = strcspn(path, "/");
        if (n == 0 || n > 255 || (n == 1 && path[0] == '.') ||
            (n == 2 && memcmp(path, "..", 2) == 0))
            return false;
        if (!path[n])
            return true;
    }
}

int tree_parent(int folder, const char *path, const char **last)
{
    int at = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char part[256];
    const char *slash;

    while (at >= 0 && (slash = strchr(path, '/')) != NULL) {
        int next;

        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(at);
        at = next;
        path = slash + 1;
    }
    *last = path;
    return at < 0 ? -errno : at;
}

/* --- messages ------------------------------------------------------------------------------- */

char *tree_text(const void *data, size_t size)
{
    size_t room = sodium_base64_ENCODED_LEN(size, BASE64);
    char *text = xcalloc(1, room);

    return sodium_bin2base64(text, room, data, size, BASE64);
}

uint8_t *tree_data(const char *text, size_t *size)
{
    size_t room = strlen(text);
    uint8_t *data = xcalloc(1, room + 1);
    const char *end = text;

    if (sodium_base642bin(data, room, text, room, NULL, size, &end, BASE64) == 0 && !*end)
        return data;
    free(data);
    return NULL;
}

static void set_path(struct node *node, const char *key, const char *path)
{
    char *text = tree_text(path, strlen(path));

    node_set_text(node, key, text);
    free(text);
}

struct node *tree_entry_node(const struct tree_entry *e)
{
    const char type[2] = {e->type, '\0'};
    struct node *node = node_map();

    set_path(node, "p", e->path);
    node_set_text(node, "t", type);
    node_set_int(node, "m", e->mode);
    node_set_int(node, "s", (int64_t)e->size);
    node_set_int(node, "u", e->mtime_us);
    if (e->fresh)
        node_set_bool(node, "f", true);
    if (e->target)
        set_path(node, "l", e->target);
    return node;
}

static char *path_of(const struct node *node, const char *key)
{
    size_t size = 0;
    uint8_t *data = tree_data(node_get_text(node, key, "?"), &size);

    if (data && (size == 0 || size > TREE_PATH_MAX || memchr(data, 0, size))) {
        free(data);
        data = NULL;
    }
    return (char *)data;
}

bool tree_entry_parse(const struct node *node, struct tree_entry *e)
{
    const char *type = node_get_text(node, "t", "");
    int64_t size = node_get_int(node, "s", 0);

    *e = (struct tree_entry){.path = path_of(node, "p"),
                             .type = type[0],
                             .mode = (uint32_t)node_get_int(node, "m", 0) & 07777,
                             .size = size > 0 ? (uint64_t)size : 0,
                             .mtime_us = node_get_int(node, "u", 0),
                             .fresh = node_get_bool(node, "f", false)};
    if (e->type == 'l')
        e->target = path_of(node, "l");
    if (e->path && tree_path_ok(e->path) && strchr("dfl", e->type) && e->type &&
        (e->type != 'l' || e->target))
        return true;
    tree_entry_done(e);
    return false;
}
