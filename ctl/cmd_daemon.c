/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* daemon start, stop and log; version. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/launch.h"
#include "ctl/object.h"
#include "ctl/output.h"
#include "ioth_version.h"
#include "libioth/plug/locate.h"
#include "proto/base/fd.h"

int cmd_daemon_start(struct ctl *ctl, const struct args *args)
{
    struct locate where;
    (void)args;
    int r = ctl_locate(ctl, &where);
    if (r)
        return r;
    if (where.running) {
        ctl_note(ctl, "a daemon answers already at %s", where.api);
        return CTL_DONE;
    }
    if (where.named)
        return ctl_fail(
            ctl, CTL_USAGE,
            "--socket names a daemon that exists; IOTH_RUN_DIR and IOTH_STATE_DIR "
            "say where to start one");
    return launch_fabricd(ctl, &where);
}

int cmd_daemon_stop(struct ctl *ctl, const struct args *args)
{
    struct locate where;
    (void)args;
    int r = ctl_locate(ctl, &where);
    if (r)
        return r;
    if (!where.running) {
        ctl_note(ctl, "no daemon answers at %s", where.api);
        return CTL_DONE;
    }
    struct node *status;
    r = api_get(ctl, "/v1/status", &status);
    if (r)
        return r;
    const struct node *parent = object_node(status, "pids", "parent");
    pid_t pid = parent && parent->kind == NODE_INT ? (pid_t)parent->integer : 0;
    node_free(status);
    r = api_call(ctl, "POST", "/v1/daemon/stop", NULL, 0, NULL);
    return r ? r : launch_wait_gone(ctl, &where, pid);
}

static void copy_rest(FILE *from)
{
    char buffer[8192];
    size_t n;
    clearerr(from);
    while ((n = fread(buffer, 1, sizeof(buffer), from)) > 0)
        fwrite(buffer, 1, n, stdout);
    fflush(stdout);
}

/* Goes on as the file grows, for ever. */
static int follow_file(struct ctl *ctl, const char *path, FILE *f)
{
    char events[4096];
    int watch = inotify_init1(IN_CLOEXEC);
    if (watch < 0 || inotify_add_watch(watch, path, IN_MODIFY) < 0) {
        int code = errno;
        fd_close(&watch);
        return ctl_fail(ctl, CTL_REFUSED, "watching %s: %s", path, err_text(code));
    }
    do
        copy_rest(f);
    while (!ferror(stdout) && read(watch, events, sizeof(events)) > 0);
    fd_close(&watch);
    return CTL_DONE;
}

int cmd_daemon_log(struct ctl *ctl, const struct args *args)
{
    char path[PATH_MAX];
    int r = launch_log_path(ctl, path, sizeof(path));
    if (r)
        return r;
    FILE *f = fopen(path, "re");
    if (!f && errno == ENOENT) {
        r = ctl_fail(ctl, CTL_MISSING,
                     "%s is not there: no daemon of this user was started by iothctl",
                     path);
        ctl_hint(ctl, "journalctl -u fabricd");
        return r;
    }
    if (!f)
        return ctl_fail(ctl, CTL_REFUSED, "%s: %s", path, err_text(errno));
    if (args_has(args, "follow"))
        r = follow_file(ctl, path, f);
    else
        copy_rest(f);
    fclose(f);
    return r;
}

int cmd_version(struct ctl *ctl, const struct args *args)
{
    struct locate where;
    struct node *status = NULL, *out = node_map();
    (void)args;
    node_set_text(out, "iothctl", IOTH_VERSION_TEXT);
    if ((ctl->url || (ctl_locate(ctl, &where) == 0 && where.running)) &&
        api_get(ctl, "/v1/status", &status) == 0)
        node_set_text(out, "fabricd", node_get_text(status, "version", "unknown"));
    ctl_forget(ctl);
    if (ctl->output == CTL_TABLE)
        for (size_t i = 0; i < out->n; i++)
            printf("%s %s\n", out->key[i], out->child[i]->text);
    else
        output_tree(ctl, out);
    node_free(status);
    node_free(out);
    return CTL_DONE;
}
