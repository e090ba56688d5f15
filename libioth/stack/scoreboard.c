/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/scoreboard.h"

#include <string.h>

#define DUP_THRESH 3u

void scoreboard_clear(struct scoreboard *s)
{
    s->n = s->bytes = 0;
}

static void count(struct scoreboard *s)
{
    s->bytes = 0;
    for (uint32_t i = 0; i < s->n; i++)
        s->bytes += s->at[i].right - s->at[i].left;
}

/* Replaces `n` ranges from i on by `by` others, whose places are left open. */
static void replace(struct scoreboard *s, uint32_t i, uint32_t n, uint32_t by)
{
    memmove(&s->at[i + by], &s->at[i + n], (s->n - i - n) * sizeof s->at[0]);
    s->n = s->n - n + by;
}

bool scoreboard_add(struct scoreboard *s, uint32_t left, uint32_t right)
{
    uint32_t before = s->bytes, i = 0, n = 0;

    while (i < s->n && seq_before(s->at[i].right, left))
        i++;
    while (i + n < s->n && !seq_before(right, s->at[i + n].left)) {
        left = seq_min(left, s->at[i + n].left);
        right = seq_max(right, s->at[i + n].right);
        n++;
    }
    if (n == 0 && s->n == SCOREBOARD_MAX)
        return false;
    replace(s, i, n, 1);
    s->at[i] = (struct scoreboard_range){left, right};
    count(s);
    return s->bytes != before;
}

void scoreboard_forget(struct scoreboard *s, uint32_t una)
{
    uint32_t n = 0;

    while (n < s->n && !seq_before(una, s->at[n].left))
        n++;
    replace(s, 0, n, 0);
    count(s);
}

uint32_t scoreboard_lost(const struct scoreboard *s, uint32_t una, uint32_t mss)
{
    uint32_t bytes = 0;

    for (uint32_t i = s->n; i-- > 0;) {
        bytes += s->at[i].right - s->at[i].left;
        if (s->n - i >= DUP_THRESH || bytes > (DUP_THRESH - 1) * mss)
            return s->at[i].left;
    }
    return una;
}

uint32_t scoreboard_last(const struct scoreboard *s, uint32_t una)
{
    return s->n ? s->at[s->n - 1].left : una;
}

bool scoreboard_hole(const struct scoreboard *s, uint32_t from, uint32_t to, uint32_t *left,
                     uint32_t *right)
{
    *right = to;
    for (uint32_t i = 0; i < s->n; i++) {
        if (seq_before(from, s->at[i].left)) {
            *right = seq_min(to, s->at[i].left);
            break;
        }
        from = seq_max(from, s->at[i].right);
    }
    *left = from;
    return seq_before(*left, *right);
}

uint32_t scoreboard_holes(const struct scoreboard *s, uint32_t from, uint32_t to)
{
    uint32_t bytes = 0;

    for (uint32_t i = 0; i < s->n && seq_before(from, to); i++) {
        uint32_t hole = seq_min(s->at[i].left, to);

        if (seq_before(from, hole))
            bytes += hole - from;
        from = seq_max(from, s->at[i].right);
    }
    return seq_before(from, to) ? bytes + (to - from) : bytes;
}
