// One address space over a core and files: which files the core names, where they are looked for,
// and how they are recognized.
#include "common.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fakecore.h"
#include "process.h"
#include "scratch.h"
#include "world.h"

TestSuite(process_files, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

// ---- Files that the core names

Test(process_files, library_with_the_same_build_id)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    write_library("lib.so", &id_1);
    const struct module *module = open_module(&world, NULL, MODULE_MATCHES);
    cr_assert_eq(module->start, BASE);
    cr_assert_eq(module->end, BASE + BSS);
    cr_assert_eq(module->data_end, BASE + BSS + PAGE);
    cr_assert_eq(module->bias, BASE);
    cr_assert_eq(module->core_build_id.size, 20);
    cr_assert(build_id_equal(&module->core_build_id, &module->image->build_id));
    cr_assert_str_eq(module->path, world.files[0].path);
    cr_assert_not(module->is_main);
    assert_bytes(&world, BASE, "\177ELF");
    assert_bytes(&world, BASE + TEXT, "text");
    assert_bytes(&world, BASE + DATA, "data of the core");
    close_world(&world);
}

Test(process_files, library_that_is_not_there)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    const struct module *module = open_module(&world, NULL, MODULE_ABSENT);
    cr_assert_str_eq(module_explain_other(module).text, "");
    cr_assert_eq(module->data_end, module->start);
    assert_bytes(&world, BASE, "\177ELF");
    assert_status(&world, BASE + TEXT, MEMORY_NOT_SAVED);
    assert_status(&world, BASE + DATA + 16, MEMORY_NOT_SAVED);
    assert_status(&world, BASE + BSS + PAGE, MEMORY_UNMAPPED);
    close_world(&world);
}

Test(process_files, library_that_was_replaced)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    write_library("lib.so", &id_2);
    const struct module *module = open_module(&world, NULL, MODULE_ABSENT);
    assert_status(&world, BASE + TEXT, MEMORY_NOT_SAVED);
    cr_assert_str_eq(module_explain_other(module).text,
                     ", where the file of that name is of another build (build-id " ID_2 ")");
    close_world(&world);
}

Test(process_files, force_does_not_extend_to_files_that_only_the_core_names)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    write_library("lib.so", &id_2);
    open_module(&world, &(struct process_options){.force = true}, MODULE_ABSENT);
    close_world(&world);
}

Test(process_files, gcore_maps_read_only_ranges_without_segments)
{
    struct world world;
    init_world(&world);
    add_lines(&world, BASE, "lib.so");
    world.headers[0] = build_library(&id_1);
    add_segment(&world, BASE, world.headers[0].bytes, PAGE, 0, PF_R);
    add_segment(&world, BASE + DATA, "data of the core", 16, 0, 0);
    world.spec.notes_last = world.spec.unaligned = true;
    world.spec.file_page_size = 1;
    write_library("lib.so", &id_1);
    open_module(&world, NULL, MODULE_MATCHES);
    assert_bytes(&world, BASE + TEXT, "text");
    close_world(&world);
}

Test(process_files, executable_at_fixed_addresses)
{
    static const struct library fixed = {.id = 1, .type = ET_EXEC};
    struct world world;
    init_world(&world);
    map_library(&world, 0, "python2.7", &fixed);
    write_library("python2.7", &fixed);
    cr_assert_eq(open_module(&world, NULL, MODULE_MATCHES)->bias, 0);
    assert_bytes(&world, TEXT, "text");
    close_world(&world);
}

// Where the prelinker wanted it, elsewhere, and below.
Test(process_files, prelinked_library)
{
    static const vaddr wanted[] = {0x7f0000000000, 0x3000000000, 0x7f1000000000};
    for (size_t i = 0; i < LENGTH(wanted); i++) {
        const struct library prelinked = {.id = 1, .linked_at = wanted[i]};
        struct world world;
        init_world(&world);
        map_library(&world, BASE, "lib.so", &prelinked);
        write_library("lib.so", &prelinked);
        const struct module *module = open_module(&world, NULL, MODULE_MATCHES);
        cr_assert_eq(module->bias, BASE - wanted[i]);
        cr_assert_eq(module->data_end, BASE + BSS + PAGE);
        cr_assert_eq(process_find_module(world.process, BASE + TEXT), module);
        assert_bytes(&world, BASE + TEXT, "text");
        close_world(&world);
    }
}

// Neither side has a build-id: the dynamic section tells two files of one layout apart.
Test(process_files, library_of_the_same_layout)
{
    static const struct library ours = {.strings = 0x123}, other = {.strings = 0x124};
    for (int right = 0; right < 2; right++) {
        static uint8_t data[PAGE];
        struct world world;
        init_world(&world);
        map_library(&world, BASE, "lib.so", &ours);
        fill_dynamic(&ours, BASE, 0x1234, (uint64_t *)(data + (DYNAMIC - DATA)));
        world.segments[2].bytes = data;
        world.segments[2].size = PAGE;
        write_library("lib.so", right ? &ours : &other);
        open_module(&world, NULL, right ? MODULE_UNCHECKED : MODULE_ABSENT);
        close_world(&world);
    }
}

Test(process_files, library_mapped_twice)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    add_line(&world, BASE + 0x10000, BASE + 0x11000, 0, "between");
    map_library(&world, BASE + 0x20000, "lib.so", &id_1);
    write_library("lib.so", &id_1);
    open_world(&world, NULL);
    cr_assert_eq(world.process->module_count, 3);
    cr_assert_eq(world.process->modules[0].bias, BASE);
    cr_assert_eq(world.process->modules[1].match, MODULE_ABSENT);
    cr_assert_eq(world.process->modules[2].bias, BASE + 0x20000);
    assert_bytes(&world, BASE + TEXT, "text");
    assert_bytes(&world, BASE + 0x20000 + TEXT, "text");
    close_world(&world);
}

Test(process_files, part_of_a_library_mapped_right_below_it)
{
    struct world world;
    init_world(&world);
    add_line(&world, BASE - PAGE, BASE, 3 * PAGE, "lib.so");
    map_library(&world, BASE, "lib.so", &id_1);
    write_library("lib.so", &id_1);
    const struct module *module = open_module(&world, NULL, MODULE_MATCHES);
    cr_assert_eq(module->start, BASE - PAGE);
    cr_assert_eq(module->bias, BASE);
    assert_bytes(&world, BASE + TEXT, "text");
    close_world(&world);
}

Test(process_files, data_files_are_left_alone)
{
    struct world world;
    init_world(&world);
    add_lines(&world, BASE, "locale-archive");
    add_segment(&world, BASE, "locale", 6, PAGE, PF_R);
    add_line(&world, BASE + 4 * PAGE, BASE + 5 * PAGE, 0, "not-saved");
    add_segment(&world, BASE + 4 * PAGE, NULL, 0, PAGE, PF_R);
    write_library("locale-archive", &no_id); // not even opened: the core shows what it was
    write_text("not-saved", "text");
    open_world(&world, NULL);
    cr_assert_eq(world.process->module_count, 2);
    cr_assert_eq(world.process->modules[0].match, MODULE_ABSENT);
    cr_assert_eq(world.process->modules[1].match, MODULE_ABSENT);
    close_world(&world);
}

Test(process_files, what_is_no_file_is_no_module)
{
    static const char *const paths[] = {"/dev/zero (deleted)", "/SYSV00000000 (deleted)",
                                        "/memfd:x (deleted)", "/anon_hugepage (deleted)",
                                        "/[aio] (deleted)"};
    struct world world;
    init_world(&world);
    for (size_t i = 0; i < LENGTH(paths); i++)
        add_line(&world, BASE + i * PAGE, BASE + (i + 1) * PAGE, 0, paths[i]);
    add_line(&world, BASE + 0x10000, BASE + 0x11000, 0, "/dev/shm/no-such-file");
    add_segment(&world, 0x1000, "x", 1, 0, 0);
    open_world(&world, NULL);
    cr_assert_eq(world.process->module_count, 1);
    cr_assert_str_eq(world.process->modules[0].path, "/dev/shm/no-such-file");
    assert_status(&world, BASE, MEMORY_NOT_SAVED);
    close_world(&world);
}

Test(process_files, fifo_in_place_of_a_library_does_not_block)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    cr_assert_eq(mkfifo("lib.so", 0600), 0);
    open_module(&world, NULL, MODULE_ABSENT);
    close_world(&world);
}

// ---- Where files are looked for

Test(process_files, sysroot)
{
    char inside[PATH_MAX + 16], command[2 * PATH_MAX];
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    write_library("lib.so", &id_2);
    snprintf(inside, sizeof(inside), "root%s/lib.so", world.directory);
    snprintf(command, sizeof(command), "mkdir -p 'root%s'", world.directory);
    cr_assert_eq(system(command), 0);
    write_library(inside, &id_1);
    open_module(&world, &(struct process_options){.sysroot = "root"}, MODULE_MATCHES);
    cr_assert_str_eq(world.process->modules[0].image->path, inside);
    close_world(&world);
    cr_assert_eq(system("rm -r root"), 0);
}

Test(process_files, path_outside_the_sysroot_is_not_tried)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    write_library("lib.so", &id_1);
    open_module(&world, &(struct process_options){.sysroot = "/nowhere"}, MODULE_ABSENT);
    close_world(&world);
}

Test(process_files, library_path_is_searched_for_the_build_id)
{
    static const char *const lists[] = {"a:b", "b:a", ":none:::b:", "b"};
    cr_assert_eq(mkdir("a", 0700), 0);
    cr_assert_eq(mkdir("b", 0700), 0);
    write_library("a/lib.so", &id_2);
    write_library("b/lib.so", &id_1);
    for (size_t i = 0; i < LENGTH(lists); i++) {
        struct world world;
        init_world(&world);
        map_library(&world, BASE, "/usr/lib/no/such/lib.so", &id_1);
        open_module(&world, &(struct process_options){.library_path = lists[i]}, MODULE_MATCHES);
        cr_assert_str_eq(world.process->modules[0].image->path, "b/lib.so", "%s", lists[i]);
        close_world(&world);
    }
    cr_assert_eq(system("rm -r a b"), 0);
}

Test(process_files, library_path_goes_before_the_path_in_the_core)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    write_library("lib.so", &id_1);
    open_module(&world, &(struct process_options){.library_path = "."}, MODULE_MATCHES);
    cr_assert_str_eq(world.process->modules[0].image->path, "./lib.so");
    close_world(&world);
}

Test(process_files, force_extends_to_the_library_path)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &id_1);
    write_library("lib.so", &id_2);
    open_module(&world, &(struct process_options){.library_path = ".", .force = true},
                MODULE_FORCED);
    assert_bytes(&world, BASE + TEXT, "other text");
    close_world(&world);
}

Test(process_files, deleted_library_is_recognized_by_its_build_id)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so (deleted)", &id_1);
    write_library("lib.so", &id_1);
    write_library("lib.so (deleted)", &id_1); // never opened under that name
    open_module(&world, NULL, MODULE_MATCHES);
    cr_assert_str_eq(strrchr(world.process->modules[0].image->path, '/'), "/lib.so");
    close_world(&world);
}

Test(process_files, deleted_library_without_a_build_id_is_not_guessed)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so (deleted)", &no_id);
    write_library("lib.so", &no_id);
    open_module(&world, NULL, MODULE_ABSENT);
    close_world(&world);
}

// ---- Without build-ids

Test(process_files, without_build_ids_the_mappings_must_fit)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &no_id);
    write_library("lib.so", &no_id);
    open_module(&world, NULL, MODULE_UNCHECKED);
    assert_bytes(&world, BASE + TEXT, "text");
    close_world(&world);
}

Test(process_files, header_page_not_saved)
{
    struct world world;
    init_world(&world);
    add_lines(&world, BASE, "lib.so");
    add_segment(&world, BASE, NULL, 0, PAGE, PF_R);
    write_library("lib.so", &id_1);
    open_module(&world, NULL, MODULE_UNCHECKED);
    assert_bytes(&world, BASE, "\177ELF");
    assert_bytes(&world, BASE + TEXT, "text");
    close_world(&world);
}

Test(process_files, saved_page_that_differs)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &no_id);
    write_library("lib.so", &no_id);
    world.headers[3].bytes[PAGE - 1] ^= 1;
    open_module(&world, NULL, MODULE_ABSENT);
    close_world(&world);
}

Test(process_files, file_shorter_than_its_segments)
{
    static const struct library cut = {.size = 4 * PAGE - 1};
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &no_id);
    write_library("lib.so", &cut);
    open_module(&world, NULL, MODULE_ABSENT);
    close_world(&world);
}

Test(process_files, mapping_that_no_segment_explains)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &no_id);
    write_library("lib.so", &no_id);
    world.files[1].offset += PAGE;
    open_module(&world, NULL, MODULE_ABSENT);
    close_world(&world);
}

Test(process_files, mapping_behind_the_last_segment)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &no_id);
    write_library("lib.so", &no_id);
    world.files[2].end += 2 * PAGE;
    open_module(&world, NULL, MODULE_ABSENT);
    close_world(&world);
}

Test(process_files, segment_that_was_not_mapped)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "lib.so", &no_id);
    write_library("lib.so", &no_id);
    world.spec.file_count = 2;
    open_module(&world, NULL, MODULE_ABSENT);
    close_world(&world);
}
