/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/link/replay.h"

#define WORDS (REPLAY_WINDOW / 64 + 1)

bool replay_check(const struct replay *r, uint64_t counter)
{
    if (counter >= r->next)
        return true;
    if (r->next - counter > REPLAY_WINDOW)
        return false;
    return !(r->seen[counter / 64 % WORDS] >> (counter % 64) & 1);
}

/* One word more than the window, so that the word being entered holds nothing of the window. */
void replay_note(struct replay *r, uint64_t counter)
{
    if (counter >= r->next) {
        uint64_t from = (r->next + 63) / 64, to = counter / 64;

        if (to >= from && to - from >= WORDS)
            from = to - WORDS + 1;
        for (uint64_t word = from; word <= to; word++)
            r->seen[word % WORDS] = 0;
        r->next = counter + 1;
    }
    r->seen[counter / 64 % WORDS] |= (uint64_t)1 << (counter % 64);
}
