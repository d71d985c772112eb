// Registers by machine: which word is the stack pointer, and where the thread pointer is.
#include "common.h"

#include <criterion/criterion.h>
#include <elf.h>

#include "fakecore.h"
#include "registers.h"
#include "sample_core.h"
#include "scratch.h"

TestSuite(registers, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

static struct core *open_machine(unsigned machine, uint8_t word_size, bool big_endian,
                                 const struct fakecore_note *note)
{
    static const struct fakecore_thread threads[] = {{7, 11}, {8, 0}};
    const struct fakecore spec = {
        .machine = machine,
        .word_size = word_size,
        .big_endian = big_endian,
        .threads = threads,
        .thread_count = LENGTH(threads),
        .notes = note,
        .note_count = note ? 1 : 0,
        .segments = whole.segments,
        .segment_count = 1,
    };
    return open_spec(&spec);
}

Test(registers, by_machine)
{
    static const struct {
        unsigned machine;
        uint8_t word_size;
        bool big_endian;
        unsigned stack_pointer;  // 0: not known
        unsigned thread_pointer; // likewise
    } rows[] = {
        {EM_X86_64, 8, false, 19, 21}, {EM_386, 4, false, 15, 0},   {EM_AARCH64, 8, false, 31, 0},
        {EM_AARCH64, 8, true, 31, 0},  {EM_ARM, 4, false, 13, 0},   {EM_PPC64, 8, true, 1, 13},
        {EM_PPC64, 8, false, 1, 13},   {EM_PPC, 4, true, 1, 2},     {EM_S390, 8, true, 17, 0},
        {EM_S390, 4, true, 0, 0},      {EM_SPARCV9, 8, true, 0, 0},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vaddr stack = 0, thread = 0;
        struct core *core =
            open_machine(rows[i].machine, rows[i].word_size, rows[i].big_endian, NULL);
        cr_expect_eq(registers_find_stack(core, 1, &stack), rows[i].stack_pointer != 0, "row %zu",
                     i);
        cr_expect_eq(registers_find_tls(core, &thread), rows[i].thread_pointer != 0, "row %zu", i);
        if (rows[i].stack_pointer)
            cr_expect_eq(stack, fakecore_register(rows[i].stack_pointer), "row %zu", i);
        if (rows[i].thread_pointer)
            cr_expect_eq(thread, fakecore_register(rows[i].thread_pointer), "row %zu", i);
        core_close(core);
    }
}

// The note is the last thread's: the first one has none.
Test(registers, thread_pointer_in_a_note)
{
    static const uint64_t value = 0x7f1234;
    static const struct {
        unsigned machine;
        uint8_t word_size;
        uint32_t size;
        bool found;
    } rows[] = {
        {EM_AARCH64, 8, 8, true}, {EM_AARCH64, 8, 7, false}, {EM_ARM, 4, 4, true},
        {EM_ARM, 4, 3, false},    {EM_PPC64, 8, 8, true},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vaddr thread = 0;
        const struct fakecore_note note = {"LINUX", NT_ARM_TLS, &value, rows[i].size};
        struct core *core = open_machine(rows[i].machine, rows[i].word_size, false, &note);
        cr_expect_eq(registers_find_tls(core, &thread), rows[i].found, "row %zu", i);
        if (rows[i].machine == EM_PPC64) // has it in a register
            cr_expect_eq(thread, fakecore_register(13));
        else if (rows[i].found)
            cr_expect_eq(thread, value, "row %zu", i);
        core_close(core);
    }
}

// struct user_desc for each; the selector in gs says which.
Test(registers, thread_pointer_of_i386)
{
    const uint32_t gs = (uint32_t)fakecore_register(10) >> 3;
    const uint32_t rows[][8] = {
        {gs, 0xf7712340, 0xfffff, 0x51, gs + 1, 5, 6, 7},
        {gs + 1, 5, 6, 7, gs, 0xf7712340, 0xfffff, 0x51},
        {gs + 1, 5, 6, 7, gs + 2, 0xf7712340, 0xfffff, 0x51},
        {gs + 1, 5, 6, 7, gs, 0, 0, 0}, // not set
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vaddr thread = 0;
        const struct fakecore_note note = {"LINUX", NT_386_TLS, rows[i], sizeof(rows[i])};
        struct core *core = open_machine(EM_386, 4, false, &note);
        cr_expect_eq(registers_find_tls(core, &thread), i < 2, "row %zu", i);
        cr_expect_eq(thread, i < 2 ? 0xf7712340 : 0, "row %zu", i);
        core_close(core);
    }
}

// Damaged notes, and of other owners.
Test(registers, thread_pointer_that_is_not_there)
{
    static const uint32_t desc[8] = {0};
    static const struct fakecore_note notes[] = {{"LINUX", NT_386_TLS, desc, 15},
                                                 {"LINUX", NT_386_TLS, desc, 0},
                                                 {"CORE", NT_386_TLS, desc, 32},
                                                 {"LINUX", NT_PRXFPREG, desc, 32}};
    for (size_t i = 0; i < LENGTH(notes); i++) {
        vaddr thread = 0;
        struct core *core = open_machine(EM_386, 4, false, &notes[i]);
        cr_expect_not(registers_find_tls(core, &thread), "row %zu", i);
        core_close(core);
    }
}
