/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/audit/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/err.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/base/mtime.h"
#include "proto/base/xalloc.h"

#define NAME "audit.jsonl"

struct audit {
    char *folder;
    int fd; /* Of the file that is being written, or -1. */
    size_t size;
    uint64_t next;
    bool failing;   /* The log knows. */
    mtime_t minute; /* When the one began in which cheap entries are counted. */
    unsigned cheap; /* Written in it. */
    char *last;     /* Of them, in this minute. */
    int64_t left_out;
};

static void path_of(const struct audit *a, unsigned i, char *out, size_t size)
{
    if (i == 0)
        snprintf(out, size, "%s/" NAME, a->folder);
    else
        snprintf(out, size, "%s/" NAME ".%u", a->folder, i);
}

static void complain(struct audit *a, int code)
{
    if (!a->failing)
        log_error("changes are not written to %s/" NAME ": %s", a->folder, err_text(code));
    a->failing = true;
}

/* --- writing -------------------------------------------------------------------------------- */

static int open_file(struct audit *a)
{
    char path[512];
    struct stat st;

    path_of(a, 0, path, sizeof(path));
    a->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (a->fd < 0)
        return -errno;
    a->size = fstat(a->fd, &st) == 0 ? (size_t)st.st_size : 0;
    return 0;
}

static void rotate(struct audit *a)
{
    char from[512], to[512];

    fd_close(&a->fd);
    for (unsigned i = AUDIT_FILES - 1; i > 0; i--) {
        path_of(a, i - 1, from, sizeof(from));
        path_of(a, i, to, sizeof(to));
        if (rename(from, to) < 0 && errno != ENOENT)
            complain(a, errno);
    }
}

/* A line that was cut short (a full disk, a crash) is ended first, so that it spoils no other. */
static int end_torn_line(struct audit *a)
{
    char last;

    if (a->size == 0 || pread(a->fd, &last, 1, (off_t)a->size - 1) != 1 || last == '\n')
        return 0;
    if (write(a->fd, "\n", 1) != 1)
        return -errno;
    a->size++;
    return 0;
}

static int write_line(struct audit *a, const char *text, size_t size)
{
    ssize_t n;
    int r = 0;

    if (a->fd >= 0 && a->size + size > AUDIT_FILE_SIZE && a->size > 0)
        rotate(a);
    if (a->fd < 0)
        r = open_file(a);
    if (r == 0)
        r = end_torn_line(a);
    if (r < 0)
        return r;
    n = write(a->fd, text, size);
    if (n > 0)
        a->size += (size_t)n;
    return n == (ssize_t)size ? 0 : n < 0 ? -errno : -ENOSPC;
}

static struct node *numbered(uint64_t number, const struct node *entry)
{
    struct node *whole = node_map();
    int64_t us = wall_now_us();
    time_t seconds = (time_t)(us / 1000000);
    char when[40], exact[48];
    struct tm tm;

    node_set_int(whole, "number", (int64_t)number);
    if (gmtime_r(&seconds, &tm) != NULL &&
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm) > 0) {
        snprintf(exact, sizeof(exact), "%s.%03dZ", when, (int)(us / 1000 % 1000));
        node_set_text(whole, "time", exact);
    }
    for (size_t i = 0; i < entry->n; i++)
        node_set(whole, entry->key[i], node_copy(entry->child[i]));
    return whole;
}

void audit_add(struct audit *a, struct node *entry)
{
    struct node *whole;
    char *json, *line;
    size_t size;
    int r;

    if (a == NULL || a->folder == NULL) {
        node_free(entry);
        return;
    }
    whole = numbered(a->next, entry);
    if (a->left_out > 0)
        node_set_int(whole, "left_out", a->left_out);
    json = node_to_json(whole, 0);
    size = strcspn(json, "\n");
    line = xasprintf("%.*s\n", (int)(size < AUDIT_LINE_MAX ? size : 0), json);
    r = size < AUDIT_LINE_MAX ? write_line(a, line, size + 1) : -EMSGSIZE;
    if (r < 0) {
        complain(a, r);
    } else {
        a->next++;
        a->left_out = 0;
        a->failing = false;
    }
    free(line);
    free(json);
    node_free(whole);
    node_free(entry);
}

void audit_add_cheap(struct audit *a, struct node *entry, mtime_t now)
{
    char *text;
    bool again;

    if (a == NULL) {
        node_free(entry);
        return;
    }
    if (a->minute == 0 || now - a->minute >= 60 * MTIME_SEC) {
        a->minute = now;
        a->cheap = 0;
        free(a->last);
        a->last = NULL;
    }
    text = node_to_json(entry, 0);
    again = a->last != NULL && strcmp(a->last, text) == 0;
    free(a->last);
    a->last = text;
    if (again || a->cheap >= AUDIT_CHEAP) {
        a->left_out++;
        node_free(entry);
        return;
    }
    a->cheap++;
    audit_add(a, entry);
}

void audit_set_peer(struct node *entry, const struct fd_peer *peer)
{
    struct passwd user, *found = NULL;
    char texts[4096];

    node_set_int(entry, "uid", (int64_t)peer->uid);
    if (getpwuid_r(peer->uid, &user, texts, sizeof(texts), &found) == 0 && found != NULL)
        node_set_text(entry, "user", user.pw_name);
}

/* --- reading -------------------------------------------------------------------------------- */

/* A file's bytes, at most two of AUDIT_FILE_SIZE; NULL with errno. */
static char *slurp(const struct audit *a, unsigned i, size_t *size)
{
    char path[512], *text;
    ssize_t n;
    int fd;

    path_of(a, i, path, sizeof(path));
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return NULL;
    text = xcalloc(2, AUDIT_FILE_SIZE);
    *size = 0;
    while (*size < 2 * AUDIT_FILE_SIZE &&
           (n = read(fd, text + *size, 2 * AUDIT_FILE_SIZE - *size)) > 0)
        *size += (size_t)n;
    fd_close(&fd);
    return text;
}

/* An entry, or NULL for what is none. */
static struct node *parse_line(const char *line, size_t size)
{
    struct diags diags;
    struct node *entry;

    diags_init(&diags);
    entry = node_from_json(line, size, NULL, &diags);
    diags_done(&diags);
    if (entry != NULL &&
        (entry->kind != NODE_MAP || node_get_int(entry, "number", 0) <= 0)) {
        node_free(entry);
        entry = NULL;
    }
    return entry;
}

struct reading {
    uint64_t before;
    unsigned most;
    struct node *list;
    bool more;
};

static bool is_number_before(const char *line, size_t size, uint64_t before)
{
    static const char head[] = "{\"number\":";
    size_t n = sizeof(head) - 1;

    if (before == 0 || size <= n || memcmp(line, head, n) != 0)
        return before == 0;
    return strtoull(line + n, NULL, 10) < before;
}

/* From the end of the text to its begin; false when enough has been read. */
static bool read_backwards(struct reading *r, const char *text, size_t size)
{
    while (size > 0) {
        size_t end = size - (text[size - 1] == '\n'), begin = end;
        struct node *entry;

        while (begin > 0 && text[begin - 1] != '\n')
            begin--;
        size = begin;
        if (end == begin || !is_number_before(text + begin, end - begin, r->before))
            continue;
        entry = parse_line(text + begin, end - begin);
        if (entry == NULL)
            continue;
        if (r->list->n == r->most) {
            r->more = true;
            node_free(entry);
            return false;
        }
        node_append(r->list, entry);
    }
    return true;
}

struct node *audit_read(struct audit *a, uint64_t before, unsigned most, bool *more)
{
    struct reading r = {.before = before, .most = most, .list = node_list()};
    bool goes_on = true;

    for (unsigned i = 0; a != NULL && a->folder != NULL && goes_on && i < AUDIT_FILES;
         i++) {
        size_t size = 0;
        char *text = slurp(a, i, &size);

        if (text == NULL && errno != ENOENT) {
            node_free(r.list);
            return NULL;
        }
        if (text != NULL)
            goes_on = read_backwards(&r, text, size);
        free(text);
    }
    *more = r.more;
    return r.list;
}

/* --- life ----------------------------------------------------------------------------------- */

struct audit *audit_new(const char *folder)
{
    struct audit *a = xcalloc(1, sizeof(*a));
    struct node *last;
    bool more;

    a->fd = -1;
    a->next = 1;
    if (folder == NULL)
        return a;
    a->folder = xstrdup(folder);
    last = audit_read(a, 0, 1, &more);
    if (last != NULL && last->n == 1)
        a->next = (uint64_t)node_get_int(last->child[0], "number", 0) + 1;
    node_free(last);
    return a;
}

void audit_free(struct audit *a)
{
    if (a == NULL)
        return;
    fd_close(&a->fd);
    free(a->last);
    free(a->folder);
    free(a);
}
