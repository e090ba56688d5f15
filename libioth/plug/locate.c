/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/plug/locate.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/fd.h"

#define SYSTEM_RUN_DIR   "/run/ioth"
#define SYSTEM_STATE_DIR "/var/lib/ioth"

/* A variable of the environment, NULL if it is empty: XDG and ours mean the same by both. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static int join(char out[LOCATE_PATH_SIZE], const char *dir, const char *name,
                struct err *err)
{
    int n = snprintf(out, LOCATE_PATH_SIZE, "%s%s%s", dir, *name ? "/" : "", name);
    if (n < 0 || n >= LOCATE_PATH_SIZE)
        return err_set(err, -ENAMETOOLONG, "the path of the folder %.60s… is too long",
                       dir);
    return 0;
}

int locate_run_dir(char out[LOCATE_PATH_SIZE], struct err *err)
{
    const char *named = variable("IOTH_RUN_DIR"), *xdg = variable("XDG_RUNTIME_DIR");
    char name[32];
    if (named)
        return join(out, named, "", err);
    if (geteuid() == 0)
        return join(out, SYSTEM_RUN_DIR, "", err);
    if (xdg)
        return join(out, xdg, "ioth", err);
    snprintf(name, sizeof(name), "ioth-%u", (unsigned)geteuid());
    return join(out, "/tmp", name, err);
}

int locate_state_dir(char out[LOCATE_PATH_SIZE], struct err *err)
{
    const char *named = variable("IOTH_STATE_DIR"), *xdg = variable("XDG_STATE_HOME");
    if (named)
        return join(out, named, "", err);
    if (geteuid() == 0)
        return join(out, SYSTEM_STATE_DIR, "", err);
    if (xdg)
        return join(out, xdg, "ioth", err);
    const char *home = variable("HOME");
    struct passwd entry, *found = NULL;
    char texts[4096];
    if (!home && getpwuid_r(geteuid(), &entry, texts, sizeof(texts), &found) == 0 && found)
        home = found->pw_dir;
    if (!home || !*home)
        return err_set(err, -ENOENT, "this user has no home folder (HOME is not set)");
    return join(out, home, ".local/state/ioth", err);
}

int locate_check_private(const char *run_dir, struct err *err)
{
    struct stat st;
    if (lstat(run_dir, &st) < 0)
        return errno == ENOENT ? 0
                               : err_set(err, -errno, "%s: %s", run_dir, err_text(errno));
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return err_set(err, -EACCES, "%s is not a folder of this user alone (mode 0700)",
                       run_dir);
    return 0;
}

/* 0 if somebody accepts, else -errno. */
static int try_connect(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int r = 0;
    if (strlen(path) >= sizeof(un.sun_path))
        return -ENAMETOOLONG;
    memcpy(un.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* EAGAIN: the backlog is full, so somebody listens. */
    if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) < 0 && errno != EAGAIN)
        r = -errno;
    fd_close(&fd);
    return r;
}

static int probe(struct locate *out, struct err *err)
{
    int r = try_connect(out->api);
    out->running = r == 0;
    if (r == -ENAMETOOLONG)
        return err_set(err, r, "the path %.80s… is too long for a socket (107 bytes)",
                       out->api);
    if (r == -EACCES || r == -EPERM)
        return err_set(err, -EACCES, "%s: %s", out->api, err_text(r));
    return 0;
}

static int in_run_dir(const char *run_dir, struct locate *out, struct err *err)
{
    int r = join(out->run_dir, run_dir, "", err);
    if (!r)
        r = join(out->api, run_dir, "api.sock", err);
    if (!r)
        r = join(out->plug, run_dir, "plug.sock", err);
    return r;
}

static int by_socket(const char *socket_path, struct locate *out, struct err *err)
{
    const char *slash = strrchr(socket_path, '/');
    char dir[LOCATE_PATH_SIZE];
    int r = join(out->api, socket_path, "", err);
    if (r)
        return r;
    out->named = true;
    snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - socket_path) : 1,
             slash ? socket_path : ".");
    r = join(out->run_dir, dir, "", err);
    if (!r)
        r = join(out->plug, dir, "plug.sock", err);
    return r ? r : probe(out, err);
}

int locate_daemon(const char *socket_path, struct locate *out, struct err *err)
{
    char own[LOCATE_PATH_SIZE];
    struct locate all = {0};
    *out = (struct locate){0};
    if (!socket_path)
        socket_path = variable("IOTH_SOCKET");
    if (socket_path)
        return by_socket(socket_path, out, err);
    int r = locate_run_dir(own, err);
    if (!r && strncmp(own, "/tmp/", 5) == 0 && !variable("IOTH_RUN_DIR"))
        r = locate_check_private(own, err);
    if (!r)
        r = in_run_dir(own, out, err);
    if (!r)
        r = probe(out, err);
    if (r || out->running || variable("IOTH_RUN_DIR"))
        return r;
    /* Refused or absent, the system's daemon is no reason not to start one's own. */
    if (in_run_dir(SYSTEM_RUN_DIR, &all, NULL) == 0 && probe(&all, NULL) == 0 &&
        all.running)
        *out = all;
    return 0;
}
