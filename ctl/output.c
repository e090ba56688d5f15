/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/node.h"

#define COLUMNS_MAX 16

struct cell {
    char *text;
    enum tint tint;
};

struct table {
    unsigned n_columns;
    char *name[COLUMNS_MAX];
    bool right[COLUMNS_MAX];
    struct cell *cells;
    size_t n_cells, room;
    bool facts;
};

struct table *table_new(const char *columns)
{
    struct table *t = xcalloc(1, sizeof(*t));
    while (*columns && t->n_columns < COLUMNS_MAX) {
        size_t size = strcspn(columns, " ");
        bool right = columns[0] == '>';
        t->right[t->n_columns] = right;
        t->name[t->n_columns++] = xasprintf("%.*s", (int)size - right, columns + right);
        columns += size;
        columns += strspn(columns, " ");
    }
    return t;
}

struct table *facts_new(void)
{
    struct table *t = xcalloc(1, sizeof(*t));
    t->n_columns = 2;
    t->facts = true;
    return t;
}

static void add_cell(struct table *t, enum tint tint, char *text)
{
    if (t->n_cells == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->cells = xrealloc(t->cells, t->room * sizeof(*t->cells));
    }
    t->cells[t->n_cells++] = (struct cell){.text = text, .tint = tint};
}

void table_cell(struct table *t, enum tint tint, const char *text)
{
    add_cell(t, tint, text_clean(text && *text ? text : "-"));
}

static void __attribute__((format(printf, 3, 0)))
cell_va(struct table *t, enum tint tint, const char *format, va_list args)
{
    char *text = xvasprintf(format, args);
    table_cell(t, tint, text);
    free(text);
}

void table_format(struct table *t, enum tint tint, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cell_va(t, tint, format, args);
    va_end(args);
}

void facts_add(struct table *t, enum tint tint, const char *name, const char *format, ...)
{
    va_list args;
    table_format(t, TINT_DIM, "%s:", name);
    va_start(args, format);
    cell_va(t, tint, format, args);
    va_end(args);
}

/* Characters on the screen: all but the later bytes of UTF-8. */
size_t text_width(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void measure(const struct table *t, size_t width[COLUMNS_MAX])
{
    for (unsigned c = 0; c < t->n_columns; c++)
        width[c] = t->name[c] ? text_width(t->name[c]) : 0;
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t w = text_width(t->cells[i].text);
        if (w > width[i % t->n_columns])
            width[i % t->n_columns] = w;
    }
}

static const char *tint_code(enum tint tint)
{
    switch (tint) {
    case TINT_GOOD:
        return "\033[32m";
    case TINT_WARN:
        return "\033[33m";
    case TINT_BAD:
        return "\033[31m";
    case TINT_DIM:
        return "\033[2m";
    case TINT_NONE:
        break;
    }
    return "";
}

void print_blanks(FILE *out, size_t n)
{
    while (n-- > 0)
        fputc(' ', out);
}

static void print_cell(FILE *out, const struct table *t, unsigned column, size_t width,
                       const char *text, enum tint tint, bool colour)
{
    size_t blanks = width - text_width(text);
    bool tinted = colour && tint != TINT_NONE;
    bool last = column + 1 == t->n_columns;
    if (t->right[column])
        print_blanks(out, blanks);
    fprintf(out, "%s%s%s", tinted ? tint_code(tint) : "", text, tinted ? "\033[0m" : "");
    if (last)
        fputc('\n', out);
    else
        print_blanks(out, (t->right[column] ? 0 : blanks) + 2);
}

static void table_free(struct table *t)
{
    for (unsigned c = 0; c < t->n_columns; c++)
        free(t->name[c]);
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i].text);
    free(t->cells);
    free(t);
}

void table_print(struct table *t, FILE *out, bool colour)
{
    size_t width[COLUMNS_MAX];
    measure(t, width);
    for (unsigned c = 0; c < t->n_columns && !t->facts; c++)
        print_cell(out, t, c, width[c], t->name[c], TINT_DIM, colour);
    for (size_t i = 0; i < t->n_cells; i++) {
        unsigned c = (unsigned)(i % t->n_columns);
        print_cell(out, t, c, width[c], t->cells[i].text, t->cells[i].tint, colour);
    }
    table_free(t);
}

enum tint tint_of_state(const char *state)
{
    if (!state)
        return TINT_NONE;
    if (strcmp(state, "up") == 0 || strcmp(state, "self") == 0 ||
        strcmp(state, "ok") == 0 || strcmp(state, "running") == 0)
        return TINT_GOOD;
    if (strcmp(state, "pending") == 0 || strcmp(state, "degraded") == 0)
        return TINT_WARN;
    if (strcmp(state, "starting") == 0 || strcmp(state, "waiting") == 0 ||
        strcmp(state, "backoff") == 0)
        return TINT_WARN;
    return strcmp(state, "down") == 0 || strcmp(state, "failed") == 0 ||
                   strcmp(state, "unhealthy") == 0 || strcmp(state, "refused") == 0
               ? TINT_BAD
               : TINT_NONE;
}

/* The size of the well-formed UTF-8 character at p, 0 if it is none. C1 controls are none. */
static size_t utf8_size(const unsigned char *p)
{
    size_t n = 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        n = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        n = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        n = 4;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n == 2 && p[0] == 0xc2 && p[1] < 0xa0 ? 0 : n;
}

void print_clean(FILE *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        size_t n = utf8_size(p);
        if (n == 1 && (*p < 0x20 || *p == 0x7f))
            fputc(*p == '\n' || *p == '\t' ? ' ' : '?', out);
        else if (n == 0)
            fputc('?', out);
        else
            fwrite(p, 1, n, out);
        p += n ? n : 1;
    }
}

char *text_clean(const char *text)
{
    char *clean = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&clean, &size);
    if (!out)
        abort();
    print_clean(out, text);
    if (fclose(out) != 0)
        abort();
    return clean;
}

char *text_dotted(const char *pointer)
{
    char *path = xstrdup(pointer + (*pointer == '/'));
    for (char *p = path; *p; p++)
        if (*p == '/')
            *p = '.';
    return path;
}

/* One digit behind the point below 10. */
static char *scaled(char *out, size_t size, uint64_t n, unsigned step,
                    const char *const units[], size_t n_units)
{
    uint64_t whole = n, tenths = 0;
    size_t u = 0;
    while (whole >= step && u + 1 < n_units) {
        tenths = (whole % step) * 10 / step;
        whole /= step;
        u++;
    }
    if (u > 0 && whole < 10)
        snprintf(out, size, "%llu.%llu%s", (unsigned long long)whole,
                 (unsigned long long)tenths, units[u]);
    else
        snprintf(out, size, "%llu%s", (unsigned long long)whole, units[u]);
    return out;
}

char *human_bytes(char *out, size_t size, uint64_t bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
    return scaled(out, size, bytes, 1024, units, 6);
}

char *human_count(char *out, size_t size, uint64_t n)
{
    static const char *const units[] = {"", "k", "M", "G", "T"};
    return scaled(out, size, n, 1000, units, 5);
}

char *human_us(char *out, size_t size, uint64_t us)
{
    static const char *const units[] = {" us", " ms", " s"};
    return scaled(out, size, us, 1000, units, 3);
}

char *human_time(char *out, size_t size, time_t when)
{
    struct tm local;
    out[0] = '\0';
    if (localtime_r(&when, &local))
        strftime(out, size, "%Y-%m-%d %H:%M:%S", &local);
    return out;
}

char *human_age(char *out, size_t size, time_t when)
{
    static const struct {
        const char *name;
        long long seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
    long long age = (long long)time(NULL) - (long long)when, far = age < 0 ? -age : age;
    size_t i = 0;
    while (i < 3 && far < units[i].seconds)
        i++;
    snprintf(out, size, age < 0 ? "in %lld %s" : "%lld %s ago", far / units[i].seconds,
             units[i].name);
    return out;
}

bool time_parse(const char *text, time_t *out)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (!end || *end)
        return false;
    *out = timegm(&tm);
    return true;
}

static void brief(FILE *out, const struct node *n)
{
    switch (n->kind) {
    case NODE_NULL:
        break;
    case NODE_BOOL:
        fputs(n->boolean ? "yes" : "no", out);
        break;
    case NODE_INT:
        fprintf(out, "%lld", (long long)n->integer);
        break;
    case NODE_REAL:
        fprintf(out, "%g", n->real);
        break;
    case NODE_TEXT:
        fputs(n->text, out);
        break;
    case NODE_LIST:
    case NODE_MAP:
        for (size_t i = 0; i < n->n; i++) {
            fputs(i ? ", " : "", out);
            if (n->kind == NODE_MAP)
                fprintf(out, "%s ", n->key[i]);
            bool inner = n->child[i]->kind == NODE_LIST || n->child[i]->kind == NODE_MAP;
            fputs(inner && n->child[i]->n ? "(" : "", out);
            brief(out, n->child[i]);
            fputs(inner && n->child[i]->n ? ")" : "", out);
        }
    }
}

char *node_brief(const struct node *n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    if (n)
        brief(out, n);
    if (fclose(out) != 0)
        abort();
    return text;
}
