/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking over a switch whose parent has died. Nothing is forked or restarted for it: ports,
 * sessions and the API's connections go on. A switch that speaks another IPC_VERSION, or that
 * does not answer, is ended, and the daemon starts from the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fabricd/parent/parent_internal.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

#define ANSWER_WAIT_MS 2000

/* Returns the connection, or -1 if nobody is there. */
static int connect_to_switch(const char *run_dir)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int sock;

    if (snprintf(sun.sun_path, sizeof sun.sun_path, "%s/switch.sock", run_dir) >=
        (int)sizeof sun.sun_path)
        return -1;
    sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (sock >= 0 && connect(sock, (struct sockaddr *)&sun, sizeof sun) < 0)
        fd_close(&sock);
    return sock;
}

/* Receives state until the end of the replay. */
static int receive_vault(struct parent *p, int sock)
{
    struct ipc_message *msg = xcalloc(1, sizeof *msg);
    int r = 0;

    for (;;) {
        struct pollfd ready = {.fd = sock, .events = POLLIN};
        int n = poll(&ready, 1, ANSWER_WAIT_MS);

        r = n > 0 ? ipc_recv(sock, msg) : n < 0 ? -errno : -ETIMEDOUT;
        if (r == 0)
            r = -EPIPE;
        if (r < 0 || msg->head.type == IPC_REPLAY_END)
            break;
        r = vault_put(p->vault, msg, false);
        if (r < 0)
            break;
    }
    free(msg);
    return r < 0 ? r : 0;
}

static bool highest_listen(void *aux, const struct vault_entry *e)
{
    struct parent *p = aux;

    if (e->type == IPC_LISTEN && e->id >= p->next_listen)
        p->next_listen = (uint32_t)e->id + 1;
    return true;
}

static bool has_ended(int process)
{
    struct pollfd p = {.fd = process, .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

/* A new channel for control travels through the switch. Where there is no control, the other end
 * is closed, which is heard as its end. */
static int take_control(struct parent *p)
{
    const struct vault_entry *api = vault_find(p->vault, IPC_LISTEN, LISTEN_API);
    struct process *control = &p->processes[CONTROL];
    struct ipc_pids pids = {.parent = (uint32_t)getpid(),
                            .switch_ = (uint32_t)p->processes[SWITCH].child.pid};
    int process = -1;
    int ends[2];
    int r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    child_widen(ends[0]);
    child_widen(ends[1]);
    if (api->n_fds > 1 && !has_ended(api->fds[1]))
        process = fcntl(api->fds[1], F_DUPFD_CLOEXEC, 0);
    r = child_take(&control->child, ends[0], process);
    if (!r) {
        pids.control = (uint32_t)control->child.pid;
        child_send(&p->processes[SWITCH].child, IPC_PARENT, 0, &pids, &ends[1], 1);
    }
    close(ends[1]);
    return r;
}

static int replace_switch(struct parent *p, int process, int code)
{
    log_warn("the running switch cannot be adopted (%s), replacing it", err_text(code));
    if (process >= 0)
        (void)pidfd_send_signal(process, SIGKILL, NULL, 0);
    vault_free(p->vault);
    p->vault = vault_new();
    return 0;
}

int adopt(struct parent *p, struct err *err)
{
    int sock = connect_to_switch(p->config->start.run_dir);
    struct fd_peer peer;
    int process;
    int r;

    if (sock < 0)
        return 0;
    r = fd_peer_get(sock, &peer);
    if (r < 0 || peer.uid != geteuid()) {
        close(sock);
        return err_set(err, -EPERM, "%s/switch.sock belongs to another user",
                       p->config->start.run_dir);
    }
    child_widen(sock);
    process = pidfd_open(peer.pid, 0); /* The switch listens itself, so it is its pid. */
    r = process < 0 ? -errno : receive_vault(p, sock);
    if (!r && (!vault_find(p->vault, IPC_LISTEN, LISTEN_API) ||
               !vault_find(p->vault, IPC_LISTEN, LISTEN_PLUG) ||
               !vault_find(p->vault, IPC_LISTEN, LISTEN_KEEP)))
        r = -EBADMSG;
    if (r < 0) {
        r = replace_switch(p, process, r);
        fd_close(&process);
        close(sock);
        return r;
    }
    r = child_take(&p->processes[SWITCH].child, sock, process);
    if (!r)
        r = take_control(p);
    if (r < 0)
        return err_set(err, r, "cannot take over the running switch: %s", err_text(r));
    vault_each(p->vault, highest_listen, p);
    service_adopt_all(p);
    log_info("adopted the running switch, pid %d", (int)peer.pid);
    return 1;
}
