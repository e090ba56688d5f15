/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lwIP's view of the compiler and the system. */
#ifndef LIBIOTH_STACK_ARCH_CC_H
#define LIBIOTH_STACK_ARCH_CC_H

#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>

/* Only where lwIP's debug output is on. */
#define LWIP_PLATFORM_DIAG(x)

/* Says which assertion of lwIP failed, and aborts: builds for finding faults only. */
_Noreturn void lwip_assert_failed(const char *what, const char *file, int line);
#define LWIP_PLATFORM_ASSERT(x) lwip_assert_failed(x, __FILE__, __LINE__)

uint16_t lwip_checksum(const void *data, int size);

uint32_t lwip_random(void);
#define LWIP_RAND() lwip_random()

#define LWIP_ERRNO_STDINCLUDE 1

#endif
