// What a cut core has lost, by what lay there: made by hand, a core's segments, the files of its
// process, and what the process's memory has.
#include "common.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "missing.h"
#include "scratch.h"
#include "world.h"

enum {
    END = BSS + 2 * PAGE,
    MANY = 300000
};

// The interpreter's file and another one have five pages: headers, code, data, and two of .bss,
// which NT_FILE does not know.
static const vaddr HEAP = 0x10000000, PYTHON = 0x20000000, OTHER = 0x30000000;

static struct core_segment segments[MOST];
static struct module modules[2];
static struct core core;
static struct process process;
static struct interpreter interpreter;
static struct missing missing;
static const uint8_t bytes[END];

static void open_scene(void)
{
    const vaddr starts[] = {PYTHON, OTHER};
    for (size_t i = 0; i < LENGTH(starts); i++)
        modules[i] = (struct module){
            .path = "", .start = starts[i], .end = starts[i] + BSS, .data_end = starts[i] + END};
    core = (struct core){.segments = segments};
    process = (struct process){.core = &core, .modules = modules, .module_count = LENGTH(modules)};
    interpreter = (struct interpreter){.process = &process, .module = &modules[0]};
    memory_init(&process.memory, (struct memory_format){8, false});
}

static void close_scene(void)
{
    memory_deinit(&process.memory);
}

TestSuite(missing, .init = open_scene, .fini = close_scene);

static void add_lost(vaddr start, uint64_t saved, uint64_t lost, uint32_t flags)
{
    segments[core.segment_count++] = (struct core_segment){.start = start,
                                                           .memory_size = saved + lost,
                                                           .saved_size = saved,
                                                           .missing = lost,
                                                           .flags = flags};
    if (__builtin_add_overflow(core.bytes_missing, lost, &core.bytes_missing))
        core.bytes_missing = UINT64_MAX;
}

static void sum(void)
{
    memset(&missing, 0xa5, sizeof(missing));
    missing_sum(&core, &process, &interpreter, &missing);
}

static void expect_kinds(uint64_t heap, uint64_t python, uint64_t variables, uint64_t files)
{
    const uint64_t expected[] = {heap, python, variables, files};
    for (enum missing_kind kind = 0; kind < LENGTH(expected); kind++)
        cr_expect_eq(missing.kinds[kind], expected[kind], "%s: %llu instead of %llu",
                     missing_kind_name(kind), (unsigned long long)missing.kinds[kind],
                     (unsigned long long)expected[kind]);
}

static void have(vaddr start, uint64_t size)
{
    cr_assert_null(memory_add(&process.memory, start, size, bytes));
}

// ---- What lay there

Test(missing, nothing)
{
    add_lost(HEAP, PAGE, 0, PF_R | PF_W);
    sum();
    expect_kinds(0, 0, 0, 0);
    cr_expect_eq(missing.bytes, 0);
    cr_expect_eq(missing.segments, 0);
    cr_expect_eq(missing.filled, 0);
    cr_expect_eq(missing.kinds[MISSING_NOTES], 0);
    cr_expect_eq(missing.kinds[MISSING_OTHER], 0);
}

Test(missing, one_of_each_kind)
{
    add_lost(HEAP, 0, 1, PF_R | PF_W);
    add_lost(PYTHON + DATA, 0, 10, PF_R | PF_W);
    add_lost(OTHER + DATA, 0, 100, PF_R | PF_W);
    add_lost(OTHER, 0, 1000, PF_R | PF_X);
    add_lost(HEAP + PAGE, PAGE, 0, PF_R | PF_W);
    sum();
    expect_kinds(1, 10, 100, 1000);
    cr_expect_eq(missing.bytes, 1111);
    cr_expect_eq(missing.segments, 4);
}

// What is lost begins where what is saved ends.
Test(missing, from_where_the_file_ends)
{
    add_lost(PYTHON - PAGE, PAGE + DATA, 10, PF_R | PF_W);
    add_lost(OTHER + BSS, 2 * PAGE, 100, PF_R | PF_W);
    sum();
    expect_kinds(100, 10, 0, 0);
}

// Variables that are zeroes at first are the file's too, though NT_FILE has no line for them.
Test(missing, up_to_the_end_of_bss)
{
    add_lost(PYTHON + END - 1, 0, 1, PF_R | PF_W);
    add_lost(PYTHON + END, 0, 10, PF_R | PF_W);
    add_lost(PYTHON - 1, 0, 100, PF_R | PF_W);
    sum();
    expect_kinds(110, 1, 0, 0);
}

// The file is not at hand: its first page, which the core has, tells of its .bss.
Test(missing, by_saved_program_headers)
{
    struct fakecore_file_image image = build_library(&id_1);
    modules[0].data_end = modules[0].start;
    cr_assert_null(memory_add(&process.memory, PYTHON, PAGE, image.bytes));
    add_lost(PYTHON + BSS, 0, PAGE + 10, PF_R | PF_W);
    sum();
    expect_kinds(10, PAGE, 0, 0);
    fakecore_free(&image);
}

// That page is lost as well: what NT_FILE says is all that is known of its end.
Test(missing, without_the_file)
{
    modules[0].data_end = modules[0].start;
    add_lost(PYTHON + BSS - 1, 0, 1, PF_R | PF_W);
    add_lost(PYTHON + BSS, 0, 10, PF_R | PF_W);
    cr_assert_null(memory_add_lost(&process.memory, PYTHON, PAGE));
    sum();
    expect_kinds(10, 1, 0, 0);
    cr_expect_eq(process.memory.lost_reads, 0); // those are the report's
}

// .bss and the memory behind it are one mapping, where both are the process's own.
Test(missing, heap_behind_bss)
{
    add_lost(PYTHON + BSS, 0, 2 * PAGE + 1000, PF_R | PF_W);
    add_lost(OTHER + BSS, PAGE, PAGE + 100, PF_R | PF_W);
    sum();
    expect_kinds(1100, 2 * PAGE, PAGE, 0);
    cr_expect_eq(missing.segments, 2);
}

Test(missing, nothing_known_of_files)
{
    add_lost(PYTHON + DATA, 0, 10, PF_R | PF_W);
    add_lost(OTHER + DATA, 0, 100, PF_R | PF_W);
    add_lost(OTHER, 0, 1000, PF_R);
    missing_sum(&core, NULL, NULL, &missing);
    expect_kinds(110, 0, 0, 1000);
    missing_sum(&core, &process, NULL, &missing);
    expect_kinds(0, 0, 110, 1000);
}

// An interpreter that was recognised where the core names no files.
Test(missing, interpreter_of_no_file)
{
    interpreter.module = NULL;
    add_lost(HEAP, 0, 1, PF_R | PF_W);
    add_lost(PYTHON + DATA, 0, 10, PF_R | PF_W);
    sum();
    expect_kinds(1, 0, 10, 0);
}

// ---- What is no memory

Test(missing, notes)
{
    core.notes_missing = 5;
    core.bytes_missing = 5;
    add_lost(HEAP, 0, 1, PF_R | PF_W);
    sum();
    cr_expect_eq(missing.kinds[MISSING_NOTES], 5);
    cr_expect_eq(missing.kinds[MISSING_HEAP], 1);
    cr_expect_eq(missing.kinds[MISSING_OTHER], 0);
    cr_expect_eq(missing.segments, 2);
}

// The core counts what no segment and no note has.
Test(missing, rest)
{
    core.bytes_missing = 64;
    add_lost(HEAP, 0, 1, PF_R | PF_W);
    sum();
    cr_expect_eq(missing.kinds[MISSING_OTHER], 64);
    cr_expect_eq(missing.kinds[MISSING_HEAP], 1);
}

// ---- What files have

Test(missing, filled_by_a_file)
{
    add_lost(PYTHON, 0, DATA, PF_R | PF_X);
    have(PYTHON + 16, 100);
    sum();
    expect_kinds(0, 0, 0, DATA - 100);
    cr_expect_eq(missing.filled, 100);
    cr_expect_eq(missing.bytes, DATA);
}

// Neighbours of one file are one span, which begins before the second and ends behind the first.
Test(missing, filled_by_one_span)
{
    add_lost(PYTHON, 0, PAGE, PF_R | PF_X);
    add_lost(PYTHON + PAGE, 100, PAGE - 100, PF_R);
    have(PYTHON, PAGE);
    cr_assert_null(memory_add(&process.memory, PYTHON + PAGE, PAGE, bytes + PAGE));
    cr_assert_eq(process.memory.count, 1);
    sum();
    expect_kinds(0, 0, 0, 0);
    cr_expect_eq(missing.filled, 2 * PAGE - 100);
}

Test(missing, filled_between_holes)
{
    add_lost(PYTHON + 10, 0, 90, PF_R);
    have(PYTHON - PAGE, PAGE + 15);                                                  // 5
    cr_assert_null(memory_add(&process.memory, PYTHON + 15, 5, NULL));               // none
    have(PYTHON + 20, 10);                                                           // all
    cr_assert_null(memory_add_lost(&process.memory, PYTHON + 40, 10));               // none
    cr_assert_null(memory_add(&process.memory, PYTHON + 93, PAGE - 93, bytes + 93)); // 7
    sum();
    expect_kinds(0, 0, 0, 90 - 22);
    cr_expect_eq(missing.filled, 22);
}

Test(missing, not_filled_by_neighbours)
{
    add_lost(PYTHON + 100, 0, 100, PF_R);
    have(PYTHON, 100);
    have(PYTHON + 200, 100);
    sum();
    expect_kinds(0, 0, 0, 100);
    cr_expect_eq(missing.filled, 0);
}

// A file has what a variable was at first, and that is no replacement.
Test(missing, variables_are_not_filled)
{
    add_lost(PYTHON + DATA, 0, 10, PF_R | PF_W);
    have(PYTHON, END);
    sum();
    expect_kinds(0, 10, 0, 0);
    cr_expect_eq(missing.filled, 0);
}

// ---- Damage

Test(missing, up_to_the_end_of_addresses)
{
    add_lost(PYTHON, 0, UINT64_MAX, PF_R);
    have(HEAP, 10);
    have(OTHER, 20);
    sum();
    expect_kinds(0, 0, 0, UINT64_MAX - 20);
    cr_expect_eq(missing.filled, 20);
}

// Sums stay where numbers end.
Test(missing, more_than_numbers_have)
{
    for (int i = 0; i < 2; i++) {
        add_lost(HEAP, 0, UINT64_MAX - 1, PF_R | PF_W);
        add_lost(HEAP, 0, UINT64_MAX - 1, PF_R);
    }
    sum();
    expect_kinds(UINT64_MAX, 0, 0, UINT64_MAX);
    cr_expect_eq(missing.bytes, UINT64_MAX);
    cr_expect_eq(missing.kinds[MISSING_OTHER], 0);
}

// Each of very many segments promises what very many others have.
Test(missing, many_segments_over_many_spans)
{
    struct core_segment *many = calloc(MANY, sizeof(*many));
    cr_assert_not_null(many);
    for (size_t i = 0; i < MANY; i++) {
        many[i] = (struct core_segment){.start = PYTHON, .missing = UINT32_MAX, .flags = PF_R};
        cr_assert_null(memory_add(&process.memory, PYTHON + 2 * i, 1, bytes));
    }
    core = (struct core){.segments = many, .segment_count = MANY, .bytes_missing = UINT32_MAX};
    double start = seconds();
    sum();
    cr_expect_lt(seconds() - start, 5);
    cr_expect_eq(missing.filled, (uint64_t)MANY * MANY);
    free(many);
}

// ---- Names

Test(missing, names_differ)
{
    for (enum missing_kind i = 0; i < MISSING_KINDS; i++)
        for (enum missing_kind j = 0; j < i; j++)
            cr_expect_str_neq(missing_kind_name(i), missing_kind_name(j));
}
