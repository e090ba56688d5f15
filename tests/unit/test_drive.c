/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads that wait in a stack while another one drives it (libioth/stack/drive.h), over a port of the test's. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <lwip/init.h>

#include "libioth/stack/drive.h"
#include "libioth/stack/iface.h"
#include "libioth/stack/timers.h"

#define LONG (10 * MTIME_SEC)

/* --- a port that notes who shows its other side what was sent ---------------------------------- */

static struct {
    unsigned unshown;
    pthread_t shown_by;
    atomic_uint n_sleeps; /* How often somebody has announced that it sleeps. */
} wire;

static int port_send(struct port *p, const struct frame *meta,
                     const struct ring_piece *pieces, unsigned n)
{
    (void)p;
    (void)meta;
    (void)pieces;
    (void)n;
    wire.unshown++;
    return 0;
}

static void port_flush(struct port *p)
{
    (void)p;
    if (wire.unshown)
        wire.shown_by = pthread_self();
    wire.unshown = 0;
}

static unsigned port_recv(struct port *p, struct frame *frames, unsigned max)
{
    (void)p;
    (void)frames;
    (void)max;
    return 0;
}

static bool port_sleep(struct port *p)
{
    (void)p;
    atomic_fetch_add(&wire.n_sleeps, 1);
    return true;
}

static bool port_sleep_room(struct port *p)
{
    (void)p;
    return true;
}

static bool port_room(struct port *p)
{
    (void)p;
    return true;
}

static bool port_no(struct port *p)
{
    (void)p;
    return false;
}

static unsigned port_fds(struct port *p, struct pollfd out[PORT_FDS])
{
    (void)p;
    (void)out;
    return 0;
}

static void port_nothing(struct port *p)
{
    (void)p;
}

static const struct port_ops port_ops = {
    .send = port_send,
    .flush = port_flush,
    .recv = port_recv,
    .recv_done = port_nothing,
    .room = port_room,
    .sleep = port_sleep,
    .sleep_room = port_sleep_room,
    .awake = port_nothing,
    .fds = port_fds,
    .down = port_no,
    .free = port_nothing,
};
static struct port port = {.ops = &port_ops, .mtu = 1500, .mac = {0x02, 0, 0, 0, 0, 0x01}};
static struct iface *iface;

/* --- what is above ------------------------------------------------------------------------------ */

static void no_settle(bool all)
{
    (void)all;
}

static void nothing(void)
{
}

static int no_watch(void)
{
    return -1;
}

static const struct drive_ops above = {
    .settle = no_settle, .room = nothing, .watch = no_watch, .reap = nothing};

static int start(void **state)
{
    (void)state;
    timers_init(mtime_now());
    lwip_init();
    iface_init();
    if (iface_add("", &port, &iface) < 0)
        return -1;
    netif_set_up(&iface->netif);
    return drive_start(&above);
}

static int stop(void **state)
{
    (void)state;
    drive_stop();
    return 0;
}

/* --- threads ------------------------------------------------------------------------------------ */

static struct list drivers, waiters;

static void *drive_for_long(void *aux)
{
    (void)aux;
    drive_enter();
    assert_int_equal(drive_wait(&drivers, mtime_now() + LONG), 0);
    drive_leave();
    return NULL;
}

static void send_one(void)
{
    struct pbuf *p = pbuf_alloc(PBUF_RAW, 60, PBUF_RAM);

    (void)!iface_send_raw(iface, p);
    pbuf_free(p);
}

static void *send_and_wait(void *aux)
{
    (void)aux;
    drive_enter();
    send_one();
    assert_int_equal(drive_wait(&waiters, mtime_now() + LONG), 0);
    drive_leave();
    return NULL;
}

/* Until a thread drives and has gone to sleep. */
static pthread_t begin_driving(void)
{
    pthread_t thread;
    unsigned before;

    list_init(&drivers);
    list_init(&waiters);
    drive_enter();
    before = atomic_load(&wire.n_sleeps);
    drive_leave();
    assert_int_equal(pthread_create(&thread, NULL, drive_for_long, NULL), 0);
    for (;;) {
        bool waits;

        drive_enter();
        waits = !list_empty(&drivers) && atomic_load(&wire.n_sleeps) > before + 1;
        drive_leave();
        if (waits)
            return thread;
        usleep(1000);
    }
}

static void wait_for_waiter(void)
{
    bool waits = false;

    while (!waits) {
        usleep(1000);
        drive_enter();
        waits = !list_empty(&waiters);
        drive_leave();
    }
}

static void wake_all(void)
{
    drive_enter();
    drive_wake(&waiters);
    drive_wake(&drivers);
    drive_leave();
}

/* --- tests -------------------------------------------------------------------------------------- */

/* What a thread has sent goes before it sleeps: who drives may sleep for long. */
static void test_sent_before_sleep(void **state)
{
    pthread_t driver = begin_driving(), sender;

    (void)state;
    assert_int_equal(pthread_create(&sender, NULL, send_and_wait, NULL), 0);
    wait_for_waiter();
    drive_enter();
    assert_int_equal(wire.unshown, 0);
    assert_true(pthread_equal(wire.shown_by, sender));
    drive_leave();
    wake_all();
    pthread_join(sender, NULL);
    pthread_join(driver, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sent_before_sleep),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
