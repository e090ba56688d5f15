/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control messages of VDE, server side: a client connects to the stream socket `ctl` of a
 * network's folder, sends one request with the path of its datagram socket, and gets the path of
 * the switch's as 110 raw bytes of struct sockaddr_un. From then on the stream is silent: its
 * end is the end of the port. There is no error code: a refusal is the end of the stream.
 *
 * Versions 1 and 3 are known. All integers are in native order, all structures packed.
 */
#ifndef PROTO_VDE_VDE_H
#define PROTO_VDE_VDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VDE_PATH_SIZE   108u /* sun_path */
#define VDE_REPLY_SIZE  110u /* struct sockaddr_un */
#define VDE_DESCR_SIZE  256u /* Longer descriptions are cut. */
#define VDE_REQUEST_MAX 1024u
#define VDE_PORT_MAX    0xffffffu
#define VDE_FAMILY_UNIX 1u

struct vde_request {
    bool management;   /* Asks for port 0, the management port. */
    uint32_t port;     /* Asked for; 0 = any. */
    uint8_t version;   /* 1 or 3 */
    uint8_t path_size; /* Bytes of `path` that count: abstract names hold NULs. */
    char path[VDE_PATH_SIZE +
              1]; /* The client's datagram socket. Abstract if path[0] == 0. */
    char description[VDE_DESCR_SIZE]; /* Printable; other bytes have become '?'. */
};

/*
 * Parses one whole request, as it came in one read. Returns 0 or -EPROTO (then `out` is
 * untouched): wrong magic, version or type, too short, no path, another address family.
 */
int vde_request_parse(const void *data, size_t size, struct vde_request *out)
    __attribute__((warn_unused_result));

/*
 * A connection's reader. The protocol has no length: what is in the first read is the request,
 * and its description ends where the read ended. If the fixed part is not there yet, more is
 * awaited; whatever comes after the request is read and dropped, up to a bound.
 */
struct vde_reader {
    bool done;
    uint16_t size;
    uint32_t extra;
    uint8_t data[VDE_REQUEST_MAX];
};

/*
 * Feeds bytes that were received. Returns 1 once, when the request is complete (*out is filled
 * in); 0 if more is needed, or the bytes came after the request and were dropped; -EPROTO if the
 * connection must be closed.
 */
int vde_reader_feed(struct vde_reader *r, const void *data, size_t size,
                    struct vde_request *out) __attribute__((warn_unused_result));

/* Builds the reply out of the path of the switch's data socket. Returns 0, or -ENAMETOOLONG. */
int vde_reply_build(const char *path, uint8_t reply[VDE_REPLY_SIZE])
    __attribute__((warn_unused_result));

#endif
