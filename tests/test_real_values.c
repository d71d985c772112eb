// No value of the dead process in any output, unless --values asks for them.
#include "common.h"

#include <stdlib.h>
#include <string.h>

#include "real.h"

// What only values have in fixtures/secrets.py.
static const char *const secrets[] = {"hunter2", "271828182", "3.14159"};

static const char *const formats[] = {"text", "json", "markdown", "html", "dot", "folded"};

enum {
    FOLDED = 5, // has no values
};

static void expect_no_secret(const char *text, const char *what)
{
    for (size_t i = 0; i < LENGTH(secrets); i++)
        cr_expect_null(strstr(text, secrets[i]), "%s in %s", secrets[i], what);
}

// What a run wrote to its two streams and to `file`, if that is not NULL.
static void expect_silence(struct real_run run, const char *file, const char *what)
{
    cr_expect_lt(run.status, 128, "%s: %s", what, run.errors);
    expect_no_secret(run.output, what);
    expect_no_secret(run.errors, real_format("standard error of %s", what));
    if (file)
        expect_no_secret(REAL_COMMAND("cat", file).output, file);
}

static void expect_no_values(const struct real_core *core)
{
    const char *graph = real_format("%s/graph", core->directory);
    const char *json = real_format("%s/report.json", core->directory);
    for (size_t i = 0; i < LENGTH(formats); i++) {
        const char *format = real_format("--format=%s", formats[i]);
        struct real_run run = REAL_RUN("-v", "--limit=0", format, core->path, "--graph", graph);
        expect_silence(run, graph, real_format("%s %s", core->name, format));
        cr_expect(strstr(run.output, "own") || strstr(run.output, "hown"), "%s", format);
    }
    expect_silence(REAL_RUN("--format=json", "-o", json, core->path), json, "--format=json");
    static const char *const modes[] = {"--check", "--verify"};
    for (size_t i = 0; i < LENGTH(modes); i++) {
        expect_silence(REAL_RUN("-v", modes[i], core->path), NULL, modes[i]);
        expect_silence(REAL_RUN("-v", modes[i], "--format=json", core->path), NULL, modes[i]);
    }
    expect_silence(REAL_RUN("--merge", json, json), NULL, "--merge");
    expect_silence(REAL_RUN("--compare", json, core->path), NULL, "--compare");
}

// A run fails with a sentence that may name what the core says of the process.
static void expect_silent_failures(const struct real_core *core)
{
    const char *other = real_other_build(core->interpreter, "values-other");
    const struct real_run runs[] = {
        REAL_RUN(core->path, other),
        REAL_RUN(core->path, "/bin/sh"),
        REAL_RUN("--sysroot=/nonexistent", core->path),
        REAL_RUN("--format=dot", "--finding=00000000", core->path),
    };
    for (size_t i = 0; i < LENGTH(runs); i++)
        expect_silence(runs[i], NULL, runs[i].errors);
}

Test(values, not_shown_unasked)
{
    struct real_core core = real_make_core("shared", "kernel", "secrets.py");
    expect_no_values(&core);
    expect_silent_failures(&core);
    core = real_make_core("debian", "gcore", "secrets.py");
    expect_no_values(&core);
}

// The list of findings with all that --values may change taken out.
static char *plain_findings(json_t *report)
{
    json_t *findings = json_object_get(report, "findings"), *finding, *step;
    size_t i, j;
    json_array_foreach(findings, i, finding)
    {
        json_object_set_new(finding, "values", json_null());
        json_array_foreach(json_object_get(finding, "cycle"), j, step)
        {
            json_object_set_new(step, "key_edge", json_null());
        }
    }
    return json_dumps(findings, JSON_SORT_KEYS);
}

Test(values, shown_if_asked_and_told)
{
    struct real_core core = real_make_core("shared", "kernel", "secrets.py");
    for (size_t i = 0; i < FOLDED; i++) {
        const char *format = real_format("--format=%s", formats[i]);
        struct real_run run = REAL_RUN("--values", "--limit=0", format, core.path);
        cr_expect_eq(run.status, 0, "%s: %s", format, run.errors);
        cr_expect(strstr(run.output, "alues of the dead process are shown") ||
                      strstr(run.output, "\"values_shown\": true"),
                  "%s does not say so", format);
        cr_expect_not_null(strstr(run.output, "hunter2"), "%s has none", format);
    }
    json_t *with = real_parse(REAL_RUN("--values", "--format=json", core.path).output);
    json_t *without = real_parse(REAL_RUN("--format=json", core.path).output);
    char *one = plain_findings(with), *other = plain_findings(without);
    cr_expect_str_eq(one, other);
    free(one);
    free(other);
    cr_expect(json_is_false(real_json(without, "values_shown")));
    cr_expect(json_is_null(real_json(without, "core.arguments")));
    cr_expect(json_is_true(real_json(without, "core.arguments_hidden")));
    cr_expect_not_null(strstr(real_string(with, "core.arguments"), "hunter2"));
    cr_expect_str_eq(real_string(with, "core.command"), real_string(without, "core.command"));
    const char *text = REAL_RUN("--values", "--limit=0", core.path).output;
    static const char *const lines[] = {
        "['hunter2",
        "[u'hunter2'] ─▶ back to OldShown",
        "[<tuple, 1 item>] ─▶ back to OldShown",
        "[-271828182] ─▶ back to OldShown",
        ".__dict__['hunter2 ", // of an object
        ".__dict__['hunter2 of a module'] ─▶ list",
        ".shown_text = u'hunter2 \\u202e\\x1b[31m'",
    };
    for (size_t i = 0; i < LENGTH(lines); i++)
        cr_expect_not_null(strstr(text, lines[i]), "no %s", lines[i]);
}

// Reports that were made with them: what is made of many of these has none.
Test(values, not_passed_on)
{
    struct real_core core = real_make_core("shared", "kernel", "secrets.py");
    const char *json = real_format("%s/values.json", core.directory);
    struct real_run run = REAL_RUN("--values", "--format=json", "-o", json, core.path);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    cr_assert_not_null(strstr(REAL_COMMAND("cat", json).output, "hunter2"));
    expect_silence(REAL_RUN("--merge", json, json), NULL, "--merge");
    expect_silence(REAL_RUN("--merge", "--format=json", json, json), NULL, "--merge");
    expect_silence(REAL_RUN("--compare", json, core.path), NULL, "--compare");
}

Test(values, only_with_a_report)
{
    static const char *const others[] = {"--check", "--verify", "--merge", "--compare=x",
                                         "--format=folded"};
    for (size_t i = 0; i < LENGTH(others); i++)
        cr_expect_eq(REAL_RUN("--values", others[i], "core").status, 64, "%s", others[i]);
}

// --- against repr()

// The text that the report has for a name; NULL: none.
static const char *find_value(const json_t *report, const char *name)
{
    const json_t *finding, *object, *attribute;
    size_t i, j, k;
    json_array_foreach(real_json(report, "findings"), i, finding)
    {
        json_array_foreach(real_json(finding, "values.objects"), j, object)
        {
            json_array_foreach(real_json(object, "attributes"), k, attribute)
            {
                if (strcmp(real_string(attribute, "name"), name) == 0)
                    return real_string(attribute, "value");
            }
        }
    }
    return NULL;
}

// What is cut says so, and is as much as there is room for.
static void expect_value(const char *shown, const char *truth, const char *name)
{
    size_t length = strlen(shown);
    cr_expect_leq(length, 60, "%s: %s", name, shown);
    if (strcmp(shown, truth) == 0)
        return;
    cr_expect_gt(strlen(truth), 56, "%s: %s, not %s", name, shown, truth);
    cr_expect(length > 46 && strcmp(shown + length - 4, "'...") == 0, "%s: %s", name, shown);
    cr_expect_eq(strncmp(shown, truth, length - 4), 0, "%s: %s, not %s", name, shown, truth);
}

static void expect_values(const struct real_core *core, const char *option)
{
    json_t *report = real_parse(REAL_RUN("--values", "--format=json", core->path, option).output);
    const json_t *row;
    size_t i;
    json_array_foreach(real_json(core->truth, "values"), i, row)
    {
        const char *name = json_string_value(json_array_get(row, 0));
        const char *shown = find_value(report, name);
        cr_expect(shown, "%s: no %s", core->name, name);
        if (shown)
            expect_value(shown, json_string_value(json_array_get(row, 1)), name);
    }
    cr_expect_gt(i, 60);
}

Test(values, as_the_interpreter_writes_them)
{
    static const char *const interpreters[] = {"shared", "debian", "debian-dbg", "debian-i386"};
    for (size_t i = 0; i < LENGTH(interpreters); i++) {
        if (!real_find_interpreter(interpreters[i]))
            continue;
        struct real_core core = real_make_core(interpreters[i], "kernel", "reprs.py");
        expect_values(&core, NULL);
    }
    struct real_core core = real_make_core("shared", "kernel", "reprs.py");
    expect_values(&core, REAL_NO_FILES);
}
