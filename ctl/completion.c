/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The completion of the shells: `iothctl complete -- WORD…` prints what the last word may become,
 * a line each, out of the tables and without a daemon; the script of each shell hands the words on.
 * Where nothing is printed the shell offers files.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/object.h"
#include "ctl/words.h"
#include "proto/model/schema.h"

/* What stands before the word that is completed. */
struct typed {
    const char *noun, *verb, *previous;
    unsigned arguments; /* Behind noun and verb. */
};

static void offer(const char *word, const char *begun)
{
    if (strncmp(word, begun, strlen(begun)) == 0)
        puts(word);
}

/* Each of `words`, which '|' separates, behind `before`. */
static void offer_words(const char *before, const char *words, const char *but,
                        const char *begun)
{
    char word[128];
    while (*words) {
        size_t n = strcspn(words, "|");
        snprintf(word, sizeof(word), "%.*s", (int)n, words);
        if (!but || !words_in(but, word)) {
            snprintf(word, sizeof(word), "%s%.*s", before, (int)n, words);
            offer(word, begun);
        }
        words += n + (words[n] == '|');
    }
}

static const struct option_row *find_option(const struct option_row *rows, const char *word)
{
    for (; rows && rows->name; rows++)
        if ((strncmp(word, "--", 2) == 0 && strcmp(rows->name, word + 2) == 0) ||
            (word[0] == '-' && word[1] && !word[2] && rows->letter == word[1]))
            return rows;
    return NULL;
}

/* The row of what was typed; where only the noun fits, any of its rows. */
static const struct command *find_row(const struct typed *t, bool *exact)
{
    const struct command *any = NULL;
    *exact = false;
    for (const struct command *c = commands; c->noun && t->noun; c++) {
        if (strcmp(c->noun, t->noun) != 0 || c->later)
            continue;
        any = any ? any : c;
        if (!c->verb || (t->verb && strcmp(c->verb, t->verb) == 0)) {
            *exact = true;
            return c;
        }
    }
    return any;
}

static const struct option_row *option_of(const struct typed *t, const char *word)
{
    bool exact;
    const struct command *c = find_row(t, &exact);
    const struct option_row *o = find_option(exact ? c->options : NULL, word);
    return o ? o : find_option(global_options, word);
}

/* One more word in front of the one that is completed. */
static void take(struct typed *t, const char *word)
{
    const struct option_row *before = t->previous ? option_of(t, t->previous) : NULL;
    bool exact, value = before && before->value;
    t->previous = value ? NULL : word;
    if (value || word[0] == '-')
        return;
    const struct command *row = find_row(t, &exact);
    if (!t->noun)
        t->noun = word;
    else if (row && row->verb && !t->verb)
        t->verb = word;
    else
        t->arguments++;
}

static void offer_nouns(const char *begun)
{
    const char *last = "";
    for (const struct command *c = commands; c->noun; c++) {
        if (c->later || (c->flags & COMMAND_HIDDEN) || strcmp(c->noun, last) == 0)
            continue;
        offer(c->noun, begun);
        last = c->noun;
    }
}

static void offer_verbs(const char *noun, const char *begun)
{
    for (const struct command *c = commands; c->noun; c++)
        if (strcmp(c->noun, noun) == 0 && c->verb && !c->later)
            offer(c->verb, begun);
}

static void offer_options(const struct option_row *rows, const char *begun)
{
    char word[64];
    for (; rows && rows->name; rows++) {
        snprintf(word, sizeof(word), "--%s", rows->name);
        if (!rows->later || rows->later_words)
            offer(word, begun);
    }
}

/* KEY= of what `set` changes, and behind it the words that the key may have. */
static void offer_keys(const char *noun, const char *begun)
{
    char word[80];
    const struct kind *kind = schema_kind(object_kind(noun));
    for (const struct field *f = kind->fields; f && f->name; f++) {
        if (f->later || f->flags & (FIELD_READONLY | FIELD_IMMUTABLE))
            continue;
        snprintf(word, sizeof(word), "%s=", f->name);
        size_t n = strlen(word);
        if (strncmp(begun, word, n) != 0)
            offer(word, begun);
        else if (f->type == FIELD_BOOL)
            offer_words(word, "true|false", NULL, begun);
        else if (f->words && !(f->flags & FIELD_LINK))
            offer_words(word, f->words, NULL, begun);
    }
}

static void offer_all(const struct typed *t, const char *begun)
{
    bool exact;
    const struct command *c = find_row(t, &exact);
    const struct option_row *o = t->previous ? option_of(t, t->previous) : NULL;
    if (o && o->value) {
        if (o->words)
            offer_words("", o->words, o->later_words, begun);
    } else if (begun[0] == '-') {
        offer_options(exact ? c->options : NULL, begun);
        offer_options(global_options, begun);
    } else if (!t->noun) {
        offer_nouns(begun);
    } else if (c && !exact) {
        offer_verbs(t->noun, begun);
    } else if (c && c->run == cmd_set && t->arguments > 0) {
        offer_keys(t->noun, begun);
    } else if (c && c->run == cmd_completion) {
        offer_words("", c->usage, NULL, begun);
    } else if (c && c->run == cmd_help && t->arguments == 0) {
        offer_nouns(begun);
    }
}

int cmd_complete(struct ctl *ctl, const struct args *args)
{
    struct typed t = {0};
    (void)ctl;
    for (int i = 0; i + 1 < args->n_rest; i++) {
        if (strcmp(args->rest[i], "--") == 0) /* What follows is the program's. */
            return CTL_DONE;
        take(&t, args->rest[i]);
    }
    offer_all(&t, args->rest[args->n_rest - 1]);
    return CTL_DONE;
}

/* bash takes '=' for the end of a word unless it is told otherwise. */
static const char bash[] =
    "# bash completion of iothctl\n"
    "_iothctl() {\n"
    "    local word='' words=() i\n"
    "    for ((i = 1; i <= COMP_CWORD; i++)); do\n"
    "        case ${COMP_WORDS[i]} in\n"
    "        =) if ((i > 1)); then words[-1]+== word=${words[-1]}; else words+=(=); fi ;;\n"
    "        *) if [[ $word == *= ]]; then words[-1]+=${COMP_WORDS[i]} word=''\n"
    "           else words+=(\"${COMP_WORDS[i]}\"); fi ;;\n"
    "        esac\n"
    "    done\n"
    "    mapfile -t COMPREPLY < <(\"${COMP_WORDS[0]}\" complete -- \"${words[@]}\" "
    "2>/dev/null)\n"
    "    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null\n"
    "    [[ ${words[-1]} != *=* || ${words[-1]} == -* ]] ||\n"
    "        COMPREPLY=(\"${COMPREPLY[@]#\"${words[-1]%%=*}\"=}\")\n"
    "}\n"
    "complete -o default -F _iothctl iothctl\n";

static const char zsh[] = "#compdef iothctl\n"
                          "_iothctl() {\n"
                          "    local -a found\n"
                          "    found=(${(f)\"$(${words[1]} complete -- "
                          "\"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
                          "    if (( ! ${#found} )); then\n"
                          "        _files\n"
                          "    else\n"
                          "        compadd -S '' -- ${(M)found:#*=}\n"
                          "        compadd -- ${found:#*=}\n"
                          "    fi\n"
                          "}\n"
                          "compdef _iothctl iothctl\n";

static const char fish[] = "# fish completion of iothctl\n"
                           "function __iothctl_complete\n"
                           "    set -l typed (commandline -opc) (commandline -ct)\n"
                           "    $typed[1] complete -- $typed[2..] 2>/dev/null\n"
                           "end\n"
                           "complete -c iothctl -a '(__iothctl_complete)'\n";

int cmd_completion(struct ctl *ctl, const struct args *args)
{
    static const struct {
        const char *shell, *script;
    } scripts[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        if (strcmp(scripts[i].shell, args->words[0]) == 0) {
            fputs(scripts[i].script, stdout);
            return CTL_DONE;
        }
    return ctl_fail(ctl, CTL_USAGE, "there is no completion for \"%s\" (%s)",
                    args->words[0], args->command->usage);
}
