/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a stack in a process cannot do, tried one by one: `preload_refused WHAT`. It must be refused with an
 * error of the call, and what is possible must go on. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what)                                                                        \
    do {                                                                                   \
        if (!(what)) {                                                                     \
            printf("%s:%d: not so: %s (errno %s)\n", __FILE__, __LINE__, #what,            \
                   strerror(errno));                                                       \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)

static int udp(int flags)
{
    int fd = socket(AF_INET, SOCK_DGRAM | flags, 0);

    CHECK(fd >= 0);
    return fd;
}

/* Refused while a socket is open; afterwards the stack is whoever's wants it next. */
static void try_fork(void)
{
    int fd = udp(SOCK_CLOEXEC), status = -1;
    pid_t pid;

    CHECK(fork() < 0 && errno == ENOTSUP);
    close(fd);
    pid = fork();
    if (pid == 0)
        _exit(socket(AF_INET, SOCK_DGRAM, 0) >= 0 ? 0 : 1);
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    close(udp(0));
}

/* Two processes at a time. */
static void try_two(void)
{
    int to[2], status = -1;
    pid_t pid;
    char c;

    CHECK(pipe(to) == 0);
    pid = fork();
    if (pid == 0) {
        close(to[1]);
        _exit(read(to[0], &c, 1) == 1 && socket(AF_INET, SOCK_DGRAM, 0) < 0 &&
                      errno == ENETDOWN
                  ? 0
                  : 1);
    }
    udp(0);
    CHECK(write(to[1], "x", 1) == 1);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void try_exec(void)
{
    int fd = udp(0);

    CHECK(execl("/bin/true", "true", (char *)NULL) < 0 && errno == ENOTSUP);
    CHECK(execlp("no-such-program", "x", (char *)NULL) < 0);
    CHECK(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
    execl("/bin/sh", "sh", "-c", "echo refused as it should be", (char *)NULL);
    CHECK(!"executed");
}

static void try_inherit(void)
{
    posix_spawn_file_actions_t actions;
    int fd = udp(SOCK_CLOEXEC), status = -1;
    pid_t pid = vfork();

    if (pid == 0) {
        int r = dup2(fd, 0) < 0 && errno == ENOTSUP && close(fd) == 0 ? 0 : 1;

        _exit(r);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC); /* The child closed a copy. */
    CHECK(posix_spawn_file_actions_init(&actions) == 0);
    CHECK(posix_spawn_file_actions_adddup2(&actions, fd, 0) == ENOTSUP);
    posix_spawn_file_actions_destroy(&actions);
}

static void try_pass(void)
{
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {(void *)"x", 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    int pair[2], fd = udp(0);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS,
                          .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    CHECK(sendmsg(pair[0], &msg, 0) < 0 && errno == ENOTSUP);
}

static void try_splice(void)
{
    int pipes[2], fd = udp(0);

    CHECK(pipe(pipes) == 0);
    CHECK(splice(fd, NULL, pipes[1], NULL, 1, 0) < 0 && errno == EINVAL);
    CHECK(tee(pipes[0], fd, 1, 0) < 0 && errno == EINVAL);
}

static void try_async(void)
{
    CHECK(fcntl(udp(0), F_SETFL, O_ASYNC) < 0 && errno == EINVAL);
}

static void try_raw(void)
{
    CHECK(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0) < 0 && errno == EACCES);
    CHECK(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0) >= 0);
}

static void try_uring(void)
{
    CHECK(syscall(SYS_io_uring_setup, 8, NULL) < 0 && errno == ENOSYS);
}

static void try_netlink(void)
{
    CHECK(socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG) < 0 && errno == EPROTONOSUPPORT);
    CHECK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) >= 0);
    CHECK(socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT) >= 0);
}

static int in_handler;
static volatile sig_atomic_t refused;

static void use_it(int sig)
{
    (void)sig;
    refused = send(in_handler, "x", 1, 0) < 0 && errno == EDEADLK;
}

static void try_handler(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(7),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sigaction act = {.sa_handler = use_it};
    char c;

    in_handler = udp(0);
    CHECK(connect(in_handler, (struct sockaddr *)&to, sizeof to) == 0);
    CHECK(sigaction(SIGALRM, &act, NULL) == 0);
    alarm(1);
    CHECK(recv(in_handler, &c, 1, 0) < 0 && errno == EINTR && refused);
    raise(SIGALRM);
    CHECK(!refused); /* Outside of a call it may. */
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*attempt)(void);
    } attempts[] = {
        {"fork", try_fork},       {"two", try_two},         {"exec", try_exec},
        {"inherit", try_inherit}, {"pass", try_pass},       {"splice", try_splice},
        {"async", try_async},     {"raw", try_raw},         {"uring", try_uring},
        {"netlink", try_netlink}, {"handler", try_handler},
    };

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned i = 0; argc > 1 && i < sizeof attempts / sizeof *attempts; i++) {
        if (strcmp(argv[1], attempts[i].name) != 0)
            continue;
        attempts[i].attempt();
        printf("refused as it should be\n");
        return 0;
    }
    return 2;
}
