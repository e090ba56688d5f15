/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The HTTP client of the API: requests over the daemon's Unix socket, or to another machine
 * over TLS, one after another on one kept connection. It never looks at proxies, cookies or
 * configuration of the environment.
 *
 * A handle serves one thread at a time; each thread that asks has its own. It survives a restart
 * of the daemon: the next call connects again. Built on libcurl, whose load costs about 7 ms.
 */
#ifndef LIBIOTH_HTTP_HTTP_H
#define LIBIOTH_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/err.h"

struct http;

#define HTTP_BODY_MAX    (64u << 20) /* A longer answer is an error. */
#define HTTP_TIMEOUT_SEC 60u /* Of a whole exchange, unless the request says otherwise. */

struct http_request {
    const char *method;        /* NULL = GET */
    const char *path;          /* "/v1/networks?x=y", escaped already: http_path(). */
    const char *body;          /* NULL = none. Borrowed until the call returns. */
    size_t size;               /* Of the body, in bytes. */
    const char *type;          /* Of the body; NULL = application/json. */
    const char *accept;        /* NULL = application/json. */
    const char *if_match;      /* Revision as the API gave it, without quotes, or NULL. */
    bool create_only;          /* If-None-Match: * */
    unsigned timeout_sec;      /* 0 = HTTP_TIMEOUT_SEC. */
    const char *last_event_id; /* Or NULL. */
    const char *host;          /* Whose API the daemon is to ask; NULL = its own. */
    /* Takes a successful answer's body as it comes, which then has no limits of size and time;
     * false gives the call up. NULL: it is collected. */
    bool (*data)(void *aux, const char *bytes, size_t size);
    bool (*waiting)(void *aux); /* Called once a second or so; false gives the call up. */
    void *aux;
};

struct http_reply {
    unsigned status; /* 200 … 599 */
    char *body;      /* NUL-terminated; NULL if there is none. */
    size_t size;
    char type[64]; /* Media type without parameters, or "". */
};

/* NULL when there is no memory. Connects at the first call only. */
struct http *http_new(const char *socket_path);

struct http_remote {
    const char *url; /* "https://HOST:PORT" */
    const char
        *pin; /* sha256//BASE64 of its public key; NULL: its certificate is checked by the
                          authorities that this machine trusts, and by its name. */
    const char *token; /* What says who asks; NULL = nothing. */
};

/* The same over TLS, version 1.2 at least. */
struct http *http_new_remote(const struct http_remote *);
void http_free(struct http *);

/*
 * One exchange. Returns 0 with *reply filled in, whatever its status: http_reply_done() frees
 * it. Or -errno with `err` recorded (it may be NULL) and *reply empty: -ENOENT, -ECONNREFUSED,
 * -EACCES when there is nobody to talk to or one may not, -ETIMEDOUT, -ECANCELED when `waiting`
 * said so, -EMSGSIZE, -EPROTO for what is not HTTP, -EIO.
 */
int http_call(struct http *, const struct http_request *, struct http_reply *reply,
              struct err *err) __attribute__((warn_unused_result));
void http_reply_done(struct http_reply *);

/* Puts a path together: only %s, whose texts are percent-encoded, and %%. The caller's to
 * free(). */
char *http_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
