/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/parent/open.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/fd.h"

#define UDP_BUFFER (8 << 20)
#define RAW_BUFFER (2 << 20)
#define SOCK_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

static int tun_missing(int code, struct err *err)
{
    err_set(err, code, "/dev/net/tun: %s", err_text(code));
    if (code == -ENOENT)
        err_hint(err, "sudo modprobe tun");
    else if (code == -EACCES)
        err_hint(err, "sudo chmod 0666 /dev/net/tun");
    return code;
}

static int tap_refused(int code, const char *ifname, struct err *err)
{
    const char *shown = *ifname ? ifname : "a new TAP";

    if (code == -EBUSY)
        return err_set(err, code, "%s is used by another program", shown);
    if (code == -EINVAL)
        return err_set(err, code, "%s exists and is no TAP of one queue", shown);
    err_set(err, code, "cannot open %s: %s", shown, err_text(code));
    if (code == -EPERM && *ifname)
        err_hint(err, "sudo ip tuntap add dev %s mode tap user %d", ifname, (int)geteuid());
    return code;
}

int open_tap(const char *ifname, char name[16], struct err *err)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int fd;

    _Static_assert(sizeof ifr.ifr_name == 16, "the name fits");
    if (strlen(ifname) >= sizeof ifr.ifr_name || strchr(ifname, '/') || strchr(ifname, '%'))
        return err_set(err, -EINVAL, "%s is no name for an interface", ifname);
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return tun_missing(-errno, err);
    memcpy(ifr.ifr_name, ifname, strlen(ifname) + 1);
    if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
        int code = tap_refused(-errno, ifname, err);

        close(fd);
        return code;
    }
    memcpy(name, ifr.ifr_name, sizeof ifr.ifr_name);
    return fd;
}

static int raw_refused(int code, const char *ifname, struct err *err)
{
    char self[100] = "fabricd";

    err_set(err, code, "cannot open interface %s: %s", ifname, err_text(code));
    if (code == -EPERM) {
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

        if (n > 0)
            self[n] = '\0';
        err_hint(err, "sudo setcap cap_net_raw+ep %s, and start it again",
                 n < (ssize_t)sizeof self - 1 ? self : "fabricd");
    }
    if (code == -ENODEV)
        err_hint(err, "ip link show");
    return code;
}

/* Everything is set before the socket is bound, so that no frame comes in another form. */
static int raw_bind(int fd, const char *ifname)
{
    struct ifreq ifr = {.ifr_flags = 0};
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    struct packet_mreq promisc = {.mr_type = PACKET_MR_PROMISC};
    int on = 1, size = RAW_BUFFER;

    memcpy(ifr.ifr_name, ifname, strlen(ifname) + 1);
    if (ioctl(fd, SIOCGIFINDEX, &ifr) < 0)
        return -errno;
    at.sll_ifindex = promisc.mr_ifindex = ifr.ifr_ifindex;
    if (ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
        return -errno;
    if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
        return -EMEDIUMTYPE;
    if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof promisc) < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    return bind(fd, (struct sockaddr *)&at, sizeof at) < 0 ? -errno : 0;
}

int open_raw(const char *ifname, struct err *err)
{
    int fd;
    int r;

    if (strlen(ifname) >= IFNAMSIZ)
        return err_set(err, -EINVAL, "%s is no name for an interface", ifname);
    fd = socket(AF_PACKET, SOCK_RAW | SOCK_FLAGS, 0);
    r = fd < 0 ? -errno : raw_bind(fd, ifname);
    if (!r)
        return fd;
    if (fd >= 0)
        close(fd);
    if (r == -EMEDIUMTYPE)
        return err_set(err, r, "interface %s is no Ethernet", ifname);
    return raw_refused(r, ifname, err);
}

uint32_t open_speed(const char *ifname)
{
    struct ethtool_cmd cmd = {.cmd = ETHTOOL_GSET};
    struct ifreq ifr = {.ifr_flags = 0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint32_t speed = 0;

    if (fd < 0 || strlen(ifname) >= sizeof ifr.ifr_name) {
        fd_close(&fd);
        return 0;
    }
    memcpy(ifr.ifr_name, ifname, strlen(ifname) + 1);
    ifr.ifr_data = (char *)&cmd;
    if (ioctl(fd, SIOCETHTOOL, &ifr) == 0)
        speed = ethtool_cmd_speed(&cmd);
    close(fd);
    return speed <= INT32_MAX ? speed : 0; /* SPEED_UNKNOWN is -1. */
}

static socklen_t to_sockaddr(const struct ipc_addr *a, uint16_t port,
                             struct sockaddr_storage *out)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};

    memset(out, 0, sizeof *out);
    if (a->family == 4) {
        memcpy(&four.sin_addr, a->addr, 4);
        memcpy(out, &four, sizeof four);
        return sizeof four;
    }
    memcpy(&six.sin6_addr, a->addr, 16); /* Family 0: all zero, any address. */
    memcpy(out, &six, sizeof six);
    return sizeof six;
}

/* Here and not where it is used: going over the machine's limit takes a privilege. */
static void widen_udp(int fd)
{
    int size = UDP_BUFFER;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
}

static int udp_socket(const struct ipc_addr *addr)
{
    int off = 0, on = 1;
    int fd = socket(addr->family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_FLAGS, 0);

    if (fd < 0)
        return -errno;
    widen_udp(fd);
    if (addr->family != 4) {
        int *only = addr->family == 6 ? &on : &off;

        if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, only, sizeof *only) < 0) {
            int code = -errno;

            close(fd);
            return code;
        }
    }
    return fd;
}

/* Binds to addr:port, or to any port where that one is taken. */
static int udp_bind(int fd, const struct ipc_addr *addr, uint16_t port)
{
    struct sockaddr_storage sa;
    socklen_t size = to_sockaddr(addr, port, &sa);

    if (bind(fd, (struct sockaddr *)&sa, size) == 0)
        return 0;
    if (errno != EADDRINUSE && errno != EACCES)
        return -errno;
    size = to_sockaddr(addr, 0, &sa);
    return bind(fd, (struct sockaddr *)&sa, size) == 0 ? 0 : -errno;
}

static uint16_t udp_bound_port(int fd)
{
    struct sockaddr_storage sa = {0};
    socklen_t size = sizeof sa;
    struct sockaddr_in6 six;

    if (getsockname(fd, (struct sockaddr *)&sa, &size) < 0)
        return 0;
    memcpy(&six, &sa, sizeof six); /* The port is at the same place in both families. */
    return ntohs(six.sin6_port);
}

int open_udp(const struct ipc_addr *addr, struct ipc_addr *bound, struct err *err)
{
    struct ipc_addr use = *addr;
    uint16_t port = addr->port ? addr->port : OPEN_UDP_PORT;
    int fd = udp_socket(&use);
    int r;

    if (fd < 0 && addr->family == 0) { /* A machine without IPv6. */
        use = (struct ipc_addr){.family = 4};
        fd = udp_socket(&use);
    }
    if (fd < 0)
        return err_set(err, fd, "cannot make a UDP socket: %s", err_text(fd));
    r = udp_bind(fd, &use, port);
    if (r < 0) {
        char text[INET6_ADDRSTRLEN] = "any address";

        if (use.family)
            inet_ntop(use.family == 4 ? AF_INET : AF_INET6, use.addr, text, sizeof text);
        close(fd);
        return err_set(err, r, "cannot listen on %s, UDP port %u: %s", text, port,
                       err_text(r));
    }
    use.port = udp_bound_port(fd);
    *bound = use;
    return fd;
}

/* --- TCP -------------------------------------------------------------------------------------- */

static int tcp_listener(const struct ipc_addr *addr)
{
    struct sockaddr_storage sa;
    socklen_t size = to_sockaddr(addr, addr->port, &sa);
    int on = 1, only = addr->family == 6, r = 0;
    int fd = socket(addr->family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_FLAGS, 0);

    if (fd < 0)
        return -errno;
    /* Connections of a daemon before us that linger do not hold the port. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        (addr->family != 4 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) < 0) ||
        bind(fd, (struct sockaddr *)&sa, size) < 0)
        r = -errno;
    if (!r)
        return fd;
    close(fd);
    return r;
}

int open_tcp(const struct ipc_addr *addr, struct err *err)
{
    struct ipc_addr use = *addr;
    int fd = tcp_listener(&use);
    char text[INET6_ADDRSTRLEN] = "any address";

    if (fd < 0 && addr->family == 0) { /* A machine without IPv6. */
        use.family = 4;
        fd = tcp_listener(&use);
    }
    if (fd >= 0)
        return fd;
    if (addr->family)
        inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->addr, text, sizeof text);
    err_set(err, fd, "the API cannot listen on %s, TCP port %u: %s", text, addr->port,
            err_text(fd));
    if (fd == -EADDRINUSE)
        err_hint(err, "ss -Hltnp 'sport = :%u', which tells whose port it is", addr->port);
    return fd;
}

/* --- Unix sockets ----------------------------------------------------------------------------- */

/* True if somebody listens on the socket at `path`. */
static bool is_alive(const struct sockaddr_un *sun, int type)
{
    int fd = socket(AF_UNIX, type | SOCK_FLAGS, 0);
    bool alive;

    if (fd < 0)
        return true;
    alive = connect(fd, (const struct sockaddr *)sun, sizeof *sun) == 0 ||
            (errno != ECONNREFUSED && errno != ENOENT);
    close(fd);
    return alive;
}

static int bind_unix(int fd, const char *path, int type)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    struct stat st;

    if (strlen(path) >= sizeof sun.sun_path)
        return -ENAMETOOLONG;
    memcpy(sun.sun_path, path, strlen(path) + 1);
    if (bind(fd, (struct sockaddr *)&sun, sizeof sun) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return -errno;
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return -EEXIST;
    if (is_alive(&sun, type))
        return -EADDRINUSE;
    if (unlink(path) < 0 && errno != ENOENT)
        return -errno;
    return bind(fd, (struct sockaddr *)&sun, sizeof sun) == 0 ? 0 : -errno;
}

int open_unix(const char *path, int type, mode_t mode, struct err *err)
{
    int fd = socket(AF_UNIX, type | SOCK_FLAGS, 0);
    int r;

    if (fd < 0)
        return err_set(err, -errno, "cannot make a Unix socket: %s", err_text(errno));
    fchmod(fd, 0600); /* So it is never wider than it should be; bind takes it over. */
    r = bind_unix(fd, path, type);
    if (!r && chmod(path, mode) < 0)
        r = -errno;
    if (r < 0) {
        close(fd);
        err_set(err, r, "%s: %s", path,
                r == -ENAMETOOLONG ? "the path is longer than a socket's may be"
                                   : err_text(r));
        if (r == -ENAMETOOLONG)
            err_hint(err, "fabricd --run-dir DIR, with a shorter path");
        return r;
    }
    return fd;
}

int open_interfaces(void)
{
    struct sockaddr_nl nl = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_FLAGS, NETLINK_ROUTE);
    int r;

    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&nl, sizeof nl) == 0)
        return fd;
    r = -errno;
    close(fd);
    return r;
}

int open_path_mtu(const struct ipc_addr *addr)
{
    bool four = addr->family == 4;
    struct sockaddr_storage sa;
    socklen_t size = to_sockaddr(addr, addr->port ? addr->port : OPEN_UDP_PORT, &sa);
    int fd = socket(four ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_FLAGS, 0);
    int mtu = 0;
    socklen_t mtu_size = sizeof mtu;
    int r = 0;

    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&sa, size) < 0 ||
        getsockopt(fd, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_MTU : IPV6_MTU, &mtu,
                   &mtu_size) < 0)
        r = -errno;
    close(fd);
    return r < 0 ? r : mtu;
}
