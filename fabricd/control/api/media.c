/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/api/media.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const json_types[] = {"application/json", NULL};
static const char *const yaml_types[] = {"application/yaml", "application/x-yaml",
                                         "text/yaml", "text/x-yaml", NULL};

struct word {
    const char *at;
    size_t size;
};

static bool word_is(struct word w, const char *text)
{
    return strlen(text) == w.size && strncasecmp(w.at, text, w.size) == 0;
}

/* The type in front of any parameters. */
static struct word type_in(const char *text)
{
    struct word w = {.at = text + strspn(text, " \t")};

    w.size = strcspn(w.at, ";, \t");
    return w;
}

static bool is_one_of(struct word w, const char *const *types)
{
    for (; *types != NULL; types++) {
        if (word_is(w, *types))
            return true;
    }
    return false;
}

enum media media_of_body(const char *content_type)
{
    struct word w;

    if (content_type == NULL)
        return MEDIA_JSON;
    w = type_in(content_type);
    if (word_is(w, "application/merge-patch+json"))
        return MEDIA_MERGE;
    if (is_one_of(w, json_types))
        return MEDIA_JSON;
    return is_one_of(w, yaml_types) ? MEDIA_YAML : MEDIA_NONE;
}

/* --- Accept --------------------------------------------------------------------------------- */

/* The q of a range, in thousandths; `end` is where the range ends. */
static int quality(const char *at, const char *end)
{
    int q, digit = 100;

    while (at < end && (at = memchr(at, ';', (size_t)(end - at))) != NULL) {
        at++;
        at += strspn(at, " \t");
        if ((at[0] != 'q' && at[0] != 'Q') || at[1] != '=')
            continue;
        if (at[2] != '0')
            return 1000;
        q = 0;
        if (at[3] != '.')
            return 0;
        for (at += 4; *at >= '0' && *at <= '9' && digit > 0; at++, digit /= 10)
            q += (*at - '0') * digit;
        return q;
    }
    return 1000;
}

/* How well a type is taken: the most precise range decides. */
static int wanted(const char *accept, const char *const *types)
{
    int best = 0, precision = 0;

    while (*accept != '\0') {
        const char *end = accept + strcspn(accept, ",");
        struct word w = type_in(accept);
        int p = is_one_of(w, types)           ? 3
                : word_is(w, "application/*") ? 2
                : word_is(w, "*/*")           ? 1
                                              : 0;

        if (p > precision) {
            precision = p;
            best = quality(w.at, end);
        }
        accept = end + (*end == ',');
    }
    return best;
}

enum media media_wanted(const char *accept)
{
    int json, yaml;

    if (accept == NULL || *accept == '\0')
        return MEDIA_JSON;
    json = wanted(accept, json_types);
    yaml = wanted(accept, yaml_types);
    if (json == 0 && yaml == 0)
        return MEDIA_NONE;
    return yaml > json ? MEDIA_YAML : MEDIA_JSON;
}

/* --- entity tags ---------------------------------------------------------------------------- */

bool etag_parse(const char *text, uint64_t *revision, bool *any)
{
    bool weak = strncmp(text, "W/", 2) == 0, quoted;
    size_t size;
    char *end;

    *any = strcmp(text, "*") == 0;
    if (*any)
        return true;
    text += weak ? 2 : 0;
    quoted = text[0] == '"';
    text += quoted;
    size = strcspn(text, "\"");
    if (size == 0 || text[size] != (quoted ? '"' : '\0') ||
        (quoted && text[size + 1] != '\0'))
        return false;
    *revision = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (*revision == 0 || *revision > REVISION_NEVER || end != text + size || weak) {
        if (!quoted)
            return false;
        *revision = REVISION_NEVER;
    }
    return true;
}
