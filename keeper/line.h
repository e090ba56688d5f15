/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection to control, over RUN/keep.sock, dialled again whenever it is lost. Messages are
 * JSON, one to a datagram. */
#ifndef KEEPER_LINE_H
#define KEEPER_LINE_H

#include "proto/base/loop.h"
#include "proto/model/node.h"

#define LINE_MAX_BYTES (200u * 1024u)

struct line {
    const char *path;
    struct loop *loop;
    void (*up)(struct line *); /* Connected: the status is to be said. */
    void (*message)(struct line *, struct node *); /* Takes it. */

    /* Private. */
    struct loop_watch watch;
    struct loop_timer again;
    unsigned again_ms;
};

void line_start(struct line *);

/* Says it, with a descriptor or -1; dropped where nobody listens, since all is said anew to whoever
 * comes next. */
void line_say(struct line *, const struct node *, int fd);

#endif
