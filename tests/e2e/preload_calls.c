/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What programs do with sockets, on 127.0.0.1, by the C library alone. Run by preload_calls.sh on the host's
 * kernel, to know that it is right, and with a stack in its own process, where it must see the same.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#define WAIT_MS 5000

#define CHECK(what)                                                                        \
    do {                                                                                   \
        if (!(what)) {                                                                     \
            printf("%s:%d: not so: %s (errno %s)\n", __FILE__, __LINE__, #what,            \
                   strerror(errno));                                                       \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)

static struct sockaddr *sa(void *in)
{
    return in;
}

/* --- pairs -------------------------------------------------------------------------------------- */

struct pair {
    int listener, client, server;
    struct sockaddr_in at;
};

static int listener(struct sockaddr_in *at, int type)
{
    socklen_t size = sizeof *at;
    int fd = socket(AF_INET, type, 0);

    CHECK(fd >= 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(bind(fd, sa(at), sizeof *at) == 0);
    if (type == SOCK_STREAM)
        CHECK(listen(fd, 16) == 0);
    CHECK(getsockname(fd, sa(at), &size) == 0 && at->sin_port);
    return fd;
}

static void open_pair(struct pair *p)
{
    p->listener = listener(&p->at, SOCK_STREAM);
    p->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(p->client, sa(&p->at), sizeof p->at) == 0);
    p->server = accept(p->listener, NULL, NULL);
    CHECK(p->server >= 0);
}

static void close_pair(const struct pair *p)
{
    CHECK(close(p->client) == 0 && close(p->server) == 0 && close(p->listener) == 0);
}

static int polled(int fd, short events, int ms)
{
    struct pollfd p = {.fd = fd, .events = events};

    CHECK(poll(&p, 1, ms) >= 0);
    return p.revents;
}

static void say(int fd, const char *text)
{
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void hear(int fd, const char *text)
{
    char got[256] = "";
    size_t have = 0;

    while (have < strlen(text)) {
        ssize_t n = read(fd, got + have, strlen(text) - have);

        CHECK(n > 0);
        have += (size_t)n;
    }
    CHECK(memcmp(got, text, have) == 0);
}

/* --- descriptors ---------------------------------------------------------------------------------- */

static void test_dup(void)
{
    struct pair p;
    int more, low, n = 0;

    low = dup(0);
    close(low);
    open_pair(&p);
    CHECK(p.listener == low && p.client == low + 1 && p.server == low + 2);
    more = dup(p.client);
    CHECK(more == low + 3);
    CHECK(fcntl(p.client, F_DUPFD, 100) >= 100);
    close(100);
    CHECK(dup2(p.client, p.client) == p.client);
    CHECK(fcntl(p.client, F_GETFD) == FD_CLOEXEC && fcntl(more, F_GETFD) == 0);
    CHECK(close(p.client) == 0);
    CHECK(read(p.client, &n, 1) < 0 && errno == EBADF);
    say(more, "by a duplicate");
    hear(p.server, "by a duplicate");
    CHECK(dup2(more, 60) == 60 && dup3(more, p.client, O_CLOEXEC) == p.client);
    close(more);
    close(60);
    say(p.server, "and back");
    CHECK(polled(p.client, POLLIN, WAIT_MS) == POLLIN);
    CHECK(ioctl(p.client, FIONREAD, &n) == 0 && n == 8);
    hear(p.client, "and back");
    CHECK(polled(p.client, POLLIN, 0) == 0);
    /* A file where a socket was: the socket is closed by it. */
    CHECK(dup2(0, p.client) == p.client);
    CHECK(polled(p.server, POLLIN, WAIT_MS) & POLLIN);
    CHECK(read(p.server, &n, 1) == 0);
    close_pair(&p);
}

static void test_flags(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1, off = 0;
    socklen_t size = sizeof on;

    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK(ioctl(fd, FIONBIO, &off) == 0 && !(fcntl(fd, F_GETFL) & O_NONBLOCK));
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    CHECK(getsockopt(fd, SOL_SOCKET, SO_TYPE, &on, &size) == 0 && on == SOCK_STREAM);
    CHECK(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &on, &size) == 0 && on == AF_INET);
    CHECK(lseek(fd, 0, SEEK_CUR) < 0 && errno == ESPIPE);
    CHECK(!isatty(fd));
    close(fd);
}

static void test_close_range(void)
{
    struct pair p;
    int pipes[2];
    char c;

    CHECK(pipe(pipes) == 0);
    open_pair(&p);
    CHECK(dup2(p.server, 90) == 90);
    close(p.server);
    CHECK(close_range(3, 80, 0) == 0);
    CHECK(read(90, &c, 1) == 0); /* The client is closed. */
    CHECK(read(pipes[0], &c, 1) < 0 && errno == EBADF);
    CHECK(close_range(90, ~0U, CLOSE_RANGE_CLOEXEC) == 0 &&
          fcntl(90, F_GETFD) == FD_CLOEXEC);
    closefrom(3);
    CHECK(fcntl(90, F_GETFD) < 0);
    /* What the stack needs is still there. */
    open_pair(&p);
    say(p.client, "on");
    hear(p.server, "on");
    close_pair(&p);
}

static void test_stream(void)
{
    struct pair p;
    char line[64];
    FILE *out, *in;

    open_pair(&p);
    out = fdopen(p.client, "w");
    in = fdopen(dup(p.server), "r");
    CHECK(out && in && fileno(out) == p.client);
    CHECK(fprintf(out, "a line of %d\n", 42) > 0 && fflush(out) == 0);
    CHECK(fgets(line, sizeof line, in) && !strcmp(line, "a line of 42\n"));
    CHECK(dprintf(p.server, "%s!", "printed") == 8);
    hear(p.client, "printed!");
    CHECK(fclose(out) == 0);
    CHECK(!fgets(line, sizeof line, in) && feof(in));
    fclose(in);
    close(p.server);
    close(p.listener);
}

/* --- waiting ---------------------------------------------------------------------------------------- */

static void test_poll(void)
{
    struct timespec none = {.tv_sec = 0};
    struct timeval soon = {.tv_usec = 1000};
    struct pollfd fds[3];
    fd_set in, out;
    int pipes[2];
    struct pair p;

    CHECK(pipe(pipes) == 0);
    open_pair(&p);
    CHECK(polled(p.client, POLLIN | POLLOUT, 0) == POLLOUT);
    fds[0] = (struct pollfd){.fd = pipes[0], .events = POLLIN};
    fds[1] = (struct pollfd){.fd = p.server, .events = POLLIN};
    fds[2] = (struct pollfd){.fd = -1, .events = POLLIN};
    CHECK(poll(fds, 3, 10) == 0);
    say(pipes[1], "x");
    CHECK(poll(fds, 3, WAIT_MS) == 1 && fds[0].revents == POLLIN);
    say(p.client, "y");
    CHECK(polled(p.server, POLLIN, WAIT_MS) == POLLIN);
    CHECK(ppoll(fds, 3, &none, NULL) == 2);
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(p.server, &in);
    FD_SET(p.client, &in);
    FD_SET(p.server, &out);
    CHECK(select(p.server + 1, &in, &out, NULL, &soon) == 2);
    soon.tv_sec = LONG_MAX / 1000000 + 1; /* More than microseconds can be counted in. */
    CHECK(select(p.server + 1, &in, &out, NULL, &soon) == 2 &&
          soon.tv_sec > LONG_MAX / 2000000);
    CHECK(FD_ISSET(p.server, &in) && !FD_ISSET(p.client, &in) && FD_ISSET(p.server, &out));
    hear(p.server, "y");
    FD_ZERO(&in);
    FD_SET(p.server, &in);
    CHECK(pselect(p.server + 1, &in, NULL, NULL, &none, NULL) == 0);
    shutdown(p.client, SHUT_WR);
    CHECK(polled(p.server, POLLIN | POLLRDHUP, WAIT_MS) & POLLRDHUP);
    close_pair(&p);
    close(pipes[0]);
    close(pipes[1]);
}

static unsigned events(int epoll, int ms)
{
    struct epoll_event e = {.events = 0};
    int n = epoll_wait(epoll, &e, 1, ms);

    CHECK(n >= 0);
    return n ? e.events : 0;
}

static void test_epoll(void)
{
    struct epoll_event level = {.events = EPOLLIN}, edge = {.events = EPOLLIN | EPOLLET},
                       once = {.events = EPOLLIN | EPOLLONESHOT},
                       room = {.events = EPOLLOUT | EPOLLET};
    static char block[1 << 18];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct pair p;

    open_pair(&p);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, p.server, &level) == 0);
    CHECK(events(epoll, 0) == 0);
    say(p.client, "ab");
    CHECK(events(epoll, WAIT_MS) == EPOLLIN && events(epoll, 0) == EPOLLIN);
    hear(p.server, "a");
    CHECK(events(epoll, 0) == EPOLLIN);
    hear(p.server, "b");
    CHECK(events(epoll, 0) == 0);

    CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, p.server, &edge) == 0);
    say(p.client, "cd");
    CHECK(events(epoll, WAIT_MS) == EPOLLIN && events(epoll, 20) == 0);
    say(p.client, "e"); /* More, though not all was read. */
    CHECK(events(epoll, WAIT_MS) == EPOLLIN && events(epoll, 20) == 0);
    hear(p.server, "cde");
    say(p.client, "f");
    CHECK(events(epoll, WAIT_MS) == EPOLLIN);
    hear(p.server, "f");

    CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, p.server, &once) == 0);
    say(p.client, "g");
    CHECK(events(epoll, WAIT_MS) == EPOLLIN);
    say(p.client, "h");
    CHECK(events(epoll, 20) == 0);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, p.server, &once) == 0);
    CHECK(events(epoll, WAIT_MS) == EPOLLIN);
    hear(p.server, "gh");

    /* Room, by edges: none while it is full, one when there is some. */
    CHECK(epoll_ctl(epoll, EPOLL_CTL_DEL, p.server, NULL) == 0);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, p.client, &room) == 0);
    CHECK(events(epoll, WAIT_MS) & EPOLLOUT);
    while (send(p.client, block, sizeof block, MSG_DONTWAIT) > 0)
        ;
    CHECK(errno == EAGAIN);
    while (events(epoll, 20) & EPOLLOUT) /* What went out meanwhile. */
        while (send(p.client, block, sizeof block, MSG_DONTWAIT) > 0)
            ;
    CHECK(polled(p.client, POLLOUT, 0) == 0);
    while (recv(p.server, block, sizeof block, MSG_DONTWAIT) > 0 ||
           !(events(epoll, 20) & EPOLLOUT))
        ;
    close_pair(&p);
    close(epoll);
}

static void test_connect(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = -1, taken;
    socklen_t size = sizeof error;
    struct sockaddr_in at;
    int l = listener(&at, SOCK_STREAM);

    CHECK(connect(fd, sa(&at), sizeof at) == 0 || errno == EINPROGRESS);
    CHECK(polled(fd, POLLOUT, WAIT_MS) == POLLOUT);
    CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0);
    taken = accept4(l, NULL, NULL, SOCK_NONBLOCK);
    CHECK(taken >= 0 && fcntl(taken, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(l, F_SETFL, O_NONBLOCK) == 0);
    CHECK(accept(l, NULL, NULL) < 0 && errno == EAGAIN);
    close(taken);
    close(fd);
    close(l);
    /* Nobody is there any more. */
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connect(fd, sa(&at), sizeof at) < 0 && errno == EINPROGRESS) {
        CHECK(polled(fd, POLLOUT, WAIT_MS) & POLLOUT);
        CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0);
        errno = error;
    }
    CHECK(errno == ECONNREFUSED);
    close(fd);
}

/* --- signals ---------------------------------------------------------------------------------------- */

static volatile sig_atomic_t rang;
static int write_to = -1;

static void ring(int sig)
{
    (void)sig;
    rang++;
    if (write_to >= 0)
        (void)!write(write_to, "!", 1);
}

static void in_a_moment(int flags)
{
    const struct sigaction act = {.sa_handler = ring, .sa_flags = flags};
    const struct itimerval soon = {.it_value.tv_usec = 50000};

    rang = 0;
    CHECK(sigaction(SIGALRM, &act, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
}

static void *write_later(void *aux)
{
    usleep(150000);
    say(*(int *)aux, "late");
    return NULL;
}

static void *read_one(void *aux)
{
    char c;

    CHECK(read(*(int *)aux, &c, 1) == 1);
    return NULL;
}

static void test_signals(void)
{
    const struct timeval patience = {.tv_usec = 20000};
    struct sigaction old;
    pthread_t thread;
    struct pair p;
    int pipes[2];
    sigset_t mask;
    char c;

    /* Signals are this thread's, not its helper's. */
    open_pair(&p);
    in_a_moment(0);
    CHECK(read(p.server, &c, 1) < 0 && errno == EINTR && rang == 1);
    in_a_moment(0);
    CHECK(accept(p.listener, NULL, NULL) < 0 && errno == EINTR && rang == 1);
    in_a_moment(SA_RESTART);
    {
        struct pollfd fd = {.fd = p.server, .events = POLLIN};
        CHECK(poll(&fd, 1, WAIT_MS) < 0 && errno == EINTR && rang == 1);
    }
    CHECK(sigaction(SIGALRM, NULL, &old) == 0 && old.sa_handler == ring &&
          old.sa_flags & SA_RESTART);

    /* It goes on, and the handler may use what is not of the stack. */
    CHECK(pipe(pipes) == 0);
    write_to = pipes[1];
    sigemptyset(&mask);
    sigaddset(&mask, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    CHECK(pthread_create(&thread, NULL, write_later, &p.client) == 0);
    pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
    CHECK(signal(SIGALRM, ring) != SIG_ERR);
    in_a_moment(SA_RESTART);
    hear(p.server, "late");
    CHECK(rang == 1 && read(pipes[0], &c, 1) == 1 && c == '!');
    pthread_join(thread, NULL);
    write_to = -1;

    /* The same where another thread waits, too. */
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    CHECK(pthread_create(&thread, NULL, read_one, &p.client) == 0);
    usleep(20000);
    pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
    in_a_moment(0);
    CHECK(read(p.server, &c, 1) < 0 && errno == EINTR && rang == 1);
    say(p.server, "x");
    pthread_join(thread, NULL);

    CHECK(setsockopt(p.server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    CHECK(read(p.server, &c, 1) < 0 && errno == EAGAIN);
    CHECK(signal(SIGPIPE, ring) == SIG_DFL);
    close(p.server);
    rang = 0;
    while (send(p.client, "x", 1, MSG_NOSIGNAL) == 1)
        ;
    CHECK((errno == EPIPE || errno == ECONNRESET) && rang == 0);
    CHECK(write(p.client, "x", 1) < 0 && errno == EPIPE && rang == 1);
    CHECK(signal(SIGPIPE, SIG_DFL) == ring);
    close(p.client);
    close(p.listener);
    close(pipes[0]);
    close(pipes[1]);
}

/* --- data ------------------------------------------------------------------------------------------- */

static void test_sendfile(void)
{
    static char data[300000], got[300000];
    char name[] = "/tmp/ioth-calls.XXXXXX";
    int file = mkstemp(name);
    off_t at = 100;
    size_t have = 0;
    struct pair p;

    unlink(name);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7 + i / 256);
    CHECK(write(file, data, sizeof data) == (ssize_t)sizeof data);
    open_pair(&p);
    CHECK(sendfile(p.client, file, &at, 1000) == 1000 && at == 1100);
    CHECK(recv(p.server, got, 1000, MSG_WAITALL) == 1000 && !memcmp(got, data + 100, 1000));
    CHECK(lseek(file, 0, SEEK_CUR) == sizeof data && lseek(file, 0, SEEK_SET) == 0);
    fcntl(p.client, F_SETFL, O_NONBLOCK);
    while (have < sizeof data) {
        ssize_t n = sendfile(p.client, file, NULL, sizeof data);

        CHECK(n >= 0 || errno == EAGAIN);
        n = recv(p.server, got + have, sizeof got - have, 0);
        CHECK(n > 0);
        have += (size_t)n;
    }
    CHECK(!memcmp(got, data, sizeof data));
    CHECK(sendfile(p.client, file, NULL, 10) == 0);
    close(file);
    close_pair(&p);
}

static void test_messages(void)
{
    char a[8], b[8];
    struct iovec out[2] = {{(void *)"one ", 4}, {(void *)"two", 3}},
                 in[2] = {{a, 4}, {b, 8}};
    struct msghdr msg = {.msg_iov = in, .msg_iovlen = 2};
    struct mmsghdr many[2] = {{.msg_hdr = {.msg_iov = &out[0], .msg_iovlen = 1}},
                              {.msg_hdr = {.msg_iov = &out[1], .msg_iovlen = 1}}};
    struct sockaddr_in at, from;
    socklen_t size = sizeof from;
    struct pair p;
    int udp, ear;

    open_pair(&p);
    CHECK(writev(p.client, out, 2) == 7);
    CHECK(recv(p.server, a, 7, MSG_PEEK | MSG_WAITALL) == 7);
    CHECK(recvmsg(p.server, &msg, 0) == 7 && !memcmp(a, "one ", 4) && !memcmp(b, "two", 3));
    CHECK(recv(p.server, a, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
    /* Bytes that are thrown away need no room. */
    CHECK(writev(p.client, out, 2) == 7);
    CHECK(recv(p.server, a, 7, MSG_PEEK | MSG_WAITALL) == 7);
    CHECK(recv(p.server, NULL, 4, MSG_TRUNC) == 4);
    CHECK(recv(p.server, a, 8, 0) == 3 && !memcmp(a, "two", 3));
    close_pair(&p);

    ear = listener(&at, SOCK_DGRAM);
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(sendto(udp, "ping", 4, 0, sa(&at), sizeof at) == 4);
    CHECK(recvfrom(ear, a, 2, MSG_TRUNC, sa(&from), &size) == 4 && size == sizeof from);
    CHECK(connect(udp, sa(&at), sizeof at) == 0 && sendmmsg(udp, many, 2, 0) == 2);
    many[0].msg_hdr.msg_iov = &in[0];
    many[1].msg_hdr.msg_iov = &in[1];
    CHECK(polled(ear, POLLIN, WAIT_MS) == POLLIN);
    CHECK(recvmmsg(ear, many, 2, 0, NULL) == 2 && many[1].msg_len == 3 && b[0] == 't');
    /* By number, as libuv does it. */
    many[0].msg_hdr.msg_iov = &out[0];
    many[1].msg_hdr.msg_iov = &out[1];
    CHECK(syscall(SYS_sendmmsg, udp, many, 2, 0) == 2 && many[1].msg_len == 3);
    many[0].msg_hdr.msg_iov = &in[0];
    many[1].msg_hdr.msg_iov = &in[1];
    CHECK(polled(ear, POLLIN, WAIT_MS) == POLLIN);
    CHECK(syscall(SYS_recvmmsg, ear, many, 2, 0, NULL) == 2 && many[1].msg_len == 3);
    CHECK(syscall(SYS_recvmmsg, ear, many, 2, MSG_DONTWAIT, NULL) < 0 && errno == EAGAIN);
    close(ear);
    CHECK(send(udp, "x", 1, 0) == 1); /* To nobody. */
    polled(udp, POLLIN, WAIT_MS);
    CHECK(recv(udp, a, 1, MSG_DONTWAIT) < 0 && errno == ECONNREFUSED);
    close(udp);
}

/* --- threads ---------------------------------------------------------------------------------------- */

#define THREADS 6
#define BYTES   (1 << 20)

static void *echo(void *aux)
{
    int fd = *(int *)aux;
    char block[8192];
    ssize_t n;

    while ((n = read(fd, block, sizeof block)) > 0)
        CHECK(send(fd, block, (size_t)n, 0) == n);
    close(fd);
    return NULL;
}

static void *pump(void *aux)
{
    int fd = *(int *)aux;
    unsigned char block[4096];

    for (unsigned at = 0; at < BYTES; at += sizeof block) {
        memset(block, (int)(at / sizeof block), sizeof block);
        CHECK(send(fd, block, sizeof block, 0) == sizeof block);
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t echoes[THREADS], pumps[THREADS];
    int servers[THREADS], clients[THREADS];
    unsigned char block[4096];
    struct sockaddr_in at;
    int l = listener(&at, SOCK_STREAM);

    for (unsigned i = 0; i < THREADS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(connect(clients[i], sa(&at), sizeof at) == 0);
        servers[i] = accept(l, NULL, NULL);
        CHECK(servers[i] >= 0);
        CHECK(pthread_create(&echoes[i], NULL, echo, &servers[i]) == 0);
        CHECK(pthread_create(&pumps[i], NULL, pump, &clients[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        for (unsigned n = 0; n < BYTES / sizeof block; n++) {
            CHECK(recv(clients[i], block, sizeof block, MSG_WAITALL) == sizeof block);
            CHECK(block[0] == (unsigned char)n && block[4095] == (unsigned char)n);
        }
        pthread_join(pumps[i], NULL);
        close(clients[i]);
        pthread_join(echoes[i], NULL);
    }
    close(l);
}

static void *shut_later(void *aux)
{
    usleep(50000);
    CHECK(shutdown(*(int *)aux, SHUT_RDWR) == 0);
    return close(*(int *)aux) == 0 ? aux : NULL;
}

/* Who waits in a call is let go by another thread that ends the connection. */
static void test_closed_by_another(void)
{
    pthread_t thread;
    struct pair p;
    void *done;
    char c;

    open_pair(&p);
    CHECK(pthread_create(&thread, NULL, shut_later, &p.server) == 0);
    CHECK(read(p.server, &c, 1) <= 0);
    pthread_join(thread, &done);
    CHECK(done);
    close(p.client);
    close(p.listener);
}

/* And one that is cancelled. */
static void test_cancelled(void)
{
    pthread_t thread;
    struct pair p;
    void *end;

    open_pair(&p);
    CHECK(pthread_create(&thread, NULL, read_one, &p.server) == 0);
    usleep(20000);
    CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &end) == 0);
    CHECK(end == PTHREAD_CANCELED);
    say(p.client, "after it");
    hear(p.server, "after it");
    close_pair(&p);
}

/* --- names and processes ------------------------------------------------------------------------------ */

static void test_names(void)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *ai;
    struct sockaddr_in *in;
    struct ifaddrs *all;
    char host[NI_MAXHOST], service[NI_MAXSERV], name[IF_NAMESIZE];
    bool lo = false;

    CHECK(getaddrinfo("127.0.0.1", "http", &hints, &ai) == 0 && !ai->ai_next);
    in = (void *)ai->ai_addr;
    CHECK(in->sin_port == htons(80) && in->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK(getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof host, service,
                      sizeof service, NI_NUMERICHOST) == 0);
    CHECK(!strcmp(host, "127.0.0.1") && !strcmp(service, "http"));
    freeaddrinfo(ai);
    CHECK(getaddrinfo("localhost", NULL, &hints, &ai) == 0);
    freeaddrinfo(ai);
    hints.ai_flags = AI_PASSIVE;
    CHECK(getaddrinfo(NULL, "7", &hints, &ai) == 0);
    in = (void *)ai->ai_addr;
    CHECK(in->sin_port == htons(7) && in->sin_addr.s_addr == htonl(INADDR_ANY));
    freeaddrinfo(ai);
    hints.ai_flags = AI_NUMERICHOST;
    CHECK(getaddrinfo("localhost", NULL, &hints, &ai) == EAI_NONAME);
    CHECK(gethostbyname("localhost") && gethostbyname("localhost")->h_length == 4);
    CHECK(if_nametoindex("lo") == 1 && !strcmp(if_indextoname(1, name), "lo"));
    CHECK(if_nametoindex("nope") == 0);
    CHECK(getifaddrs(&all) == 0);
    for (const struct ifaddrs *i = all; i; i = i->ifa_next)
        lo |=
            i->ifa_addr && i->ifa_addr->sa_family == AF_INET && !strcmp(i->ifa_name, "lo");
    freeifaddrs(all);
    CHECK(lo);
}

static void test_local(void)
{
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {(void *)"x", 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    int pair[2], pipes[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(pipes) == 0);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS,
                          .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(c), &pipes[1], sizeof(int));
    CHECK(sendmsg(pair[0], &msg, 0) == 1);
    hear(pair[1], "x");
    c->cmsg_len = 0; /* No header is that short. */
    CHECK(sendmsg(pair[0], &msg, 0) < 0 && errno == EINVAL);
    c->cmsg_len = 1 << 20; /* Nor is there so much room. */
    CHECK(sendmsg(pair[0], &msg, 0) < 0 && errno == EINVAL);
    for (int i = 0; i < 2; i++) {
        close(pair[i]);
        close(pipes[i]);
    }
}

/* Other programs may be started; sockets are not there in them. */
static void test_programs(void)
{
    struct pair p;
    char line[64] = "";
    FILE *f;

    open_pair(&p);
    CHECK(system("exit 3") >> 8 == 3);
    f = popen("echo started", "r");
    CHECK(f && fgets(line, sizeof line, f) && !strcmp(line, "started\n") && pclose(f) == 0);
    say(p.client, "still here");
    hear(p.server, "still here");
    close_pair(&p);
}

static void make_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");

    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0 && chmod(path, mode) == 0);
}

/* What cannot be executed leaves the process as it was. */
static void test_no_programs(void)
{
    char folder[] = "/tmp/preload_calls.XXXXXX", path[64];
    char *argv[] = {(char *)"none", NULL};
    const char *before = strdup(getenv("PATH"));
    struct pair p;

    open_pair(&p);
    CHECK(fcntl(p.client, F_SETFD, FD_CLOEXEC) == 0 &&
          fcntl(p.server, F_SETFD, FD_CLOEXEC) == 0 &&
          fcntl(p.listener, F_SETFD, FD_CLOEXEC) == 0);
    CHECK(mkdtemp(folder) && setenv("PATH", folder, 1) == 0);
    CHECK(execvp("none", argv) < 0 && errno == ENOENT);
    CHECK(execlp("none", "none", (char *)NULL) < 0 && errno == ENOENT);
    CHECK(execvp("", argv) < 0 && errno == ENOENT);
    CHECK(execv("/", argv) < 0 && errno == EACCES);
    CHECK(execve("/none/at/all", argv, environ) < 0 && errno == ENOENT);
    snprintf(path, sizeof path, "%s/none", folder);
    make_file(path, "true\n", 0644);
    CHECK(execvp("none", argv) < 0 && errno == EACCES);
    make_file(path, "#! /no/such/interpreter -x\n", 0755);
    CHECK(execvp("none", argv) < 0 && errno == ENOENT);
    CHECK(execv(path, argv) < 0 && errno == ENOENT);
    unlink(path);
    rmdir(folder);
    CHECK(setenv("PATH", before, 1) == 0);
    say(p.client, "still here");
    hear(p.server, "still here");
    close_pair(&p);
}

/* The end, by exit() or not, while threads wait in calls. */
static void *wait_for_edges(void *aux)
{
    return (void *)(uintptr_t)events(*(int *)aux, WAIT_MS);
}

static void end_busy(bool at_once)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN};
    pthread_t threads[3];
    struct pair p;

    open_pair(&p);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, p.client, &e) == 0);
    CHECK(pthread_create(&threads[0], NULL, read_one, &p.client) == 0);
    CHECK(pthread_create(&threads[1], NULL, wait_for_edges, &epoll) == 0);
    CHECK(pthread_create(&threads[2], NULL, echo, &p.server) == 0);
    usleep(20000);
    printf("ends\n");
    fflush(stdout);
    if (at_once)
        _exit(0);
    exit(0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(void);
    } tests[] = {
        {"dup", test_dup},
        {"flags", test_flags},
        {"close_range", test_close_range},
        {"streams", test_stream},
        {"poll", test_poll},
        {"epoll", test_epoll},
        {"connect", test_connect},
        {"signals", test_signals},
        {"sendfile", test_sendfile},
        {"messages", test_messages},
        {"threads", test_threads},
        {"closed by another", test_closed_by_another},
        {"cancelled", test_cancelled},
        {"names", test_names},
        {"local", test_local},
        {"programs", test_programs},
        {"no programs", test_no_programs},
    };

    setvbuf(stdout, NULL, _IOLBF, 0);
    alarm(60);
    if (argc > 1)
        end_busy(!strcmp(argv[1], "_exit"));
    for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
        tests[i].test();
        printf("ok %s\n", tests[i].name);
    }
    printf("all is as it should be\n");
    return 0;
}
