/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * By which data an epoll knows a stack's socket, so that what the kernel cannot say of it can be put into the right
 * event. One epoll per descriptor, the last. Takes no lock; whoever asks while another thread changes it gets the
 * one or the other.
 */
#ifndef LIBIOTH_API_WATCH_H
#define LIBIOTH_API_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* It is watched, or no more. Where there is no memory, nobody is told of its errors by epoll. */
void watch_add(int fd, int epoll, uint64_t data);
void watch_remove(int fd, int epoll);

bool watch_find(int fd, int epoll, uint64_t *data);

#endif
