// A process for the tests of the interpreter: a fakeheap, of which the files of the process and the
// segments of its core are said by hand.
//
// The heap is that of the test, which may change it until open_process. Modules are added by
// address. What is opened is closed by close_process, which .fini of the suite calls.
#ifndef TESTS_SCENE_PROCESS_H
#define TESTS_SCENE_PROCESS_H

#include <elf.h>
#include <string.h>

#include "fakecore.h"
#include "fakeheap.h"
#include "fakeprocess.h"
#include "interpreter.h"
#include "sample_image.h"
#include "sample_linked.h"
#include "scratch.h"

enum {
    MODULES = 8,
    SEGMENTS = 32,
    THREADS = 4,
    STACK_POINTER = 19, // word of the registers, x86-64
    REGISTERS = 27
};

static struct fakeheap fake;
static struct core core;
static struct process process;
static struct core_segment segments[SEGMENTS];
static struct module modules[MODULES];
static struct core_thread threads[THREADS];
static uint64_t registers[THREADS][REGISTERS];
static struct interpreter *interpreter;
static struct linked linked[2]; // other libraries than the interpreter,
static vaddr linked_at[2];      // and where they are

// A furnished 2.7.18 on x86-64 and a core of it that names no files.
static void init_process(void)
{
    fakecore_enter_scratch();
    fakeheap_init(&fake, &(struct fakeheap_spec){0});
    fakeheap_furnish(&fake);
    core = (struct core){.path = "core.1",
                         .machine = EM_X86_64,
                         .format = fake.memory.format,
                         .command = "python2.7 leak.py",
                         .segments = segments,
                         .threads = threads};
    process = (struct process){.core = &core, .modules = modules};
}

// Adds a range of the process that the core tells of.
static inline void add_segment(vaddr start, uint64_t memory_size, uint64_t saved_size,
                               uint32_t flags)
{
    cr_assert_lt(core.segment_count, SEGMENTS);
    segments[core.segment_count++] = (struct core_segment){
        .start = start, .memory_size = memory_size, .saved_size = saved_size, .flags = flags};
}

static inline void add_thread(vaddr stack_pointer)
{
    cr_assert_lt(core.thread_count, THREADS);
    registers[core.thread_count][STACK_POINTER] = stack_pointer;
    threads[core.thread_count] =
        (struct core_thread){.registers = (const uint8_t *)registers[core.thread_count],
                             .registers_size = sizeof(registers[0])};
    core.thread_count++;
}

// A file of the process; image NULL: it is not here.
static inline struct module *add_module(const char *path, vaddr start, struct image *image)
{
    cr_assert_lt(process.module_count, MODULES);
    struct module *module = &modules[process.module_count++];
    *module = (struct module){.path = path,
                              .start = start,
                              .end = start + LINKED_BSS,
                              .data_end = start,
                              .bias = start,
                              .image = image,
                              .match = image ? MODULE_MATCHES : MODULE_ABSENT};
    for (size_t i = 0; image && i < image->segment_count; i++)
        module->data_end = start + image->segments[i].start + image->segments[i].memory_size;
    return module;
}

// The file of the heap's interpreter.
static inline struct image *make_python(bool stripped)
{
    fakeprocess_write(&fake, &(struct fakeprocess){EM_X86_64, stripped}, ".");
    return open_file("python2");
}

// It exports what other files may refer to.
static inline struct module *add_python(const char *path)
{
    return add_module(path, fake.source.image.start, make_python(true));
}

// Another library: its exported variables by name, one after the other, and what the process has of
// its data.
static inline struct module *add_library(unsigned number, const char *path, vaddr start,
                                         const char *const *names)
{
    linked_init(&linked[number], EM_X86_64, 8, false);
    linked_at[number] = start;
    for (unsigned i = 0; names[i]; i++)
        linked_add_symbol(&linked[number], names[i], LINKED_DATA + i * 0x200, 0x200);
    return add_module(path, start, linked_open(&linked[number], path));
}

// Fills the process's memory, once the heap is ready. Segments of the heap are those of the core.
static inline void open_memory(void)
{
    for (size_t i = 0; i < fake.arena_count; i++)
        if (fake.arenas[i].used)
            add_segment(fake.arenas[i].start, fake.arenas[i].used, fake.arenas[i].used,
                        i == FAKEHEAP_ARENA_NAMES ? PF_R : PF_R | PF_W);
    fakeheap_map(&fake);
    memory_init(&process.memory, fake.memory.format);
    for (size_t i = 0; i < fake.memory.count; i++) {
        const struct memory_span *span = &fake.memory.spans[i];
        cr_assert_null(memory_add(&process.memory, span->start, span->size, span->bytes));
    }
    for (size_t i = 0; i < LENGTH(linked); i++)
        if (linked_at[i])
            cr_assert_null(memory_add(&process.memory, linked_at[i] + LINKED_DATA, LINKED_SIZE,
                                      linked[i].data));
}

static inline struct failure *try_interpreter(void)
{
    static const struct debug_file_options none = {.path = ""};
    return interpreter_open(&process, &none, &interpreter);
}

static inline void open_interpreter(void)
{
    open_memory();
    struct failure *failure = try_interpreter();
    cr_assert_null(failure, "%s", failure ? failure_text(failure) : "");
}

static inline void expect_failure(enum failure_kind kind, const char *text)
{
    struct failure *failure = try_interpreter();
    cr_assert_not_null(failure);
    cr_expect_str_eq(failure_text(failure), text, "%s", failure_text(failure));
    cr_expect_eq(failure_kind(failure), kind, "%d", failure_kind(failure));
    failure_destroy(failure);
}

static void close_process(void)
{
    interpreter_close(interpreter);
    for (size_t i = 0; i < process.module_count; i++)
        image_close(modules[i].image);
    memory_deinit(&process.memory);
    fakeheap_deinit(&fake);
    fakecore_leave_scratch();
}

#endif
