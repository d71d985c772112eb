// Static types that a cut core has lost, put back out of the files: fake processes of every
// built-in layout, in which the interpreter's static variables lie in one file and those of an
// extension module in another.
#include "common.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fakeheap.h"
#include "restored.h"
#include "scratch.h"

enum {
    FILES = 2,
    BIAS = 0x10000, // of each file
};

static const vaddr NEVER = 0x7e0000000; // nothing is mapped there

// A fake process and the two files that its static variables came out of.
struct scene {
    char name[64];
    struct fakeheap fake;
    vaddr own; // a type of the extension module
    vaddr start[FILES];
    uint64_t size[FILES];
    uint8_t *bytes[FILES]; // of the file: as the process began with them
    struct image_segment segments[FILES][2];
    struct image images[FILES];
    struct module modules[FILES];
    struct process process;
    struct restored restored;
    struct layout layout;
};

// A static type is referred to by itself alone at first (PyVarObject_HEAD_INIT).
static void begin_types(struct scene *scene)
{
    struct fakeheap *fake = &scene->fake;
    for (size_t i = 0; i < fake->type_count; i++)
        fakeheap_set(fake, fake->types[i].address, LAYOUT_PyObject_ob_refcnt, 1);
}

static void add_file(struct scene *scene, unsigned file, unsigned arena)
{
    struct fakeheap *fake = &scene->fake;
    vaddr start = fake->arenas[arena].start;
    uint64_t size = fake->arenas[arena].used;
    scene->start[file] = start;
    scene->size[file] = size;
    scene->bytes[file] = malloc(size);
    cr_assert_not_null(scene->bytes[file]);
    memcpy(scene->bytes[file], fakeheap_bytes(fake, start, size), size);
    scene->segments[file][0] = (struct image_segment){
        .start = start - BIAS, .memory_size = size, .file_size = size, .flags = PF_R | PF_W};
    scene->images[file] = (struct image){.size = size,
                                         .bytes = scene->bytes[file],
                                         .machine = EM_X86_64,
                                         .format = fake->memory.format,
                                         .position_independent = true,
                                         .segments = scene->segments[file],
                                         .segment_count = 1};
    scene->modules[file] = (struct module){
        .path = "a.so", .bias = BIAS, .image = &scene->images[file], .match = MODULE_MATCHES};
}

// The process goes on: references come, and variables are written.
static void run(struct scene *scene)
{
    struct fakeheap *fake = &scene->fake;
    for (size_t i = 0; i < fake->type_count; i++)
        fakeheap_set(fake, fake->types[i].address, LAYOUT_PyObject_ob_refcnt, 77);
}

static void init_of(struct scene *scene, const struct layout_column *column, bool big_endian)
{
    struct fakeheap *fake = &scene->fake;
    memset(scene, 0, sizeof(*scene));
    snprintf(scene->name, sizeof(scene->name), "%s%s", column ? column->name : "2.7.18",
             big_endian ? ", big-endian" : "");
    fakeheap_init(fake, &(struct fakeheap_spec){.column = column, .big_endian = big_endian});
    scene->own = fakeheap_type(fake, &(struct fakeheap_type){.name = "a.own", .in_module = true});
    fakeheap_list(fake);
    begin_types(scene);
    add_file(scene, 0, FAKEHEAP_ARENA_STATIC);
    add_file(scene, 1, FAKEHEAP_ARENA_MODULE);
    run(scene);
    fake->source.data_lost = true;
    scene->process = (struct process){.modules = scene->modules, .module_count = FILES};
}

static void init(struct scene *scene)
{
    init_of(scene, NULL, false);
}

static void deinit(struct scene *scene)
{
    restored_deinit(&scene->restored);
    fakeheap_deinit(&scene->fake);
    for (unsigned i = 0; i < FILES; i++)
        free(scene->bytes[i]);
}

static void lose(struct scene *scene, vaddr start, uint64_t size)
{
    fakeheap_hide(&scene->fake, start, size, MEMORY_NOT_SAVED);
}

static void lose_file(struct scene *scene, unsigned file)
{
    lose(scene, scene->start[file], scene->size[file]);
}

// The fake's memory is the process's from now on.
static struct failure *try(struct scene *scene)
{
    fakeheap_map(&scene->fake);
    scene->process.memory = scene->fake.memory;
    struct failure *failure =
        restored_init(&scene->restored, &scene->process, &scene->fake.source, &scene->layout);
    scene->fake.memory = scene->process.memory;
    fakeheap_show_all(&scene->fake); // to be compared with
    return failure;
}

static void restore(struct scene *scene)
{
    struct failure *failure = try(scene);
    cr_assert_null(failure, "%s: %s", scene->name, failure ? failure_text(failure) : "");
}

static void expect_member(struct scene *scene, const char *what, vaddr type,
                          enum layout_member member, uint64_t expected)
{
    uint64_t value = 0;
    enum memory_status status =
        layout_read(&scene->fake.layout, &scene->process.memory, type, member, &value);
    cr_expect_eq(status, MEMORY_OK, "%s: %s: %d", scene->name, what, status);
    cr_expect_eq(value, expected, "%s: %s: 0x%" PRIx64, scene->name, what, value);
}

static void expect_status(struct scene *scene, const char *what, vaddr at,
                          enum memory_status expected)
{
    vaddr word;
    enum memory_status status = memory_read_word(&scene->process.memory, at, &word);
    cr_expect_eq(status, expected, "%s: %s: %d", scene->name, what, status);
}

static size_t count_types(const struct scene *scene, unsigned file)
{
    size_t count = 0;
    for (size_t i = 0; i < scene->fake.type_count; i++)
        count += scene->fake.types[i].address - scene->start[file] < scene->size[file];
    return count;
}

static vaddr exported(struct scene *scene, const char *name)
{
    vaddr address = 0;
    const struct runtime_source *source = &scene->fake.source;
    cr_assert(source->find_symbol(source->context, SYMBOL_EXPORTED, name, &address), "%s", name);
    return address;
}

// ---- Is anything lost?

static void expect_need(struct scene *scene, const char *what, bool expected)
{
    fakeheap_map(&scene->fake);
    scene->process.memory = scene->fake.memory;
    bool needed = restored_is_needed(&scene->process, &scene->modules[0]);
    scene->fake.memory = scene->process.memory;
    cr_expect_eq(needed, expected, "%s", what);
    fakeheap_show_all(&scene->fake);
}

Test(restored, need)
{
    struct scene scene;
    init(&scene);
    const vaddr start = scene.start[0], end = start + scene.size[0];
    struct image_segment *segment = &scene.segments[0][0];
    expect_need(&scene, "all is saved", false);
    const vaddr lost[] = {start, (start + end) / 2, end - 1};
    for (size_t i = 0; i < LENGTH(lost); i++) {
        lose(&scene, lost[i], 1);
        expect_need(&scene, "a byte is not saved", true);
        fakeheap_hide(&scene.fake, lost[i], 1, MEMORY_UNMAPPED);
        expect_need(&scene, "a byte is not mapped", true);
        lose(&scene, lost[i], 1);
        segment->flags = PF_R;
        expect_need(&scene, "of what cannot be written", false);
        segment->flags = PF_R | PF_W;
    }
    segment->memory_size--;
    lose(&scene, end - 1, 1);
    expect_need(&scene, "behind its end", false);
    segment->file_size = 1;
    lose(&scene, end - 2, 1);
    expect_need(&scene, "what begins as zeroes", true);
    segment->memory_size = 0;
    lose(&scene, start, 1);
    expect_need(&scene, "nothing", false);
    scene.segments[0][1] = (struct image_segment){
        .start = NEVER - BIAS, .memory_size = 1, .file_size = 1, .flags = PF_R | PF_W};
    scene.images[0].segment_count = 2;
    expect_need(&scene, "another segment", true);
    scene.modules[0].image = NULL;
    expect_need(&scene, "no file", false);
    deinit(&scene);
}

// ---- What is put back

static void expect_all_back(const struct layout_column *column, bool big_endian)
{
    struct scene scene;
    init_of(&scene, column, big_endian);
    lose_file(&scene, 0);
    lose_file(&scene, 1);
    restore(&scene);
    const struct fakeheap *fake = &scene.fake;
    cr_expect_eq(scene.restored.types, count_types(&scene, 0) + 1, "%s: %d", scene.name,
                 (int)scene.restored.types);
    cr_expect_eq(scene.layout.column->word_size, fake->memory.format.word_size, "%s", scene.name);
    for (size_t i = 0; i < fake->type_count; i++) {
        vaddr type = fake->types[i].address;
        char name[64] = "";
        vaddr text = fakeheap_get(&scene.fake, type, LAYOUT_PyTypeObject_tp_name);
        memory_read_string(&scene.process.memory, text, name, sizeof(name));
        cr_expect_str_eq(name, fake->types[i].name, "%s", scene.name);
        expect_member(&scene, name, type, LAYOUT_PyTypeObject_tp_name, text);
        expect_member(&scene, name, type, LAYOUT_PyObject_ob_refcnt, 1);
        expect_member(&scene, name, type, LAYOUT_PyTypeObject_tp_basicsize,
                      fakeheap_get(&scene.fake, type, LAYOUT_PyTypeObject_tp_basicsize));
    }
    deinit(&scene);
}

Test(restored, types_of_all_files)
{
    for (size_t i = 0; i < layout_column_count; i++) {
        expect_all_back(&layout_columns[i], false);
        expect_all_back(&layout_columns[i], true);
    }
}

// What a program changes is not what it was before it began; only the variable that leads to the
// heads of the lists never changes.
Test(restored, other_variables_stay_lost)
{
    struct scene scene;
    init(&scene);
    const struct fakeheap *fake = &scene.fake;
    lose_file(&scene, 0);
    restore(&scene);
    expect_status(&scene, "generations", fake->heads[0], MEMORY_NOT_SAVED);
    expect_status(&scene, "garbage", fake->garbage_variable, MEMORY_NOT_SAVED);
    expect_status(&scene, "interp_head", fake->interp_variable, MEMORY_NOT_SAVED);
    expect_status(&scene, "current thread", fake->thread_variable, MEMORY_NOT_SAVED);
    vaddr heads = 0, variable = exported(&scene, "_PyGC_generation0");
    cr_expect_eq(memory_read_word(&scene.process.memory, variable, &heads), MEMORY_OK);
    cr_expect_eq(heads, fake->heads[0]);
    deinit(&scene);
}

// The same process as without this module.
Test(restored, nothing_is_lost)
{
    struct scene scene;
    init(&scene);
    fakeheap_poke_word(&scene.fake, exported(&scene, "_PyGC_generation0"), scene.fake.heads[1]);
    restore(&scene);
    cr_expect_eq(scene.restored.types, 0);
    for (size_t i = 0; i < scene.fake.type_count; i++)
        expect_member(&scene, scene.fake.types[i].name, scene.fake.types[i].address,
                      LAYOUT_PyObject_ob_refcnt, 77);
    vaddr heads = 0, variable = exported(&scene, "_PyGC_generation0");
    cr_expect_eq(memory_read_word(&scene.process.memory, variable, &heads), MEMORY_OK);
    cr_expect_eq(heads, scene.fake.heads[1]);
    deinit(&scene);
}

// Of a type that the cut goes through, and of all others.
Test(restored, what_is_saved_stays)
{
    struct scene scene;
    init(&scene);
    struct fakeheap *fake = &scene.fake;
    const vaddr cut = fakeheap_find_type(fake, "list"), whole = fakeheap_find_type(fake, "dict");
    const uint64_t before = layout_offset(&fake->layout, LAYOUT_PyTypeObject_tp_basicsize);
    const uint64_t size = layout_offset(&fake->layout, LAYOUT_PyTypeObject_sizeof);
    lose(&scene, cut + before, size - before);
    restore(&scene);
    cr_expect_eq(scene.restored.types, 1);
    expect_member(&scene, "saved", cut, LAYOUT_PyObject_ob_refcnt, 77);
    expect_member(&scene, "lost", cut, LAYOUT_PyTypeObject_tp_basicsize,
                  fakeheap_get(fake, cut, LAYOUT_PyTypeObject_tp_basicsize));
    expect_member(&scene, "another", whole, LAYOUT_PyObject_ob_refcnt, 77);
    deinit(&scene);
}

// As PyType_Ready would have made it of what the author wrote.
Test(restored, types_are_made_ready)
{
    struct scene scene;
    init(&scene);
    const struct layout_value base = scene.fake.layout.values[LAYOUT_PyTypeObject_tp_base];
    uint8_t *type = scene.bytes[1] + (scene.own - scene.start[1]);
    memset(type + base.offset, 0, base.width);
    memset(type + layout_offset(&scene.fake.layout, LAYOUT_PyObject_ob_type), 0, 8);
    lose_file(&scene, 1);
    restore(&scene);
    cr_expect_eq(scene.restored.types, 1);
    expect_member(&scene, "ob_type", scene.own, LAYOUT_PyObject_ob_type, scene.fake.type);
    expect_member(&scene, "tp_base", scene.own, LAYOUT_PyTypeObject_tp_base, scene.fake.object);
    deinit(&scene);
}

Test(restored, variable_of_the_heads_that_no_file_has)
{
    struct scene scene;
    init(&scene);
    fakeheap_remove_symbol(&scene.fake, "_PyGC_generation0");
    restore(&scene);
    restored_deinit(&scene.restored);
    fakeheap_symbol(&scene.fake, SYMBOL_EXPORTED, "_PyGC_generation0", NEVER);
    lose(&scene, NEVER, 8);
    restore(&scene);
    expect_status(&scene, "_PyGC_generation0", NEVER, MEMORY_NOT_SAVED);
    deinit(&scene);
}

// One half by the core, one by the file would be no address that either has.
Test(restored, variable_of_the_heads_that_is_cut)
{
    struct scene scene;
    init(&scene);
    vaddr variable = exported(&scene, "_PyGC_generation0");
    lose(&scene, variable + 4, scene.start[0] + scene.size[0] - variable - 4);
    restore(&scene);
    expect_status(&scene, "_PyGC_generation0", variable, MEMORY_NOT_SAVED);
    deinit(&scene);
}

// ---- Where it ends

static void expect_failure(struct scene *scene, enum failure_kind kind, const char *text)
{
    struct failure *failure = try(scene);
    cr_assert_not_null(failure, "%s", text);
    cr_expect_eq(failure_kind(failure), kind, "%s", failure_text(failure));
    cr_expect_not_null(strstr(failure_text(failure), text), "%s", failure_text(failure));
    failure_destroy(failure);
    deinit(scene);
}

Test(restored, no_types_without_a_file)
{
    struct scene scene;
    init(&scene);
    lose_file(&scene, 0);
    scene.modules[0].match = MODULE_FROM_CORE;
    expect_failure(&scene, FAILURE_DAMAGED, "the core has not saved PyType_Type");
    init(&scene);
    lose_file(&scene, 0);
    scene.modules[0].image = NULL;
    expect_failure(&scene, FAILURE_DAMAGED, "the core has not saved PyType_Type");
    // Addresses in it are not filled in.
    init(&scene);
    lose_file(&scene, 0);
    scene.images[0].machine = EM_ALPHA;
    expect_failure(&scene, FAILURE_DAMAGED, "the core has not saved PyType_Type");
}

Test(restored, no_symbols)
{
    struct scene scene;
    init(&scene);
    fakeheap_remove_symbol(&scene.fake, "PyType_Type");
    lose_file(&scene, 0);
    expect_failure(&scene, FAILURE_MISMATCH, "PyType_Type");
    init(&scene);
    fakeheap_remove_symbol(&scene.fake, "PyBaseObject_Type");
    lose_file(&scene, 1);
    restore(&scene);
    cr_expect_eq(scene.restored.types, 0, "which `object` is theirs is not known");
    deinit(&scene);
}

// A process may have mapped much more than it ever wrote.
Test(restored, large_holes_are_not_read)
{
    struct scene scene;
    const uint64_t size = (uint64_t)1 << 30;
    init(&scene);
    lose_file(&scene, 0);
    uint8_t *hole = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq((void *)hole, MAP_FAILED);
    fakeheap_map(&scene.fake);
    scene.process.memory = scene.fake.memory;
    cr_assert_null(memory_add_hole(&scene.process.memory, NEVER, size, hole));
    struct failure *failure =
        restored_init(&scene.restored, &scene.process, &scene.fake.source, &scene.layout);
    cr_assert_null(failure);
    scene.fake.memory = scene.process.memory;
    cr_expect_eq(scene.restored.types, count_types(&scene, 0));
    munmap(hole, size);
    deinit(&scene);
}
