/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the steps at which a test may let a process of the daemon die, one on a line; none where this is
 * a build without them. */
#include <stdio.h>

#include "proto/base/fault.h"

#define FAULT_NAME(constant, name) name,

int main(void)
{
    static const char *const names[] = {FAULT_STEPS(FAULT_NAME)};

    for (int i = 0; i < FAULT_N && fault_possible(); i++)
        puts(names[i]);
    return 0;
}
