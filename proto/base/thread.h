/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads of a library: in a program that is somebody else's, and whose signals are not for them. */
#ifndef PROTO_BASE_THREAD_H
#define PROTO_BASE_THREAD_H

#include <pthread.h>

/* Starts a thread to which no signal goes. Returns 0 or -errno. */
int thread_start(pthread_t *, void *(*run)(void *), void *aux)
    __attribute__((warn_unused_result));

#endif
