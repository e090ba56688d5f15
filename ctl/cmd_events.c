/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* events: what happens, as it happens. A daemon that restarts is asked again from the last event
 * heard. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/output.h"
#include "proto/base/xalloc.h"

#define LINE_MAX_BYTES 4096u

struct watching {
    struct ctl *ctl;
    char line[LINE_MAX_BYTES];
    size_t size;
    bool too_long; /* The rest of this line is passed over. */
    char id[80];   /* Of the event that is being read, and of the last one shown. */
    char last[80];
    bool heard; /* Something came over this connection. */
    struct node *data;
};

/* What happened in a network says by whom: a MAC, a host, or a bridge of somebody else's. */
static void show_by(const struct node *event)
{
    static const char *const keys[] = {"mac", "host", "bridge"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *value = node_get_text(event, keys[i], "");
        if (!*value)
            continue;
        char *text = xasprintf("  %s %s", keys[i], value);
        print_clean(stdout, text);
        free(text);
        return;
    }
}

static void show_line(const struct node *event)
{
    const struct node *ms = node_get(event, "time"),
                      *revision = node_get(event, "revision");
    const char *network = node_get_text(event, "network", "");
    time_t seconds = ms && ms->kind == NODE_INT ? (time_t)(ms->integer / 1000) : time(NULL);
    struct tm local;
    char clock[16] = "";
    if (localtime_r(&seconds, &local))
        strftime(clock, sizeof(clock), "%H:%M:%S", &local);
    char *name = xasprintf("%s%s%s", network, *network ? "/" : "",
                           node_get_text(event, "name", "-"));
    char *text =
        xasprintf("%-8s  %-8s  %-24s  %s", clock, node_get_text(event, "kind", "-"), name,
                  node_get_text(event, "verb", "?"));
    print_clean(stdout, text);
    if (revision && revision->kind == NODE_INT)
        printf("  revision %lld", (long long)revision->integer);
    if (strcmp(node_get_text(event, "kind", ""), "apply") != 0)
        show_by(event);
    putchar('\n');
    free(text);
    free(name);
}

static bool show(struct watching *w)
{
    struct ctl *ctl = w->ctl;
    char *json;
    if (!w->data)
        return true;
    if (ctl->output == CTL_TABLE) {
        show_line(w->data);
    } else if (ctl->output == CTL_YAML) {
        puts("---");
        output_tree(ctl, w->data);
    } else {
        json = node_to_json(w->data, 0); /* One event, one line. */
        puts(json);
        free(json);
    }
    node_free(w->data);
    w->data = NULL;
    memcpy(w->last, w->id, sizeof(w->last));
    return fflush(stdout) == 0;
}

static bool take_line(struct watching *w)
{
    struct diags diags;
    if (w->size == 0)
        return show(w);
    if (strncmp(w->line, "id: ", 4) == 0)
        snprintf(w->id, sizeof(w->id), "%.70s", w->line + 4);
    if (strncmp(w->line, "data: ", 6) == 0) {
        node_free(w->data);
        diags_init(&diags);
        w->data = node_from_json(w->line + 6, w->size - 6, NULL, &diags);
        diags_done(&diags);
    }
    return true;
}

static bool take(void *aux, const char *bytes, size_t size)
{
    struct watching *w = aux;
    w->heard = true;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n') {
            w->line[w->size] = '\0';
            if (!w->too_long && !take_line(w))
                return false;
            w->size = 0;
            w->too_long = false;
        } else if (w->size + 1 < sizeof(w->line)) {
            w->line[w->size++] = bytes[i];
        } else {
            w->too_long = true;
        }
    }
    return true;
}

int cmd_events(struct ctl *ctl, const struct args *args)
{
    struct watching w = {.ctl = ctl};
    struct http_reply reply;
    (void)args;
    for (;;) {
        struct http_request q = {.path = "/v1/events",
                                 .accept = "text/event-stream",
                                 .last_event_id = *w.last ? w.last : NULL,
                                 .data = take,
                                 .aux = &w};
        int r = api_stream(ctl, &q, &reply);
        http_reply_done(&reply);
        node_free(w.data);
        w.data = NULL;
        w.size = 0;
        if (ferror(stdout))
            return CTL_REFUSED;
        if (r && (r != CTL_UNREACHABLE || !w.heard))
            return r; /* Nobody came back within a second. */
        w.heard = false;
        ctl_report(ctl);
        poll(NULL, 0, 1000);
    }
}
