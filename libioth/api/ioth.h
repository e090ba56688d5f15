/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libioth: TCP/IP stacks for processes.
 *
 * A stack is a node of a network: it has interfaces, addresses, routes and sockets of its own. A process has
 * as many as it likes, of several kinds:
 *
 *   lwip     in the process, without privilege, namespace or device; options dhcp and slaac: its
 *            interfaces are up from the start and ask the network for their addresses (DHCPv4, router
 *            advertisements); mtu=N (1280 to the network's, later by ioth_linksetmtu()); and the settings of
 *            ioth_setstack()
 *   netns    (or vdestack) the kernel's, in a namespace of its own, plugged in by a TAP; needs user
 *            namespaces and /dev/net/tun
 *   kernel   the host's own (or "", or NULL)
 *   others   plugins (see the end), in ~/.ioth or the folder `ioth` beside the library
 *
 * An interface plugs into a virtual network, given as a VNL: "ioth://NET[:VLAN]" for a network of Ioth
 * Fabric, or any other network of libvdeplug ("vde://…", "vxvde://…", …), with "NAME:" in front to name
 * the interface; else they are vde0, vde1, …
 *
 *     struct ioth *stack = ioth_newstack("lwip", "ioth://lan1[name=web]");
 *     int s = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);
 *
 * Sockets are descriptors: poll(), select() and epoll work on them, read() and write() do not; what is
 * sent and received goes through the functions here, which behave as those of the same names in
 * socket(7). They return -1 with errno set, where not said otherwise; on a descriptor that is no
 * socket of a stack, EBADF. All functions may be called by any thread at any time, except that a stack
 * must not be used while it is deleted.
 *
 * The source interface is that of VirtualSquare's libioth, and what is beyond it is marked so.
 */
#ifndef IOTH_H
#define IOTH_H

/* Some of these are here since programs found them in VirtualSquare's ioth.h. */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#ifndef _LINUX_IF_H /* The kernel's has the same. */
#    include <net/if.h>
#endif
#include <linux/rtnetlink.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOTH_API __attribute__((visibility("default")))

struct ioth;

/* --- stacks ------------------------------------------------------------------------------------- */

/* Declares the licence of the program (an SPDX expression such as "GPL-3.0-or-later"), before a stack
 * whose own licence asks for it is made. The text is copied. */
IOTH_API void ioth_set_license(const char *spdx);

/*
 * Makes a stack. `stack` is its kind, with options after a comma; `vnl` its one interface, NULL for
 * none. The caller's until ioth_delstack(). NULL with errno: ENOTSUP (no such kind), ENOENT (a plugin
 * without the function that makes stacks), EPERM (licences do not go together), or whatever plugging
 * in failed with (ioth_error() says it in words).
 */
IOTH_API struct ioth *ioth_newstack(const char *stack, const char *vnl);

/* The same with several interfaces: a list that ends with (char *)NULL, or an array that does. */
IOTH_API struct ioth *ioth_newstackl(const char *stack, const char *vnl, ...);
IOTH_API struct ioth *ioth_newstackv(const char *stack, const char *vnlv[]);

/* Deletes a stack; connections that are still closing have up to a second for it. EINVAL: NULL; EBUSY: sockets of it are
 * open. */
IOTH_API int ioth_delstack(struct ioth *stack);

/* Waits until connections that are closing have closed, a second at most: for a program that ends without
 * exit(), which has the same done. ENOSYS: a kind of stack that goes on by itself. Beyond VirtualSquare's. */
IOTH_API int ioth_flush(struct ioth *stack);

/*
 * Changes settings of a stack that is there, as they are given behind its kind when it is made:
 *
 *     ioth_newstack("lwip,rcvbuf=256K,rate=10M", vnl);        ioth_setstack(stack, "rate=20M");
 *
 * All that are named, or none if one of them is wrong (EINVAL; EBUSY: dhcp, slaac and mtu are for a stack that is
 * made). ENOSYS: a kind that has none. ioth_error() says it in words. Those of the kind lwip; sizes in bytes (K, M),
 * times with their unit (ms, s, m, h), rates in bits per second (k, M, G):
 *
 *   rcvbuf=SIZE, sndbuf=SIZE    SO_RCVBUF and SO_SNDBUF of TCP sockets: the window that is offered (1152 to 8 MiB),
 *                               and what is taken of the program before it is acknowledged (2304 to 2 MiB)
 *   rtoinit=TIME, rtomin=TIME   the retransmission time-out before the round trip is known, and how much it is
 *                               more than that at least
 *   delack=TIME                 how long an acknowledgement is kept back (0: it never is)
 *   synretries=N                TCP_SYNCNT
 *   usertimeout=TIME            TCP_USER_TIMEOUT (0: none)
 *   keepidle=TIME, keepintvl=TIME, keepcnt=N    TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT
 *   timewait=TIME               how long a connection that has ended keeps its ports
 *   rate=BITS                   of what sockets send to the network, without headers and acknowledgements (0: no limit).
 *                               Connections have turns, and so have datagrams, which wait as for a port without room
 *
 * Round trips, timewait and rate are of all connections at once; the others are what a new socket begins with, which its own
 * options then change. Beyond VirtualSquare's.
 */
IOTH_API int ioth_setstack(struct ioth *stack, const char *settings);

/* The settings that are in force, as ioth_setstack() takes them: to be freed. NULL: ENOSYS, ENOMEM. */
IOTH_API char *ioth_getstack(struct ioth *stack);

/* The stack that NULL and ioth_socket() mean; NULL: the host's. A process has one; beyond
 * VirtualSquare's, a thread may have its own, which goes before (NULL: it has none). */
IOTH_API void ioth_set_defstack(struct ioth *stack);
IOTH_API struct ioth *ioth_get_defstack(void);
IOTH_API void ioth_set_thread_defstack(struct ioth *stack);

/* Why the last call of this thread that makes a stack or an interface failed: one line, "" if none.
 * Valid until the next such call. Beyond VirtualSquare's. */
IOTH_API const char *ioth_error(void);

/* --- sockets ------------------------------------------------------------------------------------ */

/*
 * Opens a socket of a stack (NULL: the default one). The kind lwip has AF_INET and AF_INET6 with
 * SOCK_STREAM, SOCK_DGRAM and SOCK_RAW, AF_PACKET, and AF_NETLINK with NETLINK_ROUTE; SOCK_NONBLOCK and
 * SOCK_CLOEXEC may be added to the type. O_NONBLOCK is a flag of the descriptor as of any other.
 */
IOTH_API int ioth_msocket(struct ioth *stack, int domain, int type, int protocol);
IOTH_API int ioth_socket(int domain, int type, int protocol);

/* ENOSYS if it is no socket of a stack. A socket that is closed by close() is found out and closed a
 * little later. */
IOTH_API int ioth_close(int fd);

/* One more descriptor of a socket, as dup(2) has it; the socket is closed with the last. Also by
 * ioth_fcntl(): F_DUPFD, F_DUPFD_CLOEXEC. ENOSYS: a kind of stack that cannot. Beyond VirtualSquare's. */
IOTH_API int ioth_dup(int fd);
IOTH_API int ioth_dup2(int fd, int as);
IOTH_API int ioth_dup3(int fd, int as, int flags);

IOTH_API int ioth_bind(int fd, const struct sockaddr *addr, socklen_t len);
IOTH_API int ioth_connect(int fd, const struct sockaddr *addr, socklen_t len);
IOTH_API int ioth_listen(int fd, int backlog);
IOTH_API int ioth_accept(int fd, struct sockaddr *addr, socklen_t *len);
/* With SOCK_NONBLOCK and SOCK_CLOEXEC in flags. Beyond VirtualSquare's. */
IOTH_API int ioth_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
IOTH_API int ioth_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
IOTH_API int ioth_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
IOTH_API int ioth_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
IOTH_API int ioth_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
IOTH_API int ioth_shutdown(int fd, int how);
IOTH_API int ioth_ioctl(int fd, unsigned long cmd, void *argp);
IOTH_API int ioth_fcntl(int fd, int cmd, long val);

IOTH_API ssize_t ioth_read(int fd, void *buf, size_t len);
IOTH_API ssize_t ioth_readv(int fd, const struct iovec *iov, int n);
IOTH_API ssize_t ioth_recv(int fd, void *buf, size_t len, int flags);
IOTH_API ssize_t ioth_recvfrom(int fd, void *buf, size_t len, int flags,
                               struct sockaddr *from, socklen_t *fromlen);
IOTH_API ssize_t ioth_recvmsg(int fd, struct msghdr *msg, int flags);
IOTH_API ssize_t ioth_write(int fd, const void *buf, size_t len);
IOTH_API ssize_t ioth_writev(int fd, const struct iovec *iov, int n);
IOTH_API ssize_t ioth_send(int fd, const void *buf, size_t len, int flags);
IOTH_API ssize_t ioth_sendto(int fd, const void *buf, size_t len, int flags,
                             const struct sockaddr *to, socklen_t tolen);
IOTH_API ssize_t ioth_sendmsg(int fd, const struct msghdr *msg, int flags);

/* Several messages in one call; as in sendmmsg(2) and recvmmsg(2). Beyond VirtualSquare's. */
struct mmsghdr;
struct timespec;
IOTH_API int ioth_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags);
IOTH_API int ioth_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags,
                           struct timespec *timeout);

/* --- waiting ------------------------------------------------------------------------------------ */

/*
 * poll(2), ppoll(2) and epoll(7) themselves take sockets of stacks; these do it faster and tell a little more.
 * Descriptors may be of any kind. While the calling thread waits it drives the stack (of several, that
 * of the first socket), so that what comes need not come by another thread. A socket that is added with
 * EPOLLET shows each arrival as an edge, which a plain descriptor does only when there was nothing to read
 * before. An error of a socket (POLLERR, EPOLLERR) is told by these alone: poll(2) and epoll(7) show it as something to
 * read. All beyond VirtualSquare's; an epoll is made by epoll_create1(2) and closed by close(2).
 */
struct pollfd;
struct epoll_event;
IOTH_API int ioth_poll(struct pollfd *fds, unsigned long n, int timeout_ms);
IOTH_API int ioth_ppoll(struct pollfd *fds, unsigned long n, const struct timespec *timeout,
                        const sigset_t *mask);
IOTH_API int ioth_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
IOTH_API int ioth_epoll_wait(int epoll, struct epoll_event *events, int n, int timeout_ms);
IOTH_API int ioth_epoll_pwait(int epoll, struct epoll_event *events, int n, int timeout_ms,
                              const sigset_t *mask);

/* In a signal handler: a call of the stack that waits, and was interrupted by it in this thread, returns EINTR.
 * Without this it does so only if it was asleep at the moment. Beyond VirtualSquare's. */
IOTH_API void ioth_interrupt(struct ioth *stack);

/* --- configuration ------------------------------------------------------------------------------ */

/*
 * Of the stack's interfaces, by a NETLINK_ROUTE socket of it. `stack` is a struct ioth, NULL the default
 * one. They return 0, or -1 with errno as rtnetlink(7) has it; those that make a thing what it is
 * numbered. Addresses are 4 or 16 bytes in network order.
 */
IOTH_API int ioth_if_nametoindex(void *stack, const char *ifname);
IOTH_API int ioth_linksetupdown(void *stack, unsigned ifindex, int up);
IOTH_API int ioth_linksetaddr(void *stack, unsigned ifindex, void *mac);
IOTH_API int ioth_linkgetaddr(void *stack, unsigned ifindex, void *mac);
IOTH_API int ioth_linksetmtu(void *stack, unsigned ifindex, unsigned mtu);
/* The MTU, in bytes. Beyond VirtualSquare's. */
IOTH_API int ioth_linkgetmtu(void *stack, unsigned ifindex);
IOTH_API int ioth_ipaddr_add(void *stack, int family, void *addr, int prefixlen,
                             unsigned ifindex);
IOTH_API int ioth_ipaddr_del(void *stack, int family, void *addr, int prefixlen,
                             unsigned ifindex);
/* dst NULL: the default route; gw NULL: on the link. */
IOTH_API int ioth_iproute_add(void *stack, int family, void *dst, int dst_prefixlen,
                              void *gw, unsigned ifindex);
IOTH_API int ioth_iproute_del(void *stack, int family, void *dst, int dst_prefixlen,
                              void *gw, unsigned ifindex);

/* An attribute inside IFLA_INFO_DATA of a link that is made. */
struct nl_iplink_data {
    int tag;
    const void *data;
    int data_len;
};

/* Makes a link (type "vde" with {IFLA_VDE_VNL, vnl, strlen(vnl) + 1}) and returns its index; ifname NULL
 * or "": one is made up; ifindex (unsigned)-1 or 0: any. Removes one, by name or by index. */
#define IFLA_VDE_VNL 1
IOTH_API int ioth_iplink_add(void *stack, const char *ifname, unsigned ifindex,
                             const char *type, struct nl_iplink_data *data, int n_data);
IOTH_API int ioth_iplink_del(void *stack, const char *ifname, unsigned ifindex);

/* Sends one netlink message (struct nlmsghdr) and waits for its acknowledgement: its error, which is
 * positive where something was made and numbered. */
IOTH_API int ioth_nldialog(void *stack, void *msg);

/* The interfaces and addresses of a stack, as getifaddrs(3); freed by ioth_freeifaddrs(). */
IOTH_API int ioth_getifaddrs(struct ioth *stack, struct ifaddrs **ifap);
IOTH_API void ioth_freeifaddrs(struct ifaddrs *ifa);

/* A MAC address as text (of 18 bytes with its end) and back. ntomac returns dst, NULL if it has no
 * room; macton takes colons or dashes and returns 1, or 0 for a text that is none. */
#define MAC_ADDRSTRLEN 18
static inline const char *ioth_ntomac(const void *mac, char *dst, size_t size)
{
    const unsigned char *m = (const unsigned char *)mac;

    if (size < sizeof "00:00:00:00:00:00")
        return (const char *)NULL;
    snprintf(dst, size, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
             m[5]);
    return dst;
}

static inline int ioth_macton(const char *text, void *mac)
{
    unsigned char *m = (unsigned char *)mac;
    unsigned char got[6];
    char after;

    if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx%c", &got[0], &got[1], &got[2], &got[3],
               &got[4], &got[5], &after) != 6 &&
        sscanf(text, "%hhx-%hhx-%hhx-%hhx-%hhx-%hhx%c", &got[0], &got[1], &got[2], &got[3],
               &got[4], &got[5], &after) != 6)
        return 0;
    for (int i = 0; i < 6; i++)
        m[i] = got[i];
    return 1;
}

/* --- plugins ------------------------------------------------------------------------------------ */

/*
 * What a kind of stack provides: a shared object ioth_NAME-r.so, which several stacks share, or ioth_NAME.so,
 * of which each stack loads one of its own into a namespace of its own (of which the C library has few),
 * or ioth_NAME-c.so, of which each stack loads a copy among the program's own libraries, as many as
 * there is memory for, where all of its state is in itself. It exports, under names that begin with ioth_NAME_,
 * newstack and delstack, the functions of this structure that it has (or newstack fills them in), and
 * optionally `const char *ioth_NAME_license`, the SPDX identifier of its licence (none, or LGPL: any
 * program may use it).
 *
 * A function finds the data that newstack returned by calling getstackdata(). Beyond VirtualSquare's:
 * `int ioth_NAME_dup(int fd, int as)` is told that dup() has made `as` of its socket fd;
 * `int ioth_NAME_set(const char *)` and `char *ioth_NAME_get(void)` are ioth_setstack() and ioth_getstack();
 * `void ioth_NAME_flush(void)` is ioth_flush(); `int ioth_NAME_edges(int fd)` is told that somebody polls by edges; `void ioth_NAME_interrupt(void)` is called in a
 * signal handler and ends the wait of the thread; `unsigned ioth_NAME_failed(int *fds, unsigned max)` gives
 * descriptors of which poll() says POLLERR; `int ioth_NAME_poll(struct pollfd *fds,
 * unsigned n, int64_t deadline_us, const sigset_t *mask)` is ppoll() up to a time of CLOCK_MONOTONIC, in an
 * array with 130 more places for its own use, and drives the stack meanwhile.
 */
struct ioth_functions {
    void *(*getstackdata)(void);
    void *(*newstack)(const char *vnlv[], const char *options, struct ioth_functions *f);
    int (*delstack)(void *data);
    int (*socket)(int domain, int type, int protocol);
    int (*close)(int fd);
    int (*bind)(int fd, const struct sockaddr *, socklen_t);
    int (*connect)(int fd, const struct sockaddr *, socklen_t);
    int (*listen)(int fd, int backlog);
    int (*accept)(int fd, struct sockaddr *, socklen_t *);
    int (*getsockname)(int fd, struct sockaddr *, socklen_t *);
    int (*getpeername)(int fd, struct sockaddr *, socklen_t *);
    int (*setsockopt)(int fd, int level, int name, const void *, socklen_t);
    int (*getsockopt)(int fd, int level, int name, void *, socklen_t *);
    int (*shutdown)(int fd, int how);
    int (*ioctl)(int fd, unsigned long cmd, void *argp);
    int (*fcntl)(int fd, int cmd, long val);
    ssize_t (*read)(int fd, void *, size_t);
    ssize_t (*readv)(int fd, const struct iovec *, int);
    ssize_t (*recv)(int fd, void *, size_t, int flags);
    ssize_t (*recvfrom)(int fd, void *, size_t, int flags, struct sockaddr *, socklen_t *);
    ssize_t (*recvmsg)(int fd, struct msghdr *, int flags);
    ssize_t (*write)(int fd, const void *, size_t);
    ssize_t (*writev)(int fd, const struct iovec *, int);
    ssize_t (*send)(int fd, const void *, size_t, int flags);
    ssize_t (*sendto)(int fd, const void *, size_t, int flags, const struct sockaddr *,
                      socklen_t);
    ssize_t (*sendmsg)(int fd, const struct msghdr *, int flags);
};

/* No functions: for plugins that take the type of a member by `typeof`. */
void *getstackdata_prototype(void);
void *newstack_prototype(const char *vnlv[], const char *options, struct ioth_functions *f);
int delstack_prototype(void *data);

#ifdef __cplusplus
}
#endif

#endif
