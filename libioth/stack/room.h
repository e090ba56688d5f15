/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How large a thread's stack must be for `own` bytes to be left: a program's thread-local variables, of which there may
 * be any number, lie in it too. */
#ifndef LIBIOTH_STACK_ROOM_H
#define LIBIOTH_STACK_ROOM_H

#include <stddef.h>

size_t room_for_thread(size_t own);

#endif
