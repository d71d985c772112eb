// One address space over a core and files: whose bytes are at an address, and where there are none.
#include "common.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fakecore.h"
#include "process.h"
#include "scratch.h"
#include "world.h"

TestSuite(process_memory, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

Test(process_memory, what_is_not_saved_is_never_zeroes)
{
    struct world world;
    init_world(&world);
    add_segment(&world, 0x10000, "abcd", 4, PAGE, 0);
    add_segment(&world, 0x20000, NULL, 0, PAGE, 0);
    open_world(&world, NULL);
    assert_bytes(&world, 0x10000, "abcd");
    assert_status(&world, 0x10004, MEMORY_NOT_SAVED);
    assert_status(&world, 0x10fff, MEMORY_NOT_SAVED);
    assert_status(&world, 0x11000, MEMORY_UNMAPPED);
    assert_status(&world, 0x20000, MEMORY_NOT_SAVED);
    close_world(&world);
}

// A page that the program can write was relocated or written: what the file has there is old.
Test(process_memory, data_is_never_taken_from_the_file)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    world.segments[2].size = 0; // a core made with another coredump_filter
    write_library("lib.so", &id_1);
    open_module(&world, NULL, MODULE_MATCHES);
    assert_status(&world, BASE + DATA, MEMORY_NOT_SAVED);
    close_world(&world);
}

// The core of a process whose coredump_filter had bit 2: it has what the file had.
static const struct module *open_self_contained(struct world *world, const uint8_t *text,
                                                size_t text_size, enum module_match expected)
{
    init_world(world);
    map_library(world, BASE, "lib.so", &id_1);
    world->segments[1] = (struct fakecore_segment){BASE + TEXT, text, text_size, PAGE, PF_R | PF_X};
    return open_module(world, NULL, expected);
}

Test(process_memory, file_read_from_the_core)
{
    static const uint8_t text[PAGE] = "text of the core";
    struct world world;
    const struct module *module = open_self_contained(&world, text, PAGE, MODULE_FROM_CORE);
    cr_assert_eq(module->bias, BASE);
    cr_assert_eq(module->data_end, BASE + BSS + PAGE);
    cr_assert_eq(module->image->segment_count, 3);
    cr_assert_eq(module->image->entry, ENTRY);
    cr_assert(build_id_equal(&module->core_build_id, &module->image->build_id));
    assert_bytes(&world, BASE + TEXT, "text of the core");
    assert_bytes(&world, BASE + DATA, "data of the core");
    close_world(&world);
}

Test(process_memory, file_goes_before_what_the_core_has_of_it)
{
    static const uint8_t text[PAGE] = "text of the core";
    struct world world;
    write_library("lib.so", &id_1);
    const struct module *module = open_self_contained(&world, text, PAGE, MODULE_MATCHES);
    cr_assert_neq(module->image->path[0], '\0');
    assert_bytes(&world, BASE + TEXT, "text of the core");
    close_world(&world);
}

Test(process_memory, file_of_which_the_core_has_only_a_part)
{
    static const uint8_t text[PAGE] = "text of the core";
    struct world world;
    open_self_contained(&world, text, PAGE - 1, MODULE_ABSENT);
    assert_bytes(&world, BASE + TEXT, "text of the core");
    close_world(&world);
    open_self_contained(&world, NULL, 0, MODULE_ABSENT);
    close_world(&world);
}

Test(process_memory, bytes_that_the_cut_took_come_from_the_file_unless_they_could_be_written)
{
    static const char saved[PAGE] = "text that the core saved";
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    world.segments[1] = (struct fakecore_segment){BASE + TEXT, saved, PAGE, 0, PF_R | PF_X};
    write_library("lib.so", &id_1);
    struct fakecore_file_image image = fakecore_build(&world.spec);
    fakecore_cut(&image, 2 * PAGE + 4); // notes, the header page, "text"
    fakecore_write(&image, "core.1");
    fakecore_free(&image);
    cr_assert_null(try_open(&world, &(struct process_options){0}));
    cr_assert_eq(world.process->modules[0].match, MODULE_MATCHES);
    assert_bytes(&world, BASE + TEXT, "text");
    assert_bytes(&world, BASE + TEXT + PAGE / 2, "the other half");
    assert_status(&world, BASE + DATA, MEMORY_NOT_SAVED);
    close_world(&world);
}

Test(process_memory, page_shows_what_follows_its_segment_in_the_file)
{
    static const struct library short_text = {.id = 1, .text_size = 4};
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &short_text);
    write_library("lib.so", &short_text);
    open_module(&world, NULL, MODULE_MATCHES);
    assert_bytes(&world, BASE + TEXT + PAGE / 2, "the other half");
    close_world(&world);
}

Test(process_memory, mapping_of_another_part_of_the_file_is_not_filled)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    write_library("lib.so", &id_1);
    world.files[1].offset += PAGE;
    open_module(&world, NULL, MODULE_MATCHES);
    assert_status(&world, BASE + TEXT, MEMORY_NOT_SAVED);
    close_world(&world);
}

Test(process_memory, segment_saved_by_half_is_filled_from_the_file)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    world.segments[1] = (struct fakecore_segment){BASE + TEXT, "TE", 2, PAGE, PF_R | PF_X};
    write_library("lib.so", &id_1);
    open_module(&world, NULL, MODULE_MATCHES);
    assert_bytes(&world, BASE + TEXT, "TExt");
    close_world(&world);
}

Test(process_memory, mapping_behind_the_end_of_the_file)
{
    static const struct library cut = {.id = 1, .size = 2 * PAGE + 4};
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    write_library("lib.so", &cut);
    open_module(&world, NULL, MODULE_MATCHES);
    assert_bytes(&world, BASE + TEXT, "text");
    assert_status(&world, BASE + TEXT + 4, MEMORY_NOT_SAVED);
    close_world(&world);
}

Test(process_memory, overlapping_segments_keep_the_lower_and_then_the_first)
{
    struct world world;
    init_world(&world);
    add_segment(&world, 0x10004, "efghijkl", 8, 0, 0);
    add_segment(&world, 0x10000, "ABCDEF", 6, 0, 0);
    add_segment(&world, 0x10004, "........", 8, 0, 0);
    add_segment(&world, 0x10002, "??", 2, 32, 0);
    open_world(&world, NULL);
    assert_bytes(&world, 0x10000, "ABCDEFghijkl");
    assert_status(&world, 0x1000c, MEMORY_NOT_SAVED);
    assert_status(&world, 0x10021, MEMORY_NOT_SAVED);
    assert_status(&world, 0x10022, MEMORY_UNMAPPED);
    close_world(&world);
}

Test(process_memory, segment_at_the_end_of_the_address_space)
{
    struct world world;
    init_world(&world);
    add_segment(&world, UINT64_MAX - 3, "0123456789", 10, 100, 0);
    open_world(&world, NULL);
    assert_bytes(&world, UINT64_MAX - 3, "012");
    assert_status(&world, UINT64_MAX, MEMORY_UNMAPPED);
    assert_status(&world, 0, MEMORY_UNMAPPED);
    close_world(&world);
}

Test(process_memory, many_segments_in_any_order)
{
    enum {
        COUNT = 70000
    };
    struct world world;
    init_world(&world);
    struct fakecore_segment *many = calloc(COUNT, sizeof(*many));
    cr_assert_not_null(many);
    for (size_t i = 0; i < COUNT; i++) // from the highest to the lowest
        many[i] = (struct fakecore_segment){0x10000 + (COUNT - i) * 0x2000, "ab", 2, PAGE, 0};
    world.spec.segments = many;
    world.spec.segment_count = COUNT;
    world.spec.unaligned = world.spec.extended_numbering = true;
    write_core(&world);
    double start = seconds();
    cr_assert_null(try_open(&world, &(struct process_options){0}));
    cr_assert_lt(seconds() - start, 1.0);
    assert_bytes(&world, 0x12000, "ab");
    assert_status(&world, 0x12002, MEMORY_NOT_SAVED);
    assert_status(&world, 0x13000, MEMORY_UNMAPPED);
    close_world(&world);
    free(many);
}

Test(process_memory, cut_at_every_length_up_to_the_data)
{
    struct world world;
    map_two(&world, &id_1, &id_2);
    write_library("python2.7", &id_1);
    struct fakecore_file_image image = fakecore_build(&world.spec);
    size_t size = image.notes_end;
    fakecore_write(&image, "core.1");
    fakecore_free(&image);
    for (; size > 0; size -= size < 7 ? size : 7) {
        cr_assert_eq(truncate("core.1", (off_t)size), 0);
        struct failure *failure = core_open("core.1", &world.core);
        if (!failure) {
            const struct process_options options = {.executable = "python2.7"};
            failure = process_open(world.core, &options, &world.process);
            if (!failure)
                process_close(world.process);
            core_close(world.core);
        }
        failure_destroy(failure);
    }
    world.core = NULL;
    world.process = NULL;
    close_world(&world);
}

// ---- Holes of the core's file

enum {
    MIB = 1 << 20,
    SPARSE = 80 * MIB
};

// A core of one segment, whose file has a hole of `hole` bytes at a distance of `from`.
static void open_with_hole(struct world *world, vaddr start, const uint8_t *bytes, uint64_t from,
                           uint64_t hole)
{
    static const struct process_options none = {0};
    init_world(world);
    add_segment(world, start, bytes, SPARSE, 0, 0);
    open_world(world, NULL);
    uint64_t offset = (uint64_t)(world->core->segments[0].bytes - world->core->map);
    process_close(world->process);
    int fd = open(world->core->path, O_WRONLY);
    cr_assert_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(offset + from),
                           (off_t)hole),
                 0);
    close(fd);
    struct failure *failure = process_open(world->core, &none, &world->process);
    cr_assert_null(failure);
}

static void assert_all_bytes(struct world *world, vaddr start, const uint8_t *bytes)
{
    enum memory_status status;
    const uint8_t *view = memory_view(&world->process->memory, start, SPARSE, &status);
    cr_assert_not_null(view);
    cr_assert(memcmp(view, bytes, SPARSE) == 0);
}

Test(process_memory, a_large_hole_is_a_span_of_its_own)
{
    static const vaddr starts[] = {0x10000000, 0x10000800, 0x10000ff8};
    uint8_t *bytes = calloc(1, SPARSE);
    cr_assert_not_null(bytes);
    strcpy((char *)bytes + 0x10, "before");
    strcpy((char *)bytes + SPARSE - MIB, "behind");
    for (size_t i = 0; i < LENGTH(starts); i++) {
        struct world world;
        open_with_hole(&world, starts[i], bytes, MIB, SPARSE - 2 * MIB);
        const struct memory *memory = &world.process->memory;
        cr_assert_eq(memory->count, 3, "%zu spans", memory->count);
        cr_assert(!memory->spans[0].hole && memory->spans[1].hole && !memory->spans[2].hole);
        cr_assert_eq(memory->spans[1].start % PAGE, 0, "pools of pymalloc would be cut");
        cr_assert_eq(memory->spans[2].start % PAGE, 0);
        cr_assert_gt(memory->spans[1].size, (uint64_t)SPARSE - 3 * MIB);
        assert_all_bytes(&world, starts[i], bytes);
        close_world(&world);
    }
    free(bytes);
}

Test(process_memory, small_holes_are_not_told_apart)
{
    uint8_t *bytes = calloc(1, SPARSE);
    cr_assert_not_null(bytes);
    struct world world;
    open_with_hole(&world, 0x10000000, bytes, PAGE, MIB);
    cr_assert_eq(world.process->memory.count, 1);
    assert_all_bytes(&world, 0x10000000, bytes);
    close_world(&world);
    free(bytes);
}
