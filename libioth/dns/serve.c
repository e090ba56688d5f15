/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One question and its answer, for servers. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/dns/iothdns.h"
#include "proto/wire/bytes.h"

#define QUESTION_MAX 4096u

/* The answer to a question in data[size], or NULL. */
static struct iothdns_pkt *answer(void *data, size_t size, parse_request_t *parse,
                                  void *arg)
{
    char name[IOTHDNS_MAXNAME];
    struct iothdns_header h;
    struct iothdns_pkt *p = iothdns_get_header(&h, data, size, name);

    iothdns_free(p);
    return p && IOTHDNS_IS_QUERY(h.flags) ? parse(&h, arg) : NULL;
}

/* One that does not fit a datagram becomes its question alone, which says so: whoever asked comes by TCP. */
static struct iothdns_pkt *cut(struct iothdns_pkt *p)
{
    struct iovec all = iothdns_getbuf(p);
    char name[IOTHDNS_MAXNAME];
    struct iothdns_header h;
    struct iothdns_pkt *read, *shorter;

    if (all.iov_len <= IOTHDNS_UDP_MAXBUF)
        return p;
    read = iothdns_get_header(&h, all.iov_base, all.iov_len, name);
    h.flags |= IOTHDNS_TRUNC;
    shorter = read ? iothdns_put_header(&h) : NULL;
    iothdns_free(read);
    if (!shorter)
        return p;
    iothdns_free(p);
    return shorter;
}

int iothdns_udp_process_request(int fd, parse_request_t *parse, void *arg)
{
    uint8_t data[QUESTION_MAX];
    struct sockaddr_storage from;
    socklen_t from_size = sizeof from;
    ssize_t size =
        ioth_recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&from, &from_size);
    struct iothdns_pkt *p = size > 0 ? answer(data, (size_t)size, parse, arg) : NULL;

    if (p) {
        struct iovec out;

        p = cut(p);
        out = iothdns_getbuf(p);
        (void)ioth_sendto(fd, out.iov_base, out.iov_len, MSG_NOSIGNAL,
                          (struct sockaddr *)&from, from_size);
        iothdns_free(p);
    }
    return (int)size;
}

/* All of it, though it comes in pieces and the socket may not wait. */
static ssize_t read_all(int fd, uint8_t *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = ioth_recv(fd, data + done, size - done, 0);

        if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLIN};

            if (poll(&p, 1, IOTHDNS_TIMEOUT_MS) > 0)
                continue;
            errno = ETIMEDOUT;
        }
        if (n <= 0)
            return n;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int iothdns_tcp_process_request(int fd, parse_request_t *parse, void *arg)
{
    uint8_t head[2], data[QUESTION_MAX];
    ssize_t n = read_all(fd, head, sizeof head);
    size_t size = n > 0 ? load_be16(head) : 0;
    struct iothdns_pkt *p;

    if (n > 0 && size > sizeof data) {
        errno = EBADMSG;
        return -1;
    }
    if (n > 0)
        n = read_all(fd, data, size);
    p = n > 0 ? answer(data, size, parse, arg) : NULL;
    if (p) {
        struct iovec out[2] = {{head, sizeof head}, iothdns_getbuf(p)};

        store_be16(head, (uint16_t)out[1].iov_len);
        (void)!ioth_writev(fd, out, 2);
        iothdns_free(p);
    }
    return (int)n;
}
