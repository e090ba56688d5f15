/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Media types of requests (RFC 9110, 8.3 and 12.5.1). Pure. */
#ifndef FABRICD_CONTROL_API_MEDIA_H
#define FABRICD_CONTROL_API_MEDIA_H

enum media {
    MEDIA_NONE,  /* None of these. */
    MEDIA_JSON,  /* application/json; and what curl says of any -d. */
    MEDIA_MERGE, /* application/merge-patch+json (RFC 7396) */
    MEDIA_YAML   /* application/yaml (RFC 9512) and its older names */
};

/* Of a Content-Type; NULL is JSON. */
enum media media_of_body(const char *content_type);

/* What an Accept asks for of JSON and YAML: the better one, JSON where they are alike, MEDIA_NONE
 * if it takes neither. NULL takes all. */
enum media media_wanted(const char *accept);

#endif
