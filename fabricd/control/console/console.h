/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The management consoles: for each network of this host the socket RUN/net/NAME.mgmt, which speaks
 * as that of vde_switch does (proto/vde/console.h), so that vdeterm, vdecmd, libvdemgmt and the
 * scripts around them read and set ports and VLANs.
 *
 * What a line changes becomes a struct change of the owner "console", like every other; what it
 * shows comes from the view and from the switch. Who has come is asked of the kernel: the daemon's
 * owner, root and group `ioth` may change, whom the network allows in may look.
 *
 * Ports are known by numbers here. The port vdeN has the number N (1 … CONSOLE_VDE_PORTS), which is
 * also what a VDE client asks for; all others of the host get the lowest free numbers above, for as long as
 * they are there and this process lives.
 */
#ifndef FABRICD_CONTROL_CONSOLE_CONSOLE_H
#define FABRICD_CONTROL_CONSOLE_CONSOLE_H

#include <stdint.h>

#include "fabricd/control/context.h"

#define CONSOLE_VDE_PORTS 1024u
#define CONSOLE_SESSIONS  64u /* Of all consoles; whoever comes then is hung up on. */
#define CONSOLE_PER_USER  16u /* Of them, of a user who is neither root nor the owner. */

struct console *console_new(struct control *);
void console_free(struct console *);

/* The console of a network listens there; takes the socket. In place of one that it had. */
void console_listen(struct console *, uint64_t net, int sock);

#endif
