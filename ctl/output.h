/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What people read: aligned tables, lists of facts, sizes and times in words. Texts may come
 * from other hosts, so control characters never reach the terminal.
 */
#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

struct node;
struct ctl;

enum tint { TINT_NONE, TINT_GOOD, TINT_WARN, TINT_BAD, TINT_DIM };

struct table;

/* `columns` names them, separated by blanks; one that begins with '>' is aligned right. */
struct table *table_new(const char *columns);
/* The next cell of the row that is being filled; NULL or "" shows as "-". Copies the text. */
void table_cell(struct table *, enum tint, const char *text);
void table_format(struct table *, enum tint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Prints header and rows, and frees the table. Without rows it prints the header alone. */
void table_print(struct table *, FILE *out, bool colour);

/* "name:  value" lines, aligned: facts are collected in a table of two columns. */
struct table *facts_new(void);
void facts_add(struct table *, enum tint, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* How a state shows: "up" is good, "pending" a warning, "down" bad. */
enum tint tint_of_state(const char *state);

/* Writes text without its control characters; invalid UTF-8 shows as '?'. */
void print_clean(FILE *out, const char *text);
char *text_clean(const char *text); /* The caller's to free(). */

/* "lab.ports.p" of the JSON pointer /lab/ports/p; the caller's to free(). */
char *text_dotted(const char *pointer);

/* How many columns a text takes on the screen; and blanks. */
size_t text_width(const char *);
void print_blanks(FILE *out, size_t n);

/* Text for people, into out[size]; returns out. */
char *human_bytes(char *out, size_t size, uint64_t bytes); /* 1.5 MiB */
char *human_count(char *out, size_t size, uint64_t n);     /* 12.3k */
char *human_us(char *out, size_t size, uint64_t us);       /* 1.2 ms */
char *human_time(char *out, size_t size, time_t);          /* 2026-05-01 12:00:00, here */
char *human_age(char *out, size_t size, time_t);           /* 12 s ago, in 3 h */
#define HUMAN_SIZE 32

/* A time as RFC 3339 has it, in UTC: 2026-05-01T12:00:00Z. */
bool time_parse(const char *text, time_t *out);

/*
 * An object, or a list of them, as `-o json|yaml` wants it; false with -o table, and nothing is
 * printed. Objects get their `kind` in front if the API left it out, so that what is printed is
 * valid input for apply.
 */
bool output_object(const struct ctl *, const char *kind, const struct node *object);
bool output_list(const struct ctl *, const char *kind, const struct node *items);

/* Prints any tree in the format asked for; tables become YAML. */
void output_tree(const struct ctl *, const struct node *);

/* A value of an object on one line: "a, b", "10 (staff), 20"; "" for NULL. The caller's. */
char *node_brief(const struct node *);

#endif
