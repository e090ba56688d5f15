/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/perm/perm.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fabricd/control/reconcile/reconcile.h"

#define GROUP "ioth"

static bool in_group_ioth(const struct fd_peer *peer)
{
    char buffer[4096];
    struct group gr, *found = NULL;

    return getgrnam_r(GROUP, &gr, buffer, sizeof(buffer), &found) == 0 && found != NULL &&
           fd_peer_in_group(peer, gr.gr_gid);
}

bool perm_full(const struct fd_peer *peer)
{
    return peer->uid == geteuid() || peer->uid == 0 || in_group_ioth(peer);
}

bool perm_network(const struct fd_peer *peer, const struct view_network *net)
{
    const struct node *allow = node_get(net->body, "allow");

    if (perm_full(peer))
        return true;
    for (size_t i = 0; allow != NULL && allow->kind == NODE_LIST && i < allow->n; i++) {
        const char *text = allow->child[i]->text;
        struct ipc_allow who;

        if (text == NULL || !principal_parse(text, &who))
            continue;
        if (who.is_group ? fd_peer_in_group(peer, who.id) : peer->uid == who.id)
            return true;
    }
    return false;
}

char *perm_who(const struct fd_peer *peer, char out[PERM_WHO_SIZE])
{
    char buffer[4096];
    struct passwd pw, *found = NULL;

    if (getpwuid_r(peer->uid, &pw, buffer, sizeof(buffer), &found) == 0 && found != NULL)
        snprintf(out, PERM_WHO_SIZE, "%s", pw.pw_name);
    else
        snprintf(out, PERM_WHO_SIZE, "uid %u", (unsigned)peer->uid);
    return out;
}
