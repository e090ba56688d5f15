/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A parent for tests and benchmarks of the switch process: starts dataplane_main() in a child and
 * feeds it state over the channels of fabricd/ipc/ipc.h, as fabricd's parent would. Failures end
 * the program.
 */
#ifndef TESTS_SUPPORT_TESTPARENT_H
#define TESTS_SUPPORT_TESTPARENT_H

#include <stdint.h>
#include <sys/types.h>

#include "fabricd/ipc/ipc.h"

struct testparent {
    pid_t pid;
    int channel;  /* Ours to the switch. */
    int control;  /* As control would have it. */
    int adoption; /* The listening socket, if a path was given; -1 = none. */
};

/* `adoption_path`: where the adoption socket is bound; NULL = none. */
void testparent_start(struct testparent *, const char *adoption_path);

/* Asks the switch to end and waits for it; returns its wait status. */
int testparent_stop(struct testparent *);

void testparent_send(const struct testparent *, enum ipc_type, const void *body,
                     const int *fds, unsigned n_fds);

/* The next message of this type on a channel, within two seconds; others are dropped with their
 * descriptors. Returns false if none came. */
bool testparent_expect(int channel, enum ipc_type, struct ipc_message *);

/* Puts a transparent network. */
void testparent_net(const struct testparent *, uint64_t id, const char *name, uint32_t mtu);

/* Opens the TAP `ifname` with a virtio header. */
int testparent_open_tap(const char *ifname);

/* The client's side of a ring port. */
struct testring {
    int memfd;
    int bell;
    int daemon_bell; /* Its other end. */
    int lifeline;
    int daemon_lifeline; /* The daemon's end of it, as a parent keeps it. */
};

/* Makes a ring's descriptors; puts it as a port that takes all offloads; closes them. */
void testring_make(struct testring *);
void testparent_put_ring(const struct testparent *, uint32_t id, uint64_t net,
                         const char *name, const struct testring *);
void testring_close(struct testring *);

#endif
