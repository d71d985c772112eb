// A core names files. What stands there is opened only to see that it is not the one: a FIFO, a
// device, a directory, a file of another build, one of many gigabytes.
#include "common.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "real.h"

// Below a sysroot, where the core's interpreter is looked for.
static const char *make_place(const char *sysroot, const char *file)
{
    const char *place = real_format("%s%s", sysroot, file);
    struct real_run run = REAL_COMMAND("sh", "-c", "mkdir -p \"$(dirname \"$1\")\"", "sh", place);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    unlink(place);
    return place;
}

static void put_fifo(const char *place, const char *file)
{
    (void)file;
    cr_assert_eq(mkfifo(place, 0600), 0);
}

static void put_device(const char *place, const char *file)
{
    (void)file;
    cr_assert_eq(symlink("/dev/zero", place), 0);
}

static void put_terminal(const char *place, const char *file)
{
    (void)file;
    cr_assert_eq(symlink("/dev/tty", place), 0);
}

static void put_directory(const char *place, const char *file)
{
    (void)file;
    cr_assert_eq(symlink("/", place), 0);
}

static void put_loop(const char *place, const char *file)
{
    (void)file;
    cr_assert_eq(symlink(place, place), 0);
}

static void put_other_build(const char *place, const char *file)
{
    const char *other = real_other_build(file, "named_other_build");
    cr_assert_eq(symlink(other, place), 0);
}

// Its headers are right, as far as they go.
static void put_huge(const char *place, const char *file)
{
    const char *other = real_other_build(file, "named_huge");
    struct real_run run = REAL_COMMAND("truncate", "-s", "64G", other);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    cr_assert_eq(symlink(other, place), 0);
}

Test(named_files, are_not_used)
{
    static const struct {
        const char *name;
        void (*put)(const char *place, const char *file);
    } rows[] = {
        {"a FIFO", put_fifo},           {"a device", put_device},
        {"a terminal", put_terminal},   {"a directory", put_directory},
        {"a link to itself", put_loop}, {"another build", put_other_build},
        {"64 GiB", put_huge},
    };
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 5");
    const char *file = real_string(real_report(&core, 0), "interpreter.file");
    const char *sysroot = real_directory("named_files");
    const char *place = make_place(sysroot, file);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        unlink(place);
        rows[i].put(place, file);
        struct real_run run =
            REAL_COMMAND("timeout", "20", getenv("PYCORE_GARBAGE"), "-q", "--format=json",
                         real_format("--sysroot=%s", sysroot), core.path);
        cr_assert_eq(run.status, 0, "%s: exit status %d: %s", rows[i].name, run.status, run.errors);
        json_t *report = real_parse(run.output);
        cr_expect_str_eq(real_string(report, "interpreter.recognized_from"), "core", "%s",
                         rows[i].name);
        cr_expect(json_is_null(real_json(report, "interpreter.file")), "%s", rows[i].name);
        cr_expect_eq(json_array_size(real_json(report, "findings")), 1, "%s", rows[i].name);
    }
    REAL_COMMAND("rm", "-rf", sysroot);
}

// -v says so, also where a sanitizer is in the way of it.
Test(named_files, every_way_is_confined)
{
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 5");
    const char *report = real_format("%s/report", real_directory("named_confined"));
    struct real_run made =
        REAL_COMMAND(getenv("PYCORE_GARBAGE"), "-q", "--format=json", "-o", report, core.path);
    cr_assert_eq(made.status, 0, "%s", made.errors);
    const char *compare = real_format("--compare=%s", report);
    const struct {
        const char *option, *argument;
        int steps;
    } rows[] = {{"-q", core.path, 2},
                {"--check", core.path, 1},
                {"--merge", report, 1},
                {compare, report, 1},
                {compare, core.path, 2}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct real_run run = REAL_RUN("-v", rows[i].option, rows[i].argument);
        int steps = 0;
        cr_expect_eq(run.status, 0, "%s: %s", rows[i].option, run.errors);
        for (const char *at = run.errors; (at = strstr(at, "confined: ")); at++)
            steps++;
        cr_expect_eq(steps, rows[i].steps, "%s: %s", rows[i].option, run.errors);
    }
}

// By strace, where there is one: after the interpreter's files are found, nothing is opened, and
// what is opened before is opened to be read.
Test(named_files, nothing_is_opened_late)
{
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 5");
    const char *log = real_format("%s/log", real_directory("named_strace"));
    // The leak sanitizer, where there is one, is a tracer itself.
    struct real_run run =
        REAL_COMMAND("env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-f", "-qq", "-o", log, "-e",
                     "trace=%file,%network,execve,seccomp,memfd_create", getenv("PYCORE_GARBAGE"),
                     "-q", "-o", "/dev/null", core.path);
    if (run.status == 127)
        real_skip("there is no strace");
    cr_assert_eq(run.status, 0, "%s", run.errors);
    const char *calls = REAL_COMMAND("cat", log).output;
    cr_expect_null(strstr(calls, "socket("), "%s", calls);
    cr_expect_null(strstr(calls, "O_RDWR"), "%s", calls);
    const char *seccomp = NULL;
    for (const char *at = calls; (at = strstr(at, "SECCOMP_SET_MODE_FILTER")); at++)
        seccomp = at;
    if (seccomp) {
        cr_expect_null(strstr(seccomp, "open"), "%s", seccomp);
        cr_expect_null(strstr(seccomp, "EPERM"), "%s", seccomp);
    }
}
