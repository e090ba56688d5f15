/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/trial/part.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/trial/standing.h"
#include "fabricd/control/trial/touched.h"
#include "proto/base/fault.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

#define AGAIN (1 * MTIME_SEC) /* The store could not be written: tried again so often. */

struct part {
    struct control *control;
    struct store_watch watch;
    struct loop_timer timer; /* It is looked whether it can be decided. */
    bool open;
    bool asked; /* The founder is, and has not answered. */
    uint64_t revision;
    char mark[CHANGE_MARK_SIZE];
    struct map touched;
};

void part_make_mark(char out[CHANGE_MARK_SIZE])
{
    uint8_t bytes[(CHANGE_MARK_SIZE - 1) / 2];

    randombytes_buf(bytes, sizeof(bytes));
    sodium_bin2hex(out, CHANGE_MARK_SIZE, bytes, sizeof(bytes));
}

struct node *part_row(const char *mark)
{
    struct node *row = node_map();

    node_set_text(row, "mark", mark);
    return row;
}

/* The mark of a row, "" if there is none; *revision becomes the row's. */
static void read_mark(const struct control *control, enum store_scope scope,
                      const char *kind, const char *name, char out[CHANGE_MARK_SIZE],
                      uint64_t *revision)
{
    struct store_object object;
    struct diags diags;
    struct node *row;

    out[0] = '\0';
    if (store_get(control->store, scope, kind, "", name, &object) < 0)
        return;
    diags_init(&diags);
    row = node_from_json(object.body, strlen(object.body), NULL, &diags);
    diags_done(&diags);
    if (row != NULL)
        snprintf(out, CHANGE_MARK_SIZE, "%.*s", CHANGE_MARK_SIZE - 1,
                 node_get_text(row, "mark", ""));
    *revision = object.revision;
    node_free(row);
    store_object_done(&object);
}

/* --- the end ------------------------------------------------------------------------------- */

static void look_after(struct part *part, mtime_t wait)
{
    loop_timer_set(part->control->loop, &part->timer, loop_now(part->control->loop) + wait);
}

static void close_it(struct part *part)
{
    part->open = part->asked = false;
    map_clear(&part->touched);
}

static void keep(struct part *part)
{
    struct err err = {.why = ""};
    struct store_op op = {
        .verb = STORE_DELETE,
        .scope = STORE_LOCAL,
        .kind = STANDING_KIND,
        .network = "",
        .name = PART_NAME,
        .expect = STORE_ANY,
    };

    if (store_commit(part->control->store, &op, 1, NULL, NULL, &err) < 0) {
        log_error("the end of an apply cannot be stored: %s", err.why);
        look_after(part, AGAIN);
        return;
    }
    close_it(part);
}

void part_take_back(struct part *part, const char *why)
{
    char what[400];
    struct store_note note = {.who = "daemon",
                              .host = control_host(part->control),
                              .owner = "daemon",
                              .what = what};
    struct err err = {.why = ""};

    if (part == NULL || !part->open)
        return;
    snprintf(what, sizeof(what), "what was local of a file rolled back: %.300s", why);
    if (restore_commit(part->control, part->revision, false, &note, &err) < 0) {
        log_error("what was local of a file cannot be rolled back: %s", err.why);
        look_after(part, AGAIN);
        return;
    }
    log_info("%s", what);
    close_it(part);
}

static void decide(struct loop_timer *timer, mtime_t now)
{
    struct part *part = list_entry(timer, struct part, timer);
    struct control *control = part->control;
    char mark[CHANGE_MARK_SIZE];
    uint64_t revision;

    (void)now;
    if (!part->open || part->asked)
        return;
    if (!control_follows(control)) { /* It left: nobody will ever tell. */
        keep(part);
        return;
    }
    if (control->member_ops->is_current == NULL ||
        !control->member_ops->is_current(control))
        return;
    read_mark(control, STORE_FABRIC, PART_KIND, control_host(control), mark, &revision);
    if (strcmp(mark, part->mark) != 0)
        part_take_back(part, "the rest is not there");
    else if (!standing_is(control))
        keep(part);
}

/* --- life ---------------------------------------------------------------------------------- */

static void open_it(struct part *part, uint64_t revision)
{
    part->open = true;
    part->revision = revision;
    if (touched_read(&part->touched, part->control->store, STORE_LOCAL, revision) < 0)
        log_error("what is local of an apply cannot be read");
}

void part_begin(struct part *part, uint64_t revision, const char *mark)
{
    if (part == NULL)
        return;
    memcpy(part->mark, mark, sizeof(part->mark));
    open_it(part, revision);
    part->asked = true;
    fault_at(FAULT_LOCAL_COMMITTED);
}

void part_asked(struct part *part)
{
    if (part != NULL)
        part->asked = true;
}

void part_answered(struct part *part)
{
    if (part == NULL)
        return;
    part->asked = false;
    decide(&part->timer, 0); /* At once, if it can be: before whoever asked is answered. */
}

void part_noticed(struct part *part)
{
    if (part != NULL && part->open && !part->asked)
        look_after(part, 0);
}

void part_start(struct part *part)
{
    uint64_t revision;

    if (part == NULL || part->open)
        return;
    read_mark(part->control, STORE_LOCAL, STANDING_KIND, PART_NAME, part->mark, &revision);
    if (part->mark[0] == '\0')
        return;
    log_info("what is local of an apply is decided on when the rest is known");
    open_it(part, revision);
    part_noticed(part);
}

static void changed(struct store_watch *watch, uint64_t revision,
                    const struct store_object *changes, size_t n)
{
    struct part *part = list_entry(watch, struct part, watch);

    (void)revision;
    (void)changes;
    (void)n;
    part_noticed(part);
}

bool part_refuses(const struct control *control, const char *kind, const char *network,
                  const char *name, struct change_result *result)
{
    const struct part *part = control->part;

    if (part == NULL || !part->open ||
        (kind != NULL && !touched_has(&part->touched, kind, network, name)))
        return false;
    if (kind == NULL)
        change_fail(result, 409,
                    "what is local to this host of an apply is not decided on yet");
    else
        change_fail(result, 409, "%s %s%s%s is part of an apply that is not decided on yet",
                    kind, network, network[0] != '\0' ? "/" : "", name);
    err_hint(&result->err, "iothctl status");
    return true;
}

struct part *part_new(struct control *control)
{
    struct part *part = xcalloc(1, sizeof(*part));

    part->control = control;
    part->timer.expired = decide;
    part->watch.changed = changed;
    store_watch_add(control->store, &part->watch);
    return part;
}

void part_free(struct part *part)
{
    if (part == NULL)
        return;
    loop_timer_set(part->control->loop, &part->timer, MTIME_NEVER);
    store_watch_remove(&part->watch);
    map_clear(&part->touched);
    free(part);
}
