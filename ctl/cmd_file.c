/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* apply, diff, export and validate: the whole fabric as a file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/output.h"
#include "proto/base/xalloc.h"
#include "proto/model/fabric_file.h"

#define FILE_MAX (1u << 20) /* As much as the API takes. */

struct text {
    const char *file; /* As it shows in messages. */
    char *bytes;
    size_t size;
};

static int read_all(struct ctl *ctl, FILE *f, struct text *text)
{
    text->bytes = xcalloc(1, FILE_MAX + 2);
    text->size = fread(text->bytes, 1, FILE_MAX + 1, f);
    if (ferror(f))
        return ctl_fail(ctl, CTL_REFUSED, "%s: %s", text->file, err_text(errno));
    if (text->size > FILE_MAX)
        return ctl_fail(ctl, CTL_USAGE, "%s is over 1 MiB", text->file);
    return 0;
}

/* Reads the file of --file into *text, whose bytes are the caller's to free() in any case. */
static int read_file(struct ctl *ctl, const struct args *args, struct text *text)
{
    const char *path = args_value(args, "file");
    *text = (struct text){.file = path};
    if (!path)
        return ctl_fail(ctl, CTL_USAGE, "the file is missing (-f FILE)");
    if (strcmp(path, "-") == 0) {
        text->file = "<stdin>";
        return read_all(ctl, stdin, text);
    }
    FILE *f = fopen(path, "re");
    if (!f)
        return ctl_fail(ctl, CTL_REFUSED, "%s: %s", path, err_text(errno));
    int r = read_all(ctl, f, text);
    fclose(f);
    return r;
}

static int print_diags(const struct diags *diags)
{
    for (size_t i = 0; i < diags->n; i++) {
        char *line = diag_print(&diags->list[i]);
        print_clean(stderr, line);
        fputc('\n', stderr);
        free(line);
    }
    if (diags->suppressed > 0)
        fprintf(stderr, "… and %zu more\n", diags->suppressed);
    return CTL_USAGE;
}

/* The tree of a file whose grammar is right; NULL after its mistakes have been printed. */
static struct node *parse(const struct text *text)
{
    struct diags diags;
    diags_init(&diags);
    struct node *root = node_from_yaml(text->bytes, text->size, text->file, &diags);
    if (!root)
        print_diags(&diags);
    diags_done(&diags);
    return root;
}

int cmd_validate(struct ctl *ctl, const struct args *args)
{
    struct text text;
    struct diags diags;
    struct objects objects;
    int r = read_file(ctl, args, &text);
    struct node *root = r ? NULL : parse(&text);
    if (!r && !root)
        r = CTL_USAGE;
    if (!r) {
        diags_init(&diags);
        objects_init(&objects);
        if (!fabric_file_read(root, text.file, &objects, &diags))
            r = print_diags(&diags);
        else
            ctl_note(ctl, "%s is valid: %zu object%s", text.file, objects.n,
                     objects.n == 1 ? "" : "s");
        objects_done(&objects);
        diags_done(&diags);
    }
    node_free(root);
    free(text.bytes);
    return r;
}

/* The node that a JSON pointer leads to, or the last one on the way. */
static const struct node *follow(const struct node *root, const char *pointer)
{
    while (root && *pointer == '/') {
        size_t size = strcspn(pointer + 1, "/");
        char *key = xasprintf("%.*s", (int)size, pointer + 1);
        const struct node *next = NULL;
        if (root->kind == NODE_MAP)
            next = node_get(root, key);
        else if (root->kind == NODE_LIST && strtoul(key, NULL, 10) < root->n)
            next = root->child[strtoul(key, NULL, 10)];
        free(key);
        if (!next)
            break;
        root = next;
        pointer += 1 + size;
    }
    return root;
}

static char *dotted(const char *pointer)
{
    char *path = xstrdup(pointer + (*pointer == '/'));
    for (char *p = path; *p; p++)
        if (*p == '/')
            *p = '.';
    return path;
}

/* The daemon's complaints about a file, as those that we find ourselves. False if it has none
 * that belong to a place. */
static bool print_errors(const struct node *problem, const char *file,
                         const struct node *root)
{
    const struct node *errors = problem ? node_get(problem, "errors") : NULL;
    if (!errors || errors->kind != NODE_LIST || errors->n == 0)
        return false;
    struct diags diags;
    diags_init(&diags);
    for (size_t i = 0; i < errors->n; i++) {
        const struct node *e = errors->child[i];
        const char *pointer = node_get_text(e, "pointer", "");
        const struct node *place = follow(root, pointer);
        char *path = dotted(pointer);
        int64_t line = node_get_int(e, "line", place ? place->line : 0);
        int64_t column = node_get_int(e, "column", place ? place->column : 0);
        diags_add(&diags, file, (unsigned)line, (unsigned)column, path, "%s",
                  node_get_text(e, "detail", "is wrong"));
        free(path);
    }
    print_diags(&diags);
    diags_done(&diags);
    return true;
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

/* Sends a file; *answer is the plan. */
static int send_file(struct ctl *ctl, const struct args *args, bool dry,
                     struct node **answer)
{
    struct text text;
    struct http_reply reply;
    struct node *problem = NULL;
    int r = read_file(ctl, args, &text);
    struct node *root = r ? NULL : parse(&text);
    if (!root) {
        free(text.bytes);
        return r ? r : CTL_USAGE;
    }
    bool prune = args_has(args, "prune");
    char *path =
        xasprintf("/v1/apply%s%s%s%s", dry || prune ? "?" : "", dry ? "dry_run=1" : "",
                  dry && prune ? "&" : "", prune ? "prune=1" : "");
    struct http_request q = {.method = "POST",
                             .path = path,
                             .body = text.bytes,
                             .size = text.size,
                             .type = "application/yaml"};
    r = api_exchange_problem(ctl, &q, API_SLOW, &reply, &problem);
    if (r && print_errors(problem, text.file, root))
        ctl_forget(ctl);
    if (!r) {
        struct diags diags;
        diags_init(&diags);
        *answer = reply.body ? node_from_json(reply.body, reply.size, NULL, &diags) : NULL;
        diags_done(&diags);
        if (!*answer || (*answer)->kind != NODE_MAP) {
            node_free(*answer);
            *answer = NULL;
            r = ctl_fail(ctl, CTL_REFUSED, "the daemon's answer holds no plan");
        }
        http_reply_done(&reply);
    }
    node_free(problem);
    node_free(root);
    free(path);
    free(text.bytes);
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
    int r = send_file(ctl, args, dry, &answer);
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
    int r = send_file(ctl, args, true, &answer);
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
