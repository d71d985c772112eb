// The text report, word for word: what leaked. JSON and the graph are in test_report_json.c.
#include "report_text.h"
#include "version.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

TestSuite(report, .init = set_report);

// --- the whole

Test(report, the_story)
{
    expect_text(
        "gc.garbage keeps 8 objects alive: 1.4 KiB, less than 1 % of all tracked objects.\n"
        "Break .t of MyApiClient, set in cached_property.__get__ (seed_leak.py:21), to free 2 cycles.\n"
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
        "    <module>, seed_leak.py:140\n"
        "\n"
        "Ticket       pycore-garbage " PYCORE_GARBAGE_VERSION
        ", core.1234, 5242880 bytes, build-id deadbeef, signatures 5f3c2a91\n");
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

Test(report, no_garbage)
{
    set_no_findings();
    expect_line("No garbage: no cycle with __del__ is kept in gc.garbage (1,000 tracked objects "
                "looked at).");
    expect_line("None is pending: the next full collection would add nothing to it.");
    expect_line("gc.garbage   0x7f34e9500000, 0 items, found by symbol");
    expect_no("like this one");
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
    items[0].sizes = (struct finding_sizes){
        .least = 1, .median = 4, .most = 1002, .counts = {[0] = 3, [2] = 90, [9] = 1234}};
    expect_line("  e.g. 0x7f34e9520a90; this one 4 objects, 704 bytes");
    items[0].objects = items[0].count * items[0].example_objects;
    items[0].bytes = items[0].count * items[0].example_bytes + 96;
    expect_line("  e.g. 0x7f34e9520a90; this one 4 objects, 704 bytes");
    expect_line("  objects per cycle: 1 to 1,002, median 4 (1: 3; 4-7: 90; 512-1,023: 1,234)");
    items[0].sizes.most = 1;
    expect_no("per cycle");
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
        {{.kind = OBJECT_DEL_UNKNOWN}, "has a finalizer, which could not be found"},
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
    stack.alike = 2;
    expect_line("Thread 0x7f34 and 1 other: no Python code");
    struct stack many[3] = {stack, stack, stack};
    stacks.items = many;
    stacks.count = stacks.distinct = 3;
    report.limit = 1;
    expect_line("2 more stacks not shown (--limit).");
    stacks.distinct = 0;
    expect_no("Thread");
}

Test(report, nothing_to_break)
{
    items[0].break_count = 0;
    expect_line("  No single reference of it is enough to break, nor any of its attributes for all "
                "objects.");
    expect_line("    There are other cycles through it.");
    expect_no("break here");
    items[0].breaks_tried = 1;
    expect_line("  None of the 1 references that were tried is enough to break.");
    items[0].breaks_tried = 0;
    expect_line("  Which reference to break was not tried: too large.");
}

// Not all cycles of a finding hold together by the same.
Test(report, cycles_that_are_not_alike)
{
    items[0].count = 1000;
    items[0].uneven = 200;
    items[0].breaks[0].tally = (struct finding_tally){64, 16};
    expect_line("Break .t of MyApiClient, set in cached_property.__get__ "
                "(seed_leak.py:21), to free about 850 of 1,000 cycles.");
    expect_line("    Not all these cycles are alike: of 64 that were replayed without it, 16 are "
                "freed. The others hold together by more.");
    expect_no("Also enough");
    items[0].uneven = 64;
    expect_line("Break .t of MyApiClient, set in cached_property.__get__ "
                "(seed_leak.py:21), to free 952 of 1,000 cycles.");
    items[0].breaks[1].tally = items[0].breaks[0].tally;
    expect_line("    Also enough: ._api_client of T.");
    items[0].breaks[0].tally.freed = 64;
    items[0].breaks[1].tally.freed = 64;
    expect_line("Break .t of MyApiClient, set in cached_property.__get__ "
                "(seed_leak.py:21), to free 1,000 cycles.");
    expect_no("Not all these");
}

// Several that are to be broken together: what is drawn of them is marked.
static void set_changes(struct finding_change changes[2])
{
    static struct finding_step other;
    other = (struct finding_step){.type = (char *)"app.\nOther", .edge = (char *)".client"};
    changes[0] = (struct finding_change){
        .step = &steps[1],
        .kind = BREAK_BACK_REFERENCE,
        .drawn = 1,
        .origins = {.items = {{(char *)"T.__init__", (char *)"/srv/app/seed_leak.py", 21}},
                    .count = 1}};
    changes[1] =
        (struct finding_change){.step = &other, .kind = BREAK_BACK_REFERENCE, .drawn = SIZE_MAX};
    items[0].break_count = 0;
    items[0].set = (struct finding_set){FINDING_SET_FOUND, 2, changes, 2};
}

Test(report, several_to_break)
{
    struct finding_change changes[2];
    set_changes(changes);
    expect_line("      ._api_client ─▶ back to MyApiClient     ◀ break here");
    expect_line("  No single reference is enough; with all of these gone the collector frees it "
                "(replayed):");
    expect_line("    ._api_client of every T, set in T.__init__ (seed_leak.py:21).");
    expect_line("    .client of every \\x0aOther.");
    expect_line("    A reference back: make it a weakref (weakref.ref, weakref.proxy).");
    expect_line(
        "Break ._api_client of every T, set in T.__init__ (seed_leak.py:21), and .client of "
        "every \\x0aOther, to free 2 cycles.");
    changes[1].kind = BREAK_ATTRIBUTE;
    expect_line("    A reference back: make it a weakref (weakref.ref, weakref.proxy).");
    expect_line("    Make one of the two a weakref, or delete the attribute when it is done with.");
    expect_no("Also enough");
    // Beside one that no program can change.
    items[0].break_count = 1;
    breaks[0].kind = BREAK_STRUCTURE;
    expect_line("  With all of these gone the collector frees it (replayed):");
    expect_line("    Also enough: .t of MyApiClient.");
    expect_no(".t ─▶ __main__.T     ◀ break here");
    items[0].break_count = 0;
    items[0].set.count = 1;
    expect_line("  No single reference is enough; with this gone the collector frees it "
                "(replayed):");
}

Test(report, no_set_to_break)
{
    items[0].break_count = 0;
    items[0].set.state = FINDING_SET_NONE;
    expect_line("  No single reference is enough, nor are all attributes, items and variables "
                "together (replayed).");
    expect_line("    Do without the __del__: try/finally, a context manager, a callback of a "
                "weakref.");
    items[0].set.state = FINDING_SET_TOO_LARGE;
    items[0].set.size = 12;
    expect_line("  No single reference is enough; it takes 12 attributes, items or variables "
                "together (replayed).");
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

// Only the steps that are told are there.
Test(report, a_cycle_of_which_steps_are_left_out)
{
    static struct finding_step many[FINDING_STEPS_FIRST + FINDING_STEPS_LAST];
    static char edges[LENGTH(many)][16];
    for (size_t i = 0; i < LENGTH(many); i++) {
        size_t number = i < FINDING_STEPS_FIRST ? i : 5000000 - LENGTH(many) + i;
        snprintf(edges[i], sizeof(edges[i]), ".n%zu", number);
        many[i] = (struct finding_step){
            .object = i, .type = (char *)"app.Link", .edge = edges[i], .number = number};
    }
    many[0].finalizer = true;
    items[0].steps = many;
    items[0].break_count = 0;
    items[0].step_count = 5000000;
    items[0].steps_left_out = 5000000 - LENGTH(many);
    expect_line("      .n19 ─▶ app.Link");
    expect_line("      ... 4999960 more ...");
    expect_line("      .n4999980 ─▶ app.Link");
    expect_line("      .n4999999 ─▶ back to Link");
    expect_no(".n20 ");
    expect_no(".n4999979 ");
}

// A finalizer that the drawing passes over is told below it.
Test(report, a_finalizer_among_the_steps_that_are_not_drawn)
{
    struct finding_step many[100];
    for (size_t i = 0; i < LENGTH(many); i++)
        many[i] = (struct finding_step){i, (char *)"app.Link", (char *)".next", false};
    many[0] = (struct finding_step){0, (char *)"__main__.MyApiClient", (char *)".next", true};
    items[0].steps = many;
    items[0].break_count = 0;
    items[0].step_count = LENGTH(many);
    items[0].finalizer_count = 2;
    for (size_t i = 1; i < LENGTH(many); i++) {
        bool drawn = i < 20 || i >= 80;
        many[i] = (struct finding_step){i, finalizers[1].class, (char *)".next", true};
        if (drawn)
            expect_no("    also ");
        else
            expect_line("    also legacy.Relic     has __del__: legacy.Relic");
        many[i] = (struct finding_step){i, (char *)"app.Link", (char *)".next", false};
    }
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

// One line, so that it is found whole.
Test(report, what_to_find_a_ticket_by)
{
    findings.count = 3;
    core.path = (char *)"/var/crash/core\n1";
    snprintf(items[1].signature, sizeof(items[1].signature), "0badcafe");
    snprintf(items[2].signature, sizeof(items[2].signature), "00c0ffee");
    expect_line("Ticket       pycore-garbage " PYCORE_GARBAGE_VERSION
                ", core\\x0a1, 5242880 bytes, build-id deadbeef, signatures 5f3c2a91 0badcafe "
                "00c0ffee");
    report.limit = 1;
    expect_line("Ticket       pycore-garbage " PYCORE_GARBAGE_VERSION
                ", core\\x0a1, 5242880 bytes, build-id deadbeef, signatures 5f3c2a91 and 2 more "
                "(--limit)");
    findings.count = 0;
    expect_line("Ticket       pycore-garbage " PYCORE_GARBAGE_VERSION
                ", core\\x0a1, 5242880 bytes, build-id deadbeef, no signature");
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
    char name[10001], line[1100];
    memset(name, 'n', 10000);
    name[10000] = '\0';
    steps[1].type = name;
    snprintf(line, sizeof(line), "      .t ─▶ %.333s...%.664s     ◀ break here\n", name, name);
    cr_assert_not_null(strstr(text_of_report(), line));
    // No character is cut.
    for (size_t shift = 0; shift < 3; shift++) {
        memset(name, 'n', shift);
        for (size_t i = shift; i + 3 <= 10000; i += 3)
            strcpy(name + i, "\xe6\xbc\xa2");
        const char *text = text_of_report();
        const char *gap = strstr(text, "\xe6\xbc\xa2...\xe6\xbc\xa2");
        cr_assert(gap, "%zu", shift);
        cr_assert_null(strstr(text, "\\x"), "%zu", shift);
    }
    // A drawing has room for more than a sentence.
    name[998] = '\0';
    cr_assert_not_null(strstr(text_of_report(), name));
    name[197] = '\0';
    cr_assert_null(strstr(text_of_report(), "..."));
}

Test(report, states_have_names)
{
    cr_assert_str_eq(report_state_name(COLLECT_REACHABLE), "reachable");
    cr_assert_str_eq(report_state_name(COLLECT_UNCOLLECTABLE), "uncollectable");
    cr_assert_str_eq(report_state_name(COLLECT_PENDING), "pending");
    cr_assert_str_eq(report_state_name(COLLECT_TRASH), "trash");
    cr_assert_str_eq(report_state_name(COLLECT_KEPT), "kept");
}
