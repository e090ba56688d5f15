/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What api_conn.c (connections) and api_http.c (requests on them) share. */
#ifndef FABRICD_CONTROL_API_HTTP_INTERNAL_H
#define FABRICD_CONTROL_API_HTTP_INTERNAL_H

#include <microhttpd.h>

#include "fabricd/control/api/api.h"
#include "fabricd/control/tls/tls.h"
#include "proto/base/door.h"

/* A way in: the Unix socket, or TCP with TLS. */
struct entry {
    struct api *api;
    struct MHD_Daemon *mhd;
    struct door door;
    struct loop_watch run; /* libmicrohttpd's epoll. */
    bool remote;
};

struct api {
    struct control *control;
    struct entry local, tcp;
    struct tls tls; /* Of the latter; its cert is NULL where there is none. */
    struct loop_timer tick;
    struct list conns; /* Idle for longest first. */
    unsigned n_conns;
    struct list suspended; /* Exchanges whose connections are. */
    struct conn *accepting;
    bool resumed; /* libmicrohttpd has to look at connections that were resumed. */
    bool freeing;
};

struct conn {
    struct list link;
    struct entry *entry;
    int fd;              /* libmicrohttpd's */
    struct fd_peer peer; /* Of the Unix socket. */
    uint8_t address[16]; /* Of TCP; IPv4 is mapped into IPv6. */
    bool known;          /* Of TCP: it has shown a good token. */
    mtime_t due;         /* When a whole request must have come. */
    unsigned pending;    /* A request is being carried out: takes the time it takes. */
};

/* --- api_conn.c */
void conn_touch(struct conn *); /* It has done what it had to do. */
void conn_hang_up(struct conn *);
void api_arm(struct api *); /* Sees to it that what is due is done. */

/* --- api_http.c: libmicrohttpd's callbacks; cls is the entry. */
enum MHD_Result http_handle(void *cls, struct MHD_Connection *, const char *url,
                            const char *method, const char *version, const char *upload,
                            size_t *upload_size, void **context);
void http_completed(void *cls, struct MHD_Connection *, void **context,
                    enum MHD_RequestTerminationCode);
void http_resume_all(struct api *);

#endif
