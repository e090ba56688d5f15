/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What switches notice at their ports, told to control. */
#include <stdio.h>
#include <string.h>

#include "fabricd/dataplane/internal.h"

static void noticed(void *aux, const struct swport *port, enum swport_notice sort,
                    const uint8_t mac[6], uint16_t vlan)
{
    struct dp_net *net = aux;
    struct ipc_notice notice = {.net = net->config.id, .sort = (uint8_t)sort, .vlan = vlan};

    memcpy(notice.mac, mac, sizeof notice.mac);
    if (port->name)
        snprintf(notice.port, sizeof notice.port, "%s", port->name);
    outbox_send(&net->dp->control, IPC_NOTICE, 0, &notice, NULL, 0);
}

void dp_notices_open(struct dp_net *net)
{
    net->notices = (struct switch_notices){.noticed = noticed, .aux = net};
    switch_set_notices(net->sw, &net->notices);
}
