// What is learned of traversals: the same references as by emulation for every object, whatever the
// function looks at, and which functions can be learned at all.
//
// The functions are this program's own, run where they lie.
#include "common.h"

#include "learned.h"

#if defined(HAVE_CAPSTONE) && defined(__x86_64__)

#    include "scene_learned.h"

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
