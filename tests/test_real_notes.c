// Real cores that say the same in another way (fixtures/rearrange-core), or whose list of files
// contradicts their segments: the report is that of the core as it was.
#include "common.h"

#include <stdlib.h>
#include <unistd.h>

#include "real.h"

// gcc and clang say it in their own ways.
#ifdef __has_feature
#    if __has_feature(address_sanitizer)
#        define SANITIZED
#    endif
#endif
#ifdef __SANITIZE_ADDRESS__
#    define SANITIZED
#endif

enum {
    SECONDS_MAX = 10,     // of processor time, also with sanitizers
    MEMORY_MAX = 1 << 28, // resident, in bytes
};

static json_t *report_on(const struct real_core *core, const char *const change[3], int status)
{
    const char *path = real_copy(core->path, real_format("rearranged.%d.core", (int)getpid()));
    struct real_run made = REAL_COMMAND(real_format("%s/rearrange-core", getenv("FIXTURES")),
                                        core->path, path, change[0], change[1], change[2]);
    cr_assert_eq(made.status, 0, "%s", made.errors);
    struct real_run run = REAL_RUN("--format=json", "--limit=0", path, core->interpreter);
    cr_assert_eq(run.status, status, "%s, %s: exit status %d: %s", core->name, change[0],
                 run.status, run.errors);
    cr_expect_leq(run.seconds, SECONDS_MAX, "%s, %s: %.2f s", core->name, change[0], run.seconds);
#ifndef SANITIZED
    cr_expect_leq(run.memory, MEMORY_MAX, "%s, %s: %llu bytes", core->name, change[0],
                  (unsigned long long)run.memory);
#endif
    unlink(path);
    return real_parse(run.output);
}

static void expect_same(const struct real_core *core, const char *const change[3], int status)
{
    static const char *const same[] = {"heap.objects", "heap.edges", "heap.bytes", "heap.states",
                                       "garbage",      "findings",   "collector"};
    json_t *whole = real_report(core, 0), *report = report_on(core, change, status);
    for (size_t i = 0; i < LENGTH(same); i++)
        cr_expect(json_equal(real_json(report, same[i]), real_json(whole, same[i])),
                  "%s, %s: other %s", core->name, change[0], same[i]);
    cr_expect_eq(json_is_true(real_json(report, "heap.complete")), status == 0, "%s, %s",
                 core->name, change[0]);
}

static void rearrange(const char *kind)
{
    // The notes that name threads are missing, or the list of files is not true: exit status 1.
    static const struct {
        const char *change[3];
        int status;
    } rows[] = {
        {{"split-notes"}, 0},
        {{"drop-files"}, 0},
        {{"reverse-segments"}, 0},
        {{"reverse-files"}, 0},
        {{"overlap-files"}, 0},
        {{"drop-notes"}, 1},
        {{"cover-files"}, 1},
        {{"move-files", "0x10000000"}, 1},
        {{"move-files", "-4096"}, 1},
        // Holes of 64 GiB, in one segment and in more than e_phnum can count.
        {{"pad", "0x1000000000", "1"}, 0},
        {{"pad", "0x1000000000", "70000"}, 0},
    };
    struct real_core core = real_make_core("shared", kind, "seed_leak.py 1000");
    for (size_t i = 0; i < LENGTH(rows); i++)
        expect_same(&core, rows[i].change, rows[i].status);
}

Test(real_notes, of_the_kernel)
{
    rearrange("kernel");
}

Test(real_notes, of_gcore)
{
    rearrange("gcore");
}
