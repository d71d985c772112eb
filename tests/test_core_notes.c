// The ELF core reader on single notes, made to order: what each says, and what damage does to it.
#include "common.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "core.h"
#include "fakecore.h"
#include "sample_core.h"
#include "scratch.h"

TestSuite(core_notes, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

Test(core_notes, command)
{
    static const struct {
        const char *arguments;
        const char *program;
        const char *command;
        const char *hidden;
    } rows[] = {
        {"python2.7 -c x  ", "python2.7", "python2.7", "-c x"},
        {"python2.7 /srv/app.py -p  hunter2 ", "python2.7", "python2.7 /srv/app.py", "-p  hunter2"},
        {"a 1 2", "x", "a", "1 2"},
        {"", "python2.7", "python2.7", ""},
        {"   ", "python2.7", "python2.7", ""},
        {"a\nb\tc\x7f", "x", "a?b?c?", ""},
        {"", "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnop", ""},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890more",
         "x", "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         ""},
        {"", "", "", ""},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const struct fakecore spec = {.command = rows[i].arguments,
                                      .program = rows[i].program,
                                      .segments = whole.segments,
                                      .segment_count = 1};
        struct core *core = open_spec(&spec);
        cr_assert_str_eq(core->command, rows[i].command);
        cr_assert_str_eq(core->arguments, rows[i].hidden);
        core_close(core);
    }
}

Test(core_notes, no_notes_leave_the_command_empty_and_the_core_incomplete)
{
    const struct fakecore spec = {.segments = whole.segments, .segment_count = whole.segment_count};
    struct core *core = open_spec(&spec);
    uint64_t value;
    cr_assert_str_eq(core->command, "");
    cr_assert_str_eq(core->arguments, "");
    cr_assert_not(core->has_prpsinfo);
    cr_assert_eq(core->signal, 0);
    cr_assert_eq(core->thread_count, 0);
    cr_assert_eq(core->bytes_missing, 0);
    cr_assert_not(core->complete);
    cr_assert_not(core_find_auxv(core, AT_PHDR, &value));
    core_close(core);
}

Test(core_notes, signal_of_the_first_thread_without_siginfo)
{
    struct fakecore spec = whole;
    static const struct fakecore_thread died[] = {{7, 11}, {8, 0}};
    spec.signal = 0;
    spec.threads = died;
    spec.thread_count = LENGTH(died);
    struct core *core = open_spec(&spec);
    cr_assert_eq(core->signal, 11);
    core_close(core);
}

Test(core_notes, siginfo_before_the_thread_s_signal)
{
    struct fakecore spec = whole;
    spec.signal = 4;
    struct core *core = open_spec(&spec);
    cr_assert_eq(core->signal, 4);
    cr_assert_eq(core->threads[0].signal, 6);
    core_close(core);
}

// A core with nothing but one note of the given contents.
static struct core *open_note(const char *owner, uint32_t type, const void *bytes, uint32_t size)
{
    const struct fakecore_note note = {owner, type, bytes, size};
    const struct fakecore spec = {
        .notes = &note, .note_count = 1, .segments = whole.segments, .segment_count = 1};
    return open_spec(&spec);
}

Test(core_notes, notes_of_other_owners_are_not_read)
{
    static const uint64_t words[64] = {1};
    static const char *const owners[] = {"LINUX", "COREX", "COR", "", "FreeBSD"};
    for (size_t i = 0; i < LENGTH(owners); i++) {
        struct core *core = open_note(owners[i], NT_PRSTATUS, words, sizeof(words));
        cr_assert_eq(core->thread_count, 0, "%s", owners[i]);
        core_close(core);
    }
}

Test(core_notes, thread_without_whole_registers)
{
    static const uint64_t words[64] = {0};
    struct core *core = open_note("CORE", NT_PRSTATUS, words, 112 + 215);
    cr_assert_eq(core->thread_count, 1);
    cr_assert_null(core->threads[0].registers);
    cr_assert_eq(core->threads[0].registers_size, 0);
    cr_assert(core->complete);
    core_close(core);
}

Test(core_notes, notes_too_short_are_left_out)
{
    static const uint8_t bytes[256] = {1};
    static const struct {
        uint32_t type;
        uint32_t size;
    } rows[] = {{NT_PRSTATUS, 35}, {NT_PRSTATUS, 0}, {NT_PRPSINFO, 135}, {NT_PRPSINFO, 0},
                {NT_SIGINFO, 3},   {NT_SIGINFO, 0},  {NT_AUXV, 15},      {NT_AUXV, 0},
                {NT_FILE, 0},      {NT_FILE, 15},    {NT_FILE, 16},      {NT_FILE, 23}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct core *core = open_note("CORE", rows[i].type, bytes, rows[i].size);
        cr_assert_eq(core->thread_count, 0, "row %zu", i);
        cr_assert_not(core->has_prpsinfo, "row %zu", i);
        cr_assert_eq(core->signal, 0, "row %zu", i);
        cr_assert_eq(core->auxv_count, 0, "row %zu", i);
        cr_assert_eq(core->mapping_count, 0, "row %zu", i);
        core_close(core);
    }
}

Test(core_notes, auxv_without_end)
{
    static const uint64_t words[] = {AT_PAGESZ, 4096, AT_ENTRY, 0x1000, AT_PHDR};
    struct core *core = open_note("CORE", NT_AUXV, words, sizeof(words));
    uint64_t value;
    cr_assert_eq(core->auxv_count, 2);
    cr_assert(core_find_auxv(core, AT_ENTRY, &value));
    cr_assert_eq(value, 0x1000);
    core_close(core);
}

Test(core_notes, file_note_damage)
{
    static const struct {
        const char *what;
        uint64_t words[8]; // two lines
        uint32_t strings;  // bytes of "/a\0/b\0" that the note has
        size_t count;
        const char *first;
    } rows[] = {
        {"intact", {2, 4096, 0x1000, 0x2000, 0, 0x2000, 0x3000, 1}, 6, 2, "/a"},
        {"more lines than fit", {9, 4096, 0x1000, 0x2000, 0, 0x2000, 0x3000, 1}, 6, 0, NULL},
        {"count of 2^64 - 1", {~0ull, 4096, 0x1000, 0x2000, 0, 0x2000, 0x3000, 1}, 6, 0, NULL},
        {"page size 0", {2, 0, 0x1000, 0x2000, 0, 0x2000, 0x3000, 1}, 6, 0, NULL},
        {"last string without end", {2, 4096, 0x1000, 0x2000, 0, 0x2000, 0x3000, 1}, 5, 1, "/a"},
        {"last string missing", {2, 4096, 0x1000, 0x2000, 0, 0x2000, 0x3000, 1}, 3, 1, "/a"},
        {"no string", {2, 4096, 0x1000, 0x2000, 0, 0x2000, 0x3000, 1}, 0, 0, NULL},
        {"ends before it starts", {2, 4096, 0x2000, 0x1000, 0, 0x2000, 0x3000, 1}, 6, 1, "/b"},
        {"empty range", {2, 4096, 0x1000, 0x1000, 0, 0x2000, 0x3000, 1}, 6, 1, "/b"},
        {"offset overflows", {2, 4096, 0x1000, 0x2000, 1ull << 52, 0x2000, 0x3000, 1}, 6, 1, "/b"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        uint8_t bytes[64 + 6];
        memcpy(bytes, rows[i].words, 64);
        memcpy(bytes + 64, "/a\0/b", 6);
        struct core *core = open_note("CORE", NT_FILE, bytes, 64 + rows[i].strings);
        cr_assert_eq(core->mapping_count, rows[i].count, "%s", rows[i].what);
        if (rows[i].first)
            cr_assert_str_eq(core->mappings[0].path, rows[i].first, "%s", rows[i].what);
        core_close(core);
    }
}

Test(core_notes, file_offsets_count_in_pages_of_the_note)
{
    static const uint64_t page_sizes[] = {1, 4096, 65536};
    static const struct fakecore_file lines[] = {{0x10000, 0x20000, 0x30000, "/a"}};
    for (size_t i = 0; i < LENGTH(page_sizes); i++) {
        const struct fakecore spec = {.files = lines,
                                      .file_count = 1,
                                      .file_page_size = page_sizes[i],
                                      .segments = whole.segments,
                                      .segment_count = 1};
        struct core *core = open_spec(&spec);
        cr_assert_eq(core->mappings[0].file_offset, 0x30000, "page size %" PRIu64, page_sizes[i]);
        core_close(core);
    }
}
