/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the schema share. */
#ifndef PROTO_MODEL_SCHEMA_INTERNAL_H
#define PROTO_MODEL_SCHEMA_INTERNAL_H

#include "proto/model/schema.h"

/* The router's table (schema_router.c). */
extern const struct field schema_router_fields[];

/* The service's (schema_service.c), and its rules. */
extern const struct field schema_service_fields[];
struct check;
void schema_service_rules(struct check *, const struct node *in, const struct node *out);

#define SCHEMA_LIST_MAX 256 /* Items, where a field says nothing else. */

/* Checks one scalar against the field's type and returns it in canonical form, or NULL with
 * the reason in why[]: "99 is out of range (1280 to 9216)". */
struct node *schema_value(const struct field *, const struct node *x, char *why,
                          size_t size);

/* Ends a check of a value: the reason goes into why[], and there is no value. */
#define REFUSE(...)                                                                        \
    do {                                                                                   \
        snprintf(why, size, __VA_ARGS__);                                                  \
        return NULL;                                                                       \
    } while (0)

/* "WHAT is not ALLOWED" in why[], with a text that is too long cut. NULL. */
struct node *schema_refuse(const struct field *, const char *text, char *why, size_t size);

/* The addresses among the values, out of texts. */
struct node *schema_value_subnet(const struct field *, const char *text, char *why,
                                 size_t size);
struct node *schema_value_address(const struct field *, const char *text, char *why,
                                  size_t size);
struct node *schema_value_addr_port(const struct field *, const char *text, char *why,
                                    size_t size);
struct node *schema_value_mac(const struct field *, const char *text, char *why,
                              size_t size);

/* An unsigned decimal number without sign or leading zeros, up to `max`. */
bool schema_parse_number(const char *text, int64_t max, int64_t *value);

/* What is allowed, in words: "1280 to 9216". In buffer[]. */
void schema_allowed(const struct field *, char *buffer, size_t size);

/* The default of a field as a canonical node, or NULL. */
struct node *schema_default(const struct field *);

/* Where a check stands; the path grows and shrinks with the walk. */
struct check {
    const char *file;
    struct diags *diags;
    char path[512];
    size_t size;
};

void check_init(struct check *, const char *path, const char *file, struct diags *);

/* Adds ".key" to the path and returns the size to go back to with check_up(). A path that is
 * too long is cut. */
size_t check_down(struct check *, const char *key);
void check_up(struct check *, size_t size);

/* A mistake at a node (NULL: without a place). */
void check_bad(struct check *, const struct node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same at the node's key. */
void check_bad_key(struct check *, const struct node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The mistake of a key that the words do not have. */
void check_unknown(struct check *, const struct node *at, const char *key,
                   const char *const *words);

/* What the tables cannot say of an object: exactly one of two keys, and the like. `in` is the
 * object as it came in, for its places; `out` the canonical one, from which keys that say
 * nothing are taken. */
void schema_rules(struct check *, const struct kind *, const struct node *in,
                  struct node *out);

#endif
