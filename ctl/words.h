/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of valid words, and which of them somebody meant. */
#ifndef CTL_WORDS_H
#define CTL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct words {   /* All zero = empty. */
    char **list; /* NULL-ended once it has one. */
    size_t n;
};

void words_add_once(struct words *, const char *word);
void words_add_option(struct words *, const char *name); /* Adds --NAME. */
/* Words separated by '|', but for those in `but`, which may be NULL. */
void words_add_split(struct words *, const char *words, const char *but);
void words_done(struct words *);

/* The nearest of the words, borrowed; NULL if none is near. */
const char *words_nearest(const struct words *, const char *word);

/* "did you mean "net"?", or where none is near the whole list if it is short. The caller's to free(). */
char *words_near(const struct words *, const char *word);

/* "create, ls, rm". The caller's to free(). */
char *words_all(const struct words *);

/* Whether `word` is one of those in `words`, which are separated by '|'. NULL never is. */
bool words_in(const char *words, const char *word);

#endif
