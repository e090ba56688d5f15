/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fabricd/parent/open.h"
#include "fabricd/parent/parent_internal.h"
#include "fabricd/parent/vde.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

/* A burst of strangers leaves room for others: a client that does not wait is refused when it
 * finds the queue full. */
#define API_BACKLOG  4096
#define ORPHAN_TRIES 100 /* Of 20 ms each. */

static void reply(struct parent *p, unsigned to, uint32_t request, int code, uint32_t port,
                  const struct err *err)
{
    struct ipc_reply body = {.code = code, .port = port};

    memcpy(body.why, err->why, sizeof body.why);
    memcpy(body.hint, err->hint, sizeof body.hint);
    child_send(&p->processes[to].child, IPC_REPLY, request, &body, NULL, 0);
}

/* --- devices and UDP -------------------------------------------------------------------------- */

/* A request for a device that is in use while devices are being closed: it may be one of these. */
struct open_waits {
    struct list link;
    uint32_t request;
    struct ipc_open_device asked;
};

static void wait_for_closer(struct parent *p, uint32_t request,
                            const struct ipc_open_device *asked)
{
    struct open_waits *o = xcalloc(1, sizeof *o);

    o->request = request;
    o->asked = *asked;
    list_append(&p->waiting, &o->link);
}

static void open_device_for(struct parent *p, uint32_t request,
                            const struct ipc_open_device *asked)
{
    const struct vault_entry *e = vault_find(p->vault, IPC_PORT, asked->port.id);
    struct ipc_port port = asked->port;
    const char *ifname = asked->ifname;
    struct err err = {0};
    char name[16];
    int fd = -1;
    int r = 0;

    memcpy(name, ifname, sizeof name);
    port.speed_mbps = port.kind == IPC_PORT_RAW ? open_speed(ifname) : 0;
    if (e && e->n_fds &&
        e->body->port.kind == port.kind) { /* Asked again: the device stays. */
        memcpy(port.path, e->body->port.path, sizeof port.path);
        r = vault_put_body(p->vault, IPC_PORT, &port, NULL, 0, true);
    } else {
        fd = port.kind == IPC_PORT_RAW ? open_raw(ifname, &err)
                                       : open_tap(ifname, name, &err);
        if (fd == -EBUSY && !closer_is_idle(p->closer)) {
            wait_for_closer(p, request, asked);
            return;
        }
        if (fd < 0) {
            reply(p, CONTROL, request, fd, 0, &err);
            return;
        }
        memset(port.path, 0, sizeof port.path);
        memcpy(port.path, name, sizeof name);
        r = vault_put_body(p->vault, IPC_PORT, &port, &fd, 1, true);
    }
    if (r < 0)
        err_set(&err, r, "the port cannot be kept: %s", err_text(r));
    else
        snprintf(err.why, sizeof err.why, "%s", port.path);
    parent_sync(p);
    reply(p, CONTROL, request, r, 0, &err);
}

/* Control's fence: what was deleted before it is closed, too. */
static void answer_fence(struct parent *p)
{
    struct err none = {0};

    if (!p->fence || !p->fence_passed || !closer_is_idle(p->closer))
        return;
    reply(p, CONTROL, p->fence, 0, 0, &none);
    p->fence = 0;
}

void request_closed(void *aux)
{
    struct parent *p = aux;
    struct list again;

    list_init(&again);
    while (!list_empty(&p->waiting)) {
        struct list *first = list_first(&p->waiting);

        list_remove(first);
        list_append(&again, first);
    }
    while (!list_empty(&again)) {
        struct open_waits *o = list_entry(list_first(&again), struct open_waits, link);

        list_remove(&o->link);
        open_device_for(p, o->request, &o->asked);
        free(o);
    }
    answer_fence(p);
}

void request_done(struct parent *p)
{
    list_for_each_safe (it, &p->waiting)
        free(list_entry(it, struct open_waits, link));
}

static bool same_place(const struct ipc_addr *asked, const struct ipc_addr *bound)
{
    if (asked->family && (asked->family != bound->family ||
                          memcmp(asked->addr, bound->addr, sizeof asked->addr) != 0))
        return false;
    return true;
}

static void open_udp_for(struct parent *p, const struct ipc_message *msg)
{
    const struct ipc_addr *asked = &msg->body.open_udp.addr;
    const struct vault_entry *e = vault_find(p->vault, IPC_LISTEN, LISTEN_UDP);
    struct ipc_listen body = {.id = LISTEN_UDP, .kind = IPC_LISTEN_UDP};
    struct err err = {0};
    int fd;
    int r;

    if (e && same_place(asked, &e->body->listen.addr)) { /* Asked again: it stays. */
        reply(p, CONTROL, msg->head.request, 0, e->body->listen.addr.port, &err);
        return;
    }
    fd = open_udp(asked, &body.addr, &err);
    r = fd < 0 ? fd : vault_put_body(p->vault, IPC_LISTEN, &body, &fd, 1, true);
    if (!r && asked->port && asked->port != body.addr.port)
        log_info("UDP port %u is in use, listening on %u", asked->port, body.addr.port);
    parent_sync(p);
    reply(p, CONTROL, msg->head.request, r, body.addr.port, &err);
}

/* --- VDE ---------------------------------------------------------------------------------- */

struct vde_entry {
    struct parent *parent;
    const struct ipc_open_vde *wanted; /* NULL = nothing of it. */
    const char *folder;
    uint8_t have[4096 / 8];
    uint64_t net;
    int console; /* The vault's socket; -1 = none yet. */
};

static bool has_bit(const uint8_t *bits, unsigned i)
{
    return bits[i / 8] >> (i % 8) & 1;
}

/* The folder's own `ctl` is always wanted, as group 0. */
static bool is_wanted(const struct vde_entry *v, const struct ipc_listen *l)
{
    return v->wanted && !strcmp(l->path, v->folder) &&
           (l->name[0] || !l->set.vlan || has_bit(v->wanted->vlan_groups, l->set.vlan));
}

static bool keep_or_close(void *aux, const struct vault_entry *e)
{
    struct vde_entry *v = aux;
    const struct ipc_listen *l = &e->body->listen;
    char folder[108], door[IPC_NAME_SIZE];
    bool console = l->kind == IPC_LISTEN_CONSOLE;

    if (e->type != IPC_LISTEN || (l->kind != IPC_LISTEN_VDE && !console) ||
        l->net != v->net)
        return true;
    if (is_wanted(v, l)) {
        if (console)
            v->console = e->fds[0];
        else if (!l->name[0])
            v->have[l->set.vlan / 8] |= (uint8_t)(1 << l->set.vlan % 8);
        return true;
    }
    memcpy(folder, l->path, sizeof folder);
    vde_door(l, door);
    if (console)
        vde_unlisten_console(folder);
    else
        vde_unlisten(folder, door);
    vault_delete(v->parent->vault, IPC_LISTEN, e->id, true);
    if (!v->wanted || strcmp(folder, v->folder) != 0)
        vde_remove_folder(folder);
    return true;
}

/* Puts a socket of the entry into the vault, which has it then. */
static int keep_listening(struct vde_entry *v, struct ipc_listen *l, int fd,
                          struct err *err)
{
    int r;

    l->net = v->net;
    memcpy(l->path, v->folder, strlen(v->folder) + 1);
    l->id = v->parent->next_listen++;
    r = vault_put_body(v->parent->vault, IPC_LISTEN, l, &fd, 1, true);
    return r < 0 ? err_set(err, r, "cannot be kept: %s", err_text(r)) : 0;
}

static int listen_missing(struct vde_entry *v, struct err *err)
{
    for (unsigned vlan = 0; vlan < 4095; vlan++) {
        struct ipc_listen l = {.kind = IPC_LISTEN_VDE, .set = {.vlan = (uint16_t)vlan}};
        bool wanted = !vlan || has_bit(v->wanted->vlan_groups, vlan);
        char door[IPC_NAME_SIZE];
        int fd;
        int r;

        if (!wanted || has_bit(v->have, vlan))
            continue;
        vde_door(&l, door);
        fd = vde_listen(v->folder, door, v->wanted->mode, err);
        r = fd < 0 ? fd : keep_listening(v, &l, fd, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Control asks for the entry whenever it starts, and is handed the socket each time. */
static int listen_console(struct vde_entry *v, struct err *err)
{
    struct ipc_listen l = {.kind = IPC_LISTEN_CONSOLE};
    int fd, r;

    if (v->console >= 0)
        return 0;
    fd = vde_listen_console(v->folder, v->wanted->mode, err);
    r = fd < 0 ? fd : keep_listening(v, &l, fd, err);
    if (r == 0)
        v->console = vault_find(v->parent->vault, IPC_LISTEN, l.id)->fds[0];
    return r;
}

static void open_vde_for(struct parent *p, const struct ipc_message *msg)
{
    const struct ipc_open_vde *wanted = &msg->body.open_vde;
    struct vde_entry v = {.parent = p, .wanted = wanted, .net = wanted->net, .console = -1};
    struct ipc_reply body = {0};
    struct err err = {0};
    char folder[108] = "";
    int r = vde_folder(p->config->start.run_dir, wanted->name, wanted->mode, folder, &err);

    if (!r) {
        v.folder = folder;
        vault_each(p->vault, keep_or_close, &v);
        vde_set_modes(folder, wanted->mode);
        r = listen_missing(&v, &err);
    }
    if (!r)
        r = listen_console(&v, &err);
    parent_sync(p);
    if (r < 0)
        reply(p, CONTROL, msg->head.request, r, 0, &err);
    else
        child_send(&p->processes[CONTROL].child, IPC_REPLY, msg->head.request, &body,
                   &v.console, 1);
}

void request_close_vde(struct parent *p, uint64_t net)
{
    struct vde_entry v = {.parent = p, .net = net, .console = -1};

    vault_each(p->vault, keep_or_close, &v);
}

struct door_search {
    uint64_t net;
    const char *name;
    const struct ipc_listen *found;
};

static bool is_door(void *aux, const struct vault_entry *e)
{
    struct door_search *s = aux;
    const struct ipc_listen *l = &e->body->listen;

    if (e->type == IPC_LISTEN && l->kind == IPC_LISTEN_VDE && l->net == s->net &&
        !strcmp(l->name, s->name))
        s->found = l;
    return !s->found;
}

/* The door of a declared port, or what is new about one that is there. */
static int open_door(struct parent *p, const struct ipc_open_door *wanted, uint32_t *id,
                     struct err *err)
{
    bool stream = wanted->door[0] != '\0';
    const char *door = stream ? wanted->door : wanted->name;
    struct door_search have = {.net = wanted->net, .name = wanted->name};
    struct ipc_listen l = {.kind = IPC_LISTEN_VDE,
                           .net = wanted->net,
                           .stp = wanted->stp,
                           .set = wanted->set,
                           .rate = wanted->rate};
    int fd = -1;
    int r;

    if (stream ? !vde_stream_name_ok(door) : !vde_door_name_ok(door))
        return err_set(err, -EINVAL, "%s is no name for a socket here", door);
    memcpy(l.door, wanted->door, sizeof l.door);
    memcpy(l.name, wanted->name, sizeof l.name);
    r = vde_folder(p->config->start.run_dir, wanted->network, wanted->mode, l.path, err);
    if (r < 0)
        return r;
    vault_each(p->vault, is_door, &have);
    if (have.found &&
        strcmp(have.found->door, l.door) != 0) { /* It is called otherwise now. */
        request_close_door(p, have.found->id);
        have.found = NULL;
    }
    if (have.found) {
        l.id = have.found->id;
    } else {
        fd = vde_listen(l.path, door, wanted->mode, err);
        if (fd < 0)
            return fd;
        l.id = p->next_listen++;
    }
    *id = l.id;
    r = vault_put_body(p->vault, IPC_LISTEN, &l, &fd, fd >= 0, true);
    return r < 0 ? err_set(err, r, "cannot be kept: %s", err_text(r)) : 0;
}

static void open_door_for(struct parent *p, const struct ipc_message *msg)
{
    struct err err = {0};
    uint32_t id = 0;
    int r = open_door(p, &msg->body.open_door, &id, &err);

    parent_sync(p);
    reply(p, CONTROL, msg->head.request, r, id, &err);
}

void request_close_door(struct parent *p, uint64_t id)
{
    const struct vault_entry *e = vault_find(p->vault, IPC_LISTEN, id);
    char door[IPC_NAME_SIZE];

    if (!e || e->body->listen.kind != IPC_LISTEN_VDE || !e->body->listen.name[0])
        return;
    vde_door(&e->body->listen, door);
    vde_unlisten(e->body->listen.path, door);
    vault_delete(p->vault, IPC_LISTEN, id, true);
}

struct folder_search {
    const char *folder;
    bool found;
};

static bool is_folder(void *aux, const struct vault_entry *e)
{
    struct folder_search *s = aux;

    if (e->type == IPC_LISTEN && e->body->listen.kind == IPC_LISTEN_VDE &&
        !strcmp(e->body->listen.path, s->folder))
        s->found = true;
    return !s->found;
}

/* The client is asked for by the kernel, not by the switch: the connection says who it is. */
static int vde_data_for(struct parent *p, const struct ipc_message *msg, char path[108])
{
    struct ipc_vde_data req = msg->body.vde_data;
    struct folder_search search = {.folder = req.folder};
    struct fd_peer peer;
    struct stat st;
    int r;

    vault_each(p->vault, is_folder, &search);
    if (!search.found || msg->n_fds != 1)
        return -EINVAL;
    r = fd_peer_get(msg->fds[0], &peer);
    if (r < 0)
        return r;
    req.uid = peer.uid;
    if (lstat(req.folder, &st) < 0)
        return -errno;
    return vde_data(&req, st.st_mode & 0777, path);
}

static void open_vde_data(struct parent *p, const struct ipc_message *msg)
{
    struct ipc_reply body = {0};
    char path[108] = "";
    int fd = vde_data_for(p, msg, path);

    if (fd < 0) {
        body.code = fd;
        snprintf(body.why, sizeof body.why, "%s", err_text(fd));
    } else {
        snprintf(body.why, sizeof body.why, "%s", path);
    }
    child_send(&p->processes[SWITCH].child, IPC_REPLY, msg->head.request, &body, &fd,
               fd >= 0);
    fd_close(&fd);
}

/* --- keys --------------------------------------------------------------------------------- */

static void keys_for(struct parent *p, const struct ipc_message *msg)
{
    const struct ipc_keys *asked = &msg->body.keys;
    struct ipc_self self = {0};
    struct err err = {0};
    int r = 0;

    switch ((enum ipc_keys_what)asked->what) {
    case IPC_KEYS_SHOW:
        r = keys_show(p->keys, &self, &err);
        break;
    case IPC_KEYS_FOUND:
        r = keys_found(p->keys, &asked->self, wall_now(), &self, &err);
        break;
    case IPC_KEYS_JOINED:
        r = keys_joined(p->keys, &asked->self, wall_now(), &self, &err);
        break;
    case IPC_KEYS_DROP_ROOT:
        r = keys_drop_root(p->keys, &err);
        if (!r)
            r = keys_show(p->keys, &self, &err);
        break;
    }
    if (r < 0)
        reply(p, CONTROL, msg->head.request, r, 0, &err);
    else
        child_send(&p->processes[CONTROL].child, IPC_SELF, msg->head.request, &self, NULL,
                   0);
}

static void sign_for(struct parent *p, const struct ipc_message *msg)
{
    struct ipc_signed out = {0};
    struct err err = {0};

    out.code = keys_sign(p->keys, &msg->body.sign, wall_now(), &out, &err);
    if (out.code < 0)
        log_warn("%s not signed: %s", msg->body.sign.name, err.why);
    child_send(&p->processes[CONTROL].child, IPC_SIGNED, msg->head.request, &out, NULL, 0);
}

/* --- dispatch ----------------------------------------------------------------------------- */

bool request_from_control(struct parent *p, const struct ipc_message *msg)
{
    switch (msg->head.type) {
    case IPC_OPEN_DEVICE:
        open_device_for(p, msg->head.request, &msg->body.open_device);
        return true;
    case IPC_OPEN_UDP:
        open_udp_for(p, msg);
        return true;
    case IPC_OPEN_VDE:
        open_vde_for(p, msg);
        return true;
    case IPC_OPEN_DOOR:
        open_door_for(p, msg);
        return true;
    case IPC_FENCE:
        p->fence = msg->head.request;
        p->fence_set = p->fence_passed = false;
        parent_sync(p);
        return true;
    case IPC_START_SERVICE:
        service_start(p, msg);
        return true;
    case IPC_KEYS:
        keys_for(p, msg);
        return true;
    case IPC_SIGN:
        sign_for(p, msg);
        return true;
    default:
        return false;
    }
}

bool request_from_switch(struct parent *p, const struct ipc_message *msg)
{
    struct err none = {0};
    int mtu;

    switch (msg->head.type) {
    case IPC_VDE_DATA:
        open_vde_data(p, msg);
        return true;
    case IPC_FENCE:
        if (msg->head.request == PARENT_FENCE) {
            closer_release(p->closer, false);
            parent_sync(p);
        }
        p->fence_passed = p->fence_passed || p->fence == msg->head.request;
        answer_fence(p);
        return true;
    case IPC_PATH_MTU:
        mtu = open_path_mtu(&msg->body.addr);
        reply(p, SWITCH, msg->head.request, mtu < 0 ? mtu : 0, mtu < 0 ? 0 : (uint32_t)mtu,
              &none);
        return true;
    default:
        return false;
    }
}

/* They are open to everybody who reaches the run folder: who may what is decided by the
 * credentials of each connection. They listen from here on, so that nobody is refused while
 * control starts. */
static int open_own(struct parent *p, uint32_t id, enum ipc_listen_kind kind, int type,
                    const char *name, struct err *err)
{
    struct ipc_listen body = {.id = id, .kind = (uint8_t)kind};
    char path[128];
    int fd;

    snprintf(path, sizeof path, "%s/%s", p->config->start.run_dir, name);
    fd = open_unix(path, type, 0666, err);
    /* The control of a daemon that was killed ends by itself, and may be about to. */
    for (int i = 0; fd == -EADDRINUSE && i < ORPHAN_TRIES; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
        fd = open_unix(path, type, 0666, err);
    }
    if (fd < 0)
        return fd;
    if (listen(fd, API_BACKLOG) < 0) {
        int code = err_set(err, -errno, "%s: %s", path, err_text(errno));

        close(fd);
        return code;
    }
    return vault_put_body(p->vault, IPC_LISTEN, &body, &fd, 1, true);
}

/* At the start, where a person sees it; later, control that cannot have them goes without. */
static int check_pem(const char *path, struct err *err)
{
    int fd = *path ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;

    if (*path && fd < 0)
        return err_set(err, -errno, "%s: %s", path, err_text(errno));
    fd_close(&fd);
    return 0;
}

static int open_api_tcp(struct parent *p, struct err *err)
{
    struct ipc_listen body = {
        .id = LISTEN_API_TCP, .kind = IPC_LISTEN_API_TCP, .addr = p->config->start.api};
    int fd = check_pem(p->config->start.api_cert, err);

    if (!fd)
        fd = check_pem(p->config->start.api_key, err);
    if (!fd)
        fd = open_tcp(&body.addr, err);
    if (fd < 0)
        return fd;
    if (listen(fd, API_BACKLOG) < 0) {
        int code = err_set(err, -errno, "the API over TCP: %s", err_text(errno));

        close(fd);
        return code;
    }
    return vault_put_body(p->vault, IPC_LISTEN, &body, &fd, 1, true);
}

int request_open_own(struct parent *p, struct err *err)
{
    int r = p->config->start.api.port ? open_api_tcp(p, err) : 0; /* May be refused. */

    if (!r)
        r = open_own(p, LISTEN_API, IPC_LISTEN_API, SOCK_STREAM, "api.sock", err);
    if (!r)
        r = open_own(p, LISTEN_PLUG, IPC_LISTEN_PLUG, SOCK_SEQPACKET, "plug.sock", err);
    if (!r)
        r = open_own(p, LISTEN_KEEP, IPC_LISTEN_KEEP, SOCK_SEQPACKET, "keep.sock", err);
    return r;
}
