// The emulator on made-up memory: what is delivered, what ends an object, and that nothing of one
// object is left for the next.
#include "common.h"

#include <elf.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "emulated_code.h"
#include "emulator.h"

#ifdef HAVE_UNICORN

enum {
    PAGE = 4096,
    CODE = 0x400000,
    OBJECT = 0x500000, // behind it the second page of the same span
    NOT_SAVED = 0x600000,
    TLS = 0x700000,
    NOTHING = 0x800000,
    FOUND_MAX = 200000,
};

// A process of a page of code, two of data, one that is not saved, and a thread's.
struct process {
    uint8_t code[PAGE];
    uint8_t data[2 * PAGE];
    uint8_t thread[PAGE];
    struct memory memory;
    struct emulator *emulator;
    vaddr *found;
    size_t count;
};

static void add(struct process *process, vaddr start, uint64_t size, const uint8_t *bytes)
{
    cr_assert_null(memory_add(&process->memory, start, size, bytes));
}

static struct process *new_process(unsigned elf_machine, uint8_t word_size)
{
    struct process *process = calloc(1, sizeof(*process));
    cr_assert_not_null(process);
    process->found = malloc(FOUND_MAX * sizeof(*process->found));
    cr_assert_not_null(process->found);
    memory_init(&process->memory, (struct memory_format){word_size, false});
    add(process, CODE, PAGE, process->code);
    add(process, OBJECT, 2 * PAGE, process->data);
    add(process, NOT_SAVED, PAGE, NULL);
    add(process, TLS, PAGE, process->thread);
    struct failure *failure =
        emulator_create(&process->memory, elf_machine, TLS, &process->emulator);
    cr_assert_null(failure, "%s", failure_text(failure));
    return process;
}

static void free_process(struct process *process)
{
    emulator_destroy(process->emulator);
    memory_deinit(&process->memory);
    free(process->found);
    free(process);
}

static void set_word(struct process *process, unsigned offset, uint64_t value)
{
    memcpy(process->data + offset, &value, process->memory.format.word_size);
}

// No object has more references than its memory has words, and a small process has few. The bytes
// are the caller's to free.
static uint8_t *add_words(struct process *process, size_t pages)
{
    uint8_t *more = calloc(pages, PAGE);
    cr_assert_not_null(more);
    emulator_destroy(process->emulator);
    add(process, 0x10000000, pages * PAGE, more);
    cr_assert_null(emulator_create(&process->memory, EM_X86_64, TLS, &process->emulator));
    return more;
}

static void take(void *context, vaddr target)
{
    struct process *process = context;
    cr_assert_lt(process->count, FOUND_MAX);
    process->found[process->count++] = target;
}

static enum emulator_status traverse(struct process *process, vaddr function, vaddr object)
{
    process->count = 0;
    return emulator_traverse(process->emulator, function, object, take, process);
}

// Puts the code where the last one was, which the emulator must not have seen: the core is the same
// all the time. So every code of a test gets a place of its own.
static vaddr place(struct process *process, const uint8_t *code, size_t size)
{
    size_t at = 0;
    while (process->code[at] || process->code[at + 1])
        at += 64;
    cr_assert_leq(at + size, PAGE);
    memcpy(process->code + at, code, size);
    return CODE + at;
}

#    define PLACE(process, name) place(process, code_##name, sizeof(code_##name))

static void expect_found(const struct process *process, size_t count, const vaddr *expected,
                         const char *name)
{
    cr_assert_eq(process->count, count, "%s: %zu visits, not %zu", name, process->count, count);
    for (size_t i = 0; i < count; i++)
        cr_expect_eq(process->found[i], expected[i], "%s: visit %zu is %#llx", name, i,
                     (unsigned long long)process->found[i]);
}

#    define EXPECT_FOUND(process, name, ...)                                                       \
        expect_found(process, sizeof((vaddr[]){__VA_ARGS__}) / sizeof(vaddr),                      \
                     (vaddr[]){__VA_ARGS__}, name)

static void expect_status(struct process *process, vaddr function, enum emulator_status expected,
                          const char *name)
{
    enum emulator_status status = traverse(process, function, OBJECT);
    cr_expect_eq(status, expected, "%s %s", name, emulator_status_text(status));
    if (status != EMULATOR_OK)
        cr_expect_eq(process->count, 0, "%s delivers %zu visits", name, process->count);
}

// ---- What is delivered

Test(emulator, fields)
{
    struct process *process = new_process(EM_X86_64, 8);
    vaddr fields = PLACE(process, fields), nothing = PLACE(process, nothing);
    set_word(process, 8, 0x1111);
    set_word(process, 16, UINT64_MAX);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(traverse(process, fields, OBJECT), EMULATOR_OK);
        EXPECT_FOUND(process, "fields", 0x1111, UINT64_MAX, UINT64_MAX, 0);
        cr_assert_eq(traverse(process, nothing, OBJECT), EMULATOR_OK);
        cr_expect_eq(process->count, 0);
    }
    cr_expect_eq(emulator_count(process->emulator, EMULATOR_OK), 6);
    cr_expect_eq(emulator_count(process->emulator, EMULATOR_UNMAPPED_READ), 0);
    free_process(process);
}

Test(emulator, many_visits)
{
    struct process *process = new_process(EM_X86_64, 8);
    vaddr count = PLACE(process, count);
    uint8_t *more = add_words(process, 100);
    static const uint64_t counts[] = {0, 1, 1023, 1024, 1025, 50000, 3};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        set_word(process, 8, counts[i]);
        cr_assert_eq(traverse(process, count, OBJECT), EMULATOR_OK);
        cr_assert_eq(process->count, counts[i]);
        for (size_t j = 0; j < process->count; j++)
            cr_assert_eq(process->found[j], counts[i] - j);
    }
    set_word(process, 8, 60000);
    expect_status(process, count, EMULATOR_INSTRUCTION_LIMIT, "more visits than words");
    free_process(process);
    free(more);
}

Test(emulator, recursion)
{
    struct process *process = new_process(EM_X86_64, 8);
    vaddr recursion = PLACE(process, recursion);
    set_word(process, 8, 2000);
    cr_assert_eq(traverse(process, recursion, OBJECT), EMULATOR_OK);
    cr_assert_eq(process->count, 2000);
    cr_expect_eq(process->found[0], 2000);
    cr_expect_eq(process->found[1999], 1);
    free_process(process);
}

// A page that lies in two spans, and instructions across its border.
Test(emulator, spans)
{
    struct process *process = new_process(EM_X86_64, 8);
    vaddr read = PLACE(process, read), base = 0x10000000;
    uint8_t first[PAGE + 100], second[2 * PAGE - 100];
    memset(first, 0x11, sizeof(first));
    memset(second, 0x22, sizeof(second));
    add(process, base, sizeof(first), first);
    add(process, base + sizeof(first), sizeof(second), second);
    static const struct {
        uint64_t offset;
        uint64_t word;
    } rows[] = {
        {0, 0x1111111111111111},
        {PAGE - 4, 0x1111111111111111},
        {PAGE + 96, 0x2222222211111111},
        {PAGE + 100, 0x2222222222222222},
        {2 * PAGE - 3, 0x2222222222222222},
        {3 * PAGE - 8, 0x2222222222222222},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set_word(process, 8, base + rows[i].offset);
        cr_assert_eq(traverse(process, read, OBJECT), EMULATOR_OK, "%zu", i);
        EXPECT_FOUND(process, "spans", rows[i].word);
    }
    set_word(process, 8, base + 3 * PAGE - 7);
    expect_status(process, read, EMULATOR_UNMAPPED_READ, "the end of the spans");
    free_process(process);
}

// Each page in two spans, and more of them than there are copies at a time.
Test(emulator, many_pages_in_two_spans)
{
    enum {
        PAGES = 150
    };
    struct process *process = new_process(EM_X86_64, 8);
    vaddr read = PLACE(process, read), base = 0x10000000;
    static uint8_t halves[2 * PAGES][PAGE / 2];
    for (vaddr i = 0; i < 2 * PAGES; i++) {
        memset(halves[2 * PAGES - 1 - i], (int)i, PAGE / 2);
        add(process, base + i * PAGE / 2, PAGE / 2, halves[2 * PAGES - 1 - i]);
    }
    for (vaddr i = 0; i < 2 * PAGES; i++) {
        set_word(process, 8, base + i * PAGE / 2);
        cr_assert_eq(traverse(process, read, OBJECT), EMULATOR_OK, "%d", (int)i);
        EXPECT_FOUND(process, "halves", (i & 0xff) * 0x0101010101010101);
    }
    free_process(process);
}

Test(emulator, thread)
{
    struct process *process = new_process(EM_X86_64, 8);
    vaddr tls = PLACE(process, tls), ud2 = PLACE(process, ud2);
    uint64_t protector = 0xfeedface00;
    memcpy(process->thread + 0x28, &protector, sizeof(protector));
    cr_assert_eq(traverse(process, tls, OBJECT), EMULATOR_OK);
    EXPECT_FOUND(process, "thread", protector);
    // The processor is put back when an object ends badly.
    expect_status(process, ud2, EMULATOR_UNKNOWN_INSTRUCTION, "ud2");
    cr_assert_eq(traverse(process, tls, OBJECT), EMULATOR_OK);
    EXPECT_FOUND(process, "thread", protector);
    free_process(process);
}

Test(emulator, vectors)
{
    struct process *process = new_process(EM_X86_64, 8);
    vaddr sse = PLACE(process, sse), xsave = PLACE(process, xsave);
    set_word(process, 8, 0x1111);
    set_word(process, 16, 0x2222);
    cr_assert_eq(traverse(process, sse, OBJECT), EMULATOR_OK);
    EXPECT_FOUND(process, "SSE", 0x2222);
    enum emulator_status status = traverse(process, xsave, OBJECT);
    cr_assert_eq(status, EMULATOR_OK, "%s", emulator_status_text(status));
    EXPECT_FOUND(process, "XSAVE", 0x1111, 0x2222);
    free_process(process);
}

// ---- What is written

Test(emulator, writes)
{
    struct process *process = new_process(EM_X86_64, 8);
    vaddr write = PLACE(process, write), fields = PLACE(process, fields);
    uint8_t before[sizeof(process->data)];
    set_word(process, 8, 0x1111);
    set_word(process, 16, 0x2222);
    memcpy(before, process->data, sizeof(before));
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(traverse(process, fields, OBJECT), EMULATOR_OK);
        EXPECT_FOUND(process, "as it was", 0x1111, 0x2222, 0x2222, 0);
        cr_assert_eq(traverse(process, write, OBJECT), EMULATOR_OK);
        EXPECT_FOUND(process, "written", 0x1111, 0x1234, 0x2223);
        cr_expect_arr_eq(process->data, before, sizeof(before));
    }
    free_process(process);
}

// Each object writes to a page of its own: more pages than there are copies at a time.
Test(emulator, writes_to_many_pages)
{
    enum {
        PAGES = 150
    };
    struct process *process = new_process(EM_X86_64, 8);
    vaddr mark = PLACE(process, mark), sweep = PLACE(process, sweep), base = 0x10000000;
    uint8_t *pages = calloc(PAGES, PAGE);
    cr_assert_not_null(pages);
    add(process, base, PAGES * PAGE, pages);
    for (unsigned i = 0; i < PAGES; i++)
        pages[i * PAGE + 8] = (uint8_t)i;
    for (unsigned i = 0; i < PAGES; i++) {
        cr_assert_eq(traverse(process, mark, base + i * PAGE), EMULATOR_OK, "%u", i);
        EXPECT_FOUND(process, "mark", i + 1);
    }
    set_word(process, 8, 64);
    set_word(process, 16, base);
    cr_assert_eq(traverse(process, sweep, OBJECT), EMULATOR_OK);
    EXPECT_FOUND(process, "sweep", 1);
    set_word(process, 8, 65);
    expect_status(process, sweep, EMULATOR_BAD_WRITE, "65 pages");
    cr_assert_eq(traverse(process, mark, base), EMULATOR_OK);
    EXPECT_FOUND(process, "mark", 1);
    for (unsigned i = 0; i < PAGES; i++)
        cr_expect_eq(pages[i * PAGE + 8], i);
    free_process(process);
    free(pages);
}

// ---- Many spans

// Lists through more spans than Unicorn is given at a time.
Test(emulator, many_spans)
{
    enum {
        SPANS = 750,
        LISTS = 3
    };
    struct process *process = new_process(EM_X86_64, 8);
    vaddr list = PLACE(process, list), base = 0x10000000;
    uint8_t *pages = calloc(SPANS, PAGE);
    cr_assert_not_null(pages);
    for (vaddr i = 0; i < SPANS; i++) {
        // Not neighbours in the file: not joined by the memory.
        add(process, base + i * PAGE, PAGE, pages + (SPANS - 1 - i) * PAGE);
        vaddr next = i % (SPANS / LISTS) == SPANS / LISTS - 1 ? 0 : base + (i + 1) * PAGE;
        memcpy(pages + (SPANS - 1 - i) * PAGE + 8, &next, sizeof(next));
    }
    for (vaddr i = 0; i < LISTS; i++) {
        cr_assert_eq(traverse(process, list, base + i * SPANS / LISTS * PAGE), EMULATOR_OK);
        cr_expect_eq(process->count, SPANS / LISTS - 1);
    }
    // One that goes through all of them.
    for (vaddr i = 0; i + 1 < SPANS; i++) {
        vaddr next = base + (i + 1) * PAGE;
        memcpy(pages + (SPANS - 1 - i) * PAGE + 8, &next, sizeof(next));
    }
    cr_expect_eq(traverse(process, list, base), EMULATOR_ENGINE_ERROR);
    cr_expect_eq(traverse(process, list, base + (SPANS - 10) * PAGE), EMULATOR_OK);
    cr_expect_eq(process->count, 9);
    free_process(process);
    free(pages);
}

// ---- What ends an object

static void count_visits(void *context, vaddr target)
{
    *(size_t *)context += target == OBJECT;
}

// Code that visits in a circle is stopped long before the limit of visits, which in a large process
// takes half a minute; so early that many objects may have such.
Test(emulator, circles, .timeout = 10)
{
    struct process *process = new_process(EM_X86_64, 8);
    const size_t size = (size_t)EMULATOR_VISITS_MAX * 8;
    uint8_t *large =
        mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq(large, MAP_FAILED);
    emulator_destroy(process->emulator);
    add(process, 0x10000000, size, large);
    cr_assert_null(emulator_create(&process->memory, EM_X86_64, TLS, &process->emulator));
    expect_status(process, PLACE(process, endless_visits), EMULATOR_INSTRUCTION_LIMIT, "a circle");
    // Two objects that lead to each other.
    set_word(process, 8, OBJECT + 64);
    set_word(process, 72, OBJECT);
    const vaddr function = PLACE(process, list);
    for (size_t i = 0; i < 200; i++)
        expect_status(process, function, EMULATOR_INSTRUCTION_LIMIT, "a ring");
    free_process(process);
    munmap(large, size);
}

// The same target again and again is no circle while anything else changes.
Test(emulator, repeated_visits)
{
    struct process *process = new_process(EM_X86_64, 8);
    const size_t visits = 2500000; // many times as many as make the emulator look
    uint8_t *more = add_words(process, visits * 8 / PAGE + 1);
    const vaddr functions[] = {PLACE(process, repeat_by_register), PLACE(process, repeat_by_stack),
                               PLACE(process, repeat_by_object)};
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        size_t count = 0;
        set_word(process, 8, visits);
        enum emulator_status status =
            emulator_traverse(process->emulator, functions[i], OBJECT, count_visits, &count);
        cr_expect_eq(status, EMULATOR_OK, "function %zu %s", i, emulator_status_text(status));
        cr_expect_eq(count, visits, "function %zu: %zu visits", i, count);
    }
    free_process(process);
    free(more);
}

Test(emulator, ends)
{
    struct process *process = new_process(EM_X86_64, 8);
    vaddr fields = PLACE(process, fields);
    const struct {
        const char *name;
        vaddr function;
        uint64_t word; // at 8
        enum emulator_status status;
    } rows[] = {
        {"an endless loop", PLACE(process, endless), 0, EMULATOR_INSTRUCTION_LIMIT},
        {"endless visits", PLACE(process, endless_visits), 0, EMULATOR_INSTRUCTION_LIMIT},
        {"a call to nothing", PLACE(process, call), NOTHING, EMULATOR_UNMAPPED_CALL},
        {"a call to NULL", PLACE(process, call), 0, EMULATOR_UNMAPPED_CALL},
        {"a call to what is not saved", PLACE(process, call), NOT_SAVED, EMULATOR_UNMAPPED_CALL},
        {"a call to no address", PLACE(process, call), UINT64_C(1) << 63, EMULATOR_UNMAPPED_CALL},
        {"a function that is not there", NOTHING, 0, EMULATOR_UNMAPPED_CALL},
        {"a read of nothing", PLACE(process, read), NOTHING, EMULATOR_UNMAPPED_READ},
        {"a read of NULL", PLACE(process, read), 0, EMULATOR_UNMAPPED_READ},
        {"a read of what is not saved", PLACE(process, read), NOT_SAVED, EMULATOR_UNMAPPED_READ},
        {"a read across the end", PLACE(process, read), OBJECT + 2 * PAGE - 4,
         EMULATOR_UNMAPPED_READ},
        {"a read of no address", PLACE(process, read), OBJECT + (UINT64_C(1) << 52),
         EMULATOR_UNMAPPED_READ},
        {"a read at the very end", PLACE(process, read), UINT64_MAX - 3, EMULATOR_UNMAPPED_READ},
        {"a write to nothing", PLACE(process, store), NOTHING, EMULATOR_BAD_WRITE},
        {"a write to NULL", PLACE(process, store), 0, EMULATOR_BAD_WRITE},
        {"a write to what is not saved", PLACE(process, store), NOT_SAVED, EMULATOR_BAD_WRITE},
        {"a write across the end", PLACE(process, store), OBJECT + 2 * PAGE - 4,
         EMULATOR_BAD_WRITE},
        {"endless recursion", PLACE(process, recursion), 0, EMULATOR_BAD_WRITE},
        {"AVX", PLACE(process, avx), 0, EMULATOR_UNKNOWN_INSTRUCTION},
        {"AVX-512", PLACE(process, evex), 0, EMULATOR_UNKNOWN_INSTRUCTION},
        {"ud2", PLACE(process, ud2), 0, EMULATOR_UNKNOWN_INSTRUCTION},
        {"XSAVEC to the heap", PLACE(process, xsave_elsewhere), 0, EMULATOR_UNKNOWN_INSTRUCTION},
        {"a system call", PLACE(process, syscall), 0, EMULATOR_SYSTEM_CALL},
        {"a breakpoint", PLACE(process, int3), 0, EMULATOR_ENGINE_ERROR},
        {"a division by zero", PLACE(process, divide), 0, EMULATOR_ENGINE_ERROR},
        {"hlt", PLACE(process, halt), 0, EMULATOR_ENGINE_ERROR},
        {"what Unicorn aborts on", PLACE(process, far_jump), 0, EMULATOR_ENGINE_ERROR},
    };
    uint8_t *more = add_words(process, 400);
    set_word(process, 16, 0x2222);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set_word(process, 8, rows[i].word);
        expect_status(process, rows[i].function, rows[i].status, rows[i].name);
        // It does no harm to the next.
        cr_assert_eq(traverse(process, fields, OBJECT), EMULATOR_OK, "after %s", rows[i].name);
        EXPECT_FOUND(process, rows[i].name, rows[i].word, 0x2222, 0x2222, 0);
    }
    uint64_t sum = 0;
    for (int i = 0; i < EMULATOR_STATUS_COUNT; i++) {
        cr_expect_neq(emulator_count(process->emulator, i), 0, "%s", emulator_status_text(i));
        sum += emulator_count(process->emulator, i);
    }
    cr_expect_eq(sum, 2 * sizeof(rows) / sizeof(rows[0]));
    free_process(process);
    free(more);
}

// An abort of anybody else is none of the emulator's business.
Test(emulator, other_aborts, .signal = SIGABRT)
{
    struct process *process = new_process(EM_X86_64, 8);
    vaddr nothing = PLACE(process, nothing);
    cr_assert_eq(traverse(process, nothing, OBJECT), EMULATOR_OK);
    free_process(process);
    abort();
}

Test(emulator, flags)
{
    struct process *process = new_process(EM_X86_64, 8);
    vaddr backwards = PLACE(process, backwards), copy = PLACE(process, copy);
    set_word(process, 16, 0x2222);
    expect_status(process, backwards, EMULATOR_UNKNOWN_INSTRUCTION, "backwards");
    cr_assert_eq(traverse(process, copy, OBJECT), EMULATOR_OK);
    EXPECT_FOUND(process, "copy", 0x2222);
    free_process(process);
}

// A page that is saved in part counts as not saved.
Test(emulator, part_of_a_page)
{
    struct process *process = new_process(EM_X86_64, 8);
    vaddr read = PLACE(process, read);
    uint8_t part[PAGE + 16] = {1};
    add(process, NOTHING, sizeof(part), part);
    set_word(process, 8, NOTHING);
    cr_assert_eq(traverse(process, read, OBJECT), EMULATOR_OK);
    EXPECT_FOUND(process, "the whole page", 1);
    set_word(process, 8, NOTHING + PAGE);
    expect_status(process, read, EMULATOR_UNMAPPED_READ, "the part");
    free_process(process);
}

// ---- Machines

Test(emulator, machines)
{
    static const struct {
        const char *name;
        unsigned elf_machine;
        uint8_t word_size;
        const uint8_t *code;
        size_t size;
        unsigned thread; // where the word of the thread is
        size_t visits;
    } rows[] = {
        {"i386", EM_386, 4, code_i386, sizeof(code_i386), 0x14, 2},
        {"arm", EM_ARM, 4, code_arm, sizeof(code_arm), 40, 2},
        {"aarch64", EM_AARCH64, 8, code_aarch64, sizeof(code_aarch64), 40, 3},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct process *process = new_process(rows[i].elf_machine, rows[i].word_size);
        vaddr function = place(process, rows[i].code, rows[i].size);
        process->thread[rows[i].thread] = 0x77;
        set_word(process, 8, 0x1111);
        for (int j = 0; j < 2; j++) {
            enum emulator_status status = traverse(process, function, OBJECT);
            cr_assert_eq(status, EMULATOR_OK, "%s %s", rows[i].name, emulator_status_text(status));
            expect_found(process, rows[i].visits, (vaddr[]){0x1111, 0x77, 0x1111}, rows[i].name);
        }
        expect_status(process, NOTHING, EMULATOR_UNMAPPED_CALL, rows[i].name);
        free_process(process);
    }
}

static void expect_unsupported(unsigned elf_machine, struct memory_format format, uint64_t taken,
                               const char *text)
{
    struct memory memory;
    struct emulator *emulator;
    memory_init(&memory, format);
    if (taken)
        cr_assert_null(memory_add(&memory, 0, taken, NULL));
    struct failure *failure = emulator_create(&memory, elf_machine, 0, &emulator);
    cr_assert_not_null(failure);
    cr_expect_eq(failure_kind(failure), FAILURE_UNSUPPORTED);
    cr_expect_str_eq(failure_text(failure), text);
    failure_destroy(failure);
    memory_deinit(&memory);
}

Test(emulator, unsupported)
{
    expect_unsupported(EM_PPC64, (struct memory_format){8, true}, 0,
                       "code of ELF machine 21 cannot be emulated by this program");
    expect_unsupported(EM_X86_64, (struct memory_format){4, false}, 0,
                       "code of ELF machine 62 cannot be emulated by this program");
    expect_unsupported(EM_AARCH64, (struct memory_format){8, true}, 0,
                       "code of ELF machine 183 cannot be emulated by this program");
    expect_unsupported(EM_386, (struct memory_format){4, false}, UINT64_C(1) << 32,
                       "the process left no room for the emulator's stack");
}

// ---- Threads

static void *run_thread(void *context)
{
    struct process *process = context;
    struct memory memory;
    struct emulator *emulator;
    memory_share(&process->memory, &memory);
    struct process mine = {.found = malloc(16 * sizeof(vaddr))};
    struct failure *failure = emulator_create(&memory, EM_X86_64, 0, &emulator);
    size_t good = 0;
    for (int i = 0; i < 2000 && !failure && mine.found; i++) {
        mine.count = 0;
        good += emulator_traverse(emulator, CODE, OBJECT, take, &mine) == EMULATOR_OK &&
                mine.count == 4 && mine.found[0] == 0x1111;
    }
    emulator_destroy(failure ? NULL : emulator);
    failure_destroy(failure);
    memory_unshare(&memory);
    free(mine.found);
    return (void *)good;
}

Test(emulator, threads)
{
    enum {
        THREADS = 4
    };
    struct process *process = new_process(EM_X86_64, 8);
    pthread_t threads[THREADS];
    PLACE(process, fields);
    set_word(process, 8, 0x1111);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, run_thread, process), 0);
    for (int i = 0; i < THREADS; i++) {
        void *good;
        cr_assert_eq(pthread_join(threads[i], &good), 0);
        cr_expect_eq((size_t)good, 2000);
    }
    free_process(process);
}

// ---- Reads that are looked for

// Four bytes of the second page of the object; with *context, those at that address only.
static bool is_wanted(void *context, vaddr address, unsigned width)
{
    const vaddr *only = context;
    return width == 4 && address - (OBJECT + PAGE) < PAGE && (!only || address == *only);
}

Test(emulator, the_first_read_that_is_wanted)
{
    struct process *process = new_process(EM_X86_64, 8);
    vaddr reads = PLACE(process, reads), fields = PLACE(process, fields), address = 1;
    cr_assert(emulator_find_read(process->emulator, reads, is_wanted, NULL, &address));
    cr_expect_eq(address, OBJECT + PAGE + 0x10, "%#llx", (unsigned long long)address);
    // The write before a later read is made, and then undone.
    vaddr only = OBJECT + PAGE + 0x20;
    cr_assert(emulator_find_read(process->emulator, reads, is_wanted, &only, &address));
    cr_expect_eq(address, only);
    cr_expect_eq(process->data[PAGE + 0x10], 0);
    // It is as good as new for objects.
    set_word(process, 8, 0x1111);
    set_word(process, 16, 0x2222);
    cr_expect_eq(traverse(process, fields, OBJECT), EMULATOR_OK);
    EXPECT_FOUND(process, "fields", 0x1111, 0x2222, 0x2222, 0);
    free_process(process);
}

// It ends, it does not, it is not there, it crashes.
Test(emulator, no_read_that_is_wanted)
{
    struct process *process = new_process(EM_X86_64, 8);
    const vaddr functions[] = {PLACE(process, nothing), PLACE(process, endless), NOTHING, NOT_SAVED,
                               PLACE(process, fields)};
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        vaddr address = 1;
        cr_expect_not(
            emulator_find_read(process->emulator, functions[i], is_wanted, NULL, &address), "%zu",
            i);
        cr_expect_eq(address, 1, "%zu", i);
    }
    free_process(process);
}

#else

Test(emulator, built_without)
{
    struct memory memory;
    struct emulator *emulator;
    memory_init(&memory, (struct memory_format){8, false});
    struct failure *failure = emulator_create(&memory, EM_X86_64, 0, &emulator);
    cr_assert_not_null(failure);
    cr_expect_eq(failure_kind(failure), FAILURE_UNSUPPORTED);
    failure_destroy(failure);
    emulator_destroy(NULL);
    memory_deinit(&memory);
}

#endif

Test(emulator, words)
{
    for (int i = 0; i < EMULATOR_STATUS_COUNT; i++)
        cr_expect_not_null(emulator_status_text(i));
}
