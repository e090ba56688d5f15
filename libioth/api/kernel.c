/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's own stack. */
#include "libioth/api/kernel_calls.h"
#include "libioth/api/stack.h"

struct ioth stack_kernel = {
    .f = KERNEL_CALLS,
    .plugin = {.copy = -1, .dup = kernel_dup},
};
