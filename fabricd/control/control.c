/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control process: puts its parts together, and sorts what the parent and the switch say.
 *
 * Order of a start: IPC_START, the store, the replay of what the data path has, the identity
 * (which asks the parent for the keys), and then the doors: API and plug server. Until these are
 * open, clients wait in the sockets' queues.
 */
#include "fabricd/control/control.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/api.h"
#include "fabricd/control/audit/audit.h"
#include "fabricd/control/blocks/blocks.h"
#include "fabricd/control/console/console.h"
#include "fabricd/control/context.h"
#include "fabricd/control/events/events.h"
#include "fabricd/control/fabric/fabric.h"
#include "fabricd/control/homes/homes.h"
#include "fabricd/control/identity/identity.h"
#include "fabricd/control/migrate/migrate.h"
#include "fabricd/control/observe/observe.h"
#include "fabricd/control/plugd/plugd.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/seen/seen.h"
#include "fabricd/control/services/services.h"
#include "fabricd/control/tokens/failures.h"
#include "fabricd/control/trial/part.h"
#include "fabricd/control/trial/settling.h"
#include "fabricd/control/trial/standing.h"
#include "fabricd/control/view/view.h"
#include "fabricd/tree/tree.h"
#include "proto/base/err.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

/* The first four come with every start; the others where the API is asked for over TCP. */
enum {
    START_SWITCH,
    START_API,
    START_PLUG,
    START_KEEP,
    START_TCP,
    START_CERT,
    START_KEY,
    START_N
};

#define COMPARE_AFTER (500 * MTIME_MS)

struct compare {
    struct loop_timer due;
    uint32_t *ids; /* Ports that the switch should know. */
    size_t n, room;
};

struct process {
    struct control control;
    struct compare compare;
    int sockets[START_N]; /* From IPC_START until their parts have them. */
    int status;
};

static struct process *process_of(struct control *control)
{
    return list_entry(control, struct process, control);
}

static void fail(struct control *control, const char *what, const struct err *err)
{
    log_error("%s: %s", what, err->why);
    process_of(control)->status = 1;
    loop_stop(control->loop);
}

/* --- the doors ------------------------------------------------------------------------------ */

/* A daemon that is started says what is wrong and ends; one that runs goes on without. */
static bool open_tcp(struct process *p)
{
    struct control *control = &p->control;
    struct err err = {.why = ""};
    int sock = p->sockets[START_TCP];
    int r;

    p->sockets[START_TCP] = -1;
    r = api_open_tcp(control->api, sock, p->sockets[START_CERT], p->sockets[START_KEY],
                     &err);
    fd_close(&p->sockets[START_CERT]);
    fd_close(&p->sockets[START_KEY]);
    if (r == 0)
        return true;
    if (!control->start.adopted)
        fail(control, "cannot serve the API over TCP", &err);
    else
        log_error("the API is not served over TCP: %s", err.why);
    return control->start.adopted;
}

static void open_doors(struct control *control)
{
    struct process *p = process_of(control);
    struct err err = {.why = ""};

    control->plugd = plugd_new(control, p->sockets[START_PLUG], &err);
    p->sockets[START_PLUG] = -1;
    if (control->plugd != NULL)
        control->api = api_new(control, p->sockets[START_API], &err);
    p->sockets[START_API] = -1;
    if (control->api == NULL) {
        fail(control, "cannot serve", &err);
        return;
    }
    if (p->sockets[START_TCP] >= 0 && !open_tcp(p))
        return;
    plugd_start(control->plugd);
    log_debug("serving host %s", control_host(control));
}

/* Both the replay and the identity have come. */
static void begin_if_ready(struct control *control)
{
    struct err err = {.why = ""};

    if (!reconcile_ready(control->reconcile))
        return;
    if (control->member == NULL && member_start(control, &err) < 0) {
        fail(control, "membership cannot begin", &err);
        return;
    }
    reconcile_kick(control->reconcile);
    homes_teller_again(control->homes);
    services_kick(control->services);
    blocks_kick(control->blocks);
    standing_start(control->standing);
    part_start(control->part);
    if (control->api == NULL)
        open_doors(control);
}

void control_founder_back(struct control *control)
{
    blocks_kick(control->blocks);
    part_noticed(control->part);
    if (control->plugd != NULL)
        plugd_founder_back(control->plugd);
}

/* --- the switch ----------------------------------------------------------------------------- */

static void end_if_alone(struct control *control)
{
    if (chan_up(&control->parent) || chan_up(&control->switch_))
        return;
    log_info("the parent and the switch are gone, ending");
    loop_stop(control->loop);
}

static void port_gone(struct control *control, const struct ipc_port_gone *gone)
{
    const struct ipc_port *have = reconcile_port_by_id(control->reconcile, gone->id);
    struct ipc_port port;

    if (have == NULL)
        return;
    port = *have;
    reconcile_port_gone(control->reconcile, gone->id);
    if (control->plugd != NULL)
        plugd_port_gone(control->plugd, &port);
}

/*
 * Ports that the switch does not have, though it has had the time to: their end was told to
 * nobody. Looked for whenever a channel to the switch or the parent is new. Ports reach the switch
 * through the parent, so one that was put a moment ago may be on its way still; only those that
 * were there COMPARE_AFTER before the question count.
 */
static bool remember_port(void *aux, const struct ipc_port *port)
{
    struct compare *c = aux;

    if (c->n == c->room) {
        c->room = c->room * 2 + 16;
        c->ids = xrealloc(c->ids, c->room * sizeof(*c->ids));
    }
    c->ids[c->n++] = port->id;
    return true;
}

static void compare_soon(struct control *control)
{
    struct compare *c = &process_of(control)->compare;

    c->n = 0;
    reconcile_each_port(control->reconcile, remember_port, c);
    loop_timer_set(control->loop, &c->due, loop_now(control->loop) + COMPARE_AFTER);
}

static void compare_ports(void *aux, const struct stats *stats)
{
    struct control *control = aux;
    struct compare *c = &process_of(control)->compare;

    for (size_t i = 0; stats->complete && i < c->n; i++) {
        struct ipc_port_gone gone = {.id = c->ids[i]};

        if (stats_port(stats, gone.id) == NULL)
            port_gone(control, &gone);
    }
}

static void compare_due(struct loop_timer *timer, mtime_t now)
{
    struct process *p = list_entry(timer, struct process, compare.due);

    (void)now;
    observe_stats(p->control.observe, 0, IPC_STATS_PORTS, compare_ports, &p->control);
}

/* Statistics of the links tell the state of the peers in passing. */
static void peers_told(void *aux, const struct stats *stats)
{
    (void)aux;
    (void)stats;
}

static void new_parent(struct control *control, struct ipc_message *msg);

static void from_switch(struct chan *chan, struct ipc_message *msg)
{
    struct control *control = chan->aux;
    const struct member_ops *member = control->member_ops;

    switch (msg->head.type) {
    case IPC_PORT_GONE:
        port_gone(control, &msg->body.port_gone);
        break;
    case IPC_PORT_NEW:
        reconcile_learn(control->reconcile, msg);
        break;
    case IPC_PEER_STATE:
        observe_peer_state(control->observe, &msg->body.peer_state);
        if (member != NULL)
            member->peer_state(control, &msg->body.peer_state);
        break;
    case IPC_NOTICE:
        events_notice(control, &msg->body.notice);
        break;
    case IPC_TREE_EVENT:
        if (msg->body.tree_event.event == TREE_EVENT_HEARD)
            reconcile_heard(control->reconcile, msg->body.tree_event.net,
                            msg->body.tree_event.port);
        events_tree(control, &msg->body.tree_event);
        break;
    case IPC_STREAM_IN:
        if (member != NULL)
            member->stream_in(control, &msg->body.stream);
        break;
    case IPC_STREAM_ROOM:
        if (member != NULL)
            member->stream_room(control, msg->body.stream_room.conn);
        break;
    case IPC_JOINING:
        if (member != NULL)
            member->joining(control, &msg->body.joining);
        break;
    case IPC_PARENT:
        new_parent(control, msg);
        break;
    default:
        log_debug("message %s of the switch is not for control",
                  ipc_type_name(msg->head.type));
        break;
    }
}

static void switch_lost(struct chan *chan)
{
    struct control *control = chan->aux;

    if (control->stopping)
        return;
    log_warn("the switch process is away");
    control->switch_pid = 0;
    observe_forget_peers(control->observe);
    end_if_alone(control);
}

static void use_switch(struct control *control, int sock)
{
    bool again = control->switch_.loop != NULL;

    chan_close(&control->switch_);
    control->switch_ = (struct chan){
        .message = from_switch, .lost = switch_lost, .aux = control, .watch.fd = -1};
    if (chan_open(&control->switch_, control->loop, sock) < 0) {
        log_error("the channel to the switch cannot be watched");
        return;
    }
    observe_forget_peers(control->observe);
    observe_stats(control->observe, 0, IPC_STATS_LINKS, peers_told, control);
    homes_teller_again(control->homes);
    if (again)
        compare_soon(control);
    if (again && control->member_ops != NULL)
        control->member_ops->switch_restarted(control);
}

/* --- the parent ----------------------------------------------------------------------------- */

static int take_fd(struct ipc_message *msg, unsigned i)
{
    int fd = i < msg->n_fds ? msg->fds[i] : -1;

    if (fd >= 0)
        msg->fds[i] = -1;
    return fd;
}

static void note_pids(struct control *control, const struct ipc_pids *pids)
{
    control->parent_pid = (pid_t)pids->parent;
    control->switch_pid = (pid_t)pids->switch_;
}

static void start(struct control *control, struct ipc_message *msg)
{
    struct process *p = process_of(control);
    struct err err = {.why = ""};
    const char *url;
    char *folder;
    int r;

    if (control->store != NULL ||
        msg->n_fds != (unsigned)START_TCP + msg->body.start.api_fds) {
        log_error("a second start is refused");
        return;
    }
    control->start = msg->body.start;
    note_pids(control, &msg->body.start.pids);
    url = control->start.store[0] != '\0' ? control->start.store : "sqlite:";
    folder = xasprintf("%s/" IPC_STORE_FOLDER, control->start.state_dir);
    r = store_open(url, folder, &control->store, &err);
    free(folder);
    if (r < 0) {
        fail(control, "cannot open the store", &err);
        return;
    }
    control->events = events_new(control);
    control->view = view_new(control->store, &err);
    if (control->view == NULL) {
        fail(control, "cannot open the store", &err);
        return;
    }
    control->observe = observe_new(control);
    control->seen = seen_new();
    control->reconcile = reconcile_new(control);
    control->homes = homes_teller_new(control);
    control->migrate = migrate_new(control);
    control->blocks = blocks_new(control);
    control->console = console_new(control);
    control->standing = standing_new(control);
    control->settling = settling_new(control);
    control->part = part_new(control);
    control->failures = failures_new();
    folder = xasprintf("%s/" IPC_API_FOLDER, control->start.state_dir);
    control->audit = audit_new(folder);
    free(folder);
    for (unsigned i = 0; i < msg->n_fds; i++)
        p->sockets[i] = take_fd(msg, i);
    control->services = services_new(control, p->sockets[START_KEEP], &err);
    p->sockets[START_KEEP] = -1;
    if (control->services == NULL) {
        fail(control, "cannot keep services", &err);
        return;
    }
    use_switch(control, p->sockets[START_SWITCH]);
    p->sockets[START_SWITCH] = -1;
    identity_start(control, begin_if_ready);
}

static void from_parent(struct chan *chan, struct ipc_message *msg)
{
    struct control *control = chan->aux;

    if (msg->head.type == IPC_STOP) {
        control->stopping = true;
        loop_stop(control->loop);
        return;
    }
    if (msg->head.type == IPC_START) {
        start(control, msg);
        return;
    }
    if (control->store == NULL)
        return;
    if (msg->head.type == IPC_SERVICE) {
        services_learn(control->services, &msg->body.service);
    } else if (msg->head.type == IPC_SERVICE_GONE) {
        services_gone(control->services, &msg->body.service);
    } else if (msg->head.type <= IPC_STATE_LAST) {
        reconcile_learn(control->reconcile, msg);
    } else if (msg->head.type == IPC_REPLAY_END) {
        reconcile_replayed(control->reconcile);
        compare_soon(control);
        begin_if_ready(control);
    } else if (msg->head.type == IPC_CHANNEL) {
        note_pids(control, &msg->body.pids);
        use_switch(control, take_fd(msg, 0));
    } else {
        log_debug("message %s of the parent is not for control",
                  ipc_type_name(msg->head.type));
    }
}

static void parent_lost(struct chan *chan)
{
    struct control *control = chan->aux;

    if (control->stopping)
        return;
    if (control->store == NULL) {
        loop_stop(control->loop);
        return;
    }
    log_warn(
        "the parent process is away: the switch goes on until fabricd is started again");
    control->parent_pid = 0;
    end_if_alone(control);
}

static int use_parent(struct control *control, int sock)
{
    chan_close(&control->parent);
    control->parent = (struct chan){
        .message = from_parent, .lost = parent_lost, .aux = control, .watch.fd = -1};
    return chan_open(&control->parent, control->loop, sock);
}

/* A parent that has adopted the switch. What we told the last one on its last breath may be
 * lost: all is said again. */
static void new_parent(struct control *control, struct ipc_message *msg)
{
    note_pids(control, &msg->body.pids);
    if (use_parent(control, take_fd(msg, 0)) < 0) {
        log_error("the channel to the new parent cannot be watched");
        return;
    }
    log_info("adopted by a new parent, pid %d", (int)control->parent_pid);
    reconcile_forget(control->reconcile);
    services_kick(control->services);
    compare_soon(control);
}

/* --- life ----------------------------------------------------------------------------------- */

static void clean_up(struct process *p)
{
    struct control *control = &p->control;

    control->stopping = true;
    /* Who waits for an answer of the others is told, while all that it needs is still there. */
    chan_close(&control->parent);
    chan_close(&control->switch_);
    if (control->reconcile != NULL)
        reconcile_stop(control->reconcile);
    standing_stop(control->standing);
    member_free(control->member);
    api_free(control->api);
    console_free(control->console);
    plugd_free(control->plugd);
    services_free(control->services);
    blocks_free(control->blocks);
    migrate_free(control->migrate);
    homes_teller_free(control->homes);
    standing_free(control->standing);
    part_free(control->part);
    reconcile_free(control->reconcile);
    observe_free(control->observe);
    settling_free(control->settling);
    seen_free(control->seen);
    events_free(control->events);
    failures_free(control->failures);
    audit_free(control->audit);
    view_free(control->view);
    store_close(control->store);
    for (unsigned i = 0; i < START_N; i++)
        fd_close(&p->sockets[i]);
    loop_free(control->loop);
}

int control_main(int parent_channel)
{
    struct process p = {.sockets = {-1, -1, -1, -1, -1, -1, -1}};
    struct control *control = &p.control;

    control->parent.watch.fd = control->switch_.watch.fd = -1;
    list_init(&control->in_flight);
    p.compare.due.expired = compare_due;
    control->loop = loop_new();
    if (control->loop == NULL || sodium_init() < 0) {
        log_error("cannot start: %s", err_text(errno));
        return 1;
    }
    if (use_parent(control, parent_channel) < 0) {
        log_error("the parent's channel cannot be watched");
        return 1;
    }
    loop_run(control->loop);
    clean_up(&p);
    return p.status;
}
