/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/model/openapi_table.h"

/* clang-format off */

#define NONE {0}
#define TEXT(NAME, HELP) {.name = NAME, .type = FIELD_TEXT, .help = HELP}
#define ITEM(NAME, HELP) {.name = NAME, .type = FIELD_TEXT, .flags = FIELD_READONLY, .help = HELP}

#define COUNT (INT64_C(1) << 40) /* More than any log has lines, or file bytes. */
#define KINDS "network|port|endpoint|host|link|router|service"

#define QUERY(NAME, TYPE, HELP) {.name = NAME, .in = "query", .type = TYPE, .help = HELP}
#define QUERY_INT(NAME, MIN, MAX, HELP) {.name = NAME, .in = "query", .type = FIELD_INT, .min = MIN, .max = MAX, .help = HELP}
#define QUERY_TEXT(NAME, MAX, HELP) {.name = NAME, .in = "query", .type = FIELD_TEXT, .max = MAX, .help = HELP}
#define QUERY_ENUM(NAME, WORDS, HELP) {.name = NAME, .in = "query", .type = FIELD_ENUM, .words = WORDS, .help = HELP}
#define HEADER(NAME, HELP) {.name = NAME, .in = "header", .type = FIELD_TEXT, .help = HELP}

const struct api_parameter api_parameters[] = {
    QUERY("network", FIELD_NAME, "Only what is in this network"),
    QUERY_TEXT("name", 1024, "Of /v1/resolve: a name (web, web.lan1, web.lan1.ioth) or an address; of /v1/events: only of an object of this name"),
    {.name = "kind", .in = "query", .type = FIELD_ENUM, .list = true, .words = KINDS, .help = "Only what is of this kind, as network; several with commas"},
    QUERY_ENUM("type", "A|AAAA|PTR", "What is asked for; A if not given"),
    QUERY("dry_run", FIELD_BOOL, "Only answer with the plan"),
    QUERY("prune", FIELD_BOOL, "Remove, of the kinds that the file declares, what it does not name"),
    QUERY("allow_destroy", FIELD_BOOL, "Let steps end objects, or take away what is in use"),
    QUERY_ENUM("require", "all|quorum|reachable", "The hosts on which it must prove itself; all if not given"),
    QUERY("within", FIELD_TIME, "How long it has to prove itself, as 30s"),
    QUERY("confirm", FIELD_TIME, "Take it back unless it is accepted within this time, as 60s"),
    QUERY_INT("revision", 1, INT64_MAX, "Answer when this host has carried out what the fabric's store had at this revision, or after two seconds"),
    QUERY_INT("before", 1, INT64_MAX, "Only revisions before this one"),
    QUERY_INT("limit", 1, 1000, "At most so many; where there are more, the answer has `next`"),
    QUERY_TEXT("after", 256, "Go on behind what an answer before gave as `next`"),
    QUERY("follow", FIELD_BOOL, "Go on as the log grows"),
    QUERY_INT("lines", 0, COUNT, "Only so many of the last lines"),
    HEADER("Last-Event-ID", "Go on behind this event"),
    HEADER("Ioth-Host", "Ask the daemon of this host of the fabric, over the links"),
    QUERY_ENUM("op", "list|read", "What is wanted of a state folder"),
    QUERY_INT("folder", 0, 255, "Which state folder, from 0"),
    QUERY_INT("from", 0, COUNT, "Of list: how many entries are known"),
    QUERY_TEXT("path", 8192, "Of read: the file, in base64url"),
    QUERY_INT("offset", 0, INT64_MAX, "Of read: from which byte on"),
    QUERY("stopped", FIELD_BOOL, "Only once the service has stopped"),
    HEADER("If-Match", "Only if the object has this revision, in quotes; * = if it exists"),
    HEADER("If-None-Match", "* = only if the object does not exist"),
    NONE
};

const struct field api_fabric_file[] = {NONE};

#define YEAR (INT64_C(366) * 86400 * 1000) /* Milliseconds */

static const struct field rename_body[] = {
    {.name = "name", .type = FIELD_NAME, .flags = FIELD_REQUIRED, .help = "The fabric's name"},
    NONE
};

static const struct field invite_body[] = {
    {.name = "name", .type = FIELD_NAME, .help = "The name that the host must take"},
    {.name = "expires", .type = FIELD_TIME, .min = 1000, .max = YEAR, .help = "How long the token is good, at most 366d; 1h if not given"},
    NONE
};

static const struct field join_body[] = {
    {.name = "token", .type = FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 4096, .help = "The token"},
    {.name = "discard", .type = FIELD_BOOL, .help = "Drop the objects that this host holds of its own"},
    NONE
};

static const struct field token_answer[] = {
    TEXT("token", "The token; it is shown once"),
    NONE
};

static const struct field fabric_answer[] = {
    TEXT("name", "Its name, or null"),
    TEXT("id", "Its id, 16 hexadecimal digits"),
    TEXT("root", "Public key of its root, 64 hexadecimal digits"),
    TEXT("founder", "The host that has the store"),
    TEXT("host", "This host"),
    ITEM("status", "Number of hosts, revision of the store"),
    NONE
};

static const struct field plan_answer[] = {
    ITEM("steps", "The steps: verb, kind, network, name, impact, what"),
    ITEM("revision", "The revision that it has become"),
    ITEM("confirm", "Until when it waits for its acceptance"),
    NONE
};

static const struct field standing_answer[] = {
    ITEM("revision", "The revision that is being proved"),
    TEXT("phase", "verify: the hosts are asked; confirm: it waits to be accepted"),
    TEXT("who", "Who applied it"),
    ITEM("until", "When it is taken back, in milliseconds since 1970"),
    ITEM("waiting", "Hosts that have not answered"),
    NONE
};

static const struct field accept_answer[] = {
    ITEM("revision", "The revision that stays"),
    {.name = "accepted", .type = FIELD_BOOL, .help = "True"},
    NONE
};

static const struct field rollback_body[] = {
    {.name = "revision", .type = FIELD_INT, .flags = FIELD_REQUIRED, .min = 1, .max = INT64_MAX,
     .help = "The revision to go back to"},
    NONE
};

static const struct field status_answer[] = {
    TEXT("version", "Version of the daemon"),
    TEXT("host", "Name of this host"),
    TEXT("time", "Its time of day"),
    ITEM("fabric", "Name of the fabric, or null"),
    ITEM("pids", "Processes of the daemon"),
    ITEM("apply", "The apply that is being proved, as GET /v1/apply gives it"),
    TEXT("run_dir", "The run folder"),
    TEXT("state_dir", "The state folder"),
    ITEM("counts", "How many objects there are"),
    ITEM("peers", "The other hosts, as seen from here"),
    ITEM("problems", "What is wrong, in words"),
    ITEM("certificate", "Until when this host is known to the others: expires, or expired"),
    ITEM("api", "The API over TCP: its address, the pin of its key, until when its certificate is good"),
    NONE
};

static const struct field stop_answer[] = {
    {.name = "stopping", .type = FIELD_BOOL, .help = "True"},
    NONE
};

static const struct field resolve_answer[] = {
    {.name = "found", .type = FIELD_BOOL, .help = "The name exists, be it without such an address"},
    ITEM("answers", "Addresses, or names"),
    NONE
};

static const struct field items_answer[] = {
    ITEM("items", "The list"),
    NONE
};

static const struct field api_token_body[] = {
    {.name = "scope", .type = FIELD_ENUM, .flags = FIELD_REQUIRED, .words = "read|write|admin", .help = "What its holder may do"},
    {.name = "expires", .type = FIELD_TIME, .min = 1000, .max = YEAR, .help = "How long it is good, at most 366d; 90d if not given"},
    {.name = "name", .type = FIELD_NAME, .help = "What it is called; made up if not given"},
    NONE
};

static const struct field api_token_answer[] = {
    TEXT("name", "What it is called"),
    TEXT("scope", "What its holder may do"),
    TEXT("created", "When it was made (RFC 3339)"),
    TEXT("expires", "When it stops being good (RFC 3339)"),
    {.name = "expired", .type = FIELD_BOOL, .help = "It has stopped"},
    TEXT("token", "What its holder shows; it is told this once"),
    NONE
};

static const struct field page_answer[] = {
    ITEM("items", "The list"),
    TEXT("next", "There are more: what to give as `after`"),
    NONE
};

static const struct field migrate_body[] = {
    {.name = "to", .type = FIELD_NAME, .flags = FIELD_REQUIRED, .help = "The host to move it to"},
    NONE
};

static const struct field migrate_answer[] = {
    TEXT("name", "The service"),
    TEXT("from", "Where it was"),
    TEXT("to", "Where it is"),
    ITEM("gap_ms", "How long neither instance could be reached, as the host that led it saw it"),
    NONE
};

static const struct field any_answer[] = {NONE};

#define APPLY_PARAMETERS "dry_run|prune|allow_destroy|require|within|confirm|If-Match"
#define EVENTS "text/event-stream"
#define PLAIN "text/plain"

const struct api_operation api_operations[] = {
    {"GET", "/v1/status", "status", "The daemon, its fabric and what is wrong", "revision", NULL, status_answer, NULL, NULL},
    {"GET", "/v1/fabric", "fabric", "The fabric", NULL, NULL, fabric_answer, NULL, NULL},
    {"POST", "/v1/fabric/rename", "renameFabric", "Give the fabric a name", NULL, rename_body, fabric_answer, NULL, NULL},
    {"POST", "/v1/fabric/key/drop", "dropRootKey", "Forget the root key, which has been exported", NULL, NULL, NULL, "204", NULL},
    {"POST", "/v1/hosts/invite", "inviteHost", "Make a token with which one host may join", NULL, invite_body, token_answer, "201", NULL},
    {"POST", "/v1/hosts/join", "joinFabric", "Join the fabric of a token", NULL, join_body, fabric_answer, NULL, NULL},
    {"POST", "/v1/hosts/leave", "leaveFabric", "Leave the fabric", NULL, NULL, fabric_answer, NULL, NULL},
    {"POST", "/v1/apply", "apply", "Make the fabric what a file says", APPLY_PARAMETERS, api_fabric_file, plan_answer, NULL, NULL},
    {"GET", "/v1/apply", "standingApply", "The apply that is being proved", NULL, NULL, standing_answer, NULL, NULL},
    {"POST", "/v1/apply/accept", "acceptApply", "Accept the apply that waits for it", NULL, NULL, accept_answer, NULL, NULL},
    {"GET", "/v1/history", "history", "Who changed what, newest first", "before|limit", NULL, any_answer, NULL, NULL},
    {"GET", "/v1/history/{revision}", "revision", "What one revision changed", NULL, NULL, any_answer, NULL, NULL},
    {"POST", "/v1/rollback", "rollback", "Make the fabric what it was at a revision", APPLY_PARAMETERS, rollback_body, plan_answer, NULL, NULL},
    {"GET", "/v1/export", "export", "The fabric as a file", NULL, NULL, api_fabric_file, NULL, NULL},
    {"GET", "/v1/resolve", "resolve", "Names into addresses, and back", "name|type|network", NULL, resolve_answer, NULL, NULL},
    {"GET", "/v1/macs", "macs", "The MACs that the switches of this host have learnt", "network", NULL, items_answer, NULL, NULL},
    {"GET", "/v1/events", "events", "What happens, as server-sent events", "kind|network|name|Last-Event-ID", NULL, NULL, NULL, EVENTS},
    {"POST", "/v1/services/{name}/start", "startService", "Let a service run", NULL, NULL, any_answer, NULL, NULL},
    {"POST", "/v1/services/{name}/stop", "stopService", "End a service, and keep it declared", NULL, NULL, any_answer, NULL, NULL},
    {"POST", "/v1/services/{name}/restart", "restartService", "Start a service anew", NULL, NULL, any_answer, NULL, NULL},
    {"POST", "/v1/services/{name}/migrate", "migrateService", "Move a service to another host; answered when it is there", NULL, migrate_body, migrate_answer, NULL, NULL},
    {"GET", "/v1/services/{name}/here", "serviceHere", "What the host that is asked has of a service", NULL, NULL, any_answer, NULL, NULL},
    {"GET", "/v1/services/{name}/state", "serviceState", "For the host that a service moves to: what is in its state folders", "op|folder|from|path|offset|stopped", NULL, any_answer, NULL, NULL},
    {"GET", "/v1/services/{name}/logs", "serviceLogs", "What a service has written", "follow|lines", NULL, NULL, NULL, PLAIN},
    {"POST", "/v1/daemon/stop", "stop", "End the daemon", NULL, NULL, stop_answer, "202", NULL},
    {"GET", "/v1/tokens", "listTokens", "The tokens for the API over TCP", "limit|after", NULL, page_answer, NULL, NULL},
    {"POST", "/v1/tokens", "createToken", "Make a token for the API over TCP", NULL, api_token_body, api_token_answer, "201", NULL},
    {"DELETE", "/v1/tokens/{name}", "deleteToken", "Take a token back", NULL, NULL, NULL, "204", NULL},
    {"GET", "/v1/audit", "audit", "Who asked for which change, the latest first", "limit|after", NULL, page_answer, NULL, NULL},
    {"GET", "/metrics", "metrics", "Counters in Prometheus' text format", NULL, NULL, NULL, NULL, PLAIN},
    {"GET", "/openapi.json", "openapi", "This document", NULL, NULL, any_answer, NULL, NULL},
    NONE
};
