/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keepers of services. Each is a program of its own, started here as the user of the service; from
 * then on it talks to control. Its process descriptor is in the vault, so that a new parent has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fabricd/parent/parent_internal.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

#define KEEPER     "ioth-keeper"
#define LOG_FOLDER 3 /* Of the log, in the keeper. */

/* Its descriptor is the vault's. */
struct keeper {
    struct list link;
    struct parent *parent;
    struct loop_watch watch;
    struct ipc_service service;
    bool forked;
};

/* --- its end ------------------------------------------------------------------------------ */

static void forget(struct keeper *k)
{
    loop_remove(k->parent->loop, &k->watch);
    list_remove(&k->link);
    k->parent->n_keepers--;
    vault_delete(k->parent->vault, IPC_SERVICE, k->service.id, true);
    free(k);
}

static void ended(struct loop_watch *w, uint32_t events)
{
    struct keeper *k = list_entry(w, struct keeper, watch);
    struct parent *p = k->parent;
    struct ipc_service service = k->service;
    char path[sizeof p->config->start.state_dir + IPC_NAME_SIZE + 16];
    siginfo_t info;

    (void)events;
    if (k->forked)
        (void)waitid(P_PIDFD, (id_t)w->fd, &info, WEXITED);
    forget(k);
    (void)snprintf(path, sizeof path, "%s/services/%s", p->config->start.state_dir,
                   service.name);
    (void)rmdir(path); /* Without a log it is of no more use. */
    parent_sync(p);
    child_send(&p->processes[CONTROL].child, IPC_SERVICE_GONE, 0, &service, NULL, 0);
    if (p->stopping)
        parent_end_next(p);
}

static struct keeper *find(const struct parent *p, uint64_t id)
{
    list_for_each (it, &p->keepers) {
        struct keeper *k = list_entry(it, struct keeper, link);

        if (k->service.id == id)
            return k;
    }
    return NULL;
}

void service_kill(struct parent *p, uint64_t id)
{
    const struct keeper *k = find(p, id);

    if (k)
        (void)pidfd_send_signal(k->watch.fd, SIGKILL, NULL, 0);
}

static void signal_all(struct parent *p, int signal)
{
    list_for_each (it, &p->keepers)
        (void)pidfd_send_signal(list_entry(it, struct keeper, link)->watch.fd, signal, NULL,
                                0);
}

void service_stop_all(struct parent *p)
{
    signal_all(p, SIGTERM);
}

void service_kill_all(struct parent *p)
{
    signal_all(p, SIGKILL);
}

void service_done(struct parent *p)
{
    list_for_each_safe (it, &p->keepers) {
        struct keeper *k = list_entry(it, struct keeper, link);

        loop_remove(p->loop, &k->watch);
        list_remove(&k->link);
        free(k);
    }
}

/* --- its beginning ------------------------------------------------------------------------ */

/* The descriptor is in the vault. */
static int watch(struct parent *p, const struct ipc_service *service, bool forked)
{
    const struct vault_entry *e = vault_find(p->vault, IPC_SERVICE, service->id);
    struct keeper *k = xcalloc(1, sizeof *k);
    int r;

    k->parent = p;
    k->service = *service;
    k->forked = forked;
    k->watch.ready = ended;
    r = e && e->n_fds ? loop_add(p->loop, &k->watch, e->fds[0], EPOLLIN) : -EBADF;
    if (r < 0) {
        free(k);
        vault_delete(p->vault, IPC_SERVICE, service->id, true);
        return r;
    }
    list_append(&p->keepers, &k->link);
    p->n_keepers++;
    return 0;
}

bool service_take(struct parent *p, const struct ipc_message *msg)
{
    const struct ipc_service *service = &msg->body.service;
    int fd;

    if (find(p, service->id))
        return true;
    fd = fcntl(msg->fds[0], F_DUPFD_CLOEXEC, 0);
    /* A descriptor of anything but a process takes no signal. */
    if (fd < 0 || (pidfd_send_signal(fd, 0, NULL, 0) < 0 && errno != ESRCH)) {
        fd_close(&fd);
        return false;
    }
    if (vault_put_body(p->vault, IPC_SERVICE, service, &fd, 1, true) < 0 ||
        watch(p, service, false) < 0)
        return false;
    log_info("service %s: its keeper is found, pid %u", service->name, service->pid);
    parent_sync(p);
    return true;
}

static bool adopt_one(void *aux, const struct vault_entry *e)
{
    struct ipc_service service;

    if (e->type != IPC_SERVICE)
        return true;
    service = e->body->service;
    if (watch(aux, &service, false) < 0)
        log_warn("service %s: its keeper cannot be watched", service.name);
    return true;
}

void service_adopt_all(struct parent *p)
{
    vault_each(p->vault, adopt_one, p);
}

/* Whom it runs as: the daemon's own user, or that of --services. */
static int user_of(const struct parent *p, const struct ipc_start_service *asked,
                   struct passwd *out, char room[], size_t size, struct err *err)
{
    const char *name = p->config->start.services;
    struct passwd *found = NULL;

    if (!asked->foreign) {
        *out = (struct passwd){.pw_uid = geteuid(), .pw_gid = getegid()};
        return 0;
    }
    if (!name[0])
        return err_set(err, -EPERM, "fabricd was started without --services");
    if (getpwnam_r(name, out, room, size, &found) != 0 || !found)
        return err_set(err, -ENOENT, "there is no user %s (--services)", name);
    if (geteuid() != 0 && out->pw_uid != geteuid())
        return err_set(err, -EPERM, "only root's fabricd can run services as another user");
    return 0;
}

/* The program is beside ours, where it was installed to, or where it was built. */
static int find_program(char path[PATH_MAX], struct err *err)
{
    static const char *const places[] = {"", "../libexec/ioth/", "../lib/ioth/",
                                         "../keeper/"};
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;

    self[n > 0 ? n : 0] = '\0';
    slash = strrchr(self, '/');
    if (slash)
        slash[1] = '\0';
    for (unsigned i = 0; slash && i < sizeof places / sizeof *places; i++) {
        if (snprintf(path, PATH_MAX, "%s%s" KEEPER, self, places[i]) < PATH_MAX &&
            access(path, X_OK) == 0)
            return 0;
    }
    return err_set(err, -ENOENT, KEEPER " is not where fabricd is installed");
}

/* The folder of the service's log, which is its user's. Returns a descriptor or -errno. */
static int open_folder(const struct parent *p, const char *name, const struct passwd *user,
                       struct err *err)
{
    char path[sizeof p->config->start.state_dir + IPC_NAME_SIZE + 16];
    int fd;

    (void)snprintf(path, sizeof path, "%s/services", p->config->start.state_dir);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return err_set(err, -errno, "%s: %s", path, err_text(errno));
    (void)snprintf(path, sizeof path, "%s/services/%s", p->config->start.state_dir, name);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return err_set(err, -errno, "%s: %s", path, err_text(errno));
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 ||
        (user->pw_uid != geteuid() && fchown(fd, user->pw_uid, user->pw_gid) < 0)) {
        int r = err_set(err, -errno, "%s: %s", path, err_text(errno));

        fd_close(&fd);
        return r;
    }
    /* The keeper inherits the lock: one that survived a whole daemon is there still. */
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        fd_close(&fd);
        return err_set(err, -EBUSY, "its keeper of before is still there");
    }
    return fd;
}

_Noreturn static void become_keeper(const struct parent *p, const char *program,
                                    const char *name, const struct passwd *user, int folder)
{
    char *const environment[] = {
        (char[]){"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        NULL};
    char service[IPC_NAME_SIZE], run_dir[sizeof p->config->start.run_dir];
    char *const argv[] = {(char[]){KEEPER}, service, run_dir, NULL};
    struct rlimit files;
    sigset_t none;
    int null = open("/dev/null", O_RDWR);

    memcpy(service, name, sizeof service);
    memcpy(run_dir, p->config->start.run_dir, sizeof run_dir);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && p->files) {
        files.rlim_cur = p->files;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(folder, LOG_FOLDER) < 0 ||
        fcntl(LOG_FOLDER, F_SETFD, 0) < 0 || close_range(LOG_FOLDER + 1, ~0U, 0) < 0 ||
        chdir("/") < 0)
        _exit(1);
    if (user->pw_uid != geteuid() && (initgroups(user->pw_name, user->pw_gid) < 0 ||
                                      setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0))
        _exit(1);
    execve(program, argv, environment);
    _exit(127);
}

static int start(struct parent *p, const struct ipc_start_service *asked,
                 struct ipc_service *out, struct err *err)
{
    struct passwd user;
    char program[PATH_MAX], room[4096];
    int folder, process, r;
    pid_t pid;

    r = user_of(p, asked, &user, room, sizeof room, err);
    if (!r)
        r = find_program(program, err);
    if (r < 0)
        return r;
    folder = open_folder(p, asked->name, &user, err);
    if (folder < 0)
        return folder;
    pid = fork();
    if (pid == 0)
        become_keeper(p, program, asked->name, &user, folder);
    fd_close(&folder);
    process = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (process < 0) {
        r = err_set(err, -errno, "cannot fork: %s", err_text(errno));
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        return r;
    }
    *out = (struct ipc_service){.id = ipc_service_id(asked->name),
                                .pid = (uint32_t)pid,
                                .uid = (uint32_t)user.pw_uid};
    memcpy(out->name, asked->name, sizeof out->name);
    r = vault_put_body(p->vault, IPC_SERVICE, out, &process, 1, true);
    if (!r)
        r = watch(p, out, true);
    if (r < 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return err_set(err, r, "its keeper cannot be watched: %s", err_text(r));
    }
    return 0;
}

void service_start(struct parent *p, const struct ipc_message *msg)
{
    const struct ipc_start_service *asked = &msg->body.start_service;
    struct child *control = &p->processes[CONTROL].child;
    const struct keeper *have = find(p, ipc_service_id(asked->name));
    struct ipc_service service = have ? have->service : (struct ipc_service){0};
    struct ipc_reply refusal = {0};
    struct err err = {0};

    if (p->stopping)
        return;
    if (!have && p->n_keepers >= IPC_SERVICES_MAX)
        refusal.code = err_set(&err, -ENOSPC, "this host keeps %u services, and no more",
                               p->n_keepers);
    else if (!have)
        refusal.code = start(p, asked, &service, &err);
    if (refusal.code < 0) {
        memcpy(refusal.why, err.why, sizeof refusal.why);
        child_send(control, IPC_REPLY, msg->head.request, &refusal, NULL, 0);
        return;
    }
    parent_sync(p);
    child_send(control, IPC_SERVICE, msg->head.request, &service, NULL, 0);
}
