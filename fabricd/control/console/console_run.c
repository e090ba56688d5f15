/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a line to who answers it. */
#include <errno.h>
#include <string.h>

#include "fabricd/control/console/console_internal.h"

static void help(struct console_call *call)
{
    const char *of = call->request.n_args > 0 ? call->request.arg[0] : "";

    fprintf(call->data, "%-18s %-15s %s\n", "COMMAND PATH", "SYNTAX", "HELP");
    fprintf(call->data, "%-18s %-15s %s\n", "------------", "--------------",
            "------------");
    for (const struct console_row *row = console_rows; row->path != NULL; row++) {
        if (strncmp(row->path, of, strlen(of)) == 0)
            fprintf(call->data, "%-18s %-15s %s%s\n", row->path, row->syntax, row->help,
                    row->command == CONSOLE_REFUSED ? " (not here)" : "");
    }
    console_answer(call, 0);
}

static void with_stats(void *aux, const struct stats *stats)
{
    struct console_call *call = aux;

    if (call->session == NULL || console_net(call) == NULL)
        console_answer(call, ENODEV);
    else if (call->request.row->changes)
        console_set(call, stats);
    else
        console_show(call, stats);
}

static bool is_of_debug(enum console_command command)
{
    return command == CONSOLE_DEBUG_LIST || command == CONSOLE_DEBUG_ADD ||
           command == CONSOLE_DEBUG_DEL;
}

void console_run(struct console_call *call)
{
    const struct console_row *row = call->request.row;
    uint32_t what = IPC_STATS_PORTS | IPC_STATS_TREES;

    if (row == NULL) {
        console_answer(call, ENOSYS);
    } else if (row->command == CONSOLE_REFUSED) {
        fprintf(call->data, "%s is not offered here: %s\n", row->path, row->instead);
        console_answer(call, EOPNOTSUPP);
    } else if (row->changes && !call->session->full) {
        fprintf(call->data,
                "only the daemon's owner, root and group ioth may change networks\n");
        console_answer(call, EPERM);
    } else if (row->command == CONSOLE_HELP) {
        help(call);
    } else if (is_of_debug(row->command)) {
        console_debug(call);
    } else {
        if (row->command == CONSOLE_HASH_PRINT || row->command == CONSOLE_HASH_FIND)
            what |= IPC_STATS_FDB;
        observe_stats(call->control->observe, call->net, what, with_stats, call);
    }
}
