/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/node/names.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/fd.h"

/* The files are made on a file system in memory, mounted here for the moment: bound to their
 * places, they stay when it is taken away. */
#define WORKSHOP   "/tmp"
#define FILE_LIMIT 65536

/* Folders in which a host's resolvers listen. */
static const char *const hidden[] = {
    "/run/systemd/resolve",  "/run/nscd", "/run/avahi-daemon", "/var/run/nscd",
    "/var/run/avahi-daemon",
};

#define N_HIDDEN (sizeof hidden / sizeof hidden[0])

size_t names_nsswitch(const char *original, char *out, size_t room)
{
    static const char ours[] = "hosts: files dns\n";
    size_t size = 0;

    for (const char *line = original; *line;) {
        const char *end = strchr(line, '\n');
        size_t len = end ? (size_t)(end - line) + 1 : strlen(line);

        if (strncmp(line + strspn(line, " \t"), "hosts:", 6) != 0) {
            if (size + len + 2 + sizeof ours > room)
                return 0;
            memcpy(out + size, line, len);
            size += len;
            if (!end)
                out[size++] = '\n';
        }
        line += len;
    }
    if (size + sizeof ours > room)
        return 0;
    memcpy(out + size, ours, sizeof ours);
    return size + sizeof ours - 1;
}

/* Writes a file. Returns its descriptor, or -errno. */
static int put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    size_t size = strlen(text);

    if (fd < 0)
        return -errno;
    if (write(fd, text, size) != (ssize_t)size) {
        close(fd);
        return -ENOSPC;
    }
    return fd;
}

/* True if `path` lies in a folder that was hidden: there it is made anew. */
static bool in_hidden(const char *path)
{
    for (unsigned i = 0; i < N_HIDDEN; i++) {
        size_t n = strlen(hidden[i]);

        if (strncmp(path, hidden[i], n) == 0 && path[n] == '/')
            return true;
    }
    return false;
}

/*
 * Puts `text` where a program that opens `name` will find it. /etc/resolv.conf may be a symbolic
 * link, so `target` is what it led to before anything was hidden; NULL = nothing: then programs
 * have a default that suits us (the resolver on loopback, files and dns). Returns 0, with a
 * descriptor for appending or -1 if nothing was there, or -errno.
 */
static int cover(const char *name, const char *target, const char *text, int *fd)
{
    char made[64];

    *fd = -1;
    if (!target)
        return 0;
    (void)snprintf(made, sizeof made, WORKSHOP "/%s", name);
    *fd = put(in_hidden(target) ? target : made, text);
    if (*fd < 0)
        return *fd;
    if (!in_hidden(target) && mount(made, target, NULL, MS_BIND, NULL) < 0) {
        int code = -errno;

        fd_close(fd);
        return code;
    }
    return 0;
}

static void hide_resolvers(void)
{
    for (unsigned i = 0; i < N_HIDDEN; i++) {
        char empty[64];

        if (access(hidden[i], F_OK) < 0)
            continue;
        (void)snprintf(empty, sizeof empty, WORKSHOP "/hidden%u", i);
        /* What cannot be hidden is not fatal: nsswitch.conf does not name it any more. */
        if (mkdir(empty, 0755) == 0)
            (void)mount(empty, hidden[i], NULL, MS_BIND, NULL);
    }
}

static void write_resolv(char *out, size_t room, const char *const *networks, unsigned n)
{
    size_t size = (size_t)snprintf(out, room,
                                   "# The fabric's names, answered on loopback.\n"
                                   "nameserver 127.0.0.1\nsearch");

    for (unsigned i = 0; i < n && size < room; i++)
        size += (size_t)snprintf(out + size, room - size, " %s.ioth", networks[i]);
    if (size < room)
        (void)snprintf(out + size, room - size, " ioth\n");
}

/* The whole of a small file, or NULL. */
static char *read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd < 0 ? NULL : malloc(FILE_LIMIT + 1);
    ssize_t n = text ? read(fd, text, FILE_LIMIT) : -1;

    fd_close(&fd);
    if (n < 0) {
        free(text);
        return NULL;
    }
    text[n] = '\0';
    return text;
}

static int install(const char *const *networks, unsigned n_networks, char *const targets[3],
                   int *hosts)
{
    static const char loopback[] = "127.0.0.1\tlocalhost\n"
                                   "::1\tlocalhost ip6-localhost ip6-loopback\n";
    char resolv[2048];
    char *original = targets[1] ? read_file(targets[1]) : NULL;
    size_t room = original ? strlen(original) + 64 : 0;
    char *nsswitch = original ? malloc(room) : NULL;
    int fd, code;

    write_resolv(resolv, sizeof resolv, networks, n_networks);
    hide_resolvers();
    code = cover("resolv.conf", targets[0], resolv, &fd);
    fd_close(&fd);
    if (code == 0 && nsswitch && names_nsswitch(original, nsswitch, room)) {
        code = cover("nsswitch.conf", targets[1], nsswitch, &fd);
        fd_close(&fd);
    }
    if (code == 0)
        code = cover("hosts", targets[2], loopback, hosts);
    free(nsswitch);
    free(original);
    return code;
}

int names_install(const char *const *networks, unsigned n_networks, int *hosts,
                  struct err *err)
{
    char *targets[] = {realpath("/etc/resolv.conf", NULL),
                       realpath("/etc/nsswitch.conf", NULL), realpath("/etc/hosts", NULL)};
    int r = 0;

    *hosts = -1;
    if (mount("tmpfs", WORKSHOP, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0755") < 0) {
        r = err_set(err, -errno, "cannot prepare the files for name resolution: %s",
                    err_text(errno));
    } else {
        r = install(networks, n_networks, targets, hosts);
        if (r)
            (void)err_set(err, r, "cannot put the files for name resolution in place: %s",
                          err_text(r));
        (void)umount2(WORKSHOP, MNT_DETACH);
    }
    for (unsigned i = 0; i < 3; i++)
        free(targets[i]);
    return r;
}
