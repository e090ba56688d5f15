/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/api/stack.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VNLS_MAX 64
#define KIND_MAX 256

static _Thread_local void *current;          /* What getstackdata() gives. */
static _Thread_local struct ioth *of_thread; /* Its default stack. */
static _Thread_local char why[320];
static struct ioth *_Atomic of_process = &stack_kernel;

static void *current_data(void)
{
    return current;
}

void stack_enter(struct ioth *s)
{
    current = s->data;
}

int stack_failed(const struct err *err, int r)
{
    snprintf(why, sizeof why, "%s", err && err->why[0] ? err->why : err_text(r));
    errno = r < 0 ? -r : r;
    return -1;
}

const char *ioth_error(void)
{
    return why;
}

/* --- the default -------------------------------------------------------------------------------- */

struct ioth *stack_or_default(struct ioth *stack)
{
    return stack ? stack : ioth_get_defstack();
}

void ioth_set_defstack(struct ioth *stack)
{
    atomic_store(&of_process, stack ? stack : &stack_kernel);
}

void ioth_set_thread_defstack(struct ioth *stack)
{
    of_thread = stack;
}

struct ioth *ioth_get_defstack(void)
{
    return of_thread ? of_thread : atomic_load(&of_process);
}

/* --- making ------------------------------------------------------------------------------------- */

static int make(const char *kind, const char *options, const char *vnlv[], struct ioth *s)
{
    struct err err = {.why = ""};
    int r = plugin_load(kind, &s->plugin, &s->f, &err);

    if (r < 0)
        return stack_failed(&err, r);
    s->f.getstackdata = current_data;
    errno = 0;
    if (s->plugin.errno_at)
        *s->plugin.errno_at() = 0;
    s->data = s->f.newstack(vnlv, options, &s->f);
    if (s->data)
        return 0;
    r = s->plugin.errno_at ? *s->plugin.errno_at() : errno;
    if (r == 0)
        r = EIO;
    if (s->plugin.error)
        snprintf(err.why, sizeof err.why, "%s", s->plugin.error());
    if (!err.why[0])
        err_set(&err, -r, "the stack %s cannot be made: %s", kind, err_text(r));
    plugin_unload(&s->plugin);
    return stack_failed(&err, -r);
}

struct ioth *ioth_newstackv(const char *stack, const char *vnlv[])
{
    char kind[KIND_MAX];
    const char *options = "", *comma = stack ? strchr(stack, ',') : NULL;
    size_t n = comma ? (size_t)(comma - stack) : stack ? strlen(stack) : 0;
    struct ioth *s;

    why[0] = 0;
    if (n == 0 || (n == 6 && !memcmp(stack, "kernel", n)))
        return &stack_kernel;
    if (n >= sizeof kind) {
        stack_failed(NULL, -ENOTSUP);
        return NULL;
    }
    memcpy(kind, stack, n);
    kind[n] = 0;
    if (comma)
        options = comma + 1;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    if (make(kind, options, vnlv, s) < 0) {
        free(s);
        return NULL;
    }
    return s;
}

struct ioth *ioth_newstack(const char *stack, const char *vnl)
{
    const char *vnlv[] = {vnl, NULL};

    return ioth_newstackv(stack, vnlv);
}

struct ioth *ioth_newstackl(const char *stack, const char *vnl, ...)
{
    const char *vnlv[VNLS_MAX + 1] = {vnl};
    unsigned n = 0;
    va_list args;

    va_start(args, vnl);
    while (n < VNLS_MAX && vnlv[n])
        vnlv[++n] = va_arg(args, const char *);
    va_end(args);
    if (n == VNLS_MAX && vnlv[n]) {
        stack_failed(NULL, -E2BIG);
        return NULL;
    }
    return ioth_newstackv(stack, vnlv);
}

/* --- settings ----------------------------------------------------------------------------------- */

static int no_settings(void)
{
    struct err err = {.why = ""};

    return stack_failed(&err, err_set(&err, -ENOSYS, "this kind of stack has no settings"));
}

int ioth_setstack(struct ioth *stack, const char *settings)
{
    struct ioth *s = stack_or_default(stack);
    struct err err = {.why = ""};

    why[0] = 0;
    if (!s->plugin.set)
        return no_settings();
    stack_enter(s);
    if (s->plugin.set(settings ? settings : "") == 0)
        return 0;
    if (s->plugin.error)
        snprintf(err.why, sizeof err.why, "%s", s->plugin.error());
    return stack_failed(&err, -errno);
}

char *ioth_getstack(struct ioth *stack)
{
    struct ioth *s = stack_or_default(stack);

    why[0] = 0;
    if (!s->plugin.get) {
        (void)no_settings();
        return NULL;
    }
    stack_enter(s);
    return s->plugin.get();
}

/* Has the program sockets of it? */
static bool is_used(struct ioth *s)
{
    return atomic_load(&s->n_fds) > atomic_load(&s->n_own);
}

int ioth_delstack(struct ioth *s)
{
    if (!s) {
        errno = EINVAL;
        return -1;
    }
    if (is_used(s))
        fdtab_sweep(s);
    if (is_used(s)) {
        errno = EBUSY;
        return -1;
    }
    if (s == &stack_kernel)
        return 0;
    if (s->conf_end)
        s->conf_end(s);
    stack_enter(s);
    if (s->f.delstack && s->f.delstack(s->data) < 0) {
        if (s->plugin.errno_at)
            errno = *s->plugin.errno_at();
        return -1;
    }
    poll_forget(s);
    if (of_thread == s)
        of_thread = NULL;
    {
        struct ioth *expected = s;

        atomic_compare_exchange_strong(&of_process, &expected, &stack_kernel);
    }
    plugin_unload(&s->plugin);
    free(s);
    return 0;
}
