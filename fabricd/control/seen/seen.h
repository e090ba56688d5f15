/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What other hosts see of their links and their declared ports, as they told of it last: the
 * founder passes each report on to everybody. Held in memory only. A report goes with its host;
 * at a host that follows, all of them go with the founder, since nobody would say that one is old.
 *
 * What this host sees itself is always taken from itself (observe, reconcile).
 */
#ifndef FABRICD_CONTROL_SEEN_SEEN_H
#define FABRICD_CONTROL_SEEN_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/control/context.h"
#include "fabricd/control/view/view.h"
#include "proto/sync/message.h"

#define SEEN_MAX 2048u /* Reports; a fabric has fewer hosts. */

struct seen *seen_new(void);
void seen_free(struct seen *);

/* Keeps a copy in place of the host's last report. */
void seen_put(struct seen *, const struct sync_seen *);
void seen_forget(struct seen *, uint16_t host);
void seen_clear(struct seen *);

/* The host's report, or NULL. Borrowed until the next change; so with all that follows. */
const struct sync_seen *seen_of(const struct seen *, uint16_t host);
void seen_each(const struct seen *, void (*each)(void *aux, const struct sync_seen *),
               void *aux);

/* What this host would report, having carried out what the founder's store had at `revision`. The
 * caller's to sync_seen_done(). */
struct sync_seen seen_own(const struct control *, uint64_t revision);

/* Whether the host is known to be there: it has a session with us, or reports. */
bool seen_alive(const struct control *, uint16_t host);

enum seen_pair { SEEN_UNKNOWN, SEEN_DOWN, SEEN_UP };

/*
 * The link between two hosts. This host's own is as it sees it; of others, it is down if one end
 * says so, up if an end says that and none the contrary, and unknown if neither reports. *told
 * (or NULL) becomes what an end says of a link that is up between two others, or NULL.
 */
enum seen_pair seen_pair(const struct control *, uint16_t a, uint16_t b,
                         const struct sync_seen_peer **told);

/* Every pair that is down, once, by the numbers of its hosts, the lower first. */
void seen_each_down(const struct control *, void (*each)(void *aux, uint16_t a, uint16_t b),
                    void *aux);

/* What another host says of a service of its own, or NULL. */
const struct sync_seen_service *seen_service(const struct control *,
                                             const struct view_service *);

/* "up", "down", "pending", or "unknown" of a declared port, on whatever host it is. */
const char *seen_port_state(const struct control *, const struct view_port *);

#endif
