/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One-time addresses: a server whose IPv6 address changes with time, and a client that computes it.
 *
 *   otip serve VNL BASE NAME SECRET PERIOD OVERLAP FORM     until it is ended
 *   otip ask   VNL OWN BASE NAME SECRET PERIOD FORM [BACK]  BACK: the address of so many periods ago
 *   otip addr  BASE NAME SECRET PERIOD FORM
 *
 * FORM is md5 (VirtualSquare's) or blake2b. Each address is that of a stack of its own: it listens for its period, and
 * OVERLAP seconds before and after it, since clocks differ; then nothing listens there any more, and the
 * stack goes with the last of its connections. The server echoes.
 */
#include <arpa/inet.h>
#include <ioth.h>
#include <iothaddr.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PORT      80
#define NODES_MAX 8
#define CONNS_MAX 64
#define LOOK_MS   50

struct secret {
    const char *name, *word;
    struct in6_addr base;
    int period, overlap;
    bool keyed;
};

/* An address of its own, as long as it is good or connections of it last. */
struct node {
    struct ioth *stack;
    uint32_t when; /* The number of its period. */
    int listener;  /* -1: its time is over. */
    unsigned n_conns;
};

static volatile sig_atomic_t ending;
static struct node nodes[NODES_MAX];
static struct {
    int fd;
    struct node *of;
} conns[CONNS_MAX];
static unsigned n_conns;

static void end(int number)
{
    (void)number;
    ending = 1;
}

static int die(const char *what)
{
    fprintf(stderr, "otip: %s: %s\n", what, errno ? strerror(errno) : ioth_error());
    return 1;
}

/* --- addresses ---------------------------------------------------------------------------------- */

static struct in6_addr address(const struct secret *s, uint32_t when)
{
    struct in6_addr a = s->base;

    if (!s->keyed)
        iothaddr_hash(&a, s->name, s->word, when);
    else if (iothaddr_keyed(&a, s->name, s->word, strlen(s->word), when) < 0)
        exit(die("a secret has 16 to 64 characters"));
    return a;
}

static const char *text(const struct in6_addr *a)
{
    static char out[INET6_ADDRSTRLEN];

    return inet_ntop(AF_INET6, a, out, sizeof out);
}

/* A stack with one address. */
static struct ioth *new_stack(const char *vnl, const struct in6_addr *a)
{
    struct ioth *s = ioth_newstack("lwip", vnl);
    int index = s ? ioth_if_nametoindex(s, "vde0") : -1;
    struct in6_addr copy = *a;

    if (index < 0 || ioth_linksetupdown(s, (unsigned)index, 1) < 0 ||
        ioth_ipaddr_add(s, AF_INET6, &copy, 64, (unsigned)index) < 0)
        exit(die(vnl));
    return s;
}

/* --- the server --------------------------------------------------------------------------------- */

static void open_node(struct node *n, const char *vnl, const struct secret *s,
                      uint32_t when)
{
    struct in6_addr a = address(s, when);
    struct sockaddr_in6 at = {
        .sin6_family = AF_INET6, .sin6_port = htons(PORT), .sin6_addr = a};

    n->stack = new_stack(vnl, &a);
    n->when = when;
    n->listener = ioth_msocket(n->stack, AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (ioth_bind(n->listener, (struct sockaddr *)&at, sizeof at) < 0 ||
        ioth_listen(n->listener, 5) < 0)
        exit(die("listen"));
    printf("listening %s\n", text(&a));
    fflush(stdout);
}

static struct node *find(uint32_t when)
{
    struct node *empty = NULL;

    for (unsigned i = 0; i < NODES_MAX; i++) {
        if (nodes[i].stack && nodes[i].when == when)
            return &nodes[i];
        if (!nodes[i].stack && !empty)
            empty = &nodes[i];
    }
    return empty;
}

/* The periods whose addresses are good now. */
static void turn(const char *vnl, const struct secret *s)
{
    uint32_t first = iothaddr_otiptime(s->period, -s->overlap);
    uint32_t last = iothaddr_otiptime(s->period, s->overlap);

    for (uint32_t when = first; when <= last; when++) {
        struct node *n = find(when);

        if (n && !n->stack)
            open_node(n, vnl, s, when);
    }
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct node *n = &nodes[i];

        if (n->stack && n->listener >= 0 && (n->when < first || n->when > last)) {
            ioth_close(n->listener);
            n->listener = -1;
        }
        if (n->stack && n->listener < 0 && n->n_conns == 0) {
            ioth_delstack(n->stack);
            n->stack = NULL;
        }
    }
}

static void take(struct node *n)
{
    int fd = ioth_accept4(n->listener, NULL, NULL, SOCK_NONBLOCK);

    if (fd >= 0 && n_conns == CONNS_MAX) {
        ioth_close(fd);
    } else if (fd >= 0) {
        conns[n_conns].fd = fd;
        conns[n_conns++].of = n;
        n->n_conns++;
    }
}

static void echo(unsigned i)
{
    char data[1024];
    ssize_t n = ioth_recv(conns[i].fd, data, sizeof data, 0);

    if (n > 0 && ioth_send(conns[i].fd, data, (size_t)n, MSG_NOSIGNAL) == n)
        return;
    if (n < 0 && errno == EAGAIN)
        return;
    ioth_close(conns[i].fd);
    conns[i].of->n_conns--;
    conns[i] = conns[--n_conns];
}

static void look(void)
{
    struct pollfd fds[NODES_MAX + CONNS_MAX];
    unsigned before = n_conns;

    for (unsigned i = 0; i < NODES_MAX; i++)
        fds[i] = (struct pollfd){.fd = nodes[i].stack ? nodes[i].listener : -1,
                                 .events = POLLIN};
    for (unsigned i = 0; i < before; i++)
        fds[NODES_MAX + i] = (struct pollfd){.fd = conns[i].fd, .events = POLLIN};
    if (ioth_poll(fds, NODES_MAX + before, LOOK_MS) <= 0)
        return;
    for (unsigned i = before; i-- > 0;) {
        if (fds[NODES_MAX + i].revents)
            echo(i);
    }
    for (unsigned i = 0; i < NODES_MAX; i++) {
        if (fds[i].revents)
            take(&nodes[i]);
    }
}

static int serve(const char *vnl, const struct secret *s)
{
    signal(SIGTERM, end);
    while (!ending) {
        turn(vnl, s);
        look();
    }
    while (n_conns)
        ioth_close(conns[--n_conns].fd);
    for (unsigned i = 0; i < NODES_MAX; i++) {
        if (nodes[i].stack && nodes[i].listener >= 0)
            ioth_close(nodes[i].listener);
        if (nodes[i].stack)
            ioth_delstack(nodes[i].stack);
    }
    return 0;
}

/* --- the client --------------------------------------------------------------------------------- */

/* Sends each line of the standard input and prints what comes back. */
static int ask(struct ioth *stack, const struct in6_addr *a)
{
    struct sockaddr_in6 to = {
        .sin6_family = AF_INET6, .sin6_port = htons(PORT), .sin6_addr = *a};
    int fd = ioth_msocket(stack, AF_INET6, SOCK_STREAM, 0);
    char line[256];

    if (ioth_connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        return die(text(a));
    printf("connected %s\n", text(a));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        ssize_t n;

        if (ioth_send(fd, line, strlen(line), MSG_NOSIGNAL) < 0)
            return die("send");
        n = ioth_recv(fd, line, sizeof line, 0);
        if (n <= 0)
            return die("the connection has ended");
        printf("%.*s", (int)n, line);
        fflush(stdout);
    }
    ioth_close(fd);
    return 0;
}

static int usage(void)
{
    fputs("usage: otip serve VNL BASE NAME SECRET PERIOD OVERLAP FORM\n"
          "       otip ask VNL OWN BASE NAME SECRET PERIOD FORM [BACK]\n"
          "       otip addr BASE NAME SECRET PERIOD FORM\n"
          "FORM is md5 or blake2b, PERIOD and OVERLAP are seconds, BACK is periods ago\n",
          stderr);
    return 2;
}

/* The words from BASE on. */
static struct secret parse(char **argv, bool with_overlap)
{
    struct secret s = {
        .name = argv[1], .word = argv[2], .period = (int)strtol(argv[3], NULL, 10)};

    if (inet_pton(AF_INET6, argv[0], &s.base) != 1 || s.period <= 0)
        exit(usage());
    s.overlap = with_overlap ? (int)strtol(argv[4], NULL, 10) : 0;
    s.keyed = !strcmp(argv[with_overlap ? 5 : 4], "blake2b");
    return s;
}

int main(int argc, char **argv)
{
    struct in6_addr own, a;
    struct secret s;

    if (argc == 9 && !strcmp(argv[1], "serve")) {
        s = parse(argv + 3, true);
        return serve(argv[2], &s);
    }
    if (argc == 7 && !strcmp(argv[1], "addr")) {
        s = parse(argv + 2, false);
        a = address(&s, iothaddr_otiptime(s.period, 0));
        return puts(text(&a)) < 0;
    }
    if (argc < 9 || strcmp(argv[1], "ask") != 0 || inet_pton(AF_INET6, argv[3], &own) != 1)
        return usage();
    s = parse(argv + 4, false);
    a = address(&s, iothaddr_otiptime(s.period, 0) -
                        (argc > 9 ? (uint32_t)strtoul(argv[9], NULL, 10) : 0));
    return ask(new_stack(argv[2], &own), &a);
}
