// The lower half of the text report, word for word: where the numbers come from.
#include "report_text.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

TestSuite(report_basis, .init = set_report);

Test(report_basis, cores)
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

// The first words, whatever follows.
Test(report_basis, cut)
{
    report.missing = (struct missing){.bytes = 3 << 20, .segments = 17, .filled = 8192};
    report.missing.kinds[MISSING_HEAP] = 5 << 19;
    report.missing.kinds[MISSING_NOTES] = 1;
    static const char words[] =
        "CUT: 3.0 MiB of the core are missing, in 17 segments: 2.5 MiB of the heap and stacks, "
        "1 bytes of the notes, 8.0 KiB that files here have, no loss.\n"
        "Every number is a lower bound.\n";
    const char *text = text_of_report();
    cr_expect(strncmp(text, words, strlen(words)) == 0, "%s", text);
    report.missing = (struct missing){.bytes = 4096, .segments = 1};
    for (int kind = 0; kind < MISSING_KINDS; kind++)
        report.missing.kinds[kind] = 1024u << kind;
    expect_line("CUT: 4.0 KiB of the core are missing, in 1 segment: 1.0 KiB of the heap and "
                "stacks, 2.0 KiB of the interpreter's data, 4.0 KiB of other files' data, 8.0 KiB "
                "of code and constants, 16 KiB of the notes, 32 KiB of section headers.");
}

// Advice that names nothing is not given: in its place, what is lost and what to do.
Test(report_basis, cut_with_lost_names)
{
    static char type[] = "<type at 0x7f0010>", edge[] = ".__dict__[?]";
    static char *const rows[][2] = {{type, NULL}, {NULL, edge}, {type, edge}};
    char *const names[] = {steps[0].type, steps[0].edge};
    report.missing = (struct missing){.bytes = 4096, .segments = 1};
    expect_no("cannot be named");
    for (size_t i = 0; i < LENGTH(rows); i++) {
        steps[0].type = rows[i][0] ? rows[i][0] : names[0];
        steps[0].edge = rows[i][1] ? rows[i][1] : names[1];
        expect_line(
            "What to break cannot be named, for its name is in what is missing; it would free 2 cycles.");
        expect_line(i == 0   ? "  What to break cannot be named. Of the cycle 1 type name and 0 "
                               "names of references lay in the part of the core that is missing."
                    : i == 1 ? "  What to break cannot be named. Of the cycle 0 type names and 1 "
                               "name of references lay in the part of the core that is missing."
                             : "  What to break cannot be named. Of the cycle 1 type name and 1 "
                               "name of references lay in the part of the core that is missing.");
        expect_line("    Still known: count and sizes, and the finalizer: seed_leak.py:35.");
        expect_no("Without");
        expect_no("Also enough");
    }
    // A whole core, of which a type's file is not here: the advice stands.
    report.missing = (struct missing){0};
    expect_no("cannot be named");
    expect_line("  Without .__dict__[?] of <type at 0x7f0010> the collector frees it (replayed).");
}

Test(report_basis, interpreters)
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
Test(report_basis, dwarf_of_a_detached_file)
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
Test(report_basis, interpreter_without_a_file)
{
    struct recognition recognition = {0};
    interpreter.recognition = &recognition;
    module.image = NULL;
    module.core_build_id = (struct build_id){2, {0xca, 0xfe}};
    expect_line("Interpreter  CPython 2.7.18, UCS4, /usr/lib/libpython2.7.so.1.0");
    expect_line("             build-id cafe (the core's; the file was not at hand)");
    expect_line(
        "             RECOGNIZED IN THE CORE: types are named by the modules that hold them");
    module.other_build = (struct build_id){2, {0xbe, 0xef}};
    expect_line("             build-id cafe (the core's; the file of that name at hand is of "
                "another build: beef)");
    expect_line("Layout       built-in column 2.7.18-x86_64, the one that fits what the core has");
    interpreter.module = NULL;
    expect_line("Interpreter  CPython 2.7.18, UCS4, (a file that the core does not name)");
    expect_line("             build-id none (the core's; the file was not at hand)");
}

Test(report_basis, builds)
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

Test(report_basis, layouts)
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

Test(report_basis, collectors)
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
Test(report_basis, collections_in_progress)
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
    heap.losses.tears.count = 2;
    collecting->known = false;
    expect_line("Collector    enabled, generations 3 / 97 / 900 objects, thresholds 700/10/10, "
                "counts 0/1/2");
    cr_assert_not(report_is_complete(&report));
}

Test(report_basis, saveall)
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

Test(report_basis, saveall_and_nothing_saved)
{
    set_no_findings();
    interpreter.runtime.debug.value = 32;
    expect_line("gc.DEBUG_SAVEALL is set: collections put all that they find unreachable into "
                "gc.garbage.");
    expect_line("None is pending: the next full collection would add nothing to it.");
    expect_no("Of its");
}

Test(report_basis, garbage_in_the_hands_of_the_program)
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

Test(report_basis, garbage_that_was_emptied)
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

Test(report_basis, sources_of_garbage)
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

Test(report_basis, losses)
{
    heap.losses.tears = (struct tears){2,
                                       {{0x7f0000001000, 0x10, 0, true, TEAR_NOWHERE},
                                        {0x1000, 0x2000, 0x3000, true, TEAR_DISAGREE}},
                                       0};
    expect_loss("             LOSS: 2 broken links in the collector's lists:");
    heap.losses.tears.lost = 1234;
    expect_loss("             LOSS: 1,234 links of the collector's lists lead into memory that is "
                "missing");
    heap.losses.unreadable_objects = 10;
    expect_loss("Coverage     990 objects read, 4,321 references, 121 KiB; 0 opaque, 10 "
                "unreadable");
    heap.losses.unreadable_objects = 1234;
    for (vaddr i = 0; i < HEAP_UNREADABLE_TOLD; i++)
        heap.losses.unreadable_at[i] = 0x1000 * (i + 1);
    expect_line("             LOSS: 1,234 objects cannot be read, the first at 0x1000, 0x2000, "
                "0x3000, 0x4000, 0x5000, 0x6000, 0x7000, 0x8000");
    set_report();
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
    report.lost_reads = 3;
    expect_loss("             LOSS: names, lines or what else the cycles are told by could not be "
                "read, 3 times: not saved in the core, or damaged");
    interpreter.source.data_missing = 8192;
    expect_loss(
        "             LOSS: 8.0 KiB of the interpreter's static data not saved in the core");
    report.garbage_read = 1234;
    report.garbage_length = 5678;
    expect_loss("             LOSS: only 1234 items of gc.garbage could be read");
}

// Each with its address, as far as there is room.
Test(report_basis, broken_links)
{
    static const struct tear tears[] = {
        {0x7f0000001000, 0x10, 0, true, TEAR_NOWHERE},
        {0x1000, 0x2000, 0x3000, true, TEAR_DISAGREE},
        {0x1000, 0x2000, 0x3000, false, TEAR_DISAGREE},
        {0x1000, 0x2000, 0, false, TEAR_TWICE},
        {0x1000, 0x2000, 0, true, TEAR_HEAD},
        {0x1000, 0x1000, 0, false, TEAR_NO_HEAD},
    };
    heap.losses.tears.count = 1234567;
    memcpy(heap.losses.tears.kept, tears, sizeof(tears));
    expect_line("             LOSS: 1,234,567 broken links in the collector's lists:");
    expect_line("             gc_next of 0x7f0000001000 leads to 0x10, where no element can be");
    expect_line("             gc_next of 0x1000 leads to 0x2000, whose gc_prev leads to 0x3000");
    expect_line("             gc_prev of 0x1000 leads to 0x2000, whose gc_next leads to 0x3000");
    expect_line("             gc_prev of 0x1000 leads to 0x2000, which was counted already");
    expect_line("             gc_next of 0x1000 leads to 0x2000, the head of another list");
    expect_line("             the head of a list at 0x1000 cannot be read");
    expect_line("             and 1,234,559 more");
}

Test(report_basis, losses_of_one)
{
    heap.losses.tears.count = heap.losses.unreadable_parts = heap.losses.unreadable_sizes = 1;
    heap.losses.tears.kept[0] = (struct tear){0x1000, 0x2000, 0, true, TEAR_NOWHERE};
    heap.losses.tears.lost = 1;
    heap.losses.unreadable_objects = 1;
    heap.losses.unreadable_at[0] = 0x1000;
    totals.overdrawn = 1;
    findings.unread_edges = report.garbage_read = report.opaque_type_count = 1;
    heap.opaque_objects = report.opaque_reason_count = 1;
    opaque_reasons[0].objects = 1;
    expect_line("             1 object opaque: its traversal does not end (1)");
    expect_line("             LOSS: 1 broken link in the collector's lists:");
    expect_line("             gc_next of 0x1000 leads to 0x2000, where no element can be");
    expect_line("             LOSS: 1 link of the collector's lists leads into memory that is "
                "missing");
    expect_line("             LOSS: 1 object cannot be read, at 0x1000");
    expect_line("             LOSS: 1 table or item array and 1 size could not be read");
    expect_line("             DOUBT: 1 object with more references than ob_refcnt");
    expect_line("             LOSS: 1 edge could not be named");
    expect_line("             LOSS: only 1 item of gc.garbage could be read");
    expect_line("             opaque: lxml.etree._Element, 1 object (what it holds counts as held "
                "from outside)");
}

Test(report_basis, opaque_types)
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

Test(report_basis, numbers_in_groups_and_bytes_in_units)
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
