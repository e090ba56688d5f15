/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What programs share that are one end of a TCP flow through ioth.h, on a stack of any kind: STACK VNL ADDR/LEN,
 * where "kernel" with "-" and "-" is the host's, and "kernel:reno" with that congestion control. All of them end the program where something fails.
 */
#ifndef TESTS_BENCH_ENDS_H
#define TESTS_BENCH_ENDS_H

#include <stdint.h>

#include "libioth/api/ioth.h"

_Noreturn void ends_fail(const char *what);

/* Processor time of this process. */
double ends_cpu_seconds(void);

struct ioth *ends_stack(const char *kind, const char *vnl, const char *addr);

/* Listens at the port, at all addresses of the family of `addr`, and says "listening". */
int ends_listen(struct ioth *, const char *addr, const char *port);

/* Connects, without Nagle's algorithm. */
int ends_dial(struct ioth *, const char *peer, const char *port);

#endif
