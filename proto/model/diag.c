/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/model/diag.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/text_internal.h"

void diags_init(struct diags *d)
{
    *d = (struct diags){0};
}

void diags_done(struct diags *d)
{
    if (!d) {
        return;
    }
    for (size_t i = 0; i < d->n; i++) {
        free(d->list[i].file);
        free(d->list[i].path);
        free(d->list[i].text);
    }
    free(d->list);
    *d = (struct diags){0};
}

void diags_add(struct diags *d, const char *file, unsigned line, unsigned column,
               const char *path, const char *format, ...)
{
    va_list args;
    char *text;

    if (d->n >= DIAGS_MAX) {
        d->suppressed++;
        return;
    }
    if (d->n == d->room) {
        d->room = d->room ? d->room * 2 : 8;
        d->list = xrealloc(d->list, d->room * sizeof(*d->list));
    }
    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    d->list[d->n++] = (struct diag){
        .file = file ? xstrdup(file) : NULL,
        .line = line,
        .column = column,
        .path = xstrdup(path),
        .text = text,
    };
}

static bool has_place(const struct diags *d, size_t n, const struct diag *of)
{
    for (size_t i = 0; i < n; i++) {
        const struct diag *x = &d->list[i];

        if (of->line && x->line == of->line && x->column == of->column &&
            !strcmp(x->file ? x->file : "", of->file ? of->file : "")) {
            return true;
        }
    }
    return false;
}

void diags_add_more(struct diags *d, const struct diags *more)
{
    size_t before = d->n;

    for (size_t i = 0; i < more->n; i++) {
        const struct diag *x = &more->list[i];

        if (!has_place(d, before, x)) {
            diags_add(d, x->file, x->line, x->column, x->path, "%s", x->text);
        }
    }
    d->suppressed += more->suppressed;
}

char *diag_print(const struct diag *d)
{
    struct text out = {0};

    if (d->file) {
        text_add(&out, d->file);
        if (d->line) {
            text_printf(&out, ":%u:%u", d->line, d->column);
        }
        text_add(&out, ": ");
    }
    if (d->path[0]) {
        text_add(&out, d->path);
        text_add(&out, ": ");
    }
    text_add(&out, d->text);
    return text_take(&out);
}

char *diags_print(const struct diags *d)
{
    struct text out = {0};

    for (size_t i = 0; i < d->n; i++) {
        char *line = diag_print(&d->list[i]);

        text_printf(&out, "%s\n", line);
        free(line);
    }
    if (d->suppressed) {
        text_printf(&out, "… and %zu more\n", d->suppressed);
    }
    return text_take(&out);
}

char *diag_pointer(const struct diag *d)
{
    struct text out = {0};

    if (d->path[0]) {
        text_char(&out, '/');
    }
    for (const char *p = d->path; *p; p++) {
        switch (*p) {
        case '.':
            text_char(&out, '/');
            break;
        case '/':
            text_add(&out, "~1");
            break;
        case '~':
            text_add(&out, "~0");
            break;
        default:
            text_char(&out, *p);
        }
    }
    return text_take(&out);
}
