// One allocation, or one call that opens a file, fails: for all of them in turn, at every place of
// the program that makes one. Allowed is an exit status of 1 or 2 with a sentence, and a report
// that is the same as without (some things are tried, and done without). Then a file that becomes
// shorter while it is read.
#include "common.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "real.h"

// With one thread: the calls are numbered as they come.
static struct real_run run_failing(const char *setting, const char *each, const char *option,
                                   const char *core)
{
    return REAL_COMMAND("env", setting, each, getenv("FAILING"), option, "--jobs=1", "-q",
                        REAL_NO_FILES, core);
}

// One sentence on standard error and nothing else.
static void expect_sentence(const struct real_run *run, unsigned long n)
{
    cr_expect_eq(strncmp(run->errors, "pycore-garbage: ", 16), 0, "call %lu: %s", n, run->errors);
    cr_expect_eq(strcspn(run->errors, "\n") + 1, strlen(run->errors), "call %lu: %s", n,
                 run->errors);
}

static void expect_every_failure_told(const char *name, const char *option, const char *each)
{
    const char *core = real_unpack_story(name);
    struct real_run whole = run_failing("FAIL_AT=0", each, option, core);
    cr_assert_eq(whole.status, 0, "%s", whole.errors);
    const char *words = strstr(whole.errors, "calls ");
    cr_assert_not_null(words, "%s", whole.errors);
    unsigned long count = strtoul(words + 6, NULL, 10);
    cr_assert_gt(count, 100, "%lu calls", count);
    for (unsigned long n = 1; n <= count; n++) {
        struct real_run run = run_failing(real_format("FAIL_AT=%lu", n), each, option, core);
        cr_expect(run.status >= 0 && run.status <= 2, "call %lu: exit status %d: %s", n, run.status,
                  run.errors);
        if (run.status == 0)
            cr_expect_str_eq(run.output, whole.output, "call %lu: another report", n);
        if (run.status == 2) {
            // Once it is on its way out there is no taking it back.
            bool begun = strstr(run.errors, "out of memory");
            cr_expect(begun || !*run.output, "call %lu: %s", n, run.errors);
            expect_sentence(&run, n);
        }
    }
    REAL_COMMAND("rm", "-f", core);
}

Test(failing, text)
{
    expect_every_failure_told("failing_text", "--format=text", "FAIL_EACH=-1");
}

Test(failing, json)
{
    expect_every_failure_told("failing_json", "--format=json", "FAIL_EACH=20");
}

// The mapping goes on beyond the end of the file.
Test(failing, core_is_cut_while_it_is_read)
{
    const char *core = real_unpack_story("failing_cut");
    const char *directory = real_directory("failing_output");
    const char *output = real_format("%s/report", directory);
    struct real_run run = REAL_COMMAND("env", real_format("FAIL_CUT=%s", core), getenv("FAILING"),
                                       "-o", output, REAL_NO_FILES, core);
    cr_expect_eq(run.status, 2, "exit status %d: %s", run.status, run.errors);
    cr_expect_str_eq(run.errors,
                     real_format("pycore-garbage: %s: this file, or another of the process, became "
                                 "shorter or could not be read while it was looked at (SIGBUS); "
                                 "wait until it is written, or copy it to another disk, and try "
                                 "again\n",
                                 core));
    cr_expect_neq(access(output, F_OK), 0, "an output without a report is left");
    REAL_COMMAND("rm", "-f", core);
}
