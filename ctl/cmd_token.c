/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* token and audit: who may use the API over TCP, and who did what by it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/object.h"
#include "ctl/output.h"
#include "proto/base/xalloc.h"

int cmd_token_create(struct ctl *ctl, const struct args *args)
{
    static const char *const keys[] = {"scope", "expires", "name"};
    struct node *body, *answer = NULL;
    if (!args_has(args, "scope"))
        return ctl_fail(ctl, CTL_USAGE, "--scope is needed (read, write or admin)");
    body = node_map();
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (args_has(args, keys[i]))
            node_set_text(body, keys[i], args_value(args, keys[i]));
    int r = api_call(ctl, "POST", "/v1/tokens", body, 0, &answer);
    node_free(body);
    if (r)
        return r;
    if (ctl->output != CTL_TABLE)
        output_tree(ctl, answer);
    else
        puts(node_get_text(answer, "token", ""));
    ctl_note(ctl, "%s, scope %s, good until %s", node_get_text(answer, "name", ""),
             node_get_text(answer, "scope", ""), node_get_text(answer, "expires", ""));
    node_free(answer);
    return CTL_DONE;
}

int cmd_token_ls(struct ctl *ctl, const struct args *args)
{
    struct node *answer;
    (void)args;
    int r = api_get(ctl, "/v1/tokens", &answer);
    if (r)
        return r;
    const struct node *items = api_items(answer);
    if (ctl->output != CTL_TABLE) {
        output_tree(ctl, items);
        node_free(answer);
        return CTL_DONE;
    }
    struct table *t = table_new("TOKEN SCOPE CREATED EXPIRES");
    for (size_t i = 0; i < items->n; i++) {
        const struct node *token = items->child[i];
        bool expired = node_get_bool(token, "expired", false);
        table_cell(t, TINT_NONE, node_get_text(token, "name", NULL));
        table_cell(t, TINT_NONE, node_get_text(token, "scope", NULL));
        table_cell(t, TINT_NONE, node_get_text(token, "created", NULL));
        table_format(t, expired ? TINT_BAD : TINT_NONE, "%s%s",
                     node_get_text(token, "expires", "?"), expired ? " (expired)" : "");
    }
    table_print(t, stdout, ctl->colour);
    node_free(answer);
    return CTL_DONE;
}

int cmd_token_rm(struct ctl *ctl, const struct args *args)
{
    int code = 0;
    for (unsigned i = 0; i < args->n_words; i++) {
        char *path = http_path("/v1/tokens/%s", args->words[i]);
        ctl_report(ctl);
        ctl_what(ctl, "token rm %s", args->words[i]);
        int r = api_call(ctl, "DELETE", path, NULL, 0, NULL);
        free(path);
        if (r == CTL_UNREACHABLE)
            return r;
        if (r && !code)
            code = r;
    }
    return code;
}

/* --- audit -------------------------------------------------------------------------------- */

#define AUDIT_PAGE 1000 /* Entries of one answer. */

/* "alice", "token ci from 192.0.2.7", "host beta" */
static char *who_of(const struct node *entry)
{
    const char *user = node_get_text(entry, "user", "");
    const char *host = node_get_text(entry, "host", "");
    const char *token = node_get_text(entry, "token", "");
    if (*host)
        return xasprintf("host %s", host);
    if (*token)
        return xasprintf("token %s from %s", token, node_get_text(entry, "address", "?"));
    if (*node_get_text(entry, "address", ""))
        return xasprintf("somebody at %s", node_get_text(entry, "address", ""));
    return *user ? xstrdup(user)
                 : xasprintf("uid %lld", (long long)node_get_int(entry, "uid", -1));
}

static void print_entries(const struct ctl *ctl, const struct node *items)
{
    struct table *t = table_new("TIME WHO METHOD PATH >STATUS >REVISION WHY");
    for (size_t i = items->n; i-- > 0;) { /* The latest is the last that is read. */
        const struct node *entry = items->child[i];
        int64_t status = node_get_int(entry, "status", 0);
        char *who = who_of(entry), *revision = node_brief(node_get(entry, "revision"));
        table_cell(t, TINT_NONE, node_get_text(entry, "time", NULL));
        table_cell(t, TINT_NONE, who);
        table_cell(t, TINT_NONE, node_get_text(entry, "method", NULL));
        table_cell(t, TINT_NONE, node_get_text(entry, "path", NULL));
        table_format(t, status < 400 ? TINT_GOOD : TINT_BAD, "%lld", (long long)status);
        table_cell(t, TINT_NONE, revision);
        table_cell(t, TINT_NONE, node_get_text(entry, "why", NULL));
        free(revision);
        free(who);
    }
    table_print(t, stdout, ctl->colour);
}

static char *page_path(long left, const char *after)
{
    char limit[24];
    snprintf(limit, sizeof(limit), "%ld", left < AUDIT_PAGE ? left : AUDIT_PAGE);
    return *after ? http_path("/v1/audit?limit=%s&after=%s", limit, after)
                  : http_path("/v1/audit?limit=%s", limit);
}

/* Page after page, into one list. */
static int get_entries(struct ctl *ctl, long wanted, struct node *all)
{
    char after[32] = "";
    int r = 0;
    do {
        struct node *answer = NULL;
        char *path = page_path(wanted - (long)all->n, after);
        r = api_call(ctl, "GET", path, NULL, 0, &answer);
        free(path);
        if (r)
            return r;
        const struct node *items = api_items(answer);
        for (size_t i = 0; i < items->n; i++)
            node_append(all, node_copy(items->child[i]));
        snprintf(after, sizeof(after), "%s", node_get_text(answer, "next", ""));
        node_free(answer);
    } while (*after && (long)all->n < wanted);
    return 0;
}

int cmd_audit(struct ctl *ctl, const struct args *args)
{
    const char *limit = args_value(args, "limit");
    long wanted = 100;
    struct node *all;
    int r = limit ? number_parse(ctl, "--limit", limit, 1, 100000, &wanted) : 0;
    if (r)
        return r;
    all = node_list();
    r = get_entries(ctl, wanted, all);
    if (!r && ctl->output != CTL_TABLE)
        output_tree(ctl, all);
    else if (!r)
        print_entries(ctl, all);
    node_free(all);
    return r;
}
