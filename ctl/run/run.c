/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The launcher of `iothctl run`: makes the node (init.c is inside it), plugs its interfaces in,
 * serves its names, and stays until the program ends. It is the node's only tie to the outside,
 * and keeps the user's own rights, none more.
 */
#include "ctl/run/run.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/run/plan.h"
#include "ctl/run/process.h"
#include "libioth/node/answerer.h"
#include "libioth/node/attach.h"
#include "libioth/node/init.h"
#include "libioth/node/program.h"
#include "proto/base/fd.h"
#include "proto/base/loop.h"

#define READY_SEC 20 /* For the node to be made: a machine under load is slow. */

struct run {
    struct ctl *ctl;
    struct run_plan plan;
    struct init_plan init;
    int channel;
    pid_t node; /* 0 = none. */
    struct answerer answerer;
    char plug_path[LOCATE_PATH_SIZE];
    struct attach attaches[RUN_MAX_NETS];
    struct init_config config; /* As the node has it. */

    struct loop *loop;
    struct loop_watch channel_watch, signal_watch;
    int status; /* Of iothctl. */
};

/* --- making the node --------------------------------------------------------------------- */

static int make_node(struct run *run)
{
    struct err err = {.why = ""};
    int pair[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return ctl_fail(run->ctl, CTL_OURS, "no socket: %s", err_text(errno));
    run->init.n_nets = run->plan.n_nets;
    for (unsigned i = 0; i < run->plan.n_nets; i++)
        run->init.networks[i] = run->plan.nets[i].network;
    run->init.root = run->plan.root;
    run->init.argv = run->plan.argv;
    run->init.output = -1;
    run->init.user = netns_user_self();
    run->init.terminal = program_wants_terminal();
    sigprocmask(SIG_SETMASK, NULL, &run->init.mask);
    (void)fflush(NULL);
    pid = netns_fork(&err);
    if (pid == 0) {
        close(pair[0]);
        init_main(&run->init, pair[1]);
    }
    close(pair[1]);
    run->channel = pair[0];
    if (pid < 0)
        return ctl_fail_err(run->ctl, CTL_OURS, &err);
    run->node = pid;
    if (run->plan.root) {
        const struct init_message mapped = {.kind = INIT_MAPPED};

        if (netns_map_root(pid, run->init.user, &err))
            return ctl_fail_err(run->ctl, CTL_OURS, &err);
        /* Should it have died: the next thing heard of it says so. */
        (void)!init_send(run->channel, &mapped, NULL, 0);
    }
    return 0;
}

/* What the node says if it cannot go on. */
static int node_failed(struct run *run, const struct init_message *message, int r)
{
    if (r)
        return ctl_fail(run->ctl, CTL_OURS, "the node died: %s", err_text(r));
    if (message->kind != INIT_FAILED)
        return ctl_fail(run->ctl, CTL_OURS, "the node said what was not expected");
    return ctl_fail_err(run->ctl, message->code, &message->err);
}

/* Takes the interfaces and the DNS sockets of the node. */
static int await_ready(struct run *run)
{
    struct init_message message = {.kind = 0};
    struct pollfd wait = {.fd = run->channel, .events = POLLIN};
    int fds[FD_PASS_MAX];
    unsigned n_fds = FD_PASS_MAX, n = 0;
    int r;

    do
        r = poll(&wait, 1, READY_SEC * 1000);
    while (r < 0 && errno == EINTR);
    r = r == 0 ? -ETIMEDOUT : init_recv(run->channel, &message, fds, &n_fds);
    if (r || message.kind != INIT_READY)
        return node_failed(run, &message, r);
    if (message.err.why[0])
        ctl_detail(run->ctl, "iothctl: the node's port 53 is taken by its names: %s",
                   message.err.why);
    for (unsigned i = 0; i < run->plan.n_nets && n < n_fds; i++)
        run->attaches[i].tap = fds[n++];
    for (unsigned i = 0; i < DNS_SOCKETS && n < n_fds; i++)
        if (message.sockets[i])
            run->answerer.sockets[i] = fds[n++];
    return 0;
}

/* --- plugging in ------------------------------------------------------------------------- */

static struct netcfg_addr address_of(const struct plug_addr *from)
{
    struct netcfg_addr addr = {.family = from->family, .prefix = from->prefix};

    memcpy(addr.addr, from->addr, sizeof addr.addr);
    return addr;
}

static void configure_net(struct run *run, unsigned i)
{
    const struct plug_reply *reply = &run->attaches[i].reply;
    struct netcfg *net = &run->config.nets[i];

    memset(net, 0, sizeof *net);
    (void)snprintf(net->ifname, sizeof net->ifname, "eth%u", i);
    net->has_mac = true;
    memcpy(net->mac, reply->mac, sizeof net->mac);
    net->mtu = reply->mtu;
    for (unsigned j = 0; j < reply->n_addrs && j < NETCFG_MAX_ADDRS; j++)
        net->addrs[net->n_addrs++] = address_of(&reply->addrs[j]);
    if (i == 0) { /* The first network has the default route. */
        net->gateway4 = address_of(&reply->gateway4);
        net->gateway6 = address_of(&reply->gateway6);
    }
}

static int send_config(struct run *run)
{
    struct init_message message = {.kind = INIT_CONFIG};

    message.config = run->config;
    return init_send(run->channel, &message, NULL, 0);
}

static struct run *run_of(const struct attach *attach)
{
    return attach->aux;
}

/* After a restart, other addresses: the node takes them instead of its old ones. */
static void attach_changed(struct attach *attach)
{
    struct run *run = run_of(attach);
    unsigned i = (unsigned)(attach - run->attaches);
    struct init_config *config = &run->config;

    memset(config->n_gone, 0, sizeof config->n_gone);
    for (unsigned j = 0; j < config->nets[i].n_addrs; j++)
        config->gone[i][config->n_gone[i]++] = config->nets[i].addrs[j];
    configure_net(run, i);
    ctl_note(run->ctl, "iothctl: %s has other addresses on %s now", attach->reply.name,
             attach->request.network);
    (void)!send_config(run);
}

static void attach_refused(struct attach *attach, const struct plug_reply *why)
{
    ctl_note(run_of(attach)->ctl, "iothctl: %s is off %s: %s", attach->reply.name,
             attach->request.network, why->why);
}

int run_plug_path(struct ctl *ctl, char out[LOCATE_PATH_SIZE])
{
    const char *slash = strrchr(ctl->api_path, '/');
    size_t len = slash ? (size_t)(slash - ctl->api_path) + 1 : 0;

    if (len + sizeof "plug.sock" > LOCATE_PATH_SIZE)
        return ctl_fail(ctl, CTL_OURS, "the socket's path is too long");
    memcpy(out, ctl->api_path, len);
    memcpy(out + len, "plug.sock", sizeof "plug.sock");
    return 0;
}

int run_serve_names(struct ctl *ctl, const struct run_plan *plan, struct answerer *answerer)
{
    struct err err = {.why = ""};

    answerer->api_path = ctl->api_path;
    answerer->n_networks = plan->n_nets;
    for (unsigned i = 0; i < plan->n_nets; i++)
        answerer->networks[i] = plan->nets[i].network;
    return answerer_start(answerer, &err) ? ctl_fail_err(ctl, CTL_OURS, &err) : 0;
}

static int plug_in(struct run *run)
{
    struct err err = {.why = ""};

    if (run_plug_path(run->ctl, run->plug_path))
        return CTL_OURS;
    for (unsigned i = 0; i < run->plan.n_nets; i++) {
        struct attach *attach = &run->attaches[i];

        attach->plug_path = run->plug_path;
        attach->aux = run;
        attach->changed = attach_changed;
        attach->refused = attach_refused;
        attach->request = run_plan_request(&run->plan, i, PLUG_TAP);
        attach->request.node_pid = (uint32_t)run->node;
        if (attach_first(attach, &err))
            return ctl_fail_err(run->ctl, CTL_OURS, &err);
        configure_net(run, i);
    }
    run->config.n_nets = run->plan.n_nets;
    memcpy(run->config.hostname, run->attaches[0].reply.name, sizeof run->config.hostname);
    if (send_config(run))
        return ctl_fail(run->ctl, CTL_OURS, "the node died");
    return 0;
}

static void end_process(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* --- while it runs ----------------------------------------------------------------------- */

static void send_signal(const struct run *run, int kind, int code)
{
    const struct init_message message = {.kind = kind, .code = code};

    (void)!init_send(run->channel, &message, NULL, 0);
}

/*
 * The program, a job of its own, was stopped from the terminal: so are we, for the shell that
 * started us; when it lets us go on, so does the program. Without a shell to do that, the stop
 * does not happen to us, and the program goes on at once.
 */
static void stop_with_it(const struct run *run, int signal)
{
    program_give_terminal(0);
    kill(getpid(), signal == SIGSTOP ? SIGSTOP : SIGTSTP);
    send_signal(run, INIT_RESUME, tcgetpgrp(0) == getpgrp());
}

static void channel_ready(struct loop_watch *watch, uint32_t events)
{
    struct run *run = list_entry(watch, struct run, channel_watch);
    struct init_message message = {.kind = 0};
    int r = init_recv(run->channel, &message, NULL, NULL);

    (void)events;
    if (r == 0 && message.kind == INIT_STARTED)
        return;
    if (r == 0 && message.kind == INIT_STOPPED) {
        if (run->init.terminal)
            stop_with_it(run, message.code);
        return;
    }
    run->status = r == 0 && message.kind == INIT_EXITED ? program_status(message.code)
                                                        : node_failed(run, &message, r);
    loop_stop(run->loop);
}

static void signal_ready(struct loop_watch *watch, uint32_t events)
{
    const struct run *run = list_entry(watch, struct run, signal_watch);
    struct signalfd_siginfo info;

    (void)events;
    if (read(watch->fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    /* What the terminal sends goes to the whole job: the program has it already. */
    if (info.ssi_code == SI_KERNEL && !run->init.terminal)
        return;
    send_signal(run, INIT_SIGNAL, (int)info.ssi_signo);
}

static int serve(struct run *run)
{
    sigset_t signals = program_signals();
    int fd, r = 0;

    sigprocmask(SIG_BLOCK, &signals, NULL);
    fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    run->loop = loop_new();
    if (fd < 0 || !run->loop)
        return ctl_fail(run->ctl, CTL_OURS, "cannot wait for events: %s", err_text(errno));
    run->channel_watch.ready = channel_ready;
    run->signal_watch.ready = signal_ready;
    r = loop_add(run->loop, &run->channel_watch, run->channel, EPOLLIN);
    if (r == 0)
        r = loop_add(run->loop, &run->signal_watch, fd, EPOLLIN);
    for (unsigned i = 0; i < run->plan.n_nets && r == 0; i++)
        r = attach_keep(&run->attaches[i], run->loop);
    if (r)
        return ctl_fail(run->ctl, CTL_OURS, "cannot wait for events: %s", err_text(r));
    answerer_keep(&run->answerer, run->loop);
    loop_run(run->loop);
    return run->status;
}

/* Unplugs first, since a name may be used again as soon as we are gone, and waits last. */
static void finish(struct run *run)
{
    if (run->init.terminal)
        program_give_terminal(0);
    for (unsigned i = 0; i < run->plan.n_nets; i++)
        attach_hang_up(&run->attaches[i]);
    answerer_done(&run->answerer);
    end_process(run->node);
    for (unsigned i = 0; i < run->plan.n_nets; i++)
        attach_done(&run->attaches[i]);
    fd_close(&run->channel);
    loop_free(run->loop);
}

static int launch(struct run *run)
{
    /* The node is made while the daemon is looked for. */
    int status = make_node(run);

    if (status == 0 && ctl_connect(run->ctl))
        status = CTL_OURS;
    if (status == 0)
        status = await_ready(run);
    if (status == 0)
        status = plug_in(run);
    if (status == 0)
        status = run_serve_names(run->ctl, &run->plan, &run->answerer);
    return status ? status : serve(run);
}

int run_main(struct ctl *ctl, const struct args *args)
{
    struct run run = {.ctl = ctl, .channel = -1};
    struct err err = {.why = ""};
    int status;

    program_hold_standard();
    if (run_plan_read(args, &run.plan, &err))
        return ctl_fail_err(ctl, CTL_OURS, &err);
    if (run.plan.lwip)
        return process_main(ctl, &run.plan);
    for (unsigned i = 0; i < RUN_MAX_NETS; i++)
        run.attaches[i].tap = run.attaches[i].watch.fd = -1;
    answerer_init(&run.answerer);
    status = launch(&run);
    finish(&run);
    return status;
}
