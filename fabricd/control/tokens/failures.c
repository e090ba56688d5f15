/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/tokens/failures.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"

struct failure {
    uint8_t key[16];
    mtime_t forgotten; /* When nothing of it counts any more; 0 = the place is free. */
};

struct failures {
    struct failure table[FAILURES_TABLE];
};

struct failures *failures_new(void)
{
    return xcalloc(1, sizeof(struct failures));
}

void failures_free(struct failures *f)
{
    free(f);
}

static void key_of(const uint8_t address[16], uint8_t key[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    memcpy(key, address, 16);
    if (memcmp(address, mapped, sizeof(mapped)) != 0)
        memset(key + 8, 0, 8);
}

static const struct failure *find(const struct failures *f, const uint8_t key[16])
{
    for (unsigned i = 0; i < FAILURES_TABLE; i++) {
        if (f->table[i].forgotten != 0 && memcmp(f->table[i].key, key, 16) == 0)
            return &f->table[i];
    }
    return NULL;
}

mtime_t failures_wait(const struct failures *f, const uint8_t address[16], mtime_t now)
{
    const struct failure *found;
    uint8_t key[16];

    key_of(address, key);
    found = find(f, key);
    if (found == NULL || found->forgotten - now <= (FAILURES_BURST - 1) * FAILURES_EVERY)
        return 0;
    return found->forgotten - now - (FAILURES_BURST - 1) * FAILURES_EVERY;
}

/* Its place, or the one that is given up for it. */
static struct failure *place_of(struct failures *f, const uint8_t key[16])
{
    struct failure *place = &f->table[0];

    for (unsigned i = 0; i < FAILURES_TABLE; i++) {
        struct failure *at = &f->table[i];

        if (at->forgotten != 0 && memcmp(at->key, key, 16) == 0)
            return at;
        if (at->forgotten < place->forgotten)
            place = at;
    }
    *place = (struct failure){.forgotten = 0};
    memcpy(place->key, key, 16);
    return place;
}

void failures_note(struct failures *f, const uint8_t address[16], mtime_t now)
{
    struct failure *place;
    uint8_t key[16];

    key_of(address, key);
    place = place_of(f, key);
    place->forgotten = (place->forgotten > now ? place->forgotten : now) + FAILURES_EVERY;
}
