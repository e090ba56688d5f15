/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/parent/vde.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fabricd/parent/open.h"
#include "proto/base/fd.h"
#include "proto/base/mtime.h"

#define BACKLOG     64
#define SEND_BUFFER (4 << 20)
#define PATH_TRIES  64

#define DOOR_PATH_SIZE (108 + IPC_NAME_SIZE)
#define CONSOLE_SUFFIX ".mgmt"

/* Of "/NNNNN.NNNNNNN", the longest name that a data socket has. */
#define DATA_NAME_SIZE 14

static bool is_name(const char *name)
{
    size_t len = strlen(name);

    return len && len < IPC_NAME_SIZE && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static int make_folder(const char *path, mode_t mode, struct err *err)
{
    struct stat st;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, -errno, "cannot make %s: %s", path, err_text(errno));
    if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return err_set(err, -EPERM, "%s is not a folder of ours", path);
    /* The setgid bit may be refused where the rest is not (some sandboxes). */
    if (chmod(path, mode) < 0 && chmod(path, mode & 0777) < 0)
        return err_set(err, -errno, "cannot set the mode of %s: %s", path, err_text(errno));
    return 0;
}

int vde_folder(const char *run_dir, const char *name, mode_t mode, char folder[108],
               struct err *err)
{
    char parent[108];
    int n = snprintf(parent, sizeof parent, "%s/net", run_dir);
    int r;

    if (!is_name(name))
        return err_set(err, -EINVAL, "%s is no name of a network", name);
    if (n < 0 || (size_t)n + 1 + strlen(name) + DATA_NAME_SIZE >= sizeof parent) {
        err_set(err, -ENAMETOOLONG, "%s/%s is too long for the sockets in it", parent,
                name);
        err_hint(err, "fabricd --run-dir DIR, with a shorter path");
        return -ENAMETOOLONG;
    }
    r = make_folder(parent, 0755, err);
    if (r < 0)
        return r;
    snprintf(folder, 108, "%.*s/%s", n, parent, name);
    return make_folder(folder, (mode & 0755) | S_ISGID, err);
}

void vde_door(const struct ipc_listen *l, char door[IPC_NAME_SIZE])
{
    if (l->door[0])
        memcpy(door, l->door, sizeof l->door);
    else if (l->name[0])
        memcpy(door, l->name, sizeof l->name);
    else if (l->set.vlan)
        snprintf(door, IPC_NAME_SIZE, "v%u", l->set.vlan);
    else
        snprintf(door, IPC_NAME_SIZE, "ctl");
}

/* The network's own: `ctl`, and `vN` for each VLAN. */
static bool is_network_door(const char *name)
{
    return !strcmp(name, "ctl") ||
           (name[0] == 'v' && strspn(name + 1, "0123456789") == strlen(name) - 1);
}

bool vde_door_name_ok(const char *name)
{
    return is_name(name) && isalpha((unsigned char)name[0]) && !is_network_door(name);
}

bool vde_stream_name_ok(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789-._");

    return len == strlen(name) && isalpha((unsigned char)name[0]) && !is_network_door(name);
}

static int listen_at(const char *path, mode_t mode, struct err *err)
{
    int fd = open_unix(path, SOCK_STREAM, mode & 0666, err);

    if (fd >= 0 && listen(fd, BACKLOG) < 0) {
        int code = err_set(err, -errno, "%s: %s", path, err_text(errno));

        close(fd);
        return code;
    }
    return fd;
}

int vde_listen(const char *folder, const char *door, mode_t mode, struct err *err)
{
    char path[DOOR_PATH_SIZE];

    snprintf(path, sizeof path, "%s/%s", folder, door);
    return listen_at(path, mode, err);
}

static char *console_path(const char *folder, char path[DOOR_PATH_SIZE])
{
    snprintf(path, DOOR_PATH_SIZE, "%s" CONSOLE_SUFFIX, folder);
    return path;
}

int vde_listen_console(const char *folder, mode_t mode, struct err *err)
{
    char path[DOOR_PATH_SIZE];

    return listen_at(console_path(folder, path), mode, err);
}

void vde_unlisten_console(const char *folder)
{
    char path[DOOR_PATH_SIZE];

    unlink(console_path(folder, path));
}

void vde_unlisten(const char *folder, const char *door)
{
    char path[DOOR_PATH_SIZE];

    snprintf(path, sizeof path, "%s/%s", folder, door);
    unlink(path);
}

void vde_set_modes(const char *folder, mode_t mode)
{
    char console[DOOR_PATH_SIZE];
    DIR *dir = opendir(folder);
    struct dirent *d;

    (void)!chmod(console_path(folder, console), mode & 0666);
    if (!dir)
        return;
    while ((d = readdir(dir))) {
        struct stat st;

        /* Data sockets begin with a digit, those of the owner's clients with a point. */
        if (isalpha((unsigned char)d->d_name[0]) &&
            fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISSOCK(st.st_mode))
            (void)!fchmodat(dirfd(dir), d->d_name, mode & 0666, 0);
    }
    closedir(dir);
}

/* Removes the sockets in a folder that is opened as `fd`, which is taken over. */
static void remove_sockets(int fd)
{
    DIR *dir = fdopendir(fd);
    struct dirent *d;

    if (!dir) {
        close(fd);
        return;
    }
    while ((d = readdir(dir))) {
        struct stat st;

        if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISSOCK(st.st_mode))
            unlinkat(dirfd(dir), d->d_name, 0);
    }
    closedir(dir);
}

void vde_remove_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return;
    remove_sockets(fd);
    rmdir(folder);
}

static bool is_console(const char *name)
{
    const char *suffix = strstr(name, CONSOLE_SUFFIX);

    return suffix && suffix != name && !strcmp(suffix, CONSOLE_SUFFIX);
}

void vde_remove_all(const char *run_dir)
{
    char path[108];
    struct dirent *d;
    DIR *dir;

    if (snprintf(path, sizeof path, "%s/net", run_dir) >= (int)sizeof path)
        return;
    dir = opendir(path);
    if (!dir)
        return;
    while ((d = readdir(dir))) {
        int fd;

        if (is_console(d->d_name))
            unlinkat(dirfd(dir), d->d_name, 0);
        if (!is_name(d->d_name))
            continue;
        fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            continue;
        remove_sockets(fd);
        unlinkat(dirfd(dir), d->d_name, AT_REMOVEDIR);
    }
    closedir(dir);
    rmdir(path);
}

/*
 * Connects to a client's named socket. The name is looked up once, without following a link in
 * its last part; owner and type are checked on what was found, and that very thing is connected
 * to, so that nothing can be put in its place in between.
 */
static int connect_named(int sock, const struct ipc_vde_data *req)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    char path[sizeof req->client + 1] = {0};
    struct stat st;
    int fd;
    int r = 0;

    memcpy(path, req->client, req->client_size);
    if (path[0] != '/')
        return -EINVAL;
    fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode) || st.st_uid != req->uid) {
        close(fd);
        return -EPERM;
    }
    snprintf(sun.sun_path, sizeof sun.sun_path, "/proc/self/fd/%d", fd);
    if (connect(sock, (struct sockaddr *)&sun, sizeof sun) < 0)
        r = -errno;
    close(fd);
    return r;
}

/* Abstract names have no owner to check, so only users who could send there with our rights
 * anyway may name one. */
static int connect_abstract(int sock, const struct ipc_vde_data *req)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + req->client_size);

    if (req->uid != geteuid() && req->uid != 0)
        return -EPERM;
    memcpy(sun.sun_path, req->client, req->client_size);
    return connect(sock, (struct sockaddr *)&sun, size) < 0 ? -errno : 0;
}

/* Binds to a path of the folder that is not taken. */
static int bind_data(int sock, const struct ipc_vde_data *req, char path[108])
{
    static unsigned serial;
    struct sockaddr_un sun = {.sun_family = AF_UNIX};

    if (!serial) /* So that a new daemon does not try what an old one's clients hold. */
        serial = (unsigned)(mtime_now() % 1000000);
    for (int i = 0; i < PATH_TRIES; i++) {
        serial = serial % 9999999 + 1;
        if (snprintf(sun.sun_path, sizeof sun.sun_path, "%s/%03u.%u", req->folder,
                     req->port % 100000, serial) >= (int)sizeof sun.sun_path)
            return -ENAMETOOLONG;
        if (bind(sock, (struct sockaddr *)&sun, sizeof sun) == 0) {
            memcpy(path, sun.sun_path, sizeof sun.sun_path);
            return 0;
        }
        if (errno != EADDRINUSE)
            return -errno;
    }
    return -EADDRINUSE;
}

static int give_to_client(const char *path, uid_t uid, mode_t mode)
{
    if (geteuid() == 0) {
        if (chmod(path, mode & 0600) < 0 || lchown(path, uid, (gid_t)-1) < 0)
            return -errno;
        return 0;
    }
    return chmod(path, mode & 0666) < 0 ? -errno : 0;
}

int vde_data(const struct ipc_vde_data *req, mode_t mode, char path[108])
{
    int size = SEND_BUFFER;
    int sock;
    int r;

    if (!req->client_size || req->client_size > sizeof req->client)
        return -EINVAL;
    sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (sock < 0)
        return -errno;
    if (setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
        (void)setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    fd_refuse_rights(sock);
    /* Connected before bound: nobody else can send to it in between. */
    r = req->client[0] ? connect_named(sock, req) : connect_abstract(sock, req);
    if (!r)
        r = bind_data(sock, req, path);
    if (!r) {
        r = give_to_client(path, req->uid, mode);
        if (r < 0)
            unlink(path);
    }
    if (r < 0) {
        close(sock);
        return r;
    }
    return sock;
}

void vde_unlink_data(const char *run_dir, const char *path)
{
    char prefix[108];
    int n = snprintf(prefix, sizeof prefix, "%s/net/", run_dir);
    const char *name = strrchr(path, '/');
    size_t digits;

    if (n < 0 || n >= (int)sizeof prefix || strncmp(path, prefix, (size_t)n) != 0 ||
        strstr(path, "/../"))
        return;
    digits = strspn(name + 1, "0123456789");
    if (!digits || name[1 + digits] != '.')
        return;
    unlink(path);
}
