/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What ports name as their mirrors, when all items of a change are in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/change/work.h"
#include "proto/base/xalloc.h"

/* Takes the text. */
static int refuse(struct work *work, const struct pending *p, char *why)
{
    change_fail(work->result, 400, "%s", why);
    err_hint(&work->result->err, "iothctl port ls %s", p->network);
    work_place(work, xasprintf("networks.%s.ports.%s.mirror", p->network, p->name));
    free(why);
    return -EINVAL;
}

/* A port's mirror is another port or an endpoint of its network, or of the same change. What it names already may
 * have gone since. */
static int check_mirror(struct work *work, const struct pending *p)
{
    const char *mirror = node_get_text(p->body, "mirror", "");
    const struct view_port *was = view_port(work->control->view, p->network, p->name);

    if (strcmp(mirror, p->name) == 0)
        return refuse(
            work, p, xasprintf("port %s/%s cannot be its own mirror", p->network, p->name));
    if (mirror[0] == '\0' ||
        (was != NULL && strcmp(node_get_text(was->body, "mirror", ""), mirror) == 0) ||
        work_has(work, p->scope, "port", p->network, mirror) ||
        work_endpoint(work, p->network, mirror) != NULL)
        return 0;
    return refuse(work, p,
                  xasprintf("there is no port %.63s in network %s to be the mirror", mirror,
                            p->network));
}

int check_mirrors(struct work *work)
{
    int r = 0;

    list_for_each (it, &work->pending) {
        const struct pending *p = list_entry(it, struct pending, link);

        if (r == 0 && p->body != NULL && strcmp(p->kind, "port") == 0)
            r = check_mirror(work, p);
    }
    return r;
}
