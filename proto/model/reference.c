/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reference for people: every key of the tables, in Markdown. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/xalloc.h"
#include "proto/model/node_internal.h"
#include "proto/model/openapi_table.h"
#include "proto/model/schema_internal.h"

/* Text of a cell: '|' would end it. */
static void cell(struct text *out, const char *text)
{
    text_add(out, " ");
    for (; *text; text++) {
        if (*text == '|') {
            text_char(out, '\\');
        }
        text_char(out, *text);
    }
    text_add(out, " |");
}

static const char *impact_of(const struct field *f)
{
    static const char *const names[] = {[IMPACT_LIVE] = "live",
                                        [IMPACT_FLAP] = "flap",
                                        [IMPACT_RESTART] = "restart",
                                        [IMPACT_DESTROY] = "destroy"};

    if (f->flags & FIELD_READONLY) {
        return "";
    }
    return f->flags & FIELD_IMMUTABLE ? "never" : names[f->impact];
}

static void add_values(struct text *out, const struct field *f)
{
    char allowed[128];

    schema_allowed(f, allowed, sizeof(allowed));
    text_printf(out, " %s%s", f->flags & FIELD_READONLY ? "the daemon's" : allowed,
                f->flags & FIELD_LIST ? ", or a list of such" : "");
    if (f->shorthand) {
        text_printf(out, "; %s alone is its `%s`",
                    f->type == FIELD_MAP_OF ? "an entry's value" : "a value", f->shorthand);
    }
    text_add(out, " |");
}

static const char *default_of(const struct field *f)
{
    if (f->otherwise) {
        return f->otherwise;
    }
    return f->flags & FIELD_RESOLVED   ? "chosen when made"
           : f->flags & FIELD_REQUIRED ? "required"
                                       : "";
}

static void add_row(struct text *out, const struct field *f, const char *path)
{
    text_printf(out, "| `%s%s` |", path, f->name);
    if (f->later) {
        text_add(out, " | | |");
        cell(out, f->later);
        text_char(out, '\n');
        return;
    }
    add_values(out, f);
    cell(out, default_of(f));
    cell(out, impact_of(f));
    cell(out, f->help);
    text_char(out, '\n');
}

static void add_rows(struct text *out, const struct field *fields, const char *path)
{
    for (const struct field *f = fields; f->name; f++) {
        char *inner;

        add_row(out, f, path);
        if (f->fields && !f->later) {
            inner = xasprintf("%s%s.%s", path, f->name,
                              f->type != FIELD_MAP_OF ? ""
                              : f->key == FIELD_INT   ? "ID."
                                                      : "NAME.");
            add_rows(out, f->fields, inner);
            free(inner);
        }
    }
}

static const char head[] =
    "<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->\n"
    "<!-- Made by `iothctl help --reference`; change the tables in proto/model instead. "
    "-->\n"
    "# Keys of the fabric file and of the API\n\n"
    "A fabric file has `version: 1`, the name of its `fabric`, files to `include`, and a "
    "section "
    "for each\nkind of object; [fabric-file.md](fabric-file.md) is the guide. In the API "
    "an "
    "object has the same keys.\n\n"
    "The column *change* says what a change of the key does to what runs: nothing that is "
    "noticed (live),\na moment's interruption (flap), a restart, or the end of the object "
    "and a "
    "new one (destroy). A key\nthat can never be changed is set when the object is made.\n";

static void add_names(struct text *out, const struct field *fields)
{
    if (fields == api_fabric_file) {
        text_add(out, " a fabric file |");
        return;
    }
    for (const struct field *f = fields; f && f->name; f++) {
        text_printf(out, "%s`%s`", f == fields ? " " : ", ", f->name);
    }
    text_add(out, " |");
}

static void add_routes(struct text *out)
{
    text_add(out, "\n## API\n\n"
                  "`GET /v1/KIND` lists the objects of a kind (`?network=NAME` those of "
                  "one network); "
                  "`GET`, `PUT`, `PATCH`\nand `DELETE /v1/KIND/NAME`, or "
                  "`/v1/KIND/NETWORK/NAME`, are "
                  "of one object. `If-Match: \"REVISION\"` holds\nfor changes, "
                  "`If-None-Match: *` for "
                  "making. `GET /openapi.json` describes all of it for programs.\n\n"
                  "| route | meaning | parameters | body | answer |\n"
                  "| --- | --- | --- | --- | --- |\n");
    for (const struct api_operation *o = api_operations; o->method; o++) {
        text_printf(out, "| `%s %s` |", o->method, o->path);
        cell(out, o->summary);
        cell(out, o->parameters ? o->parameters : "");
        add_names(out, o->body);
        if (o->type) {
            cell(out, o->type);
        } else {
            add_names(out, o->answer);
        }
        text_char(out, '\n');
    }
}

char *schema_reference(void)
{
    struct text out = {0};

    text_add(&out, head);
    for (const struct kind *k = schema_kinds; k->name; k++) {
        text_printf(&out, "\n## %s\n\n%s.", k->plural, k->help);
        if (k->later) {
            text_printf(&out, " Refused: %s.", k->later);
        }
        if (k->in_network) {
            text_add(&out,
                     " Stands under its network; in the API and on the command line it is "
                     "named\nNETWORK/NAME.");
        }
        if (k->fields) {
            text_add(&out, "\n\n| key | values | default | change | meaning |\n"
                           "| --- | --- | --- | --- | --- |\n");
            add_rows(&out, k->fields, "");
        } else {
            text_char(&out, '\n');
        }
    }
    add_routes(&out);
    return text_take(&out);
}
