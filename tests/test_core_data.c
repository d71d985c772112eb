// Writable memory of a core, by the file whose data it is.
#include "common.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core_data.h"
#include "scratch.h"
#include "world.h"

TestSuite(core_data, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

static const struct recognize_range end_of_ranges;

// Compares and closes; the expected ranges end with an empty one.
static void expect_ranges(struct world *world, const struct recognize_range *expected)
{
    struct recognize_range *ranges;
    size_t count, i;
    open_world(world, NULL);
    cr_assert_null(core_data_list(world->process, &ranges, &count));
    for (i = 0; i < count && expected[i].end; i++) {
        cr_expect_eq(ranges[i].start, expected[i].start, "range %zu: 0x%" PRIx64, i,
                     ranges[i].start);
        cr_expect_eq(ranges[i].end, expected[i].end, "range %zu: 0x%" PRIx64, i, ranges[i].end);
        cr_expect_eq(!ranges[i].file, !expected[i].file, "range %zu", i);
        if (ranges[i].file && expected[i].file)
            cr_expect_str_eq(ranges[i].file, expected[i].file, "range %zu", i);
    }
    cr_expect_eq(i, count, "%zu ranges, the next at 0x%" PRIx64, count, ranges[i].start);
    cr_expect_eq(expected[i].end, 0, "only %zu ranges", count);
    free(ranges);
    close_world(world);
}

// The page of .bss is one of its own for the kernel; what follows is not the file's.
static void map_with_bss(struct world *world)
{
    static const char bss[PAGE] = "bss", arena[PAGE] = "arena";
    init_world(world);
    map_library(world, BASE, "/no/such/libpython2.7.so.1.0", &id_1);
    static const char data[PAGE] = "data of the core";
    world->segments[2] = (struct fakecore_segment){BASE + DATA, data, PAGE, 0, PF_R | PF_W};
    add_segment(world, BASE + BSS, bss, PAGE, 0, PF_R | PF_W);
    add_segment(world, BASE + BSS + PAGE, arena, PAGE, 0, PF_R | PF_W);
}

Test(core_data, as_the_program_headers_say)
{
    struct world world;
    map_with_bss(&world);
    expect_ranges(&world, (const struct recognize_range[]){
                              {BASE + DATA, BASE + DATA + PAGE, "libpython2.7.so.1.0"},
                              {BASE + BSS, BASE + BSS + PAGE, "libpython2.7.so.1.0"},
                              {BASE + BSS + PAGE, BASE + BSS + 2 * PAGE, NULL},
                              end_of_ranges});
}

// A segment that is .bss and more: the kernel joins neighbours.
Test(core_data, cut_where_the_file_ends)
{
    static const char more[3 * PAGE] = "bss and more";
    struct world world;
    map_with_bss(&world);
    world.segments[3] = (struct fakecore_segment){BASE + BSS, more, 3 * PAGE, 0, PF_R | PF_W};
    world.spec.segment_count = 4;
    expect_ranges(&world, (const struct recognize_range[]){
                              {BASE + DATA, BASE + DATA + PAGE, "libpython2.7.so.1.0"},
                              {BASE + BSS, BASE + BSS + PAGE, "libpython2.7.so.1.0"},
                              {BASE + BSS + PAGE, BASE + BSS + 3 * PAGE, NULL},
                              end_of_ranges});
}

// Another coredump_filter: the header page is not saved.
Test(core_data, without_program_headers)
{
    struct world world;
    map_with_bss(&world);
    world.segments[0] = (struct fakecore_segment){BASE, NULL, 0, PAGE, PF_R};
    expect_ranges(&world, (const struct recognize_range[]){
                              {BASE + DATA, BASE + DATA + PAGE, "libpython2.7.so.1.0"},
                              {BASE + BSS, BASE + BSS + PAGE, "libpython2.7.so.1.0"},
                              {BASE + BSS + PAGE, BASE + BSS + 2 * PAGE, NULL},
                              end_of_ranges});
}

// With the file, its own program headers say it.
Test(core_data, with_the_file)
{
    struct world world;
    map_with_bss(&world);
    world.path_count = world.spec.file_count = 0;
    add_lines(&world, BASE, "lib.so");
    write_library("lib.so", &id_1);
    expect_ranges(&world,
                  (const struct recognize_range[]){{BASE + DATA, BASE + DATA + PAGE, "lib.so"},
                                                   {BASE + BSS, BASE + BSS + PAGE, "lib.so"},
                                                   {BASE + BSS + PAGE, BASE + BSS + 2 * PAGE, NULL},
                                                   end_of_ranges});
}

// Neighbours of no file are one range; what cannot be written, or was not saved, is none.
Test(core_data, of_no_file)
{
    static const char bytes[2 * PAGE] = "bytes";
    struct world world;
    init_world(&world);
    add_segment(&world, 0x10000, bytes, PAGE, 0, PF_R | PF_W);
    add_segment(&world, 0x10000 + PAGE, bytes, PAGE, 0, PF_R | PF_W);
    add_segment(&world, 0x20000, bytes, PAGE, 0, PF_R);
    add_segment(&world, 0x30000, NULL, 0, PAGE, PF_R | PF_W);
    add_segment(&world, 0x40000, bytes, 13, PAGE, PF_R | PF_W);
    expect_ranges(&world, (const struct recognize_range[]){{0x10000, 0x10000 + 2 * PAGE, NULL},
                                                           {0x40000, 0x40008, NULL},
                                                           end_of_ranges});
}

// No honest core has segments that overlap.
Test(core_data, overlapping)
{
    static const char bytes[2 * PAGE] = "bytes";
    struct world world;
    init_world(&world);
    add_segment(&world, 0x20000, bytes, 2 * PAGE, 0, PF_R | PF_W);
    add_segment(&world, 0x20000 + PAGE, bytes, 2 * PAGE, 0, PF_R | PF_W);
    add_segment(&world, 0x20000, bytes, PAGE, 0, PF_R | PF_W);
    expect_ranges(&world, (const struct recognize_range[]){{0x20000, 0x20000 + 3 * PAGE, NULL},
                                                           end_of_ranges});
}
