/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the controls of two hosts say to one another, over the control stream of their session.
 * The founding host has the fabric's store; the others follow it:
 *
 *   joiner   -> founder   JOIN      the token's secret, a name, keys
 *   founder  -> joiner    WELCOME   number, certificate chain; ROWS follow; or REFUSE
 *   follower -> founder   FOLLOW    "I have this store up to that revision"
 *   founder  -> follower  ROWS      what was committed since, or a snapshot in pages
 *   follower -> founder   HAVE      that revision is in my store
 *   follower -> founder   REQUEST   a change, or an action, as JSON
 *   founder  -> follower  RESULT    what came of it; after the rows that it wrote
 *   both ways             SEEN      what a host sees of its links and its declared ports; the
 *                                   founder passes it on, and says who is gone. Never stored
 *   any host -> any       CALL      a request of its API; ANSWER comes in parts, of which TOOK lets
 *                                   more come, and CANCEL no more
 *
 * Big-endian, every message begins with a version and a type; a byte too much or too few makes it
 * invalid. Nothing here trusts the other side: sizes, counts and texts are checked.
 */
#ifndef PROTO_SYNC_MESSAGE_H
#define PROTO_SYNC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYNC_VERSION       1
#define SYNC_NAME_SIZE     64u                /* With the NUL. */
#define SYNC_MAX_BODY      (256u * 1024)      /* Of one row. */
#define SYNC_MAX_JSON      (4u * 1024 * 1024) /* Of a request or result. */
#define SYNC_MAX_MESSAGE   (8u * 1024 * 1024)
#define SYNC_MAX_JOIN      1024u /* Of a JOIN: all that a stranger may say. */
#define SYNC_MAX_ADDRS     8u
#define SYNC_MAX_CHAIN     1024u
#define SYNC_SEEN_PEERS    1024u /* Of one report; what is beyond goes untold. */
#define SYNC_SEEN_PORTS    512u
#define SYNC_CALL_BODY     (1024u * 1024) /* Of a call. */
#define SYNC_CALL_PART     (32u * 1024)   /* Of an answer, in one message. */
#define SYNC_CALL_WINDOW   (128u * 1024) /* Bytes of an answer that TOOK has not confirmed. */
#define SYNC_CALL_PAIRS    16u
#define SYNC_CALL_TEXT     2048u /* Of a path or value. */
#define SYNC_SEEN_SERVICES 512u
#define SYNC_SEEN_WRONG    256u
#define SYNC_SEEN_TREES    4096u

enum sync_type {
    SYNC_JOIN = 1,
    SYNC_WELCOME = 2,
    SYNC_REFUSE = 3,
    SYNC_FOLLOW = 4,
    SYNC_ROWS = 5,
    SYNC_HAVE = 6,
    SYNC_REQUEST = 7,
    SYNC_RESULT = 8,
    SYNC_SEEN = 9,
    SYNC_CALL = 10,
    SYNC_ANSWER = 11,
    SYNC_TOOK = 12,
    SYNC_CANCEL = 13,
};

struct sync_addr {
    uint8_t family; /* 4 or 6 */
    uint16_t port;
    uint8_t addr[16]; /* 4 or 16 bytes of it. */
};

struct sync_join {
    uint64_t invite;
    uint8_t secret[32];
    char name[SYNC_NAME_SIZE];
    uint8_t noise_public[32];
    uint8_t sign_public[32];
    uint8_t n_addrs;
    struct sync_addr addrs[SYNC_MAX_ADDRS]; /* Where the joiner listens. */
};

struct sync_welcome {
    uint64_t fabric;
    uint16_t host;             /* The joiner's number. */
    char name[SYNC_NAME_SIZE]; /* The joiner's name in the fabric. */
    uint8_t root[32];
    uint16_t chain_size;
    uint8_t chain[SYNC_MAX_CHAIN];
};

struct sync_refuse {
    uint16_t status; /* As HTTP says it. */
    char why[320];
    char hint[160];
};

struct sync_follow {
    uint32_t round; /* Echoed in the rows that answer it. */
    uint64_t store; /* 0 = it has nothing. */
    uint64_t revision;
    uint8_t n_addrs;
    struct sync_addr addrs[SYNC_MAX_ADDRS];
};

/* An object as the store has it; without a body it was deleted. */
struct sync_row {
    uint64_t revision;
    char *kind, *network, *name, *owner;
    char *body;
};

enum {
    SYNC_ROWS_SNAPSHOT = 1, /* A page of a snapshot. */
    SYNC_ROWS_FIRST = 2,    /* Its first page. */
    SYNC_ROWS_LAST = 4,     /* Its last. What the follower has and no page named goes. */
};

struct sync_rows {
    uint32_t round;    /* Of the FOLLOW that they answer; 0 = behind a WELCOME. */
    uint64_t store;    /* Names the store that the revisions are of. */
    uint64_t from;     /* What was changed after this revision; 0 in a snapshot. */
    uint64_t revision; /* With these, the follower has everything up to here. */
    uint8_t flags;
    size_t n;
    struct sync_row *row;
};

enum sync_verb { SYNC_CHANGE = 1, SYNC_INVITE = 2, SYNC_LEAVE = 3 };

struct sync_request {
    uint32_t id;
    uint8_t verb;
    char *json;
};

struct sync_result {
    uint32_t id;
    uint64_t revision; /* Of the founder's store, with what the request changed. */
    char *json;
};

/* What a host sees of the session with another. */
struct sync_seen_peer {
    uint16_t host;
    bool up;
    uint32_t rtt_us;
    uint16_t mtu;
    char cipher[24];
};

enum sync_port_state { SYNC_PORT_DOWN, SYNC_PORT_UP, SYNC_PORT_PENDING };

/* The state of a declared port of that host. */
struct sync_seen_port {
    uint64_t net;
    enum sync_port_state state;
    char name[SYNC_NAME_SIZE];
};

/* What the host cannot carry out. */
struct sync_seen_wrong {
    char what[160]; /* "port lan1/core" */
    char why[256];
};

/* What a service of that host does; texts are printable. */
struct sync_seen_service {
    char name[SYNC_NAME_SIZE];
    char state[16];
    char health[16]; /* "" = it has no check. */
    char exit[96];   /* How its program ended last, or "". */
    char problem[240];
    uint32_t pid, restarts;
    int64_t since; /* Of the state: milliseconds since 1970. */
};

/* The spanning tree of a network, told while an apply is being verified. */
struct sync_seen_tree {
    uint64_t net;
    uint64_t root; /* The root bridge, where links are ports of the tree; else 0. */
    bool learning; /* The port does, else it discards. */
    char port[SYNC_NAME_SIZE]; /* A port that is to forward and does not yet; "" = none. */
};

/* A whole report: it takes the place of the one before. */
struct sync_seen {
    uint16_t host; /* Whose; what a follower says of this is not believed. */
    bool gone;     /* The founder does not hear it any more. */
    uint64_t
        revision; /* Of the founder's store: carried out here, or among what is wrong. */
    uint16_t n_peers, n_ports, n_wrong, n_services, n_trees;
    struct sync_seen_peer *peer; /* Rising by host. */
    struct sync_seen_port *port;
    struct sync_seen_wrong *wrong;
    struct sync_seen_service *service;
    struct sync_seen_tree *tree; /* Rising by network. */
};

struct sync_pairs {
    uint8_t n;
    struct {
        char *key, *value;
    } pair[SYNC_CALL_PAIRS];
};

enum { SYNC_CALL_READS = 1 /* Nothing may be changed by it. */ };

/* A request as HTTP has it. Texts hold no control characters. */
struct sync_call {
    uint32_t id; /* The caller's. */
    uint8_t flags;
    char host[SYNC_NAME_SIZE]; /* Whom the founder is to pass it on to; "" = nobody. */
    char from[SYNC_NAME_SIZE]; /* For whom the founder passes it on; "" = it is its own. */
    char method[16];
    char *path; /* Decoded, without query. */
    struct sync_pairs query, headers;
    uint32_t size;
    uint8_t *body;
};

enum {
    SYNC_ANSWER_FIRST = 1,  /* With status and headers. */
    SYNC_ANSWER_LAST = 2,   /* That was all. */
    SYNC_ANSWER_BROKEN = 4, /* It ends before its end. */
};

struct sync_answer {
    uint32_t id;
    uint8_t flags;
    uint16_t status;
    struct sync_pairs headers;
    uint32_t size;
    uint8_t *data;
};

/* Whoever called has done with so many bytes of the answer. */
struct sync_took {
    uint32_t id;
    uint32_t size;
};

struct sync_message {
    enum sync_type type;
    union {
        struct sync_join join;
        struct sync_welcome welcome;
        struct sync_refuse refuse;
        struct sync_follow follow;
        struct sync_rows rows;
        uint64_t have;
        struct sync_request request;
        struct sync_result result;
        struct sync_seen seen;
        struct sync_call call;
        struct sync_answer answer;
        struct sync_took took;
        uint32_t cancel; /* The id of the call. */
    } u;
};

/* The message as bytes, in memory that is the caller's to free(); NULL if it cannot be said (a
 * text or list too long). */
uint8_t *sync_encode(const struct sync_message *, size_t *size)
    __attribute__((warn_unused_result));

/* Returns 0, -EPROTO (malformed) or -EPROTONOSUPPORT (of another version). On success what
 * hangs on *out is freed by sync_done(). */
int sync_decode(const void *data, size_t size, struct sync_message *out)
    __attribute__((warn_unused_result));
void sync_done(struct sync_message *);

/* Adds a copy; false if there are too many. */
bool sync_pairs_add(struct sync_pairs *, const char *key, const char *value);
void sync_pairs_done(struct sync_pairs *);

/* Bytes that a row takes in a message. */
size_t sync_row_size(const struct sync_row *);

/* Deep copies of a report; whether two say the same, but for round-trip times. */
struct sync_seen sync_seen_copy(const struct sync_seen *);
void sync_seen_done(struct sync_seen *);
bool sync_seen_equal(const struct sync_seen *, const struct sync_seen *);

/* A deep copy; and what frees the texts of a row. */
struct sync_row sync_row_copy(const struct sync_row *);
void sync_row_done(struct sync_row *);

#endif
