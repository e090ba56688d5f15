/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A kind of stack in the manner of those written for VirtualSquare's libioth, built under several names (KIND) and
 * licences (LICENCE): a socket is an end of a socket pair, the other of which the stack keeps, and what is sent
 * says how many sockets its stack has made. What a plugin does not have, libioth does by what it has.
 */
#include <ioth.h>
#include <stdlib.h>

#define JOIN_(a, b, c) a##b##c
#define JOIN(a, b, c)  JOIN_(a, b, c)
#define NAME(what)     JOIN(ioth_, KIND, what)

struct own {
    int made, other;
    char options[32];
};

/* A global, of which each stack has its own, but where stacks share their plugin. */
static int stacks;
static typeof(getstackdata_prototype) *getstackdata;

#ifdef LICENCE
const char *NAME(_license) = "SPDX-License-Identifier: " LICENCE;
#endif

typeof(newstack_prototype) NAME(_newstack);
typeof(delstack_prototype) NAME(_delstack);
typeof(socket) NAME(_socket), NAME(_only_by_table);
typeof(close) NAME(_close);
typeof(recvmsg) NAME(_recvmsg);
typeof(sendmsg) NAME(_sendmsg);

void *NAME(_newstack)(const char *vnlv[], const char *options, struct ioth_functions *f)
{
    struct own *own = calloc(1, sizeof *own);

    if (!own || (vnlv[0] && !strcmp(vnlv[0], "nowhere://"))) {
        free(own);
        errno = ENETDOWN;
        return NULL;
    }
    stacks++;
    getstackdata = f->getstackdata;
    f->socket = NAME(_only_by_table);
    snprintf(own->options, sizeof own->options, "%s", options ? options : "none");
    return own;
}

int NAME(_delstack)(void *data)
{
    free(data);
    return 0;
}

int NAME(_only_by_table)(int domain, int type, int protocol)
{
    struct own *own = getstackdata();
    int pair[2];

    (void)domain;
    (void)protocol;
    if (socketpair(AF_UNIX, type, 0, pair) < 0)
        return -1;
    own->made++;
    own->other = pair[1];
    return pair[0];
}

int NAME(_close)(int fd)
{
    struct own *own = getstackdata();

    close(own->other);
    return close(fd);
}

ssize_t NAME(_sendmsg)(int fd, const struct msghdr *msg, int flags)
{
    struct own *own = getstackdata();
    char text[64];
    int n =
        snprintf(text, sizeof text, "%.*s %d of %d, options %s", (int)msg->msg_iov->iov_len,
                 (const char *)msg->msg_iov->iov_base, own->made, stacks, own->options);

    (void)fd;
    return send(own->other, text, (size_t)n, flags);
}

ssize_t NAME(_recvmsg)(int fd, struct msghdr *msg, int flags)
{
    return recvmsg(fd, msg, flags);
}
