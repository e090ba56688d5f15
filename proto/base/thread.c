/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/base/thread.h"

#include <signal.h>

int thread_start(pthread_t *thread, void *(*run)(void *), void *aux)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(thread, NULL, run, aux);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}
