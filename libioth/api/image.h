/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The image of a shared object that is loaded many times. Each copy needs writable pages of its own and
 * nothing else: once it is loaded, its code and its constants, which are in every copy the same bytes, are mapped
 * from the original file, so that all copies (and all processes) share them, and the copy gives its memory back.
 */
#ifndef LIBIOTH_API_IMAGE_H
#define LIBIOTH_API_IMAGE_H

/* Copies what a loader needs of the shared object `from` to the empty file `to`; `whole`: all of it, with what
 * debuggers read. Returns 0 or -errno. */
int image_copy(int to, int from, int whole) __attribute__((warn_unused_result));

/* Maps the read-only pages of what dlopen() made of `copy` from the original instead. Pages that are not alike,
 * or cannot be mapped, stay; so it cannot fail. */
void image_share(void *handle, int copy, int original);

#endif
