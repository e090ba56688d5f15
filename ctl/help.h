/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The help, out of the table of commands. */
#ifndef CTL_HELP_H
#define CTL_HELP_H

#include <stdio.h>

struct command;

/* Of a command; else of a noun; else (both NULL) of iothctl. */
void help_print(FILE *out, const char *noun, const struct command *);

/* iothctl(1), as man(7) wants it: docs/man/iothctl.1. */
void manual_print(FILE *out);

#endif
