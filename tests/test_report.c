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
        "      .t ─▶ __main__.T     ◀ break here\n"
        "      ._api_client ─▶ back to MyApiClient\n"
        "  Without .t of MyApiClient the collector frees it (replayed).\n"
        "    Set in cached_property.__get__ (seed_leak.py:21).\n"
        "    A descriptor of the class caches it: let what it caches refer back by a weakref.\n"
        "    Also enough: ._api_client of T.\n"
        "  e.g. 0x7f34e9520a90; each 4 objects, 704 bytes\n"
        "\n"
        "Core         core.1234, 5.0 MiB, x86_64, complete\n"
        "Process      pid 1234, python2.7 app.py, SIGABRT, 1 thread\n"
        "Interpreter  CPython 2.7.18, UCS4, /usr/lib/libpython2.7.so.1.0\n"
        "             build-id deadbeef (matches the core)\n"
        "Layout       built-in column 2.7.18-x86_64, the file has no DWARF\n"
        "Collector    enabled, generations 3 / 97 / 900 objects, thresholds 700/10/10, "
        "counts 0/1/2\n"
        "gc.garbage   0x7f34e9500000, 2 items, found by symbol\n"
        "Coverage     1,000 objects read, 4,321 references, 121 KiB; 0 opaque, 0 unreadable\n"
        "\n"
        "Thread 0x7f34, which held the interpreter lock, innermost call first:\n"
        "    ping, seed_leak.py:63\n"
        "    <module>, seed_leak.py:140\n");
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
    report.garbage_length = report.garbage_read = 2000;
    expect_line(
        "gc.garbage lists 2,000 objects, but keeps none alive by itself (1,000 tracked objects "
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
    cr_expect_not(report_is_complete(&report));
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
    items[0].objects = items[0].count * items[0].example_objects;
    items[0].bytes = items[0].count * items[0].example_bytes + 96;
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
        {{OBJECT_DEL_CLASS, (char *)"app.C", (char *)"c.py", 7, OBJECT_DEL_FUNCTION,
          (char *)"function f", 0},
         "has __del__: app.C, c.py:7"},
        {{.kind = OBJECT_DEL_CLASS,
          .defined_in = (char *)"app.C",
          .value = OBJECT_DEL_BUILTIN,
          .what = (char *)"builtin function l\ten"},
         "has __del__: app.C, builtin function l\\x09en"},
        {{OBJECT_DEL_CLASS, (char *)"app.C", (char *)"c.py", 7, OBJECT_DEL_WRAPPER,
          (char *)"staticmethod of function f", 0},
         "has __del__: app.C, staticmethod of function f, c.py:7"},
        {{.kind = OBJECT_DEL_INSTANCE, .value = OBJECT_DEL_OBJECT, .what = (char *)"None"},
         "has __del__ as an attribute of its own, None"},
        {{OBJECT_DEL_SLOT, (char *)"app.C", (char *)"/lib/app.so", 0, 0, NULL, 0x1234},
         "has a finalizer in C, tp_del of app.C, app.so"},
        {{.kind = OBJECT_DEL_SLOT, .defined_in = (char *)"app.C"},
         "has a finalizer in C, tp_del of app.C"},
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
    expect_line("      .t ─▶ legacy.Relic     has __del__: legacy.Relic     ◀ break here");
}

// Two generators, say: of one class, but not of one function.
Test(report, finalizers_of_one_class)
{
    items[0].finalizer_count = 2;
    finalizers[1] = finalizers[0];
    finalizers[1].del.line = 77;
    finalizers[1].del_source = steps[0].del_source = 0x1234;
    expect_line("    __main__.MyApiClient     has __del__: __main__.ApiClient, seed_leak.py:77");
    expect_line(
        "    also __main__.MyApiClient     has __del__: __main__.ApiClient, seed_leak.py:35");
    // One that reads the same as another is not kept.
    steps[0].del_source = 0x5678;
    expect_line("    __main__.MyApiClient     has __del__: __main__.ApiClient, seed_leak.py:35");
}

Test(report, a_cycle_of_one)
{
    items[0].step_count = items[0].break_count = 1;
    expect_line("      .t ─▶ back to MyApiClient     ◀ break here");
    expect_no("Also enough");
}

// Each kind of reference has its remedy; who sets it is told where it is known.
Test(report, what_to_break)
{
    static const struct {
        enum break_kind kind;
        const char *words;
    } rows[] = {
        {BREAK_METHOD,
         "    A bound method kept as an attribute: keep the method's name, or look it "
         "up when it is called."},
        {BREAK_CLOSURE, "    A function kept as an attribute that knows the object: give it a "
                        "weakref instead."},
        {BREAK_GENERATOR, "    A generator kept as an attribute: close() it and drop it when it is "
                          "done with."},
        {BREAK_BACK_REFERENCE,
         "    A reference back: make it a weakref (weakref.ref, weakref.proxy)."},
        {BREAK_ATTRIBUTE, "    Make one of the two a weakref, or delete the attribute when it is "
                          "done with."},
        {BREAK_ITEM, "    Keep weak references in it (weakref.WeakValueDictionary), or take the "
                     "item out."},
        {BREAK_LOCAL, "    A frame is kept with its variables (by a traceback, a generator): del "
                      "what keeps it."},
        {BREAK_CELL, "    A variable of a closure: pass the object as an argument, or a weakref to "
                     "it."},
        {BREAK_STRUCTURE, "    It cannot be taken out alone: drop the object that has it."},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        breaks[0].kind = rows[i].kind;
        expect_line(rows[i].words);
    }
    breaks[0].every = true;
    expect_line("  Without .t of every MyApiClient the collector frees it (replayed).");
    items[0].origins.count = 2;
    items[0].origins.items[1] = (struct origin){(char *)"connect", NULL, 7};
    expect_line("    Set in cached_property.__get__ (seed_leak.py:21) or connect (?:7).");
    items[0].origins.more = true;
    expect_line("    Set in cached_property.__get__ (seed_leak.py:21), connect (?:7) or "
                "elsewhere.");
    items[0].origins.count = 0;
    expect_no("Set in");
}

Test(report, stacks)
{
    stack.current = false;
    stack.depth = 1002;
    stacks.complete = false;
    expect_line("Thread 0x7f34, innermost call first:");
    expect_line("    ... 1,000 more calls (--limit)");
    expect_line("Not all threads or calls could be read.");
    stack.depth = stack.frame_count = 0;
    expect_line("Thread 0x7f34: no Python code");
    struct stack many[3] = {stack, stack, stack};
    stacks.items = many;
    stacks.count = 3;
    report.limit = 1;
    expect_line("2 more threads not shown (--limit).");
    stacks.count = 0;
    expect_no("Thread");
}

Test(report, nothing_to_break)
{
    items[0].break_count = 0;
    expect_line("  No single reference of it is enough to break, nor any of its attributes for all "
                "objects:");
    expect_no("break here");
    items[0].breaks_tried = 1;
    expect_line("  None of the 1 references that were tried is enough to break.");
    items[0].breaks_tried = 0;
    expect_line("  Which reference to break was not tried: too large.");
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
    items[0].break_count = 0;
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

// --- who holds what

Test(report, who_holds_what)
{
    set_holders();
    const char *text = text_of_report();
    cr_expect(strstr(text,
                     "\n1,234 objects of gc.garbage are in use: the list alone does not leak "
                     "them. The shortest ways to them:\n"
                     "    1,233 app.Client, e.g. 0x7000\n"
                     "      module app.registry\n"
                     "        ... 7 more ...\n"
                     "        .clients ─▶ dict\n"
                     "        [str] ─▶ app.Client\n"
                     "    1 app.Client, e.g. 0x7100\n"
                     "      running frame of serve, main.py:12\n"
                     "        local it ─▶ app.Client\n"
                     "\n1 cycle with a finalizer is in use, though no module, running frame or "
                     "state of the\ninterpreter leads there:\n"
                     "    1 cycle with app.Relic, e.g. 0x8000\n"
                     "      referred to from outside of the heap: app.Relic\n"),
              "%s", text);
    cr_expect(
        strstr(
            text,
            "\nReferences to these that no tracked object has, and where a word with the "
            "address\nstands. A word is evidence, no proof: it may be stale.\n"
            "    12 objects of mod.X have one reference more than the heap explains: an extension "
            "may leak them, e.g. 0x9000\n"
            "    1 object of mod.X: static data of awk\\x0a.so: kept at 0x500, e.g. 0x9100\n"
            "    1 object of mod.X: 2 words in an untracked object, mod.Box, e.g. 0x9200\n"
            "    1 object of mod.X: the value stack of a running frame of serve, e.g. 0x9300\n"
            "    3 objects of mod.X: the stack of thread 4321, e.g. 0x9400\n"
            "    1 object of mod.X: other memory, as C code has it, e.g. 0x9500\n"
            "    1 object of mod.X: an object that does not visit it, mod.Careless, e.g. "
            "0x9600\n"),
        "%s", text);
}

Test(report, references_that_nothing_explains)
{
    static struct holders holders;
    static struct holders_surplus surplus = {.place = HOLDERS_NOWHERE, .example = 0x9000};
    static const struct {
        uint64_t objects, references;
        const char *line;
    } rows[] = {
        {1, 1,
         "    1 object of m.X has one reference more than the heap explains: an extension may "
         "leak it, e.g. 0x9000"},
        {1, 5,
         "    1 object of m.X has 5 references more than the heap explains: an extension may "
         "leak it, e.g. 0x9000"},
        {2, 3000,
         "    2 objects of m.X have 3,000 references more in all than the heap explains: an "
         "extension may leak them, e.g. 0x9000"},
    };
    holders = (struct holders){.surplus = &surplus, .surplus_count = 1};
    surplus.type = (char *)"m.X";
    report.holders = &holders;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        surplus.objects = rows[i].objects;
        surplus.references = rows[i].references;
        expect_line(rows[i].line);
    }
    holders.words_cut = true;
    holders.audit_cut = 1;
    holders.untraced = 2;
    expect_line("    there were too many such words to look at all of them");
    expect_line("    1 more object not looked at");
    expect_line("    the ways to 2 more were not worked out");
}

Test(report, holders_are_cut_by_the_limit)
{
    set_holders();
    report.limit = 1;
    expect_line("    1 more way not shown (--limit)");
    expect_line("    6 more not shown (--limit)");
    expect_no("local it");
}

Test(report, types_of_overdrawn_objects)
{
    set_holders();
    totals.overdrawn = 2;
    expect_line("             DOUBT: 2 objects with more references than ob_refcnt");
    expect_line("             2 of mod.Greedy, e.g. 0xa000");
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

// What differs is told by name, and where it was read.
Test(report, dwarf_of_a_detached_file)
{
    static const enum layout_member members[] = {
        LAYOUT_PyObject_ob_type, LAYOUT_PyGC_Head_sizeof, LAYOUT_PyVarObject_ob_size,
        LAYOUT_PyListObject_allocated, LAYOUT_PyListObject_ob_item};
    struct layout *layout = &interpreter.runtime.layout;
    struct image debug = {.path = "/usr/lib/debug/.build-id/de/adbeef.debug"};
    image.detached = &debug;
    interpreter.has_dwarf = true;
    interpreter.debug_file.source = DEBUG_FILE_BY_BUILD_ID;
    for (size_t i = 0; i < LENGTH(members); i++) {
        layout->values[members[i]] = (struct layout_value){8, 8};
        layout_overlay(layout, members[i], (struct layout_value){16, 8});
        if (i == 0)
            expect_line("             not as in the column: PyObject.ob_type; DWARF's are used");
    }
    expect_line("Layout       built-in column 2.7.18-x86_64, checked by detached DWARF: 5 members, "
                "5 differ");
    expect_line("             /usr/lib/debug/.build-id/de/adbeef.debug (by build-id)");
    expect_line("             not as in the column: PyGC_Head (size), PyObject.ob_type, "
                "PyVarObject.ob_size and 2 more; DWARF's are used");
    image.detached = NULL;
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
    expect_no("interpreters in one process");
    stacks.interpreters = 4;
    expect_line("             4 interpreters in one process, with one collector");
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
    runtime->debug.value = 1 | 32 | 64 | 1024;
    expect_line("Collector    DISABLED, generations 3 / 97 / 900 objects, thresholds 700/10/10, "
                "counts 0/1/2, debug flags DEBUG_STATS + DEBUG_SAVEALL + 1088");
    runtime->debug.value = 2 | 4 | 8 | 16;
    expect_line("Collector    DISABLED, generations 3 / 97 / 900 objects, thresholds 700/10/10, "
                "counts 0/1/2, debug flags DEBUG_COLLECTABLE + DEBUG_UNCOLLECTABLE + "
                "DEBUG_INSTANCES + DEBUG_OBJECTS");
    runtime->debug.value = 128;
    expect_line("Collector    DISABLED, generations 3 / 97 / 900 objects, thresholds 700/10/10, "
                "counts 0/1/2, debug flags 128");
    runtime->enabled.known = runtime->debug.known = false;
    runtime->generations[1] = (struct runtime_generation){.threshold = 0, .count = -1};
    runtime->collecting.value = 1;
    expect_line("Collector    enabled or not is not known (stripped file), A COLLECTION WAS IN "
                "PROGRESS, generations 3 / 97 / 900 objects, thresholds 700/0/10, counts 0/-1/2, "
                "debug flags not known (stripped file)");
    cr_assert(report_is_complete(&report));
}

// All of its objects were found, so nothing is in doubt; a stripped interpreter tells of it by its
// lists alone.
Test(report, collections_in_progress)
{
    struct runtime_flag *collecting = &interpreter.runtime.collecting;
    heap.losses.objects_in_flux = 900;
    heap.listed_on_stacks = 1;
    for (int known = 0; known < 2; known++) {
        *collecting = (struct runtime_flag){known, known};
        expect_line("Collector    enabled, A COLLECTION WAS IN PROGRESS (1 object on its own "
                    "lists), generations 3 / 97 / 900 objects, thresholds 700/10/10, counts 0/1/2");
        cr_assert(report_is_complete(&report));
    }
    heap.listed_elsewhere = 1234;
    expect_line("Collector    enabled, A COLLECTION WAS IN PROGRESS (1,235 objects on its own "
                "lists), generations 3 / 97 / 900 objects, thresholds 700/10/10, counts 0/1/2");
    cr_assert(report_is_complete(&report));
    // Found past the breaks of a damaged list.
    heap.losses.objects_in_flux = heap.listed_on_stacks = 0;
    heap.losses.broken_links = 2;
    collecting->known = false;
    expect_line("Collector    enabled, generations 3 / 97 / 900 objects, thresholds 700/10/10, "
                "counts 0/1/2");
    cr_assert_not(report_is_complete(&report));
}

Test(report, saveall)
{
    interpreter.runtime.debug.value = 32;
    report.garbage_length = report.garbage_read = 13;
    report.garbage_items = (struct report_items){.uncollectable = 4, .kept = 8, .in_use = 1};
    totals.objects[COLLECT_KEPT] = 8;
    expect_line("gc.DEBUG_SAVEALL is set: collections put all that they find unreachable into "
                "gc.garbage.");
    expect_line("Of its 13 items 4 are uncollectable; without that flag 8 would have been freed.");
    expect_line("gc.garbage   0x7f34e9500000, 13 items, with DEBUG_SAVEALL: 4 uncollectable, 8 "
                "only saved, 1 in use elsewhere, found by symbol");
    report.garbage_length = report.garbage_read = 1;
    report.garbage_items = (struct report_items){.uncollectable = 1};
    expect_line("Of its 1 item 1 is uncollectable; without that flag 0 would have been freed.");
    totals.objects[COLLECT_TRASH] = 3;
    expect_line("Pending: the next full collection would add all 3 unreachable objects to it, of "
                "which 0 are uncollectable.");
    totals.objects[COLLECT_PENDING] = 1;
    report.pending_finalizers = 1;
    expect_line("Pending: the next full collection would add all 4 unreachable objects to it, of "
                "which 1 is uncollectable.");
    expect_line("Collectable trash waiting for a collection: 3 objects, 0 bytes.");
    interpreter.runtime.debug.known = false;
    expect_no("SAVEALL");
    expect_line("Pending: the next full collection would add 1 object to it, and keep 1 in all for "
                "them.");
}

Test(report, saveall_and_nothing_saved)
{
    set_no_findings();
    interpreter.runtime.debug.value = 32;
    expect_line("gc.DEBUG_SAVEALL is set: collections put all that they find unreachable into "
                "gc.garbage.");
    expect_line("None is pending: the next full collection would add nothing to it.");
    expect_no("Of its");
}

Test(report, garbage_in_the_hands_of_the_program)
{
    report.garbage_bound = 0x2000;
    report.garbage_bound_length = 1234;
    report.garbage_binding = GARBAGE_BINDING_LIST;
    expect_line(
        "             gc.garbage in the gc module is another list now, 0x2000, 1,234 items: "
        "the program replaced it;");
    expect_line("             the collector goes on with its own list");
    report.garbage_binding = GARBAGE_BINDING_OTHER;
    expect_line("             gc.garbage in the gc module is no list now (0x2000): the program "
                "replaced it;");
    report.garbage_binding = GARBAGE_BINDING_DELETED;
    expect_line("             the gc module has no gc.garbage any more: the program deleted it;");
    expect_line("             the collector goes on with its own list");
    report.garbage_binding = GARBAGE_BINDING_SAME;
    expect_no("the program");
}

Test(report, garbage_that_was_emptied)
{
    report.garbage_length = report.garbage_read = 0;
    report.pending_finalizers = 1;
    expect_line("             no collection has come to the pending ones yet, or the program took "
                "them out");
    report.garbage_emptied = true;
    expect_line("             it held items before: the program took them out");
    expect_no("no collection");
    report.garbage_emptied = false;
    report.pending_finalizers = 0;
    expect_no("the program");
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
    expect_loss("             DOUBT: the lists look like those of a collection, but none was in "
                "progress");
    interpreter.runtime.collecting.value = 1;
    heap.losses.lists_unknown = true;
    expect_loss("             DOUBT: a collection was in progress, and neither pools nor stacks "
                "show what it has set aside");
    totals.overdrawn = 6;
    expect_loss("             DOUBT: 6 objects with more references than ob_refcnt");
    findings.unread_edges = 7;
    expect_loss("             LOSS: 7 edges could not be named");
    interpreter.source.data_missing = 8192;
    expect_loss(
        "             LOSS: 8.0 KiB of the interpreter's static data not saved in the core");
    report.garbage_read = 1234;
    report.garbage_length = 5678;
    expect_loss("             LOSS: only 1234 items of gc.garbage could be read");
}

Test(report, losses_of_one)
{
    heap.losses.broken_links = heap.losses.unreadable_parts = heap.losses.unreadable_sizes = 1;
    totals.overdrawn = 1;
    findings.unread_edges = report.garbage_read = report.opaque_type_count = 1;
    heap.losses.first_broken_link = 0x1000;
    heap.opaque_objects = report.opaque_reason_count = 1;
    opaque_reasons[0].objects = 1;
    expect_line("             1 object opaque: its traversal does not end (1)");
    expect_line("             LOSS: 1 broken link in the collector's lists, the first after "
                "0x1000");
    expect_line("             LOSS: 1 table or item array and 1 size could not be read");
    expect_line("             DOUBT: 1 object with more references than ob_refcnt");
    expect_line("             LOSS: 1 edge could not be named");
    expect_line("             LOSS: only 1 item of gc.garbage could be read");
    expect_line("             opaque: lxml.etree._Element, 1 object (what it holds counts as held "
                "from outside)");
}

Test(report, opaque_types)
{
    heap.opaque_objects = 1235;
    report.opaque_type_count = report.opaque_reason_count = 2;
    expect_line(
        "             1,235 objects opaque: their traversal does not end (1,231), calls the "
        "system (4)");
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
    expect_line("      .\\xff\\xe2\\x80\\xae ─▶ __main__.T     ◀ break here");
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
    snprintf(line, sizeof(line), "      .t ─▶ %s     ◀ break here\n", name);
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

// --- what --verify found

static void expect_verify(const char *expected)
{
    free(output);
    FILE *file = open_memstream(&output, &output_size);
    report_verify_text(&report, &verify, file);
    cr_assert_eq(fclose(file), 0);
    cr_assert_str_eq(output, expected, "%s", output);
}

#define VERIFY_HEAD                                                                                \
    "Interpreter  CPython 2.7.18, UCS4, /usr/lib/libpython2.7.so.1.0\n"                            \
    "             build-id deadbeef (matches the core)\n"                                          \
    "Layout       built-in column 2.7.18-x86_64, the file has no DWARF\n\n"

Test(report, verify_clean)
{
    verified[0].different = verified[1].unchecked = 0;
    verify.checked_types = 3;
    verify.checked = 1001;
    expect_verify(VERIFY_HEAD "1,000 objects of 3 types: 3 types checked, at most 1,000 objects "
                              "each (1,001), 0 differ.\n");
    verify.limit = 0;
    verify.coded_types = 1;
    verify.checked_types = 2;
    expect_verify(VERIFY_HEAD "1,000 objects of 3 types: 2 types checked, all objects (1,001), 0 "
                              "differ; 1 type not checked: visited by its own code, there is no "
                              "table.\n");
}

Test(report, verify_with_differences)
{
    verify.checked_types = 2;
    verify.checked = 992;
    verify.different = 3;
    verify.coded_types = verify.different_types = verify.unchecked_types = 1;
    verify.unchecked = 9;
    verify.unreadable_objects = 1;
    expect_verify(
        VERIFY_HEAD
        "collections.deque: 3 of 990 objects differ, e.g. 0x7f34e9520a90: the table has 1,234 "
        "references, the code visits 1,235; visit 1,235 is nothing in the table and app.\\x0aT in "
        "the code\n"
        "zmq.Socket: 9 of 9 objects not checked: their traversal was not tried, after too many "
        "others that did not end (7), cannot be run here (2)\n"
        "\n"
        "1,000 objects of 3 types: 2 types checked, at most 1,000 objects each (992), 3 differ; 1 "
        "type not checked: visited by its own code, there is no table; 9 objects could not be "
        "checked; 1 object without a type that can be read.\n");
}

Test(report, verify_of_few)
{
    verified[0].different = verified[0].checked = verified[0].unchecked = 1;
    verified[0].reasons[HEAP_OPAQUE_CLASS] = 1;
    verified[0].first.table_type = verified[0].first.code_type;
    report.limit = 1;
    verify.limit = 0;
    expect_verify(
        VERIFY_HEAD
        "collections.deque: 1 of 1 object differs, e.g. 0x7f34e9520a90: the table has 1,234 "
        "references, the code visits 1,235; visit 1,235 is app.\\x0aT in the table and app.\\x0aT "
        "in the code; 1 of 2 objects not checked: its traversal depends on classes that cannot be "
        "read (1)\n"
        "1 more type not shown (--limit).\n"
        "\n"
        "1,000 objects of 3 types: 0 types checked, all objects (0), 0 differ.\n");
}
