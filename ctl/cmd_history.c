/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The history of the fabric, the way back, and the second word of an apply. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/plan_show.h"
#include "proto/base/xalloc.h"

#define PAGE 500 /* Lines asked for at a time. */

static char *time_text(int64_t ms, char out[HUMAN_SIZE])
{
    return human_time(out, HUMAN_SIZE, (time_t)(ms / 1000));
}

static void add_rows(struct table *t, const struct node *items)
{
    char when[HUMAN_SIZE];
    for (size_t i = 0; i < items->n; i++) {
        const struct node *e = items->child[i];
        table_format(t, TINT_NONE, "%lld", (long long)node_get_int(e, "revision", 0));
        table_cell(t, TINT_DIM, time_text(node_get_int(e, "time", 0), when));
        table_cell(t, TINT_NONE, node_get_text(e, "who", ""));
        table_cell(t, TINT_NONE, node_get_text(e, "host", ""));
        table_cell(t, TINT_NONE, node_get_text(e, "owner", ""));
        table_format(t, TINT_NONE, "%lld", (long long)node_get_int(e, "objects", 0));
        table_cell(t, TINT_NONE, node_get_text(e, "what", ""));
    }
}

/* Appends the items of a page to all of them, and takes them out of it. */
static void gather(struct node *all, const struct node *answer)
{
    const struct node *items = api_items(answer);
    for (size_t i = 0; i < items->n; i++)
        node_append(all, node_copy(items->child[i]));
}

static int fetch(struct ctl *ctl, long limit, struct node *all)
{
    int64_t next = 0;
    do {
        long want = limit > 0 && limit - (long)all->n < PAGE ? limit - (long)all->n : PAGE;
        struct node *answer;
        char *path =
            next > 0 ? xasprintf("/v1/history?limit=%ld&before=%lld", want, (long long)next)
                     : xasprintf("/v1/history?limit=%ld", want);
        int r = api_call(ctl, "GET", path, NULL, 0, &answer);
        free(path);
        if (r)
            return r;
        gather(all, answer);
        next = answer ? node_get_int(answer, "next", 0) : 0;
        node_free(answer);
    } while (next > 0 && (limit == 0 || (long)all->n < limit));
    return 0;
}

static int show_one(struct ctl *ctl, const char *revision)
{
    struct node *answer;
    char *path = http_path("/v1/history/%s", revision), when[HUMAN_SIZE];
    int r = api_call(ctl, "GET", path, NULL, 0, &answer);
    free(path);
    if (r)
        return r;
    if (ctl->output != CTL_TABLE) {
        output_tree(ctl, answer);
    } else {
        const struct node *changes = node_get(answer, "changes");
        printf("revision %lld, %s, by %s on %s: ",
               (long long)node_get_int(answer, "revision", 0),
               time_text(node_get_int(answer, "time", 0), when),
               node_get_text(answer, "who", ""), node_get_text(answer, "host", ""));
        print_clean(stdout, node_get_text(answer, "what", ""));
        putchar('\n');
        if (changes && changes->kind == NODE_LIST)
            plan_print(ctl, changes);
    }
    node_free(answer);
    return CTL_DONE;
}

int cmd_history(struct ctl *ctl, const struct args *args)
{
    const char *text = args_value(args, "number");
    char *end = NULL;
    long limit = text ? strtol(text, &end, 10) : 0;
    if (text && (end == text || *end || limit <= 0))
        return ctl_fail(ctl, CTL_USAGE, "\"%s\" is no number of lines", text);
    if (args->n_words > 0)
        return show_one(ctl, args->words[0]);
    struct node *all = node_list();
    int r = fetch(ctl, limit, all);
    if (!r && ctl->output != CTL_TABLE) {
        output_tree(ctl, all);
    } else if (!r) {
        struct table *t = table_new(">REVISION TIME WHO HOST OWNER >OBJECTS WHAT");
        add_rows(t, all);
        table_print(t, stdout, ctl->colour);
    }
    node_free(all);
    return r;
}

int cmd_rollback(struct ctl *ctl, const struct args *args)
{
    const char *text = args->words[0];
    char *end;
    long long revision = strtoll(text, &end, 10);
    bool dry = args_has(args, "dry-run");
    if (end == text || *end || revision <= 0)
        return ctl_fail(ctl, CTL_USAGE, "\"%s\" is no revision (iothctl history)", text);
    int r = plan_options_ok(ctl, args);
    if (r)
        return r;
    char *path = plan_path("/v1/rollback", args, dry);
    char *body = xasprintf("{\"revision\":%lld}", revision);
    struct http_request q = {.method = "POST",
                             .path = path,
                             .body = body,
                             .size = strlen(body),
                             .if_match = args_value(args, "if-revision")};
    struct http_reply reply;
    struct node *problem, *answer;
    r = plan_exchange(ctl, &q, &reply, &problem);
    node_free(problem);
    free(path);
    free(body);
    if (r)
        return r;
    r = plan_read(ctl, &reply, &answer);
    http_reply_done(&reply);
    if (r)
        return r;
    plan_show(ctl, answer, dry);
    if (ctl->output == CTL_TABLE && plan_steps(answer)->n == 0)
        ctl_note(ctl, "nothing to do: the fabric is as it was at revision %lld", revision);
    node_free(answer);
    return CTL_DONE;
}

int apply_accept(struct ctl *ctl)
{
    struct node *answer;
    ctl->outcome = "iothctl history";
    int r = api_call(ctl, "POST", "/v1/apply/accept", NULL, API_SLOW, &answer);
    if (r)
        return r;
    if (ctl->output != CTL_TABLE)
        output_tree(ctl, answer);
    else
        ctl_note(ctl, "revision %lld stays",
                 (long long)node_get_int(answer, "revision", 0));
    node_free(answer);
    return CTL_DONE;
}
