// With sanitizers on: do they really fail what they should? (Criterion and the tests of the program
// see only how a process ended.)
#include "common.h"

#include "real.h"

// In a test of a library. What is found only when the test's process ends (leaks) comes too late
// for Criterion to call the test failed, but it ends with a bad status, and so tests/run counts it.
Test(sanitizers, fail_tests)
{
    static const char *const tests[] = {"leak", "overflow", "overrun", "misaligned"};
    for (size_t i = 0; i < LENGTH(tests); i++) {
        // By this variable Criterion (boxfort) knows that it is the child that runs one test.
        struct real_run run = REAL_COMMAND("env", "-u", "BXFI_MAP", VICTIM_TESTS, "--tap=-",
                                           "--filter", real_format("victim/%s", tests[i]));
        cr_expect_eq(run.status, 1, "%s: exit status %d: %s%s", tests[i], run.status, run.output,
                     run.errors);
    }
    cr_expect_eq(REAL_COMMAND("env", "-u", "BXFI_MAP", VICTIM_TESTS, "--filter", "none/*").status,
                 0);
}

// In the program that a test runs.
Test(sanitizers, fail_programs)
{
    static const char *const errors[] = {"leak", "overflow", "overrun"};
    cr_expect_eq(REAL_COMMAND(VICTIM, "none").status, 0);
    for (size_t i = 0; i < LENGTH(errors); i++) {
        struct real_run run = REAL_COMMAND(VICTIM, errors[i]);
        cr_expect_eq(run.status, 128 + 6, "%s: exit status %d: %s", errors[i], run.status,
                     run.errors);
    }
}
