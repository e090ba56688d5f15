/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTTP on the API socket: libmicrohttpd without a thread of its own, its epoll inside our loop.
 * We accept ourselves, so that the peer's credentials and the bounds are known first.
 *
 * Nobody holds up others: CONNS_MAX connections, a quarter of them of one user (the owner and
 * root have three quarters); at the limit the connection that has been idle for longest goes. A
 * connection that has not brought a whole request within REQUEST_WAIT of its last one is closed,
 * however many bytes it dribbles.
 */
#include <errno.h>
#include <microhttpd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fabricd/control/api/api.h"
#include "fabricd/control/perm/perm.h"
#include "proto/base/door.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

#define CONNS_MAX    256u
#define REQUEST_WAIT (30 * MTIME_SEC)
#define POOL_SIZE    (16u * 1024u) /* Per connection: request line, headers, answer's head. */
#define DISCARD_MAX  (8u * 1024u * 1024u) /* Of a body that is too large; then we hang up. */
#define STREAM_BLOCK 1024u                /* Of a stream, at a time. */

struct api {
    struct control *control;
    struct MHD_Daemon *mhd;
    struct door door;
    struct loop_watch run;
    struct loop_timer tick;
    struct list conns; /* Idle for longest first. */
    unsigned n_conns;
    struct list suspended; /* Exchanges whose connections are. */
    struct conn *accepting;
    bool resumed; /* libmicrohttpd has to look at connections that were resumed. */
    bool freeing;
};

struct conn {
    struct list link;
    struct api *api;
    int fd; /* libmicrohttpd's */
    struct fd_peer peer;
    mtime_t due;      /* When a whole request must have come. */
    unsigned pending; /* A request is being carried out: takes the time it takes. */
};

struct exchange {
    struct list link; /* While it is suspended. */
    struct api_request rq;
    struct api *api;
    struct conn *conn;
    struct MHD_Connection *mhd;
    size_t room, discarded;
    bool begun, dispatched, suspended, answered, gone;
    struct api_answer answer;
};

static void arm(struct api *api);

/* --- connections ---------------------------------------------------------------------------- */

static void touch(struct conn *conn)
{
    conn->due = loop_now(conn->api->control->loop) + REQUEST_WAIT;
    list_remove(&conn->link);
    list_append(&conn->api->conns, &conn->link);
}

static void notify_connection(void *cls, struct MHD_Connection *mhd, void **context,
                              enum MHD_ConnectionNotificationCode code)
{
    struct api *api = cls;
    struct conn *conn;

    (void)mhd;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = api->accepting;
        return;
    }
    conn = *context;
    if (conn == NULL)
        return;
    list_remove(&conn->link);
    api->n_conns--;
    free(conn);
    *context = NULL;
}

static unsigned conns_of(const struct api *api, uid_t uid)
{
    unsigned n = 0;

    list_for_each (it, &api->conns)
        n += list_entry(it, struct conn, link)->peer.uid == uid;
    return n;
}

/* Hangs up on the user's connection that has been idle for longest. False: all are at work. */
static bool evict(struct api *api, uid_t uid, bool anyone)
{
    list_for_each (it, &api->conns) {
        struct conn *conn = list_entry(it, struct conn, link);

        if (conn->pending == 0 && conn->fd >= 0 && (anyone || conn->peer.uid == uid)) {
            shutdown(conn->fd, SHUT_RDWR);
            conn->fd = -1;
            return true;
        }
    }
    return false;
}

static void take_conn(struct api *api, int fd)
{
    struct sockaddr_un_ {
        sa_family_t family;
    } address = {.family = AF_UNIX};
    struct conn *conn = xcalloc(1, sizeof(*conn));
    unsigned most;

    conn->api = api;
    conn->fd = fd;
    list_init(&conn->link);
    if (fd_peer_get(fd, &conn->peer) < 0) {
        close(fd);
        free(conn);
        return;
    }
    most = perm_full(&conn->peer) ? CONNS_MAX / 4 * 3 : CONNS_MAX / 4;
    if ((conns_of(api, conn->peer.uid) >= most && !evict(api, conn->peer.uid, false)) ||
        (api->n_conns >= CONNS_MAX && !evict(api, 0, true))) {
        close(fd);
        free(conn);
        return;
    }
    touch(conn);
    api->n_conns++;
    api->accepting = conn;
    if (MHD_add_connection(api->mhd, fd, (const struct sockaddr *)(const void *)&address,
                           sizeof(address)) != MHD_YES &&
        api->accepting == conn) {
        list_remove(&conn->link); /* It has closed the descriptor. */
        api->n_conns--;
        free(conn);
    }
    api->accepting = NULL;
}

static void came(struct door *door, int fd)
{
    struct api *api = list_entry(door, struct api, door);

    take_conn(api, fd);
    arm(api);
}

/* --- exchanges ------------------------------------------------------------------------------ */

static void suspend(struct exchange *x)
{
    x->suspended = true;
    list_append(&x->api->suspended, &x->link);
    MHD_suspend_connection(x->mhd);
}

static void resume(struct exchange *x)
{
    if (!x->suspended)
        return;
    x->suspended = false;
    list_remove(&x->link);
    MHD_resume_connection(x->mhd);
    x->api->resumed = true;
    arm(x->api);
}

static void free_exchange(struct exchange *x)
{
    if (x->answer.stream != NULL)
        x->answer.stream->ops->free(x->answer.stream);
    api_request_done(&x->rq);
    free(x->answer.body);
    free(x);
}

static void answered(struct api_request *rq, const struct api_answer *answer)
{
    struct exchange *x = list_entry(rq, struct exchange, rq);

    x->answer = *answer;
    x->answered = true;
    if (x->gone) {
        free_exchange(x);
        return;
    }
    resume(x);
}

static void stream_wake(struct api_request *rq, bool behind)
{
    struct exchange *x = list_entry(rq, struct exchange, rq);

    if (behind && !x->suspended && x->conn != NULL && x->conn->fd >= 0) {
        shutdown(x->conn->fd, SHUT_RDWR); /* It does not read what it has been sent. */
        x->conn->fd = -1;
    }
    resume(x);
}

static ssize_t stream_read(void *cls, uint64_t position, char *out, size_t room)
{
    struct exchange *x = cls;
    ssize_t n = x->answer.stream->ops->read(x->answer.stream, out, room);

    (void)position;
    if (n < 0)
        return n == API_STREAM_END ? MHD_CONTENT_READER_END_OF_STREAM
                                   : MHD_CONTENT_READER_END_WITH_ERROR;
    if (n == 0)
        suspend(x);
    return n;
}

static enum MHD_Result queue_answer(struct exchange *x)
{
    char *body = x->answer.body;
    struct MHD_Response *response;
    enum MHD_Result r;

    x->answer.body = NULL;
    if (x->answer.stream != NULL) {
        x->answer.stream->wake = stream_wake;
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK,
                                                     stream_read, x, NULL);
    } else if (body == NULL)
        response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    else
        response =
            MHD_create_response_from_buffer(x->answer.size, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        return MHD_NO;
    if (x->answer.type != NULL)
        MHD_add_response_header(response, "Content-Type", x->answer.type);
    if (x->answer.allow != NULL)
        MHD_add_response_header(response, "Allow", x->answer.allow);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    r = MHD_queue_response(x->mhd, (unsigned)x->answer.status, response);
    MHD_destroy_response(response);
    return r;
}

static enum MHD_Result take_query(void *cls, enum MHD_ValueKind kind, const char *key,
                                  const char *value)
{
    struct api_request *rq = cls;

    (void)kind;
    if (rq->n_query == API_MAX_QUERY)
        return MHD_NO;
    rq->query[rq->n_query].key = xstrdup(key);
    rq->query[rq->n_query].value = xstrdup(value != NULL ? value : "");
    rq->n_query++;
    return MHD_YES;
}

static char *header(struct MHD_Connection *mhd, const char *name)
{
    const char *value = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, name);

    return value != NULL ? xstrdup(value) : NULL;
}

static struct exchange *new_exchange(struct api *api, struct MHD_Connection *mhd,
                                     const char *url, const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct exchange *x = xcalloc(1, sizeof(*x));

    x->api = api;
    x->mhd = mhd;
    x->conn = info != NULL ? info->socket_context : NULL;
    x->rq.control = api->control;
    x->rq.method = xstrdup(method);
    x->rq.path = xstrdup(url);
    x->rq.answered = answered;
    if (x->conn != NULL)
        x->rq.peer = x->conn->peer;
    else
        x->rq.peer.uid = (uid_t)-1;
    x->rq.to_host = header(mhd, "Ioth-Host");
    x->rq.accept = header(mhd, "Accept");
    x->rq.content_type = header(mhd, "Content-Type");
    x->rq.if_match = header(mhd, "If-Match");
    x->rq.if_none_match = header(mhd, "If-None-Match");
    x->rq.last_event_id = header(mhd, "Last-Event-ID");
    MHD_get_connection_values(mhd, MHD_GET_ARGUMENT_KIND, take_query, &x->rq);
    return x;
}

static void too_large(struct exchange *x)
{
    if (!x->dispatched)
        api_problem(&x->rq, 413, "a body has at most %u bytes", API_MAX_BODY);
    x->dispatched = true;
}

/* A piece of the body. A body that is too large is read on for a while, since a client that
 * still sends does not see an answer. */
static enum MHD_Result take_body(struct exchange *x, const char *data, size_t *size)
{
    size_t n = *size;

    *size = 0;
    if (x->dispatched || x->rq.size + n > API_MAX_BODY) {
        too_large(x);
        x->discarded += n;
        return x->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
    }
    if (x->rq.size + n + 1 > x->room) {
        x->room = (x->rq.size + n + 1) * 2;
        x->rq.body = xrealloc(x->rq.body, x->room);
    }
    memcpy(x->rq.body + x->rq.size, data, n);
    x->rq.size += n;
    x->rq.body[x->rq.size] = '\0';
    return MHD_YES;
}

static enum MHD_Result dispatch(struct exchange *x)
{
    if (!x->dispatched) {
        x->dispatched = true;
        if (x->conn != NULL)
            x->conn->pending++;
        api_dispatch(&x->rq);
    }
    if (x->answered)
        return queue_answer(x);
    suspend(x);
    return MHD_YES;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *mhd, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **context)
{
    struct api *api = cls;
    struct exchange *x = *context;

    (void)version;
    if (x == NULL) {
        *context = new_exchange(api, mhd, url, method);
        return MHD_YES;
    }
    if (!x->begun) {
        /* An announced length that is too large is answered before the client sends it. */
        char *length = header(mhd, "Content-Length");
        bool large = length != NULL && strtoull(length, NULL, 10) > API_MAX_BODY;

        x->begun = true;
        free(length);
        if (large && *upload_size == 0 && !x->dispatched)
            too_large(x);
    }
    if (*upload_size > 0)
        return take_body(x, upload, upload_size);
    return dispatch(x);
}

static void completed(void *cls, struct MHD_Connection *mhd, void **context,
                      enum MHD_RequestTerminationCode code)
{
    struct exchange *x = *context;

    (void)cls;
    (void)mhd;
    (void)code;
    if (x == NULL)
        return;
    *context = NULL;
    if (x->conn != NULL && x->conn->pending > 0)
        x->conn->pending--;
    if (x->conn != NULL && !x->api->freeing)
        touch(x->conn);
    if (x->dispatched && !x->answered)
        x->gone = true; /* Its handler still has it. */
    else
        free_exchange(x);
}

/* --- the loop ------------------------------------------------------------------------------- */

static void run_ready(struct loop_watch *watch, uint32_t events)
{
    struct api *api = list_entry(watch, struct api, run);

    (void)events;
    api->resumed = false;
    MHD_run(api->mhd);
    arm(api);
}

/* Hangs up on connections whose time is over, and lets libmicrohttpd see to what it has. */
static void tick(struct loop_timer *timer, mtime_t now)
{
    struct api *api = list_entry(timer, struct api, tick);

    list_for_each (it, &api->conns) {
        struct conn *conn = list_entry(it, struct conn, link);

        if (conn->due > now || conn->pending > 0 || conn->fd < 0)
            continue;
        shutdown(conn->fd, SHUT_RDWR);
        conn->fd = -1;
    }
    api->resumed = false;
    MHD_run(api->mhd);
    arm(api);
}

static void arm(struct api *api)
{
    mtime_t now = loop_now(api->control->loop), due = MTIME_NEVER;
    MHD_UNSIGNED_LONG_LONG wait;

    if (api->resumed)
        due = now;
    else if (MHD_get_timeout(api->mhd, &wait) == MHD_YES)
        due = now + (mtime_t)wait * MTIME_MS;
    list_for_each (it, &api->conns) {
        const struct conn *conn = list_entry(it, struct conn, link);
        if (conn->pending == 0 && conn->fd >= 0)
            due = mtime_min(due, conn->due);
    }
    loop_timer_set(api->control->loop, &api->tick, due);
}

static struct MHD_Daemon *start_mhd(struct api *api)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
        handle, api, MHD_OPTION_CONNECTION_LIMIT, CONNS_MAX + 16,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_SIZE, MHD_OPTION_NOTIFY_CONNECTION,
        notify_connection, api, MHD_OPTION_NOTIFY_COMPLETED, completed, api,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

struct api *api_new(struct control *control, int sock, struct err *err)
{
    struct api *api = xcalloc(1, sizeof(*api));
    const union MHD_DaemonInfo *info = NULL;
    int r;

    api->control = control;
    list_init(&api->conns);
    list_init(&api->suspended);
    api->run.fd = -1;
    api->run.ready = run_ready;
    api->tick.expired = tick;
    api->mhd = start_mhd(api);
    if (api->mhd != NULL)
        info = MHD_get_daemon_info(api->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    r = info != NULL ? loop_add(control->loop, &api->run, info->epoll_fd, EPOLLIN) : -EIO;
    if (r == 0)
        r = door_open(&api->door, control->loop, sock, came);
    if (r < 0) {
        err_set(err, r, "the API cannot be served: %s", err_text(r));
        fd_close(&sock);
        api_free(api);
        return NULL;
    }
    return api;
}

void api_free(struct api *api)
{
    int sock;

    if (api == NULL)
        return;
    api->freeing = true;
    loop_timer_set(api->control->loop, &api->tick, MTIME_NEVER);
    sock = door_close(&api->door);
    loop_remove(api->control->loop, &api->run);
    fd_close(&sock);
    /* libmicrohttpd does not end with suspended connections. */
    list_for_each_safe (it, &api->suspended)
        resume(list_entry(it, struct exchange, link));
    loop_timer_set(api->control->loop, &api->tick, MTIME_NEVER);
    if (api->mhd != NULL)
        MHD_stop_daemon(api->mhd);
    free(api);
}
