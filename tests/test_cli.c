// The command line: options, orders of arguments, exit status, what goes to which stream.
#include "common.h"

#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "real.h"

enum {
    WRONG_USAGE = 64
};

static struct real_core leak(void)
{
    return real_make_core("shared", "kernel", "seed_leak.py 5");
}

// Several findings.
static struct real_core mixed(void)
{
    return real_make_core("shared", "kernel", "leaks.py mixed 3");
}

static void expect_match(const char *text, const char *pattern, const char *what)
{
    cr_expect_eq(fnmatch(pattern, text, 0), 0, "%s: expected\n%s\nnot\n%s", what, pattern, text);
}

// --- usage

Test(cli, wrong_usage)
{
    static const struct {
        const char *arguments[5];
        const char *error; // the first line
    } rows[] = {
        {{NULL}, "which core? usage: pycore-garbage CORE \\[EXECUTABLE]"},
        {{"-v"}, "which core? usage: pycore-garbage CORE \\[EXECUTABLE]"},
        {{"a", "b", "c"}, "too many arguments"},
        {{"-c", "a", "b", "c"}, "too many arguments"},
        {{"--no-such-option", "a"}, "*unrecognized option '--no-such-option'"},
        {{"-z", "a"}, "*invalid option -- 'z'"},
        {{"--format=xml", "a"},
         "--format takes text, json, markdown, html, dot or folded, not \"xml\""},
        {{"--limit=many", "a"}, "--limit takes a number from 0 to *, not \"many\""},
        {{"--limit=-1", "a"}, "--limit takes a number from 0 to *, not \"-1\""},
        {{"--limit=", "a"}, "--limit takes a number from 0 to *, not \"\""},
        {{"--error-exitcode=256", "a"},
         "--error-exitcode takes a number from 0 to 255, not \"256\""},
        {{"--error-exitcode", "a"}, "--error-exitcode takes a number from 0 to 255, not \"a\""},
        {{"--max-size=15999", "--format=markdown", "a"}, "--max-size takes 0 or at least 16000"},
        {{"--max-size=20000", "a"}, "--max-size is for --format=markdown*"},
        {{"--verify", "--format=markdown", "a"},
         "--check, --compare, --merge and --verify have text and json only"},
        {{"--jobs=-1", "a"}, "--jobs takes a number from 0 to *, not \"-1\""},
        {{"--verify=all", "a"}, "--verify takes a number from 0 to 4294967295, not \"all\""},
        {{"--verify=4294967296", "a"}, "--verify takes a number from 0 to *"},
        {{"--max-unpacked=many", "a"}, "--max-unpacked takes a number of bytes, *, not \"many\""},
        {{"--max-unpacked=1X", "a"}, "--max-unpacked takes a number of bytes, *"},
        {{"--max-unpacked=1GB", "a"}, "--max-unpacked takes a number of bytes, *"},
        {{"--max-unpacked=0", "a"}, "--max-unpacked takes a number of bytes, *"},
        {{"--max-unpacked=-1G", "a"}, "--max-unpacked takes a number of bytes, *"},
        {{"--max-unpacked=9999999T", "a"}, "--max-unpacked takes a number of bytes, *"},
        {{"--color=yes", "a"}, "--color takes auto, always or never, not \"yes\""},
        {{"--width=wide", "a"}, "--width takes a number from 0 to 10000, not \"wide\""},
        {{"--finding=d5248b1f", "a"}, "--finding goes with --format=dot"},
        {{"--check", "--format=dot", "a"},
         "--check, --compare, --merge and --verify have text and json only"},
        {{"--merge"}, "which reports? usage: pycore-garbage --merge FILE..."},
        {{"--merge", "-c", "a", "b"}, "--merge reads JSON reports, no core"},
        {{"--merge", "--compare=a", "b"}, "only one of --check, --compare, --merge and --verify"},
        {{"--verify", "--graph=g", "a"}, "--graph goes with the report of a core"},
        {{"a", "--compare"}, "*option '--compare' requires an argument"},
        {{"a", "-o"}, "*option requires an argument -- 'o'"},
        {{"a", "--graph"}, "*option '--graph' requires an argument"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct real_run run = real_run(rows[i].arguments);
        const char *first = real_format("%.*s", (int)strcspn(run.errors, "\n"), run.errors);
        const char *row = real_format("row %zu", i);
        cr_expect_eq(run.status, WRONG_USAGE, "%s: exit status %d", row, run.status);
        cr_expect_str_empty(run.output, "%s: %s", row, run.output);
        expect_match(first, real_format("*pycore-garbage: %s", rows[i].error), row);
        expect_match(run.errors, "*--help*", row);
    }
}

Test(cli, help)
{
    static const char *const told[] = {"CORE [EXECUTABLE]", "EXECUTABLE -c CORE",
                                       "--format",          "--graph",
                                       "--limit",           "--error-exitcode",
                                       "--sysroot",         "--library-path",
                                       "--output",          "--quiet",
                                       "--verbose",         "--jobs",
                                       "Exit status: 0",    "64 wrong usage",
                                       "--version",         "--force",
                                       "--max-size",        "--debug-path",
                                       "--debuginfod",      "--verify[=N]",
                                       "--verify: 0 all"};
    struct real_run run = REAL_RUN("--help");
    cr_expect_eq(run.status, 0);
    cr_expect_str_empty(run.errors);
    for (size_t i = 0; i < LENGTH(told); i++)
        cr_expect_not_null(strstr(run.output, told[i]), "--help does not tell of %s", told[i]);
}

Test(cli, version)
{
    struct real_run run = REAL_RUN("--version");
    cr_expect_eq(run.status, 0);
    cr_expect_str_empty(run.errors);
    expect_match(run.output, "pycore-garbage [0-9]*.[0-9]*.[0-9]*\n", "--version");
}

// --- arguments

// gdb's order too, so that `coredumpctl debug --debugger=pycore-garbage` works; EXECUTABLE may be
// left out where the core names a file that matches.
Test(cli, orders_of_arguments)
{
    struct real_core core = leak();
    const char *const rows[][5] = {
        {core.path, core.interpreter},
        {core.path},
        {core.interpreter, "-c", core.path},
        {"-c", core.path, core.interpreter},
        {"-c", core.path},
        {real_format("--core=%s", core.path), core.interpreter},
        {core.path, "--limit=100", "--", core.interpreter},
    };
    struct real_run first = real_run(rows[0]);
    cr_assert_eq(first.status, 0, "%s", first.errors);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct real_run run = real_run(rows[i]);
        cr_expect_eq(run.status, 0, "row %zu: %s", i, run.errors);
        cr_expect_str_empty(run.errors, "row %zu", i);
        cr_expect_str_eq(run.output, first.output, "row %zu: another report", i);
    }
}

// The libpython may be named instead of the launcher, and a symbolic link instead of either.
Test(cli, what_executable_may_be)
{
    struct real_core core = leak();
    const char *directory = real_directory("links");
    const char *link = real_format("%s/python", directory);
    const char *library = real_string(real_report(&core, 0), "interpreter.file");
    cr_assert_eq(symlink(core.interpreter, link), 0);
    const char *const executables[] = {core.interpreter, library, link};
    struct real_run first = REAL_RUN("--format=json", core.path);
    for (size_t i = 0; i < LENGTH(executables); i++) {
        struct real_run run = REAL_RUN("--format=json", core.path, executables[i]);
        cr_expect_eq(run.status, 0, "%s: %s", executables[i], run.errors);
        cr_expect_str_eq(run.output, first.output, "%s: another report", executables[i]);
    }
}

// --- output

Test(cli, output)
{
    static const char *const ways[] = {"-o", "--output"};
    struct real_core core = leak();
    struct real_run plain = REAL_RUN(core.path);
    const char *file = real_format("%s/report", core.directory);
    for (size_t i = 0; i < LENGTH(ways); i++) {
        // The second time into a longer file.
        struct real_run run = REAL_RUN(ways[i], file, core.path);
        cr_expect_eq(run.status, 0, "%s: %s", ways[i], run.errors);
        cr_expect_str_empty(run.output, "%s: something on stdout", ways[i]);
        cr_expect_str_eq(REAL_COMMAND("cat", file).output, plain.output, "%s", ways[i]);
        REAL_COMMAND("sh", "-c", "echo more >>\"$0\"", file);
    }
}

// One run gives a report and the graph.
Test(cli, graph)
{
    struct real_core core = leak();
    const char *file = real_format("%s/graph.cli", core.directory);
    struct real_run plain = REAL_RUN(core.path);
    struct real_run run = REAL_RUN(real_format("--graph=%s", file), core.path);
    json_t *report = real_report(&core, 0);
    cr_expect_eq(run.status, 0, "%s", run.errors);
    cr_expect_str_eq(run.output, plain.output);
    cr_expect_str_eq(REAL_COMMAND("sh", "-c", "wc -l <\"$0\"", file).output,
                     real_format("%lld\n", real_number(report, "heap.objects")));
}

// Instead of the report; where this program has no emulator, a sentence.
Test(cli, verify)
{
    struct real_core core = leak();
    const char *file = real_format("%s/verify", core.directory);
    struct real_run plain = REAL_RUN("--verify", core.path);
    if (plain.status == 2) {
        cr_expect_str_empty(plain.output);
        cr_expect_str_eq(plain.errors,
                         "pycore-garbage: --verify runs the process's code in an emulator: this "
                         "program was built without Unicorn (meson's -Demulator=enabled)\n");
        return;
    }
    cr_expect_eq(plain.status, 0, "%s", plain.errors);
    cr_expect_str_empty(plain.errors);
    expect_match(plain.output,
                 "Interpreter  *\nLayout  *, at most 1,000 objects each (*), 0 differ.\n",
                 "--verify");
    cr_expect_str_eq(REAL_RUN("--verify=1000", "--error-exitcode=42", core.path).output,
                     plain.output);
    expect_match(REAL_RUN("--verify=0", core.path).output, "*, all objects (*", "--verify=0");
    struct real_run json = REAL_RUN("--verify=3", "--format=json", "-o", file, core.path);
    cr_expect_str_empty(json.output);
    cr_expect_eq(json.status, 0);
    json_t *report = real_parse_file(file);
    cr_expect_eq(real_number(report, "verify.limit"), 3);
    cr_expect_leq(real_number(report, "verify.objects_checked"),
                  3 * real_number(report, "verify.types"));
    expect_match(REAL_RUN("-v", "--verify", core.path).errors, "* visited both ways, 0 differ\n*",
                 "-v");
}

static const char *first_line(const char *text)
{
    return real_format("%.*s", (int)strcspn(text, "\n"), text);
}

Test(cli, quiet_and_verbose)
{
    struct real_core core = leak();
    struct real_run plain = REAL_RUN(core.path), quiet = REAL_RUN("-q", core.path);
    struct real_run verbose = REAL_RUN("-v", core.path);
    struct real_run longer = REAL_RUN("--verbose", core.path);
    cr_expect_str_empty(plain.errors);
    cr_expect_str_empty(quiet.errors);
    cr_expect_str_eq(quiet.output, plain.output);
    cr_expect_str_eq(verbose.output, plain.output);
    cr_expect_str_not_empty(longer.errors);
    for (const char *at = verbose.errors; *at; at += strcspn(at, "\n") + 1)
        expect_match(first_line(at), "pycore-garbage: *", "-v");
}

// With -v which way gc.garbage was found.
Test(cli, verbose_tells_the_way_to_garbage)
{
    struct real_core by_module = real_make_core("debian", "kernel", "seed_leak.py 5");
    struct real_core by_evidence = real_make_core("debian", "kernel", "no_gc_module.py");
    expect_match(REAL_RUN("-v", by_module.path, real_need_unstripped()).errors,
                 "*gc.garbage by its symbol*", "symbol");
    expect_match(REAL_RUN("-v", by_module.path).errors,
                 "*gc.garbage through the gc module's dictionary*", "module");
    expect_match(REAL_RUN("-v", by_evidence.path).errors, "*gc.garbage by evidence*", "evidence");
}

// --- limit

// What is cut is said, and the counts stay whole.
Test(cli, limit)
{
    struct real_core core = mixed();
    json_t *whole = real_report(&core, 0);
    size_t findings = json_array_size(real_json(whole, "findings"));
    size_t items = json_array_size(real_json(whole, "garbage.objects"));
    cr_assert(findings == 4 && items > 4);
    cr_expect(json_is_false(real_json(whole, "garbage.objects_cut")));
    for (size_t limit = 1; limit < 6; limit++) {
        const char *option = real_format("--limit=%zu", limit);
        json_t *report = real_parse(REAL_RUN("--format=json", option, core.path).output);
        cr_expect_eq(json_array_size(real_json(report, "findings")),
                     limit < findings ? limit : findings, "%s", option);
        cr_expect_eq(real_number(report, "findings_total"), (json_int_t)findings, "%s", option);
        cr_expect_eq(json_array_size(real_json(report, "garbage.objects")), limit, "%s", option);
        cr_expect(json_is_true(real_json(report, "garbage.objects_cut")), "%s", option);
        cr_expect_eq(real_number(report, "garbage.length"), (json_int_t)items, "%s", option);
        cr_expect(json_equal(json_array_get(real_json(report, "garbage.objects"), 0),
                             json_array_get(real_json(whole, "garbage.objects"), 0)));
    }
}

Test(cli, limit_of_text)
{
    struct real_core core = mixed();
    expect_match(REAL_RUN("--limit=3", core.path).output,
                 "*\n1 more finding not shown (--limit).\n*", "3 of 4");
    expect_match(REAL_RUN("--limit=1", core.path).output,
                 "*\n3 more findings not shown (--limit).\n*", "1 of 4");
    cr_expect_null(strstr(REAL_RUN("--limit=4", core.path).output, "not shown"));
    cr_expect_null(strstr(REAL_RUN("--limit=0", core.path).output, "not shown"));
}

// A cycle is an array as well.
Test(cli, limit_of_a_cycle)
{
    struct real_core core = real_make_core("shared", "kernel", "leaks.py ring_1000");
    json_t *report = real_parse(REAL_RUN("--format=json", "--limit=10", core.path).output);
    const json_t *finding = json_array_get(real_json(report, "findings"), 0);
    cr_expect_eq(json_array_size(real_json(finding, "cycle")), 10);
    cr_expect(json_is_true(real_json(finding, "cycle_cut")));
    cr_expect_eq(real_number(finding, "objects"), 4000);
}

// --- what the text is made of

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

// The locale decides, or --ascii.
Test(cli, ascii)
{
    struct real_core core = leak();
    const char *program = getenv("PYCORE_GARBAGE");
    struct real_run plain = REAL_RUN(core.path), ascii = REAL_RUN("--ascii", core.path);
    struct real_run runs[] = {
        REAL_COMMAND("env", "LC_ALL=C", program, core.path),
        REAL_COMMAND("env", "-u", "LC_ALL", "-u", "LC_CTYPE", "-u", "LANG", program, core.path),
        REAL_COMMAND("env", "LC_ALL=nowhere.UTF-8", program, core.path),
    };
    cr_expect_not(is_ascii(plain.output));
    cr_expect(is_ascii(ascii.output), "%s", ascii.output);
    expect_match(ascii.output, "*      .t --> __main__.T     <-- break here\n*", "--ascii");
    for (size_t i = 0; i < LENGTH(runs); i++)
        cr_expect_str_eq(runs[i].output, ascii.output, "row %zu", i);
}

static size_t longest_line(const char *text)
{
    size_t most = 0;
    for (const char *at = text; *at; at += strcspn(at, "\n") + 1)
        most = strcspn(at, "\n") > most ? strcspn(at, "\n") : most;
    return most;
}

// The same words, however wide.
Test(cli, width)
{
    struct real_core core = leak();
    static const char *const widths[] = {"--width=100", "--width=60", "--width=1", "--width=10000"};
    const char *any = REAL_RUN("--ascii", "--width=0", core.path).output;
    cr_expect_str_eq(REAL_RUN(core.path).output, REAL_RUN("--width=100", core.path).output);
    cr_expect_gt(longest_line(any), 100);
    cr_expect_leq(longest_line(REAL_RUN("--ascii", "--width=100", core.path).output), 100);
    for (size_t i = 0; i < LENGTH(widths); i++) {
        const char *text = REAL_RUN("--ascii", widths[i], core.path).output;
        const char *squeeze = "printf %s \"$0\" | tr -s ' \\n' ' '";
        cr_expect_str_eq(REAL_COMMAND("sh", "-c", squeeze, text).output,
                         REAL_COMMAND("sh", "-c", squeeze, any).output, "%s", widths[i]);
    }
}

// Nobody looks: none but by order. Somebody looks: unless NO_COLOR is set.
Test(cli, color)
{
    struct real_core core = leak();
    struct real_run plain = REAL_RUN(core.path), always = REAL_RUN("--color=always", core.path);
    cr_expect_null(strchr(plain.output, '\33'));
    expect_match(always.output,
                 "\33\\[1mgc.garbage keeps *\33\\[0m\n*\33\\[1;31m◀ break here\33\\[0m\n*",
                 "--color=always");
    const char *command = real_format("'%s' '%s'", getenv("PYCORE_GARBAGE"), core.path);
    const char *no_color = real_format("NO_COLOR=1 %s", command);
    const char *never = real_format("%s --color=never", command);
    if (REAL_COMMAND("sh", "-c", "command -v script").status != 0)
        real_skip("there is no script(1) to make a terminal");
    cr_expect_not_null(strchr(
        REAL_COMMAND("env", "TERM=xterm", "script", "-qec", command, "/dev/null").output, '\33'));
    cr_expect_null(strchr(
        REAL_COMMAND("env", "TERM=xterm", "script", "-qec", no_color, "/dev/null").output, '\33'));
    cr_expect_null(strchr(
        REAL_COMMAND("env", "TERM=xterm", "script", "-qec", never, "/dev/null").output, '\33'));
}

// --- exit status

Test(cli, error_exitcode)
{
    static const struct {
        const char *command;
        const char *option;
        int status;
    } rows[] = {
        {"seed_leak.py 5", "--error-exitcode=42", 42},
        {"seed_leak.py 5", "--error-exitcode=255", 255},
        {"seed_leak.py 5", "--error-exitcode=0", 0},
        {"seed_leak.py 0", "--error-exitcode=42", 0},
        {"seed_leak.py 5 --disable-gc", "--error-exitcode=42", 42}, // pending cycles are cycles
        {"leaks.py live_cycle", "--error-exitcode=42", 0},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct real_core core = real_make_core("shared", "kernel", rows[i].command);
        struct real_run run = REAL_RUN(rows[i].option, core.path);
        cr_expect_eq(run.status, rows[i].status, "row %zu: exit status %d", i, run.status);
        cr_expect_str_not_empty(run.output, "row %zu", i);
        cr_expect_str_empty(run.errors, "row %zu: %s", i, run.errors);
    }
}

// --- files elsewhere

// A copy of Debian's interpreter, run where it then is no more.
static struct real_core gone(const char *home)
{
    const char *debian = real_need_interpreter("debian");
    const char *directory = real_directory(home);
    const char *copy = real_format("%s/python2.7", directory);
    struct real_run run = REAL_COMMAND(
        "sh", "-c",
        "cp \"$0\" \"$1\" && { cat \"$0.env\"; echo PYTHONHOME=${0%/bin/*}; } >\"$1.env\"", debian,
        copy);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    struct real_core core = real_make_core(copy, "kernel", "seed_leak.py 5");
    cr_assert_eq(unlink(copy), 0);
    return core;
}

Test(cli, interpreter_elsewhere)
{
    struct real_core core = gone("elsewhere");
    const char *debian = real_need_interpreter("debian");
    const char *sysroot = real_directory("sysroot");
    struct real_run made = REAL_COMMAND("sh", "-c", "mkdir -p \"$1${2%/*}\" && cp \"$0\" \"$1$2\"",
                                        debian, sysroot, core.interpreter);
    cr_assert_eq(made.status, 0, "%s", made.errors);
    const char *directory = real_format("%.*s", (int)(strrchr(debian, '/') - debian), debian);
    const char *const rows[][3] = {
        {core.path, debian},
        {core.path, real_format("--library-path=%s", directory)},
        {core.path, real_format("--library-path=/nonexistent:%s", directory)},
        {core.path, real_format("--sysroot=%s", sysroot)},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct real_run run = real_run(
            (const char *const[]){"--format=json", "--limit=0", rows[i][0], rows[i][1], NULL});
        cr_assert_eq(run.status, 0, "row %zu: %d: %s", i, run.status, run.errors);
        json_t *report = real_parse(run.output);
        cr_expect_eq(real_number(report, "garbage.length"), 5, "row %zu", i);
        cr_expect_eq(json_array_size(real_json(report, "findings")), 1, "row %zu", i);
        cr_expect(json_is_true(real_json(report, "interpreter.build_id_match")), "row %zu", i);
    }
}

// Without it, the core alone has to do, and a note says what would help.
Test(cli, interpreter_absent)
{
    struct real_core core = gone("absent");
    struct real_run run = REAL_RUN(core.path);
    cr_expect_eq(run.status, 0);
    expect_match(run.output, "gc.garbage keeps 20 objects alive: *", "without the file");
    cr_expect_str_eq(run.errors,
                     real_format("pycore-garbage: %s is not on this machine; the interpreter was "
                                 "recognized in the core alone; with its file as EXECUTABLE types "
                                 "and references are surer\n",
                                 core.interpreter),
                     "%s", run.errors);
}

// One bit of the build-id differs: refused, and with --force used and marked.
Test(cli, force)
{
    struct real_core core = real_make_core("debian", "kernel", "seed_leak.py 5");
    const char *id = real_build_id(core.interpreter);
    const char *copy = real_other_build(core.interpreter, "forced");
    struct real_run refused = REAL_RUN(core.path, copy);
    cr_expect_eq(refused.status, 2);
    cr_expect_str_empty(refused.output);
    expect_match(refused.errors,
                 real_format("pycore-garbage: %s: not the file of %s: its build-id differs "
                             "(build-id %s here, %s in the core for %s); pass the file that ran "
                             "there, or use this one all the same with --force\n",
                             copy, core.path, real_build_id(copy), id, core.interpreter),
                 "without --force");
    struct real_run forced = REAL_RUN("--force", "--format=json", core.path, copy);
    cr_assert_eq(forced.status, 0, "%s", forced.errors);
    json_t *report = real_parse(forced.output);
    cr_expect(json_is_false(real_json(report, "interpreter.build_id_match")));
    cr_expect_eq(real_number(report, "garbage.length"), 5);
    expect_match(REAL_RUN("--force", core.path, copy).output, "*DIFFERS*", "with --force");
}

// --- threads

// Reports and graphs do not depend on how many threads there are.
Test(cli, jobs)
{
    static const char *const commands[] = {"seed_leak.py 20000", "seed_leak.py 1000",
                                           "wide_heap.py", "seed_leak.py 50 --aged"};
    static const char *const jobs[] = {"--jobs=0", "--jobs=2", "--jobs=3", "--jobs=16"};
    const char *directory = real_directory("jobs");
    const char *graph = real_format("%s/one", directory);
    const char *other = real_format("%s/more", directory);
    for (size_t i = 0; i < LENGTH(commands); i++) {
        struct real_core core = real_make_core("shared", "kernel", commands[i]);
        struct real_run one = REAL_RUN("--jobs=1", "--format=json", "--graph", graph, core.path);
        cr_assert_eq(one.status, 0, "%s", one.errors);
        for (size_t j = 0; j < LENGTH(jobs); j++) {
            struct real_run more = REAL_RUN(jobs[j], "--format=json", "--graph", other, core.path);
            cr_expect_eq(more.status, 0, "%s %s: %s", core.name, jobs[j], more.errors);
            cr_expect_str_eq(more.output, one.output, "%s %s: another report", core.name, jobs[j]);
            cr_expect_eq(REAL_COMMAND("cmp", graph, other).status, 0, "%s %s: another graph",
                         core.name, jobs[j]);
        }
    }
}
