/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/drive.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libioth/stack/iface.h"
#include "libioth/stack/rate.h"
#include "libioth/stack/room.h"
#include "libioth/stack/timers.h"
#include "proto/base/fd.h"
#include "proto/base/patience.h"

#define LAZY_LOOK      (1 * MTIME_MS)
#define SOON           (20 * MTIME_MS)
#define AGAIN_EVERY    (250 * MTIME_MS) /* A port whose other side has gone. */
#define STEPS_TOGETHER 4u               /* Whose acknowledgements are sent together. */
#define STACK_SIZE     (128 * 1024)
#define OWN_FDS        2u /* The kick, and ops->watch. */
#define POLL_MAX       (IFACE_MAX * PORT_FDS + OWN_FDS)
_Static_assert(POLL_MAX <= DRIVE_POLL_OWN, "a stack's own descriptors have room");

enum helper_mode {
    HELPER_ARMED, /* Waits for the bells and the next timer. */
    HELPER_LAZY, /* Program threads come and go: looks after a while whether they have left. */
    HELPER_OFF, /* One of them drives: nothing to do until it leaves. */
};

/* Who may be in poll(): the thread that drives, and the helper. */
struct poller {
    int kick; /* An eventfd that ends the poll(). */
    bool sleeping;
    bool kicked;
    mtime_t wakes_at; /* By itself. */
};

/* A thread that sleeps until another one wakes it, or calls it to drive. */
struct sleeper {
    struct list link;
    _Atomic uint32_t rung; /* A futex: unlike a condition it lets signals end the sleep. */
    bool called;
};

static struct {
    pthread_mutex_t lock;
    const struct drive_ops *ops;
    struct list sleepers;
    struct poller driver, armed; /* The second is the helper's. */
    bool driven;                 /* A thread in drive_wait() drives. */
    struct patience patience;    /* Of who drives. */
    unsigned unsent_steps;       /* Since something was sent. */
    uint64_t entries;            /* How often somebody has entered. */

    pthread_t helper;
    pthread_cond_t rest; /* Where the helper is while it is not armed. */
    enum helper_mode mode;
    bool stopping;
    bool broken; /* The other side of a port has gone. */
} d = {.lock = PTHREAD_MUTEX_INITIALIZER, .driver.kick = -1, .armed.kick = -1};

/* What a thread's signal handlers must know of its wait. */
static _Thread_local struct {
    volatile sig_atomic_t waiting, driving, interrupted;
    struct sleeper *volatile sleeper;
} own;

/* --- inside ----------------------------------------------------------------------------------- */

static void kick(struct poller *p)
{
    if (!p->sleeping || p->kicked)
        return;
    p->kicked = true;
    (void)!write(p->kick, &(uint64_t){1}, sizeof(uint64_t));
}

static void kick_done(struct poller *p, bool rang)
{
    uint64_t count;

    if (!p->kicked && !rang)
        return;
    p->kicked = false;
    (void)!read(p->kick, &count, sizeof count);
}

/* Sends what is to be sent. */
static void flush(void)
{
    d.unsent_steps = 0;
    while (iface_flush())
        d.ops->room();
}

/* Everything that is to be done now. Returns how many frames came. While more comes, which is acknowledged each
 * time, it is not always sent at once: who has called it does that in the end. */
static unsigned step(bool used)
{
    bool came = false;
    unsigned n;

    timers_run(mtime_now(), used);
    n = iface_poll(&came);
    if (came)
        timers_run(timers_now(), true);
    if (!n || ++d.unsent_steps == STEPS_TOGETHER)
        flush();
    return n;
}

/* Announces to all ports that nobody looks; false if something is there. */
static bool arm(void)
{
    bool quiet = true;

    list_for_each (it, iface_list()) {
        struct iface *i = list_entry(it, struct iface, link);

        if (!i->port)
            continue;
        quiet = i->port->ops->sleep(i->port) && quiet;
        if (i->stalled)
            quiet = i->port->ops->sleep_room(i->port) && quiet;
        i->room_awaited = i->stalled;
    }
    return quiet;
}

static void disarm(void)
{
    list_for_each (it, iface_list()) {
        struct iface *i = list_entry(it, struct iface, link);

        if (i->port)
            i->port->ops->awake(i->port);
    }
}

static unsigned poll_set(struct pollfd *fds, const struct poller *p)
{
    unsigned n = OWN_FDS;

    fds[0] = (struct pollfd){.fd = p->kick, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = d.ops->watch(), .events = POLLIN};
    list_for_each (it, iface_list()) {
        struct iface *i = list_entry(it, struct iface, link);

        if (i->port)
            n += i->port->ops->fds(i->port, &fds[n]);
    }
    return n;
}

/* Looks which ports have lost their other side, for the helper to mend. */
static void look_for_broken(void)
{
    d.broken = false;
    list_for_each (it, iface_list()) {
        struct iface *i = list_entry(it, struct iface, link);

        if (i->port && i->port->ops->down(i->port) && i->port->ops->again)
            d.broken = true;
    }
    if (d.broken)
        pthread_cond_signal(&d.rest);
}

/* Is there more than a ringing bell? The second descriptor of a port tells its end. */
static bool any_end(const struct pollfd *fds, unsigned n)
{
    unsigned ringing = 0;

    for (unsigned i = OWN_FDS; i < n; i++) {
        if (fds[i].revents & (POLLHUP | POLLERR | POLLNVAL))
            return true;
        ringing += fds[i].revents != 0;
    }
    return ringing > 1;
}

/* For ppoll(): NULL = for ever. */
static struct timespec *left_until(mtime_t until, struct timespec *ts)
{
    mtime_t left;

    if (until == MTIME_NEVER)
        return NULL;
    left = until - mtime_now();
    ts->tv_sec = left > 0 ? left / MTIME_SEC : 0;
    ts->tv_nsec = left > 0 ? left % MTIME_SEC * 1000 : 0;
    return ts;
}

/* poll() with the lock released, until `until` or a kick, or until one of n_more descriptors is ready, which
 * are the first of `all`. Returns 0, or -EINTR. */
static int sleep_on(struct poller *p, mtime_t until, struct pollfd *all, unsigned n_more,
                    const sigset_t *mask)
{
    struct pollfd *fds = all + n_more;
    unsigned n = poll_set(fds, p);
    struct timespec ts;
    int r;

    p->wakes_at = until;
    p->sleeping = true;
    pthread_mutex_unlock(&d.lock);
    r = ppoll(all, n_more + n, left_until(until, &ts), mask);
    r = r < 0 ? -errno : r;
    pthread_mutex_lock(&d.lock);
    p->sleeping = false;
    kick_done(p, r > 0 && fds[0].revents);
    if (r > 0 && fds[1].revents)
        d.ops->reap();
    if (r > 0 && any_end(fds, n))
        look_for_broken();
    return r == -EINTR ? r : 0;
}

static int sleep_until(struct poller *p, mtime_t until)
{
    struct pollfd fds[POLL_MAX];

    return sleep_on(p, until, fds, 0, NULL);
}

/* --- program threads --------------------------------------------------------------------------- */

void drive_enter_only(void)
{
    pthread_mutex_lock(&d.lock);
    d.entries++;
    if (mtime_now() - timers_now() >= LAZY_LOOK)
        step(true);
}

void drive_step(void)
{
    step(true);
}

void drive_enter(void)
{
    pthread_mutex_lock(&d.lock);
    d.entries++;
    step(true);
}

void drive_interrupt(void)
{
    if (!own.waiting)
        return;
    own.interrupted = true;
    /* If it is asleep the signal ends that; if it is about to be, these do. */
    if (own.driving)
        (void)!write(d.driver.kick, &(uint64_t){1}, sizeof(uint64_t));
    else if (own.sleeper)
        atomic_fetch_add(&own.sleeper->rung, 1);
}

static void begin_wait(void)
{
    own.interrupted = false;
    own.waiting = true;
}

static void end_wait(void)
{
    own.waiting = false;
}

static void rouse(struct sleeper *s)
{
    atomic_fetch_add(&s->rung, 1);
    (void)syscall(SYS_futex, &s->rung, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Calls the next one to drive, if there is one. */
static bool hand_over(void)
{
    struct list *first = list_first(&d.sleepers);
    struct sleeper *s;

    if (!first)
        return false;
    s = list_entry(first, struct sleeper, link);
    s->called = true;
    rouse(s);
    return true;
}

/* A port that had no room when who sleeps went to sleep still rings for it; one that has none since does not. */
static bool room_unawaited(void)
{
    list_for_each (it, iface_list()) {
        const struct iface *i = list_entry(it, struct iface, link);

        if (i->stalled && !i->room_awaited)
            return true;
    }
    return false;
}

/* Something may be due before who sleeps would wake. With many connections looking is dear, so only
 * where it sleeps for longer than a connection that is in use ever lets it. */
static void kick_if_sooner(struct poller *p)
{
    if (p->sleeping &&
        (room_unawaited() || rate_next() < p->wakes_at ||
         (p->wakes_at > timers_now() + SOON && timers_next(timers_now()) < p->wakes_at)))
        kick(p);
}

/* A thread goes, or goes to sleep, while another one drives, which may be asleep: what this one has made is
 * sent and shown, and the other is told of what is due sooner. */
static void leave_to_driver(void)
{
    flush();
    d.ops->settle(false);
    kick_if_sooner(&d.driver);
}

/* A program's thread takes what comes, and will again soon. */
static void relieve(void)
{
    if (d.mode != HELPER_ARMED)
        return;
    d.mode = HELPER_LAZY;
    disarm();
    kick(&d.armed);
}

/* Sees to it that somebody serves the stack while nobody is inside. */
static void leave_to_helper(void)
{
    switch (d.mode) {
    case HELPER_ARMED:
        while (!arm())
            step(true);
        flush();
        kick_if_sooner(&d.armed);
        break;
    case HELPER_LAZY:
        break;
    case HELPER_OFF:
        d.mode = HELPER_LAZY;
        pthread_cond_signal(&d.rest);
        break;
    }
}

static void leave(void)
{
    if (d.driven) {
        leave_to_driver();
    } else {
        d.ops->settle(false);
        leave_to_helper();
    }
    pthread_mutex_unlock(&d.lock);
}

void drive_leave(void)
{
    if (!d.driven)
        flush();
    leave();
}

void drive_leave_for_now(void)
{
    if (!d.driven)
        relieve();
    leave();
}

void drive_wake(struct list *list)
{
    list_for_each_safe (it, list) {
        struct waiter *w = list_entry(it, struct waiter, link);
        struct sleeper *s = w->sleeper;

        list_remove(&w->link);
        w->woken = true;
        if (s)
            rouse(s);
        else
            kick(&d.driver);
    }
}

/* Yields for as long as it has been worth it lately; true if something came. Yielding rather than
 * spinning, since the other side may need this processor. */
static bool yield_a_while(const struct waiter *w, mtime_t start)
{
    mtime_t now = start;

    while (patience_lasts(&d.patience, start, now)) {
        mtime_t before = now;
        unsigned n;

        pthread_mutex_unlock(&d.lock);
        sched_yield();
        pthread_mutex_lock(&d.lock);
        n = step(false);
        now = timers_now();
        patience_yielded(&d.patience, before, now);
        if (n || w->woken)
            return true;
    }
    return false;
}

static void take_over(void)
{
    d.driven = true;
    own.driving = true;
    relieve();
}

/* Drives until the waiter is woken or its time is over. */
static int drive(const struct waiter *w, mtime_t deadline)
{
    int r = 0;

    take_over();
    while (!w->woken && r == 0) {
        mtime_t start;

        if (step(false) || yield_a_while(w, start = timers_now()))
            continue;
        d.ops->settle(false);
        if (w->woken)
            break;
        if (arm()) {
            r = sleep_until(&d.driver, mtime_min(timers_next(timers_now()), deadline));
            r = own.interrupted ? -EINTR : r;
            disarm();
            patience_learn(&d.patience, mtime_now() - start);
        }
        if (r == 0 && !w->woken && deadline != MTIME_NEVER && mtime_now() >= deadline)
            r = -ETIMEDOUT;
    }
    own.driving = false;
    d.driven = false;
    hand_over();
    return w->woken ? 0 : r;
}

/* With the lock released, until somebody rings: 0, -ETIMEDOUT or -EINTR. */
static int doze(struct sleeper *s, mtime_t deadline)
{
    struct timespec ts = {.tv_sec = deadline / MTIME_SEC,
                          .tv_nsec = deadline % MTIME_SEC * 1000};
    uint32_t rung = s->rung;
    long r;

    if (own.interrupted)
        return -EINTR;
    pthread_mutex_unlock(&d.lock);
    r = syscall(SYS_futex, &s->rung, FUTEX_WAIT_BITSET_PRIVATE, rung,
                deadline == MTIME_NEVER ? NULL : &ts, NULL, FUTEX_BITSET_MATCH_ANY);
    r = r < 0 && errno != EAGAIN ? -errno : 0;
    pthread_mutex_lock(&d.lock);
    return (int)r;
}

/* Sleeps until it is woken, called to drive, or its time is over. */
static int be_woken(struct waiter *w, struct sleeper *s, mtime_t deadline)
{
    int r = 0;

    w->sleeper = own.sleeper = s;
    list_append(&d.sleepers, &s->link);
    leave_to_driver();
    while (!w->woken && !s->called && r == 0)
        r = doze(s, deadline);
    list_remove(&s->link);
    w->sleeper = own.sleeper = NULL;
    /* Called, but not to be had any more: the next one. */
    if (s->called && (w->woken || r) && !d.driven)
        hand_over();
    s->called = false;
    return w->woken ? 0 : r;
}

/* Apart from drive_wait(), where the compiler would take the list for one that keeps the waiter. */
__attribute__((noinline)) static int wait_in(struct list *list, struct waiter *w,
                                             mtime_t deadline)
{
    struct sleeper s = {.called = false};
    int r = 0;

    list_append(list, &w->link);
    begin_wait();
    while (!w->woken && r == 0)
        r = d.driven ? be_woken(w, &s, deadline) : drive(w, deadline);
    end_wait();
    list_remove(&w->link);
    return w->woken ? 0 : r;
}

int drive_wait(struct list *list, mtime_t deadline)
{
    struct waiter w = {.woken = false};

    return wait_in(list, &w, deadline);
}

/* --- polling ------------------------------------------------------------------------------------ */

/* What poll() says of the program's descriptors now, all being shown. */
static int look(struct pollfd *fds, unsigned n)
{
    int r;

    d.ops->settle(true);
    pthread_mutex_unlock(&d.lock);
    r = poll(fds, n, 0);
    r = r < 0 ? -errno : r;
    pthread_mutex_lock(&d.lock);
    return r >= 0 && d.ops->tell ? d.ops->tell(fds, n) : r;
}

/* Another thread drives, and shows what it finds. */
static int only_poll(struct pollfd *fds, unsigned n, mtime_t deadline, const sigset_t *mask)
{
    sigset_t every, before;
    struct timespec ts;
    int r;

    leave_to_driver();
    pthread_mutex_unlock(&d.lock);
    sigfillset(&every);
    pthread_sigmask(SIG_BLOCK, &every, &before);
    if (own.interrupted)
        r = -EINTR;
    else if ((r = ppoll(fds, n, left_until(deadline, &ts), mask ? mask : &before)) < 0)
        r = -errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_lock(&d.lock);
    return r >= 0 && d.ops->tell ? d.ops->tell(fds, n) : r;
}

static int drive_and_poll(struct pollfd *fds, unsigned n, mtime_t deadline,
                          const sigset_t *mask)
{
    const struct waiter nobody = {.woken = false};
    int r = 0;

    take_over();
    while (r == 0 && mtime_now() < deadline) {
        bool came = step(false);
        mtime_t start = timers_now();

        came = came || yield_a_while(&nobody, start);
        r = look(fds, n);
        if (came || r != 0 || !arm())
            continue;
        r = sleep_on(&d.driver, mtime_min(timers_next(timers_now()), deadline), fds, n,
                     mask);
        disarm();
        patience_learn(&d.patience, mtime_now() - start);
        step(false);
        if (r == 0)
            r = own.interrupted ? -EINTR : look(fds, n);
    }
    own.driving = false;
    d.driven = false;
    hand_over();
    return r;
}

int drive_poll(struct pollfd *fds, unsigned n, mtime_t deadline, const sigset_t *mask)
{
    int r;

    drive_enter();
    flush();
    begin_wait();
    r = look(fds, n);
    if (r == 0 && mtime_now() < deadline)
        r = d.driven ? only_poll(fds, n, deadline, mask)
                     : drive_and_poll(fds, n, deadline, mask);
    end_wait();
    drive_leave();
    return r;
}

/* --- the helper -------------------------------------------------------------------------------- */

/* Tries to plug ports in again whose other side has gone. */
static void mend_ports(void)
{
    list_for_each (it, iface_list()) {
        struct iface *i = list_entry(it, struct iface, link);
        int r;

        if (!i->port || !i->port->ops->again || !i->port->ops->down(i->port))
            continue;
        i->mending = true;
        pthread_mutex_unlock(&d.lock);
        r = i->port->ops->again(i->port);
        pthread_mutex_lock(&d.lock);
        i->mending = false;
        if (r == 0) {
            i->port->ops->back(i->port);
            iface_announce(i);
            /* Who drives polls the old descriptors. */
            kick(&d.driver);
        }
        break; /* The list may have changed; the next one has its turn later. */
    }
    look_for_broken();
}

/* Lets the program's threads in; true if one has come. One that had lost the processor only wants to take
 * what comes itself, without the copy that the helper makes of it. */
static bool gives_way(void)
{
    uint64_t entries = d.entries;

    pthread_mutex_unlock(&d.lock);
    sched_yield();
    pthread_mutex_lock(&d.lock);
    return d.entries != entries;
}

/* Serves the stack until somebody kicks, or something is due, or a program's thread comes. */
static void serve(void)
{
    mtime_t until = d.broken ? mtime_now() + AGAIN_EVERY : MTIME_NEVER;

    while (step(false)) {
        d.ops->settle(true);
        if (gives_way())
            return;
    }
    d.ops->settle(true);
    if (arm()) {
        (void)!sleep_until(&d.armed, mtime_min(until, timers_next(timers_now())));
        /* Who has taken over meanwhile may sleep, and be rung for. */
        if (d.mode == HELPER_ARMED)
            disarm();
    }
}

/* Waits until the program's threads have been away for a while, or call. */
static void rest(void)
{
    mtime_t until = mtime_now() + (d.mode == HELPER_LAZY ? LAZY_LOOK : AGAIN_EVERY);
    struct timespec ts = {.tv_sec = until / MTIME_SEC, .tv_nsec = until % MTIME_SEC * 1000};

    if (d.mode == HELPER_OFF && !d.broken)
        pthread_cond_wait(&d.rest, &d.lock);
    else
        pthread_cond_timedwait(&d.rest, &d.lock, &ts);
}

static void *help(void *aux)
{
    mtime_t mended = 0;
    uint64_t seen = 0;

    (void)aux;
    pthread_mutex_lock(&d.lock);
    while (!d.stopping) {
        if (d.mode == HELPER_LAZY && d.entries == seen)
            d.mode = d.driven ? HELPER_OFF : HELPER_ARMED;
        seen = d.entries;
        if (d.mode == HELPER_ARMED)
            serve();
        else
            rest();
        if (d.broken && mtime_now() - mended >= AGAIN_EVERY) {
            mend_ports();
            mended = mtime_now();
        }
    }
    pthread_mutex_unlock(&d.lock);
    return NULL;
}

int drive_start(const struct drive_ops *ops)
{
    pthread_attr_t attr;
    pthread_condattr_t clock;
    sigset_t every, before;
    int r;

    list_init(&d.sleepers);
    d.ops = ops;
    d.mode = HELPER_ARMED;
    d.patience.span = PATIENCE_MIN;
    d.driver.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d.armed.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (d.driver.kick < 0 || d.armed.kick < 0)
        return -errno;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&d.rest, &clock);
    pthread_condattr_destroy(&clock);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, room_for_thread(STACK_SIZE));
    /* Signals are the program's threads'. */
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    r = pthread_create(&d.helper, &attr, help, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return -r;
}

void drive_stop(void)
{
    pthread_mutex_lock(&d.lock);
    d.stopping = true;
    kick(&d.armed);
    pthread_cond_signal(&d.rest);
    pthread_mutex_unlock(&d.lock);
    pthread_join(d.helper, NULL);
    fd_close(&d.driver.kick);
    fd_close(&d.armed.kick);
}
