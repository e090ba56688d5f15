/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kind of stack `lwip`: ioth_lwip-c.so, of which every stack loads a copy, since lwIP keeps its
 * state in globals. This file is what libioth sees of it (struct ioth_functions).
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lwip/dhcp.h>
#include <lwip/init.h>
#include <lwip/priv/tcp_priv.h>

#include <sodium.h>

#include "libioth/api/ioth.h"
#include "libioth/sockets/byteq.h"
#include "libioth/sockets/icmp.h"
#include "libioth/sockets/ip_sock.h"
#include "libioth/sockets/sock.h"
#include "libioth/sockets/table.h"
#include "libioth/stack/drive.h"
#include "libioth/stack/iface.h"
#include "libioth/stack/rate.h"
#include "libioth/stack/settings.h"
#include "libioth/stack/timers.h"

#define EXPORT __attribute__((visibility("default")))

static const struct drive_ops above = {
    .settle = sock_settle,
    .room = ip_sock_room,
    .watch = table_watch,
    .reap = table_reap,
    .tell = table_tell,
};

#define LINGER       (1 * MTIME_SEC) /* At most, for connections that are closing. */
#define REAPS        64u /* Looks for sockets that were closed, some at a time. */
#define LINGER_LOOK  (2 * MTIME_MS)
#define LINGER_TAKEN (250 * MTIME_MS)

static struct err why; /* Why newstack failed. */
static pid_t owner;    /* The process that the stack runs in; 0 = none. */

static int failed(int r)
{
    errno = -r;
    return -1;
}

static int result(int r)
{
    return r < 0 ? failed(r) : r;
}

/* --- the stack ---------------------------------------------------------------------------------- */

/* An interface that is told its addresses by the network. */
static int configure(struct netif *netif)
{
    const struct stack_settings *s = &stack_settings;

    /* More than the network takes it cannot be. */
    if (s->mtu && s->mtu < netif->mtu)
        netif->mtu = netif->mtu6 = (u16_t)s->mtu;
    if (!s->dhcp && !s->slaac)
        return 0;
    netif_set_ip6_autoconfig_enabled(netif, s->slaac);
    netif_set_up(netif);
    if (!s->dhcp)
        return 0;
    if (dhcp_start(netif) != ERR_OK)
        return -ENOMEM;
    timers_dhcp(true);
    if (!netif_default)
        netif_set_default(netif); /* Its router is then the way to everywhere. */
    return 0;
}

static int add_interface(const char *text)
{
    char name[PORT_NAME_SIZE];
    const char *vnl = port_name(text, name, &why);
    struct port *port;
    struct iface *i;
    int r;

    if (!vnl)
        return -EINVAL;
    r = port_open(vnl, &port, &why);
    if (r < 0)
        return r;
    r = iface_add(name, port, &i);
    if (r < 0) {
        port->ops->free(port);
        return err_set(&why, r, "%s: %s", text, err_text(r));
    }
    return configure(&i->netif);
}

/* Nothing may refer to memory of the copy, nor of the heap, when it is unloaded. */
static void end_stack(void)
{
    sock_end_all();
    icmp_stop();
    while (tcp_active_pcbs)
        tcp_abort(tcp_active_pcbs);
    while (tcp_tw_pcbs)
        tcp_abort(tcp_tw_pcbs);
    list_for_each_safe (it, iface_list())
        (void)!iface_remove(list_entry(it, struct iface, link));
    iface_done();
    byteq_end();
}

EXPORT void *ioth_lwip_newstack(const char *vnlv[], const char *options,
                                struct ioth_functions *f);
EXPORT int ioth_lwip_delstack(void *data);
EXPORT const char *ioth_lwip_error(void);
EXPORT int ioth_lwip_set(const char *settings);
EXPORT char *ioth_lwip_get(void);
EXPORT int ioth_lwip_dup(int fd, int as);
EXPORT int ioth_lwip_edges(int fd);
EXPORT unsigned ioth_lwip_failed(int *fds, unsigned max);
EXPORT void ioth_lwip_interrupt(void);
EXPORT void ioth_lwip_flush(void);
EXPORT int ioth_lwip_poll(struct pollfd *fds, unsigned n, int64_t deadline_us,
                          const sigset_t *mask);

/* In words; for ioth_error(). */
const char *ioth_lwip_error(void)
{
    return why.why;
}

int ioth_lwip_set(const char *settings)
{
    int r;

    drive_enter();
    r = settings_read(&stack_settings, settings, true, &why);
    rate_reset();
    drive_leave();
    return result(r);
}

char *ioth_lwip_get(void)
{
    char text[SETTINGS_TEXT];

    drive_enter();
    settings_write(&stack_settings, text);
    drive_leave();
    return strdup(text);
}

static int socket_(int domain, int type, int protocol)
{
    return result(sock_open(domain, type, protocol));
}

static int close_(int fd)
{
    return result(sock_close(fd));
}

static int with(int fd, int (*call)(struct sock *, const void *, socklen_t),
                const void *arg, socklen_t size)
{
    struct sock *s = sock_enter(fd);
    int r = s ? call(s, arg, size) : -EBADF;

    if (s)
        sock_leave();
    return result(r);
}

static int do_bind(struct sock *s, const void *addr, socklen_t size)
{
    return s->ops->bind(s, addr, size);
}

static int bind_(int fd, const struct sockaddr *addr, socklen_t size)
{
    return with(fd, do_bind, addr, size);
}

static int connect_(int fd, const struct sockaddr *addr, socklen_t size)
{
    return result(sock_connect(fd, addr, size));
}

static int do_listen(struct sock *s, const void *arg, socklen_t backlog)
{
    (void)arg;
    return s->ops->listen ? s->ops->listen(s, (int)backlog) : -EOPNOTSUPP;
}

static int listen_(int fd, int backlog)
{
    return with(fd, do_listen, NULL, backlog < 0 ? 0 : (socklen_t)backlog);
}

static int accept_(int fd, struct sockaddr *addr, socklen_t *size)
{
    return result(sock_accept(fd, addr, size, 0));
}

static int name_of(int fd, bool peer, struct sockaddr *addr, socklen_t *size)
{
    struct sock *s = sock_enter(fd);
    int r = s ? s->ops->name(s, peer, addr, size) : -EBADF;

    if (s)
        sock_leave();
    return result(r);
}

static int getsockname_(int fd, struct sockaddr *addr, socklen_t *size)
{
    return name_of(fd, false, addr, size);
}

static int getpeername_(int fd, struct sockaddr *addr, socklen_t *size)
{
    return name_of(fd, true, addr, size);
}

static int setsockopt_(int fd, int level, int name, const void *value, socklen_t size)
{
    struct sock *s = sock_enter(fd);
    int r = s ? s->ops->setopt(s, level, name, value, size) : -EBADF;

    if (s)
        sock_leave();
    return result(r);
}

/* As in Linux: what is asked of a level that a socket of IPv4 has not. */
static bool is_no_level(const struct sock *s, int level)
{
    return s->domain == AF_INET && level != SOL_SOCKET && level != IPPROTO_IP &&
           level != (s->type == SOCK_RAW ? SOL_RAW : s->protocol);
}

static int getsockopt_(int fd, int level, int name, void *value, socklen_t *size)
{
    struct sock *s = sock_enter(fd);
    int r = s ? s->ops->getopt(s, level, name, value, size) : -EBADF;

    if (r == -ENOPROTOOPT && is_no_level(s, level))
        r = -EOPNOTSUPP;
    if (s)
        sock_leave();
    return result(r);
}

static int do_shutdown(struct sock *s, const void *arg, socklen_t how)
{
    (void)arg;
    return s->ops->shutdown ? s->ops->shutdown(s, (int)how) : -EOPNOTSUPP;
}

static int shutdown_(int fd, int how)
{
    return with(fd, do_shutdown, NULL, (socklen_t)how);
}

static int ioctl_(int fd, unsigned long cmd, void *arg)
{
    return result(sock_ioctl(fd, cmd, arg));
}

/* O_NONBLOCK and the like are the descriptor's own. */
static int fcntl_(int fd, int cmd, long val)
{
    return fcntl(fd, cmd, val);
}

int ioth_lwip_dup(int fd, int as)
{
    return result(sock_dup(fd, as));
}

void ioth_lwip_interrupt(void)
{
    drive_interrupt();
}

int ioth_lwip_edges(int fd)
{
    return result(sock_edges(fd));
}

unsigned ioth_lwip_failed(int *fds, unsigned max)
{
    unsigned n;

    if (!table_n_failed)
        return 0;
    drive_enter();
    n = table_failed(fds, max);
    drive_leave();
    return n;
}

int ioth_lwip_poll(struct pollfd *fds, unsigned n, int64_t deadline_us,
                   const sigset_t *mask)
{
    return result(drive_poll(fds, n, deadline_us, mask));
}

static ssize_t recvmsg_(int fd, struct msghdr *msg, int flags)
{
    ssize_t r = sock_recv(fd, msg, flags);

    return r < 0 ? failed((int)r) : r;
}

static ssize_t sendmsg_(int fd, const struct msghdr *msg, int flags)
{
    ssize_t r = sock_send(fd, msg, flags);

    if (r == -EPIPE && !(flags & MSG_NOSIGNAL))
        raise(SIGPIPE);
    return r < 0 ? failed((int)r) : r;
}

static void fill_in(struct ioth_functions *f)
{
    f->socket = socket_;
    f->close = close_;
    f->bind = bind_;
    f->connect = connect_;
    f->listen = listen_;
    f->accept = accept_;
    f->getsockname = getsockname_;
    f->getpeername = getpeername_;
    f->setsockopt = setsockopt_;
    f->getsockopt = getsockopt_;
    f->shutdown = shutdown_;
    f->ioctl = ioctl_;
    f->fcntl = fcntl_;
    f->recvmsg = recvmsg_;
    f->sendmsg = sendmsg_;
}

void *ioth_lwip_newstack(const char *vnlv[], const char *options, struct ioth_functions *f)
{
    static int started;
    int r = 0;

    if (started++) {
        failed(-EBUSY); /* One copy is one stack. */
        return NULL;
    }
    r = settings_read(&stack_settings, options ? options : "", false, &why);
    if (r < 0) {
        failed(r);
        return NULL;
    }
    if (sodium_init() < 0) {
        failed(err_set(&why, -EIO, "no randomness"));
        return NULL;
    }
    timers_init(mtime_now());
    lwip_init();
    iface_init();
    r = icmp_start();
    for (unsigned n = 0; vnlv && vnlv[n] && r == 0; n++)
        r = add_interface(vnlv[n]);
    if (r == 0)
        r = drive_start(&above);
    if (r < 0) {
        end_stack();
        failed(r);
        return NULL;
    }
    fill_in(f);
    owner = getpid();
    return &why; /* Nothing is to be found there: a copy knows its stack. */
}

/* Is the end of a connection under way that its peer has not heard of? */
static bool is_closing(void)
{
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        if (pcb->state == FIN_WAIT_1 || pcb->state == CLOSING || pcb->state == LAST_ACK)
            return true;
    }
    return false;
}

static bool is_untaken(void)
{
    list_for_each (it, iface_list()) {
        struct iface *i = list_entry(it, struct iface, link);

        if (i->port && !i->port->ops->taken(i->port))
            return true;
    }
    return false;
}

/* What a kernel does for a process that is gone: what was sent arrives, if the peer is quick; and what lies in
 * a ring still goes, which is a matter of microseconds. */
static void linger(void)
{
    struct list nobody;
    mtime_t end = mtime_now() + LINGER, last = mtime_now() + LINGER_TAKEN;

    list_init(&nobody);
    drive_enter();
    while (is_untaken() && mtime_now() < last)
        (void)!drive_wait(&nobody, mtime_min(mtime_now() + LINGER_LOOK, last));
    while (is_closing() && mtime_now() < end)
        (void)!drive_wait(&nobody, mtime_min(mtime_now() + LINGER_LOOK, end));
    drive_leave();
}

void ioth_lwip_flush(void)
{
    linger();
}

/* Peers of connections that are open are told that nothing more will come. Threads that wait in them are left alone. */
static void end_connections(void)
{
    drive_enter();
    for (struct tcp_pcb *pcb = tcp_active_pcbs, *next; pcb; pcb = next) {
        next = pcb->next;
        if (pcb->state == ESTABLISHED || pcb->state == CLOSE_WAIT)
            tcp_shutdown(pcb, 0, 1);
    }
    drive_leave();
}

/* A program that ends without deleting its stacks. A child that was forked has none of its threads. */
__attribute__((destructor)) static void at_exit(void)
{
    if (owner != getpid())
        return;
    end_connections();
    linger();
}

int ioth_lwip_delstack(void *data)
{
    (void)data;
    /* Those that the program has closed by close() may not have been looked at yet. */
    drive_enter();
    for (unsigned i = 0; sock_count() && i < REAPS; i++)
        table_reap();
    drive_leave();
    if (sock_count()) {
        errno = EBUSY;
        return -1;
    }
    linger();
    owner = 0;
    drive_stop();
    end_stack();
    return 0;
}
