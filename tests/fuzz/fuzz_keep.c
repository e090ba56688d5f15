/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a keeper and control say to one another over keep.sock. A keeper runs as a user's, so control
 * believes it nothing: whatever it says, the status of its service can be shown, and be told to other
 * hosts, who take it. What control wants of a keeper ("want") makes a spec, or none, and one that needs no
 * restart to be what it is.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fabricd/control/services/services_internal.h"
#include "keeper/spec.h"
#include "keeper/state.h"
#include "tests/unit/control_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct control *control;
static struct service *service;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void begin(void)
{
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct ipc_service keeper = {.name = "web", .pid = 4711};
    struct err err = {.why = ""};

    control = fixture_new("alpha", true);
    must(fixture_status(control, CHANGE_PUT, "network", "", "lan1", "{}") == 201);
    must(fixture_status(
             control, CHANGE_PUT, "service", "", "web",
             "{\"network\": \"lan1\", \"command\": [\"x\"], \"state\": [\"/srv\"]}") ==
         201);
    must(bind(sock, (struct sockaddr *)&any, sizeof(sa_family_t)) == 0);
    must(listen(sock, 1) == 0);
    control->services = services_new(control, sock, &err);
    must(control->services != NULL);
    services_learn(control->services, &keeper);
    service = service_find(control->services, "web");
}

static void must_be_json(struct node *node)
{
    char *text = node_to_json(node, 0);
    struct diags diags;
    struct node *again;

    diags_init(&diags);
    again = node_from_json(text, strlen(text), NULL, &diags);
    must(again != NULL);
    node_free(again);
    diags_done(&diags);
    free(text);
    node_free(node);
}

static void hear(struct node *message)
{
    const struct view_service *wanted = view_service(control->view, "web");
    struct sync_seen_service told = {.name = ""};
    struct sync_message m = {.type = SYNC_SEEN}, again;
    uint8_t *bytes;
    size_t size;

    keeper_heard(service, message);
    must_be_json(services_status(control, wanted));
    must_be_json(services_here(control, wanted));
    services_tell(control, wanted, &told);
    m.u.seen.service = &told;
    m.u.seen.n_services = 1;
    bytes = sync_encode(&m, &size);
    must(bytes != NULL && sync_decode(bytes, size, &again) == 0);
    must(sync_seen_equal(&m.u.seen, &again.u.seen));
    sync_done(&again);
    free(bytes);
}

static void want(const struct node *body)
{
    struct err err = {.why = ""};
    struct spec *spec = body != NULL ? spec_new(node_copy(body), &err) : NULL;

    must(spec != NULL || body == NULL || err.why[0] != '\0');
    if (spec == NULL)
        return;
    must(spec->argv[0] != NULL && spec->n_addrs <= PLUG_MAX_ADDRS && spec->folder != NULL);
    must(spec->check != SPEC_COMMAND || spec->check_argv[0] != NULL);
    must(!spec_needs_restart(spec, spec));
    (void)state_folders(spec);
    spec_free(spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diags diags;
    struct node *message;

    if (control == NULL)
        begin();
    diags_init(&diags);
    message = node_from_json((const char *)data, size, NULL, &diags);
    diags_done(&diags);
    if (message != NULL && message->kind == NODE_MAP) {
        if (strcmp(node_get_text(message, "type", ""), "want") == 0)
            want(node_get(message, "service"));
        else
            hear(message);
    }
    node_free(message);
    return 0;
}
