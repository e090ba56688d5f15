/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/parent/closer.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proto/base/fd.h"
#include "proto/base/xalloc.h"

#define THREADS_MAX 32u /* What they do is wait. */
#define STACK_SIZE  (64u * 1024)

struct fds {
    int *fd;
    size_t n, room;
};

struct closer {
    struct loop *loop;
    struct loop_watch done; /* An eventfd: all is closed. */
    void (*idle)(void *aux);
    void *aux;
    struct fds held, asked;
    pthread_attr_t attr;
    pthread_mutex_t lock; /* Of what follows. */
    pthread_cond_t ended;
    struct fds queue;
    unsigned n_threads;
};

static void push(struct fds *list, int fd)
{
    if (list->n == list->room) {
        list->room = list->room * 2 + 16;
        list->fd = xrealloc(list->fd, list->room * sizeof *list->fd);
    }
    list->fd[list->n++] = fd;
}

/* All that there was is closed. Cannot fail: the counter is far from full. */
static void tell(struct closer *c)
{
    uint64_t one = 1;

    (void)!write(c->done.fd, &one, sizeof one);
}

static void *work(void *aux)
{
    struct closer *c = aux;
    int fd;

    pthread_mutex_lock(&c->lock);
    while (c->queue.n) {
        fd = c->queue.fd[--c->queue.n];
        pthread_mutex_unlock(&c->lock);
        close(fd);
        pthread_mutex_lock(&c->lock);
    }
    if (--c->n_threads == 0) {
        tell(c);
        pthread_cond_signal(&c->ended);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* Without a thread, we wait ourselves. */
static void close_soon(struct closer *c, int fd)
{
    pthread_t thread;

    pthread_mutex_lock(&c->lock);
    push(&c->queue, fd);
    if (c->n_threads < THREADS_MAX && pthread_create(&thread, &c->attr, work, c) == 0)
        c->n_threads++;
    if (!c->n_threads) {
        close(c->queue.fd[--c->queue.n]);
        tell(c);
    }
    pthread_mutex_unlock(&c->lock);
}

static void ready(struct loop_watch *w, uint32_t events)
{
    struct closer *c = list_entry(w, struct closer, done);
    uint64_t n;

    (void)events;
    (void)!read(w->fd, &n, sizeof n);
    if (closer_is_idle(c))
        c->idle(c->aux);
}

struct closer *closer_new(struct loop *loop, void (*idle)(void *aux), void *aux)
{
    struct closer *c = xcalloc(1, sizeof *c);
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    c->loop = loop;
    c->idle = idle;
    c->aux = aux;
    c->done.ready = ready;
    if (fd < 0 || loop_add(loop, &c->done, fd, EPOLLIN) < 0) {
        fd_close(&fd);
        free(c);
        return NULL;
    }
    pthread_attr_init(&c->attr);
    pthread_attr_setdetachstate(&c->attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&c->attr, STACK_SIZE);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->ended, NULL);
    return c;
}

void closer_free(struct closer *c)
{
    int fd;

    if (!c)
        return;
    closer_release(c, true);
    pthread_mutex_lock(&c->lock);
    while (c->n_threads)
        pthread_cond_wait(&c->ended, &c->lock);
    pthread_mutex_unlock(&c->lock);
    fd = c->done.fd;
    loop_remove(c->loop, &c->done);
    fd_close(&fd);
    pthread_attr_destroy(&c->attr);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->ended);
    free(c->held.fd);
    free(c->asked.fd);
    free(c->queue.fd);
    free(c);
}

void closer_hold(struct closer *c, int fd)
{
    push(&c->held, fd);
}

bool closer_is_to_ask(const struct closer *c)
{
    return c->held.n > 0 && c->asked.n == 0;
}

void closer_asked(struct closer *c)
{
    while (c->held.n)
        push(&c->asked, c->held.fd[--c->held.n]);
}

void closer_release(struct closer *c, bool all)
{
    while (c->asked.n)
        close_soon(c, c->asked.fd[--c->asked.n]);
    while (all && c->held.n)
        close_soon(c, c->held.fd[--c->held.n]);
}

bool closer_is_idle(struct closer *c)
{
    bool idle;

    pthread_mutex_lock(&c->lock);
    idle = !c->n_threads && !c->held.n && !c->asked.n;
    pthread_mutex_unlock(&c->lock);
    return idle;
}
