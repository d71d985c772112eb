// One address space over a core without NT_FILE, as qemu writes it, and files: which files the
// linker's list names, and how they are recognized without build-ids.
#include "common.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fakecore.h"
#include "process.h"
#include "scratch.h"
#include "world.h"

TestSuite(process_links, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

enum {
    LINKER = 0x100000, // above BASE, like the others
    LIBRARY = 0x200000,
    HEAP = 0x300000
};

static const struct library main_program = {.strings = 0x111}, library = {.strings = 0x222},
                            other = {.strings = 0x333}, with_id = {.strings = 0x222, .id = 1};

// The process's own memory: data pages with dynamic sections, the list, the names.
struct memory_of {
    uint8_t main_data[PAGE], library_data[PAGE];
    uint64_t debug[5];
    uint64_t links[2][5];
    char name[PATH_MAX + 16];
    char main_name[PATH_MAX + 16];
};

static void add_data(struct world *world, uint8_t *data, const struct library *which, vaddr base,
                     vaddr debug)
{
    fill_dynamic(which, base, debug, (uint64_t *)(data + (DYNAMIC - DATA)));
    add_segment(world, base + TEXT, NULL, 0, PAGE, PF_R | PF_X);
    add_segment(world, base + DATA, data, PAGE, 0, 0);
}

// A program "main" and its library "lib.so" of the current directory. Nothing of their headers is
// saved. The program was linked at 0; `prelinked` is where the library was.
static void init(struct world *world, struct memory_of *memory, vaddr prelinked)
{
    const vaddr debug = BASE + HEAP, links = debug + sizeof(memory->debug);
    const vaddr name = links + sizeof(memory->links);
    init_world(world);
    memset(memory, 0, sizeof(*memory));
    add_data(world, memory->main_data, &main_program, BASE, debug);
    add_data(world, memory->library_data, &library, BASE + LIBRARY, 0);
    snprintf(memory->name, sizeof(memory->name), "%s/lib.so", world->directory);
    snprintf(memory->main_name, sizeof(memory->main_name), "%s/main", world->directory);
    const uint64_t words[] = {1, links, BASE + LINKER + 64, 0, BASE + LINKER};
    const uint64_t first[5] = {BASE, name + 1, BASE + DYNAMIC, links + sizeof(first), 0};
    const uint64_t second[] = {BASE + LIBRARY - prelinked, name, BASE + LIBRARY + DYNAMIC, 0,
                               links};
    memcpy(memory->debug, words, sizeof(words));
    memcpy(memory->links[0], first, sizeof(first));
    memcpy(memory->links[1], second, sizeof(second));
    memory->links[0][1] = name + strlen(memory->name); // ""
    add_segment(world, debug, memory->debug, sizeof(*memory) - offsetof(struct memory_of, debug), 0,
                0);
    add_auxv(world, AT_PHDR, BASE + 64);
    add_auxv(world, AT_ENTRY, BASE + ENTRY);
}

// The linker's data, where its list is found by its look.
static void add_linker(struct world *world, struct memory_of *memory)
{
    add_auxv(world, AT_BASE, BASE + LINKER);
    add_auxv(world, AT_EXECFN,
             BASE + HEAP + offsetof(struct memory_of, main_name) -
                 offsetof(struct memory_of, debug));
    add_segment(world, BASE + LINKER, memory->debug, sizeof(memory->debug), 0, 0);
}

static void expect_both(struct world *world, enum module_match match)
{
    cr_assert_eq(world->process->module_count, 2);
    const struct module *modules = world->process->modules;
    for (size_t i = 0; i < 2; i++) {
        vaddr base = i ? BASE + LIBRARY : BASE;
        cr_expect_eq(modules[i].match, match, "module %zu: %d", i, modules[i].match);
        cr_expect_eq(modules[i].start, base, "module %zu", i);
        cr_expect_eq(modules[i].bias, base, "module %zu", i);
        cr_expect_eq(modules[i].data_end, base + BSS + PAGE, "module %zu", i);
        cr_expect_eq(process_find_module(world->process, base + TEXT), &modules[i]);
    }
    cr_expect(modules[0].is_main);
    cr_expect_not(modules[1].is_main);
    assert_bytes(world, BASE + TEXT, "text");
    assert_bytes(world, BASE + LIBRARY + TEXT, "text");
}

Test(process_links, found_through_the_executable)
{
    struct world world;
    struct memory_of memory;
    init(&world, &memory, 0);
    write_library("x", &main_program);
    write_library("lib.so", &library);
    open_world(&world, &(struct process_options){.executable = "x"});
    expect_both(&world, MODULE_UNCHECKED);
    close_world(&world);
}

Test(process_links, found_through_the_linker_without_an_executable)
{
    struct world world;
    struct memory_of memory;
    init(&world, &memory, 0);
    add_linker(&world, &memory);
    write_library("main", &main_program);
    write_library("lib.so", &library);
    open_world(&world, NULL);
    expect_both(&world, MODULE_UNCHECKED);
    cr_assert_not(world.process->main_absent);
    close_world(&world);
}

// What the process's l_addr says does not count, only where the dynamic section is.
Test(process_links, prelinked_library)
{
    struct world world;
    struct memory_of memory;
    init(&world, &memory, BASE + LIBRARY);
    write_library("x", &main_program);
    write_library("lib.so", &library);
    open_world(&world, &(struct process_options){.executable = "x"});
    expect_both(&world, MODULE_UNCHECKED);
    close_world(&world);
}

Test(process_links, executable_is_the_library)
{
    struct world world;
    struct memory_of memory;
    init(&world, &memory, 0);
    add_linker(&world, &memory);
    write_library("elsewhere", &library);
    cr_assert_eq(rename("elsewhere", "here"), 0);
    cr_assert_eq(symlink("here", "lib.so.1"), 0);
    assert_failure(&world, &(struct process_options){.executable = "here"},
                   "here: not the file of core.1: its segments are not those that were mapped "
                   "(build-id none here, none in the core for %s/main); pass the file that ran "
                   "there, or use this one all the same with --force",
                   world.directory);
}

Test(process_links, library_that_is_another)
{
    static const struct library *const others[] = {&other, &no_id};
    for (size_t i = 0; i < LENGTH(others); i++) {
        struct world world;
        struct memory_of memory;
        init(&world, &memory, 0);
        write_library("x", &main_program);
        write_library("lib.so", others[i]);
        open_world(&world, &(struct process_options){.executable = "x"});
        cr_assert_eq(world.process->module_count, 2);
        cr_expect_eq(world.process->modules[1].match, MODULE_ABSENT, "row %zu", i);
        cr_expect_str_eq(world.process->modules[1].path, memory.name);
        assert_status(&world, BASE + LIBRARY + TEXT, MEMORY_NOT_SAVED);
        close_world(&world);
    }
}

// The build-id decides where the core has it, though the rest is the same.
Test(process_links, build_ids)
{
    static const struct library another = {.strings = 0x222, .id = 2};
    for (int right = 0; right < 2; right++) {
        struct world world;
        struct memory_of memory;
        init(&world, &memory, 0);
        world.headers[0] = build_library(&with_id);
        add_segment(&world, BASE + LIBRARY, world.headers[0].bytes, PAGE, 0, PF_R);
        write_library("x", &main_program);
        write_library("lib.so", right ? &with_id : &another);
        open_world(&world, &(struct process_options){.executable = "x"});
        cr_expect_eq(world.process->modules[1].match, right ? MODULE_MATCHES : MODULE_ABSENT);
        cr_expect_eq(world.process->modules[1].core_build_id.bytes[0], 1);
        close_world(&world);
    }
}

// A relative path was relative to another directory; only the user's directories have the file.
Test(process_links, relative_path_of_the_main_program)
{
    for (int named = 0; named < 2; named++) {
        struct world world;
        struct memory_of memory;
        init(&world, &memory, 0);
        add_linker(&world, &memory);
        strcpy(memory.main_name, "main");
        write_library("main", &main_program);
        open_world(&world, &(struct process_options){.library_path = named ? "." : NULL});
        cr_expect_eq(world.process->modules[0].match, named ? MODULE_UNCHECKED : MODULE_ABSENT);
        cr_expect_str_eq(world.process->modules[0].path, "main");
        close_world(&world);
    }
}

// Paths as qemu's -L leaves them: those that are below the sysroot already.
Test(process_links, path_below_the_sysroot)
{
    struct world world;
    struct memory_of memory;
    init(&world, &memory, 0);
    add_linker(&world, &memory);
    write_library("main", &main_program);
    write_library("lib.so", &library);
    open_world(&world, &(struct process_options){.sysroot = "."});
    expect_both(&world, MODULE_UNCHECKED);
    close_world(&world);
}
