// Objects of this very process, and functions of it that visit what they refer to, learned and
// emulated.
#ifndef TESTS_SCENE_LEARNED_H
#define TESTS_SCENE_LEARNED_H

#include "common.h"

#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "learned.h"
#include "scratch.h"

enum {
    PAGE = 4096,
    OBJECTS = 4000,
    POINTERS = 64,
    VISITS_MAX = 64,
};

// Not instrumented: what a sanitizer adds looks at memory of its own.
#define TRAVERSE                                                                                   \
    __attribute__((noinline, no_sanitize("address", "undefined"), no_stack_protector)) static int

struct thing;
typedef int (*visit_function)(void *object, void *argument);

struct kind {
    long flags;
    struct thing *extra;
    int (*part)(struct thing *thing, visit_function visit, void *argument);
};

struct thing {
    long references;
    struct kind *kind;
    struct thing *members[4];
    struct thing **first, **last; // of items
    long length;
    struct thing *next;
    unsigned char flag;
    signed char small;
    unsigned number;
    struct thing *items[6];
};

#define VISIT(target)                                                                              \
    do {                                                                                           \
        int visited = (target) ? visit((target), argument) : 0;                                    \
        if (visited)                                                                               \
            return visited;                                                                        \
    } while (0)

static struct thing *volatile global_thing;

TRAVERSE visit_part(struct thing *thing, visit_function visit, void *argument)
{
    VISIT(thing->members[3]);
    return 0;
}

// ---- The process that is this one

struct process {
    struct memory memory;
    struct emulator *emulator;
    struct learned *learned;
    struct thing *things;
    struct thing *targets;
    struct kind *kinds;
    size_t size; // of all three
    uint32_t random;
};

struct visits {
    vaddr targets[VISITS_MAX];
    size_t count;
};

static inline void add(struct process *process, const void *start, size_t size)
{
    cr_assert_null(memory_add(&process->memory, (vaddr)(uintptr_t)start, size, start));
}

// The program itself comes first.
static inline int add_program(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = (info->dlpi_addr + segment->p_vaddr) & ~(uintptr_t)(PAGE - 1);
        uintptr_t end = info->dlpi_addr + segment->p_vaddr + segment->p_memsz + PAGE - 1;
        if (segment->p_type == PT_LOAD)
            add(context, (const void *)start, (end & ~(uintptr_t)(PAGE - 1)) - start);
    }
    return 1;
}

static inline struct process *new_process(void)
{
    struct process *process = calloc(1, sizeof(*process));
    cr_assert_not_null(process);
    memory_init(&process->memory, (struct memory_format){8, false});
    dl_iterate_phdr(add_program, process);
    process->size = (OBJECTS + POINTERS + 4) * sizeof(struct thing) / PAGE * PAGE + PAGE;
    uint8_t *bytes = aligned_alloc(PAGE, process->size);
    cr_assert_not_null(bytes);
    memset(bytes, 0, process->size);
    add(process, bytes, process->size);
    process->things = (struct thing *)bytes;
    process->targets = process->things + OBJECTS;
    process->kinds = (struct kind *)(process->targets + POINTERS);
    process->kinds[0] = (struct kind){8, &process->targets[1], NULL};
    process->kinds[1] = (struct kind){1, NULL, visit_part};
    process->kinds[2] = (struct kind){9, &process->targets[2], visit_part};
    cr_assert_null(emulator_create(&process->memory, EM_X86_64, 0, &process->emulator));
    cr_assert_null(learned_create(&process->memory, EM_X86_64, 0, &process->learned));
    process->random = 1;
    return process;
}

static inline void free_process(struct process *process)
{
    emulator_destroy(process->emulator);
    learned_destroy(process->learned);
    memory_deinit(&process->memory);
    free(process->things);
    free(process);
}

static inline uint32_t draw(struct process *process, uint32_t limit)
{
    process->random = process->random * 1664525 + 1013904223;
    return (process->random >> 8) % limit;
}

static inline struct thing *draw_target(struct process *process)
{
    return &process->targets[draw(process, POINTERS)];
}

// Nearly all objects are alike; of those behind the first thousand some are not.
static inline void fill(struct process *process, size_t at)
{
    struct thing *thing = &process->things[at];
    bool odd = at > OBJECTS / 4 && draw(process, 20) == 0;
    thing->references = odd ? draw(process, 4) : 1;
    thing->kind = &process->kinds[odd ? draw(process, 3) : 0];
    for (int i = 0; i < 4; i++)
        thing->members[i] = odd && draw(process, 3) == 0 ? NULL : draw_target(process);
    if (odd && draw(process, 2))
        thing->members[1] = thing->members[0];
    if (odd && draw(process, 3) == 0)
        thing->members[1] = global_thing;
    if (odd && draw(process, 3) == 0)
        thing->members[2] = thing;
    thing->length = odd ? draw(process, 6) : 3;
    for (long i = 0; i < 6; i++)
        thing->items[i] = odd && draw(process, 3) == 0 ? NULL : draw_target(process);
    thing->first = thing->items;
    thing->last = thing->items + thing->length;
    thing->next = odd && draw(process, 2) ? NULL : draw_target(process);
    if (odd && draw(process, 4) == 0)
        thing->members[3] = (struct thing *)UINTPTR_MAX;
    thing->flag = odd ? (unsigned char)draw(process, 256) : 4;
    thing->small = odd ? (signed char)draw(process, 256) : 0;
    thing->number = draw(process, 1000000);
}

// Those that many refer to; their chains end.
static inline void fill_target(struct process *process, size_t at)
{
    struct thing *target = &process->targets[at];
    target->flag = at % 5 == 0;
    target->members[0] = at % 7 ? draw_target(process) : NULL;
    target->next = at % 4 == 3 ? NULL : &process->targets[at / 4 * 4 + at % 4 + 1];
}

static inline void take(void *context, vaddr target)
{
    struct visits *visits = context;
    cr_assert_lt(visits->count, VISITS_MAX);
    visits->targets[visits->count++] = target;
}

static inline vaddr address_of(const void *pointer)
{
    return (vaddr)(uintptr_t)pointer;
}

typedef int (*traverse_function)(struct thing *thing, visit_function visit, void *argument);

static inline vaddr address_of_code(traverse_function function)
{
    return (vaddr)(uintptr_t)function;
}

// Learned and emulated, one object.
static inline void expect_same(struct process *process, const char *name, vaddr function,
                               vaddr object)
{
    struct visits learned = {.count = 0}, emulated = {.count = 0};
    enum emulator_status status =
        learned_traverse(process->learned, function, object, take, &learned);
    cr_assert_eq(status, emulator_traverse(process->emulator, function, object, take, &emulated),
                 "%s", name);
    cr_assert_eq(learned.count, emulated.count, "%s: %zu visits, not %zu", name, learned.count,
                 emulated.count);
    cr_assert_eq(memcmp(learned.targets, emulated.targets, learned.count * sizeof(vaddr)), 0, "%s",
                 name);
}

static inline struct learned_counts expect_all(struct process *process, const char *name,
                                               vaddr function)
{
    struct learned_counts before = learned_count(process->learned), counts;
    for (size_t i = 0; i < OBJECTS; i++)
        expect_same(process, name, function, address_of(&process->things[i]));
    counts = learned_count(process->learned);
    cr_expect_not(learned_has_erred(process->learned), "%s", name);
    cr_expect_eq(counts.by_path + counts.emulated - before.by_path - before.emulated, OBJECTS, "%s",
                 name);
    counts.by_path -= before.by_path;
    counts.followed -= before.followed;
    counts.compared -= before.compared;
    return counts;
}

static inline struct process *new_filled_process(void)
{
    struct process *process = new_process();
    global_thing = &process->targets[3];
    for (size_t i = 0; i < POINTERS; i++)
        fill_target(process, i);
    for (size_t i = 0; i < OBJECTS; i++)
        fill(process, i);
    return process;
}

struct row {
    const char *name;
    traverse_function function;
};
#define ROW(function)                                                                              \
    {                                                                                              \
#        function, function                                                                        \
    }

// ---- Functions in assembly
//
// Offsets: members at 16, length at 64, first at 48, next at 72, flag at 80.

#define TRAP(name, code)                                                                           \
    int name(struct thing *thing, visit_function visit, void *argument);                           \
    __asm__(".text\n.type " #name ",@function\n" #name ":\n" code "\n.size " #name ",.-" #name)

#define VISIT_BOTH                                                                                 \
    "mov 16(%rbx),%rdi; call *%rbp; 1: mov 24(%rbx),%rdi; call *%rbp;"                             \
    "xor %eax,%eax; pop %rcx; pop %rbp; pop %rbx; ret"
#define ENTRY "push %rbx; push %rbp; push %rcx; mov %rdi,%rbx; mov %rsi,%rbp;"

#endif
