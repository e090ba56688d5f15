/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/fd.h"
#include "proto/base/xalloc.h"

void state_init(struct state *s)
{
    *s = (struct state){.folder = -1};
}

void state_done(struct state *s)
{
    tree_done(&s->listed);
    s->folder = -1;
}

static const char *folder_path(const struct spec *spec, int64_t folder)
{
    const struct node *list = node_get(spec->body, "state");

    return list && folder >= 0 && folder < (int64_t)list->n && list->child[folder]->text
               ? list->child[folder]->text
               : NULL;
}

unsigned state_folders(const struct spec *spec)
{
    const struct node *list = node_get(spec->body, "state");

    return list && list->kind == NODE_LIST ? (unsigned)list->n : 0;
}

int state_open(const struct spec *spec, int64_t folder)
{
    const char *path = folder_path(spec, folder);
    int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    return fd >= 0 ? fd : path ? -errno : -EINVAL;
}

static struct node *failed(const char *path, const char *why)
{
    struct node *node = node_map();
    char *text = xasprintf("%s: %s", path ? path : "state folder", why);

    node_set_text(node, "error", text);
    free(text);
    return node;
}

static struct node *list(struct state *s, const struct spec *spec, int64_t folder,
                         int64_t from)
{
    struct node *answer = node_map(), *entries = node_list();
    struct err err = {.why = ""};
    size_t size = 0;
    int fd, r = 0;

    if (from <= 0 || s->folder != folder) { /* It is looked at anew. */
        state_done(s);
        from = 0;
        fd = state_open(spec, folder);
        r = fd < 0 ? err_set(&err, fd, "%s", err_text(fd))
                   : tree_read(fd, &s->listed, &err);
        fd_close(&fd);
        s->folder = r == 0 ? folder : -1;
    }
    if (r == -ENOENT) { /* No folder is as good as an empty one. */
        r = 0;
    }
    if (r < 0) {
        node_free(answer);
        node_free(entries);
        return failed(folder_path(spec, folder), err.why);
    }
    for (size_t i = (size_t)from;
         i < s->listed.n && entries->n < TREE_PAGE && size < TREE_PAGE_MAX; i++) {
        const struct tree_entry *e = &s->listed.list[i];

        size += strlen(e->path) + (e->target ? strlen(e->target) : 0);
        node_append(entries, tree_entry_node(e));
    }
    node_set_bool(answer, "more", (size_t)from + entries->n < s->listed.n);
    node_set(answer, "entries", entries);
    return answer;
}

/* What was listed may be gone, or be no file any more, when it is read. */
static bool is_gone(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

static struct node *read_file(const struct spec *spec, int64_t folder,
                              const struct node *request)
{
    size_t path_size = 0;
    char *path = (char *)tree_data(node_get_text(request, "path", "?"), &path_size);
    uint8_t *data = xcalloc(1, STATE_PART);
    struct node *answer = NULL;
    int root = -1, at = -1, fd = -1;
    const char *last;
    struct stat st;
    ssize_t n = -1;

    errno = EINVAL;
    if (path && !memchr(path, 0, path_size) && tree_path_ok(path))
        root = state_open(spec, folder);
    if (root >= 0)
        at = tree_parent(root, path, &last);
    if (at >= 0)
        fd = openat(at, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
        errno = ENOENT;
    else if (fd >= 0)
        n = pread(fd, data, STATE_PART, (off_t)node_get_int(request, "offset", 0));
    if (n < 0 && is_gone(errno)) {
        answer = node_map();
        node_set_bool(answer, "gone", true);
    } else if (n < 0) {
        answer = failed(path, err_text(errno));
    } else {
        char *text = tree_text(data, (size_t)n);

        answer = node_map();
        node_set_text(answer, "data", text);
        free(text);
    }
    fd_close(&fd);
    fd_close(&at);
    fd_close(&root);
    free(data);
    free(path);
    return answer;
}

struct node *state_answer(struct state *s, const struct spec *spec, bool runs,
                          const struct node *request)
{
    const char *op = node_get_text(request, "op", "");
    int64_t folder = node_get_int(request, "folder", -1);

    if (runs && node_get_bool(request, "stopped", false))
        return node_map();
    if (strcmp(op, "list") == 0)
        return list(s, spec, folder, node_get_int(request, "from", 0));
    if (strcmp(op, "read") == 0)
        return read_file(spec, folder, request);
    return failed(NULL, "an unknown request");
}
