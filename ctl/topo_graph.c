/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The drawing for Graphviz and for browsers. */
#include <stdlib.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/topology.h"
#include "proto/base/xalloc.h"

/* A text inside the quotes of DOT. */
static void put_dot(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void put_dot_node(FILE *out, const char *indent, const char *id, const char *label,
                         const char *more)
{
    fputs(indent, out);
    put_dot(out, id);
    fputs(" [label=", out);
    put_dot(out, label);
    fprintf(out, "%s];\n", more);
}

static void put_dot_edge(FILE *out, const char *indent, const char *from, const char *to)
{
    fputs(indent, out);
    put_dot(out, from);
    fputs(" -- ", out);
    put_dot(out, to);
    fputs(";\n", out);
}

static void dot_net(const struct topo_host *h, const struct topo_net *net, FILE *out)
{
    char *id = xasprintf("%s/%s", h->name, net->name);
    char *label = xasprintf("%s %s", net->name, net->text);
    put_dot_node(out, "    ", id, label, ", shape=box");
    put_dot_edge(out, "    ", h->name, id);
    for (size_t i = 0; i < net->n_items; i++) {
        const struct topo_item *item = &net->items[i];
        char *item_id = xasprintf("%s/%s", id, item->name);
        char *item_label = xasprintf("%s %s", item->name, item->text);
        bool up = strcmp(item->state, "up") == 0;
        put_dot_node(out, "    ", item_id, item_label,
                     up ? ", shape=ellipse" : ", shape=ellipse, style=dashed");
        put_dot_edge(out, "    ", id, item_id);
        free(item_id);
        free(item_label);
    }
    free(id);
    free(label);
}

void topo_dot(const struct topo *t, FILE *out)
{
    fputs("graph ", out);
    put_dot(out, *t->fabric ? t->fabric : "fabric");
    fputs(" {\n  graph [rankdir=LR, fontname=\"sans-serif\"];\n"
          "  node [fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\"];\n",
          out);
    for (size_t i = 0; i < t->n_hosts; i++) {
        const struct topo_host *h = &t->hosts[i];
        char *label = xasprintf("%s (%s)", h->name, h->self ? "this host" : h->state);
        fprintf(out, "  subgraph cluster_%zu {\n    label=", i);
        put_dot(out, label);
        fputs(";\n", out);
        put_dot_node(out, "    ", h->name, h->name, ", shape=component");
        for (size_t n = 0; n < h->n_nets; n++)
            dot_net(h, &h->nets[n], out);
        fputs("  }\n", out);
        free(label);
    }
    for (size_t i = 0; i < t->n_links; i++) {
        const struct topo_link *l = &t->links[i];
        fputs("  ", out);
        put_dot(out, t->hosts[l->from].name);
        fputs(" -- ", out);
        put_dot(out, t->hosts[l->to].name);
        fputs(" [penwidth=2, label=", out);
        put_dot(out, l->text);
        fputs(l->up ? "];\n" : ", style=dashed, color=red];\n", out);
    }
    fputs("}\n", out);
}

/* --- SVG: the hosts side by side, links as arcs above them -------------------------------- */

#define BOX_WIDTH  240u /* At least. */
#define BOX_GAP    60u
#define CHAR_WIDTH 8u /* Of a fixed-width font of 13 pixels, rounded up. */
#define INDENT     12u
#define ROW_HEIGHT 20u
#define ARC_HEIGHT 46u
#define MARGIN     20u

static void put_xml(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            fputs("&lt;", out);
        else if (*text == '>')
            fputs("&gt;", out);
        else if (*text == '&')
            fputs("&amp;", out);
        else
            fputc(*text, out);
    }
}

static void svg_text(FILE *out, size_t x, size_t y, const char *class, const char *text)
{
    fprintf(out, "<text x=\"%zu\" y=\"%zu\" class=\"%s\">", x, y, class);
    put_xml(out, text);
    fputs("</text>\n", out);
}

static size_t rows_of(const struct topo_host *h)
{
    size_t n = 2;
    for (size_t i = 0; i < h->n_nets; i++)
        n += 1 + h->nets[i].n_items;
    return n;
}

struct svg_boxes {
    size_t top, width; /* All are as wide as the widest needs to be. */
};

static size_t box_x(const struct svg_boxes *boxes, size_t host)
{
    return MARGIN + host * (boxes->width + BOX_GAP);
}

/* The text of row `row` of a host's box, the title being row 0; NULL behind the last. */
static char *row_text(const struct topo_host *h, size_t row, const char **class)
{
    *class = "title";
    if (row-- == 0)
        return xasprintf("%s (%s)", h->name, h->self ? "this host" : h->state);
    for (size_t i = 0; i < h->n_nets; i++) {
        const struct topo_net *net = &h->nets[i];
        *class = "net";
        if (row-- == 0)
            return xasprintf("%s  %s", net->name, net->text);
        *class = "item";
        if (row < net->n_items)
            return xasprintf("%s  %s  %s", net->items[row].name, net->items[row].text,
                             net->items[row].state);
        row -= net->n_items;
    }
    return NULL;
}

static size_t indent_of(const char *class)
{
    return strcmp(class, "item") == 0 ? 2 * INDENT : INDENT;
}

static size_t width_for(const struct topo_host *h)
{
    size_t widest = BOX_WIDTH;
    const char *class;
    char *text;
    for (size_t row = 0; (text = row_text(h, row, &class)) != NULL; row++) {
        size_t width = indent_of(class) + text_width(text) * CHAR_WIDTH + INDENT;
        widest = width > widest ? width : widest;
        free(text);
    }
    return widest;
}

static void svg_host(const struct topo_host *h, size_t x, const struct svg_boxes *boxes,
                     FILE *out)
{
    const char *class;
    char *text;
    fprintf(out,
            "<rect x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%zu\" rx=\"8\" "
            "class=\"host\"/>\n",
            x, boxes->top, boxes->width, rows_of(h) * ROW_HEIGHT);
    for (size_t row = 0; (text = row_text(h, row, &class)) != NULL; row++) {
        svg_text(out, x + indent_of(class), boxes->top + (row + 1) * ROW_HEIGHT, class,
                 text);
        free(text);
    }
}

/* Links of more than one box's span rise in proportion; the control point of such an arc, twice as
 * high as its crest, may lie above the picture. */
static void svg_link(const struct topo_link *l, const struct svg_boxes *boxes, FILE *out)
{
    size_t x1 = box_x(boxes, l->from) + boxes->width / 2;
    size_t x2 = box_x(boxes, l->to) + boxes->width / 2;
    size_t lift = (l->to - l->from) * ARC_HEIGHT;
    long control = (long)boxes->top - 2 * (long)lift + 16;
    fprintf(out, "<path d=\"M%zu %zu Q%zu %ld %zu %zu\" class=\"%s\"/>\n", x1, boxes->top,
            (x1 + x2) / 2, control, x2, boxes->top, l->up ? "up" : "down");
    svg_text(out, (x1 + x2) / 2, boxes->top - lift + 2, "label", l->text);
}

void topo_svg(const struct topo *t, FILE *out)
{
    struct svg_boxes boxes = {.width = BOX_WIDTH};
    size_t tallest = 0, span = 0;
    for (size_t i = 0; i < t->n_hosts; i++) {
        size_t rows = rows_of(&t->hosts[i]), width = width_for(&t->hosts[i]);
        tallest = rows > tallest ? rows : tallest;
        boxes.width = width > boxes.width ? width : boxes.width;
    }
    for (size_t i = 0; i < t->n_links; i++)
        if (t->links[i].to - t->links[i].from > span)
            span = t->links[i].to - t->links[i].from;
    boxes.top = MARGIN + ROW_HEIGHT + span * ARC_HEIGHT;
    size_t width = box_x(&boxes, t->n_hosts ? t->n_hosts - 1 : 0) + boxes.width + MARGIN;
    size_t height = boxes.top + (tallest + t->n_degraded) * ROW_HEIGHT + 2 * MARGIN;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" "
            "viewBox=\"0 0 %zu %zu\">\n",
            width, height, width, height);
    fputs("<style>text{font:13px monospace}.title,.net{font-weight:bold}.net{fill:#246}"
          ".label{text-anchor:middle}.host{fill:#f4f7fa;stroke:#456;stroke-width:1.5}"
          "path{fill:none;stroke-width:2.5}.up{stroke:#2a7}"
          ".down{stroke:#c33;stroke-dasharray:6 5}.bad{fill:#c33}</style>\n",
          out);
    if (*t->fabric)
        svg_text(out, MARGIN, MARGIN, "title", t->fabric);
    for (size_t i = 0; i < t->n_links; i++)
        svg_link(&t->links[i], &boxes, out);
    for (size_t i = 0; i < t->n_hosts; i++)
        svg_host(&t->hosts[i], box_x(&boxes, i), &boxes, out);
    for (size_t i = 0; i < t->n_degraded; i++) {
        char *text = xasprintf("degraded: %s", t->degraded[i]);
        svg_text(out, MARGIN, boxes.top + (tallest + 1 + i) * ROW_HEIGHT, "bad", text);
        free(text);
    }
    fputs("</svg>\n", out);
}
