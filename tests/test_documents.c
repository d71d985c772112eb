// What is written about the options names all of them, and none that there is not.
#include "common.h"

#include <ctype.h>
#include <string.h>

#include "real.h"

static const char *const files[] = {"pycore-garbage.1", "pycore-garbage.bash", "_pycore-garbage",
                                    "pycore-garbage.fish"};

static const char *document(const char *name)
{
    return real_format("%s/../analyzer/doc/%s", getenv("FIXTURES"), name);
}

// A manual page has \- for -, fish says -l name for --name; no page has {-v,--verbose}.
static const char *read_document(const char *name)
{
    return REAL_COMMAND("sed", "-e", "s/\\\\-/-/g", "-e", "s/ -l / --/", document(name)).output;
}

// The long option at `text`, "--name"; NULL: there is none.
static const char *option_at(const char *text)
{
    size_t length = 2;
    if (strncmp(text, "--", 2) != 0 || !islower((unsigned char)text[2]))
        return NULL;
    while (islower((unsigned char)text[length]) ||
           (text[length] == '-' && islower((unsigned char)text[length + 1])))
        length++;
    return real_format("%.*s", (int)length, text);
}

static bool names(const char *text, const char *option)
{
    size_t length = strlen(option);
    for (const char *at = text; (at = strstr(at, option)); at += length)
        if (!islower((unsigned char)at[length]) && at[length] != '-')
            return true;
    return false;
}

static void expect_all_named(const char *options, const char *text, const char *where)
{
    size_t count = 0;
    for (const char *at = options; *at; at++) {
        const char *option = option_at(at);
        if (!option)
            continue;
        cr_expect(names(text, option), "%s does not tell of %s", where, option);
        at += strlen(option) - 1;
        count++;
    }
    cr_expect_gt(count, 10, "%zu options in what %s is compared with", count, where);
}

Test(documents, name_all_options)
{
    const char *usage = REAL_RUN("--usage").output; // argp makes it from the table of options
    const char *help = REAL_RUN("--help").output;
    expect_all_named(usage, help, "--help");
    expect_all_named(help, usage, "the table");
    for (size_t i = 0; i < LENGTH(files); i++) {
        const char *text = read_document(files[i]);
        // Of another program.
        text = REAL_COMMAND("sh", "-c", "printf %s \"$0\" | sed 's/--debugger=//'", text).output;
        expect_all_named(usage, text, files[i]);
        expect_all_named(text, usage, "the table, unlike the file");
    }
}

Test(documents, help_fits_a_screen)
{
    const char *help = REAL_RUN("--help").output;
    size_t lines = 0;
    for (const char *at = help; *at; at += strcspn(at, "\n") + 1, lines++)
        cr_expect_leq(strcspn(at, "\n"), 80, "%.*s", (int)strcspn(at, "\n"), at);
    cr_expect_leq(lines, 24, "%zu lines", lines);
    cr_expect_not_null(strstr(help, "man pycore-garbage"));
}

// Those who read them find nothing wrong, as far as they are on this machine.
Test(documents, are_well_formed)
{
    static const char *const checks[][3] = {
        {"man", "man --warnings -Tutf8 -Z -l \"$0\" >/dev/null", "pycore-garbage.1"},
        {"bash", "bash -n \"$0\"", "pycore-garbage.bash"},
        {"zsh", "zsh -n \"$0\"", "_pycore-garbage"},
        {"fish", "fish -n \"$0\"", "pycore-garbage.fish"},
    };
    for (size_t i = 0; i < LENGTH(checks); i++) {
        if (REAL_COMMAND("sh", "-c", "command -v \"$0\"", checks[i][0]).status != 0)
            continue;
        struct real_run run = REAL_COMMAND("sh", "-c", checks[i][1], document(checks[i][2]));
        cr_expect_eq(run.status, 0, "%s: %s", checks[i][2], run.errors);
        cr_expect_str_empty(run.errors, "%s: %s", checks[i][2], run.errors);
    }
}

// In bash as a user has it: what a word may go on with.
Test(documents, completion)
{
    static const char *const rows[][2] = {
        {"pycore-garbage --fo", "--force --format="},
        {"pycore-garbage --format = f", "folded"},
        {"pycore-garbage --color =", "auto always never"},
        {"pycore-garbage --limit = 1", ""},
    };
    static const char *const script =
        "compopt() { :; }; . \"$0\"; COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
        "_pycore_garbage; echo -n \"${COMPREPLY[*]}\"";
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct real_run run =
            REAL_COMMAND("bash", "-c", script, document("pycore-garbage.bash"), rows[i][0]);
        cr_expect_str_eq(run.output, rows[i][1], "%s: %s, %s", rows[i][0], run.output, run.errors);
    }
}
