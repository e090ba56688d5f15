/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/api/licence.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/api/ioth.h"

/* What a program under `program` may use beside what has its very own licence. */
static const struct {
    const char *program;
    const char *plugins[6];
} compatible[] = {
    {"GPL-2.0-or-later",
     {"GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later",
      "GPL-2.0-only OR GPL-3.0-only", NULL}},
    {"GPL-3.0-or-later",
     {"GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later",
      "GPL-2.0-only OR GPL-3.0-only", NULL}},
    {"GPL-2.0-only", {"GPL-2.0-or-later", "GPL-2.0-only OR GPL-3.0-only", NULL}},
    {"GPL-3.0-only",
     {"GPL-2.0-or-later", "GPL-3.0-or-later", "GPL-2.0-only OR GPL-3.0-only", NULL}},
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *declared;

/* Programs and plugins say it as their files do, or bare. */
static const char *bare(const char *spdx)
{
    static const char label[] = "SPDX-License-Identifier:";

    if (strncmp(spdx, label, sizeof label - 1) != 0)
        return spdx;
    spdx += sizeof label - 1;
    return spdx + strspn(spdx, " ");
}

void ioth_set_license(const char *spdx)
{
    pthread_mutex_lock(&lock);
    free(declared);
    declared = spdx ? strdup(bare(spdx)) : NULL;
    pthread_mutex_unlock(&lock);
}

static bool goes_with(const char *program, const char *plugin)
{
    if (!strcmp(program, plugin))
        return true;
    for (unsigned i = 0; i < sizeof compatible / sizeof *compatible; i++) {
        if (strcmp(compatible[i].program, program) != 0)
            continue;
        for (const char *const *p = compatible[i].plugins; *p; p++) {
            if (!strcmp(*p, plugin))
                return true;
        }
    }
    return false;
}

bool licence_allows(const char *plugin)
{
    bool allowed;

    plugin = plugin ? bare(plugin) : NULL;
    if (!plugin || !strncmp(plugin, "LGPL-", 5))
        return true;
    pthread_mutex_lock(&lock);
    allowed = declared && goes_with(declared, plugin);
    pthread_mutex_unlock(&lock);
    return allowed;
}
