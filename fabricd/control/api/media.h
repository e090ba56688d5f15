/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What headers of requests say: media types (RFC 9110, 8.3 and 12.5.1), entity tags. Pure. */
#ifndef FABRICD_CONTROL_API_MEDIA_H
#define FABRICD_CONTROL_API_MEDIA_H

#include <stdbool.h>
#include <stdint.h>

enum media {
    MEDIA_NONE,  /* None of these. */
    MEDIA_JSON,  /* application/json */
    MEDIA_MERGE, /* application/merge-patch+json (RFC 7396) */
    MEDIA_YAML   /* application/yaml (RFC 9512) and its older names */
};

/* Of a Content-Type; NULL is JSON. */
enum media media_of_body(const char *content_type);

/* What an Accept asks for of JSON and YAML: the better one, JSON where they are alike, MEDIA_NONE
 * if it takes neither. NULL takes all. */
enum media media_wanted(const char *accept);

/*
 * An If-Match (RFC 9110, 13.1.1): "*" into *any, or one entity tag into *revision: the number in it,
 * or for a weak tag, or one that holds no number, REVISION_NEVER, which no object has. Bare numbers are
 * taken too. False for anything else, a list of several among it.
 */
#define REVISION_NEVER INT64_MAX
bool etag_parse(const char *text, uint64_t *revision, bool *any);

#endif
