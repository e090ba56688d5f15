/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GET /v1/events: server-sent events. The text of one event is the most that a client holds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/events/events.h"
#include "proto/base/xalloc.h"

struct event_stream {
    struct api_stream stream;
    struct events_client client;
    struct events *events;
    char *text; /* On its way; sent up to `at`. */
    size_t size, at;
    bool ended; /* Who listens may no longer. */
};

static void ready(struct events_client *client)
{
    struct event_stream *es = list_entry(client, struct event_stream, client);

    if (es->stream.wake != NULL)
        es->stream.wake(es->stream.rq, client->behind);
}

/* Whether it is one of the words, which commas separate. */
static bool has_word(const char *words, const char *word)
{
    size_t size = strlen(word);

    for (; *words != '\0';
         words += strcspn(words, ",") + (words[strcspn(words, ",")] != '\0')) {
        if (strcspn(words, ",") == size && memcmp(words, word, size) == 0)
            return true;
    }
    return false;
}

static void set_text(struct event_stream *es, char *text)
{
    free(es->text);
    es->text = text;
    es->size = strlen(text);
    es->at = 0;
}

/* ?kind=network,port&network=lan1&name=web. A reset is for everybody. */
static bool is_asked_for(const struct api_request *rq, const struct event *event)
{
    const char *kinds = api_query(rq, "kind"), *network = api_query(rq, "network");
    const char *name = api_query(rq, "name");

    if (strcmp(event->type, "reset") == 0)
        return true;
    return (kinds == NULL || has_word(kinds, event->kind)) &&
           (network == NULL || strcmp(network, event->network) == 0) &&
           (name == NULL || strcmp(name, event->name) == 0);
}

/* What is to be said next; false if there is nothing. */
static bool next_text(struct event_stream *es)
{
    struct events *events = es->events;
    struct events_client *client = &es->client;
    const struct event *event;
    char id[EVENTS_ID_SIZE];

    if (client->reset) {
        client->reset = false;
        set_text(es,
                 xasprintf("id: %s\nevent: reset\ndata: {\"verb\":\"reset\",\"why\":\"what "
                           "came after the event that you name is not known any more: read "
                           "all anew\"}\n\n",
                           events_id(events, client->next - 1, id)));
        return true;
    }
    while ((event = events_next(events, client)) != NULL) {
        if (event->local ? es->stream.rq->from_host[0] != '\0'
                         : event->network[0] != '\0' &&
                               !shape_visible(es->stream.rq, event->network))
            continue;
        if (!is_asked_for(es->stream.rq, event))
            continue;
        set_text(es,
                 xasprintf("id: %s\nevent: %s\ndata: %s\n\n",
                           events_id(events, event->number, id), event->type, event->json));
        return true;
    }
    if (!client->beat)
        return false;
    client->beat = false;
    if (!api_still_admitted(es->stream.rq)) {
        es->ended = true;
        return false;
    }
    set_text(es, xstrdup(":\n\n"));
    return true;
}

static ssize_t read_events(struct api_stream *stream, char *out, size_t room)
{
    struct event_stream *es = list_entry(stream, struct event_stream, stream);
    size_t n;

    if (es->at == es->size && es->client.behind)
        return API_STREAM_BROKEN;
    if (es->at == es->size && !next_text(es))
        return es->ended ? API_STREAM_END : 0;
    n = es->size - es->at;
    n = n < room ? n : room;
    memcpy(out, es->text + es->at, n);
    es->at += n;
    return (ssize_t)n;
}

static void free_events(struct api_stream *stream)
{
    struct event_stream *es = list_entry(stream, struct event_stream, stream);

    events_detach(es->events, &es->client);
    free(es->text);
    free(es);
}

static const struct api_stream_ops event_stream_ops = {read_events, free_events};

void api_events(struct api_request *rq)
{
    struct event_stream *es = xcalloc(1, sizeof(*es));
    struct api_answer answer = {
        .status = 200, .type = "text/event-stream", .stream = &es->stream};

    es->stream.ops = &event_stream_ops;
    es->stream.rq = rq;
    es->events = rq->control->events;
    es->client.ready = ready;
    es->client.limited = !rq->full;
    if (!events_attach(es->events, &es->client, rq->last_event_id)) {
        free(es);
        api_problem(rq, 503, "too many clients watch events");
        return;
    }
    /* The first bytes tell the client that it is listened to. */
    set_text(es, xstrdup(": events\n\n"));
    api_finish(rq, &answer);
}
