/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the program may use a stack under some licence. */
#ifndef LIBIOTH_API_LICENCE_H
#define LIBIOTH_API_LICENCE_H

#include <stdbool.h>

/* NULL and LGPL: anybody. Else the program must have declared its own (ioth_set_license), the same or one
 * that goes together with it. */
bool licence_allows(const char *plugin);

#endif
