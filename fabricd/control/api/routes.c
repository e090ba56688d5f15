/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/api/routes.h"

/* The first row whose method and path fit is taken: actions stand before objects. */
/* clang-format off */
const struct route routes[] = {
    {"GET", "/v1/status", api_status, API_READ, "The daemon, its fabric and what is wrong", NULL},
    {"GET", "/v1/fabric", api_fabric, API_FULL, "The fabric", NULL},
    {"POST", "/v1/fabric/rename", api_fabric_rename, API_FULL, "Names the fabric", NULL},
    {"POST", "/v1/fabric/key/drop", api_key_drop, API_OWN,
     "Forgets the root key, which has been exported", NULL},
    {"POST", "/v1/hosts/invite", api_invite, API_FULL, "Makes a token for one more host", NULL},
    {"POST", "/v1/hosts/join", api_join, API_OWN, "Joins the fabric of a token", NULL},
    {"POST", "/v1/hosts/leave", api_leave, API_OWN, "Leaves the fabric", NULL},
    {"POST", "/v1/hosts/*/revoke", NULL, API_FULL, "", "revoking a host is not built yet"},
    {"POST", "/v1/apply", api_apply, API_FULL, "Makes the fabric what a file says", NULL},
    {"GET", "/v1/export", api_export, API_FULL, "The fabric as a file", NULL},
    {"GET", "/v1/resolve", api_resolve, API_READ, "Names into addresses and back", NULL},
    {"GET", "/v1/macs", api_macs, API_FULL, "The MACs that the switches of this host have learnt",
     NULL},
    {"GET", "/v1/events", api_events, API_READ, "What happens, as server-sent events", NULL},
    {"POST", "/v1/daemon/stop", api_stop, API_OWN, "Ends the daemon", NULL},
    {"GET", "/v1/history", NULL, API_FULL, "", "the history is not built yet"},
    {"POST", "/v1/rollback", NULL, API_FULL, "", "rolling back is not built yet"},
    {"GET", "/v1/store", NULL, API_FULL, "", "managing the store is not built yet"},
    {"GET", "/v1/tokens", NULL, API_OWN, "", "tokens for the API are not built yet"},
    {"GET", "/v1/KIND", api_list, API_READ, "All objects of a kind", NULL},
    {"GET", "/v1/KIND/*", api_get, API_READ, "One object", NULL},
    {"PUT", "/v1/KIND/*", api_put, API_FULL, "Makes or replaces an object", NULL},
    {"PATCH", "/v1/KIND/*", api_patch, API_FULL, "Changes keys of an object (RFC 7396)", NULL},
    {"DELETE", "/v1/KIND/*", api_delete, API_FULL, "Removes an object", NULL},
    {"GET", "/v1/KIND/*/*", api_get, API_READ, "One object of a network", NULL},
    {"PUT", "/v1/KIND/*/*", api_put, API_FULL, "Makes or replaces an object of a network", NULL},
    {"PATCH", "/v1/KIND/*/*", api_patch, API_FULL, "Changes keys of an object of a network",
     NULL},
    {"DELETE", "/v1/KIND/*/*", api_delete, API_FULL, "Removes an object of a network", NULL},
    {"GET", "/metrics", api_metrics, API_FULL, "Counters for Prometheus", NULL},
    {"GET", "/openapi.json", api_openapi, API_READ, "This interface, described", NULL},
    {"GET", "/", NULL, API_READ, "", "the web page is not built yet"},
    {NULL, NULL, NULL, API_FULL, NULL, NULL},
};
/* clang-format on */
