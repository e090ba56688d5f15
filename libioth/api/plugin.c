/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stack that keeps its state in globals needs its own copy of them. Loading one file twice gives the same
 * copy twice, so a copyable plugin is loaded from memory: a memfd is another file every time (image.h). The path
 * names our process id: debuggers that find /proc/self there open their own descriptors. With
 * IOTH_COPIES set to a folder, the copies are files there, with names for debuggers and profilers.
 */
#include "libioth/api/plugin.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libioth/api/image.h"
#include "libioth/api/licence.h"
#include "proto/base/fd.h"

#define PATH_SIZE 4096

enum sharing { SHARED, COPIED, ISOLATED };

static const struct {
    const char *suffix;
    enum sharing sharing;
} forms[] = {{"-r.so", SHARED}, {"-c.so", COPIED}, {".so", ISOLATED}};

/* --- finding ------------------------------------------------------------------------------------ */

static bool found(char out[PATH_SIZE], const char *folder, const char *kind,
                  enum sharing *how)
{
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        int n = snprintf(out, PATH_SIZE, "%s/ioth_%s%s", folder, kind, forms[i].suffix);

        *how = forms[i].sharing;
        if (n > 0 && n < PATH_SIZE && access(out, R_OK) == 0)
            return true;
    }
    return false;
}

/* The folder `ioth` beside this library. */
static void own_folder(char out[PATH_SIZE])
{
    Dl_info info;
    const char *slash;

    snprintf(out, PATH_SIZE, "%s", IOTH_STACK_DIR);
    if (!dladdr((void *)(uintptr_t)&plugin_load, &info) || !info.dli_fname)
        return;
    slash = strrchr(info.dli_fname, '/');
    if (slash)
        snprintf(out, PATH_SIZE, "%.*s/ioth", (int)(slash - info.dli_fname),
                 info.dli_fname);
}

static bool find(char out[PATH_SIZE], const char *kind, enum sharing *how)
{
    const char *home = secure_getenv("HOME");
    char folder[PATH_SIZE];

    if (home && *home) {
        snprintf(folder, sizeof folder, "%s/.ioth", home);
        if (found(out, folder, kind, how))
            return true;
    }
    own_folder(folder);
    return found(out, folder, kind, how) || found(out, IOTH_STACK_DIR, kind, how);
}

/* --- loading ------------------------------------------------------------------------------------ */

/* A new file with the same bytes: a memfd, or where somebody wants to see it. */
static int new_file(char path[PATH_SIZE], const char *kind, const char *folder)
{
    static _Atomic unsigned count;
    int fd;

    if (folder) {
        snprintf(path, PATH_SIZE, "%s/ioth_%s-%d-%u.so", folder, kind, (int)getpid(),
                 count++);
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    } else {
        fd = memfd_create(kind, MFD_CLOEXEC);
        snprintf(path, PATH_SIZE, "/proc/%d/fd/%d", (int)getpid(), fd);
    }
    return fd < 0 ? -errno : fd;
}

/* A file with the bytes of `original`, in p->copy; 0 or -errno. */
static int copy(struct plugin *p, int from, char path[PATH_SIZE], const char *kind,
                const char *folder)
{
    int fd = from < 0 ? -errno : new_file(path, kind, folder), r;

    if (fd < 0)
        return fd;
    p->copy = fd;
    r = image_copy(fd, from, folder != NULL);
    if (r < 0)
        fd_close(&p->copy);
    return r;
}

static int load_copy(struct plugin *p, const char *original, const char *kind,
                     struct err *err)
{
    char path[PATH_SIZE];
    const char *folder = secure_getenv("IOTH_COPIES");
    int from = open(original, O_RDONLY | O_CLOEXEC);
    int r = copy(p, from, path, kind, folder);

    if (r == 0)
        p->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    else
        err_set(err, r, "%s cannot be copied%s%s: %s", original,
                folder ? " to IOTH_COPIES=" : "", folder ? folder : "", strerror(-r));
    if (p->handle && !folder)
        image_share(p->handle, p->copy, from);
    fd_close(&from);
    return r;
}

/* A namespace of its own comes with a C library of its own. */
static void take_errno(struct plugin *p)
{
    void *at = dlsym(p->handle, "__errno_location");

    if (at)
        memcpy(&p->errno_at, &at, sizeof at);
}

static int load(struct plugin *p, const char *path, const char *kind, enum sharing how,
                struct err *err)
{
    int r = 0;

    switch (how) {
    case SHARED:
        p->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        break;
    case COPIED:
        r = load_copy(p, path, kind, err);
        break;
    case ISOLATED:
        p->handle = dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL);
        if (p->handle)
            take_errno(p);
        break;
    }
    if (r == 0 && !p->handle) {
        const char *what = dlerror();

        fd_close(&p->copy);
        r = err_set(err, -ENOTSUP, "%s cannot be loaded: %s", path,
                    what ? what : "no reason is given");
    }
    return r;
}

/* A function by its name; through memcpy, since C has no other way. */
static void take(const struct plugin *p, const char *kind, const char *name, void *slot)
{
    char symbol[128];
    void *at;

    snprintf(symbol, sizeof symbol, "ioth_%s_%s", kind, name);
    at = dlsym(p->handle, symbol);
    if (at)
        memcpy(slot, &at, sizeof at);
}

static void take_all(struct plugin *p, const char *kind, struct ioth_functions *f)
{
#define TAKE(name) take(p, kind, #name, &f->name)
    TAKE(newstack);
    TAKE(delstack);
    TAKE(socket);
    TAKE(close);
    TAKE(bind);
    TAKE(connect);
    TAKE(listen);
    TAKE(accept);
    TAKE(getsockname);
    TAKE(getpeername);
    TAKE(setsockopt);
    TAKE(getsockopt);
    TAKE(shutdown);
    TAKE(ioctl);
    TAKE(fcntl);
    TAKE(read);
    TAKE(readv);
    TAKE(recv);
    TAKE(recvfrom);
    TAKE(recvmsg);
    TAKE(write);
    TAKE(writev);
    TAKE(send);
    TAKE(sendto);
    TAKE(sendmsg);
#undef TAKE
    take(p, kind, "error", &p->error);
    take(p, kind, "dup", &p->dup);
    take(p, kind, "edges", &p->edges);
    take(p, kind, "set", &p->set);
    take(p, kind, "get", &p->get);
    take(p, kind, "failed", &p->failed);
    take(p, kind, "flush", &p->flush);
    take(p, kind, "interrupt", &p->interrupt);
    take(p, kind, "poll", &p->poll);
}

static bool good_name(const char *kind)
{
    size_t n = 0;

    while (isalnum((unsigned char)kind[n]) || kind[n] == '_')
        n++;
    return n > 0 && n < 64 && !kind[n];
}

int plugin_load(const char *kind, struct plugin *p, struct ioth_functions *f,
                struct err *err)
{
    const char *licence = NULL;
    char path[PATH_SIZE];
    enum sharing how;
    int r;

    *p = (struct plugin){.copy = -1};
    if (!good_name(kind) || !find(path, kind, &how))
        return err_set(err, -ENOTSUP, "no kind of stack is named %.60s", kind);
    r = load(p, path, kind, how, err);
    if (r < 0)
        return r;
    take_all(p, kind, f);
    {
        const char **at = NULL;

        take(p, kind, "license", &at);
        licence = at ? *at : NULL;
    }
    if (!licence_allows(licence)) {
        r = err_set(err, -EPERM,
                    "the stack %s is under %s; declare the program's licence with "
                    "ioth_set_license()",
                    kind, licence);
        plugin_unload(p); /* And its text with it. */
        return r;
    }
    if (!f->newstack) {
        plugin_unload(p);
        return err_set(err, -ENOENT, "%s makes no stacks", path);
    }
    return 0;
}

void plugin_unload(struct plugin *p)
{
    if (p->handle)
        dlclose(p->handle);
    p->handle = NULL;
    fd_close(&p->copy);
}
