/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/trial/touched.h"

#include <stdio.h>
#include <string.h>

#include "fabricd/control/trial/standing.h"
#include "fabricd/control/view/view.h"

#define KEY_SIZE (VIEW_NAME_SIZE * 2 + 40)

static void key_of(char key[KEY_SIZE], const char *kind, const char *network,
                   const char *name)
{
    snprintf(key, KEY_SIZE, "%.30s %.63s%s%.63s", kind, network,
             network[0] != '\0' ? "/" : "", name);
}

static int note(void *aux, const struct store_object *object)
{
    struct map *touched = aux;
    char key[KEY_SIZE];

    if (strcmp(object->kind, "block") == 0 || strcmp(object->kind, STANDING_KIND) == 0 ||
        strcmp(object->kind, PART_KIND) == 0)
        return 0;
    key_of(key, object->kind, object->network, object->name);
    map_put(touched, key, touched);
    if (object->network[0] != '\0') {
        key_of(key, "in", "", object->network);
        map_put(touched, key, touched);
    }
    return 0;
}

int touched_read(struct map *touched, struct store *store, enum store_scope scope,
                 uint64_t revision)
{
    return store_as_was(store, scope, revision - 1, revision, note, touched);
}

bool touched_has(const struct map *touched, const char *kind, const char *network,
                 const char *name)
{
    char key[KEY_SIZE];

    key_of(key, kind, network, name);
    if (map_get(touched, key) != NULL)
        return true;
    key_of(key, "in", "", name);
    return strcmp(kind, "network") == 0 && map_get(touched, key) != NULL;
}
