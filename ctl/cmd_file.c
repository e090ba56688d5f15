/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* apply, diff, export and validate: the whole fabric as a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/files.h"
#include "ctl/output.h"
#include "ctl/plan_show.h"
#include "ctl/print_yaml.h"

static int print_schema(void)
{
    struct node *schema = schema_json_schema();
    char *text = node_to_json(schema, 2);
    fputs(text, stdout);
    free(text);
    node_free(schema);
    return CTL_DONE;
}

/* A name that is misspelt may be one of these: only the daemon can tell. */
static void note_outside(struct ctl *ctl, const struct objects *objects)
{
    char *outside = objects_outside(objects);
    if (outside)
        ctl_note(ctl, "the fabric must have what is named and not declared: %s", outside);
    free(outside);
}

int cmd_validate(struct ctl *ctl, const struct args *args)
{
    struct files files;
    struct objects objects;
    char name[200];
    if (args_has(args, "schema"))
        return print_schema();
    int r = files_read(ctl, args, &files);
    if (!r) {
        if (!files_check(&files, &objects)) {
            r = CTL_USAGE;
        } else {
            ctl_note(ctl, "%s %s valid: %zu object%s",
                     files_name(&files, name, sizeof(name)), files.n > 1 ? "are" : "is",
                     objects.n, objects.n == 1 ? "" : "s");
            note_outside(ctl, &objects);
        }
        objects_done(&objects);
    }
    files_done(&files);
    return r;
}

/* Sends the files; *answer is the plan. */
static int send_files(struct ctl *ctl, const struct args *args, bool dry,
                      struct node **answer)
{
    struct files files;
    struct http_reply reply;
    struct node *problem = NULL;
    int r = plan_options_ok(ctl, args);
    if (r)
        return r;
    r = files_read(ctl, args, &files);
    if (r) {
        files_done(&files);
        return r;
    }
    char *path = plan_path("/v1/apply", args, dry);
    char *body = node_to_json(files.root, 0);
    struct http_request q = {.method = "POST",
                             .path = path,
                             .body = body,
                             .size = strlen(body),
                             .type = "application/json",
                             .if_match = args_value(args, "if-revision")};
    if (q.size > FILES_MAX_BYTES) {
        r = ctl_fail(ctl, CTL_USAGE,
                     "the files are too large: %zu bytes as JSON, and the API takes %u",
                     q.size, FILES_MAX_BYTES);
        ctl_hint(ctl, "apply them one after another, without --prune");
    } else {
        r = plan_exchange(ctl, &q, &reply, &problem);
    }
    if (r && files_print_errors(&files, problem))
        ctl_forget(ctl);
    if (!r) {
        r = plan_read(ctl, &reply, answer);
        http_reply_done(&reply);
    }
    node_free(problem);
    free(body);
    free(path);
    files_done(&files);
    return r;
}

/* The files as one, with what they include. */
static int print_files(struct ctl *ctl, const struct args *args)
{
    struct files files;
    struct objects objects;
    int r = files_read(ctl, args, &files);
    if (!r) {
        if (files_check(&files, &objects))
            output_tree(ctl, files.root);
        else
            r = CTL_USAGE;
        objects_done(&objects);
    }
    files_done(&files);
    return r;
}

/* What stands is accepted, and nothing else is done: an option of another apply is a mistake. */
static int accept_standing(struct ctl *ctl, const struct args *args, bool print)
{
    static const char *const others[] = {"file",    "prune",      "dry-run",
                                         "confirm", "require",    "allow-destroy",
                                         "within",  "if-revision"};
    if (print)
        return ctl_fail(ctl, CTL_REFUSED, "--print-yaml: no file accepts what was applied");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (args_has(args, others[i]))
            return ctl_fail(
                ctl, CTL_USAGE,
                "--accept lets the apply stay that waits for it; --%s is not for it",
                others[i]);
    return apply_accept(ctl);
}

int cmd_apply(struct ctl *ctl, const struct args *args)
{
    struct node *answer;
    bool dry = args_has(args, "dry-run"), print = print_yaml_asked(ctl, args);
    if (args_has(args, "accept"))
        return accept_standing(ctl, args, print);
    if (print)
        return print_files(ctl, args);
    int r = send_files(ctl, args, dry, &answer);
    if (r)
        return r;
    plan_show(ctl, answer, dry);
    if (ctl->output == CTL_TABLE && plan_steps(answer)->n == 0)
        ctl_note(ctl, "nothing to do: the fabric is as the file says");
    node_free(answer);
    return CTL_DONE;
}

int cmd_diff(struct ctl *ctl, const struct args *args)
{
    struct node *answer;
    int r = send_files(ctl, args, true, &answer);
    if (r) /* Told at its place in the file, it is no longer recorded, and 1 says "differences". */
        return r == CTL_REFUSED ? CTL_USAGE : r;
    plan_show(ctl, answer, true);
    r = plan_steps(answer)->n > 0 ? 1 : 0;
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
