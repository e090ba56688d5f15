/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one table per kind of object. From it come the checks of every input, the defaults, what
 * is printed, the diff, the OpenAPI document and the reference.
 *
 * Keys of features that are not built yet have `later` set: they are refused by name with that
 * text. An unknown key is refused with the nearest valid one.
 */
#ifndef PROTO_MODEL_SCHEMA_H
#define PROTO_MODEL_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/model/diag.h"
#include "proto/model/node.h"

#define SCHEMA_VLAN_NONE 4095 /* As `access` of a port: nothing passes without a tag. */

enum field_type {
    FIELD_BOOL,
    FIELD_INT,  /* min..max */
    FIELD_TEXT, /* min..max bytes */
    FIELD_NAME, /* 1-63 of a-z 0-9 -, beginning with a letter */
    FIELD_ENUM, /* words, separated by '|' */
    FIELD_MAC,
    FIELD_IP,    /* Either family. */
    FIELD_CIDR4, /* With `words`, these words are allowed too: "auto|none". */
    FIELD_CIDR6,
    FIELD_CIDR, /* Address with optional prefix length, either family. */
    FIELD_ADDR_PORT,
    FIELD_BITS, /* Bits per second: 10M, 1.5G, 64k. Stored as an integer. */
    FIELD_RATE, /* Frames or bits per second: 1000pps, 10M. Stored as text in canonical form. */
    FIELD_TIME,      /* 1h, 30s, 250ms. Stored as text in canonical form. */
    FIELD_PRINCIPAL, /* uid:N gid:N user:U group:G */
    FIELD_SECRET,    /* {file: PATH}; a secret itself is refused. */
    FIELD_MAP,       /* Fixed keys: `fields`. */
    FIELD_MAP_OF, /* Free keys of type `key`, values by `fields` (or `shorthand` alone). */
};

enum impact { IMPACT_LIVE, IMPACT_FLAP, IMPACT_RESTART, IMPACT_DESTROY };

enum {
    FIELD_REQUIRED = 1,
    FIELD_IMMUTABLE = 2,
    FIELD_READONLY = 4, /* The daemon's: revision, id, status. Ignored on input. */
    FIELD_LIST = 8,     /* A list of the type; one value may stand alone. */
    FIELD_LINK = 16,    /* Names another object of kind `words`. */
    FIELD_RESOLVED =
        32, /* Absent (or "auto"): the daemon chooses when the object is made, and
                            an update without the key keeps what it chose. */
    FIELD_REPEAT = 64, /* A list in which a value may stand several times: arguments. */
};

struct field {
    const char *name;
    enum field_type type;
    unsigned flags;
    int64_t min, max;
    const char *words;
    const char *form;           /* FIELD_TEXT: what it looks like, for messages. */
    const char *otherwise;      /* Default as text, or NULL. */
    const struct field *fields; /* FIELD_MAP, FIELD_MAP_OF; ends with name == NULL. */
    enum field_type key;        /* FIELD_MAP_OF: FIELD_NAME or FIELD_INT (min..max). */
    const char *shorthand; /* A scalar standing for the map sets this key: 10: staff. */
    enum impact impact;
    const char *help;
    const char *later;       /* Not built yet: what to say. */
    const char *words_later; /* FIELD_ENUM: words that are known and not built yet. */
    unsigned most;           /* Items of a list or map; 0 = 256. */
};

struct kind {
    const char *name;   /* network */
    const char *plural; /* networks */
    const struct field *fields;
    bool in_network; /* Named NETWORK/NAME. */
    const char *help;
    /* The kind itself is not built yet. Its keys are checked all the same, where there are
     * `fields`, so that a file that is ahead of us is right when its time comes. */
    const char *later;
};

/* network, port, endpoint, host, link, router, service; ends with name == NULL. */
extern const struct kind schema_kinds[];

const struct kind *schema_kind(const char *name_or_plural); /* NULL if unknown. */

/* The nearest of the words (NULL-ended), or NULL if none is near: for "did you mean". */
const char *schema_nearest(const char *word, const char *const *words);

/* True if `word` is one of the words separated by '|'. */
bool schema_has_word(const char *words, const char *word);

/*
 * Checks an object as it came in and returns it in canonical form (lists where lists are
 * allowed, shorthands written out, numbers parsed, addresses in RFC 5952 form, defaults that
 * depend on nothing filled in, read-only keys dropped), or NULL with every mistake in `diags`.
 * `path` is where it stands, `file` may be NULL.
 */
struct node *schema_check(const struct kind *, const struct node *object, const char *path,
                          const char *file, struct diags *);

/*
 * Cross-checks the change of one object into another (both canonical): keys that are fixed when
 * the object is made. True if it may be done; otherwise the mistakes are in `diags`.
 */
bool schema_change_ok(const struct kind *, const struct node *before,
                      const struct node *after, const char *path, struct diags *);

/* The object without defaults and read-only keys: what `export` prints. */
struct node *schema_minimal(const struct kind *, const struct node *object);

bool schema_name_ok(const char *name);

/* What a canonical port is, "tap", "raw", "stream" or "vde": the key that says so. NULL if none
 * does. */
const char *schema_port_kind(const struct node *port);

/* Whether a socket of that name in a network's folder is the network's own: `ctl`, or `vN` for a
 * VLAN. No port's may be called so. */
bool schema_network_door(const char *name);

/* The forms of FIELD_BITS (10M -> 10000000) and FIELD_TIME (1h30m -> milliseconds). */
bool schema_parse_bits(const char *text, int64_t *bits);
bool schema_parse_time(const char *text, int64_t *ms);

/* The form of FIELD_RATE; *frames tells which of the two it is. */
bool schema_parse_rate(const char *text, int64_t *rate, bool *frames);

/* The canonical text of bits or time, in buffer[24]. */
void schema_print_bits(int64_t bits, char buffer[24]);
void schema_print_time(int64_t ms, char buffer[24]);

/* Bytes of the memory of a service's checked `limits`; 0 = no limit. */
int64_t schema_memory(const struct node *limits);

/* Documents generated from the tables; the caller's to free(). */
struct node *schema_openapi(const char *version);
struct node *schema_json_schema(void); /* Of the fabric file. */
char *schema_reference(void);          /* Markdown */

#endif
