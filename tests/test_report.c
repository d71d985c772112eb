// The reports, word for word. JSON and the graph are in test_report_json.c.
#include "common.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene_report.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

TestSuite(report, .init = set_report);

static char *output;
static size_t output_size;

static const char *text_of_report(void)
{
    free(output);
    FILE *file = open_memstream(&output, &output_size);
    report_text(&report, file);
    cr_assert_eq(fclose(file), 0);
    return output;
}

static void expect_text(const char *expected)
{
    cr_assert_str_eq(text_of_report(), expected, "%s", output);
}

static void expect_line(const char *line)
{
    char with_ends[512];
    snprintf(with_ends, sizeof(with_ends), "\n%s\n", line);
    const char *text = text_of_report();
    size_t length = strlen(line);
    bool first = strncmp(text, line, length) == 0 && text[length] == '\n';
    cr_expect(first || strstr(text, with_ends), "no line '%s' in\n%s", line, text);
}

static void expect_no(const char *words)
{
    cr_expect_null(strstr(text_of_report(), words), "'%s' in\n%s", words, output);
}

// --- the whole

Test(report, the_story)
{
    expect_text(
        "gc.garbage keeps 8 objects alive: 1.4 KiB, less than 1 % of all tracked objects.\n"
        "\n"
        "2 cycles like this one, 1.4 KiB                                         signature "
        "5f3c2a91\n"
        "    __main__.MyApiClient     has __del__: __main__.ApiClient, seed_leak.py:35\n"
        "      .t ─▶ __main__.T\n"
        "      ._api_client ─▶ back to MyApiClient\n"
        "  e.g. 0x7f34e9520a90; each 4 objects, 704 bytes\n"
        "\n"
        "Core         core.1234, 5.0 MiB, x86_64, complete\n"
        "Process      pid 1234, python2.7 app.py, SIGABRT, 1 thread\n"
        "Interpreter  CPython 2.7.18, UCS4, /usr/lib/libpython2.7.so.1.0\n"
        "             build-id deadbeef (matches the core)\n"
        "Layout       built-in column 2.7.18-x86_64, the file has no DWARF\n"
        "Collector    enabled, generations 3 / 97 / 900 objects, thresholds 700/10/10\n"
        "gc.garbage   0x7f34e9500000, 2 items, found by symbol\n"
        "Coverage     1,000 objects read, 4,321 references, 121 KiB; 0 opaque, 0 unreadable\n");
    cr_assert(report_is_complete(&report));
}

Test(report, the_story_a_million_times)
{
    heap.count = 4003577;
    totals.objects[COLLECT_UNCOLLECTABLE] = 4000000;
    report.kept_bytes = 704000000;
    report.garbage_length = report.garbage_read = 1000000;
    items[0].count = 1000000;
    items[0].objects = 4000000;
    items[0].bytes = 704000000;
    expect_line("gc.garbage keeps 4,000,000 objects alive: 671 MiB, 99 % of all tracked objects.");
    expect_line("1,000,000 cycles like this one, 671 MiB                                 signature "
                "5f3c2a91");
    expect_line("gc.garbage   0x7f34e9500000, 1,000,000 items, found by symbol");
}

static void set_no_findings(void)
{
    findings.count = 0;
    totals.objects[COLLECT_UNCOLLECTABLE] = 0;
    totals.objects[COLLECT_REACHABLE] = 1000;
    report.garbage_length = report.garbage_read = 0;
    report.kept_bytes = 0;
}

Test(report, no_garbage)
{
    set_no_findings();
    expect_line("No garbage: no cycle with __del__ is kept in gc.garbage (1,000 tracked objects "
                "looked at).");
    expect_line("None is pending: the next full collection would add nothing to it.");
    expect_line("gc.garbage   0x7f34e9500000, 0 items, found by symbol");
    expect_no("signature");
}

Test(report, garbage_that_is_in_use)
{
    set_no_findings();
    report.garbage_length = report.garbage_read = 1;
    expect_line("gc.garbage lists 1 object, but keeps none alive by itself (1,000 tracked objects "
                "looked at).");
    report.garbage_length = report.garbage_read = 2;
    expect_line("gc.garbage lists 2 objects, but keeps none alive by itself (1,000 tracked objects "
                "looked at).");
}

Test(report, pending_and_trash_and_kept)
{
    totals.objects[COLLECT_PENDING] = 1;
    totals.objects[COLLECT_TRASH] = 1;
    totals.objects[COLLECT_KEPT] = 1;
    report.trash_bytes = 1 << 20;
    report.pending_finalizers = 1;
    expect_line("gc.garbage keeps 9 objects alive: 1.4 KiB, less than 1 % of all tracked objects.");
    expect_line("Pending: the next full collection would add 1 object to it, and keep 1 in all for "
                "them.");
    expect_line("Collectable trash waiting for a collection: 1 object, 1.0 MiB.");
    expect_line("1 of them has no finalizer in sight: emptying gc.garbage would free it.");
    totals.objects[COLLECT_PENDING] = 1234;
    report.pending_finalizers = 1000;
    totals.objects[COLLECT_TRASH] = 5678;
    totals.objects[COLLECT_KEPT] = 91;
    expect_line("Pending: the next full collection would add 1,000 objects to it, and keep 1,234 "
                "in all for them.");
    expect_line("Collectable trash waiting for a collection: 5,678 objects, 1.0 MiB.");
    expect_line("91 of them have no finalizer in sight: emptying gc.garbage would free them.");
}

// "Of them" are those that gc.garbage keeps, so it must not come behind others.
Test(report, kept_objects_come_behind_the_verdict)
{
    totals.objects[COLLECT_TRASH] = 5;
    totals.objects[COLLECT_KEPT] = 2;
    const char *text = text_of_report(), *kept = strstr(text, "of them");
    cr_assert_not_null(kept);
    cr_expect_lt(kept, strstr(text, "trash"), "%s", text);
}

Test(report, one_object)
{
    totals.objects[COLLECT_UNCOLLECTABLE] = 1;
    report.kept_bytes = 64;
    report.garbage_length = report.garbage_read = 1;
    heap.count = 1;
    heap.edges = 1;
    items[0].count = 1;
    items[0].objects = items[0].example_objects = 1;
    items[0].bytes = items[0].example_bytes = 64;
    expect_line("gc.garbage keeps 1 object alive: 64 bytes, 100 % of all tracked objects.");
    expect_line("One cycle, 64 bytes                                                     signature "
                "5f3c2a91");
    expect_line("  e.g. 0x7f34e9520a90; 1 object, 64 bytes");
    expect_line("gc.garbage   0x7f34e9500000, 1 item, found by symbol");
}

Test(report, garbage_that_was_not_found)
{
    set_no_findings();
    report.garbage_source = GARBAGE_NOT_FOUND;
    report.garbage = 0;
    expect_line("gc.garbage was not found, so what it keeps shows as in use (1,000 tracked objects "
                "looked at).");
}

// --- findings

Test(report, pending_findings)
{
    items[0].state = COLLECT_PENDING;
    expect_line("2 pending cycles like this one, 1.4 KiB                                 signature "
                "5f3c2a91");
    items[0].count = 1;
    expect_line("One pending cycle, 1.4 KiB                                              signature "
                "5f3c2a91");
}

Test(report, cycles_that_differ_in_size)
{
    items[0].objects = 9;
    expect_line("  e.g. 0x7f34e9520a90; this one 4 objects, 704 bytes");
}

Test(report, held_objects)
{
    items[0].held_objects = 1;
    items[0].held_bytes = 48;
    expect_line("  keep 1 other object alive: 48 bytes");
    items[0].held_objects = 2000;
    items[0].held_bytes = UINT64_C(3) << 30;
    expect_line("  keep 2,000 other objects alive: 3.0 GiB");
    items[0].count = 1;
    expect_line("  keeps 2,000 other objects alive: 3.0 GiB");
    findings.shared_objects = 1;
    findings.shared_bytes = 80;
    expect_line("Kept alive by several of these together, or by finalizer objects outside of any "
                "cycle:");
    expect_line("1 object, 80 bytes.");
    findings.shared_objects = 1500;
    expect_line("1,500 objects, 80 bytes.");
}

Test(report, words_about_finalizers)
{
    static const struct {
        struct object_del del;
        const char *words;
    } rows[] = {
        {{OBJECT_DEL_CLASS, (char *)"app.C", (char *)"c.py", 7}, "has __del__: app.C, c.py:7"},
        {{OBJECT_DEL_CLASS, (char *)"app.C", (char *)"/a/b/c.py", 7}, "has __del__: app.C, c.py:7"},
        {{.kind = OBJECT_DEL_CLASS, .defined_in = (char *)"app.C"}, "has __del__: app.C"},
        {{OBJECT_DEL_INSTANCE, NULL, (char *)"c.py", 7},
         "has __del__ as an attribute of its own, c.py:7"},
        {{OBJECT_DEL_GENERATOR, (char *)"lines", (char *)"/x.py", 12},
         "suspended inside try or with: lines, x.py:12"},
        {{.kind = OBJECT_DEL_UNKNOWN}, "has a finalizer that is not written in Python"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char line[256];
        finalizers[0].del = rows[i].del;
        snprintf(line, sizeof(line), "    __main__.MyApiClient     %s", rows[i].words);
        expect_line(line);
    }
}

Test(report, finalizers_off_the_drawn_cycle)
{
    items[0].finalizer_count = 2;
    expect_line("    also legacy.Relic     has __del__: legacy.Relic");
    steps[1] = (struct finding_step){1, (char *)"legacy.Relic", (char *)".x", true};
    expect_no("also");
    expect_line("      .t ─▶ legacy.Relic     has __del__: legacy.Relic");
}

Test(report, a_cycle_of_one)
{
    items[0].step_count = 1;
    expect_line("      .t ─▶ back to MyApiClient");
}

Test(report, a_cycle_too_long_to_draw)
{
    struct finding_step many[1000];
    char edges[1000][8];
    for (size_t i = 0; i < LENGTH(many); i++) {
        snprintf(edges[i], sizeof(edges[i]), ".n%zu", i);
        many[i] = (struct finding_step){i, (char *)"app.Link", edges[i], i == 0};
    }
    items[0].steps = many;
    items[0].step_count = 41;
    expect_line("      ... 1 more ...");
    items[0].step_count = 40;
    expect_no("more ...");
    items[0].step_count = 1000;
    expect_line("      ... 960 more ...");
    expect_line("      .n19 ─▶ app.Link");
    expect_line("      .n980 ─▶ app.Link");
    expect_line("      .n999 ─▶ back to Link");
    expect_no(".n20 ");
    expect_no(".n979 ");
}

Test(report, more_findings_than_the_limit)
{
    findings.count = 3;
    report.limit = 1;
    expect_line("2 more findings not shown (--limit).");
    report.limit = 2;
    expect_line("1 more finding not shown (--limit).");
    report.limit = 0;
    expect_no("--limit");
}

// --- where the numbers come from

Test(report, cores)
{
    core.command = (char *)"";
    core.has_prpsinfo = false;
    core.signal = 0;
    core.thread_count = 12;
    core.complete = false;
    expect_line("Process      (command not known), no signal: dumped while it ran, 12 threads");
    expect_line("Core         core.1234, 5.0 MiB, x86_64, without thread notes");
    core.signal = 77;
    core.bytes_missing = 3 << 19;
    expect_line("Core         core.1234, 5.0 MiB, x86_64, CUT: 1.5 MiB missing");
    expect_line("Process      (command not known), signal 77, 12 threads");
    cr_assert_not(report_is_complete(&report));
}

Test(report, interpreters)
{
    static const struct {
        enum module_match match;
        const char *line;
    } rows[] = {
        {MODULE_MATCHES, "             build-id deadbeef (matches the core)"},
        {MODULE_UNCHECKED, "             build-id deadbeef (not checked, the core has none)"},
        {MODULE_FROM_CORE, "             build-id deadbeef (no file here, read from the core)"},
        {MODULE_FORCED,
         "             build-id deadbeef (DIFFERS from the core's, used because of --force)"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        module.match = rows[i].match;
        expect_line(rows[i].line);
    }
    module.match = MODULE_UNCHECKED;
    image.build_id.size = 0;
    expect_line("             build-id none (not checked, the file has none)");
    interpreter.has_dwarf = true;
    interpreter.runtime.layout.dwarf_values = 250;
    interpreter.runtime.layout.dwarf_differences = 3;
    interpreter.runtime.version[0] = '\0';
    interpreter.runtime.unicode_width = 2;
    expect_line("Layout       built-in column 2.7.18-x86_64, checked by the file's DWARF: 250 "
                "members, 3 differ");
    expect_line("Interpreter  CPython 2.7, UCS2, /usr/lib/libpython2.7.so.1.0");
}

// Without the interpreter's file, and without even its name.
Test(report, interpreter_without_a_file)
{
    struct recognition recognition = {0};
    interpreter.recognition = &recognition;
    module.image = NULL;
    module.core_build_id = (struct build_id){2, {0xca, 0xfe}};
    expect_line("Interpreter  CPython 2.7.18, UCS4, /usr/lib/libpython2.7.so.1.0");
    expect_line("             build-id cafe (the core's; the file was not at hand)");
    expect_line(
        "             RECOGNIZED IN THE CORE: types are named by the modules that hold them");
    expect_line("Layout       built-in column 2.7.18-x86_64, the one that fits what the core has");
    interpreter.module = NULL;
    expect_line("Interpreter  CPython 2.7.18, UCS4, (a file that the core does not name)");
    expect_line("             build-id none (the core's; the file was not at hand)");
}

Test(report, builds)
{
    struct runtime *runtime = &interpreter.runtime;
    struct layout_column column = *runtime->layout.column;
    runtime->digit_width = 2;
    expect_line("             built with 15-bit digits");
    runtime->digit_width = 4;
    runtime->pymalloc.known = true;
    expect_line("             built with 30-bit digits, no pymalloc");
    heap.by_pools = runtime->debug_malloc = column.trace_refs = true;
    runtime->layout.column = &column;
    expect_line("             built with 30-bit digits, pymalloc, PYMALLOC_DEBUG, Py_TRACE_REFS");
    runtime->digit_width = 0;
    runtime->layout.count_allocs = true;
    expect_line("             built with pymalloc, PYMALLOC_DEBUG, COUNT_ALLOCS, Py_TRACE_REFS");
    column.hexversion_first = 0x020300;
    runtime->version[0] = '\0';
    expect_line("Interpreter  CPython 2.3, UCS4, /usr/lib/libpython2.7.so.1.0");
}

Test(report, layouts)
{
    struct layout *layout = &interpreter.runtime.layout;
    layout->rivals = 2;
    expect_line("             DOUBT: no version could be read, and 2 other columns fit as well");
    layout->rivals = 1;
    layout->head_by_evidence = true;
    layout->values[LAYOUT_PyGC_Head_sizeof].offset = 24;
    expect_line("             DOUBT: no version could be read, and 1 other column fits as well");
    expect_line("             PyGC_Head has 24 bytes, to judge by the collector's lists");
}

Test(report, collectors)
{
    struct runtime *runtime = &interpreter.runtime;
    runtime->enabled.value = 0;
    runtime->debug.value = 32;
    expect_line("Collector    DISABLED, generations 3 / 97 / 900 objects, thresholds 700/10/10, "
                "debug flags 32");
    runtime->enabled.known = runtime->debug.known = false;
    runtime->collecting.value = 1;
    expect_line("Collector    A COLLECTION WAS IN PROGRESS, generations 3 / 97 / 900 objects, "
                "thresholds 700/10/10");
    cr_assert_not(report_is_complete(&report));
}

Test(report, sources_of_garbage)
{
    static const struct {
        enum garbage_source source;
        vaddr list;
        const char *line;
    } rows[] = {
        {GARBAGE_BY_SYMBOL, 0x1000, "gc.garbage   0x1000, 2 items, found by symbol"},
        {GARBAGE_BY_MODULE, 0x1000, "gc.garbage   0x1000, 2 items, found through the gc module"},
        {GARBAGE_BY_EVIDENCE, 0x1000, "gc.garbage   0x1000, 2 items, found by evidence"},
        {GARBAGE_EMPTY, 0,
         "gc.garbage   empty or not made yet, by evidence: nothing else in the interpreter's data "
         "fits"},
        {GARBAGE_NONE_YET, 0, "gc.garbage   not made yet: no collection ever ran"},
        {GARBAGE_NOT_FOUND, 0, "gc.garbage   NOT FOUND: what it lists shows as in use"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        report.garbage = rows[i].list;
        report.garbage_source = rows[i].source;
        expect_line(rows[i].line);
    }
}

// --- losses

// Each loss alone makes the numbers lower bounds.
static void expect_loss(const char *line)
{
    expect_line(line);
    cr_expect_not(report_is_complete(&report), "%s", line);
    expect_line("gc.garbage keeps at least 8 objects alive: 1.4 KiB, less than 1 % of all tracked "
                "objects.");
    set_report();
}

Test(report, losses)
{
    heap.losses.broken_links = 2;
    heap.losses.first_broken_link = 0x7f0000001000;
    expect_loss("             LOSS: 2 broken links in the collector's lists, the first after "
                "0x7f0000001000");
    heap.losses.unreadable_objects = 10;
    expect_loss("Coverage     990 objects read, 4,321 references, 121 KiB; 0 opaque, 10 "
                "unreadable");
    heap.losses.unreadable_parts = 3;
    heap.losses.unreadable_sizes = 4;
    expect_loss("             LOSS: 3 tables or item arrays and 4 sizes could not be read");
    heap.losses.objects_in_flux = 5;
    expect_loss("             DOUBT: a collection was in progress (5 objects in flux): objects on "
                "its own lists are missing");
    totals.overdrawn = 6;
    expect_loss("             DOUBT: 6 objects with more references than ob_refcnt");
    findings.unread_edges = 7;
    expect_loss("             LOSS: 7 edges could not be named");
    report.garbage_read = 1234;
    report.garbage_length = 5678;
    expect_loss("             LOSS: only 1234 items of gc.garbage could be read");
}

Test(report, losses_of_one)
{
    heap.losses.broken_links = heap.losses.unreadable_parts = heap.losses.unreadable_sizes = 1;
    heap.losses.objects_in_flux = totals.overdrawn = 1;
    findings.unread_edges = report.garbage_read = report.opaque_type_count = 1;
    heap.losses.first_broken_link = 0x1000;
    heap.opaque_objects = 1;
    expect_line("             LOSS: 1 broken link in the collector's lists, the first after "
                "0x1000");
    expect_line("             LOSS: 1 table or item array and 1 size could not be read");
    expect_line("             DOUBT: a collection was in progress (1 object in flux): objects on "
                "its own lists are missing");
    expect_line("             DOUBT: 1 object with more references than ob_refcnt");
    expect_line("             LOSS: 1 edge could not be named");
    expect_line("             LOSS: only 1 item of gc.garbage could be read");
    expect_line("             opaque: lxml.etree._Element, 1 object (what it holds counts as held "
                "from outside)");
}

Test(report, opaque_types)
{
    heap.opaque_objects = 1235;
    report.opaque_type_count = 2;
    expect_line("Coverage     1,000 objects read, 4,321 references, 121 KiB; 1235 opaque, 0 "
                "unreadable");
    expect_line("             opaque: lxml.etree._Element, 1 object (what it holds counts as held "
                "from outside)");
    expect_line("             opaque: zmq.Socket, 1,234 objects (what it holds counts as held from "
                "outside)");
    cr_assert(report_is_complete(&report), "told, and no loss");
    report.limit = 1;
    expect_line("             opaque: 1 more type (--limit)");
    expect_no("zmq.Socket");
}

Test(report, numbers_in_groups_and_bytes_in_units)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0 bytes"},
        {1023, "1023 bytes"},
        {1024, "1.0 KiB"},
        {10 * 1024 - 1, "10.0 KiB"},
        {10 * 1024, "10 KiB"},
        {UINT64_C(1) << 20, "1.0 MiB"},
        {UINT64_C(5) << 30, "5.0 GiB"},
        {UINT64_C(3) << 40, "3.0 TiB"},
        {UINT64_C(4096) << 40, "4096 TiB"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char line[256];
        report.kept_bytes = rows[i].bytes;
        snprintf(line, sizeof(line),
                 "gc.garbage keeps 8 objects alive: %s, less than 1 %% of all tracked objects.",
                 rows[i].text);
        expect_line(line);
    }
}

// --- names of strangers

Test(report, hostile_names)
{
    steps[0].type = finalizers[0].class = (char *)"app.\n\033[31mC";
    steps[0].edge = (char *)".\xff\xe2\x80\xae";
    finalizers[0].del.defined_in = (char *)"a\rb";
    finalizers[0].del.file = (char *)"/x/\ty.py";
    core.command = (char *)"python\007";
    core.path = (char *)"core\n1";
    image.path = (char *)"/usr/\x7fpython";
    opaque[0].name = "m.\xc2\x85T";
    report.opaque_type_count = 1;
    expect_line("    app.\\x0a\\x1b[31mC     has __del__: a\\x0db, \\x09y.py:35");
    expect_line("      .\\xff\\xe2\\x80\\xae ─▶ __main__.T");
    expect_line("      ._api_client ─▶ back to \\x0a\\x1b[31mC");
    expect_line("Core         core\\x0a1, 5.0 MiB, x86_64, complete");
    expect_line("Process      pid 1234, python\\x07, SIGABRT, 1 thread");
    expect_line("Interpreter  CPython 2.7.18, UCS4, /usr/\\x7fpython");
    expect_line("             opaque: m.\\xc2\\x85T, 1 object (what it holds counts as held from "
                "outside)");
}

Test(report, names_of_ten_thousand_bytes)
{
    char name[10001], line[10100];
    memset(name, 'n', 10000);
    name[10000] = '\0';
    steps[1].type = name;
    snprintf(line, sizeof(line), "      .t ─▶ %s\n", name);
    cr_assert_not_null(strstr(text_of_report(), line));
}

Test(report, states_have_names)
{
    cr_assert_str_eq(report_state_name(COLLECT_REACHABLE), "reachable");
    cr_assert_str_eq(report_state_name(COLLECT_UNCOLLECTABLE), "uncollectable");
    cr_assert_str_eq(report_state_name(COLLECT_PENDING), "pending");
    cr_assert_str_eq(report_state_name(COLLECT_TRASH), "trash");
    cr_assert_str_eq(report_state_name(COLLECT_KEPT), "kept");
}
