/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done with services besides changing them: starting, stopping, reading their logs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fabricd/control/api/routes.h"
#include "proto/base/xalloc.h"

#define LOG_MAX (4u << 20) /* Bytes of a whole log; a keeper keeps half of it. */

static const char text_type[] = "text/plain; charset=utf-8";

static const struct view_service *find(struct api_request *rq)
{
    const struct view_service *service = view_service(rq->control->view, rq->parts[2]);
    struct err err = {.why = ""};

    if (service != NULL)
        return service;
    err_set(&err, -ENOENT, "there is no service %s", rq->parts[2]);
    err_hint(&err, "iothctl service ls");
    api_problem_err(rq, 404, &err, NULL);
    return NULL;
}

/* --- start, stop, restart ------------------------------------------------------------------- */

static void patch(struct api_request *rq, struct node *body, bool restart)
{
    const struct view_service *service = find(rq);
    struct change *change;

    if (service == NULL) {
        node_free(body);
        return;
    }
    change = api_change(rq, "cli");
    change_add(change, CHANGE_PATCH, "service", NULL, service->name, body)->restart =
        restart;
    api_submit(rq, change);
}

static void run_or_not(struct api_request *rq, bool run)
{
    struct node *body = node_map();

    node_set_bool(body, "run", run);
    patch(rq, body, false);
}

void api_service_start(struct api_request *rq)
{
    run_or_not(rq, true);
}

void api_service_stop(struct api_request *rq)
{
    run_or_not(rq, false);
}

void api_service_restart(struct api_request *rq)
{
    struct node *body = node_map();

    node_set_bool(body, "run", true);
    patch(rq, body, true);
}

/* --- logs ----------------------------------------------------------------------------------- */

/* Appends a file of the folder. */
static void append(const char *folder, const char *name, char **text, size_t *size)
{
    char path[512];
    struct stat st;
    ssize_t n = 0;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < LOG_MAX / 2) {
        *text = xrealloc(*text, *size + (size_t)st.st_size + 1);
        n = read(fd, *text + *size, (size_t)st.st_size);
    }
    *size += n > 0 ? (size_t)n : 0;
    fd_close(&fd);
}

/* Where the last `lines` lines begin. */
static size_t tail(const char *text, size_t size, unsigned long lines)
{
    size_t at = size;

    while (at > 0) {
        if (at < size && text[at - 1] == '\n' && lines-- <= 1)
            break;
        at--;
    }
    return at;
}

/* The log as it is, or its last lines; the caller's. */
static char *whole_log(const struct api_request *rq, const char *folder, size_t *size)
{
    const char *lines = api_query(rq, "lines");
    char *text = xcalloc(1, 1);
    size_t all = 0, from;

    append(folder, "log.1", &text, &all);
    append(folder, "log", &text, &all);
    from = lines != NULL ? tail(text, all, strtoul(lines, NULL, 10)) : 0;
    if (lines != NULL && strtoul(lines, NULL, 10) == 0)
        from = all;
    *size = all - from;
    memmove(text, text + from, *size);
    text = xrealloc(text, *size + 1);
    text[*size] = '\0';
    return text;
}

/* A log that is followed. */
struct following {
    struct api_stream stream;
    char *folder;
    char *text; /* What there was when it began, to be sent from `at`. */
    size_t size, at;
    int fd;                  /* Of the log, at its end; -1 = there is none. */
    ino_t ino;               /* Of it. */
    struct loop_watch watch; /* inotify */
};

static void reopen(struct following *f, bool at_end)
{
    char path[512];
    struct stat st;

    fd_close(&f->fd);
    snprintf(path, sizeof(path), "%s/log", f->folder);
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (f->fd >= 0 && fstat(f->fd, &st) == 0)
        f->ino = st.st_ino;
    if (f->fd >= 0 && at_end)
        (void)lseek(f->fd, 0, SEEK_END);
}

static bool was_rotated(const struct following *f)
{
    char path[512];
    struct stat st;

    snprintf(path, sizeof(path), "%s/log", f->folder);
    return stat(path, &st) == 0 && (f->fd < 0 || st.st_ino != f->ino);
}

static ssize_t read_log(struct api_stream *stream, char *out, size_t room)
{
    struct following *f = list_entry(stream, struct following, stream);
    size_t left = f->size - f->at;
    ssize_t n;

    if (left > 0) {
        n = (ssize_t)(left < room ? left : room);
        memcpy(out, f->text + f->at, (size_t)n);
        f->at += (size_t)n;
        return n;
    }
    n = f->fd >= 0 ? read(f->fd, out, room) : 0;
    if (n <= 0 && was_rotated(f)) {
        reopen(f, false);
        n = f->fd >= 0 ? read(f->fd, out, room) : 0;
    }
    return n > 0 ? n : 0;
}

static void free_log(struct api_stream *stream)
{
    struct following *f = list_entry(stream, struct following, stream);
    int inotify = f->watch.fd;

    loop_remove(f->stream.rq->control->loop, &f->watch);
    fd_close(&inotify);
    fd_close(&f->fd);
    free(f->folder);
    free(f->text);
    free(f);
}

static const struct api_stream_ops log_ops = {read_log, free_log};

static void log_grew(struct loop_watch *watch, uint32_t events)
{
    struct following *f = list_entry(watch, struct following, watch);
    char data[4096];

    (void)events;
    while (read(watch->fd, data, sizeof(data)) > 0)
        ;
    if (f->stream.wake != NULL)
        f->stream.wake(f->stream.rq, false);
}

/* Takes the folder's name. */
static void follow(struct api_request *rq, char *folder)
{
    struct following *f = xcalloc(1, sizeof(*f));
    struct api_answer answer = {.status = 200, .type = text_type, .stream = &f->stream};
    int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    f->stream = (struct api_stream){.ops = &log_ops, .rq = rq};
    f->folder = folder;
    f->fd = -1;
    f->watch = (struct loop_watch){.ready = log_grew, .fd = -1};
    reopen(f, true);
    f->text = whole_log(rq, folder, &f->size);
    if (inotify < 0 || inotify_add_watch(inotify, folder, IN_MODIFY | IN_CREATE) < 0 ||
        loop_add(rq->control->loop, &f->watch, inotify, EPOLLIN) < 0) {
        fd_close(&inotify);
        free_log(&f->stream);
        api_problem(rq, 503, "the log cannot be followed now");
        return;
    }
    rq->answered(rq, &answer);
}

void api_service_logs(struct api_request *rq)
{
    const struct view_service *service = find(rq);
    struct api_answer answer = {.status = 200, .type = text_type};
    char *folder;

    if (service == NULL)
        return;
    if (strcmp(service->host, control_host(rq->control)) != 0) {
        api_pass_to(rq, service->host, xasprintf("/v1/services/%s/logs", service->name));
        return;
    }
    folder = xasprintf("%s/services/%s", rq->control->start.state_dir, service->name);
    if (api_query_flag(rq, "follow")) {
        follow(rq, folder);
        return;
    }
    answer.body = whole_log(rq, folder, &answer.size);
    free(folder);
    rq->answered(rq, &answer);
}
