/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The drawing for terminals. A box per host, one below the other, holds its networks and what is
 * on them; links run in lanes at the right, from box to box, and say how they are:
 *
 *   ┌─ alpha (this host) ────────┐
 *   │ lan1  10.64.0.0/24         ├──┐   alpha-beta: up, 0.4 ms
 *   │ └─ web  10.64.0.2      up  │  │
 *   └────────────────────────────┘  │
 *   ┌─ beta ─────────────────────┐  │
 *   │ lan1  10.64.0.0/24         ├──┘
 *   └────────────────────────────┘
 *
 * Everything is drawn on a canvas: a cell is a character, or the four directions in which lines
 * leave it, so that lines that meet become the right corner or crossing by themselves.
 */
#include "ctl/topology.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"

enum { UP = 1, DOWN = 2, LEFT = 4, RIGHT = 8, BROKEN = 16 };

#define LANES_MAX  16u /* More links are listed instead of drawn. */
#define LANE_WIDTH 3u

struct canvas {
    size_t width, height;
    uint8_t *lines;
    char *text; /* 0 = none. */
};

struct box {
    size_t top, height; /* Rows, frame included. */
    size_t n_attached;  /* Links that leave it so far. */
};

/* A host's content, as texts. */
struct rows {
    char **list;
    size_t n;
};

static void add_row(struct rows *r, char *text)
{
    r->list = xrealloc(r->list, (r->n + 1) * sizeof(*r->list));
    r->list[r->n++] = text;
}

/* The items of a network: "+ web  10.64.0.2  up"; the marker tells the canvas of the branch. */
static void add_items(struct rows *r, const struct topo_net *net)
{
    size_t name = 0, text = 0;
    for (size_t i = 0; i < net->n_items; i++) {
        size_t n = strlen(net->items[i].name), t = strlen(net->items[i].text);
        name = n > name ? n : name;
        text = t > text ? t : text;
    }
    for (size_t i = 0; i < net->n_items; i++) {
        const struct topo_item *item = &net->items[i];
        add_row(r, xasprintf("%c  %-*s  %-*s  %s", i + 1 == net->n_items ? '\\' : '+',
                             (int)name, item->name, (int)text, item->text, item->state));
    }
}

static struct rows host_rows(const struct topo_host *h)
{
    struct rows r = {0};
    for (size_t i = 0; i < h->n_nets; i++) {
        add_row(&r, xasprintf("%s  %s", h->nets[i].name, h->nets[i].text));
        add_items(&r, &h->nets[i]);
    }
    if (r.n == 0)
        add_row(&r, xstrdup("no networks"));
    return r;
}

static char *host_title(const struct topo_host *h)
{
    if (h->self)
        return xasprintf("%s (this host)", h->name);
    return xasprintf("%s (%s%s%s)", h->name, h->state, *h->address ? ", " : "", h->address);
}

static void draw_text(struct canvas *c, size_t row, size_t column, const char *text)
{
    for (; *text && column < c->width; text++, column++)
        c->text[row * c->width + column] = (char)(*text & 0x80 ? '?' : *text);
}

static void draw_bits(struct canvas *c, size_t row, size_t column, unsigned bits)
{
    uint8_t *cell = &c->lines[row * c->width + column];
    *cell = (uint8_t)(*cell | bits);
}

static void draw_across(struct canvas *c, size_t row, size_t from, size_t to,
                        unsigned style)
{
    for (size_t i = from; i <= to; i++)
        draw_bits(c, row, i,
                  (i > from ? LEFT : 0u) | (i < to ? RIGHT : 0u) |
                      (i > from && i < to ? style : 0u));
}

static void draw_down(struct canvas *c, size_t column, size_t from, size_t to,
                      unsigned style)
{
    for (size_t i = from; i <= to; i++)
        draw_bits(c, i, column,
                  (i > from ? UP : 0u) | (i < to ? DOWN : 0u) |
                      (i > from && i < to ? style : 0u));
}

static void draw_box(struct canvas *c, const struct box *b, size_t width, const char *title,
                     const struct rows *rows)
{
    size_t bottom = b->top + b->height - 1;
    draw_across(c, b->top, 0, width - 1, 0);
    draw_across(c, bottom, 0, width - 1, 0);
    draw_down(c, 0, b->top, bottom, 0);
    draw_down(c, width - 1, b->top, bottom, 0);
    draw_text(c, b->top, 2, " ");
    draw_text(c, b->top, 3, title);
    draw_text(c, b->top, 3 + strlen(title), " ");
    for (size_t i = 0; i < rows->n; i++) {
        const char *text = rows->list[i];
        size_t row = b->top + 1 + i;
        if (*text == '+' || *text == '\\') {
            draw_bits(c, row, 2, UP | RIGHT | (*text == '+' ? DOWN : 0u));
            draw_bits(c, row, 3, LEFT | RIGHT);
            text += 1;
            draw_text(c, row, 5, text + 2);
        } else {
            draw_text(c, row, 2, text);
        }
    }
}

static void draw_link(struct canvas *c, struct box *boxes, const struct topo_link *l,
                      size_t lane, size_t edge, size_t label)
{
    struct box *from = &boxes[l->from], *to = &boxes[l->to];
    size_t first = from->top + 1 + from->n_attached++,
           last = to->top + 1 + to->n_attached++;
    size_t column = edge + (lane + 1) * LANE_WIDTH;
    unsigned style = l->up ? 0 : BROKEN;
    draw_across(c, first, edge, column, style);
    draw_across(c, last, edge, column, style);
    draw_down(c, column, first, last, style);
    char *text = xasprintf("%s: %s", l->name, l->text);
    draw_text(c, first, label, text);
    free(text);
}

static const char *glyph(unsigned bits, bool ascii)
{
    static const char *const unicode[16] = {" ", "│", "│", "│", "─", "┘", "┐", "┤",
                                            "─", "└", "┌", "├", "─", "┴", "┬", "┼"};
    static const char plain[16][2] = {" ", "|", "|", "|", "-", "'", ".", "|",
                                      "-", "`", ".", "|", "-", "+", "+", "+"};
    unsigned way = bits & 15u;
    if (bits & BROKEN && (way == (UP | DOWN)))
        return ascii ? ":" : "┊";
    if (bits & BROKEN && (way == (LEFT | RIGHT)))
        return ascii ? "." : "┈";
    return ascii ? plain[way] : unicode[way];
}

static void print_canvas(const struct canvas *c, FILE *out, bool ascii)
{
    for (size_t row = 0; row < c->height; row++) {
        size_t end = c->width;
        const char *text = &c->text[row * c->width];
        const uint8_t *lines = &c->lines[row * c->width];
        while (end > 0 && (text[end - 1] == 0 || text[end - 1] == ' ') &&
               lines[end - 1] == 0)
            end--;
        for (size_t i = 0; i < end; i++) {
            if (text[i])
                fputc(text[i], out);
            else
                fputs(glyph(lines[i], ascii), out);
        }
        fputc('\n', out);
    }
}

static size_t count_links(const struct topo *t, size_t host)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_links; i++)
        n += t->links[i].from == host || t->links[i].to == host;
    return n;
}

/* Where everything goes; returns the width of the boxes. */
static size_t lay_out(const struct topo *t, const struct rows *rows, char *const *titles,
                      bool lanes, struct box *boxes, size_t *height)
{
    size_t width = 0, top = 0;
    for (size_t i = 0; i < t->n_hosts; i++) {
        size_t links = lanes ? count_links(t, i) : 0;
        size_t inside = rows[i].n > links ? rows[i].n : links;
        boxes[i] = (struct box){.top = top, .height = inside + 2};
        top += inside + 2;
        size_t need = strlen(titles[i]) + 6;
        width = need > width ? need : width;
        for (size_t k = 0; k < rows[i].n; k++) {
            need = strlen(rows[i].list[k]) + 6;
            width = need > width ? need : width;
        }
    }
    *height = top;
    return width;
}

static void draw_all(const struct topo *t, FILE *out, bool ascii, const struct rows *rows,
                     char *const *titles)
{
    bool lanes = t->n_links <= LANES_MAX;
    struct box *boxes = xcalloc(t->n_hosts + 1, sizeof(*boxes));
    struct canvas c = {0};
    size_t widest = 0;
    for (size_t i = 0; i < t->n_links; i++) {
        size_t n = strlen(t->links[i].name) + strlen(t->links[i].text) + 2;
        widest = n > widest ? n : widest;
    }
    size_t box = lay_out(t, rows, titles, lanes, boxes, &c.height);
    size_t label = box + (lanes ? t->n_links : 0) * LANE_WIDTH + 3;
    c.width = label + widest + 1;
    c.lines = xcalloc(c.width * c.height + 1, 1);
    c.text = xcalloc(c.width * c.height + 1, 1);
    for (size_t i = 0; i < t->n_hosts; i++)
        draw_box(&c, &boxes[i], box, titles[i], &rows[i]);
    for (size_t i = 0; lanes && i < t->n_links; i++)
        draw_link(&c, boxes, &t->links[i], i, box - 1, label);
    print_canvas(&c, out, ascii);
    for (size_t i = 0; !lanes && i < t->n_links; i++)
        fprintf(out, "%s: %s\n", t->links[i].name, t->links[i].text);
    free(c.lines);
    free(c.text);
    free(boxes);
}

void topo_text(const struct topo *t, FILE *out, bool ascii)
{
    struct rows *rows = xcalloc(t->n_hosts + 1, sizeof(*rows));
    char **titles = xcalloc(t->n_hosts + 1, sizeof(*titles));
    for (size_t i = 0; i < t->n_hosts; i++) {
        rows[i] = host_rows(&t->hosts[i]);
        titles[i] = host_title(&t->hosts[i]);
    }
    if (*t->fabric)
        fprintf(out, "fabric %s\n", t->fabric);
    draw_all(t, out, ascii, rows, titles);
    for (size_t i = 0; i < t->n_degraded; i++)
        fprintf(out, "degraded: %s\n", t->degraded[i]);
    for (size_t i = 0; i < t->n_hosts; i++) {
        for (size_t k = 0; k < rows[i].n; k++)
            free(rows[i].list[k]);
        free(rows[i].list);
        free(titles[i]);
    }
    free(rows);
    free(titles);
}
