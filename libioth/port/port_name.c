/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libioth/port/port.h"

const char *port_name(const char *text, char name[PORT_NAME_SIZE], struct err *err)
{
    size_t n = strcspn(text, ":/.");

    name[0] = 0;
    if (text[n] != ':' || !strncmp(text + n, "://", 3) || !strstr(text + n + 1, "://"))
        return text;
    if (n == 0 || n >= PORT_NAME_SIZE) {
        err_set(err, -EINVAL, "%.*s is no name for an interface (1 to 15 characters)",
                (int)(n > 60 ? 60 : n), text);
        return NULL;
    }
    memcpy(name, text, n);
    name[n] = 0;
    return text + n + 1;
}
