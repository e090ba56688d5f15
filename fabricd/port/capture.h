/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Captures: copies of frames, sent to whoever looks at them as struct plug_captured and bytes,
 * one message each. Of a whole network every frame is shown once, as it comes in; of one port
 * what comes in and what goes out. A reader that is too slow loses frames,
 * which are counted; nobody waits for it.
 */
#ifndef FABRICD_PORT_CAPTURE_H
#define FABRICD_PORT_CAPTURE_H

#include "fabricd/ipc/ipc.h"
#include "fabricd/switch/switch.h"
#include "proto/base/list.h"

struct capture {
    struct list link; /* In the list that capture_frames() is given. */
    int fd;           /* The lifeline, a SOCK_SEQPACKET; borrowed. */
    uint32_t snap;    /* Most bytes of a frame; 0 = all. */
    char watch[IPC_NAME_SIZE];
    struct swport_counters counters; /* tx: frames handed to the reader. */
};

void capture_init(struct capture *, const struct ipc_port *, int fd);

/* Copies the frames that came in by `port` to those captures in the list that want them. */
void capture_in(struct list *captures, const struct swport *port,
                const struct frame *frames, unsigned n);

/* The same for frames that leave by it. */
void capture_out(struct list *captures, const struct swport *port,
                 struct frame *const *frames, unsigned n);

#endif
