/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program in the manner of those that were written for VirtualSquare's libraries: their headers by their names, what
 * it finds through them, their way to say a licence, four libraries to link with, and close() on a socket of a stack.
 * style KIND: echoes over TCP and answers a name over UDP, all inside one stack of that kind.
 */
#include <ioth.h>
#include <iothaddr.h>
#include <iothconf.h>
#include <iothdns.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#define LICENCE "SPDX-License-Identifier: GPL-2.0-or-later"
#define NAME    "test.v2.cs.unibo.it"

static struct in6_addr base = {.s6_addr = {0x20, 0, 0x07, 0x60}};

static int fail(const char *what)
{
    perror(what);
    exit(1);
}

static struct iothdns_pkt *reply(struct iothdns_header *h, void *arg)
{
    struct in6_addr addr = base;
    struct iothdns_header back = {h->id, IOTHDNS_RESPONSE | IOTHDNS_AA, h->qname, h->qtype,
                                  h->qclass};
    struct iothdns_rr rr = {h->qname, IOTHDNS_TYPE_AAAA, IOTHDNS_CLASS_IN, 60, 0};
    struct iothdns_pkt *p = iothdns_put_header(&back);

    (void)arg;
    iothaddr_hash(&addr, h->qname, NULL, 0);
    iothdns_put_rr(IOTHDNS_SEC_ANSWER, p, &rr);
    iothdns_put_aaaa(p, &addr);
    return p;
}

static void *serve_names(void *arg)
{
    iothdns_udp_process_request(*(int *)arg, reply, NULL);
    return NULL;
}

static void *echo(void *arg)
{
    int conn = ioth_accept(*(int *)arg, NULL, NULL);
    char buf[64];
    int n = ioth_recv(conn, buf, sizeof(buf), 0);

    ioth_send(conn, buf, n, 0);
    close(conn);
    return NULL;
}

static int listener(struct ioth *stack, int type, int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = ioth_msocket(stack, AF_INET, type, 0);

    if (ioth_bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        fail("bind");
    if (type == SOCK_STREAM && ioth_listen(fd, 5) < 0)
        fail("listen");
    return fd;
}

int main(int argc, char *argv[])
{
    char config[64], buf[64] = "";
    struct in6_addr addr;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(5000),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct ioth *stack;
    struct iothdns *dns;
    pthread_t a, b;
    int names, tcp, fd;

    ioth_set_license(LICENCE);
    if (argc < 2)
        return errno = EINVAL, 1;
    snprintf(config, sizeof(config), "stack=%s", argv[1]);
    if ((stack = ioth_newstackc(config)) == NULL)
        fail("newstackc");
    names = listener(stack, SOCK_DGRAM, IOTHDNS_DEFAULT_PORT);
    tcp = listener(stack, SOCK_STREAM, 5000);
    pthread_create(&a, NULL, serve_names, &names);
    pthread_create(&b, NULL, echo, &tcp);

    dns = iothdns_init_strcfg(stack, "nameserver 127.0.0.1");
    if (iothdns_lookup_aaaa(dns, NAME, &addr, 1) != 1)
        fail("lookup");
    iothdns_fini(dns);
    iothaddr_hash(&base, NAME, NULL, iothaddr_otiptime(0, 0));
    if (memcmp(&addr, &base, sizeof(addr)) != 0)
        fail("hash");

    fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);
    if (ioth_connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        fail("connect");
    ioth_write(fd, "hello", 5);
    {
        struct pollfd pfd[] = {{fd, POLLIN, 0}};

        poll(pfd, 1, 5000);
    }
    if (ioth_read(fd, buf, sizeof(buf)) != 5)
        fail("read");
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    close(fd);
    ioth_close(tcp);
    ioth_close(names);
    /* The connections were closed by close(): that is found out. */
    if (ioth_delstack(stack) < 0)
        fail("delstack");
    printf("%s %s\n", argv[1], buf);
    return 0;
}
