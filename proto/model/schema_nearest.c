/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "proto/model/schema.h"

#define WORD_MAX 40

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;

    return m < c ? m : c;
}

/* Edits (insert, delete, replace, swap of neighbours) that lead from a to b. Both are at most
 * WORD_MAX long. Optimal string alignment, three rows. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1];
    size_t na = strlen(a), nb = strlen(b);

    for (size_t j = 0; j <= nb; j++) {
        rows[0][j] = (unsigned)j;
    }
    for (size_t i = 1; i <= na; i++) {
        unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3];
        const unsigned *before = rows[(i + 1) % 3];

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned change = a[i - 1] != b[j - 1];

            now[j] = least(now[j - 1] + 1, last[j] + 1, last[j - 1] + change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < now[j]) {
                now[j] = before[j - 2] + 1;
            }
        }
    }
    return rows[na % 3][nb];
}

const char *schema_nearest(const char *word, const char *const *words)
{
    size_t size = strlen(word);
    unsigned best = size < 3 ? 2 : size < 6 ? 3 : 4; /* Must be below: 1, 2, 3 edits. */
    const char *nearest = NULL;

    if (!size || size > WORD_MAX) {
        return NULL;
    }
    for (; *words; words++) {
        size_t n = strlen(*words);
        bool begins = size >= 2 && n > size && !strncmp(*words, word, size);
        unsigned edits = n > WORD_MAX ? best : distance(word, *words);

        if (begins && best > 1) { /* A word cut short is as near as one edit. */
            edits = 1;
        }
        if (edits < best && edits < n) {
            best = edits;
            nearest = *words;
        }
    }
    return nearest;
}
