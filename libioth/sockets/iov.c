/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of a message. */
#include <string.h>
#include <sys/uio.h>

#include "libioth/sockets/sock.h"

size_t sock_iov_size(const struct msghdr *m)
{
    size_t size = 0;

    for (size_t i = 0; i < m->msg_iovlen; i++)
        size += m->msg_iov[i].iov_len;
    return size;
}

size_t sock_iov_rest(const struct msghdr *m, size_t ofs, struct iovec *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < m->msg_iovlen && n < max; i++) {
        const struct iovec *v = &m->msg_iov[i];

        if (ofs >= v->iov_len) {
            ofs -= v->iov_len;
            continue;
        }
        out[n++] = (struct iovec){(char *)v->iov_base + ofs, v->iov_len - ofs};
        ofs = 0;
    }
    return n;
}

/* One direction of copying: to the parts, or from them. */
static size_t copy(const struct msghdr *m, size_t ofs, void *buf, size_t size, bool out)
{
    size_t done = 0;

    for (size_t i = 0; i < m->msg_iovlen && done < size; i++) {
        const struct iovec *v = &m->msg_iov[i];
        size_t n;

        if (ofs >= v->iov_len) {
            ofs -= v->iov_len;
            continue;
        }
        n = v->iov_len - ofs < size - done ? v->iov_len - ofs : size - done;
        if (out)
            memcpy((char *)v->iov_base + ofs, (char *)buf + done, n);
        else
            memcpy((char *)buf + done, (char *)v->iov_base + ofs, n);
        done += n;
        ofs = 0;
    }
    return done;
}

size_t sock_iov_in(const struct msghdr *m, size_t ofs, void *to, size_t size)
{
    return copy(m, ofs, to, size, false);
}

size_t sock_iov_out(const struct msghdr *m, size_t ofs, const void *from, size_t size)
{
    return copy(m, ofs, (void *)(uintptr_t)from, size, true);
}
