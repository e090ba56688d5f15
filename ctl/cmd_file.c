/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* apply, diff, export and validate: the whole fabric as a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/files.h"
#include "ctl/output.h"
#include "proto/base/xalloc.h"

int cmd_validate(struct ctl *ctl, const struct args *args)
{
    struct files files;
    struct objects objects;
    char name[200];
    int r = files_read(ctl, args, &files);
    if (!r) {
        if (!files_check(&files, &objects))
            r = CTL_USAGE;
        else
            ctl_note(ctl, "%s is valid: %zu object%s",
                     files_name(&files, name, sizeof(name)), objects.n,
                     objects.n == 1 ? "" : "s");
        objects_done(&objects);
    }
    files_done(&files);
    return r;
}

static enum tint tint_of_verb(const char *verb)
{
    if (strcmp(verb, "create") == 0)
        return TINT_GOOD;
    return strcmp(verb, "delete") == 0 ? TINT_BAD : TINT_WARN;
}

/* The steps of a plan, a line each. */
static void print_steps(const struct ctl *ctl, const struct node *steps)
{
    struct table *t = facts_new();
    for (size_t i = 0; i < steps->n; i++) {
        const struct node *s = steps->child[i];
        const char *verb = node_get_text(s, "verb", "update");
        const char *network = node_get_text(s, "network", "");
        const char *what = node_get_text(s, "what", "");
        const char *impact = node_get_text(s, "impact", "");
        bool update = strcmp(verb, "update") == 0;
        table_cell(t, tint_of_verb(verb), verb);
        table_format(t, TINT_NONE, "%s %s%s%s%s%s%s%s%s",
                     node_get_text(s, "kind", "object"), network, *network ? "/" : "",
                     node_get_text(s, "name", "?"), *what ? ": " : "", what,
                     update && *impact ? " (" : "", update ? impact : "",
                     update && *impact ? ")" : "");
    }
    table_print(t, stdout, ctl->colour);
}

/* The plan in the daemon's answer to a file. */
static int read_plan(struct ctl *ctl, const struct http_reply *reply, struct node **answer)
{
    struct diags diags;
    diags_init(&diags);
    *answer = reply->body ? node_from_json(reply->body, reply->size, NULL, &diags) : NULL;
    diags_done(&diags);
    if (*answer && (*answer)->kind == NODE_MAP)
        return 0;
    node_free(*answer);
    *answer = NULL;
    return ctl_fail(ctl, CTL_REFUSED, "the daemon's answer holds no plan");
}

/* Sends the files; *answer is the plan. */
static int send_files(struct ctl *ctl, const struct args *args, bool dry,
                      struct node **answer)
{
    struct files files;
    struct http_reply reply;
    struct node *problem = NULL;
    int r = files_read(ctl, args, &files);
    if (r) {
        files_done(&files);
        return r;
    }
    bool prune = args_has(args, "prune");
    char *path =
        xasprintf("/v1/apply%s%s%s%s", dry || prune ? "?" : "", dry ? "dry_run=1" : "",
                  dry && prune ? "&" : "", prune ? "prune=1" : "");
    char *body = node_to_json(files.root, 0);
    struct http_request q = {.method = "POST",
                             .path = path,
                             .body = body,
                             .size = strlen(body),
                             .type = "application/json"};
    r = api_exchange_problem(ctl, &q, API_SLOW, &reply, &problem);
    if (r && files_print_errors(&files, problem))
        ctl_forget(ctl);
    if (!r) {
        r = read_plan(ctl, &reply, answer);
        http_reply_done(&reply);
    }
    node_free(problem);
    free(body);
    free(path);
    files_done(&files);
    return r;
}

static const struct node *steps_of(const struct node *answer)
{
    static const struct node none = {.kind = NODE_LIST};
    const struct node *steps = node_get(answer, "steps");
    return steps && steps->kind == NODE_LIST ? steps : &none;
}

int cmd_apply(struct ctl *ctl, const struct args *args)
{
    struct node *answer;
    bool dry = args_has(args, "dry-run");
    int r = send_files(ctl, args, dry, &answer);
    if (r)
        return r;
    const struct node *steps = steps_of(answer);
    if (ctl->output != CTL_TABLE)
        output_tree(ctl, answer);
    else if (!ctl->quiet || dry)
        print_steps(ctl, steps);
    if (ctl->output == CTL_TABLE && !dry && steps->n == 0)
        ctl_note(ctl, "nothing to do: the fabric is as the file says");
    node_free(answer);
    return CTL_DONE;
}

int cmd_diff(struct ctl *ctl, const struct args *args)
{
    struct node *answer;
    int r = send_files(ctl, args, true, &answer);
    if (r)
        return r;
    const struct node *steps = steps_of(answer);
    if (ctl->output != CTL_TABLE)
        output_tree(ctl, answer);
    else
        print_steps(ctl, steps);
    r = steps->n > 0 ? 1 : 0;
    node_free(answer);
    return r;
}

int cmd_export(struct ctl *ctl, const struct args *args)
{
    struct http_request q = {.path = "/v1/export",
                             .accept = ctl->output == CTL_JSON ? "application/json"
                                                               : "application/yaml"};
    struct http_reply reply;
    (void)args;
    int r = api_exchange(ctl, &q, 0, &reply);
    if (r)
        return r;
    if (reply.size > 0) {
        fwrite(reply.body, 1, reply.size, stdout);
        if (reply.body[reply.size - 1] != '\n')
            putchar('\n');
    }
    http_reply_done(&reply);
    return CTL_DONE;
}
