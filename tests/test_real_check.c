// --check: what a core is good for, before anybody waits for a report.
#include "common.h"

#include <elf.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "real.h"

static void expect_match(const char *text, const char *pattern, const char *what)
{
    cr_expect_eq(fnmatch(pattern, text, 0), 0, "%s: expected\n%s\nnot\n%s", what, pattern, text);
}

Test(check, usable)
{
    static const char *const kinds[][4] = {
        {"shared", "kernel", "SIGABRT", "5 items\n"},
        {"debian", "gcore", "SIGSTOP, as gdb's gcore leaves in a living process", ""}};
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct real_core core = real_make_core(kinds[i][0], kinds[i][1], "seed_leak.py 5");
        struct real_run run = REAL_RUN("--check", core.path);
        cr_expect_eq(run.status, 0, "%s: %d: %s", core.name, run.status, run.output);
        cr_expect_str_empty(run.errors, "%s: %s", core.name, run.errors);
        expect_match(run.output,
                     real_format("Usable.\n\nCore         %s, *, x86_64, complete\n"
                                 "Process      * pid *, 1 thread\nSignal       %s\n"
                                 "Saved        *private memory (heap, stacks)\n*"
                                 "coredump_filter may have been 0x33, the default\n"
                                 "Files        * match by build-id, * 0 differ, 0 not here\n"
                                 "Interpreter  CPython 2.7.*\nLayout       built-in column 2.7.*\n"
                                 "gc.garbage   *%s",
                                 core.path, kinds[i][2], kinds[i][3]),
                     core.name);
    }
}

// A core whose end was lost. --check still says what it is of.
Test(check, cut)
{
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 5");
    const char *cut = real_copy(core.path, "check-cut.core");
    struct stat status;
    cr_assert_eq(stat(cut, &status), 0);
    cr_assert_eq(truncate(cut, status.st_size / 2), 0);
    struct real_run run = REAL_RUN("--check", cut);
    cr_expect_eq(run.status, 1);
    expect_match(
        run.output,
        "CUT: * of the core are missing, in * segments: * of the heap and stacks, * of the "
        "interpreter's data, *.\nEvery number is a lower bound.\nUsable, with losses.\n"
        // A core has the first 80 bytes of the command.
        "LOSS: the core was cut short; *Core         *CUT: * missing\nProcess      "
        "*python2.7 *Signal       SIGABRT\n*Interpreter  CPython 2.7*",
        "cut");
    json_t *report = real_parse(REAL_RUN("--check", "--format=json", cut).output);
    cr_expect_str_eq(real_string(report, "check.usable"), "with losses");
    cr_expect_gt(real_number(report, "core.missing.heap"), 0);
    unlink(cut);
}

// The interpreter is at hand, the libraries are not.
Test(check, files_absent)
{
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 5");
    const char *library = real_string(real_report(&core, 0), "interpreter.file");
    const char *nothing = real_format("--sysroot=%s", real_directory("check-nothing"));
    struct real_run run = REAL_RUN("--check", nothing, core.path, library);
    cr_expect_eq(run.status, 1, "%d: %s", run.status, run.output);
    expect_match(run.output,
                 "Usable, with losses.\nLOSS: files of the process are not here; get them by "
                 "--sysroot=DIR *\n*not here: */libc.so.6 (build-id *)\n*gc.garbage   5 items\n",
                 "absent");
    json_t *report =
        real_parse(REAL_RUN("--check", "--format=json", nothing, core.path, library).output);
    cr_expect_str_eq(real_string(report, "check.usable"), "with losses");
    cr_expect_gt(real_number(report, "check.files.absent_total"), 2);
    // Nor the interpreter.
    run = REAL_RUN("--check", nothing, core.path);
    cr_expect_eq(run.status, 1);
    expect_match(run.output,
                 "Usable, with losses.\nLOSS: files of the process are not here; *\n"
                 "Interpreter  CPython 2.7.18, UCS4, * (not here; recognized in the core)\n"
                 "Layout       built-in column 2.7.18-x86_64 fits\ngc.garbage   5 items\n",
                 "no interpreter");
}

// A file of the interpreter's name is at hand, and it is of another build.
Test(check, file_of_another_build)
{
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 5");
    const char *directory = real_directory("check-other-build");
    const char *name = strrchr(real_string(real_report(&core, 0), "interpreter.file"), '/');
    const char *other = real_format("%s%s", directory, name);
    unlink(other);
    cr_assert_eq(symlink("/bin/sh", other), 0);
    const char *here = real_format("--library-path=%s", directory);
    struct real_run run = REAL_RUN("--check", here, "--sysroot=/nowhere", core.path);
    expect_match(run.output,
                 real_format("*not here: *%s (build-id *)\n             the file of that name here "
                             "is of another build (*)\n*",
                             name),
                 "another build");
    run = REAL_RUN(here, "--sysroot=/nowhere", core.path);
    expect_match(run.errors,
                 "*is not on this machine, where the file of that name is of another build "
                 "(build-id *); the interpreter was recognized in the core alone; *",
                 "another build");
    unlink(other);
}

Test(check, no_python)
{
    const char *const arguments[] = {"sh", "-c", "echo ready; read line", NULL};
    struct real_run run = REAL_RUN("--check", real_dump("check-sh", arguments));
    cr_expect_eq(run.status, 2);
    expect_match(run.output,
                 "Not usable: no file of the process has a Python 2 interpreter (*; is this the "
                 "core of a Python process?\n*Interpreter  not found\n",
                 "sh");
}

// Dumped without its private memory.
Test(check, filter)
{
    const char *const arguments[] = {
        "sh", "-c", "echo 0x10 >/proc/self/coredump_filter; echo ready; read line", NULL};
    struct real_run run = REAL_RUN("--check", real_dump("check-filter", arguments));
    cr_expect_eq(run.status, 2);
    expect_match(run.output,
                 "Not usable: *: of * bytes of private memory none are saved: coredump_filter had "
                 "no bit 0x1; write 0x33 to /proc/PID/coredump_filter before the next one dies\n*"
                 "coredump_filter had 0x?* and not 0x?, by what is saved\n*",
                 "filter");
}

Test(check, no_core)
{
    struct real_run run = REAL_RUN("--check", "/dev/null");
    cr_expect_eq(run.status, 2);
    cr_expect_str_empty(run.output);
    expect_match(run.errors, "pycore-garbage: /dev/null: neither a regular file nor a pipe *",
                 "device");
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// 64 GiB more of private memory (of holes, or it would not fit): none of it is read. Reading it
// takes half a minute.
Test(check, any_size)
{
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 5");
    const char *large = real_copy(core.path, "check-large.core");
    int fd = open(large, O_RDWR | O_CLOEXEC);
    Elf64_Ehdr header;
    Elf64_Phdr last;
    cr_assert_eq(pread(fd, &header, sizeof(header), 0), sizeof(header));
    off_t at = (off_t)(header.e_phoff + (header.e_phnum - 1) * sizeof(last));
    off_t end = lseek(fd, 0, SEEK_END);
    cr_assert_eq(pread(fd, &last, sizeof(last), at), sizeof(last));
    cr_assert_gt(last.p_vaddr, UINT64_C(1) << 63, "the last segment is not [vsyscall]");
    last.p_flags = PF_R | PF_W;
    last.p_vaddr = UINT64_C(1) << 44;
    last.p_offset = (uint64_t)(end + 4095) & ~UINT64_C(4095);
    last.p_filesz = last.p_memsz = UINT64_C(64) << 30;
    cr_assert_eq(pwrite(fd, &last, sizeof(last), at), sizeof(last));
    cr_assert_eq(ftruncate(fd, (off_t)(last.p_offset + last.p_filesz)), 0);
    double started = now();
    struct real_run run = REAL_RUN("--check", large);
    double took = now() - started;
    cr_expect_eq(run.status, 0, "%s", run.output);
    cr_expect_lt(took, 5, "%.1f s", took);
    expect_match(run.output, "*64 GiB of 64 GiB: private memory*", "large");
    close(fd);
    unlink(large);
}
