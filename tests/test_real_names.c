// Names made to mislead, of all things in a real process, in every format.
#include "common.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "real.h"

static const char *const formats[] = {"text", "json", "markdown", "html", "dot", "folded"};

// tests/check_output.py says what is harmless.
static void expect_harmless(const char *format, const char *path)
{
    const char *checker = real_format("%s/../tests/check_output.py", getenv("FIXTURES"));
    struct real_run check = REAL_COMMAND("python3", checker, format, path);
    cr_expect_eq(check.status, 0, "%s %s: %s", format, path, check.errors);
}

static void expect_harmless_text(const char *format, const char *text, const char *path)
{
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
    expect_harmless(format, path);
}

static void expect_harmless_run(struct real_run run, const char *format, const char *directory)
{
    cr_expect_leq(run.status, 2, "%s", run.errors);
    expect_harmless_text(format, run.output, real_format("%s/output", directory));
    expect_harmless_text("words", run.errors, real_format("%s/errors", directory));
}

static void expect_harmless_reports(const struct real_core *core, const char *directory)
{
    for (size_t i = 0; i < LENGTH(formats); i++) {
        const char *format = real_format("--format=%s", formats[i]);
        const char *file = real_format("%s/report.%s", directory, formats[i]);
        expect_harmless_run(REAL_RUN("-v", "--limit=0", format, core->path), formats[i], directory);
        const char *values = strcmp(formats[i], "folded") ? "--values" : "-q";
        struct real_run run = REAL_RUN(values, "--limit=0", format, core->path, "-o", file);
        cr_expect_leq(run.status, 1, "%s: %s", format, run.errors);
        expect_harmless(formats[i], file);
    }
}

Test(names, of_all_things)
{
    struct real_core core = real_make_core("shared", "kernel", "hostile_names.py");
    const char *directory = real_directory("names");
    const char *json = real_format("%s/report.json", directory);
    const char *html = real_format("%s/report.html", directory);
    const char *graph = real_format("%s/graph", directory);
    expect_harmless_reports(&core, directory);
    // A class of each kind, and a generator, of each name.
    size_t findings = json_array_size(real_json(real_parse_file(json), "findings"));
    cr_expect_geq(findings, (size_t)real_number(core.truth, "names") * 2);
    expect_harmless_run(REAL_RUN("--graph", graph, core.path), "text", directory);
    expect_harmless("graph", graph);
    expect_harmless_run(REAL_RUN("--verify=10", core.path), "words", directory);
    expect_harmless_run(REAL_RUN("--check", core.path), "words", directory);
    expect_harmless_run(REAL_RUN("--merge", json, json), "words", directory);
    expect_harmless_run(REAL_RUN("--compare", json, core.path), "words", directory);
    expect_harmless_run(REAL_RUN("--ascii", core.path), "text", directory);
    if (REAL_COMMAND("tidy", "--version").status == 0) {
        struct real_run tidy = REAL_COMMAND("tidy", "-q", "-e", html);
        cr_expect_str_empty(tidy.errors, "%s", tidy.errors);
    }
    REAL_COMMAND("rm", "-r", directory);
}

// One by one, with the lengths that names have been cut to.
Test(names, long_ones_are_cut)
{
    struct real_core core = real_make_core("shared", "kernel", "hostile_names.py");
    struct real_run run = REAL_RUN("--width=0", "--limit=0", core.path);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    const char *text = run.output;
    for (size_t length; *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        cr_expect(length < 5000 || strncmp(text, "Ticket", 6) == 0, "%zu: %.200s", length, text);
    }
}

// What standard error tells of: the files of a process, of which none is here.
Test(names, of_files)
{
    const char *directory = real_directory("files\033[31m\nVerdict\342\200\256");
    const char *shell = real_format("%s/sh\033]0;owned\007", directory);
    cr_assert_eq(REAL_COMMAND("cp", "/bin/sh", shell).status, 0);
    const char *const arguments[] = {shell, "-c", "echo ready; read line", NULL};
    const char *core = real_dump("names-of-files", arguments);
    const char *out = real_directory("names-of-files.out");
    cr_assert_eq(unlink(shell), 0);
    const struct real_run runs[] = {
        REAL_RUN("-v", core),        REAL_RUN("-v", core, "/bin/true"),
        REAL_RUN("-v", core, shell), REAL_RUN("--check", core),
        REAL_RUN("--verify", core),  REAL_RUN(shell),
        REAL_RUN("--merge", shell),  REAL_RUN("--sysroot", directory, core),
    };
    for (size_t i = 0; i < LENGTH(runs); i++) {
        cr_expect_eq(runs[i].status, 2, "%zu: %s", i, runs[i].errors);
        expect_harmless_run(runs[i], "words", out);
    }
    struct real_run run = REAL_RUN("--check", "--format=json", core);
    expect_harmless_run(run, "json", out);
    cr_expect_not_null(strstr(run.output, "sh\\\\x1b]0;owned\\\\x07"), "%s", run.output);
    REAL_COMMAND("rm", "-r", directory, out);
}
