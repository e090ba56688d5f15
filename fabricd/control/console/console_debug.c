/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asynchronous lines of consoles, "3TAG PATH TEXT": what the events tell of, in the categories that
 * vde_switch has for it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/console/console_internal.h"

enum { PORT_UP, PORT_DOWN, END_UP, END_DOWN, TREE_STATUS, TREE_ROOT, CATEGORIES };

static const struct category {
    const char *path;
    unsigned tag;
    const char *help;
} categories[CATEGORIES] = {
    [PORT_UP] = {"port/+", CONSOLE_TAG_PORT, "new port"},
    [PORT_DOWN] = {"port/-", CONSOLE_TAG_PORT + 1, "closed port"},
    [END_UP] = {"port/ep/+", CONSOLE_TAG_END, "new endpoint"},
    [END_DOWN] = {"port/ep/-", CONSOLE_TAG_END + 1, "closed endpoint"},
    [TREE_STATUS] = {"fstp/status", CONSOLE_TAG_STATUS, "fstp: status change"},
    [TREE_ROOT] = {"fstp/root", CONSOLE_TAG_ROOT, "fstp: rootswitch/port change"},
};

static void say_line(struct console_session *s, unsigned i, const char *text)
{
    char line[256];
    int n;

    if ((s->debug & 1u << i) == 0)
        return;
    n = snprintf(line, sizeof(line), "3%03o %s %s\n", categories[i].tag, categories[i].path,
                 text);
    console_say(s, line, (size_t)n);
}

static void tell_port(struct console_session *s, const struct event *event, bool up)
{
    uint32_t number = console_port_number(s->entry, event->name);
    char text[2 * IPC_NAME_SIZE];

    snprintf(text, sizeof(text), "%02u", number);
    if (up)
        say_line(s, PORT_UP, text);
    snprintf(text, sizeof(text), "Port %02u %s", number, event->name);
    say_line(s, up ? END_UP : END_DOWN, text);
    snprintf(text, sizeof(text), "%02u", number);
    if (!up)
        say_line(s, PORT_DOWN, text);
}

static void tell_tree(struct console_session *s, const struct event *event,
                      const struct node *body, const char *verb)
{
    bool port = strcmp(event->kind, "port") == 0;
    uint32_t number = port ? console_port_number(s->entry, event->name) : 0;
    char text[256];

    snprintf(text, sizeof(text), "Port %04u VLAN 00:00 -> %s%s%s", number, verb,
             node_get(body, "bridge") != NULL ? " " : "",
             node_get_text(body, "bridge", ""));
    say_line(s, strcmp(verb, "root") == 0 ? TREE_ROOT : TREE_STATUS, text);
}

static void tell(struct console_session *s, const struct event *event)
{
    struct diags diags;
    struct node *body;
    const char *verb;

    diags_init(&diags);
    body = node_from_json(event->json, strlen(event->json), NULL, &diags);
    diags_done(&diags);
    verb = node_get_text(body, "verb", "");
    if (strcmp(event->type, "tree") == 0)
        tell_tree(s, event, body, verb);
    else if (strcmp(verb, "up") == 0 || strcmp(verb, "down") == 0)
        tell_port(s, event, strcmp(verb, "up") == 0);
    node_free(body);
}

static void ready(struct events_client *client)
{
    struct console_session *s = list_entry(client, struct console_session, client);
    const struct view_network *net =
        view_network_by_id(s->entry->console->control->view, s->entry->net);
    const struct event *event;

    client->reset = client->beat = client->behind = false;
    while ((event = events_next(s->entry->console->control->events, client)) != NULL) {
        if (net != NULL && strcmp(event->network, net->name) == 0 &&
            (strcmp(event->type, "tree") == 0 || strcmp(event->type, "port") == 0))
            tell(s, event);
    }
    console_kick(s);
}

static void list(struct console_call *call)
{
    fprintf(call->data, "%-22s %s %s %s\n", "CATEGORY", "TAG", "STATUS", "HELP");
    fprintf(call->data, "%-22s %s %s %s\n", "------------", "---", "------", "----");
    for (unsigned i = 0; i < CATEGORIES; i++)
        fprintf(call->data, "%-22s %03o %-6s %s\n", categories[i].path, categories[i].tag,
                (call->session->debug & 1u << i) != 0 ? "ON" : "OFF", categories[i].help);
    console_answer(call, 0);
}

void console_debug_off(struct console_session *s)
{
    if (s->debug != 0)
        events_detach(s->entry->console->control->events, &s->client);
    s->debug = 0;
}

/* The categories below the path; all, where there is none. */
static uint32_t chosen(const struct console_request *rq)
{
    const char *path = rq->n_args > 0 ? rq->arg[0] : "";
    uint32_t all = 0;

    for (unsigned i = 0; i < CATEGORIES; i++) {
        if (strncmp(categories[i].path, path, strlen(path)) == 0)
            all |= 1u << i;
    }
    return all;
}

static int turn_on(struct console_session *s, uint32_t which)
{
    if ((which & ~s->debug) == 0)
        return which == 0 ? EINVAL : EEXIST;
    if (s->debug == 0) {
        s->client = (struct events_client){.ready = ready, .limited = !s->full};
        if (!events_attach(s->entry->console->control->events, &s->client, NULL))
            return EAGAIN;
    }
    s->debug |= which;
    return 0;
}

static int turn_off(struct console_session *s, uint32_t which)
{
    if ((which & s->debug) == 0)
        return which == 0 ? EINVAL : ENOENT;
    if ((s->debug & ~which) == 0)
        console_debug_off(s);
    s->debug &= ~which;
    return 0;
}

void console_debug(struct console_call *call)
{
    uint32_t which = chosen(&call->request);

    if (call->request.row->command == CONSOLE_DEBUG_LIST)
        list(call);
    else if (call->request.row->command == CONSOLE_DEBUG_ADD)
        console_answer(call, turn_on(call->session, which));
    else
        console_answer(call, turn_off(call->session, which));
}
