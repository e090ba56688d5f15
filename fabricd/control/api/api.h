/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The API. api_conn.c has the connections and api_http.c takes HTTP apart (libmicrohttpd on the loop), fabric/call_serve.c what other
 * hosts ask over their links; what follows knows requests and answers only: the route table
 * (routes.c) finds the row, checks who may, and calls its handler, which answers exactly once, at
 * once or later. So tests and fuzzers call api_dispatch() without a socket.
 */
#ifndef FABRICD_CONTROL_API_API_H
#define FABRICD_CONTROL_API_API_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "fabricd/control/change/change.h"
#include "fabricd/control/context.h"
#include "fabricd/control/tokens/tokens.h"
#include "proto/base/err.h"
#include "proto/base/fd.h"
#include "proto/model/node.h"
#include "proto/model/openapi_table.h"

#define API_MAX_BODY  (1024u * 1024u)
#define API_MAX_PARTS 6u
#define API_MAX_QUERY 16u

#define API_HOST_SIZE  64u
#define API_ALLOW_SIZE 56u /* Of the list of all methods. */

struct api_request;
struct api_stream;

enum { API_STREAM_END = -1, API_STREAM_BROKEN = -2 };

struct api_stream_ops {
    /* Takes at most `room` bytes of what is to be sent: how many; 0 for nothing now, `wake` will
     * be called; API_STREAM_END; or API_STREAM_BROKEN: it has to be cut off. */
    ssize_t (*read)(struct api_stream *, char *out, size_t room);
    void (*free)(struct api_stream *);
};

/* An answer that goes on: the first member of what a handler keeps for it. */
struct api_stream {
    const struct api_stream_ops *ops;
    struct api_request *rq;

    /* Of whoever sends it. Called when there may be more to read, or with `behind` when the
     * client is so far behind that reading will end with API_STREAM_BROKEN. */
    void (*wake)(struct api_request *, bool behind);
};

struct api_answer {
    int status;
    const char *type;           /* Content-Type; static */
    char allow[API_ALLOW_SIZE]; /* Methods of the path, or "". */
    uint64_t revision;          /* Of the one object in the body, its ETag; or 0. */
    unsigned retry_after;       /* Seconds, of a 429; or 0. */
    char *body;                 /* Or NULL; freed by whoever receives the answer. */
    size_t size;
    struct api_stream
        *stream; /* Instead of a body: goes on; freed like it, before the request. */
};

struct api_request {
    struct control *control;
    char *method;
    char *path; /* Decoded. */
    struct api_pair query[API_MAX_QUERY];
    unsigned n_query;
    char *to_host; /* Whose API is asked; NULL or "" = this host's. */
    char *accept, *content_type, *if_match, *if_none_match, *last_event_id; /* Or NULL. */
    char *body;
    size_t size;
    struct fd_peer peer;
    char from_host
        [API_HOST_SIZE]; /* The host whose control asks, in place of peer; or "". */
    bool admitted;       /* api_admit() has been asked. */
    bool read_only;      /* Whoever asks there may change nothing. */
    bool remote;         /* Over TCP: a token says who asks, in place of peer. */
    uint8_t address[16]; /* Of who asks over TCP; IPv4 is mapped into IPv6. */
    char *authorization; /* Or NULL. */

    /* The router's. */
    char *pieces;                     /* The path, taken to pieces. */
    const char *parts[API_MAX_PARTS]; /* Of it. */
    unsigned n_parts;
    const struct field *fields; /* Of the action's body. */
    bool full; /* Whoever asks sees all, and may all that its class of routes has. */
    enum scope scope;
    char token[TOKENS_NAME_SIZE]; /* Whose scope it is; or "". */
    bool audited;                 /* What comes of it goes into the audit log. */
    char why[320];                /* Why it was refused, for that; of a bad request "". */
    char allow[API_ALLOW_SIZE];   /* For the answer. */
    unsigned retry_after;         /* For the answer. */

    /* Takes the answer's body. */
    void (*answered)(struct api_request *, const struct api_answer *);
    void *aux;
};

/* Takes the listening socket. NULL and err on failure. */
struct api *api_new(struct control *, int sock, struct err *err);
void api_free(struct api *);

/* Over TCP with TLS too: takes the listening socket, and reads certificate and key (-1, -1: our
 * own, made if they are missing). 0 or -errno with `err`; the API goes on without it then. */
int api_open_tcp(struct api *, int sock, int cert, int key, struct err *err)
    __attribute__((warn_unused_result));

/* What a client over TCP finds, or NULL. */
const struct tls *api_tls(const struct api *);

/* Routes and carries out; ends in one call of request->answered, perhaps before it returns. */
void api_dispatch(struct api_request *);

/* Frees what a request holds, but not itself. */
void api_request_done(struct api_request *);

/* --- for handlers: each of them ends the request ------------------------------------------- */

/* Every answer goes this way, into the audit log too where it belongs there. */
void api_finish(struct api_request *, const struct api_answer *);

/* Takes the tree; YAML or JSON as the client would have it. An object's revision is its ETag. */
void api_answer_node(struct api_request *, int status, struct node *);
/* Takes the text; its type is static. */
void api_answer_text(struct api_request *, int status, const char *type, char *text);
void api_answer_empty(struct api_request *, int status);
void api_problem(struct api_request *, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void api_problem_err(struct api_request *, int status, const struct err *,
                     const struct diags *);
/* What became of a change: its value, nothing (204), or the problem. */
void api_answer_result(struct api_request *, struct change_result *);

/* The body as a tree, the caller's; NULL when it has been answered with a problem. An empty body
 * is an empty map. */
struct node *api_body(struct api_request *);

/* The body of an action in canonical form, checked by the table of the operation. */
struct node *api_action(struct api_request *);

/* The same for a fabric file: what is a list is returned as {items: list}. */
struct node *api_file(struct api_request *);

/* A change as the request wishes it, of `owner` "cli" or "file". */
struct change *api_change(const struct api_request *, const char *owner);

/* The value of a query parameter, or NULL. The query has been checked by the operation's table. */
const char *api_query(const struct api_request *, const char *key);
bool api_query_flag(const struct api_request *, const char *key);

/* Sets a time as RFC 3339 has it. */
void api_set_time(struct node *map, const char *key, wall_t when);

/* The type as a static text, if this API knows it; else NULL. */
const char *api_known_type(const char *type);

#endif
