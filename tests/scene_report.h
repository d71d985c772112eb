// A report to be changed and printed: all that it is made of, filled in by hand.
#ifndef TESTS_SCENE_REPORT_H
#define TESTS_SCENE_REPORT_H

#include <stdio.h>

#include "report.h"

// Two cycles of the story's kind, and everything about them in order. Tests change what they need.
static struct image image;
static struct module module;
static struct interpreter interpreter;
static struct core core;
static struct heap heap;
static struct collect_totals totals;
static struct finding_step steps[2];
static struct finding_finalizer finalizers[2];
static struct finding_break breaks[2];
static struct finding items[3];
static struct findings findings;
static struct code_place frames[2];
static struct stack stack;
static struct stacks stacks;
static vaddr garbage[2];
static struct heap_opaque_type opaque[2];
static struct heap_opaque_reason opaque_reasons[2];
static struct report report;
static struct verify_type verified[3];
static struct verify verify;

static inline void set_process(void)
{
    image = (struct image){.path = (char *)"/usr/lib/libpython2.7.so.1.0",
                           .build_id = {4, {0xde, 0xad, 0xbe, 0xef}}};
    module = (struct module){.path = image.path, .image = &image, .match = MODULE_MATCHES};
    interpreter = (struct interpreter){.module = &module, .runs_code = true};
    struct runtime *runtime = &interpreter.runtime;
    layout_init(&runtime->layout, &layout_columns[layout_column_count - 1]);
    snprintf(runtime->version, sizeof(runtime->version), "2.7.18");
    runtime->unicode_width = 4;
    runtime->enabled = (struct runtime_flag){true, 1};
    runtime->collecting = runtime->debug = (struct runtime_flag){true, 0};
    for (int i = 0; i < RUNTIME_GENERATIONS; i++)
        runtime->generations[i] =
            (struct runtime_generation){.threshold = i ? 10 : 700, .count = i};
    core = (struct core){.path = (char *)"core.1234",
                         .size = 5 << 20,
                         .architecture = "x86_64",
                         .has_prpsinfo = true,
                         .pid = 1234,
                         .command = (char *)"python2.7 app.py",
                         .signal = 6,
                         .thread_count = 1,
                         .complete = true};
}

static inline void set_findings(void)
{
    steps[0] =
        (struct finding_step){0x7f34e9520a90, (char *)"__main__.MyApiClient", (char *)".t", true};
    steps[1] =
        (struct finding_step){0x7f34e9520b10, (char *)"__main__.T", (char *)"._api_client", false};
    finalizers[0] = (struct finding_finalizer){
        .class = (char *)"__main__.MyApiClient",
        .del = {OBJECT_DEL_CLASS, (char *)"__main__.ApiClient", (char *)"/srv/app/seed_leak.py", 35,
                OBJECT_DEL_FUNCTION, (char *)"function __del__", 0}};
    finalizers[1] = (struct finding_finalizer){
        .class = (char *)"legacy.Relic",
        .del = {.kind = OBJECT_DEL_CLASS, .defined_in = (char *)"legacy.Relic"}};
    breaks[0] = (struct finding_break){0, BREAK_CACHED};
    breaks[1] = (struct finding_break){1, BREAK_BACK_REFERENCE};
    items[0] = (struct finding){.signature = "5f3c2a91",
                                .state = COLLECT_UNCOLLECTABLE,
                                .count = 2,
                                .objects = 8,
                                .bytes = 1408,
                                .steps = steps,
                                .step_count = 2,
                                .finalizers = finalizers,
                                .finalizer_count = 1,
                                .example = 0x7f34e9520a90,
                                .example_objects = 4,
                                .example_bytes = 704,
                                .breaks = breaks,
                                .break_count = 2,
                                .breaks_tried = 2,
                                .origins = {.items = {{(char *)"cached_property.__get__",
                                                       (char *)"/srv/app/seed_leak.py", 21}},
                                            .count = 1}};
    items[1] = items[2] = items[0];
    findings = (struct findings){.items = items, .count = 1};
}

static inline void set_stacks(void)
{
    frames[0] = (struct code_place){(char *)"ping", (char *)"/srv/app/seed_leak.py", 63};
    frames[1] = (struct code_place){(char *)"<module>", (char *)"/srv/app/seed_leak.py", 140};
    stack = (struct stack){.thread_id = 0x7f34,
                           .current = true,
                           .depth = 2,
                           .frames = frames,
                           .frame_count = 2,
                           .alike = 1};
    stacks = (struct stacks){
        .items = &stack, .count = 1, .distinct = 1, .complete = true, .interpreters = 1};
}

// A type that differs, one that could not be checked, one that is in order, all without sums.
static inline void set_verify(void)
{
    verified[0] = (struct verify_type){.name = "collections.deque",
                                       .objects = 5000,
                                       .checked = 990,
                                       .different = 3,
                                       .first = {.object = 0x7f34e9520a90,
                                                 .table_visits = 1234,
                                                 .code_visits = 1235,
                                                 .position = 1234,
                                                 .code_type = (char *)"app.\nT"}};
    verified[1] =
        (struct verify_type){.name = "zmq.Socket", .by_code = true, .objects = 9, .unchecked = 9};
    verified[1].reasons[HEAP_CODE_NOT_RUN] = 2;
    verified[1].reasons[HEAP_CODE_NOT_TRIED] = 7;
    verified[2] = (struct verify_type){.name = "zope.A", .objects = 2, .checked = 2};
    verify = (struct verify){.heap = &heap, .limit = 1000, .types = verified, .count = 3};
}

static inline void set_report(void)
{
    set_verify();
    set_process();
    set_findings();
    set_stacks();
    heap = (struct heap){
        .count = 1000, .edges = 4321, .bytes = 123456, .generation_objects = {3, 97, 900}};
    totals = (struct collect_totals){0};
    totals.objects[COLLECT_REACHABLE] = 992;
    totals.objects[COLLECT_UNCOLLECTABLE] = 8;
    garbage[0] = 0x7f34e9520a90;
    garbage[1] = 0x7f34e9520c90;
    opaque[0] = (struct heap_opaque_type){"lxml.etree._Element", 1};
    opaque[1] = (struct heap_opaque_type){"zmq.Socket", 1234};
    opaque_reasons[0] = (struct heap_opaque_reason){"does not end", 1231};
    opaque_reasons[1] = (struct heap_opaque_reason){"calls the system", 4};
    report = (struct report){.core = &core,
                             .interpreter = &interpreter,
                             .heap = &heap,
                             .totals = &totals,
                             .findings = &findings,
                             .stacks = &stacks,
                             .garbage = 0x7f34e9500000,
                             .garbage_source = GARBAGE_BY_SYMBOL,
                             .garbage_objects = garbage,
                             .garbage_length = 2,
                             .garbage_read = 2,
                             .garbage_items = {.uncollectable = 2},
                             .garbage_binding = GARBAGE_BINDING_SAME,
                             .opaque_types = opaque,
                             .opaque_reasons = opaque_reasons,
                             .kept_bytes = 1408,
                             .limit = 100};
}

// Items of gc.garbage in use, a cycle in use from outside, and references of every kind.
static inline void set_holders(void)
{
    static struct finding_step way[] = {{0x100, (char *)"module", (char *)".clients", false},
                                        {0x200, (char *)"dict", (char *)"[str]", false}};
    static struct finding_step local[] = {{0x300, (char *)"frame", (char *)"local it", false}};
    static struct holders_path paths[3];
    static struct holders_surplus surplus[7];
    static struct holders_overdrawn overdrawn[1];
    static struct holders holders;
    paths[0] = (struct holders_path){true,
                                     (char *)"app.Client",
                                     1233,
                                     0x7000,
                                     HOLDERS_MODULE,
                                     (char *)"app.registry",
                                     NULL,
                                     0,
                                     way,
                                     2,
                                     7};
    paths[1] = (struct holders_path){true,
                                     (char *)"app.Client",
                                     1,
                                     0x7100,
                                     HOLDERS_FRAME,
                                     (char *)"serve",
                                     (char *)"/srv/app/main.py",
                                     12,
                                     local,
                                     1,
                                     0};
    paths[2] = (struct holders_path){.type = (char *)"app.Relic",
                                     .count = 1,
                                     .example = 0x8000,
                                     .kind = HOLDERS_OUTSIDE,
                                     .root = (char *)"app.Relic"};
    surplus[0] = (struct holders_surplus){(char *)"mod.X", 12, 12, 0x9000, HOLDERS_NOWHERE};
    surplus[1] = (struct holders_surplus){(char *)"mod.X",
                                          1,
                                          1,
                                          0x9100,
                                          HOLDERS_IN_STATIC,
                                          (char *)"kept",
                                          (char *)"/usr/lib/awk\n.so",
                                          0,
                                          0x500};
    surplus[2] = (struct holders_surplus){(char *)"mod.X",  1, 2, 0x9200, HOLDERS_IN_UNTRACKED,
                                          (char *)"mod.Box"};
    surplus[3] =
        (struct holders_surplus){(char *)"mod.X", 1, 1, 0x9300, HOLDERS_IN_FRAME, (char *)"serve"};
    surplus[4] = (struct holders_surplus){.type = (char *)"mod.X",
                                          .objects = 3,
                                          .references = 3,
                                          .example = 0x9400,
                                          .place = HOLDERS_IN_STACK,
                                          .tid = 4321,
                                          .at = 0x600};
    surplus[5] = (struct holders_surplus){(char *)"mod.X", 1, 1, 0x9500, HOLDERS_IN_MEMORY};
    surplus[6] = (struct holders_surplus){(char *)"mod.X",       1, 1, 0x9600, HOLDERS_IN_UNVISITED,
                                          (char *)"mod.Careless"};
    overdrawn[0] = (struct holders_overdrawn){(char *)"mod.Greedy", 2, 0xa000};
    holders = (struct holders){.paths = paths,
                               .path_count = 3,
                               .listed = 1234,
                               .cycles = 1,
                               .surplus = surplus,
                               .surplus_count = 7,
                               .unexplained = 12,
                               .audited = 20,
                               .overdrawn = overdrawn,
                               .overdrawn_count = 1};
    report.holders = &holders;
}

#endif
