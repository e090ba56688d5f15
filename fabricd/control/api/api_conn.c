/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections of HTTP: libmicrohttpd without a thread of its own, its epoll inside our loop, one
 * for the Unix socket and one for TLS over TCP. We accept ourselves, so that the peer's credentials
 * and the bounds are known first.
 *
 * Nobody holds up others. On the Unix socket a user has at most a quarter of CONNS_MAX connections
 * (the owner and root three quarters), over TCP an address has REMOTE_EACH and all together
 * REMOTE_MAX; at a limit the connection that has been idle for longest goes, strangers first. A
 * connection that has not brought a whole request within REQUEST_WAIT of its last one (over TCP
 * within STRANGER_WAIT of its begin) is closed, however many bytes it dribbles.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fabricd/control/api/http_internal.h"
#include "fabricd/control/perm/perm.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

#define CONNS_MAX     256u
#define REMOTE_MAX    64u
#define REMOTE_EACH   16u
#define REQUEST_WAIT  (30 * MTIME_SEC)
#define STRANGER_WAIT (10 * MTIME_SEC)
#define GONE_MS       60000u /* After which a client that acknowledges nothing is gone. */
#define POOL_SIZE     (16u * 1024u) /* Per connection: request line, headers, answer's head. */

/* --- connections ---------------------------------------------------------------------------- */

void conn_touch(struct conn *conn)
{
    struct api *api = conn->entry->api;

    conn->due = loop_now(api->control->loop) + REQUEST_WAIT;
    list_remove(&conn->link);
    list_append(&api->conns, &conn->link);
}

void conn_hang_up(struct conn *conn)
{
    if (conn->fd >= 0)
        shutdown(conn->fd, SHUT_RDWR);
    conn->fd = -1;
}

static void conn_free(struct conn *conn)
{
    list_remove(&conn->link);
    conn->entry->api->n_conns--;
    free(conn);
}

static void notify_connection(void *cls, struct MHD_Connection *mhd, void **context,
                              enum MHD_ConnectionNotificationCode code)
{
    struct entry *entry = cls;

    (void)mhd;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = entry->api->accepting;
    } else if (*context != NULL) {
        conn_free(*context);
        *context = NULL;
    }
}

/* --- bounds --------------------------------------------------------------------------------- */

/* Whether both are of one user, or of one address. */
static bool is_same(const struct conn *a, const struct conn *b)
{
    if (a->entry != b->entry)
        return false;
    return a->entry->remote ? memcmp(a->address, b->address, sizeof(a->address)) == 0
                            : a->peer.uid == b->peer.uid;
}

enum whose { WHOSE_SAME, WHOSE_ENTRY, WHOSE_ANY };

static bool counts(const struct conn *conn, const struct conn *other, enum whose whose)
{
    return whose == WHOSE_ANY ||
           (whose == WHOSE_ENTRY ? conn->entry == other->entry : is_same(conn, other));
}

static unsigned conns_of(const struct conn *conn, enum whose whose)
{
    unsigned n = 0;

    list_for_each (it, &conn->entry->api->conns)
        n += counts(conn, list_entry(it, struct conn, link), whose);
    return n;
}

/* Hangs up on the one of them that has been idle for longest, over TCP of strangers if there are
 * some. False: all are at work. */
static bool evict(const struct conn *conn, enum whose whose)
{
    struct conn *victim = NULL;

    list_for_each (it, &conn->entry->api->conns) {
        struct conn *other = list_entry(it, struct conn, link);

        if (other->pending > 0 || other->fd < 0 || !counts(conn, other, whose))
            continue;
        if (victim == NULL || (victim->known && !other->known))
            victim = other;
    }
    if (victim != NULL)
        conn_hang_up(victim);
    return victim != NULL;
}

/* Whether there is room for one more, perhaps made. The connection is not in the list yet. */
static bool has_room(const struct conn *conn)
{
    unsigned each = conn->entry->remote      ? REMOTE_EACH
                    : perm_full(&conn->peer) ? CONNS_MAX / 4 * 3
                                             : CONNS_MAX / 4;

    if (conns_of(conn, WHOSE_SAME) >= each && !evict(conn, WHOSE_SAME))
        return false;
    if (conn->entry->remote && conns_of(conn, WHOSE_ENTRY) >= REMOTE_MAX &&
        !evict(conn, WHOSE_ENTRY))
        return false;
    return conn->entry->api->n_conns < CONNS_MAX || evict(conn, WHOSE_ANY);
}

/* --- taking --------------------------------------------------------------------------------- */

/* Who it is; 0 or -errno. */
static int identify(struct conn *conn, struct sockaddr_storage *address, socklen_t *size)
{
    unsigned gone = GONE_MS;
    struct sockaddr_in6 six;
    struct sockaddr_in four;

    memset(address, 0, sizeof(*address));
    *size = sizeof(*address);
    if (!conn->entry->remote) {
        address->ss_family = AF_UNIX;
        return fd_peer_get(conn->fd, &conn->peer);
    }
    if (getpeername(conn->fd, (struct sockaddr *)address, size) < 0)
        return -errno;
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone, sizeof(gone));
    if (address->ss_family == AF_INET) {
        memcpy(&four, address, sizeof(four));
        conn->address[10] = conn->address[11] = 0xff;
        memcpy(conn->address + 12, &four.sin_addr, 4);
    } else {
        memcpy(&six, address, sizeof(six));
        memcpy(conn->address, &six.sin6_addr, 16);
    }
    return 0;
}

static void take_conn(struct entry *entry, int fd)
{
    struct api *api = entry->api;
    struct conn *conn = xcalloc(1, sizeof(*conn));
    struct sockaddr_storage address;
    socklen_t size;

    conn->entry = entry;
    conn->fd = fd;
    list_init(&conn->link);
    if (identify(conn, &address, &size) < 0 || !has_room(conn)) {
        close(fd);
        free(conn);
        return;
    }
    conn_touch(conn);
    if (entry->remote)
        conn->due = loop_now(api->control->loop) + STRANGER_WAIT;
    api->n_conns++;
    api->accepting = conn;
    if (MHD_add_connection(entry->mhd, fd, (const struct sockaddr *)&address, size) !=
            MHD_YES &&
        api->accepting == conn)
        conn_free(conn); /* It has closed the descriptor. */
    api->accepting = NULL;
}

static void came(struct door *door, int fd)
{
    struct entry *entry = list_entry(door, struct entry, door);

    take_conn(entry, fd);
    api_arm(entry->api);
}

/* --- the loop ------------------------------------------------------------------------------- */

static void run(struct api *api)
{
    api->resumed = false;
    MHD_run(api->local.mhd);
    if (api->tcp.mhd != NULL)
        MHD_run(api->tcp.mhd);
    api_arm(api);
}

static void run_ready(struct loop_watch *watch, uint32_t events)
{
    struct entry *entry = list_entry(watch, struct entry, run);

    (void)events;
    run(entry->api);
}

/* Hangs up on connections whose time is over, and lets libmicrohttpd see to what it has. */
static void tick(struct loop_timer *timer, mtime_t now)
{
    struct api *api = list_entry(timer, struct api, tick);

    list_for_each (it, &api->conns) {
        struct conn *conn = list_entry(it, struct conn, link);

        if (conn->due <= now && conn->pending == 0)
            conn_hang_up(conn);
    }
    run(api);
}

static mtime_t due_of(const struct entry *entry, mtime_t now)
{
    MHD_UNSIGNED_LONG_LONG wait;

    if (entry->mhd == NULL || MHD_get_timeout(entry->mhd, &wait) != MHD_YES)
        return MTIME_NEVER;
    return now + (mtime_t)wait * MTIME_MS;
}

void api_arm(struct api *api)
{
    mtime_t now = loop_now(api->control->loop), due;

    due = api->resumed ? now : mtime_min(due_of(&api->local, now), due_of(&api->tcp, now));
    list_for_each (it, &api->conns) {
        const struct conn *conn = list_entry(it, struct conn, link);

        if (conn->pending == 0 && conn->fd >= 0)
            due = mtime_min(due, conn->due);
    }
    loop_timer_set(api->control->loop, &api->tick, due);
}

/* --- life ----------------------------------------------------------------------------------- */

static struct MHD_Daemon *start_mhd(struct entry *entry)
{
    const struct tls *tls = &entry->api->tls;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET;
    union { /* libmicrohttpd does not write to them. */
        const char *text;
        void *value;
    } key = {.text = tls->key}, cert = {.text = tls->cert},
      ciphers = {.text = TLS_PRIORITIES};
    struct MHD_OptionItem with_tls[] = {{MHD_OPTION_HTTPS_MEM_KEY, 0, key.value},
                                        {MHD_OPTION_HTTPS_MEM_CERT, 0, cert.value},
                                        {MHD_OPTION_HTTPS_PRIORITIES, 0, ciphers.value},
                                        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem without[] = {{MHD_OPTION_END, 0, NULL}};

    return MHD_start_daemon(
        entry->remote ? flags | MHD_USE_TLS : flags, 0, NULL, NULL, http_handle, entry,
        MHD_OPTION_CONNECTION_LIMIT, CONNS_MAX + 16, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)POOL_SIZE, MHD_OPTION_NOTIFY_CONNECTION, notify_connection, entry,
        MHD_OPTION_NOTIFY_COMPLETED, http_completed, entry, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_ARRAY, entry->remote ? with_tls : without, MHD_OPTION_END);
}

/* Takes the socket. */
static int open_entry(struct entry *entry, struct api *api, int sock, bool remote)
{
    const union MHD_DaemonInfo *info = NULL;
    int r;

    entry->api = api;
    entry->remote = remote;
    entry->run.ready = run_ready;
    entry->mhd = start_mhd(entry);
    if (entry->mhd != NULL)
        info = MHD_get_daemon_info(entry->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    r = info != NULL ? loop_add(api->control->loop, &entry->run, info->epoll_fd, EPOLLIN)
                     : -EIO;
    if (r == 0)
        r = door_open(&entry->door, api->control->loop, sock, came);
    if (r < 0)
        fd_close(&sock);
    return r;
}

struct api *api_new(struct control *control, int sock, struct err *err)
{
    struct api *api = xcalloc(1, sizeof(*api));
    int r;

    api->control = control;
    list_init(&api->conns);
    list_init(&api->suspended);
    api->local.run.fd = api->tcp.run.fd = -1;
    api->tick.expired = tick;
    r = open_entry(&api->local, api, sock, false);
    if (r == 0)
        return api;
    err_set(err, r, "the API cannot be served: %s", err_text(r));
    api_free(api);
    return NULL;
}

int api_open_tcp(struct api *api, int sock, int cert, int key, struct err *err)
{
    struct control *control = api->control;
    char *folder = xasprintf("%s/" IPC_API_FOLDER, control->start.state_dir);
    int r;

    if (cert >= 0)
        r = tls_read(cert, key, &api->tls, err);
    else
        r = tls_own(folder, control_host(control), wall_now(), &api->tls, err);
    free(folder);
    if (r < 0) {
        fd_close(&sock);
        return r;
    }
    r = open_entry(&api->tcp, api, sock, true);
    return r < 0 ? err_set(err, r, "the API cannot be served over TCP: %s", err_text(r))
                 : 0;
}

const struct tls *api_tls(const struct api *api)
{
    return api != NULL && api->tcp.mhd != NULL ? &api->tls : NULL;
}

static void close_entry(struct entry *entry)
{
    int sock = door_close(&entry->door);

    loop_remove(entry->api->control->loop, &entry->run);
    fd_close(&sock);
}

void api_free(struct api *api)
{
    if (api == NULL)
        return;
    api->freeing = true;
    close_entry(&api->local);
    if (api->tcp.api != NULL)
        close_entry(&api->tcp);
    http_resume_all(api);
    loop_timer_set(api->control->loop, &api->tick, MTIME_NEVER);
    if (api->local.mhd != NULL)
        MHD_stop_daemon(api->local.mhd);
    if (api->tcp.mhd != NULL)
        MHD_stop_daemon(api->tcp.mhd);
    tls_done(&api->tls);
    free(api);
}
