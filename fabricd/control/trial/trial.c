/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/trial/trial.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"

static const char *const require_names[] = {
    [TRIAL_ALL] = "all", [TRIAL_QUORUM] = "quorum", [TRIAL_REACHABLE] = "reachable"};

const char *trial_require_name(enum trial_require require)
{
    return require_names[require];
}

bool trial_require_parse(const char *text, enum trial_require *out)
{
    for (unsigned i = 0; i < sizeof(require_names) / sizeof(require_names[0]); i++) {
        if (strcmp(text, require_names[i]) == 0) {
            *out = (enum trial_require)i;
            return true;
        }
    }
    return false;
}

bool trial_may_begin(enum trial_require require, size_t there, size_t all)
{
    if (require == TRIAL_ALL)
        return there == all;
    return require == TRIAL_QUORUM ? there * 2 > all : true;
}

void trial_init(struct trial *t, const struct trial_ops *ops, void *aux)
{
    *t = (struct trial){.ops = ops, .aux = aux, .due = MTIME_NEVER};
}

static void clear(struct trial *t)
{
    free(t->host);
    t->host = NULL;
    t->n = 0;
    t->phase = TRIAL_OVER;
    t->due = MTIME_NEVER;
}

void trial_done(struct trial *t)
{
    clear(t);
}

void trial_begin(struct trial *t, enum trial_require require, mtime_t within,
                 mtime_t confirm, mtime_t now)
{
    clear(t);
    t->phase = TRIAL_VERIFY;
    t->require = require;
    t->within = within;
    t->confirm = confirm;
    t->due = now + within;
}

void trial_add(struct trial *t, const char *host, bool there)
{
    t->host = xrealloc(t->host, (t->n + 1) * sizeof(*t->host));
    t->host[t->n] = (struct trial_host){.there = there};
    snprintf(t->host[t->n].name, sizeof(t->host[t->n].name), "%s", host);
    t->n++;
}

void trial_resume_confirm(struct trial *t, mtime_t left, mtime_t now)
{
    clear(t);
    t->phase = TRIAL_CONFIRM;
    t->confirm = left;
    t->due = now + left;
}

static void fail(struct trial *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fail(struct trial *t, const char *format, ...)
{
    char why[TRIAL_WHY];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    clear(t);
    t->ops->failed(t->aux, why);
}

static void succeed(struct trial *t, mtime_t now)
{
    if (t->confirm > 0)
        trial_resume_confirm(t, t->confirm, now);
    else
        clear(t);
    t->ops->verified(t->aux);
}

/* Whether the host has to have carried it out before the deadline. */
static bool counted_on(const struct trial *t, const struct trial_host *host)
{
    return host->there || t->require == TRIAL_ALL;
}

/* It has carried it out, and waits for nothing. */
static bool is_settled(const struct trial_host *host)
{
    return host->done && host->waits[0] == '\0';
}

static size_t count_settled(const struct trial *t)
{
    size_t settled = 0;

    for (size_t i = 0; i < t->n; i++)
        settled += is_settled(&t->host[i]);
    return settled;
}

static const struct trial_host *first_missing(const struct trial *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (!is_settled(&t->host[i]) && counted_on(t, &t->host[i]))
            return &t->host[i];
    }
    return NULL;
}

/* A quorum that can still come together: of hosts that have done it, or are there to do it. */
static bool can_succeed(const struct trial *t)
{
    size_t possible = 0;

    for (size_t i = 0; i < t->n; i++)
        possible += t->host[i].done || t->host[i].there;
    return t->require != TRIAL_QUORUM || possible * 2 > t->n;
}

void trial_report(struct trial *t, const char *host, const struct trial_report *report,
                  mtime_t now)
{
    struct trial_host *h = NULL;

    for (size_t i = 0; t->phase == TRIAL_VERIFY && i < t->n && h == NULL; i++) {
        if (strcmp(t->host[i].name, host) == 0)
            h = &t->host[i];
    }
    if (h == NULL)
        return;
    h->there = report->there;
    h->done = h->done || (report->there && report->done);
    /* What follows from it (a program's port) may want something to be carried out in its turn: meanwhile,
     * what it waits for is what it was. */
    if (report->done || !report->there)
        snprintf(h->waits, sizeof(h->waits), "%s",
                 report->there && report->waits != NULL ? report->waits : "");
    if (report->there && report->problem != NULL)
        fail(t, "%s on host %s", report->problem, host);
    else if (!can_succeed(t))
        fail(t, "more than half of the hosts cannot be reached any more");
    else if (first_missing(t) == NULL)
        succeed(t, now);
}

bool trial_accept(struct trial *t)
{
    if (t->phase != TRIAL_CONFIRM)
        return false;
    clear(t);
    return true;
}

mtime_t trial_deadline(const struct trial *t)
{
    return t->due;
}

static void fail_late(struct trial *t, const struct trial_host *missing)
{
    struct trial_host host = *missing; /* fail() forgets it. */
    long long within = (long long)(t->within / MTIME_MS);

    if (host.done)
        fail(t, "%.200s after %lld ms", host.waits, within);
    else if (host.there)
        fail(t, "host %s has not carried it out within %lld ms", host.name, within);
    else
        fail(t, "host %s was cut off and has not carried it out within %lld ms", host.name,
             within);
}

void trial_run(struct trial *t, mtime_t now)
{
    const struct trial_host *missing;

    if (now < t->due)
        return;
    if (t->phase == TRIAL_CONFIRM) {
        fail(t, "it was not accepted in time");
        return;
    }
    if (t->require == TRIAL_QUORUM && count_settled(t) * 2 > t->n) {
        succeed(t, now);
        return;
    }
    missing = first_missing(t);
    if (missing == NULL) { /* Those that had not done it went away. */
        succeed(t, now);
        return;
    }
    fail_late(t, missing);
}
