/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fabric and host: who belongs together. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/object.h"
#include "ctl/output.h"
#include "ctl/print_yaml.h"

int cmd_fabric_show(struct ctl *ctl, const struct args *args)
{
    struct node *fabric;
    (void)args;
    int r = api_get(ctl, "/v1/fabric", &fabric);
    if (r)
        return r;
    if (ctl->output != CTL_TABLE)
        output_tree(ctl, fabric);
    else
        object_print(ctl, fabric);
    node_free(fabric);
    return CTL_DONE;
}

int cmd_fabric_rename(struct ctl *ctl, const struct args *args)
{
    if (print_yaml_asked(ctl, args))
        return print_yaml_fabric(ctl, args->words[0]);
    struct node *body = node_map(), *fabric = NULL;
    node_set_text(body, "name", args->words[0]);
    int r = api_call(ctl, "POST", "/v1/fabric/rename", body, 0, &fabric);
    if (!r && fabric && ctl->output != CTL_TABLE)
        output_tree(ctl, fabric);
    node_free(fabric);
    node_free(body);
    return r;
}

int cmd_host_invite(struct ctl *ctl, const struct args *args)
{
    static const char *const keys[] = {"name", "expires"};
    struct node *body = node_map(), *answer = NULL;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (args_has(args, keys[i]))
            node_set_text(body, keys[i], args_value(args, keys[i]));
    int r = api_call(ctl, "POST", "/v1/hosts/invite", body, API_SLOW, &answer);
    node_free(body);
    if (r)
        return r;
    const char *token = node_get_text(answer, "token", "");
    if (ctl->output != CTL_TABLE)
        output_tree(ctl, answer);
    else if (*token)
        puts(token);
    else
        r = ctl_fail(ctl, CTL_REFUSED, "the daemon's answer holds no token");
    node_free(answer);
    return r;
}

/* The token as it was typed, or with "-" a line of standard input: there `ps` does not show it. */
static const char *read_token(const struct args *args, char *line, size_t size)
{
    if (strcmp(args->words[0], "-") != 0)
        return args->words[0];
    if (!fgets(line, (int)size, stdin))
        line[0] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

/* A fabric without a name goes by the host that founded it. */
static void say_joined(const struct node *fabric)
{
    const char *name = node_get_text(fabric, "name", "");
    const char *founder = node_get_text(fabric, "founder", "");
    fputs("joined the fabric", stdout);
    fputs(*name ? " " : *founder ? " of " : "", stdout);
    print_clean(stdout, *name ? name : founder);
    putchar('\n');
}

int cmd_host_join(struct ctl *ctl, const struct args *args)
{
    char line[4096];
    struct node *body = node_map(), *fabric = NULL;
    node_set_text(body, "token", read_token(args, line, sizeof(line)));
    if (args_has(args, "discard"))
        node_set_bool(body, "discard", true);
    int r = api_call(ctl, "POST", "/v1/hosts/join", body, API_SLOW, &fabric);
    if (!r && fabric && ctl->output != CTL_TABLE)
        output_tree(ctl, fabric);
    else if (!r && fabric && !ctl->quiet)
        say_joined(fabric);
    node_free(fabric);
    node_free(body);
    return r;
}

int cmd_host_leave(struct ctl *ctl, const struct args *args)
{
    (void)args;
    return api_call(ctl, "POST", "/v1/hosts/leave", NULL, API_SLOW, NULL);
}
