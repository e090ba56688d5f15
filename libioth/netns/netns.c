/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Namespaces, their sysctls and mounts, and giving up capabilities. The ids are in users.c, the
 * interfaces in netcfg.c. */
#include "libioth/netns/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libioth/netns/netcfg.h"
#include "proto/base/fd.h"

/* A stack in the program itself needs none of it; behind a command as a comment. */
#define OTHERWISE "  # or: iothctl run --stack lwip"

/* Of kernel 6.2; Debian 12's headers do not have them. */
#ifndef TUN_F_USO4
#    define TUN_F_USO4 0x20
#    define TUN_F_USO6 0x40
#endif

#define VNET_HEADER_SIZE 12

static long read_number(const char *path, long otherwise)
{
    char text[32];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return otherwise;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return otherwise;
    text[n] = '\0';
    return strtol(text, NULL, 10);
}

/* Why user namespaces are refused, as far as the machine tells, and what allows them. */
static int no_userns(struct err *err, int code)
{
    if (read_number("/proc/sys/user/max_user_namespaces", 1) == 0) {
        err_set(err, code, "user namespaces are switched off on this machine");
        err_hint(err, "sudo sysctl -w user.max_user_namespaces=15000" OTHERWISE);
    } else if (read_number("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0) {
        err_set(err, code, "this machine allows user namespaces to root only");
        err_hint(err, "sudo sysctl -w kernel.unprivileged_userns_clone=1" OTHERWISE);
    } else if (read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0)) {
        err_set(err, code, "AppArmor restricts user namespaces on this machine");
        err_hint(err,
                 "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" OTHERWISE);
    } else if (code == -ENOSPC || code == -EUSERS) {
        err_set(err, code, "the limit of user namespaces is reached");
        err_hint(err, "sudo sysctl -w user.max_user_namespaces=15000" OTHERWISE);
    } else if (code == -EINVAL) {
        err_set(err, code, "the kernel has no user namespaces");
    } else {
        err_set(err, code, "cannot make namespaces: %s", err_text(code));
    }
    return code;
}

pid_t netns_fork(struct err *err)
{
    unsigned long flags =
        CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID | SIGCHLD;
    /* The call itself, with no stack of its own: fork() that makes namespaces. */
#if defined(__s390x__)
    long pid = syscall(SYS_clone, NULL, flags, NULL, NULL, 0UL);
#else
    long pid = syscall(SYS_clone, flags, NULL, NULL, NULL, 0UL);
#endif

    return pid < 0 ? no_userns(err, -errno) : (pid_t)pid;
}

int netns_enter_new(struct err *err)
{
    return unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 ? no_userns(err, -errno) : 0;
}

static int write_sysctl(const char *path, const char *text, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
    int r = n < 0 ? -errno : 0;

    fd_close(&fd);
    return r ? err_set(err, r, "cannot write %s: %s", path, err_text(r)) : 0;
}

/* The lowest and highest group that is mapped here. */
static void mapped_groups(unsigned long *low, unsigned long *high)
{
    char line[128];
    FILE *f = fopen("/proc/self/gid_map", "re");

    *low = ULONG_MAX;
    *high = 0;
    while (f && fgets(line, sizeof line, f)) {
        char *rest;
        unsigned long inside = strtoul(line, &rest, 10);
        unsigned long count;

        (void)strtoul(rest, &rest, 10);
        count = strtoul(rest, NULL, 10);
        if (count == 0)
            continue;
        if (inside < *low)
            *low = inside;
        if (inside + count - 1 > *high)
            *high = inside + count - 1;
    }
    if (f)
        (void)fclose(f);
    /* The sysctl takes no more. */
    if (*high > INT32_MAX)
        *high = INT32_MAX;
}

static int allow_ping(struct err *err)
{
    unsigned long low, high;
    char text[64];

    mapped_groups(&low, &high);
    if (low > high)
        return 0;
    (void)snprintf(text, sizeof text, "%lu %lu", low, high);
    return write_sysctl("/proc/sys/net/ipv4/ping_group_range", text, err);
}

int netns_prepare(struct err *err)
{
    /* "all" for what the host's defaults have switched off already, "default" for interfaces
     * to come. */
    static const char *const ipv6[][2] = {
        {"/proc/sys/net/ipv6/conf/all/disable_ipv6", "0"},
        {"/proc/sys/net/ipv6/conf/default/disable_ipv6", "0"},
        {"/proc/sys/net/ipv6/conf/default/accept_dad", "0"},
        /* The kernel's own link-local address would be usable some moments later only:
         * netns_configure() adds it. */
        {"/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1"},
        {"/proc/sys/net/ipv6/conf/default/accept_ra", "0"},
    };
    int r = write_sysctl("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0", err);

    if (r == 0)
        r = allow_ping(err);
    if (r == 0 && access("/proc/sys/net/ipv6", F_OK) == 0)
        for (unsigned i = 0; i < sizeof ipv6 / sizeof ipv6[0] && r == 0; i++)
            r = write_sysctl(ipv6[i][0], ipv6[i][1], err);
    if (r == 0)
        r = netns_link_up("lo", err);
    return r;
}

static int no_tun(struct err *err, int code)
{
    if (code == -ENOENT) {
        err_set(err, code, "/dev/net/tun is missing");
        err_hint(err, "sudo modprobe tun; sudo mkdir -p /dev/net; test -e /dev/net/tun || "
                      "sudo mknod -m 0666 /dev/net/tun c 10 200" OTHERWISE);
    } else if (code == -EACCES) {
        err_set(err, code, "/dev/net/tun may not be opened by this user");
        err_hint(err, "sudo chmod 0666 /dev/net/tun" OTHERWISE);
    } else if (code == -ENODEV || code == -ENXIO) {
        err_set(err, code, "the kernel has no TUN/TAP driver loaded");
        err_hint(err, "sudo modprobe tun" OTHERWISE);
    } else {
        err_set(err, code, "cannot open /dev/net/tun: %s", err_text(code));
    }
    return code;
}

/* Every offload that this kernel has, from many to few. */
static int set_offloads(int fd)
{
    static const unsigned long wanted[] = {
        TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6,
        TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6,
        TUN_F_CSUM,
    };

    for (unsigned i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (ioctl(fd, TUNSETOFFLOAD, wanted[i]) == 0)
            return 0;
    return -errno;
}

int netns_tap(const char *name, struct err *err)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int header = VNET_HEADER_SIZE;
    int fd, r = 0;

    if (strlen(name) >= sizeof ifr.ifr_name)
        return err_set(err, -ENAMETOOLONG, "%s is too long for an interface", name);
    memcpy(ifr.ifr_name, name, strlen(name) + 1);
    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return no_tun(err, -errno);
    if (ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
        r = -errno;
    if (r == 0)
        r = set_offloads(fd);
    /* It goes with its namespace, in the background: who closes the last descriptor of an
     * interface otherwise waits some 15 ms for the kernel, and that could be the switch. */
    if (r == 0 && ioctl(fd, TUNSETPERSIST, 1UL) < 0)
        r = -errno;
    if (r) {
        close(fd);
        return err_set(err, r, "cannot make the interface %s: %s", name, err_text(r));
    }
    return fd;
}

/*
 * A fresh /sys shows this node's interfaces, not the host's. The control groups mounted below
 * the old one are carried over. Where the kernel refuses (in a container that hides parts of
 * /sys), the old one stays: nothing but names of interfaces is wrong then.
 */
static void renew_sys(void)
{
    int groups = open_tree(AT_FDCWD, "/sys/fs/cgroup",
                           OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

    if (mount("sysfs", "/sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
              NULL) == 0 &&
        groups >= 0)
        (void)move_mount(groups, "", AT_FDCWD, "/sys/fs/cgroup", MOVE_MOUNT_F_EMPTY_PATH);
    fd_close(&groups);
}

int netns_mounts(struct err *err)
{
    if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return err_set(err, -errno, "cannot make mounts private: %s", err_text(errno));
    /* Refused where parts of /proc are hidden, as in many containers. The host's does too: it
     * shows the host's processes, and its sysctls of the network are the reader's own. */
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 &&
        errno != EPERM)
        return err_set(err, -errno, "cannot mount /proc: %s", err_text(errno));
    renew_sys();
    return 0;
}

static bool has_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{.permitted = 0}};
    bool any = syscall(SYS_capget, &head, data) < 0;

    for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        any = any || data[i].permitted || data[i].inheritable;
    return any;
}

int netns_drop(struct err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{.effective = 0}};
    unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
                         SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

    /* The bounding set stays whole: a program with file capabilities (ping) could not be run at
     * all otherwise. It gains none of them, for no_new_privs. */
    if ((has_capabilities() &&
         (prctl(PR_SET_SECUREBITS, bits) < 0 ||
          prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0UL, 0UL, 0UL) < 0 ||
          syscall(SYS_capset, &head, none) < 0)) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0)
        return err_set(err, -errno, "cannot give up capabilities: %s", err_text(errno));
    return 0;
}
