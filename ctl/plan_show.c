/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/plan_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/output.h"
#include "proto/base/xalloc.h"
#include "proto/model/schema.h"

const struct node *plan_steps(const struct node *answer)
{
    static const struct node none = {.kind = NODE_LIST};
    const struct node *steps = node_get(answer, "steps");
    return steps && steps->kind == NODE_LIST ? steps : &none;
}

static enum tint tint_of_verb(const char *verb)
{
    if (strcmp(verb, "create") == 0)
        return TINT_GOOD;
    return strcmp(verb, "delete") == 0 ? TINT_BAD : TINT_WARN;
}

void plan_print(const struct ctl *ctl, const struct node *steps)
{
    struct table *t = facts_new();
    for (size_t i = 0; i < steps->n; i++) {
        const struct node *s = steps->child[i];
        const char *verb = node_get_text(s, "verb", "update");
        const char *network = node_get_text(s, "network", "");
        const char *what = node_get_text(s, "what", "");
        const char *impact = node_get_text(s, "impact", "");
        table_cell(t, tint_of_verb(verb), verb);
        table_format(t, TINT_NONE, "%s %s%s%s%s%s%s%s%s",
                     node_get_text(s, "kind", "object"), network, *network ? "/" : "",
                     node_get_text(s, "name", "?"), *what ? ": " : "", what,
                     *impact ? " (" : "", impact, *impact ? ")" : "");
    }
    table_print(t, stdout, ctl->colour);
}

/* Who looks at a plan can have just that one, or none. */
static void say_revision(struct ctl *ctl, const struct node *answer)
{
    if (plan_steps(answer)->n > 0 && isatty(STDERR_FILENO))
        ctl_note(ctl, "to have this plan and no other: --if-revision %lld",
                 (long long)node_get_int(answer, "revision", 0));
}

void plan_show(struct ctl *ctl, const struct node *answer, bool dry)
{
    const struct node *steps = plan_steps(answer), *confirm = node_get(answer, "confirm");
    if (ctl->output != CTL_TABLE) {
        output_tree(ctl, answer);
        return;
    }
    if (!ctl->quiet || dry)
        plan_print(ctl, steps);
    if (dry)
        say_revision(ctl, answer);
    if (confirm)
        ctl_note(ctl,
                 "revision %lld is rolled back in %lld s unless: iothctl apply --accept",
                 (long long)node_get_int(answer, "revision", 0),
                 (long long)(node_get_int(confirm, "within", 0) / 1000));
}

int plan_options_ok(struct ctl *ctl, const struct args *args)
{
    static const char *const times[] = {"confirm", "within"};
    const char *text = args_value(args, "if-revision");
    size_t size = text ? strlen(text) : 0;
    int64_t ms;
    if (text &&
        (size == 0 || size > 18 || strspn(text, "0123456789") < size || *text == '0'))
        return ctl_fail(ctl, CTL_USAGE,
                        "--if-revision: \"%s\" is no revision (iothctl history)", text);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        if ((text = args_value(args, times[i])) &&
            (!schema_parse_time(text, &ms) || ms <= 0))
            return ctl_fail(ctl, CTL_USAGE, "--%s: \"%s\" is no time (as 30s or 5m)",
                            times[i], text);
    if (args_has(args, "dry-run") && args_has(args, "confirm"))
        return ctl_fail(ctl, CTL_USAGE,
                        "--confirm: --dry-run does nothing that could be taken back");
    return 0;
}

/* Adds KEY=VALUE to the path's query; takes the path. */
static char *add_query(char *path, const char *key, const char *value)
{
    char *escaped = http_path("%s", value);
    char *more = xasprintf("%s%c%s=%s", path, strchr(path, '?') ? '&' : '?', key, escaped);
    free(escaped);
    free(path);
    return more;
}

char *plan_path(const char *path, const struct args *args, bool dry)
{
    static const struct {
        const char *option, *key;
    } flags[] = {{"prune", "prune"}, {"allow-destroy", "allow_destroy"}},
      values[] = {{"require", "require"}, {"confirm", "confirm"}, {"within", "within"}};
    char *all = xstrdup(path);
    if (dry)
        all = add_query(all, "dry_run", "1");
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (args_has(args, flags[i].option))
            all = add_query(all, flags[i].key, "1");
    }
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (args_value(args, values[i].option))
            all = add_query(all, values[i].key, args_value(args, values[i].option));
    }
    return all;
}

/* --- progress ------------------------------------------------------------------------------- */

struct progress {
    const char *host;  /* Of --host, or NULL. */
    struct http *http; /* The first connection is busy. */
    unsigned seconds;
    int width; /* Of what stands on the line. */
};

static void print_progress(struct progress *p, const struct node *standing)
{
    const struct node *waiting = standing ? node_get(standing, "waiting") : NULL;
    char line[160];
    int used = snprintf(line, sizeof(line), "... %us", p->seconds);

    for (size_t i = 0; waiting && i < waiting->n && i < 6 && used < 120; i++)
        used += snprintf(line + used, sizeof(line) - (size_t)used, "%s%.20s",
                         i ? ", " : "  waiting for ", waiting->child[i]->text);
    fputc('\r', stderr);
    print_clean(stderr, line);
    for (int i = used; i < p->width; i++)
        fputc(' ', stderr);
    p->width = used;
    fflush(stderr);
}

static bool still_waiting(void *aux)
{
    struct progress *p = aux;
    struct http_request q = {.path = "/v1/apply", .host = p->host, .timeout_sec = 1};
    struct http_reply reply = {0};
    struct node *standing = NULL;
    struct diags diags;

    p->seconds++;
    if (p->http && http_call(p->http, &q, &reply, NULL) == 0 && reply.status == 200) {
        diags_init(&diags);
        standing = node_from_json(reply.body, reply.size, NULL, &diags);
        diags_done(&diags);
    }
    print_progress(p, standing);
    node_free(standing);
    http_reply_done(&reply);
    return true;
}

int plan_exchange(struct ctl *ctl, struct http_request *q, struct http_reply *reply,
                  struct node **problem)
{
    struct progress p = {.host = ctl->host};
    int r = ctl_connect(ctl);
    *problem = NULL;
    if (r)
        return r;
    ctl->outcome = "iothctl history";
    if (!ctl->quiet && isatty(STDERR_FILENO)) {
        p.http = http_new(ctl->api_path);
        q->waiting = still_waiting;
        q->aux = &p;
    }
    r = api_exchange_problem(ctl, q, API_SLOW, reply, problem);
    if (p.width > 0)
        fprintf(stderr, "\r%*s\r", p.width, "");
    http_free(p.http);
    return r;
}

int plan_read(struct ctl *ctl, const struct http_reply *reply, struct node **answer)
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
