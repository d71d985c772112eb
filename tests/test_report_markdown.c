// The report as Markdown, word for word.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene_census.h"
#include "version.h"

TestSuite(report_markdown, .init = set_report);

static char *output;
static size_t output_size;

static const char *markdown(void)
{
    free(output);
    FILE *file = open_memstream(&output, &output_size);
    cr_assert_null(report_markdown(&report, file));
    cr_assert_eq(fclose(file), 0);
    return output;
}

static void expect(const char *words)
{
    cr_expect_not_null(strstr(markdown(), words), "no '%s' in\n%s", words, output);
}

static void expect_no(const char *words)
{
    cr_expect_null(strstr(markdown(), words), "'%s' in\n%s", words, output);
}

static size_t count(const char *text, const char *words)
{
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, words)); at += strlen(words))
        found++;
    return found;
}

Test(report_markdown, the_story)
{
    static const char expected[] =
        "gc.garbage keeps 8 objects alive: 1.4 KiB, less than 1 % of all tracked objects.\n"
        "\n"
        "### 2 cycles like this one, 1.4 KiB\n"
        "\n"
        "Signature `5f3c2a91`\n"
        "\n"
        "```\n"
        "__main__.MyApiClient     has __del__: __main__.ApiClient, seed_leak.py:35\n"
        "  .t ─▶ __main__.T     ◀ break here\n"
        "  ._api_client ─▶ back to MyApiClient\n"
        "```\n"
        "\n"
        "- Without `.t` of `MyApiClient` the collector frees it (replayed).\n"
        "- Set in `cached_property.__get__` (`seed_leak.py:21`).\n"
        "- A descriptor of the class caches it: let what it caches refer back by a weakref.\n"
        "- Also enough: `._api_client` of `T`.\n"
        "- e.g. 0x7f34e9520a90; each 4 objects, 704 bytes\n"
        "\n"
        "### Where the numbers come from\n"
        "\n"
        "```\n"
        "Core         core.1234, 5.0 MiB, x86_64, complete\n"
        "Process      pid 1234, python2.7 app.py, SIGABRT, 1 thread\n"
        "Interpreter  CPython 2.7.18, UCS4, /usr/lib/libpython2.7.so.1.0\n"
        "             build-id deadbeef (matches the core)\n"
        "Layout       built-in column 2.7.18-x86_64, the file has no DWARF\n"
        "Collector    enabled, generations 3 / 97 / 900 objects, thresholds 700/10/10, "
        "counts 0/1/2\n"
        "gc.garbage   0x7f34e9500000, 2 items, found by symbol\n"
        "Coverage     1,000 objects read, 4,321 references, 121 KiB; 0 opaque, 0 unreadable\n"
        "Ticket       " PROGRAM_NAME " " PYCORE_GARBAGE_VERSION
        ", core.1234, 5242880 bytes, build-id deadbeef, signatures 5f3c2a91\n"
        "```\n"
        "\n"
        "<details>\n"
        "<summary>Threads of Python: 1</summary>\n"
        "\n"
        "Thread 0x7f34, which held the interpreter lock, innermost call first:\n"
        "\n"
        "```\n"
        "    ping, seed_leak.py:63\n"
        "    <module>, seed_leak.py:140\n"
        "```\n"
        "\n"
        "</details>\n"
        "\n"
        "Made by pycore-garbage " PYCORE_GARBAGE_VERSION ".\n";
    cr_assert_str_eq(markdown(), expected, "%s", output);
}

Test(report_markdown, words_of_our_own_are_escaped)
{
    findings.count = 0;
    totals.objects[COLLECT_UNCOLLECTABLE] = 0;
    report.garbage_length = report.garbage_read = 0;
    expect("No garbage: no cycle with \\_\\_del\\_\\_ is kept in gc.garbage");
    expect_no("###  ");
}

Test(report_markdown, what_is_kept_alive)
{
    items[0].held_objects = 2000;
    items[0].held_bytes = UINT64_C(3) << 30;
    findings.shared_objects = 1;
    findings.shared_bytes = 80;
    items[0].break_count = 0;
    expect("\n- keep 2,000 other objects alive: 3.0 GiB\n- e.g.");
    expect("\nKept alive by several of these together, or by finalizer objects outside of any "
           "cycle:\n1 object, 80 bytes.\n");
    expect("\n- No single reference of it is enough to break, nor any of its attributes for all "
           "objects.\n- There are other cycles through it.\n");
}

Test(report_markdown, who_holds_what)
{
    set_holders();
    expect("\n1,234 objects of gc.garbage are in use: the list alone does not leak them. The "
           "shortest ways to them:\n\n```\n1,233 app.Client, e.g. 0x7000\n"
           "  module app.registry\n"
           "    ... 7 more ...\n"
           "    .clients ─▶ dict\n"
           "    [str] ─▶ app.Client\n"
           "1 app.Client, e.g. 0x7100\n");
    expect("1 object of mod.X: the value stack of a running frame of serve, e.g. 0x9300\n");
    report.limit = 1;
    expect("```\n\n**1 more way not shown (--limit).**\n");
    expect("```\n\n**6 more rows not shown (--limit).**\n");
}

Test(report_markdown, threads)
{
    stack.depth = stack.frame_count = 0;
    stacks.complete = false;
    expect("\nThread 0x7f34, which held the interpreter lock: no Python code\n"
           "\nNot all threads or calls could be read.\n\n</details>\n");
    struct stack many[3] = {stack, stack, stack};
    stacks.items = many;
    stacks.count = stacks.distinct = 3;
    report.limit = 1;
    expect("\n**2 more stacks not shown (--limit).**\n");
    stacks.count = stacks.distinct = 0;
    stacks.complete = true;
    expect_no("details");
}

// --- names of strangers

// What a name could do to a ticket: end the code it stands in, begin a table, a link, a heading,
// tell users, run a script, turn the text around.
#define HOSTILE                                                                                    \
    "`` ```\n```\n# <script>alert(1)</script> </details> | @all #1 [x](http://e.vil) &lt; "        \
    "\xe2\x80\xae\033[31m\\"

Test(report_markdown, hostile_names)
{
    char hostile[] = HOSTILE, edge[] = "." HOSTILE, file[] = "/x/" HOSTILE;
    steps[0].type = steps[1].type = finalizers[0].class = hostile;
    steps[0].edge = steps[1].edge = edge;
    finalizers[0].del.defined_in = finalizers[0].del.what = hostile;
    items[0].origins.items[0] = (struct origin){hostile, file, 3};
    core.command = core.path = image.path = hostile;
    opaque[0].name = frames[0].function = frames[1].file = hostile;
    report.opaque_type_count = 1;
    set_holders();
    report.holders->paths[0].type = report.holders->paths[0].root = hostile;
    report.holders->surplus[0].type = hostile;
    const char *text = markdown();
    // All fences are ours, and no code span is left open.
    cr_expect_eq(count(text, "```"), 2 * 6, "%s", text);
    cr_expect_eq(count(text, "\n```\n"), 2 * 6, "%s", text);
    cr_expect_eq(count(text, "`") % 2, 0, "%s", text);
    cr_expect_eq(count(text, "</details>") - count(text, "alert(1)</script> </details>"), 1, "%s",
                 text);
    expect("- Set in `\\x60\\x60 \\x60\\x60\\x60\\x0a\\x60\\x60\\x60\\x0a# <script>alert(1)"
           "</script> </details> | @all #1 [x](http://e.vil) &lt; \\xe2\\x80\\xae\\x1b[31m\\` (`");
    expect_no("\033");
    expect_no("\xe2\x80\xae");
}

// Outside of its code, no line holds what a name brought.
Test(report_markdown, names_stand_in_code_only)
{
    char hostile[] = "@nobody";
    bool fenced = false;
    steps[0].type = steps[1].type = finalizers[0].class = hostile;
    items[0].origins.items[0] = (struct origin){hostile, hostile, 3};
    core.command = core.path = image.path = hostile;
    markdown();
    for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n")) {
        fenced ^= strncmp(line, "```", 3) == 0;
        for (char *at = line; !fenced && (at = strstr(at, hostile)); at++)
            cr_expect(at > line && at[-1] == '`', "%s", line);
    }
    cr_expect_not(fenced);
}

// --- size

static struct finding many[500];
static struct stack stacks_of_many[200];

static void set_many(void)
{
    static struct opaque_names {
        char name[300];
    } names[100];
    static struct heap_opaque_type types[100];
    for (size_t i = 0; i < 500; i++)
        many[i] = items[0];
    for (size_t i = 0; i < 200; i++)
        stacks_of_many[i] = stack;
    for (size_t i = 0; i < 100; i++) {
        memset(names[i].name, '`', sizeof(names[i].name) - 1);
        types[i] = (struct heap_opaque_type){names[i].name, 5};
    }
    findings.items = many;
    findings.count = 500;
    stacks.items = stacks_of_many;
    stacks.count = stacks.distinct = 200;
    report.opaque_types = types;
    report.opaque_type_count = 100;
    report.limit = 0;
    set_holders();
}

Test(report_markdown, sizes)
{
    static const uint64_t sizes[] = {16000, 32767, 60000, 100000};
    set_many();
    for (size_t i = 0; i < 4; i++) {
        report.max_size = sizes[i];
        const char *text = markdown();
        size_t told = count(text, "\n### 2 cycles"), fences = count(text, "```");
        char rest[64];
        snprintf(rest, sizeof(rest), "\n**%zu more findings not shown (--max-size).**\n",
                 500 - told);
        cr_expect_leq(output_size, sizes[i]);
        cr_expect_gt(output_size, sizes[i] * 8 / 10, "%zu of %zu", output_size, (size_t)sizes[i]);
        cr_expect_eq(fences % 2, 0);
        cr_expect_gt(told, 5);
        cr_expect_eq(count(text, "- e.g. 0x"), told, "whole findings");
        cr_expect_eq(count(text, "Signature `"), told, "whole findings");
        cr_expect(strstr(text, rest), "no %s", rest);
        cr_expect(strstr(text, "more stacks not shown (--max-size)"));
        cr_expect(strstr(text, "\nMade by pycore-garbage "));
    }
    report.max_size = 0;
    cr_expect_eq(count(markdown(), "\n### 2 cycles"), 500);
    expect_no("not shown");
}

Test(report_markdown, cut_by_limit_and_size)
{
    set_many();
    report.max_size = 30000;
    report.limit = 100;
    cr_expect_eq(count(markdown(), "more findings not shown (--limit, --max-size)."), 1);
    report.limit = 3;
    cr_expect_eq(count(markdown(), "497 more findings not shown (--limit)."), 1);
}

// What is too large itself does not keep the rest out.
Test(report_markdown, a_finding_too_large)
{
    static char name[70000];
    memset(name, 'n', sizeof(name) - 1);
    struct finding_step large[2] = {{1, name, (char *)".t", true}, steps[1]};
    set_many();
    many[0].steps = large;
    report.limit = 10;
    report.max_size = 60000;
    cr_expect_eq(count(markdown(), "\n### 2 cycles"), 9);
    cr_expect_eq(count(output, "1 more finding not shown (--max-size)."), 0);
    cr_expect_eq(count(output, "491 more findings not shown (--limit, --max-size)."), 1);
}

// --- what filled the memory

Test(report_markdown, memory)
{
    set_census();
    cr_expect_eq(count(markdown(), "would have prevented the growth: 10 MiB would be in use.\n"), 1,
                 "%s", output);
    cr_expect_eq(count(output, "\nMemory       100 MiB in use: Python objects 93 MiB, "), 1);
    census_types[0].name = "http://x.y/`@all";
    findings.count = 0;
    report.verdict = verdict_make(&census, &findings);
    cr_expect_eq(count(markdown(), "`http://x.y/\\x60@all` 1.0 MiB (1,000)"), 1, "%s", output);
    cr_expect_eq(count(output, "  by type    http://x.y/\\x60@all: 401,000 objects"), 1);
}
