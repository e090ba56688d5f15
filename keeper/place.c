/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper/place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libioth/node/program.h"
#include "proto/base/fd.h"
#include "proto/wire/frame.h"

#define READ_SIZE 16384

/* --- what the program writes ------------------------------------------------------------- */

/* False at the end of it. */
static bool copy_output(struct place *p)
{
    char data[READ_SIZE];
    ssize_t n = read(p->pipe, data, sizeof data);

    if (n > 0)
        output_write(p->output, data, (size_t)n);
    return n > 0;
}

static void pipe_ready(struct loop_watch *watch, uint32_t events)
{
    struct place *p = list_entry(watch, struct place, pipe_watch);

    (void)events;
    if (!copy_output(p) && errno != EAGAIN) {
        loop_remove(p->loop, watch);
        watch->fd = -1;
    }
}

/* --- its end ----------------------------------------------------------------------------- */

static void unwatch(struct place *p, struct loop_watch *watch, int *fd)
{
    loop_remove(p->loop, watch);
    watch->fd = -1;
    fd_close(fd);
}

void place_clear(struct place *p)
{
    if (p->pid > 0) {
        kill(p->pid, SIGKILL);
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        p->pid = 0;
        if (p->own_group[0])
            group_remove(p->own_group, p->name);
    }
    /* All that could write is dead. */
    while (p->pipe >= 0 && copy_output(p))
        ;
    unwatch(p, &p->channel_watch, &p->channel);
    unwatch(p, &p->pipe_watch, &p->pipe);
    answerer_done(&p->answerer);
    answerer_init(&p->answerer);
    attach_drop(&p->attach);
    p->plugged = p->up = false;
}

static void ended(struct place *p, int status, const char *why)
{
    char text[sizeof((struct err *)0)->why];

    (void)snprintf(text, sizeof text, "%s", why);
    place_clear(p);
    p->ops->ended(p, status, text);
}

/* --- plugging in ------------------------------------------------------------------------- */

static struct place *place_of(const struct attach *attach)
{
    return attach->aux;
}

static void configure(struct place *p)
{
    const struct plug_reply *reply = &p->attach.reply;
    struct netcfg *net = &p->config.nets[0];

    memset(&p->config, 0, sizeof p->config);
    p->config.n_nets = 1;
    memcpy(p->config.hostname, reply->name, sizeof p->config.hostname);
    memcpy(net->ifname, "eth0", sizeof "eth0");
    net->has_mac = true;
    memcpy(net->mac, reply->mac, sizeof net->mac);
    net->mtu = reply->mtu;
    for (unsigned i = 0; i < reply->n_addrs && i < NETCFG_MAX_ADDRS; i++) {
        struct netcfg_addr *a = &net->addrs[net->n_addrs++];

        a->family = reply->addrs[i].family;
        a->prefix = reply->addrs[i].prefix;
        memcpy(a->addr, reply->addrs[i].addr, sizeof a->addr);
    }
    net->gateway4 = p->spec->gateway4;
    net->gateway6 = p->spec->gateway6;
}

/* The first time, the program starts; later the daemon was restarted, and gave other addresses:
 * then the object is another one as well, and control tells. */
static void plug_granted(struct attach *attach)
{
    struct place *p = place_of(attach);
    struct init_message message = {.kind = INIT_CONFIG};
    struct err err = {.why = ""};

    if (p->plugged)
        return;
    p->plugged = true;
    configure(p);
    message.config = p->config;
    if (answerer_start(&p->answerer, &err) == 0)
        answerer_keep(&p->answerer, p->loop);
    else
        output_note(p->output, "names are not answered: %s", err.why);
    /* Should the node have died: its channel says so. */
    (void)!init_send(p->channel, &message, NULL, 0);
}

static void plug_refused(struct attach *attach, const struct plug_reply *why)
{
    struct place *p = place_of(attach);

    p->ops->refused(p, why->why);
}

static void plug_in(struct place *p, int tap)
{
    const struct spec *s = p->spec;

    p->attach = (struct attach){
        .aux = p,
        .plug_path = p->plug_path,
        .tap = tap,
        .changed = plug_granted,
        .refused = plug_refused,
        .request = {.kind = PLUG_TAP,
                    .flags = PLUG_ENDPOINT | PLUG_SERVICE,
                    .vlan = s->vlan,
                    .n_addrs = (uint8_t)s->n_addrs,
                    .caps = FRAME_CAP_CSUM | FRAME_CAP_TSO4 | FRAME_CAP_TSO6,
                    .node_pid = (uint32_t)p->pid},
    };
    memcpy(p->attach.request.network, s->network, sizeof s->network);
    (void)snprintf(p->attach.request.name, sizeof p->attach.request.name, "%s", p->name);
    memcpy(p->attach.request.mac, s->mac, sizeof s->mac);
    memcpy(p->attach.request.addrs, s->addrs, sizeof s->addrs);
    attach_start(&p->attach, p->loop);
}

/* --- what the node says ------------------------------------------------------------------ */

static void ready(struct place *p, const struct init_message *message, int *fds,
                  unsigned n_fds)
{
    unsigned n = 0;

    if (n_fds == 0) {
        ended(p, -1, "the node has no interface");
        return;
    }
    for (unsigned i = 0; i < DNS_SOCKETS && n + 1 < n_fds; i++)
        if (message->sockets[i])
            p->answerer.sockets[i] = fds[++n];
    plug_in(p, fds[0]);
}

static void how_it_ended(const struct place *p, int status, char *why, size_t size)
{
    if (!WIFSIGNALED(status))
        (void)snprintf(why, size, "exit status %d", WEXITSTATUS(status));
    else
        (void)snprintf(why, size, "signal %d (%s)%s", WTERMSIG(status),
                       strsignal(WTERMSIG(status)),
                       WTERMSIG(status) == SIGKILL && p->own_group[0] &&
                               group_out_of_memory(p->own_group, p->name)
                           ? ", limits.memory is used up"
                           : "");
}

static void channel_ready(struct loop_watch *watch, uint32_t events)
{
    struct place *p = list_entry(watch, struct place, channel_watch);
    struct init_message message = {.kind = 0};
    int fds[FD_PASS_MAX];
    unsigned n_fds = FD_PASS_MAX;
    int r = init_recv(p->channel, &message, fds, &n_fds);

    (void)events;
    if (r < 0) {
        ended(p, -1, "the node died");
    } else if (message.kind == INIT_READY) {
        ready(p, &message, fds, n_fds);
    } else if (message.kind == INIT_STARTED) {
        p->up = true;
        p->ops->started(p);
    } else if (message.kind == INIT_FAILED) {
        ended(p, -1, message.err.why);
    } else if (message.kind == INIT_EXITED) {
        char why[80];

        how_it_ended(p, message.code, why, sizeof why);
        ended(p, message.code, why);
    }
}

/* --- its beginning ----------------------------------------------------------------------- */

void place_init(struct place *p)
{
    p->pid = 0;
    p->channel = p->pipe = p->channel_watch.fd = p->pipe_watch.fd = -1;
    p->attach.tap = p->attach.watch.fd = -1;
    p->channel_watch.ready = channel_ready;
    p->pipe_watch.ready = pipe_ready;
    answerer_init(&p->answerer);
}

/* In the first process: what the keeper has open is none of the node's business. */
_Noreturn static void node_main(struct place *p, int channel)
{
    int keep[2] = {channel, p->plan.output};

    fd_close_others(keep, 2);
    init_main(&p->plan, channel);
}

static int fork_node(struct place *p, int output, struct err *err)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, -errno, "no socket: %s", err_text(errno));
    p->plan.output = output;
    p->plan.user = netns_user_self();
    sigemptyset(&p->plan.mask);
    p->pid = netns_fork(err);
    if (p->pid == 0)
        node_main(p, pair[1]);
    fd_close(&pair[1]);
    p->channel = pair[0];
    if (p->pid < 0) {
        int r = (int)p->pid;

        p->pid = 0;
        return r;
    }
    return 0;
}

int place_take(struct place *p, const struct spec *s, char **environment, struct err *err)
{
    bool limited = s->memory > 0 || s->cpu > 0 || s->processes > 0;
    int ends[2];
    int r;

    p->spec = s;
    p->own_group[0] = '\0';
    p->plan = (struct init_plan){.n_nets = 1,
                                 .networks = {s->network},
                                 .argv = s->argv,
                                 .environment = environment,
                                 .folder = s->folder};
    p->answerer.api_path = p->api_path;
    p->answerer.networks[0] = s->network;
    p->answerer.n_networks = 1;
    if (limited && (r = group_own(p->own_group, err)) < 0)
        return r;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, -errno, "no pipe: %s", err_text(errno));
    p->pipe = ends[0];
    r = fd_set_nonblock(p->pipe);
    if (r == 0)
        r = fork_node(p, ends[1], err);
    fd_close(&ends[1]);
    if (r == 0 && limited)
        r = group_enter(p->own_group, p->name, s, p->pid, err);
    if (r == 0)
        r = loop_add(p->loop, &p->channel_watch, p->channel, EPOLLIN);
    if (r == 0)
        r = loop_add(p->loop, &p->pipe_watch, p->pipe, EPOLLIN);
    if (r < 0)
        place_clear(p);
    return r;
}

void place_terminate(struct place *p)
{
    const struct init_message message = {.kind = INIT_SIGNAL, .code = SIGTERM};

    if (!p->up)
        place_kill(p);
    else
        (void)!init_send(p->channel, &message, NULL, 0);
}

void place_kill(struct place *p)
{
    if (p->pid > 0)
        kill(p->pid, SIGKILL);
}
