// The interpreter of a process made by hand: its static data, its stacks, and what is told of its
// file.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>

#include "known_builds.h"
#include "scene_process.h"

enum {
    PAGE = 4096,
    STACK_MAX = 64 << 20, // analyzer/interpreter.c
    MANY = 40000
};

TestSuite(interpreter, .init = init_process, .fini = close_process);

static const vaddr STACK = 0x7ffc00000000;

static struct module *python;
static struct image_segment *data; // its writable segment

static void open_python(bool stripped)
{
    python = add_module("/usr/bin/python2.7", fake.source.image.start, make_python(stripped));
    for (size_t i = 0; i < python->image->segment_count; i++)
        if (python->image->segments[i].flags & PF_W)
            data = &python->image->segments[i];
    cr_assert_not_null(data);
}

// ---- What is found by means of its symbols

Test(interpreter, with_symbols)
{
    fakeheap_keep(&fake, fakeheap_list(&fake));
    open_python(false);
    open_interpreter();
    const struct runtime *runtime = &interpreter->runtime;
    cr_expect_eq(runtime->garbage, fake.garbage);
    cr_expect_eq(runtime->garbage_source, GARBAGE_BY_SYMBOL);
    cr_expect(runtime->generations_by_symbol);
    cr_expect_eq(runtime->interp_head, fake.interp);
    cr_expect_eq(runtime->current_thread, fake.thread);
    cr_expect_eq(runtime->hexversion, 0x020712f0);
    cr_expect(runtime->enabled.known);
    cr_expect_null(interpreter->recognition);
    cr_expect_not(interpreter->debug_build);
}

Test(interpreter, stripped)
{
    fakeheap_keep(&fake, fakeheap_list(&fake));
    open_python(true);
    open_interpreter();
    const struct runtime *runtime = &interpreter->runtime;
    cr_expect_eq(interpreter->module, python);
    cr_expect_not(runtime->generations_by_symbol);
    cr_expect_eq(runtime->generations[2].head, fake.heads[2]);
    cr_expect_eq(runtime->interp, fake.interp);
    cr_expect_eq(runtime->interp_head, fake.interp, "found among the static data");
    cr_expect_not(runtime->enabled.known);
}

// Two static variables of that name: which is the collector's, nobody knows.
Test(interpreter, ambiguous_static_symbol)
{
    vaddr other = fakeheap_allocate_in(&fake, FAKEHEAP_ARENA_STATIC, 8);
    fakeheap_symbol(&fake, SYMBOL_STATIC, "enabled", other);
    open_python(false);
    open_interpreter();
    cr_expect_not(interpreter->runtime.enabled.known);
    cr_expect(interpreter->runtime.collecting.known);
}

// Only those builds export it (Objects/object.c).
Test(interpreter, debug_build)
{
    fakeheap_symbol(&fake, SYMBOL_EXPORTED, "_Py_ForgetReference",
                    fakeheap_function_address(&fake));
    open_python(true);
    open_interpreter();
    cr_expect(interpreter->debug_build);
}

// A file of another build, by --force: its static data is nothing that Python has.
Test(interpreter, of_another_build)
{
    open_python(false);
    python->bias += 0x30;
    open_memory();
    struct failure *failure = try_interpreter();
    cr_assert_not_null(failure);
    cr_expect_eq(failure_kind(failure), FAILURE_UNSUPPORTED, "%d", failure_kind(failure));
    cr_expect_eq(strncmp(failure_text(failure), "/usr/bin/python2.7: ", 20), 0, "%s",
                 failure_text(failure));
    failure_destroy(failure);
}

// ---- Its static data

static void expect_same(const struct runtime_range *ranges, size_t range_count,
                        const struct runtime_range *expected, size_t count)
{
    cr_assert_eq(range_count, count, "%zu", range_count);
    for (size_t i = 0; i < count; i++) {
        cr_expect_eq(ranges[i].start, expected[i].start, "%zu: 0x%llx", i,
                     (unsigned long long)ranges[i].start);
        cr_expect_eq(ranges[i].end, expected[i].end, "%zu: 0x%llx", i,
                     (unsigned long long)ranges[i].end);
    }
}

static void expect_ranges(const struct runtime_range *expected, size_t count)
{
    const struct runtime_source *source = &interpreter->source;
    expect_same(source->data, source->data_count, expected, count);
}

static vaddr data_start(void)
{
    return python->bias + data->start;
}

Test(interpreter, data_is_the_writable_segment)
{
    open_python(false);
    open_interpreter();
    expect_ranges((const struct runtime_range[]){{data_start(), data_start() + data->memory_size}},
                  1);
    cr_expect_eq(interpreter->source.data_missing, 0);
    cr_expect_eq(interpreter->source.image.start, python->start);
    cr_expect_eq(interpreter->source.image.end, python->data_end);
}

// What lies before them, and is not the file's, may be one piece with its variables.
Test(interpreter, data_within_a_larger_span)
{
    open_python(false);
    data->start += PAGE + 8;
    data->memory_size -= 2 * PAGE;
    open_interpreter();
    expect_ranges((const struct runtime_range[]){{data_start(), data_start() + data->memory_size}},
                  1);
    cr_expect_eq(interpreter->source.data_missing, 0);
}

// .data and .bss that are two segments of the core are two ranges; what only the core's headers
// know is none.
Test(interpreter, data_in_pieces)
{
    static const uint8_t bytes[PAGE];
    open_python(false);
    vaddr bss = data_start() + data->memory_size;
    data->memory_size += 3 * PAGE;
    open_memory();
    cr_assert_null(memory_add(&process.memory, bss, PAGE, bytes));
    cr_assert_null(memory_add(&process.memory, bss + PAGE, PAGE, NULL));
    cr_assert_null(memory_add(&process.memory, bss + 2 * PAGE, PAGE + 8, bytes));
    cr_assert_null(try_interpreter());
    expect_ranges((const struct runtime_range[]){{data_start(), bss},
                                                 {bss, bss + PAGE},
                                                 {bss + 2 * PAGE, bss + 3 * PAGE}},
                  3);
    cr_expect_eq(interpreter->source.data_missing, 0);
}

// Looking for variables among what is lost is no loss of what a report tells.
Test(interpreter, data_that_is_lost)
{
    open_python(true);
    vaddr bss = data_start() + data->memory_size;
    data->memory_size += PAGE;
    open_memory();
    cr_assert_null(memory_add_lost(&process.memory, bss, PAGE));
    cr_assert_null(try_interpreter());
    cr_expect_eq(process.memory.lost_reads, 0, "%llu",
                 (unsigned long long)process.memory.lost_reads);
}

// The process had nothing there: that is no bss of which a kernel would have left out pages.
Test(interpreter, data_that_is_not_mapped)
{
    open_python(false);
    data->memory_size += 2 * PAGE;
    open_interpreter();
    cr_expect_eq(interpreter->source.data_missing, 2 * PAGE, "%llu",
                 (unsigned long long)interpreter->source.data_missing);
}

// A segment may begin anywhere, and end where its last page does.
Test(interpreter, data_that_begins_within_a_word)
{
    open_python(false);
    data->start -= 3;
    data->memory_size += 3;
    open_memory();
    static const uint8_t byte[3];
    cr_assert_null(memory_add(&process.memory, data_start(), 3, byte));
    cr_assert_null(try_interpreter());
    expect_ranges(
        (const struct runtime_range[]){{data_start() + 3, data_start() + data->memory_size}}, 1);
    cr_expect_eq(interpreter->source.data_missing, 0);
}

// Nothing of a damaged file's promise is looked through.
Test(interpreter, data_without_end)
{
    static const uint64_t sizes[] = {UINT64_C(1) << 46, UINT64_C(1) << 62, UINT64_MAX};
    open_python(true);
    open_memory();
    cr_assert_null(memory_add(&process.memory, STACK, UINT64_C(1) << 45, NULL));
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        vaddr cursor = 0, list;
        double start = seconds();
        data->memory_size = sizes[i];
        cr_assert_null(try_interpreter());
        while (
            runtime_next_static_list(&interpreter->runtime, &interpreter->source, &cursor, &list))
            ;
        cr_expect_not(runtime_is_static_list(&interpreter->runtime, &interpreter->source,
                                             fakeheap_list(&fake)));
        cr_expect_lt(seconds() - start, 5, "%llx", (unsigned long long)sizes[i]);
        cr_expect_gt(interpreter->source.data_missing, UINT64_C(1) << 44);
        interpreter_close(interpreter);
        interpreter = NULL;
    }
}

// Segments that promise the same memory again and again.
Test(interpreter, data_that_overlaps)
{
    open_python(false);
    struct image *image = python->image;
    struct image_segment segment = *data;
    image->segments = realloc(image->segments, MANY * sizeof(segment));
    cr_assert_not_null(image->segments);
    while (image->segment_count < MANY)
        image->segments[image->segment_count++] = segment;
    data = &segment;
    open_interpreter();
    expect_ranges((const struct runtime_range[]){{data_start(), data_start() + data->memory_size}},
                  1);
}

// What the core says it has, and has not: of the interpreter's writable segments only.
Test(interpreter, data_that_is_not_saved)
{
    open_python(false);
    open_memory();
    vaddr end = python->data_end;
    add_segment(python->start, 2 * PAGE, PAGE, PF_R | PF_X);
    add_segment(end - 3 * PAGE, 2 * PAGE, PAGE, PF_R | PF_W);           // a page
    add_segment(end - 10, PAGE, 0, PF_R | PF_W);                        // 10 bytes
    add_segment(python->start - PAGE, PAGE + 100, 50, PF_R | PF_W);     // 100 bytes
    add_segment(end + LINKED_BSS + 2 * PAGE, PAGE, 0, PF_R | PF_W);     // none
    add_segment(python->start - 3 * PAGE, 2 * PAGE, PAGE, PF_R | PF_W); // none
    python->end = end;
    cr_assert_null(try_interpreter());
    cr_expect_eq(interpreter->source.data_missing, PAGE + 110, "%llu",
                 (unsigned long long)interpreter->source.data_missing);
}

// ---- Its stacks

static void expect_stacks(const struct runtime_range *expected, size_t count)
{
    open_interpreter();
    const struct runtime_source *source = &interpreter->source;
    expect_same(source->stacks, source->stack_count, expected, count);
}

Test(interpreter, stacks_up_to_the_end_of_what_is_saved)
{
    open_python(false);
    add_segment(STACK, 4 * PAGE, 3 * PAGE, PF_R | PF_W);
    add_segment(STACK + 4 * PAGE, PAGE, PAGE, PF_R | PF_W);
    add_segment(STACK + 8 * PAGE, PAGE, PAGE, PF_R | PF_W);
    add_thread(STACK + 8 * PAGE);
    add_thread(STACK + 0x123);
    expect_stacks((const struct runtime_range[]){{STACK + 0x123, STACK + 3 * PAGE},
                                                 {STACK + 8 * PAGE, STACK + 9 * PAGE}},
                  2);
}

Test(interpreter, stacks_that_are_not_saved)
{
    open_python(false);
    add_segment(STACK, 4 * PAGE, 3 * PAGE, PF_R | PF_W);
    add_thread(STACK + 3 * PAGE);
    add_thread(STACK - 1);
    add_thread(0);
    add_thread(STACK + 8);
    threads[3].registers = NULL;
    expect_stacks(NULL, 0);
}

Test(interpreter, stacks_have_a_limit)
{
    open_python(false);
    add_segment(STACK, STACK_MAX + PAGE, STACK_MAX + PAGE, PF_R | PF_W);
    add_thread(STACK + PAGE / 2);
    expect_stacks((const struct runtime_range[]){{STACK + PAGE / 2, STACK + PAGE / 2 + STACK_MAX}},
                  1);
}

// As many threads as a note has room for may say that their stack is the same.
Test(interpreter, stacks_in_one_segment)
{
    open_python(false);
    add_segment(STACK, 4 * PAGE, 4 * PAGE, PF_R | PF_W);
    add_thread(STACK + 2 * PAGE);
    add_thread(STACK + PAGE);
    add_thread(STACK + 2 * PAGE);
    add_thread(STACK + 3 * PAGE);
    expect_stacks((const struct runtime_range[]){{STACK + PAGE, STACK + 2 * PAGE},
                                                 {STACK + 2 * PAGE, STACK + 3 * PAGE},
                                                 {STACK + 3 * PAGE, STACK + 4 * PAGE}},
                  3);
}

// ---- Its file

Test(interpreter, file_and_build_id)
{
    open_python(false);
    python->core_build_id = (struct build_id){.bytes = {1}, .size = 1};
    python->image->build_id = (struct build_id){.bytes = {2}, .size = 1};
    open_interpreter();
    cr_expect_str_eq(interpreter_file(interpreter), "python2");
    cr_expect_eq(interpreter_build_id(interpreter), &python->image->build_id);
    cr_expect_null(interpreter_dwarf_file(interpreter));
    python->image->build_id.size = 0;
    cr_expect_null(interpreter_build_id(interpreter), "the file that is used has none");
}

Test(interpreter, file_that_is_not_here)
{
    python = add_module("/usr/bin/python2.7", fake.source.image.start, NULL);
    python->end = fake.source.image.end;
    python->core_build_id = (struct build_id){.bytes = {1}, .size = 1};
    open_interpreter();
    cr_expect_str_eq(interpreter_file(interpreter), "/usr/bin/python2.7");
    cr_expect_eq(interpreter_build_id(interpreter), &python->core_build_id);
    python->core_build_id.size = 0;
    cr_expect_null(interpreter_build_id(interpreter));
    cr_expect_not(interpreter->has_dwarf);
    cr_expect_not(interpreter->known_build);
}

Test(interpreter, file_that_the_core_does_not_name)
{
    open_interpreter();
    cr_expect_null(interpreter->module);
    cr_expect_str_eq(interpreter_file(interpreter), "(a file that the core does not name)");
    cr_expect_null(interpreter_build_id(interpreter));
    cr_expect_not(interpreter->debug_build);
}

// ---- Builds whose DWARF is known

static void set_known_build(const char *column)
{
    size_t i = 0;
    while (i < known_build_count && strcmp(known_builds[i].column, column) != 0)
        i++;
    cr_assert_lt(i, known_build_count);
    struct build_id *id = &python->image->build_id;
    id->size = (uint8_t)(strlen(known_builds[i].build_id) / 2);
    for (size_t j = 0; j < id->size; j++)
        sscanf(known_builds[i].build_id + 2 * j, "%2hhx", &id->bytes[j]);
}

static void open_without_options(void)
{
    static const struct debug_file_options none;
    open_memory();
    cr_assert_null(interpreter_open(&process, &none, &interpreter));
}

Test(interpreter, known_build)
{
    open_python(false);
    set_known_build("2.7.18-x86_64");
    open_without_options();
    cr_expect(interpreter->known_build);
}

Test(interpreter, unknown_build)
{
    open_python(false);
    open_without_options();
    cr_expect_not(interpreter->known_build);
}

// What the core shows is not the column that the build should have.
Test(interpreter, known_build_of_another_column)
{
    open_python(false);
    set_known_build("2.7.18-x86_64-pydebug");
    open_without_options();
    cr_expect_not(interpreter->known_build);
}

// Who says where debug files are wants them read.
Test(interpreter, known_build_with_debug_files)
{
    open_python(false);
    set_known_build("2.7.18-x86_64");
    open_interpreter();
    cr_expect_not(interpreter->known_build);
}
