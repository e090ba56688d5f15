/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions of ioth.h that other tests have no need of, one by one, on stacks of the kind lwip. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "libioth/api/ioth.h"
#include "libioth/conf/iothconf.h"
#include "tests/unit/wire.h"

#define PORT    80
#define WAIT_MS 10000

static struct wire wire;

static struct sockaddr_in at(const char *addr)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(PORT)};

    assert_int_equal(inet_pton(AF_INET, addr, &in.sin_addr), 1);
    return in;
}

static int start(void **state)
{
    (void)state;
    return wire_start(&wire);
}

static int end(void **state)
{
    (void)state;
    return wire_end(&wire);
}

static unsigned named(struct ioth *s, const char *name)
{
    int index = ioth_if_nametoindex(s, name);

    assert_true(index > 0);
    return (unsigned)index;
}

/* --- stacks and interfaces ------------------------------------------------------------------------ */

static void test_several_interfaces(void **state)
{
    const char *none[] = {NULL}, *two[] = {"ioth://any", "lan:ioth://any", NULL};
    struct ioth *s = ioth_newstackv("lwip", none);

    (void)state;
    assert_non_null(s);
    assert_int_equal(ioth_if_nametoindex(s, "vde0"), -1);
    assert_int_equal(errno, ENODEV);
    assert_int_equal(ioth_delstack(s), 0);
    s = ioth_newstackv("lwip", two);
    assert_non_null(s);
    assert_true(named(s, "vde0") != named(s, "lan"));
    assert_int_equal(ioth_delstack(s), 0);
    s = ioth_newstackl("lwip", "ioth://any", "ioth://any", (char *)NULL);
    assert_non_null(s);
    assert_true(named(s, "vde0") != named(s, "vde1"));
    assert_int_equal(ioth_delstack(s), 0);
}

static void test_links(void **state)
{
    struct ioth *s = ioth_newstack("lwip", NULL);
    static const char vnl[] = "ioth://any";
    struct nl_iplink_data data = {IFLA_VDE_VNL, vnl, sizeof vnl};
    unsigned char mac[6] = {2, 0, 0, 0, 0, 7}, bad[6] = {1}, got[6];
    int one, two;

    (void)state;
    one = ioth_iplink_add(s, "first", 0, "vde", &data, 1);
    assert_int_equal(one, named(s, "first"));
    assert_int_equal(ioth_iplink_add(s, "first", 0, "vde", &data, 1), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(ioth_iplink_add(s, "veth", 0, "veth", NULL, 0), -1);
    assert_int_equal(errno, EOPNOTSUPP);
    two = ioth_iplink_add(s, NULL, (unsigned)-1, "vde", &data, 1); /* A name is made up. */
    assert_int_equal(two, named(s, "vde0"));

    assert_int_equal(ioth_linksetaddr(s, (unsigned)one, mac), 0);
    assert_int_equal(ioth_linkgetaddr(s, (unsigned)one, got), 0);
    assert_memory_equal(got, mac, 6);
    assert_int_equal(ioth_linksetaddr(s, (unsigned)one, bad), -1);
    assert_int_equal(errno, EINVAL);

    assert_int_equal(ioth_iplink_del(s, "first", 0), 0);
    assert_int_equal(ioth_iplink_del(s, NULL, (unsigned)two), 0);
    assert_int_equal(ioth_iplink_del(s, NULL, (unsigned)two), -1);
    assert_int_equal(errno, ENODEV);
    assert_int_equal(ioth_delstack(s), 0);
}

static void test_routes(void **state)
{
    struct ioth *s = ioth_newstack("lwip", "ioth://any");
    unsigned index = named(s, "vde0");
    struct sockaddr_in own = at("10.0.0.1"), gw = at("10.0.0.9"), far = at("192.0.2.1");
    int fd = ioth_msocket(s, AF_INET, SOCK_DGRAM, 0);

    (void)state;
    assert_int_equal(ioth_linksetupdown(s, index, 1), 0);
    assert_int_equal(ioth_ipaddr_add(s, AF_INET, &own.sin_addr, 24, index), 0);
    assert_int_equal(ioth_connect(fd, (struct sockaddr *)&far, sizeof far), -1);
    assert_int_equal(errno, ENETUNREACH);
    assert_int_equal(ioth_iproute_add(s, AF_INET, NULL, 0, &gw.sin_addr, index), 0);
    assert_int_equal(ioth_iproute_add(s, AF_INET, NULL, 0, &gw.sin_addr, index), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(ioth_connect(fd, (struct sockaddr *)&far, sizeof far), 0);
    assert_int_equal(ioth_iproute_del(s, AF_INET, NULL, 0, &gw.sin_addr, index), 0);
    assert_int_equal(ioth_iproute_del(s, AF_INET, NULL, 0, &gw.sin_addr, index), -1);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(ioth_iproute_add(s, AF_INET, &far.sin_addr, 32, &gw.sin_addr, index),
                     0);
    assert_int_equal(ioth_iproute_del(s, AF_INET, &far.sin_addr, 32, &gw.sin_addr, index),
                     0);
    assert_int_equal(ioth_close(fd), 0);
    assert_int_equal(ioth_delstack(s), 0);
}

/* A message of rtnetlink as somebody else makes it: lo is set down. */
static void test_dialog(void **state)
{
    struct ioth *s = ioth_newstack("lwip", NULL);
    struct {
        struct nlmsghdr head;
        struct ifinfomsg info;
    } q = {.head = {.nlmsg_len = sizeof q,
                    .nlmsg_type = RTM_SETLINK,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
           .info = {.ifi_index = (int)named(s, "lo"), .ifi_change = IFF_UP}};

    (void)state;
    assert_int_equal(ioth_nldialog(s, &q), 0);
    q.info.ifi_index = 99;
    assert_int_equal(ioth_nldialog(s, &q), -1);
    assert_int_equal(errno, ENODEV);
    q.head.nlmsg_type = RTM_NEWRULE;
    assert_int_equal(ioth_nldialog(s, &q), -1);
    assert_int_equal(errno, EOPNOTSUPP);
    assert_int_equal(ioth_delstack(s), 0);
}

/* --- defaults -------------------------------------------------------------------------------------- */

static void *with_its_own(void *aux)
{
    int fd;

    assert_true(ioth_get_defstack() != aux);
    ioth_set_thread_defstack(aux);
    assert_ptr_equal(ioth_get_defstack(), aux);
    fd = ioth_socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(ioth_delstack(aux), -1); /* It is of that stack. */
    assert_int_equal(errno, EBUSY);
    assert_int_equal(ioth_close(fd), 0);
    ioth_set_thread_defstack(NULL);
    assert_true(ioth_get_defstack() != aux);
    return NULL;
}

static void test_defaults(void **state)
{
    struct ioth *of_process = ioth_newstack("lwip", NULL);
    struct ioth *of_thread = ioth_newstack("lwip", NULL);
    struct ioth *host = ioth_get_defstack();
    pthread_t thread;

    (void)state;
    assert_non_null(host);
    ioth_set_defstack(of_process);
    assert_ptr_equal(ioth_get_defstack(), of_process);
    assert_int_equal(pthread_create(&thread, NULL, with_its_own, of_thread), 0);
    pthread_join(thread, NULL);
    assert_ptr_equal(ioth_get_defstack(), of_process);
    assert_int_equal(ioth_delstack(of_thread), 0);
    assert_int_equal(ioth_delstack(of_process), 0);
    assert_ptr_equal(ioth_get_defstack(), host); /* It has gone. */
}

/* --- messages --------------------------------------------------------------------------------------- */

static void test_messages(void **state)
{
    struct ioth *s = ioth_newstack("lwip", NULL);
    struct sockaddr_in to = at("127.0.0.1"), from = {.sin_family = AF_INET};
    int ear = ioth_msocket(s, AF_INET, SOCK_DGRAM, 0);
    int mouth = ioth_msocket(s, AF_INET, SOCK_DGRAM, 0), n = 0;
    char a[4] = "", b[8] = "", c[8] = "";
    struct iovec out[] = {{(char[]){"one "}, 4}, {(char[]){"two"}, 3}};
    struct iovec in[] = {{a, 4}, {b, 8}}, other = {c, 8};
    struct msghdr msg = {
        .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = out, .msg_iovlen = 2};
    struct mmsghdr sent[2] = {{.msg_hdr = msg}, {.msg_hdr = msg}};
    struct mmsghdr got[2] = {
        {.msg_hdr = {.msg_iov = in, .msg_iovlen = 2}},
        {.msg_hdr = {.msg_iov = &other, .msg_iovlen = 1}},
    };

    (void)state;
    sent[1].msg_hdr.msg_iov = out + 1;
    sent[1].msg_hdr.msg_iovlen = 1;
    assert_int_equal(ioth_bind(ear, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(ioth_sendmsg(mouth, &msg, 0), 7);
    assert_int_equal(ioth_ioctl(ear, FIONREAD, &n), 0);
    assert_int_equal(n, 7);
    msg = (struct msghdr){
        .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = in, .msg_iovlen = 2};
    assert_int_equal(ioth_recvmsg(ear, &msg, 0), 7);
    assert_int_equal(msg.msg_namelen, sizeof from);
    assert_int_equal(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    assert_memory_equal(a, "one ", 4);
    assert_memory_equal(b, "two", 3);
    assert_int_equal(ioth_sendmmsg(mouth, sent, 2, 0), 2);
    assert_int_equal(sent[0].msg_len, 7);
    assert_int_equal(ioth_recvmmsg(ear, got, 2, 0, NULL), 2);
    assert_int_equal(got[0].msg_len, 7);
    assert_int_equal(got[1].msg_len, 3);
    assert_memory_equal(c, "two", 3);

    assert_int_equal(ioth_connect(mouth, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(ioth_writev(mouth, out, 2), 7);
    assert_int_equal(ioth_readv(ear, in, 2), 7);
    assert_int_equal(ioth_writev(mouth, out, -1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(ioth_readv(0, in, 2), -1); /* No socket of a stack. */
    assert_int_equal(errno, EBADF);
    assert_int_equal(ioth_close(ear), 0);
    assert_int_equal(ioth_close(mouth), 0);
    assert_int_equal(ioth_close(mouth), -1);
    assert_int_equal(errno, ENOSYS);
    assert_int_equal(ioth_delstack(s), 0);
}

/* --- waiting ---------------------------------------------------------------------------------------- */

static struct ioth *waited_for;
static volatile sig_atomic_t rung;

static void ring(int sig)
{
    (void)sig;
    rung++;
    ioth_interrupt(waited_for);
}

static void *ring_soon(void *aux)
{
    usleep(50000);
    pthread_kill(*(pthread_t *)aux, SIGUSR1);
    return NULL;
}

/* A signal that is let in only while one waits, by each of the calls that do so, and one that interrupts a call. */
static void test_signals(void **state)
{
    struct sigaction act = {.sa_handler = ring}, before;
    struct timespec limit = {.tv_sec = WAIT_MS / 1000};
    pthread_t self = pthread_self(), other;
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create1(EPOLL_CLOEXEC), fd;
    sigset_t blocked, open;
    struct pollfd one;
    char byte;

    (void)state;
    waited_for = ioth_newstack("lwip", NULL);
    fd = ioth_msocket(waited_for, AF_INET, SOCK_DGRAM, 0);
    one = (struct pollfd){.fd = fd, .events = POLLIN};
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    assert_int_equal(sigaction(SIGUSR1, &act, &before), 0);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &blocked, &open), 0);
    assert_int_equal(ioth_epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);

    pthread_kill(self, SIGUSR1);
    assert_int_equal(ioth_ppoll(&one, 1, &(struct timespec){0}, NULL), 0);
    assert_int_equal(rung, 0);
    assert_int_equal(ioth_ppoll(&one, 1, &limit, &open), -1);
    assert_int_equal(errno, EINTR);
    assert_int_equal(rung, 1);
    pthread_kill(self, SIGUSR1);
    assert_int_equal(ioth_epoll_pwait(epoll, &event, 1, 0, NULL), 0);
    assert_int_equal(ioth_epoll_pwait(epoll, &event, 1, WAIT_MS, &open), -1);
    assert_int_equal(errno, EINTR);
    assert_int_equal(rung, 2);

    assert_int_equal(pthread_sigmask(SIG_SETMASK, &open, NULL), 0);
    assert_int_equal(pthread_create(&other, NULL, ring_soon, &self), 0);
    assert_int_equal(ioth_recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, EINTR);
    assert_int_equal(rung, 3);
    pthread_join(other, NULL);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    close(epoll);
    assert_int_equal(ioth_close(fd), 0);
    assert_int_equal(ioth_delstack(waited_for), 0);
}

/* --- the rest ----------------------------------------------------------------------------------------- */

static void test_flush(void **state)
{
    struct ioth *s = ioth_newstack("lwip", NULL);

    (void)state;
    assert_int_equal(ioth_flush(s), 0);
    assert_int_equal(ioth_delstack(s), 0);
    assert_int_equal(ioth_flush(ioth_newstack("", NULL)), -1);
    assert_int_equal(errno, ENOSYS);
}

static void test_names(void **state)
{
    struct ioth *s = ioth_newstack("lwip", "ioth://any");
    char *text;

    (void)state;
    assert_null(ioth_config_names(s)); /* Never configured. */
    assert_int_equal(ioth_config_fd(s), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(ioth_config(s, "eth,ip=10.0.0.1,dns=10.0.0.53,domain=example.org"),
                     IOTHCONF_ETH | IOTHCONF_STATIC);
    for (unsigned i = 0; i < 2; i++) { /* Whether it has changed or not. */
        text = ioth_config_names(s);
        assert_string_equal(text, "search example.org\nnameserver 10.0.0.53\n");
        free(text);
    }
    text = ioth_resolvconf(s, NULL);
    assert_string_equal(text, "search example.org\nnameserver 10.0.0.53\n");
    free(text);
    errno = EIO;
    assert_null(ioth_resolvconf(s, "iface=vde0"));
    assert_int_equal(errno, 0);
    assert_int_equal(ioth_delstack(s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_several_interfaces, start, end),
        cmocka_unit_test_setup_teardown(test_links, start, end),
        cmocka_unit_test_setup_teardown(test_routes, start, end),
        cmocka_unit_test(test_dialog),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_flush),
        cmocka_unit_test_setup_teardown(test_names, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
