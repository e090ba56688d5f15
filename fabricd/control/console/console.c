/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets and sessions of the consoles. */
#include "fabricd/control/console/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fabricd/control/audit/audit.h"
#include "fabricd/control/console/console_internal.h"
#include "fabricd/control/perm/perm.h"
#include "ioth_version.h"
#include "proto/base/err.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

/* vde_switch takes what one read gives for a line: a client may wait for the answer to one that has
 * no end. */
#define QUIET   (50 * MTIME_MS)
#define OUT_MAX (4u << 20) /* Of a client that reads nothing. */

static struct loop *loop_of(const struct console_session *s)
{
    return s->entry->console->control->loop;
}

static void session_free(struct console_session *s)
{
    int fd = s->watch.fd;

    if (s->call != NULL)
        s->call->session = NULL;
    console_debug_off(s);
    loop_timer_set(loop_of(s), &s->quiet, MTIME_NEVER);
    loop_remove(loop_of(s), &s->watch);
    fd_close(&fd);
    list_remove(&s->link);
    s->entry->console->n_sessions--;
    free(s->out);
    free(s);
}

/* --- writing -------------------------------------------------------------------------------- */

void console_say(struct console_session *s, const char *text, size_t size)
{
    if (s->n_out + size > OUT_MAX) {
        s->closing = s->ended = true;
        return;
    }
    s->out = xrealloc(s->out, s->n_out + size + 1);
    memcpy(s->out + s->n_out, text, size);
    s->n_out += size;
}

static void say(struct console_session *s, const char *text)
{
    console_say(s, text, strlen(text));
}

static void say_banner(struct console_session *s)
{
    /* libvdemgmt finds the version behind "V.". */
    say(s, "VDE switch V." IOTH_VERSION_TEXT
           "\nIoth Fabric, a console of VDE\n" CONSOLE_PROMPT);
}

/* False: the session has ended. */
static bool flush(struct console_session *s)
{
    while (s->n_out > 0) {
        ssize_t n = send(s->watch.fd, s->out, s->n_out, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            memmove(s->out, s->out + n, s->n_out - (size_t)n);
            s->n_out -= (size_t)n;
        }
    }
    return !s->closing && !(s->ended && s->n_in == 0 && s->call == NULL);
}

static void go_on(struct console_session *s);

/* --- calls ---------------------------------------------------------------------------------- */

static struct console_call *call_new(struct console_session *s)
{
    struct console_call *call = xcalloc(1, sizeof(*call));

    call->control = s->entry->console->control;
    call->session = s;
    call->net = s->entry->net;
    perm_who(&s->peer, call->user);
    call->data = open_memstream(&call->text, &call->size);
    if (call->data == NULL)
        abort();
    s->call = call;
    return call;
}

static void call_free(struct console_call *call)
{
    fclose(call->data);
    free(call->text);
    free(call->line);
    free(call);
}

struct view_network *console_net(const struct console_call *call)
{
    return view_network_by_id(call->control->view, call->net);
}

/* Who asked for what, as for requests of the API. */
static void audit(const struct console_call *call, int code)
{
    const struct view_network *net = console_net(call);
    struct node *entry;

    if (call->request.row == NULL || !call->request.row->changes ||
        call->control->audit == NULL)
        return;
    entry = node_map();
    node_set_text(entry, "user", call->user);
    node_set_text(entry, "method", "CONSOLE");
    node_set_text(entry, "path", net != NULL ? net->name : "");
    node_set_text(entry, "line", call->line);
    node_set_int(entry, "status", call->status != 0 ? call->status : code == 0 ? 200 : 400);
    if (code == 0) {
        node_set_int(entry, "revision", (int64_t)store_revision(call->control->store));
        audit_add(call->control->audit, entry);
    } else {
        audit_add_cheap(call->control->audit, entry, loop_now(call->control->loop));
    }
}

void console_answer(struct console_call *call, int code)
{
    struct console_session *s = call->session;
    char last[160];

    audit(call, code);
    fflush(call->data);
    if (s != NULL) {
        s->call = NULL;
        if (call->has_data || call->size > 0) {
            say(s, CONSOLE_DATA);
            console_say(s, call->text, call->size);
            say(s, CONSOLE_DATA_END);
        }
        snprintf(last, sizeof(last), "1%03d %s\n", code,
                 code == 0 ? "Success" : strerror(code));
        say(s, last);
        say(s, CONSOLE_PROMPT);
    }
    call_free(call);
    if (s != NULL)
        go_on(s);
}

/* A line that begins no call has its answer at once. */
static void take_line(struct console_session *s, enum console_read got)
{
    struct console_call *call;

    if (got == CONSOLE_LONG) {
        console_answer(call_new(s), E2BIG);
        return;
    }
    call = call_new(s);
    console_parse(s->reader.line, s->reader.size, &call->request);
    if (call->request.empty) {
        s->call = NULL;
        call_free(call);
        say(s, CONSOLE_PROMPT);
        return;
    }
    if (call->request.row != NULL && call->request.row->command == CONSOLE_LOGOUT) {
        s->call = NULL;
        call_free(call);
        say(s, "9999 END OF SESSION");
        s->closing = true;
        return;
    }
    call->line = xstrdup(call->request.row != NULL ? call->request.row->path : "");
    for (unsigned i = 0; i < call->request.n_args; i++) {
        char *more = xasprintf("%s %s", call->line, call->request.arg[i]);

        free(call->line);
        call->line = more;
    }
    console_run(call);
}

/* --- reading -------------------------------------------------------------------------------- */

/* Lines one after another, while none of them has to wait for its answer. */
static void take_lines(struct console_session *s)
{
    while (s->call == NULL && !s->closing && s->n_in > 0) {
        size_t used;
        enum console_read got = console_reader_feed(&s->reader, s->in, s->n_in, &used);

        memmove(s->in, s->in + used, s->n_in - used);
        s->n_in -= used;
        if (got != CONSOLE_MORE)
            take_line(s, got);
    }
    if (s->ended && s->call == NULL && s->n_in == 0 &&
        console_reader_end(&s->reader) == CONSOLE_LINE)
        take_line(s, CONSOLE_LINE);
}

static bool is_in_line(const struct console_session *s)
{
    return s->n_in == 0 && s->reader.size > 0 && !s->reader.complete;
}

/*
 * Once a call has been answered, or something was read. console_answer() of a line that is answered
 * at once comes here from inside take_lines(): the outer one goes on.
 */
static void go_on(struct console_session *s)
{
    uint32_t events = 0;

    if (s->running)
        return;
    s->running = true;
    take_lines(s);
    s->running = false;
    if (!flush(s)) {
        session_free(s);
        return;
    }
    if (!s->ended && s->n_in < sizeof(s->in) && s->call == NULL)
        events |= EPOLLIN;
    if (s->n_out > 0)
        events |= EPOLLOUT;
    loop_set_events(loop_of(s), &s->watch, events);
    loop_timer_set(loop_of(s), &s->quiet,
                   is_in_line(s) ? loop_now(loop_of(s)) + QUIET : MTIME_NEVER);
}

void console_kick(struct console_session *s)
{
    uint32_t events = s->call == NULL && !s->ended ? EPOLLIN : 0;

    loop_set_events(loop_of(s), &s->watch, events | EPOLLOUT);
}

static void quiet(struct loop_timer *timer, mtime_t now)
{
    struct console_session *s = list_entry(timer, struct console_session, quiet);

    (void)now;
    if (s->call == NULL && console_reader_end(&s->reader) != CONSOLE_MORE) {
        s->running = true;
        take_line(s, s->reader.too_long ? CONSOLE_LONG : CONSOLE_LINE);
        s->running = false;
    }
    go_on(s);
}

static void ready(struct loop_watch *watch, uint32_t events)
{
    struct console_session *s = list_entry(watch, struct console_session, watch);

    if ((events & EPOLLIN) != 0 && s->n_in < sizeof(s->in)) {
        ssize_t n = recv(watch->fd, s->in + s->n_in, sizeof(s->in) - s->n_in, MSG_DONTWAIT);

        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            s->ended = true;
        else if (n > 0)
            s->n_in += (size_t)n;
    } else if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
        session_free(s);
        return;
    }
    go_on(s);
}

/* --- who comes ------------------------------------------------------------------------------ */

static unsigned sessions_of(const struct console *console, uid_t uid)
{
    unsigned n = 0;

    list_for_each (it, &console->entries) {
        const struct console_entry *entry = list_entry(it, struct console_entry, link);

        list_for_each (is, &entry->sessions)
            n += list_entry(is, struct console_session, link)->peer.uid == uid;
    }
    return n;
}

static bool is_welcome(const struct console_entry *entry, const struct fd_peer *peer)
{
    const struct console *console = entry->console;
    const struct view_network *net = view_network_by_id(console->control->view, entry->net);

    return net != NULL && perm_network(peer, net) &&
           console->n_sessions < CONSOLE_SESSIONS &&
           (perm_full(peer) || sessions_of(console, peer->uid) < CONSOLE_PER_USER);
}

static void came(struct door *door, int fd)
{
    struct console_entry *entry = list_entry(door, struct console_entry, door);
    struct console_session *s;
    struct fd_peer peer;

    fd_refuse_rights(fd);
    if (fd_peer_get(fd, &peer) < 0 || !is_welcome(entry, &peer)) {
        close(fd);
        return;
    }
    s = xcalloc(1, sizeof(*s));
    s->entry = entry;
    s->peer = peer;
    s->full = perm_full(&peer);
    s->watch.ready = ready;
    s->watch.fd = -1;
    s->quiet.expired = quiet;
    list_append(&entry->sessions, &s->link);
    entry->console->n_sessions++;
    if (loop_add(loop_of(s), &s->watch, fd, EPOLLIN) < 0) {
        close(fd);
        session_free(s);
        return;
    }
    say_banner(s);
    go_on(s);
}

/* --- life ----------------------------------------------------------------------------------- */

static void entry_free(struct console_entry *entry)
{
    list_for_each_safe (it, &entry->sessions)
        session_free(list_entry(it, struct console_session, link));
    door_close(&entry->door);
    fd_close(&entry->sock);
    list_remove(&entry->link);
    free(entry->names);
    free(entry);
}

static struct console_entry *entry_of(struct console *console, uint64_t net)
{
    struct console_entry *entry;

    list_for_each (it, &console->entries) {
        entry = list_entry(it, struct console_entry, link);
        if (entry->net == net)
            return entry;
    }
    entry = xcalloc(1, sizeof(*entry));
    entry->console = console;
    entry->net = net;
    entry->sock = -1;
    list_init(&entry->sessions);
    list_append(&console->entries, &entry->link);
    return entry;
}

void console_listen(struct console *console, uint64_t net, int sock)
{
    struct console_entry *entry = entry_of(console, net);
    int r;

    door_close(&entry->door);
    fd_close(&entry->sock);
    entry->sock = sock;
    r = door_open(&entry->door, console->control->loop, sock, came);
    if (r < 0)
        log_error("the console of a network cannot be listened on: %s", err_text(r));
}

/* Consoles of networks that are gone go. */
static void changed(struct store_watch *watch, uint64_t revision,
                    const struct store_object *changes, size_t n)
{
    struct console *console = list_entry(watch, struct console, watch);

    (void)revision;
    (void)changes;
    (void)n;
    list_for_each_safe (it, &console->entries) {
        struct console_entry *entry = list_entry(it, struct console_entry, link);

        if (view_network_by_id(console->control->view, entry->net) == NULL)
            entry_free(entry);
    }
}

struct console *console_new(struct control *control)
{
    struct console *console = xcalloc(1, sizeof(*console));

    console->control = control;
    list_init(&console->entries);
    console->watch.changed = changed;
    store_watch_add(control->store, &console->watch);
    return console;
}

void console_free(struct console *console)
{
    if (console == NULL)
        return;
    store_watch_remove(&console->watch);
    list_for_each_safe (it, &console->entries)
        entry_free(list_entry(it, struct console_entry, link));
    free(console);
}
