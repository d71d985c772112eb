// Findings for other programs: graphs for Graphviz, stacks for flame graphs.
#include "common.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "real.h"

static const char *dot(const struct real_core *core, const char *option)
{
    struct real_run run = REAL_RUN("--format=dot", option, core->path);
    cr_assert_eq(run.status, 0, "%s: %d: %s", core->name, run.status, run.errors);
    return run.output;
}

static size_t count(const char *text, const char *what)
{
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        found++;
    return found;
}

Test(drawing, story)
{
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 5");
    const char *pattern = "digraph finding {\n*  label=\"d5248b1f: 5 cycles, one of them drawn\";\n"
                          "  n0 \\[label=\"__main__.MyApiClient\\\\n0x*\" peripheries=2 *];\n"
                          "  n1 \\[label=\"__main__.T\\\\n0x*\"];\n"
                          "  n0 -> n1 \\[label=\".t\\\\nbreak here\" color=red *];\n"
                          "  n1 -> n0 \\[label=\"._api_client\"];\n}\n";
    const char *text = dot(&core, "--limit=100");
    cr_expect_eq(fnmatch(pattern, text, 0), 0, "%s", text);
}

// The one that is asked for, by its signature as the report has it.
Test(drawing, by_signature)
{
    struct real_core core = real_make_core("shared", "kernel", "leaks.py mixed 3");
    const json_t *findings = real_json(real_report(&core, 0), "findings");
    cr_expect_str_eq(dot(&core, "-q"),
                     dot(&core, real_format("--finding=%s", real_string(json_array_get(findings, 0),
                                                                        "signature"))));
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *finding = json_array_get(findings, i);
        const char *signature = real_string(finding, "signature");
        const char *text = dot(&core, real_format("--finding=%s", signature));
        cr_expect_not_null(strstr(text, real_format("label=\"%s: ", signature)), "%s", text);
        if (json_array_size(real_json(finding, "break_set.changes")) == 0)
            cr_expect_eq(count(text, "break here"),
                         json_array_size(real_json(finding, "breaks")) > 0, "%s", text);
    }
    struct real_run none = REAL_RUN("--format=dot", "--finding=00000000", core.path);
    cr_expect_eq(none.status, 64);
    cr_expect_str_empty(none.output);
    cr_expect_str_eq(none.errors, "pycore-garbage: --finding=00000000: no finding has that "
                                  "signature; they are in the report, --format=text\n");
}

// All that are to be broken together, each of every object.
Test(drawing, several_to_break)
{
    struct real_core core = real_make_core("shared", "kernel", "remedies.py ThreeHelpers 1");
    const char *text = dot(&core, "--limit=100");
    cr_expect_eq(count(text, "break here"), 5, "%s", text);
    cr_expect_eq(count(text, ".owner\\nbreak here"), 3, "%s", text);
    cr_expect_eq(count(text, ".client\\nbreak here"), 1, "%s", text);
    cr_expect_eq(count(text, ".watched\\nbreak here"), 1, "%s", text);
}

// A component of thousands, in part.
Test(drawing, bounded)
{
    struct real_core core = real_make_core("shared", "kernel", "leaks.py ring_1000");
    const char *text = dot(&core, "--limit=10");
    cr_expect_eq(count(text, "0x"), 10, "%s", text);
    cr_expect_not_null(strstr(text, "one of them in part (--limit)"), "%s", text);
    cr_expect_gt(count(dot(&core, "--limit=0"), "0x"), 999);
}

Test(drawing, nothing_found)
{
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 0");
    cr_expect_not_null(strstr(dot(&core, "-q"), "label=\"no finding\""));
    cr_expect_str_empty(REAL_RUN("--format=folded", core.path).output);
}

// What begins with the signature, in all.
static long long sum_stacks(const char *text, const char *signature)
{
    long long sum = 0;
    for (const char *at = text; *at; at += strcspn(at, "\n") + 1) {
        const char *line = real_format("%.*s", (int)strcspn(at, "\n"), at);
        if (strncmp(line, signature, strlen(signature)) == 0)
            sum += atoll(strrchr(line, ' '));
    }
    return sum;
}

// The stacks of a finding are all of its bytes and of what it holds, no more, no less.
Test(drawing, folded)
{
    static const char *const commands[] = {
        "seed_leak.py 1000",
        "leaks.py mixed 3",
        "leaks.py ring_1000",
        "leaks.py holds_strings 3",
        "leaks.py holds_containers 3",
        "leaks.py holds_classes 3",
        "leaks.py hanging_cycle 3",
        "leaks.py shared_node 3",
        "leaks.py hanging_finalizer 3",
        "seed_leak.py 50 --disable-gc",
    };
    size_t seen = 0;
    for (size_t i = 0; i < LENGTH(commands); i++) {
        struct real_core core = real_make_core("shared", "kernel", commands[i]);
        const json_t *findings = real_json(real_report(&core, 0), "findings");
        struct real_run run = REAL_RUN("--format=folded", "--limit=0", core.path);
        cr_expect_eq(run.status, 0, "%s: %s", core.name, run.errors);
        for (size_t j = 0; j < json_array_size(findings); j++) {
            const json_t *finding = json_array_get(findings, j);
            const char *signature = real_string(finding, "signature");
            cr_expect_eq(sum_stacks(run.output, signature),
                         real_number(finding, "bytes") + real_number(finding, "held_bytes"),
                         "%s %s: %lld in\n%s", core.name, signature,
                         sum_stacks(run.output, signature), run.output);
            seen++;
        }
    }
    cr_expect_gt(seen, 8);
}
