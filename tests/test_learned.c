// What is learned of traversals: the same references as by emulation for every object, whatever the
// function looks at, and which functions can be learned at all.
//
// The functions are this program's own, run where they lie.
#include "common.h"

#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "learned.h"
#include "scratch.h"

#if defined(HAVE_CAPSTONE) && defined(__x86_64__)

enum {
    PAGE = 4096,
    OBJECTS = 4000,
    POINTERS = 64,
    VISITS_MAX = 64,
};

// Not instrumented: what a sanitizer adds looks at memory of its own.
#    define TRAVERSE                                                                               \
        __attribute__((noinline, no_sanitize("address", "undefined"),                              \
                       no_stack_protector)) static int

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

#    define VISIT(target)                                                                          \
        do {                                                                                       \
            int visited = (target) ? visit((target), argument) : 0;                                \
            if (visited)                                                                           \
                return visited;                                                                    \
        } while (0)

// ---- Functions that are learned

TRAVERSE plain(struct thing *thing, visit_function visit, void *argument)
{
    VISIT(thing->members[0]);
    VISIT(thing->members[1]);
    VISIT(thing->members[2]);
    return 0;
}

TRAVERSE by_flag(struct thing *thing, visit_function visit, void *argument)
{
    VISIT(thing->members[thing->flag & 1 ? 2 : 0]);
    if (thing->flag & 4)
        VISIT(thing->members[1]);
    return 0;
}

static struct thing *volatile global_thing;
static volatile int global_flag = 1;

TRAVERSE by_global(struct thing *thing, visit_function visit, void *argument)
{
    if (global_flag)
        VISIT(thing->members[0]);
    if (thing->members[1] != global_thing)
        VISIT(thing->members[1]);
    VISIT(global_thing);
    return 0;
}

// What the flag of another one is.
TRAVERSE by_other(struct thing *thing, visit_function visit, void *argument)
{
    if (thing->next && thing->next->flag)
        VISIT(thing->next->members[0]);
    VISIT(thing->members[0]);
    return 0;
}

TRAVERSE by_references(struct thing *thing, visit_function visit, void *argument)
{
    VISIT(thing->members[0]);
    if (thing->references == 1)
        VISIT(thing->members[1]);
    return 0;
}

TRAVERSE by_kind(struct thing *thing, visit_function visit, void *argument)
{
    if (thing->kind->flags & 8)
        VISIT(thing->members[0]);
    VISIT(thing->kind->extra);
    return thing->kind->part ? thing->kind->part(thing, visit, argument) : 0;
}

TRAVERSE counted(struct thing *thing, visit_function visit, void *argument)
{
    for (long i = 0; i < thing->length; i++)
        VISIT(thing->first[i]);
    return 0;
}

TRAVERSE backwards(struct thing *thing, visit_function visit, void *argument)
{
    for (long i = thing->length; --i >= 0;)
        VISIT(thing->items[i]);
    return 0;
}

// As a std::vector has it.
TRAVERSE from_to(struct thing *thing, visit_function visit, void *argument)
{
    for (struct thing **item = thing->first; item != thing->last; item++)
        VISIT(*item);
    return 0;
}

TRAVERSE chain(struct thing *thing, visit_function visit, void *argument)
{
    for (struct thing *at = thing->next; at; at = at->next)
        VISIT(at->members[0]);
    return 0;
}

// Only where two members are not the same one.
TRAVERSE by_pair(struct thing *thing, visit_function visit, void *argument)
{
    VISIT(thing->members[0]);
    if (thing->members[1] != thing->members[0])
        VISIT(thing->members[1]);
    if (thing->members[2] != (struct thing *)thing)
        VISIT(thing->members[2]);
    return 0;
}

TRAVERSE by_small(struct thing *thing, visit_function visit, void *argument)
{
    if (thing->small < -3)
        VISIT(thing->members[0]);
    if (thing->small > 2)
        VISIT(thing->members[1]);
    VISIT(thing->members[2]);
    return 0;
}

// ---- Functions that cannot be

// Bits of a pointer: each value is a way of its own.
TRAVERSE by_alignment(struct thing *thing, visit_function visit, void *argument)
{
    struct thing **first = thing->first;
    if (((uintptr_t)first & 16) == 0)
        VISIT(first);
    VISIT(thing->members[1]);
    return 0;
}

TRAVERSE by_own_address(struct thing *thing, visit_function visit, void *argument)
{
    if (((uintptr_t)thing & 0x100) == 0)
        VISIT(thing->members[0]);
    VISIT(thing->members[1]);
    return 0;
}

TRAVERSE by_order(struct thing *thing, visit_function visit, void *argument)
{
    if ((uintptr_t)thing->first < (uintptr_t)thing->members[1])
        VISIT(thing->members[0]);
    VISIT(thing->members[1]);
    return 0;
}

TRAVERSE marking(struct thing *thing, visit_function visit, void *argument)
{
    VISIT(thing->members[0]);
    *(volatile long *)&thing->references += 1;
    VISIT(thing->members[1]);
    return 0;
}

// ---- Functions that no compiler makes
//
// Offsets: members at 16, length at 64, first at 48, next at 72, flag at 80.

#    define TRAP(name, code)                                                                       \
        int name(struct thing *thing, visit_function visit, void *argument);                       \
        __asm__(".text\n.type " #name ",@function\n" #name ":\n" code "\n.size " #name ",.-" #name)

#    define VISIT_BOTH                                                                             \
        "mov 16(%rbx),%rdi; call *%rbp; 1: mov 24(%rbx),%rdi; call *%rbp;"                         \
        "xor %eax,%eax; pop %rcx; pop %rbp; pop %rbx; ret"
#    define ENTRY "push %rbx; push %rbp; push %rcx; mov %rdi,%rbx; mov %rsi,%rbp;"

// The carry of a comparison, past an instruction that sets all flags but that.
TRAP(carry_past_inc,
     ENTRY "mov 64(%rbx),%rax; mov $1,%ecx; cmp $3,%rax; inc %ecx; jb 1f;" VISIT_BOTH);
// The flags of a comparison, past a shift by nothing.
TRAP(flags_past_shift,
     ENTRY "mov 64(%rbx),%rax; mov $0,%ecx; mov $1,%edx; cmp $3,%rax; shl %cl,%edx; jb 1f;" //
     VISIT_BOTH);
// Bytes of a word.
TRAP(low_byte_replaced, ENTRY "mov 16(%rbx),%rdi; mov $0x10,%dil; call *%rbp;" VISIT_BOTH);
TRAP(high_byte_tested, ENTRY "mov 48(%rbx),%rax; test $1,%ah; jnz 1f;" VISIT_BOTH);
TRAP(half_tested, ENTRY "mov 48(%rbx),%rax; shr $8,%eax; test $1,%eax; jnz 1f;" VISIT_BOTH);
TRAP(half_copied, ENTRY "mov 48(%rbx),%rax; mov %eax,%edi; call *%rbp;" VISIT_BOTH);
TRAP(half_stored, ENTRY "push 48(%rbx); movl $7,4(%rsp); pop %rdi; call *%rbp;" VISIT_BOTH);
TRAP(byte_stored, ENTRY "push 48(%rbx); movb $7,(%rsp); pop %rdi; call *%rbp;" VISIT_BOTH);
TRAP(between_words,
     ENTRY "push 48(%rbx); push 48(%rbx); mov 4(%rsp),%rdi; pop %rax; pop %rax; call *%rbp;" //
     VISIT_BOTH);
TRAP(by_minus_one, ENTRY "cmpq $-1,40(%rbx); je 1f;" VISIT_BOTH);
TRAP(by_choice,
     ENTRY "mov 16(%rbx),%rdi; mov 24(%rbx),%rax; test %rdi,%rdi; cmove %rax,%rdi; call *%rbp;" //
     VISIT_BOTH);
TRAP(by_set_byte,
     ENTRY "xor %eax,%eax; cmpq $0,16(%rbx); sete %al; mov 24(%rbx,%rax,8),%rdi; call *%rbp;" //
     VISIT_BOTH);
TRAP(pointer_as_index, ENTRY "mov 72(%rbx),%rax; mov $16,%ecx; test %rax,%rax; jz 1f;"
                             "mov (%rcx,%rax,1),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(pointer_twice, ENTRY "mov 48(%rbx),%rax; lea (%rax,%rax),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(pointer_doubled, ENTRY "mov 48(%rbx),%rax; lea (,%rax,2),%rdi; call *%rbp;" VISIT_BOTH);
TRAP(by_less, ENTRY "mov 64(%rbx),%rax; cmp $3,%rax; jl 1f;" VISIT_BOTH);
TRAP(distance, ENTRY "mov 56(%rbx),%rax; sub 48(%rbx),%rax; cmp $24,%rax; jne 1f;" VISIT_BOTH);
TRAP(negative_length,
     ENTRY "mov 64(%rbx),%rax; neg %rax; lea 3(%rax),%rax; test %rax,%rax; js 1f;" VISIT_BOTH);
TRAP(returns_into, ENTRY "lea 2f(%rip),%rax; push %rax; ret; 2: test %rbx,%rbx; jz 1f;" VISIT_BOTH);
TRAP(borrow, ENTRY "cmpq $3,64(%rbx); sbb %rax,%rax; test %rax,%rax; jnz 1f;" VISIT_BOTH);
TRAP(exchange,
     ENTRY "mov 16(%rbx),%rdi; mov 24(%rbx),%rax; xchg %rax,%rdi; call *%rbp;" VISIT_BOTH);
TRAP(vector, ENTRY "movdqu 16(%rbx),%xmm0; movq %xmm0,%rdi; call *%rbp;" VISIT_BOTH);
TRAP(pushed_flags, ENTRY "cmpq $3,64(%rbx); pushf; pop %rax; test $1,%al; jnz 1f;" VISIT_BOTH);
TRAP(left_by_others, ENTRY "test %r11,%r11; jz 2f; 2:" VISIT_BOTH);
TRAP(below_stack, ENTRY "mov -4200(%rsp),%rax; test $1,%al; jnz 2f; 2:" VISIT_BOTH);

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

static void add(struct process *process, const void *start, size_t size)
{
    cr_assert_null(memory_add(&process->memory, (vaddr)(uintptr_t)start, size, start));
}

// The program itself comes first.
static int add_program(struct dl_phdr_info *info, size_t size, void *context)
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

static int visit_part(struct thing *thing, visit_function visit, void *argument);

static struct process *new_process(void)
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

TRAVERSE visit_part(struct thing *thing, visit_function visit, void *argument)
{
    VISIT(thing->members[3]);
    return 0;
}

static void free_process(struct process *process)
{
    emulator_destroy(process->emulator);
    learned_destroy(process->learned);
    memory_deinit(&process->memory);
    free(process->things);
    free(process);
}

static uint32_t draw(struct process *process, uint32_t limit)
{
    process->random = process->random * 1664525 + 1013904223;
    return (process->random >> 8) % limit;
}

static struct thing *draw_target(struct process *process)
{
    return &process->targets[draw(process, POINTERS)];
}

// Nearly all objects are alike; of those behind the first thousand some are not.
static void fill(struct process *process, size_t at)
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
static void fill_target(struct process *process, size_t at)
{
    struct thing *target = &process->targets[at];
    target->flag = at % 5 == 0;
    target->members[0] = at % 7 ? draw_target(process) : NULL;
    target->next = at % 4 == 3 ? NULL : &process->targets[at / 4 * 4 + at % 4 + 1];
}

static void take(void *context, vaddr target)
{
    struct visits *visits = context;
    cr_assert_lt(visits->count, VISITS_MAX);
    visits->targets[visits->count++] = target;
}

static vaddr address_of(const void *pointer)
{
    return (vaddr)(uintptr_t)pointer;
}

typedef int (*traverse_function)(struct thing *thing, visit_function visit, void *argument);

static vaddr address_of_code(traverse_function function)
{
    return (vaddr)(uintptr_t)function;
}

// Learned and emulated, one object.
static void expect_same(struct process *process, const char *name, vaddr function, vaddr object)
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

static struct learned_counts expect_all(struct process *process, const char *name, vaddr function)
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

static struct process *new_filled_process(void)
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
#    define ROW(function)                                                                          \
        {                                                                                          \
#            function, function                                                                    \
        }

Test(learned, functions_that_are_learned)
{
    static const struct row rows[] = {
        ROW(plain),         ROW(by_flag), ROW(by_global), ROW(by_other),
        ROW(by_references), ROW(by_kind), ROW(counted),   ROW(backwards),
        ROW(from_to),       ROW(chain),   ROW(by_pair),   ROW(by_small),
    };
    struct process *process = new_filled_process();
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct learned_counts counts =
            expect_all(process, rows[i].name, address_of_code(rows[i].function));
        // clang fills a part of a register with it, and goes on with what was in the rest.
        if (rows[i].function == by_small && counts.by_path == 0)
            continue;
        cr_expect_gt(counts.by_path, OBJECTS * 8 / 10, "%s: %llu by path, %llu followed",
                     rows[i].name, (unsigned long long)counts.by_path,
                     (unsigned long long)counts.followed);
        cr_expect_gt(counts.compared, 0, "%s", rows[i].name);
        cr_expect_lt(counts.followed, 200, "%s: %llu", rows[i].name,
                     (unsigned long long)counts.followed);
    }
    free_process(process);
}

// They are emulated, and given up soon enough.
Test(learned, functions_that_are_not)
{
    static const struct row rows[] = {ROW(by_alignment), ROW(by_own_address), ROW(by_order),
                                      ROW(marking)};
    struct process *process = new_filled_process();
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct learned_counts counts =
            expect_all(process, rows[i].name, address_of_code(rows[i].function));
        cr_expect_lt(counts.by_path, OBJECTS / 2, "%s: %llu by path", rows[i].name,
                     (unsigned long long)counts.by_path);
        cr_expect_lt(counts.followed, 200, "%s: %llu", rows[i].name,
                     (unsigned long long)counts.followed);
    }
    free_process(process);
}

// Each of them is right for every object, and those that can be are learned.
Test(learned, odd_instructions)
{
    static const struct {
        struct row row;
        bool is_learned;
    } rows[] = {
        {ROW(carry_past_inc), false},   {ROW(flags_past_shift), false},
        {ROW(low_byte_replaced), true}, {ROW(high_byte_tested), false},
        {ROW(half_tested), false},      {ROW(half_copied), false},
        {ROW(half_stored), false},      {ROW(byte_stored), false},
        {ROW(between_words), false},    {ROW(by_minus_one), true},
        {ROW(by_choice), false},        {ROW(by_set_byte), true},
        {ROW(pointer_as_index), true},  {ROW(pointer_twice), false},
        {ROW(distance), false},         {ROW(negative_length), true},
        {ROW(returns_into), true},      {ROW(borrow), false},
        {ROW(exchange), false},         {ROW(vector), false},
        {ROW(pushed_flags), false},     {ROW(left_by_others), false},
        {ROW(below_stack), false},      {ROW(pointer_doubled), false},
        {ROW(by_less), true},
    };
    struct process *process = new_filled_process();
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct learned_counts counts =
            expect_all(process, rows[i].row.name, address_of_code(rows[i].row.function));
        cr_expect_eq(counts.by_path > OBJECTS / 2, rows[i].is_learned, "%s: %llu by path",
                     rows[i].row.name, (unsigned long long)counts.by_path);
    }
    free_process(process);
}

// Not in the core, or not as a whole page: what the emulation cannot read no path reads either.
Test(learned, words_that_are_not_there)
{
    struct process *process = new_filled_process();
    static uint8_t page[PAGE + 200];
    const vaddr base = 0x10000000;
    cr_assert_null(memory_add(&process->memory, base, sizeof(page), page));
    cr_assert_null(memory_add(&process->memory, base + 4 * PAGE, PAGE, NULL));
    emulator_destroy(process->emulator);
    learned_destroy(process->learned);
    cr_assert_null(emulator_create(&process->memory, EM_X86_64, 0, &process->emulator));
    cr_assert_null(learned_create(&process->memory, EM_X86_64, 0, &process->learned));
    const vaddr places[] = {base,
                            base + PAGE - 8,
                            base + PAGE,
                            base + 4 * PAGE,
                            base + 8 * PAGE,
                            UINTPTR_MAX - 20,
                            (vaddr)1 << 47,
                            ((vaddr)1 << 48) + base,
                            0,
                            8};
    vaddr function = address_of_code(chain);
    for (size_t i = 0; i < OBJECTS; i++) {
        if (i > OBJECTS / 2)
            process->things[i].next = (void *)(uintptr_t)places[i % LENGTH(places)];
        expect_same(process, "chain", function, address_of(&process->things[i]));
    }
    cr_expect_neq(emulator_count(process->emulator, EMULATOR_UNMAPPED_READ), 0);
    cr_expect_neq(emulator_count(process->emulator, EMULATOR_OK), 0);
    cr_expect_not(learned_has_erred(process->learned));
    free_process(process);
}

// It rests on that the process does not change. When it does, that is noticed.
Test(learned, what_is_learned_is_compared)
{
    struct process *process = new_filled_process();
    vaddr function = address_of_code(by_global);
    struct visits visits;
    expect_all(process, "by_global", function);
    global_flag = 0;
    for (size_t i = 0; i < OBJECTS; i++) {
        visits.count = 0;
        learned_traverse(process->learned, function, address_of(&process->things[i]), take,
                         &visits);
    }
    cr_expect(learned_has_erred(process->learned));
    // From there on all is emulated.
    struct learned_counts before = learned_count(process->learned);
    visits.count = 0;
    learned_traverse(process->learned, function, address_of(&process->things[0]), take, &visits);
    cr_expect_eq(learned_count(process->learned).emulated, before.emulated + 1);
    free_process(process);
}

// Few objects of a type are not worth it, and of more functions than there is room for the last
// ones are emulated.
Test(learned, bounds)
{
    struct process *process = new_filled_process();
    vaddr function = address_of_code(plain);
    for (size_t i = 0; i < LEARNED_OBJECTS_BEFORE; i++)
        expect_same(process, "plain", function, address_of(&process->things[i]));
    cr_expect_eq(learned_count(process->learned).followed, 0);
    // At other addresses nothing is to be found, or in the middle of it.
    for (vaddr i = 0; i < LEARNED_FUNCTIONS_MAX; i++)
        expect_same(process, "nothing", 0x1000 + i, address_of(&process->things[0]));
    struct learned_counts counts = expect_all(process, "plain", function);
    cr_expect_gt(counts.by_path, OBJECTS / 2);
    counts = expect_all(process, "chain", address_of_code(chain));
    cr_expect_eq(counts.by_path, 0);
    free_process(process);
}

#endif

Test(learned, nothing_to_destroy)
{
    learned_destroy(NULL);
}
