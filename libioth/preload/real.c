/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/preload/real.h"

#include <dlfcn.h>
#include <string.h>

struct real real_functions;
_Atomic bool real_known;

/* Twice at a time does no harm. Through memcpy, since C has no other way to a function. */
void real_find(void)
{
    struct real found;
    void *at;

#define X(name)                                                                            \
    at = dlsym(RTLD_NEXT, #name);                                                          \
    memcpy(&found.name, &at, sizeof at);
    REAL_FUNCTIONS(X)
#undef X
    real_functions = found;
    atomic_store_explicit(&real_known, true, memory_order_release);
}
