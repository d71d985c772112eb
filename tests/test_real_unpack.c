// Real cores as collectors of cores keep them: the report is that of the plain core.
#include "common.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "real.h"

static const char *const formats[][2] = {
    // what the report says of it, and what packs $1 into $2
    {"unpacked from zstd", "zstd -qcT2 \"$1\" >\"$2\""}, // systemd-coredump, ABRT
    {"unpacked from lz4", "lz4 -qc -B4 \"$1\" >\"$2\""}, // older systemd-coredump
    {"unpacked from xz", "xz -0c \"$1\" >\"$2\""},
    {"unpacked from gzip", "gzip -c \"$1\" >\"$2\""},
    {"unpacked from bzip2", "bzip2 -c \"$1\" >\"$2\""},
    {"unpacked from gzip in apport", "\"$FIXTURES/make-crash\" \"$1\" \"$2\""},
    {"unpacked from tar in gzip", "tar -czf \"$2\" \"$1\""},
};

static const char *scratch(const char *name)
{
    return real_format("%s/packed", real_directory(real_format("unpack_%s.d", name)));
}

static void shell(const char *command, const char *from, const char *to)
{
    struct real_run run = REAL_COMMAND("sh", "-c", command, "sh", from, to);
    cr_assert_eq(run.status, 0, "%s: %s", command, run.errors);
}

// A plain core whose pages of zeroes are holes, as when it is unpacked. In a core that the kernel
// wrote the holes are what the process never touched, and the report counts them; packed, a page of
// zeroes is a page of zeroes.
static struct real_core make_plain(const char *name, const char *interpreter, const char *kind,
                                   const char *command)
{
    struct real_core core = real_make_core(interpreter, kind, command);
    core.path = real_copy(core.path, real_format("unpack_%s.core", name));
    cr_assert_eq(REAL_COMMAND("fallocate", "-d", core.path).status, 0);
    return core;
}

static struct real_core make_leak(const char *name)
{
    return make_plain(name, "shared", "kernel", "seed_leak.py 200");
}

// Cuts out what is from `begin` to `end`, both of which must be there.
static const char *cut(const char *report, const char *begin, const char *end)
{
    const char *first = strstr(report, begin), *last = first ? strstr(first, end) : NULL;
    cr_assert_not_null(last, "%s", report);
    return real_format("%.*s%s", (int)(first - report), report, last);
}

// The report without what tells the core's name and what it was taken out of.
static const char *strip(const char *report)
{
    return cut(cut(report, "\nCore ", "\nProcess "), "\nTicket ", " bytes, ");
}

static void expect_same(const struct real_run *run, const struct real_run *plain, const char *words,
                        const char *path)
{
    cr_assert_eq(run->status, 0, "%s: exit status %d, %s", words, run->status, run->errors);
    cr_expect_str_empty(run->errors, "%s", words);
    cr_expect_str_eq(strip(run->output), strip(plain->output), "%s", words);
    cr_expect_not_null(strstr(run->output, real_format("\nCore         %s, ", path)), "%s:\n%s",
                       words, run->output);
    cr_expect_not_null(strstr(run->output, real_format("\n             %s, ", words)), "%s:\n%s",
                       words, run->output);
}

static void expect_same_report(const struct real_core *core, const char *name)
{
    struct real_run plain = REAL_RUN("--width=0", core->path, core->interpreter);
    const char *path = scratch(name);
    cr_assert_eq(plain.status, 0, "%s: %s", core->name, plain.errors);
    cr_expect_null(strstr(plain.output, "unpacked"));
    for (size_t i = 0; i < LENGTH(formats); i++) {
        shell(formats[i][1], core->path, path);
        struct real_run run = REAL_RUN("--width=0", path, core->interpreter);
        expect_same(&run, &plain, formats[i][0], path);
        unlink(path);
    }
}

Test(real_unpack, kernel_core)
{
    struct real_core core = make_leak("kernel_core");
    expect_same_report(&core, "kernel");
}

Test(real_unpack, gcore_core)
{
    struct real_core core = make_plain("gcore", "debian", "gcore", "leaks.py mixed 3");
    expect_same_report(&core, "gcore");
}

// All but the members that say where the core comes from.
static json_t *without_origin(json_t *report)
{
    json_t *core = json_object_get(report, "core");
    json_object_del(core, "file");
    json_object_del(core, "unpacked");
    return report;
}

Test(real_unpack, json)
{
    struct real_core core = make_leak("json");
    const char *path = scratch("json");
    shell(formats[5][1], core.path, path);
    json_t *plain = real_report(&core, 0);
    cr_expect(json_is_null(real_json(plain, "core.unpacked")));
    struct real_core packed = core;
    packed.path = path;
    json_t *report = real_report(&packed, 0);
    struct stat stat;
    cr_assert_eq(lstat(path, &stat), 0);
    const json_t *unpacked = real_json(report, "core.unpacked");
    json_t *expected = json_pack("{s:[s,s], s:b, s:I, s:n}", "layers", "apport", "gzip", "piped", 0,
                                 "packed_size", (json_int_t)stat.st_size, "damage");
    char *text = json_dumps(unpacked, 0);
    cr_expect(json_equal(unpacked, expected), "%s", text);
    free(text);
    json_decref(expected);
    cr_expect_str_eq(real_string(report, "core.file"), path);
    cr_expect(json_equal(without_origin(plain), without_origin(report)));
}

// --- pipes

static struct real_run run_shell(const char *command, const struct real_core *core)
{
    return REAL_COMMAND("sh", "-c", command, "sh", core->path, core->interpreter);
}

Test(real_unpack, pipes)
{
    static const struct {
        const char *command, *words, *path;
    } rows[] = {
        {"cat \"$1\" | \"$PYCORE_GARBAGE\" --width=0 - \"$2\"", "read from a pipe", "-"},
        {"zstd -qc \"$1\" | \"$PYCORE_GARBAGE\" --width=0 -c - \"$2\"", "unpacked from zstd", "-"},
        {"gzip -c \"$1\" | gzip -dc | \"$PYCORE_GARBAGE\" --width=0 /dev/stdin \"$2\"",
         "read from a pipe", "/dev/stdin"},
    };
    struct real_core core = make_leak("pipes");
    struct real_run plain = REAL_RUN("--width=0", core.path, core.interpreter);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct real_run run = run_shell(rows[i].command, &core);
        expect_same(&run, &plain, rows[i].words, rows[i].path);
    }
    // A file is no pipe, however it is given.
    struct real_run run = run_shell("\"$PYCORE_GARBAGE\" --width=0 - \"$2\" <\"$1\"", &core);
    cr_expect_str_eq(strip(run.output), strip(plain.output));
    cr_expect_null(strstr(run.output, "pipe"));
}

// The core of standard input is not to be written over.
Test(real_unpack, output_is_the_input)
{
    struct real_core core = make_leak("output_is_the_input");
    struct real_core copy = core;
    copy.path = real_copy(core.path, "unpack_output");
    struct real_run run = run_shell("\"$PYCORE_GARBAGE\" -o \"$1\" - \"$2\" <\"$1\"", &copy);
    cr_expect_eq(run.status, 64);
    cr_expect_not_null(strstr(run.errors, "is the core itself"), "%s", run.errors);
    cr_expect_eq(REAL_COMMAND("cmp", core.path, copy.path).status, 0);
    unlink(copy.path);
}

// --- what goes wrong

// All of the core came, but its sum did not: nobody knows whether it is right.
Test(real_unpack, damaged)
{
    struct real_core core = make_leak("damaged");
    struct real_run plain = REAL_RUN(core.path, core.interpreter);
    const char *path = scratch("damaged");
    struct stat stat;
    shell("gzip -c \"$1\" | head -c -5 >\"$2\"", core.path, path);
    cr_assert_eq(lstat(path, &stat), 0);
    struct real_run run = REAL_RUN("--width=0", path, core.interpreter);
    cr_expect_eq(run.status, 1, "exit status %d", run.status);
    cr_expect_not_null(strstr(run.output, ", DAMAGED\n"), "%s", run.output);
    const char *loss = real_format(
        "LOSS: the packed core is damaged at byte %lld of it, behind %lld bytes of the core: "
        "truncated gzip input\n",
        (long long)stat.st_size, (long long)real_number(real_report(&core, 0), "core.size"));
    cr_expect_not_null(strstr(run.output, loss), "%s%s", loss, run.output);
    cr_expect_not_null(strstr(plain.output, "complete"));
    run = REAL_RUN("--check", path, core.interpreter);
    cr_expect_eq(run.status, 1);
    cr_expect_not_null(strstr(run.output, "LOSS: what the core was packed in is damaged"), "%s",
                       run.output);
    cr_expect_not_null(strstr(run.output, ", DAMAGED\n             unpacked from gzip, "), "%s",
                       run.output);
    struct real_core packed = core;
    packed.path = path;
    const json_t *damage = real_json(real_report(&packed, 1), "core.unpacked.damage");
    cr_expect_eq(real_number(damage, "offset"), stat.st_size);
    cr_expect_str_eq(real_string(damage, "reason"), "truncated gzip input");
}

// What the headers promise and the stream does not give is missing, with the reason.
Test(real_unpack, cut)
{
    struct real_core core = make_leak("cut");
    const char *path = scratch("cut");
    shell("zstd -qc \"$1\" | head -c 300000 >\"$2\"", core.path, path);
    struct real_run run = REAL_RUN("--check", path, core.interpreter);
    cr_expect_not_null(strstr(run.output, "LOSS: what the core was packed in is damaged"), "%s",
                       run.output);
    cr_expect_eq(strncmp(run.output, "CUT: ", 5), 0, "%s", run.output);
    cr_expect_eq(run.status, 1);
    run = REAL_RUN("--width=0", path, core.interpreter);
    cr_expect_eq(run.status, 1);
    cr_expect_eq(strncmp(run.output, "CUT: ", 5), 0, "%s", run.output);
    cr_expect_not_null(strstr(run.output, "Truncated zstd input"), "%s", run.output);
}

Test(real_unpack, limit_and_directory)
{
    struct real_core core = make_leak("limit_and_directory");
    const char *path = scratch("limit");
    shell(formats[0][1], core.path, path);
    struct real_run run = REAL_RUN("--max-unpacked=1M", path, core.interpreter);
    cr_expect_eq(run.status, 2);
    cr_expect_str_eq(run.errors,
                     real_format("pycore-garbage: %s: unpacks to more than 1048576 bytes; if it is "
                                 "the core of such a large process, allow more with "
                                 "--max-unpacked=SIZE\n",
                                 path));
    cr_expect_eq(REAL_RUN("--max-unpacked=1T", path, core.interpreter).status, 0);
    run = REAL_RUN("--tmpdir=/nonexistent", path, core.interpreter);
    cr_expect_eq(run.status, 2);
    cr_expect_str_eq(run.errors,
                     real_format("pycore-garbage: %s: it cannot be unpacked in /nonexistent: no "
                                 "file can be made there: No such file or directory; choose a "
                                 "directory with --tmpdir=DIR\n",
                                 path));
    const char *directory = real_directory("unpack_tmp.d");
    run = REAL_RUN("-v", real_format("--tmpdir=%s", directory), path, core.interpreter);
    cr_expect_eq(run.status, 0);
    cr_expect_not_null(strstr(run.errors, real_format(" in %s, ", directory)), "%s", run.errors);
    cr_expect_eq(rmdir(directory), 0, "something is left there");
}

// Said once, and not with -q.
Test(real_unpack, directory_left_out)
{
    struct real_core core = make_leak("directory_left_out");
    const char *path = scratch("left_out");
    shell(formats[0][1], core.path, path);
    struct real_run run = REAL_COMMAND("env", "TMPDIR=/nonexistent", "sh", "-c",
                                       "exec \"$PYCORE_GARBAGE\" \"$1\"", "sh", path);
    cr_expect_eq(run.status, 0);
    cr_expect_str_eq(run.errors,
                     "pycore-garbage: /nonexistent: no file can be made there: No such file or "
                     "directory; unpacked in /var/tmp (--tmpdir=DIR has another)\n");
    run = REAL_COMMAND("env", "TMPDIR=/nonexistent", "sh", "-c",
                       "exec \"$PYCORE_GARBAGE\" -q \"$1\"", "sh", path);
    cr_expect_eq(run.status, 0);
    cr_expect_str_empty(run.errors);
}
