/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/output.h"
#include "proto/base/xalloc.h"
#include "proto/model/node.h"

struct id {
    dev_t dev;
    ino_t ino;
};

struct reading {
    struct files *files;
    struct diags diags;
    struct id ids[FILES_MAX]; /* Of files->names. */
    unsigned open
        [FILES_MAX_DEPTH]; /* Those that include the one being read, the outermost first. */
    unsigned depth;
    size_t bytes;
};

/* Where a file was named: an item of an `include`, or nowhere (on the command line). */
struct origin {
    const struct node *at;
    const char *name; /* As it shows, if `at` is NULL. */
};

static void complain(struct reading *r, const struct origin *o, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void complain(struct reading *r, const struct origin *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = xvasprintf(format, args);
    va_end(args);
    if (o->at)
        diags_add(&r->diags, o->at->file, o->at->line, o->at->column, "include", "%s",
                  text);
    else
        diags_add(&r->diags, o->name, 0, 0, "", "%s", text);
    free(text);
}

static void read_path(struct reading *r, const struct origin *o, const char *path);

/* The bytes of an open file, the caller's to free(); NULL with the mistake noted. */
static char *read_bytes(struct reading *r, const struct origin *o, int fd, size_t *size)
{
    size_t room = FILES_MAX_BYTES - r->bytes + 1, n = 0;
    char *bytes = xcalloc(1, room);
    ssize_t got = 1;
    while (got && n < room) {
        got = read(fd, bytes + n, room - n);
        if (got < 0 && errno != EINTR) {
            complain(r, o, "%s", err_text(errno));
            free(bytes);
            return NULL;
        }
        n += got > 0 ? (size_t)got : 0;
    }
    r->bytes += n;
    if (r->bytes > FILES_MAX_BYTES) {
        complain(r, o, "too large (at most 1 MiB, all files together)");
        r->bytes = FILES_MAX_BYTES;
        free(bytes);
        return NULL;
    }
    *size = n;
    return bytes;
}

/* A path beside the file that names it. */
static char *beside(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    if (*path == '/' || !slash)
        return xstrdup(path);
    return xasprintf("%.*s/%s", (int)(slash - file), file, path);
}

static void include_one(struct reading *r, const struct node *item)
{
    struct origin o = {.at = item};
    if (item->kind != NODE_TEXT || !*item->text) {
        complain(r, &o, "not a file's name");
        return;
    }
    char *path = beside(item->file, item->text);
    read_path(r, &o, path);
    free(path);
}

/* Reads what a file includes, and takes the key away. */
static void read_includes(struct reading *r, struct node *root)
{
    const struct node *include = node_get(root, "include");
    if (!include)
        return;
    if (include->kind == NODE_LIST)
        for (size_t i = 0; i < include->n; i++)
            include_one(r, include->child[i]);
    else if (include->kind != NODE_NULL)
        include_one(r, include);
    node_remove(root, "include");
}

/* A file that has not been read yet; its includes stand before it. */
static void read_fd(struct reading *r, const struct origin *o, int fd, const char *name,
                    struct id id)
{
    struct files *files = r->files;
    size_t size;
    if (files->n == FILES_MAX || r->depth == FILES_MAX_DEPTH) {
        complain(r, o,
                 files->n == FILES_MAX ? "more than %d files" : "more than %d files deep",
                 files->n == FILES_MAX ? FILES_MAX : FILES_MAX_DEPTH);
        return;
    }
    unsigned at = files->n++;
    files->names[at] = xstrdup(name);
    r->ids[at] = id;
    char *bytes = read_bytes(r, o, fd, &size);
    if (!bytes)
        return;
    struct node *root = node_from_yaml_partly(bytes, size, files->names[at], &r->diags);
    free(bytes);
    if (!root)
        return;
    r->open[r->depth++] = at;
    read_includes(r, root);
    r->depth--;
    files->root = fabric_file_join(files->root, root, &r->diags);
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), e = strlen(end);
    return n > e && strcmp(name + n - e, end) == 0;
}

static int is_fabric_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.' &&
           (ends_in(entry->d_name, ".yaml") || ends_in(entry->d_name, ".yml") ||
            ends_in(entry->d_name, ".json"));
}

static void read_folder(struct reading *r, const struct origin *o, const char *path)
{
    struct dirent **entries;
    int n = scandir(path, &entries, is_fabric_file, alphasort);
    if (n < 0) {
        complain(r, o, "%s", err_text(errno));
        return;
    }
    if (n == 0)
        complain(r, o, "there is no file in it that ends in .yaml, .yml or .json");
    for (int i = 0; i < n; i++) {
        char *name =
            xasprintf("%s%s%s", path, ends_in(path, "/") ? "" : "/", entries[i]->d_name);
        read_path(r, &(struct origin){.name = name}, name);
        free(name);
        free(entries[i]);
    }
    free(entries);
}

/* Whether the file has been read already; one that is still open would include itself. */
static bool known(struct reading *r, const struct origin *o, struct id id)
{
    for (unsigned i = 0; i < r->depth; i++) {
        const struct id *open = &r->ids[r->open[i]];
        if (open->dev == id.dev && open->ino == id.ino) {
            complain(r, o, "%s includes itself by way of this",
                     r->files->names[r->open[i]]);
            return true;
        }
    }
    for (unsigned i = 0; i < r->files->n; i++)
        if (r->ids[i].dev == id.dev && r->ids[i].ino == id.ino)
            return true;
    return false;
}

static void read_path(struct reading *r, const struct origin *o, const char *path)
{
    struct stat st;
    /* An included pipe would hold us for ever; one on the command line is meant. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | (o->at ? O_NONBLOCK : 0));
    if (fd < 0 || fstat(fd, &st) != 0) {
        complain(r, o, o->at ? "%s: %s" : "%.0s%s", path, err_text(errno));
        if (fd >= 0)
            close(fd);
        return;
    }
    struct id id = {.dev = st.st_dev, .ino = st.st_ino};
    if (S_ISDIR(st.st_mode) && !o->at)
        read_folder(r, o, path);
    else if (!S_ISREG(st.st_mode) && o->at)
        complain(r, o, "%s is not a file", path);
    else if (!known(r, o, id))
        read_fd(r, o, fd, path, id);
    close(fd);
}

/* What belongs to no line of a file is an error as any other. */
static int print_diags(const struct files *files, const struct diags *diags)
{
    for (size_t i = 0; i < diags->n; i++) {
        char *line = diag_print(&diags->list[i]);
        if (diags->list[i].line == 0 && files->what)
            fprintf(stderr, "iothctl: %s failed: ", files->what);
        print_clean(stderr, line);
        fputc('\n', stderr);
        free(line);
    }
    if (diags->suppressed > 0)
        fprintf(stderr, "… and %zu more\n", diags->suppressed);
    return CTL_USAGE;
}

/* Files with mistakes are looked through to the end, so that all are told at once. */
static void find_more(struct reading *r)
{
    struct objects objects;
    struct diags more;
    if (!r->files->root)
        return;
    diags_init(&more);
    (void)!fabric_file_read(r->files->root, r->files->names[0], &objects, &more);
    objects_done(&objects);
    diags_add_more(&r->diags, &more);
    diags_done(&more);
}

int files_read(struct ctl *ctl, const struct args *args, struct files *out)
{
    struct reading r = {.files = out};
    const char *path;
    unsigned at = 0;
    int code = 0;
    *out = (struct files){.what = ctl->what};
    if (!args_has(args, "file"))
        return ctl_fail(ctl, CTL_USAGE, "the file is missing (-f FILE)");
    diags_init(&r.diags);
    while ((path = args_next(args, "file", &at))) {
        if (strcmp(path, "-") == 0)
            read_fd(&r, &(struct origin){.name = "<stdin>"}, STDIN_FILENO, "<stdin>",
                    (struct id){0});
        else
            read_path(&r, &(struct origin){.name = path}, path);
    }
    if (r.diags.n > 0)
        find_more(&r);
    if (r.diags.n > 0 || !out->root)
        code = print_diags(out, &r.diags);
    diags_done(&r.diags);
    return code;
}

void files_done(struct files *files)
{
    node_free(files->root);
    for (unsigned i = 0; i < files->n; i++)
        free(files->names[i]);
    *files = (struct files){0};
}

const char *files_name(const struct files *files, char *buffer, size_t size)
{
    const char *first = files->n > 0 ? files->names[0] : "";
    if (files->n > 1)
        snprintf(buffer, size, "%s and %u more", first, files->n - 1);
    else
        snprintf(buffer, size, "%s", first);
    return buffer;
}

bool files_check(const struct files *files, struct objects *out)
{
    struct diags diags;
    diags_init(&diags);
    bool ok = fabric_file_read(files->root, files->names[0], out, &diags);
    if (!ok)
        print_diags(files, &diags);
    diags_done(&diags);
    return ok;
}

/* What our own check says of the same: it knows whether the key is meant or the value. */
static const struct diag *same_of_ours(const struct diags *ours, const char *pointer,
                                       const char *detail)
{
    for (size_t i = 0; i < ours->n; i++) {
        char *text = diag_pointer(&ours->list[i]);
        bool same = strcmp(text, pointer) == 0 && strcmp(ours->list[i].text, detail) == 0;
        free(text);
        if (same)
            return &ours->list[i];
    }
    return NULL;
}

static void add_error(const struct files *files, const struct diags *ours,
                      const struct node *error, struct diags *out)
{
    const char *pointer = node_get_text(error, "pointer", "");
    const char *detail = node_get_text(error, "detail", "is wrong");
    const struct diag *same = same_of_ours(ours, pointer, detail);
    if (same) {
        diags_add(out, same->file, same->line, same->column, same->path, "%s", detail);
        return;
    }
    const struct node *place = fabric_file_place(files->root, pointer);
    char *path = text_dotted(pointer);
    diags_add(out, place->file ? place->file : files->names[0], place->line, place->column,
              path, "%s", detail);
    free(path);
}

static unsigned file_at(const struct files *files, const char *name)
{
    unsigned i = 0;
    while (i < files->n && strcmp(files->names[i], name ? name : "") != 0)
        i++;
    return i;
}

static bool is_behind(const struct files *files, const struct diag *a, const struct diag *b)
{
    unsigned x = file_at(files, a->file), y = file_at(files, b->file);
    if (x != y)
        return x > y;
    return a->line != b->line ? a->line > b->line : a->column > b->column;
}

/* In the order in which they stand in the files; there are DIAGS_MAX at most. */
static void sort_by_place(const struct files *files, struct diags *diags)
{
    for (size_t i = 1; i < diags->n; i++) {
        struct diag one = diags->list[i];
        size_t k = i;
        for (; k > 0 && is_behind(files, &diags->list[k - 1], &one); k--)
            diags->list[k] = diags->list[k - 1];
        diags->list[k] = one;
    }
}

bool files_print_errors(const struct files *files, const struct node *problem)
{
    const struct node *errors = problem ? node_get(problem, "errors") : NULL;
    if (!errors || errors->kind != NODE_LIST || errors->n == 0)
        return false;
    struct diags ours, all;
    struct objects objects;
    diags_init(&ours);
    diags_init(&all);
    fabric_file_read(files->root, files->names[0], &objects, &ours);
    for (size_t i = 0; i < errors->n; i++)
        add_error(files, &ours, errors->child[i], &all);
    sort_by_place(files, &all);
    print_diags(files, &all);
    const char *hint = node_get_text(problem, "hint", "");
    if (*hint) {
        fputs("hint: ", stderr);
        print_clean(stderr, hint);
        fputc('\n', stderr);
    }
    objects_done(&objects);
    diags_done(&ours);
    diags_done(&all);
    return true;
}
