/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The drawing for Graphviz and for browsers. */
#include <stdlib.h>
#include <string.h>

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

#define BOX_WIDTH  320u
#define BOX_GAP    60u
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

static size_t box_x(size_t host)
{
    return MARGIN + host * (BOX_WIDTH + BOX_GAP);
}

static void svg_host(const struct topo_host *h, size_t x, size_t top, FILE *out)
{
    char *title = xasprintf("%s (%s)", h->name, h->self ? "this host" : h->state);
    size_t y = top + ROW_HEIGHT;
    fprintf(
        out,
        "<rect x=\"%zu\" y=\"%zu\" width=\"%u\" height=\"%zu\" rx=\"8\" class=\"host\"/>\n",
        x, top, BOX_WIDTH, rows_of(h) * ROW_HEIGHT);
    svg_text(out, x + 12, y, "title", title);
    for (size_t i = 0; i < h->n_nets; i++) {
        char *net = xasprintf("%s  %s", h->nets[i].name, h->nets[i].text);
        svg_text(out, x + 12, y += ROW_HEIGHT, "net", net);
        free(net);
        for (size_t k = 0; k < h->nets[i].n_items; k++) {
            const struct topo_item *item = &h->nets[i].items[k];
            char *text = xasprintf("%s  %s  %s", item->name, item->text, item->state);
            svg_text(out, x + 32, y += ROW_HEIGHT, "item", text);
            free(text);
        }
    }
    free(title);
}

static void svg_link(const struct topo_link *l, size_t top, FILE *out)
{
    size_t x1 = box_x(l->from) + BOX_WIDTH / 2, x2 = box_x(l->to) + BOX_WIDTH / 2;
    size_t lift = (l->to - l->from) * ARC_HEIGHT;
    fprintf(out, "<path d=\"M%zu %zu Q%zu %zu %zu %zu\" class=\"%s\"/>\n", x1, top,
            (x1 + x2) / 2, top - 2 * lift + 16, x2, top, l->up ? "up" : "down");
    svg_text(out, (x1 + x2) / 2, top - lift + 2, "label", l->text);
}

void topo_svg(const struct topo *t, FILE *out)
{
    size_t tallest = 0, span = 0;
    for (size_t i = 0; i < t->n_hosts; i++)
        tallest = rows_of(&t->hosts[i]) > tallest ? rows_of(&t->hosts[i]) : tallest;
    for (size_t i = 0; i < t->n_links; i++)
        if (t->links[i].to - t->links[i].from > span)
            span = t->links[i].to - t->links[i].from;
    size_t top = MARGIN + ROW_HEIGHT + span * ARC_HEIGHT;
    size_t width = box_x(t->n_hosts ? t->n_hosts - 1 : 0) + BOX_WIDTH + MARGIN;
    size_t height = top + (tallest + t->n_degraded) * ROW_HEIGHT + 2 * MARGIN;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" "
            "viewBox=\"0 0 %zu %zu\">\n",
            width, height, width, height);
    fputs("<style>text{font:13px sans-serif}.title,.net{font-weight:bold}.net{fill:#246}"
          ".label{text-anchor:middle}.host{fill:#f4f7fa;stroke:#456;stroke-width:1.5}"
          "path{fill:none;stroke-width:2.5}.up{stroke:#2a7}"
          ".down{stroke:#c33;stroke-dasharray:6 5}.bad{fill:#c33}</style>\n",
          out);
    if (*t->fabric)
        svg_text(out, MARGIN, MARGIN, "title", t->fabric);
    for (size_t i = 0; i < t->n_links; i++)
        svg_link(&t->links[i], top, out);
    for (size_t i = 0; i < t->n_hosts; i++)
        svg_host(&t->hosts[i], box_x(i), top, out);
    for (size_t i = 0; i < t->n_degraded; i++) {
        char *text = xasprintf("degraded: %s", t->degraded[i]);
        svg_text(out, MARGIN, top + (tallest + 1 + i) * ROW_HEIGHT, "bad", text);
        free(text);
    }
    fputs("</svg>\n", out);
}
