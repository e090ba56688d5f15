/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/run/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/run/place.h"
#include "ctl/run/run.h"
#include "ctl/run/start.h"
#include "ctl/run/suits.h"
#include "libioth/node/answerer.h"
#include "libioth/node/program.h"
#include "proto/base/fd.h"
#include "proto/base/loop.h"

#define PRELOAD   "libioth-preload.so"
#define ENV_SIZE  4096
#define ENDS_MAX  100 /* Rounds of ending what is left: each ends a generation. */
#define CHILD_MAX 512

struct process {
    struct ctl *ctl;
    const struct run_plan *plan;
    char name[PLACE_NAME_SIZE]; /* Of our sockets, abstract. */
    char plug_path[LOCATE_PATH_SIZE];
    struct place places[RUN_MAX_NETS];
    struct answerer answerer;
    struct start start;
    pid_t program;

    struct loop *loop;
    struct loop_watch signals;
    int status;
};

/* --- plugging in --------------------------------------------------------------------------- */

static struct process *process_of(const struct attach *attach)
{
    return attach->aux;
}

/* The stack keeps what it had: there is no telling it. */
static void changed(struct attach *attach)
{
    ctl_note(
        process_of(attach)->ctl,
        "iothctl: %s has other addresses on %s now: the program has to be started again",
        attach->reply.name, attach->request.network);
}

static void refused(struct attach *attach, const struct plug_reply *why)
{
    ctl_note(process_of(attach)->ctl, "iothctl: %s is off %s: %s", attach->reply.name,
             attach->request.network, why->why);
}

static int plug_in(struct process *p)
{
    struct err err = {.why = ""};
    unsigned long long random[2];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return ctl_fail(p->ctl, CTL_OURS, "no randomness");
    (void)snprintf(p->name, sizeof p->name, "ioth-run-%016llx%016llx", random[0],
                   random[1]);
    if (run_plug_path(p->ctl, p->plug_path))
        return CTL_OURS;
    for (unsigned i = 0; i < p->plan->n_nets; i++) {
        struct place *place = &p->places[i];

        place->with_gateway = i == 0;
        place->attach.plug_path = p->plug_path;
        place->attach.aux = p;
        place->attach.changed = changed;
        place->attach.refused = refused;
        place->attach.request = run_plan_request(p->plan, i, PLUG_RING);
        if (place_take(place, p->name, i, &err))
            return ctl_fail_err(p->ctl, CTL_OURS, &err);
    }
    return 0;
}

/* The daemon's names, for the preloaded library. */
static int serve_names(struct process *p)
{
    int fd = place_listen(p->name, "names", SOCK_STREAM);

    if (fd < 0)
        return ctl_fail(p->ctl, CTL_OURS, "no socket: %s", err_text(fd));
    p->answerer.sockets[DNS_TCP4] = fd;
    return run_serve_names(p->ctl, p->plan, &p->answerer);
}

/* --- the program --------------------------------------------------------------------------- */

/* The library, beside this program as it was installed or built. */
static bool find_preload(char out[PATH_MAX])
{
    static const char *const beside[] = {"../libioth", "../" IOTH_LIBDIR};
    char self[PATH_MAX], path[2 * PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    self[n > 0 ? n : 0] = '\0';
    if (strrchr(self, '/'))
        *strrchr(self, '/') = '\0';
    for (unsigned i = 0; n > 0 && i < sizeof beside / sizeof *beside; i++) {
        (void)snprintf(path, sizeof path, "%s/%s/" PRELOAD, self, beside[i]);
        if (realpath(path, out) && access(out, R_OK) == 0)
            return true;
    }
    return realpath(IOTH_FULL_LIBDIR "/" PRELOAD, out) && access(out, R_OK) == 0;
}

static void add(char out[ENV_SIZE], const char *word)
{
    size_t len = strlen(out);

    (void)snprintf(out + len, ENV_SIZE - len, "%s%s", len ? " " : "", word);
}

static void describe(const struct process *p, char nets[ENV_SIZE], char addrs[ENV_SIZE])
{
    char word[PLUG_NAME_SIZE + 16], text[INET6_ADDRSTRLEN];

    nets[0] = addrs[0] = '\0';
    for (unsigned i = 0; i < p->plan->n_nets; i++) {
        const struct run_net *net = &p->plan->nets[i];
        const struct plug_reply *reply = &p->places[i].attach.reply;

        (void)snprintf(word, sizeof word, net->vlan ? "%s:%u" : "%s", net->network,
                       net->vlan);
        add(nets, word);
        for (unsigned j = 0; j < reply->n_addrs; j++) {
            const struct plug_addr *a = &reply->addrs[j];

            if (!inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->addr, text, sizeof text))
                continue;
            (void)snprintf(word, sizeof word, "%s/%u", text, a->prefix);
            add(addrs, word);
        }
    }
}

static int set_environment(const struct process *p, const char *preload)
{
    const char *before = getenv("LD_PRELOAD");
    char nets[ENV_SIZE], addrs[ENV_SIZE], node[PLUG_NAME_SIZE + PLACE_NAME_SIZE + 1];
    char *both = NULL;
    int r = 0;

    describe(p, nets, addrs);
    (void)snprintf(node, sizeof node, "%s@%s", p->places[0].attach.reply.name, p->name);
    if (before && *before && asprintf(&both, "%s:%s", preload, before) < 0)
        return ctl_fail(p->ctl, CTL_OURS, "no memory");
    if (setenv("LD_PRELOAD", both ? both : preload, 1) < 0 ||
        setenv("IOTH_STACK", p->plan->stack, 1) < 0 || setenv("IOTH_NET", nets, 1) < 0 ||
        setenv("IOTH_ADDR", addrs, 1) < 0 || setenv("IOTH_NODE", node, 1) < 0)
        r = ctl_fail(p->ctl, CTL_OURS, "no memory");
    free(both);
    return r;
}

static int confine(void *aux, struct err *err)
{
    (void)aux;
    return suits_confine(err);
}

static int check(struct process *p, char preload[PATH_MAX])
{
    struct err err = {.why = ""};

    if (!find_preload(preload))
        return ctl_fail(p->ctl, CTL_OURS, PRELOAD " is not installed beside iothctl");
    if (strpbrk(preload, " :"))
        return ctl_fail(p->ctl, CTL_OURS, "%s: the loader takes no spaces and colons here",
                        preload);
    if (suits_check(p->plan->argv[0], &err))
        return ctl_fail_err(p->ctl, CTL_OURS, &err);
    return 0;
}

/* --- while it runs ------------------------------------------------------------------------- */

/* Our children, but those that are not of the program. */
static unsigned orphans(const struct process *p, pid_t out[CHILD_MAX])
{
    char path[64];
    unsigned n = 0;
    long pid;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    f = fopen(path, "re");
    while (f && n < CHILD_MAX && fscanf(f, "%ld", &pid) == 1)
        if (pid != p->answerer.pid)
            out[n++] = (pid_t)pid;
    if (f)
        (void)fclose(f);
    return n;
}

/* What the program has left without a parent is ours, and not waited for by anybody else. */
static void reap_orphans(const struct process *p)
{
    pid_t pids[CHILD_MAX];
    unsigned n = orphans(p, pids);

    for (unsigned i = 0; i < n; i++)
        if (pids[i] != p->program)
            (void)waitpid(pids[i], NULL, WNOHANG);
}

static void end_orphans(const struct process *p)
{
    pid_t pids[CHILD_MAX];
    unsigned n;

    for (unsigned round = 0; round < ENDS_MAX && (n = orphans(p, pids)) > 0; round++) {
        for (unsigned i = 0; i < n; i++)
            kill(pids[i], SIGKILL);
        for (unsigned i = 0; i < n; i++)
            while (waitpid(pids[i], NULL, 0) < 0 && errno == EINTR)
                ;
    }
}

static const char bypassed[] =
    "it made a network socket past the preloaded stack, by the system call itself or from "
    "a "
    "program that is linked statically: only --stack netns can run it";

static void look_after(struct process *p)
{
    int status;

    while (waitpid(p->program, &status, WNOHANG | WUNTRACED) == p->program) {
        if (WIFSTOPPED(status)) {
            start_stopped(p->program, WSTOPSIG(status), p->start.terminal);
            continue;
        }
        p->program = 0;
        p->status = program_status(status);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
            ctl_note(p->ctl, "iothctl: %s was ended: %s", p->plan->argv[0], bypassed);
        loop_stop(p->loop);
        return;
    }
    reap_orphans(p);
}

static void signal_ready(struct loop_watch *watch, uint32_t events)
{
    struct process *p = list_entry(watch, struct process, signals);
    struct signalfd_siginfo info;

    (void)events;
    if (read(watch->fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGCHLD) {
        look_after(p);
        return;
    }
    /* What the terminal sends goes to the whole job: the program has it already. */
    if (p->program && (info.ssi_code != SI_KERNEL || p->start.terminal))
        kill(p->program, (int)info.ssi_signo);
}

static int watch_all(struct process *p)
{
    sigset_t signals = program_signals();
    int fd, r;

    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, &p->start.mask);
    fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    p->loop = loop_new();
    r = fd < 0 || !p->loop ? -errno : 0;
    p->signals.ready = signal_ready;
    if (r == 0)
        r = loop_add(p->loop, &p->signals, fd, EPOLLIN);
    for (unsigned i = 0; i < p->plan->n_nets && r == 0; i++)
        r = place_keep(&p->places[i], p->loop);
    if (r)
        return ctl_fail(p->ctl, CTL_OURS, "cannot wait for events: %s", err_text(r));
    answerer_keep(&p->answerer, p->loop);
    return 0;
}

static int serve(struct process *p)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL) < 0)
        return ctl_fail(p->ctl, CTL_OURS, "cannot look after the program: %s",
                        err_text(errno));
    p->start.argv = p->plan->argv;
    p->start.terminal = program_wants_terminal();
    p->start.before = confine;
    p->program = start_program(p->ctl, &p->start);
    if (p->program == 0)
        return CTL_OURS;
    look_after(p);
    if (p->program)
        loop_run(p->loop);
    return p->status;
}

static int launch(struct process *p)
{
    char preload[PATH_MAX];
    int status = check(p, preload);

    if (status == 0 && ctl_connect(p->ctl))
        status = CTL_OURS;
    if (status)
        return status;
    status = plug_in(p);
    /* Its connection to the daemon speaks for us: the program must not inherit it. */
    http_free(p->ctl->http);
    p->ctl->http = NULL;
    if (status == 0)
        status = serve_names(p);
    if (status == 0)
        status = set_environment(p, preload);
    if (status == 0)
        status = watch_all(p);
    return status ? status : serve(p);
}

/* Unplugs first, since a name may be used again as soon as we are gone, and waits last. */
static void finish(struct process *p)
{
    if (p->start.terminal)
        program_give_terminal(0);
    end_orphans(p);
    for (unsigned i = 0; i < p->plan->n_nets; i++)
        attach_hang_up(&p->places[i].attach);
    answerer_done(&p->answerer);
    for (unsigned i = 0; i < p->plan->n_nets; i++)
        place_done(&p->places[i]);
    loop_free(p->loop);
}

int process_main(struct ctl *ctl, const struct run_plan *plan)
{
    struct process p = {.ctl = ctl, .plan = plan, .signals.fd = -1};
    int status;

    for (unsigned i = 0; i < RUN_MAX_NETS; i++)
        place_init(&p.places[i]);
    answerer_init(&p.answerer);
    status = launch(&p);
    finish(&p);
    return status;
}
