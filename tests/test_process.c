// One address space over a core and files: the executable that the user names, with NT_FILE and
// without, and what is asked of the process. Files that only the core names: test_process_files.c;
// bytes: test_process_memory.c.
#include "common.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fakecore.h"
#include "process.h"
#include "sample_image.h"
#include "scratch.h"
#include "world.h"

TestSuite(process, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

// ---- The file that the user names

Test(process, executable_that_matches)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "/no/such/python2.7", &id_1);
    add_auxv(&world, AT_ENTRY, BASE + ENTRY);
    write_library("x", &id_1);
    open_module(&world, &(struct process_options){.executable = "x"}, MODULE_MATCHES);
    cr_assert(world.process->modules[0].is_main);
    cr_assert_not(world.process->main_absent);
    close_world(&world);
}

Test(process, executable_with_another_build_id)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "/no/such/python2.7", &id_1);
    add_auxv(&world, AT_PHDR, BASE + 64);
    write_library("x", &id_2);
    assert_failure(&world, &(struct process_options){.executable = "x"},
                   "x: not the file of core.1: its build-id differs (build-id " ID_2 " here, " ID_1
                   " in the core for /no/such/python2.7); pass the file that ran "
                   "there, or use this one all the same with --force");
}

Test(process, executable_with_another_build_id_forced)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "/no/such/python2.7", &id_1);
    add_auxv(&world, AT_PHDR, BASE + 64);
    write_library("x", &id_2);
    open_module(&world, &(struct process_options){.executable = "x", .force = true}, MODULE_FORCED);
    assert_bytes(&world, BASE + TEXT, "other text");
    close_world(&world);
}

Test(process, executable_that_cannot_be_placed_is_not_forced)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "/no/such/python2.7", &id_1);
    add_auxv(&world, AT_PHDR, BASE + 64);
    write_library("x", &id_2);
    for (size_t i = 0; i < 3; i++)
        world.files[i].offset += 0x100000;
    assert_failure(&world, &(struct process_options){.executable = "x", .force = true},
                   "x: not the file of core.1: its build-id differs (build-id " ID_2 " here, " ID_1
                   " in the core for /no/such/python2.7); pass the file that ran "
                   "there");
}

Test(process, executable_without_build_ids_that_does_not_fit)
{
    static const struct library cut = {.size = 3 * PAGE};
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "/no/such/python2.7", &no_id);
    add_auxv(&world, AT_PHDR, BASE + 64);
    write_library("x", &cut);
    assert_failure(&world, &(struct process_options){.executable = "x"},
                   "x: not the file of core.1: its segments are not those that were mapped "
                   "(build-id none here, none in the core for /no/such/python2.7); pass the file "
                   "that ran there, or use this one all the same with --force");
}

Test(process, executable_of_another_machine)
{
    static const struct library arm = {.machine = EM_AARCH64};
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "/no/such/python2.7", &id_1);
    write_library("x", &arm);
    assert_failure(&world, &(struct process_options){.executable = "x", .force = true},
                   "x: a 64-bit file for ELF machine 183, but core.1 is of a 64-bit x86_64 process "
                   "(machine 62); pass the executable that ran there");
}

Test(process, executable_that_is_nowhere)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "/no/such/python2.7", &id_1);
    write_library("x", &id_2);
    assert_failure(&world, &(struct process_options){.executable = "x"},
                   "x: core.1 has no mapping of a file with its build-id (" ID_2
                   ") or its name; pass the executable that ran there");
}

Test(process, executable_that_is_a_script)
{
    struct world world;
    init_world(&world);
    map_library(&world, BASE, "/no/such/python2.7", &id_1);
    write_text("python2.7", "#!/bin/sh\n");
    open_module(&world, &(struct process_options){.executable = "python2.7"}, MODULE_ABSENT);
    cr_assert_str_eq(world.process->script, "/bin/sh");
    close_world(&world);
}

// The file that the script names is taken by its build-id alone.
Test(process, script_of_an_interpreter)
{
    static const struct {
        const struct library *ours, *theirs;
        enum module_match expected;
    } rows[] = {{&id_1, &id_1, MODULE_MATCHES},
                {&id_2, &id_1, MODULE_ABSENT},
                {&no_id, &no_id, MODULE_ABSENT}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct world world;
        char text[PATH_MAX + 16];
        init_world(&world);
        map_library(&world, BASE, "/no/such/python2.7", rows[i].theirs);
        write_library("python", rows[i].ours);
        snprintf(text, sizeof(text), "#!%s/python -u\n", world.directory);
        write_text("start", text);
        open_module(&world, &(struct process_options){.executable = "start"}, rows[i].expected);
        close_world(&world);
    }
}

Test(process, user_names_the_library_by_its_build_id)
{
    struct world world;
    map_two(&world, &id_1, &id_2);
    write_library("x", &id_2);
    open_world(&world, &(struct process_options){.executable = "x"});
    cr_assert_eq(world.process->modules[0].match, MODULE_ABSENT);
    cr_assert_eq(world.process->modules[1].match, MODULE_MATCHES);
    cr_assert(world.process->main_absent);
    close_world(&world);
}

Test(process, user_names_the_library_by_its_name)
{
    struct world world;
    map_two(&world, &no_id, &no_id);
    write_library("libpython2.7.so.1.0", &no_id);
    open_world(&world, &(struct process_options){.executable = "libpython2.7.so.1.0"});
    cr_assert_eq(world.process->modules[0].match, MODULE_ABSENT);
    cr_assert_eq(world.process->modules[1].match, MODULE_UNCHECKED);
    close_world(&world);
}

Test(process, symbolic_link_leads_to_the_name_in_the_core)
{
    struct world world;
    map_two(&world, &no_id, &no_id);
    write_library("libpython2.7.so.1.0", &no_id);
    cr_assert_eq(symlink("libpython2.7.so.1.0", "libpython2.7.so"), 0);
    open_world(&world, &(struct process_options){.executable = "libpython2.7.so"});
    cr_assert_eq(world.process->modules[1].match, MODULE_UNCHECKED);
    close_world(&world);
}

Test(process, any_other_name_is_the_main_program_s)
{
    struct world world;
    map_two(&world, &no_id, &no_id);
    write_library("x", &no_id);
    open_world(&world, &(struct process_options){.executable = "x"});
    cr_assert_eq(world.process->modules[0].match, MODULE_UNCHECKED);
    cr_assert_eq(world.process->modules[1].match, MODULE_ABSENT);
    cr_assert_not(world.process->main_absent);
    close_world(&world);
}

// ---- A core without NT_FILE

static void init_lone(struct world *world, const struct library *library)
{
    init_world(world);
    add_segments(world, BASE, library);
}

Test(process, placed_by_its_saved_header)
{
    struct world world;
    init_lone(&world, &id_1);
    write_library("x", &id_1);
    const struct module *module =
        open_module(&world, &(struct process_options){.executable = "x"}, MODULE_MATCHES);
    cr_assert_eq(module->bias, BASE);
    cr_assert_eq(module->data_end, BASE + BSS + PAGE);
    assert_bytes(&world, BASE + TEXT, "text");
    assert_bytes(&world, BASE + DATA, "data of the core");
    close_world(&world);
}

Test(process, placed_by_program_headers_or_entry)
{
    static const struct fakecore_auxv rows[] = {{AT_PHDR, 64}, {AT_ENTRY, ENTRY}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct world world;
        init_lone(&world, &no_id);
        add_auxv(&world, rows[i].type, BASE + rows[i].value);
        write_library("x", &no_id);
        const struct module *module =
            open_module(&world, &(struct process_options){.executable = "x"}, MODULE_UNCHECKED);
        cr_assert_eq(module->bias, BASE, "row %zu", i);
        cr_assert(module->is_main, "row %zu", i);
        cr_assert_eq(process_find_module(world.process, BASE + TEXT), module, "row %zu", i);
        assert_bytes(&world, BASE + TEXT, "text");
        close_world(&world);
    }
}

Test(process, entry_that_does_not_fit)
{
    struct world world;
    init_lone(&world, &no_id);
    add_auxv(&world, AT_PHDR, BASE + 64);
    add_auxv(&world, AT_ENTRY, BASE + 0x1234);
    write_library("x", &no_id);
    assert_failure(&world, &(struct process_options){.executable = "x"},
                   "x: not the main program of core.1: its entry point would be at "
                   "0x7f0000001040, the core's AT_ENTRY is 0x7f0000001234; pass the executable "
                   "that ran there, or use this one all the same with --force");
}

Test(process, entry_that_does_not_fit_forced)
{
    struct world world;
    init_lone(&world, &no_id);
    add_auxv(&world, AT_PHDR, BASE + 64);
    add_auxv(&world, AT_ENTRY, BASE + 0x1234);
    write_library("x", &no_id);
    open_module(&world, &(struct process_options){.executable = "x", .force = true}, MODULE_FORCED);
    close_world(&world);
}

Test(process, position_independent_program_that_nothing_places_is_left_out)
{
    struct world world;
    init_lone(&world, &no_id);
    write_library("x", &no_id);
    open_world(&world, &(struct process_options){.executable = "x"});
    cr_assert_eq(world.process->module_count, 0);
    cr_assert(world.process->main_absent);
    assert_status(&world, BASE + TEXT, MEMORY_NOT_SAVED);
    close_world(&world);
}

Test(process, fixed_program_needs_nothing_to_be_placed)
{
    static const struct library fixed = {.type = ET_EXEC};
    struct world world;
    init_world(&world);
    add_segments(&world, 0, &fixed);
    write_library("x", &fixed);
    open_module(&world, &(struct process_options){.executable = "x"}, MODULE_UNCHECKED);
    assert_bytes(&world, TEXT, "text");
    close_world(&world);
}

Test(process, no_modules_without_an_executable)
{
    struct world world;
    init_lone(&world, &id_1);
    open_world(&world, NULL);
    cr_assert_eq(world.process->module_count, 0);
    cr_assert(world.process->main_absent);
    assert_bytes(&world, BASE + DATA, "data of the core");
    close_world(&world);
}

// ---- Modules by address

Test(process, module_by_address)
{
    struct world world;
    map_two(&world, &id_1, &id_2);
    write_library("x", &id_2);
    open_world(&world, &(struct process_options){.executable = "x"});
    const struct module *library = &world.process->modules[1];
    cr_assert_null(process_find_module(world.process, 0));
    cr_assert_null(process_find_module(world.process, BASE + TEXT), "its file is absent");
    cr_assert_null(process_find_module(world.process, library->start - 1));
    cr_assert_eq(process_find_module(world.process, library->start), library);
    cr_assert_eq(process_find_module(world.process, library->data_end - 1), library);
    cr_assert_null(process_find_module(world.process, library->data_end));
    close_world(&world);
}

// ---- Symbols

// What a file of the test below has of the symbol `it`.
static const struct file_kind {
    char letter;
    const char *source, *flags;
} file_kinds[] = {
    {'N', "int other = 1;", "-shared"},
    {'L', "__attribute__((used)) static int it = 1;", "-shared"},
    {'H', "__attribute__((visibility(\"hidden\"))) int it = 1;", "-shared"},
    {'G', "int it = 1;", "-shared"},
    {'E', "int it = 1; int main(void) { return 0; }", ""}, // a program, linked without -rdynamic
};

static void make_kinds(void)
{
    for (size_t i = 0; i < LENGTH(file_kinds); i++) {
        char command[256];
        snprintf(command, sizeof(command), "printf '%%s' '%s' >x.c && gcc -fPIC %s -o %c x.c",
                 file_kinds[i].source, file_kinds[i].flags, file_kinds[i].letter);
        run_tool(command);
    }
}

// Maps a file at the address, nothing saved but its header.
static void map_file(struct world *world, vaddr base, const char *path)
{
    struct image *image = open_file(path);
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];
        vaddr start = base + (segment->start & ~(vaddr)(PAGE - 1));
        vaddr end = (base + segment->start + segment->file_size + PAGE - 1) & ~(vaddr)(PAGE - 1);
        add_line(world, start, end, segment->file_offset & ~(uint64_t)(PAGE - 1), path);
    }
    static uint8_t headers[MOST][PAGE];
    memcpy(headers[world->spec.segment_count], image->bytes, PAGE);
    add_segment(world, base, headers[world->spec.segment_count], PAGE, 0, PF_R);
    image_close(image);
}

enum {
    NONE = -1,
    MAIN = 2, // above the others
};
static const char *const places[] = {"a.so", "b.so", "main"};

static vaddr base_of(int place)
{
    return BASE + (vaddr)place * 0x100000000;
}

static void expect_symbol(const char *what, bool found, const struct process *process,
                          const struct module *in, vaddr address, int expected)
{
    vaddr value = 0;
    cr_assert_eq(found, expected != NONE, "%s: %d", what, found);
    if (!found)
        return;
    cr_assert_eq(in, &process->modules[expected], "%s: in %s", what, in->path);
    cr_assert(image_find_symbol(in->image, "it", &value, NULL, NULL));
    cr_assert_eq(address, base_of(expected) + value, "%s", what);
}

// Letters of file_kinds for a.so, b.so and the main program, and who has the symbol that one of
// them refers to.
Test(process, symbols)
{
    static const struct {
        const char *kinds;
        int from, exported, any;
    } rows[] = {
        {"NGN", 0, 1, 1},       {"NGN", NONE, 1, 1},       {"NNG", 0, MAIN, MAIN},
        {"GGN", NONE, 0, 0},    {"GGG", NONE, MAIN, MAIN}, {"GGG", 0, MAIN, MAIN},
        {"GGN", 0, 0, 0},       {"GGN", 1, 1, 1}, // both loaded by dlopen, each with its own
        {"LGN", 1, 1, 1},       {"LGN", NONE, 1, 1},       {"LGN", 0, 1, 0},
        {"HGN", 1, 1, 1},       {"HGN", 0, 1, 0},          {"LGG", 0, MAIN, 0},
        {"NGL", 0, 1, 1},       {"NGL", MAIN, 1, MAIN},    {"NGE", 0, 1, 1},
        {"NGE", MAIN, 1, MAIN}, {"LLN", NONE, NONE, NONE}, {"LNE", 1, NONE, NONE},
        {"LNE", 0, NONE, 0},
    };
    make_kinds();
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct world world;
        init_world(&world);
        for (int j = 0; j <= MAIN; j++) {
            char kind[] = {rows[i].kinds[j], 0};
            unlink(places[j]);
            cr_assert_eq(symlink(kind, places[j]), 0);
            map_file(&world, base_of(j), places[j]);
        }
        add_auxv(&world, AT_PHDR, base_of(MAIN) + 0x40);
        open_world(&world, NULL);
        const struct process *process = world.process;
        cr_assert_eq(process->module_count, LENGTH(places));
        const struct module *from = rows[i].from == NONE ? NULL : &process->modules[rows[i].from];
        const struct module *in = NULL;
        vaddr address = 0;
        char what[64];
        snprintf(what, sizeof(what), "row %zu, exported", i);
        bool found = process_find_exported(process, from, "it", &address, &in);
        expect_symbol(what, found, process, in, address, rows[i].exported);
        snprintf(what, sizeof(what), "row %zu", i);
        found = process_find_symbol(process, from, "it", &address, &in);
        expect_symbol(what, found, process, in, address, rows[i].any);
        cr_assert_not(process_find_symbol(process, from, "no_such_symbol", &address, NULL));
        close_world(&world);
    }
}
