// Bad input: each one sentence with cause, evidence and next step, exit status 2, nothing on
// standard output.
#include "common.h"

#include <elf.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fakecore.h"
#include "proof.h"
#include "real.h"

// `sentence` may have * where a figure stands that the test does not know.
static void expect_failure(struct real_run run, const char *sentence)
{
    const char *pattern = real_format("pycore-garbage: %s\n", sentence);
    cr_expect_eq(run.status, 2, "exit status %d, not 2, for %s", run.status, sentence);
    cr_expect_str_empty(run.output, "something on stdout: %s", run.output);
    cr_expect_eq(fnmatch(pattern, run.errors, 0), 0, "expected\n%snot\n%s", pattern, run.errors);
    cr_expect_eq(strcspn(run.errors, "\n") + 1, strlen(run.errors), "more than one line:\n%s",
                 run.errors);
}

static const char *make_file(const char *name, const char *text)
{
    const char *path = real_format("%s/%s", real_directory(real_format("%s.d", name)), name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

static struct real_core leak(void)
{
    return real_make_core("shared", "kernel", "seed_leak.py 5");
}

// --- no core at all

Test(bad_input, missing_file)
{
    expect_failure(REAL_RUN("/nonexistent/core"),
                   "/nonexistent/core: cannot open the core: No such file or directory; check the "
                   "name");
}

Test(bad_input, directory)
{
    expect_failure(REAL_RUN("/tmp"), "/tmp: a directory, not a core; pass the core file in it");
}

Test(bad_input, device)
{
    expect_failure(REAL_RUN("/dev/null"), "/dev/null: neither a regular file nor a pipe "
                                          "(st_mode 0*); save the core to a file first");
}

Test(bad_input, empty_file)
{
    const char *path = make_file("empty", "");
    expect_failure(REAL_RUN(path),
                   real_format("%s: empty file (0 bytes), the core was never written; check ulimit "
                               "-c and the free space where it was made",
                               path));
}

Test(bad_input, text_file)
{
    const char *path = make_file("text", "hello");
    expect_failure(REAL_RUN(path),
                   real_format("%s: not an ELF core (5 bytes, the first are 68 65 6c 6c); pass the "
                               "core file first and the executable second",
                               path));
}

Test(bad_input, packed_nonsense)
{
    const char *path = make_file("packed", "\x1f\x8b\x08\xff rest");
    expect_failure(REAL_RUN(path),
                   real_format("%s: nothing of it can be unpacked: gzip: unknown header flags set; "
                               "copy it again",
                               path));
}

Test(bad_input, elf_but_no_core)
{
    const char *python = real_need_interpreter("shared");
    expect_failure(REAL_RUN(python),
                   real_format("%s: not an ELF core but an ELF *(e_type *); pass the core file "
                               "first and the executable second",
                               python));
}

Test(bad_input, arguments_swapped)
{
    struct real_core core = leak();
    expect_failure(REAL_RUN(core.interpreter, core.path),
                   real_format("%s: not an ELF core but an ELF *(e_type *); pass the core file "
                               "first and the executable second",
                               core.interpreter));
}

// --- cores of something else

Test(bad_input, not_python)
{
    const char *core =
        real_dump("shell", (const char *const[]){"/bin/sh", "-c", "echo ready; read line", NULL});
    expect_failure(REAL_RUN(core),
                   "no file of the process has a Python 2 interpreter (looked for the symbols "
                   "PyType_Type and PyGC_Collect in * files of \"/bin/sh\"), and nothing in its "
                   "memory looks like one (2.7.18-x86_64*: *); is this the core of a Python "
                   "process?");
}

static const char *const python3[] = {
    "python3", "-c", "import sys, time; print('ready'); sys.stdout.flush(); time.sleep(100)", NULL};

// "3.11"
static const char *python3_version(void)
{
    struct real_run run = REAL_COMMAND(
        "python3", "-c", "import sys; sys.stdout.write('%d.%d' % sys.version_info[:2])");
    if (run.status != 0)
        real_skip("no python3 runs here: %s", run.errors);
    return run.output;
}

Test(bad_input, python3)
{
    const char *version = python3_version();
    const char *core = real_dump("python3", python3);
    const char *sentence =
        real_format("the process ran Python %s (*python%s*); since PEP 442 (Python 3.4) the "
                    "collector frees cycles with __del__, so this leak does not exist there; look "
                    "for what still refers to the objects instead",
                    version, version);
    expect_failure(REAL_RUN(core), sentence);
    // Its files are not needed for that.
    expect_failure(REAL_RUN("--sysroot=/nonexistent", core), sentence);
    proof_note_refusal("Python 3", "any machine", "collects cycles with `__del__` (PEP 442)");
}

// Addresses of 32 bits on x86-64.
Test(bad_input, core_of_x32)
{
    static const struct fakecore_segment segments[] = {{0x8048000, "\177ELF", 4, 0x1000, 0}};
    static const struct fakecore_thread threads[] = {{1234, 6}};
    static const struct fakecore_file files[] = {{0x8048000, 0x8049000, 0, "/usr/bin/python2.4"}};
    const struct fakecore spec = {.machine = EM_X86_64,
                                  .word_size = 4,
                                  .segments = segments,
                                  .segment_count = LENGTH(segments),
                                  .threads = threads,
                                  .thread_count = LENGTH(threads),
                                  .program = "python2.4",
                                  .command = "python2.4 leak.py",
                                  .pid = 1234,
                                  .signal = 6,
                                  .files = files,
                                  .file_count = LENGTH(files)};
    const char *path = make_file("core32", "");
    struct fakecore_file_image image = fakecore_build(&spec);
    fakecore_write(&image, path);
    fakecore_free(&image);
    expect_failure(REAL_RUN(path),
                   real_format("%s: a core of an x32 process (32-bit ELF class on x86-64), which "
                               "is not supported; run the program as x86-64 or i386",
                               path));
    proof_note_refusal("any", "x32", "run the program as x86-64 or i386");
}

// --- the wrong file

Test(bad_input, executable_of_another_build)
{
    struct real_core core = leak();
    const char *debian = real_need_interpreter("debian");
    expect_failure(REAL_RUN(core.path, debian),
                   real_format("%s: not the file of %s: its build-id differs (build-id %s here, %s "
                               "in the core for %s); pass the file that ran there*",
                               debian, core.path, real_build_id(debian),
                               real_build_id(core.interpreter), core.interpreter));
    core = real_make_core("debian", "gcore", "seed_leak.py 5");
    const char *shared = real_need_interpreter("shared");
    expect_failure(REAL_RUN(core.path, shared),
                   real_format("%s: not the file of %s: its build-id differs (build-id %s here, %s "
                               "in the core for %s); pass the file that ran there*",
                               shared, core.path, real_build_id(shared), real_build_id(debian),
                               debian));
}

Test(bad_input, executable_is_a_script)
{
    struct real_core core = leak();
    const char *script = make_file("script", "#!/bin/sh\nexit\n");
    struct real_run run = REAL_RUN(core.path, script), plain = REAL_RUN(core.path);
    cr_expect_eq(run.status, 0, "%s", run.errors);
    cr_expect_str_eq(run.output, plain.output);
    cr_expect_str_eq(run.errors,
                     real_format("pycore-garbage: %s: not an ELF executable but a script "
                                 "(#!/bin/sh), so the files that the core names are used\n",
                                 script));
}

Test(bad_input, executable_is_something_else)
{
    struct real_core core = leak();
    const char *text = make_file("words", "words");
    const char *empty = make_file("nothing", "");
    expect_failure(REAL_RUN(core.path, text),
                   real_format("%s: not an ELF executable (5 bytes, the first are 77 6f 72 64); "
                               "pass the ELF executable",
                               text));
    expect_failure(REAL_RUN(core.path, empty),
                   real_format("%s: empty file (0 bytes); pass the ELF executable", empty));
    expect_failure(REAL_RUN(core.path, "/nonexistent/python2.7"),
                   "/nonexistent/python2.7: cannot open: No such file or directory; check the "
                   "name");
    expect_failure(REAL_RUN(core.path, core.path),
                   real_format("%s: not an ELF executable but an ELF core (e_type 4); pass the "
                               "core file first and the executable second",
                               core.path));
    expect_failure(REAL_RUN(core.path, "/tmp"),
                   "/tmp: not a regular file (st_mode 0*); pass the ELF executable");
}

// --- output that cannot be written

Test(bad_input, unwritable_output)
{
    static const struct {
        const char *option;
        const char *problem;
    } rows[] = {
        {"--output=/nonexistent/report", "/nonexistent/report: cannot be written: No such file or "
                                         "directory"},
        {"--output=/tmp", "/tmp: cannot be written: Is a directory"},
        {"--graph=/nonexistent/graph", "/nonexistent/graph: cannot be written: No such file or "
                                       "directory"},
    };
    struct real_core core = leak();
    for (size_t i = 0; i < LENGTH(rows); i++)
        expect_failure(REAL_RUN(rows[i].option, core.path),
                       real_format("%s; choose another name or directory", rows[i].problem));
}

// A report in the place of the core would be the end of the evidence.
Test(bad_input, output_is_the_core)
{
    static const char *const options[] = {"--output", "--graph"};
    struct real_core core = leak();
    const char *copy = real_copy(core.path, "precious.core");
    const char *link = real_format("%s/core", real_directory("precious"));
    cr_assert_eq(symlink(copy, link), 0);
    for (size_t i = 0; i < LENGTH(options); i++) {
        struct real_run run = REAL_RUN(options[i], link, copy, core.interpreter);
        cr_expect_eq(run.status, 64, "%s: %d", options[i], run.status);
        cr_expect_str_empty(run.output);
        cr_expect_str_eq(run.errors, real_format("pycore-garbage: %s: is the core itself; choose "
                                                 "another name\n",
                                                 link));
    }
    cr_expect_eq(REAL_COMMAND("cmp", copy, core.path).status, 0, "the core was changed");
}

// An earlier report stays when there is none to put in its place.
Test(bad_input, output_is_kept)
{
    const char *report = make_file("report", "an earlier report");
    struct real_run run = REAL_RUN("-o", report, "/nonexistent/core");
    cr_expect_eq(run.status, 2);
    cr_expect_str_eq(REAL_COMMAND("cat", report).output, "an earlier report");
}

// Known only after the last byte.
Test(bad_input, full_disk)
{
    struct real_core core = leak();
    const char *program = getenv("PYCORE_GARBAGE");
    static const char *const formats[] = {"--format=text", "--format=json"};
    for (size_t i = 0; i < LENGTH(formats); i++) {
        expect_failure(REAL_RUN(formats[i], "-o", "/dev/full", core.path),
                       "/dev/full: could not be written whole: No space left on device");
        expect_failure(REAL_COMMAND("sh", "-c", "exec \"$0\" \"$@\" >/dev/full", program,
                                    formats[i], core.path),
                       "standard output: could not be written whole: No space left on device");
    }
    struct real_run run = REAL_RUN("--graph=/dev/full", core.path);
    cr_expect_eq(run.status, 2);
    cr_expect_str_eq(run.errors, "pycore-garbage: /dev/full: could not be written whole: No space "
                                 "left on device\n");
}

// --- cut

// The headers in part, half a header.
Test(bad_input, cut_to_little)
{
    static const struct {
        off_t size;
        const char *sentence;
    } rows[] = {
        {200, "its header table is damaged or cut: * program headers of 56 bytes at offset 64 "
              "promised, * there in 200 bytes; copy the core again"},
        {40, "its ELF header is damaged or cut (40 bytes: *); copy the core again"},
        {3, "not an ELF core (3 bytes, the first are 7f 45 4c); pass the core file first and the "
            "executable second"},
    };
    struct real_core core = leak();
    const char *cut = real_copy(core.path, "little.core");
    for (size_t i = 0; i < LENGTH(rows); i++) {
        cr_assert_eq(truncate(cut, rows[i].size), 0);
        expect_failure(REAL_RUN(cut, core.interpreter),
                       real_format("%s: %s", cut, rows[i].sentence));
    }
}
