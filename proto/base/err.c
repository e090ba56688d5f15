/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *format, ...)
{
    va_list args;

    if (!err)
        return code;
    err->hint[0] = '\0';
    va_start(args, format);
    vsnprintf(err->why, sizeof err->why, format, args);
    va_end(args);
    return code;
}

void err_hint(struct err *err, const char *format, ...)
{
    va_list args;

    if (!err)
        return;
    va_start(args, format);
    vsnprintf(err->hint, sizeof err->hint, format, args);
    va_end(args);
}

const char *err_text(int code)
{
    const char *text = strerrordesc_np(code < 0 ? -code : code);

    return text ? text : "Unknown error";
}
