/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Socket options of the kind lwip beside those of this machine's kernel: each is asked for, set to several values,
 * and asked for again, at sockets of every kind. Where they differ on purpose, the row says why; a row that says so
 * and finds no difference is wrong, too. What only a privileged program may set in the kernel is compared only if this
 * one is. Kernels before 6.16 differ here and there: then it only says so.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#include <cmocka.h>

#include "libioth/api/ioth.h"

enum { TCP4 = 1, TCP6 = 2, UDP4 = 4, UDP6 = 8, RAW4 = 16, RAW6 = 32 };
#define TCP  (TCP4 | TCP6)
#define UDP  (UDP4 | UDP6)
#define RAW  (RAW4 | RAW6)
#define SIX  (TCP6 | UDP6 | RAW6)
#define FOUR (TCP4 | UDP4 | RAW4)
#define ALL  (FOUR | SIX)

static const struct kind {
    unsigned bit;
    const char *name;
    int domain, type, protocol;
} kinds[] = {
    {TCP4, "tcp", AF_INET, SOCK_STREAM, 0},
    {TCP6, "tcp6", AF_INET6, SOCK_STREAM, 0},
    {UDP4, "udp", AF_INET, SOCK_DGRAM, 0},
    {UDP6, "udp6", AF_INET6, SOCK_DGRAM, 0},
    {RAW4, "raw", AF_INET, SOCK_RAW, IPPROTO_ICMP},
    {RAW6, "raw6", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6},
};
#define N_KINDS (sizeof kinds / sizeof *kinds)

#define VALUES 6
struct row {
    const char *name;
    int level, option;
    unsigned kinds;
    int values[VALUES]; /* The first 0 that is not the first one ends them. */
    const char *differs;
};

#define NAMED(n, l, o, k, ...)                                                             \
    {                                                                                      \
        .name = n, .level = l, .option = o, .kinds = k, .values = { __VA_ARGS__ }          \
    }
#define ROW(l, o, k, ...) NAMED(#o, l, o, k, __VA_ARGS__)
#define DIFFERS(l, o, k, why, ...)                                                         \
    {                                                                                      \
        .name = #o, .level = l, .option = o, .kinds = k, .differs = why, .values = {       \
            __VA_ARGS__                                                                    \
        }                                                                                  \
    }

static const struct row rows[] = {
#include "tests/unit/sockopt_rows.h"
};

static struct ioth *kernel, *lwip;
static bool is_recent;

#define ICMP_FILTER 1 /* linux/icmp.h and netinet/in.h do not go together. */
#define STORY_SIZE  256

static int ask(int fd, const struct row *r, int *value)
{
    int buf[16] = {0};
    socklen_t size = sizeof buf;

    if (ioth_getsockopt(fd, r->level, r->option, buf, &size) < 0)
        return errno;
    *value = buf[0];
    return size == sizeof(int) ? 0 : -(int)size;
}

/* What an option is, and is after each value that it is set to: "0; 1 is 1; -1 is EINVAL". */
static void tell(int fd, const struct row *r, char story[STORY_SIZE],
                 const bool may_set[VALUES])
{
    size_t used = 0;

    for (int i = -1; i < VALUES; i++) {
        int why = 0, value = 0;

        if (i >= 0 &&
            ((i > 0 && !r->values[i] && !(i == 1 && r->values[0])) || !may_set[i]))
            continue;
        if (i >= 0) {
            if (ioth_setsockopt(fd, r->level, r->option, &r->values[i], sizeof(int)) < 0)
                why = errno;
            used +=
                (size_t)snprintf(story + used, STORY_SIZE - used, "; %d: ", r->values[i]);
        }
        if (why == 0)
            why = ask(fd, r, &value);
        if (why > 0)
            used += (size_t)snprintf(story + used, STORY_SIZE - used, "%s",
                                     strerrorname_np(why));
        else
            used += (size_t)snprintf(story + used, STORY_SIZE - used,
                                     why ? "%d (%d bytes)" : "%d", value, -why);
    }
}

/* Which values the kernel lets us set. */
static void try_all(int fd, const struct row *r, bool may_set[VALUES])
{
    for (unsigned i = 0; i < VALUES; i++)
        may_set[i] =
            ioth_setsockopt(fd, r->level, r->option, &r->values[i], sizeof(int)) == 0 ||
            errno != EPERM;
}

static int open_one(struct ioth *stack, const struct kind *k)
{
    return ioth_msocket(stack, k->domain, k->type, k->protocol);
}

/* Does it differ at this kind? */
static bool differs(const struct row *r, const struct kind *k)
{
    char theirs[STORY_SIZE], ours[STORY_SIZE];
    bool may_set[VALUES];
    int fd = open_one(kernel, k);

    if (fd < 0)
        return false; /* Not for us to make. */
    try_all(fd, r, may_set);
    ioth_close(fd);
    fd = open_one(kernel, k);
    tell(fd, r, theirs, may_set);
    ioth_close(fd);
    fd = open_one(lwip, k);
    assert_true(fd >= 0);
    tell(fd, r, ours, may_set);
    ioth_close(fd);
    if (!strcmp(theirs, ours))
        return false;
    if (!r->differs)
        printf("  %s (%s)\n    kernel %s\n    lwip   %s\n", r->name, k->name, theirs, ours);
    return true;
}

static void test_rows(void **state)
{
    unsigned wrong = 0;

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        bool any = false;

        for (unsigned j = 0; j < N_KINDS; j++) {
            if (r->kinds & kinds[j].bit)
                any = differs(r, &kinds[j]) || any;
        }
        if (r->differs && !any)
            printf("  %s does not differ\n", r->name);
        wrong += any != (r->differs != NULL);
    }
    if (is_recent)
        assert_int_equal(wrong, 0);
}

/* --- options that are more than a number ------------------------------------------------------- */

#define OUT(...) (used += (size_t)snprintf(story + used, sizeof story - used, __VA_ARGS__))
static char story[2048];
static size_t used;

static const char *why(int r)
{
    return r < 0 ? strerrorname_np(errno) : "0";
}

static void set(int fd, int level, int name, const void *value, socklen_t size)
{
    OUT(" %s", why(ioth_setsockopt(fd, level, name, value, size)));
}

static void tell_times(int fd)
{
    static const struct timeval times[] = {{1, 500000}, {1, 1000000}, {0, -1}, {0, 0}};
    struct timeval got;
    socklen_t size = sizeof got;

    for (unsigned i = 0; i < sizeof times / sizeof *times; i++) {
        set(fd, SOL_SOCKET, SO_RCVTIMEO, &times[i], sizeof times[i]);
        assert_int_equal(ioth_getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &got, &size), 0);
        OUT(" %ld.%06ld", (long)got.tv_sec, (long)got.tv_usec);
    }
    set(fd, SOL_SOCKET, SO_SNDTIMEO, &times[0], 4);
}

static void tell_linger(int fd)
{
    struct linger l = {1, 5};
    socklen_t size = sizeof l;

    set(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    set(fd, SOL_SOCKET, SO_LINGER, &l, 4);
    l = (struct linger){0, 0};
    OUT(" %s %d %d", why(ioth_getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &size)), l.l_onoff,
        l.l_linger);
}

static void tell_device(int fd)
{
    char name[32] = "";
    socklen_t size = sizeof name;

    set(fd, SOL_SOCKET, SO_BINDTODEVICE, "nope0", 6);
    set(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3);
    OUT(" %s %s", why(ioth_getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &size)), name);
    set(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0);
    size = sizeof name;
    OUT(" %s %u", why(ioth_getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &size)), size);
}

static void tell_ioctls(int fd)
{
    static const unsigned long asked[] = {FIONREAD,   SIOCOUTQ,       SIOCOUTQNSD,
                                          SIOCATMARK, SIOCGSTAMP_OLD, SIOCGSTAMPNS_OLD};
    uint8_t answer[32];

    for (unsigned i = 0; i < sizeof asked / sizeof *asked; i++)
        OUT(" %s", why(ioth_ioctl(fd, asked[i], answer)));
}

static void tell_short(int fd)
{
    char little[2] = {0, 0};
    socklen_t size = 1;

    set(fd, SOL_SOCKET, SO_KEEPALIVE, little, 2);
    set(fd, IPPROTO_IP, IP_TTL, "\x7", 1);
    OUT(" %s", why(ioth_getsockopt(fd, IPPROTO_IP, IP_TTL, little, &size)));
    OUT(" %u %d", size, little[0]);
}

static void tell_tcp(int fd)
{
    struct tcp_info info;
    char name[32] = "";
    socklen_t size = sizeof name;

    set(fd, IPPROTO_TCP, TCP_CONGESTION, "nonsense", 8);
    set(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    OUT(" %s", why(ioth_getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size)));
    OUT(" %u %s", size, name);
    size = sizeof info;
    OUT(" %s", why(ioth_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size)));
    OUT(" %u %u", size, info.tcpi_state);
    set(fd, IPPROTO_TCP, TCP_NODELAY, "\1", 1);
}

static void tell_groups4(int fd)
{
    struct ip_mreqn m = {.imr_ifindex = 1};
    struct ip_mreq_source s = {.imr_interface.s_addr = htonl(INADDR_LOOPBACK)};

    set(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m);
    set(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, 4);
    m.imr_multiaddr.s_addr = s.imr_multiaddr.s_addr = inet_addr("239.1.2.3");
    set(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m);
    set(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m);
    set(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m);
    s.imr_sourceaddr.s_addr = inet_addr("10.0.0.1");
    set(fd, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &s, sizeof s);
    set(fd, IPPROTO_IP, IP_BLOCK_SOURCE, &s, sizeof s);
    set(fd, IPPROTO_IP, IP_BLOCK_SOURCE, &s, sizeof s);
    set(fd, IPPROTO_IP, IP_UNBLOCK_SOURCE, &s, sizeof s);
    set(fd, IPPROTO_IP, IP_UNBLOCK_SOURCE, &s, sizeof s);
    set(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m);
    set(fd, IPPROTO_IP, IP_BLOCK_SOURCE, &s, sizeof s);
    set(fd, IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, &s, sizeof s);
    set(fd, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &s, sizeof s);
    set(fd, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &s, sizeof s);
    set(fd, IPPROTO_IP, IP_BLOCK_SOURCE, &s, sizeof s);
    set(fd, IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, &s, sizeof s);
    set(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m);
}

static void tell_groups6(int fd)
{
    struct ipv6_mreq m = {.ipv6mr_interface = 1};

    set(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m);
    inet_pton(AF_INET6, "ff02::1234", &m.ipv6mr_multiaddr);
    set(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m, sizeof m);
    set(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m);
    set(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m);
    set(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m, sizeof m);
    m.ipv6mr_interface = 77;
    set(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof m);
}

/* RFC 3678: the same names for both. */
static void tell_any_groups(int fd, int level, const char *group, const char *source)
{
    struct group_source_req r = {.gsr_interface = 1};
    struct group_req g = {.gr_interface = 1};
    bool six = level == IPPROTO_IPV6;
    struct sockaddr_in *four[] = {(void *)&r.gsr_group, (void *)&r.gsr_source};
    struct sockaddr_in6 *six6[] = {(void *)&r.gsr_group, (void *)&r.gsr_source};
    const char *texts[] = {group, source};

    for (unsigned i = 0; i < 2; i++) {
        if (six) {
            six6[i]->sin6_family = AF_INET6;
            inet_pton(AF_INET6, texts[i], &six6[i]->sin6_addr);
        } else {
            four[i]->sin_family = AF_INET;
            inet_pton(AF_INET, texts[i], &four[i]->sin_addr);
        }
    }
    g.gr_group = r.gsr_group;
    set(fd, level, MCAST_JOIN_GROUP, &g, 8);
    set(fd, level, MCAST_LEAVE_GROUP, &g, sizeof g);
    set(fd, level, MCAST_JOIN_GROUP, &g, sizeof g);
    set(fd, level, MCAST_JOIN_GROUP, &g, sizeof g);
    set(fd, level, MCAST_BLOCK_SOURCE, &r, sizeof r);
    set(fd, level, MCAST_UNBLOCK_SOURCE, &r, sizeof r);
    set(fd, level, MCAST_LEAVE_GROUP, &g, sizeof g);
    set(fd, level, MCAST_JOIN_SOURCE_GROUP, &r, sizeof r);
    set(fd, level, MCAST_BLOCK_SOURCE, &r, sizeof r);
    set(fd, level, MCAST_LEAVE_SOURCE_GROUP, &r, sizeof r);
    set(fd, level, MCAST_LEAVE_SOURCE_GROUP, &r, sizeof r);
}

static void tell_any_groups4(int fd)
{
    tell_any_groups(fd, IPPROTO_IP, "239.3.2.1", "10.0.0.1");
}

static void tell_any_groups6(int fd)
{
    tell_any_groups(fd, IPPROTO_IPV6, "ff02::4321", "fd00::1");
}

static void tell_filter4(int fd)
{
    uint32_t filter = 0x101, got = 0;
    socklen_t size = sizeof got;

    set(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter);
    OUT(" %s", why(ioth_getsockopt(fd, SOL_RAW, ICMP_FILTER, &got, &size)));
    OUT(" %x %u", got, size);
}

static const struct topic {
    const char *name;
    unsigned kinds;
    void (*tell)(int fd);
} topics[] = {
    {"times", ALL, tell_times},
    {"linger", ALL, tell_linger},
    {"device", ALL, tell_device},
    {"ioctls", ALL, tell_ioctls},
    {"short values", FOUR, tell_short},
    {"TCP", TCP, tell_tcp},
    {"groups of IPv4", UDP | RAW4, tell_groups4},
    {"groups of IPv6", UDP6 | RAW6, tell_groups6},
    {"groups of IPv4 by RFC 3678", UDP4 | RAW4, tell_any_groups4},
    {"groups of IPv6 by RFC 3678", UDP6 | RAW6, tell_any_groups6},
    {"ICMP_FILTER", RAW4, tell_filter4},
};

static void test_topics(void **state)
{
    char theirs[sizeof story];
    unsigned wrong = 0;

    (void)state;
    for (unsigned i = 0; i < sizeof topics / sizeof *topics * N_KINDS; i++) {
        const struct topic *t = &topics[i / N_KINDS];
        const struct kind *k = &kinds[i % N_KINDS];
        int fd = t->kinds & k->bit ? open_one(kernel, k) : -1;

        if (fd < 0)
            continue;
        used = 0;
        t->tell(fd);
        ioth_close(fd);
        memcpy(theirs, story, sizeof story);
        fd = open_one(lwip, k);
        used = 0;
        t->tell(fd);
        ioth_close(fd);
        if (strcmp(theirs, story) != 0) {
            printf("  %s (%s)\n    kernel %s\n    lwip   %s\n", t->name, k->name, theirs,
                   story);
            wrong++;
        }
    }
    if (is_recent)
        assert_int_equal(wrong, 0);
}

/* Options have come and changed; what is written here is of this kernel and later ones. */
static bool recent(void)
{
    struct utsname u;
    unsigned major = 0, minor = 0;

    uname(&u);
    return sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 16));
}

static int init(void **state)
{
    (void)state;
    kernel = ioth_newstack("kernel", NULL);
    lwip = ioth_newstack("lwip", NULL);
    is_recent = recent();
    return kernel && lwip ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_topics),
    };

    return cmocka_run_group_tests(tests, init, NULL);
}
