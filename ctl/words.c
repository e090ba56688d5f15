/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/schema.h"

#define WORDS_LISTED 120 /* Bytes of a list that may stand in a message. */

static void take(struct words *w, char *word)
{
    w->list = xrealloc(w->list, (w->n + 2) * sizeof(*w->list));
    w->list[w->n++] = word;
    w->list[w->n] = NULL;
}

void words_add_once(struct words *w, const char *word)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->list[i], word) == 0)
            return;
    take(w, xstrdup(word));
}

void words_add_option(struct words *w, const char *name)
{
    take(w, xasprintf("--%s", name));
}

void words_add_split(struct words *w, const char *words, const char *but)
{
    while (*words) {
        size_t size = strcspn(words, "|");
        char *word = xasprintf("%.*s", (int)size, words);
        if (but && words_in(but, word))
            free(word);
        else
            take(w, word);
        words += size;
        words += *words == '|';
    }
}

void words_done(struct words *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->list[i]);
    free(w->list);
    *w = (struct words){0};
}

char *words_all(const struct words *w)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    for (size_t i = 0; i < w->n; i++)
        fprintf(out, "%s%s", i ? ", " : "", w->list[i]);
    if (fclose(out) != 0)
        abort();
    return text;
}

/* What all options begin with makes none of them near. */
const char *words_nearest(const struct words *w, const char *word)
{
    size_t dashes = strncmp(word, "--", 2) == 0 ? 2 : 0, n = 0;
    const char **list = xcalloc(w->n + 1, sizeof(*list)), *near;
    for (size_t i = 0; i < w->n; i++)
        if (strncmp(w->list[i], "--", dashes) == 0)
            list[n++] = w->list[i] + dashes;
    near = schema_nearest(word + dashes, list);
    free(list);
    return near ? near - dashes : NULL;
}

char *words_near(const struct words *w, const char *word)
{
    const char *near = words_nearest(w, word);
    if (near)
        return xasprintf("did you mean %s?", near);
    char *all = words_all(w);
    char *text = strlen(all) < WORDS_LISTED ? xasprintf("valid: %s", all)
                                            : xstrdup("none is near it");
    free(all);
    return text;
}

bool words_in(const char *words, const char *word)
{
    size_t size = word ? strlen(word) : 0;
    if (size == 0)
        return false;
    while (*words) {
        size_t this = strcspn(words, "|");
        if (this == size && memcmp(words, word, size) == 0)
            return true;
        words += this;
        words += *words == '|';
    }
    return false;
}
