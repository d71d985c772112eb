// Some damaged copies of a real core, by fixtures/campaign with a fixed seed; by hand it makes
// thousands. And that it would notice.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "real.h"

static struct real_run campaign(const char *program, const char *core, const char *runs,
                                const char *only)
{
    return REAL_COMMAND(real_format("%s/campaign", getenv("FIXTURES")), "--program", program,
                        "--core", core, "--runs", runs, "--seconds", "2", "--seed", "7", only);
}

Test(campaign, story_core)
{
    const char *core = real_unpack_story("campaign");
    struct real_run run = campaign(getenv("PYCORE_GARBAGE"), core, "52", "--jobs=2");
    cr_expect_eq(run.status, 0, "%s%s", run.output, run.errors);
    cr_expect_not_null(strstr(run.output, "\n52 copies: 0 crash, 0 hang, 0 memory, 0 silent, 0 "
                                          "words; "),
                       "%s", run.output);
    REAL_COMMAND("rm", "-f", core);
}

// Without any one page a report is the same, or says that something is missing: every 41st here.
Test(campaign, pages_that_are_not_saved)
{
    const char *core = real_unpack_story("campaign_sweep");
    struct real_run run =
        REAL_COMMAND(real_format("%s/campaign", getenv("FIXTURES")), "--program",
                     getenv("PYCORE_GARBAGE"), "--core", core, "--sweep", "41", "--jobs=2");
    cr_expect_eq(run.status, 0, "%s%s", run.output, run.errors);
    cr_expect_not_null(strstr(run.output, "copies: 0 crash, 0 hang, 0 memory, 0 silent, "), "%s",
                       run.output);
    REAL_COMMAND("rm", "-f", core);
}

// A program that reads the core well, and makes one thing worse.
static const char *make_program(const char *directory, const char *lines)
{
    const char *path = real_format("%s/program", directory);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fprintf(file, "#!/bin/sh\n%s \"$@\" >%s/output 2>%s/errors\nstatus=$?\n%s\n",
            getenv("PYCORE_GARBAGE"), directory, directory, lines);
    fclose(file);
    cr_assert_eq(chmod(path, 0755), 0);
    return path;
}

Test(campaign, notices)
{
    static const struct {
        const char *lines; // $status is the program's
        const char *only;
        const char *verdict;
    } rows[] = {
        {"cat output; cat errors >&2; [ $status = 2 ] && kill -SEGV $$; exit $status", "--only=cut",
         "CRASH"},
        {"cat output; cat errors >&2; while [ $status = 2 ]; do :; done; exit $status",
         "--only=cut", "HANG"},
        {"cat output; exit $status", "--only=cut", "WORDS"},
        {"case \"$*\" in *--graph*) cat output ;; *) [ $status = 2 ] || cp output good; cat good ;; "
         "esac; exit 0",
         "--only=cut", "SILENT"},
        {"cat output; [ -s output ] || echo '{\"interpreter\": {\"build_id\": 0, "
         "\"build_id_match\": 0}, \"findings\": []}'; exit 0",
         "--only=hole", "SILENT"},
    };
    const char *core = real_unpack_story("campaign_notices");
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const char *directory = real_directory(real_format("campaign_program_%zu", i));
        const char *program =
            make_program(directory, real_format("cd %s\n%s", directory, rows[i].lines));
        struct real_run run = campaign(program, core, "3", rows[i].only);
        cr_expect_eq(run.status, 1, "row %zu: %s%s", i, run.output, run.errors);
        cr_expect_not_null(strstr(run.output, real_format("\n%s: copy ", rows[i].verdict)),
                           "row %zu: %s", i, run.output);
    }
    REAL_COMMAND("rm", "-f", core);
}
