/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GET /v1/events: server-sent events. The text of one event is the most that a client holds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/events/events.h"
#include "proto/base/xalloc.h"

struct api_stream {
    struct events_client client;
    struct api_request *rq;
    struct events *events;
    char *text; /* On its way; sent up to `at`. */
    size_t size, at;
    void (*wake)(struct api_request *, bool behind);
};

static void ready(struct events_client *client)
{
    struct api_stream *stream = list_entry(client, struct api_stream, client);

    if (stream->wake != NULL)
        stream->wake(stream->rq, client->behind);
}

void api_stream_wake(struct api_stream *stream, void (*wake)(struct api_request *, bool))
{
    stream->wake = wake;
}

static void set_text(struct api_stream *stream, char *text)
{
    free(stream->text);
    stream->text = text;
    stream->size = strlen(text);
    stream->at = 0;
}

/* What is to be said next; false if there is nothing. */
static bool next_text(struct api_stream *stream)
{
    struct events *events = stream->events;
    struct events_client *client = &stream->client;
    const struct event *event;
    char id[EVENTS_ID_SIZE];

    if (client->reset) {
        client->reset = false;
        set_text(stream, xasprintf("id: %s\nevent: reset\ndata: {\"verb\":\"reset\"}\n\n",
                                   events_id(events, client->next - 1, id)));
        return true;
    }
    while ((event = events_next(events, client)) != NULL) {
        if (event->network[0] != '\0' && !shape_visible(stream->rq, event->network))
            continue;
        set_text(stream,
                 xasprintf("id: %s\nevent: %s\ndata: %s\n\n",
                           events_id(events, event->number, id), event->type, event->json));
        return true;
    }
    if (!client->beat)
        return false;
    client->beat = false;
    set_text(stream, xstrdup(":\n\n"));
    return true;
}

ssize_t api_stream_read(struct api_stream *stream, char *out, size_t room)
{
    size_t n;

    if (stream->at == stream->size && stream->client.behind)
        return -1;
    if (stream->at == stream->size && !next_text(stream))
        return 0;
    n = stream->size - stream->at;
    n = n < room ? n : room;
    memcpy(out, stream->text + stream->at, n);
    stream->at += n;
    return (ssize_t)n;
}

void api_stream_free(struct api_stream *stream)
{
    if (stream == NULL)
        return;
    events_detach(stream->events, &stream->client);
    free(stream->text);
    free(stream);
}

void api_events(struct api_request *rq)
{
    struct api_stream *stream = xcalloc(1, sizeof(*stream));
    struct api_answer answer = {
        .status = 200, .type = "text/event-stream", .stream = stream};

    stream->rq = rq;
    stream->events = rq->control->events;
    stream->client.ready = ready;
    stream->client.limited = !rq->full;
    if (!events_attach(stream->events, &stream->client, rq->last_event_id)) {
        free(stream);
        api_problem(rq, 503, "too many clients watch events");
        return;
    }
    /* The first bytes tell the client that it is listened to. */
    set_text(stream, xstrdup(": events\n\n"));
    rq->answered(rq, &answer);
}
