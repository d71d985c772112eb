// The dead process's bytes: spans, views across them, and what comes first stays.
#include "common.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>

#include "memory.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct memory_format little = {.word_size = 8, .big_endian = false};

static struct memory memory;

static void init(void)
{
    memory_init(&memory, little);
}

static void deinit(void)
{
    memory_deinit(&memory);
}

TestSuite(memory, .init = init, .fini = deinit);

static void add(vaddr start, uint64_t size, const char *bytes)
{
    cr_assert_null(memory_add(&memory, start, size, (const uint8_t *)bytes));
}

static void assert_bytes(vaddr at, const char *text)
{
    enum memory_status status = MEMORY_NONSENSE;
    const uint8_t *view = memory_view(&memory, at, strlen(text), &status);
    cr_assert_eq(status, MEMORY_OK, "0x%" PRIx64 " is '%s'", at, text);
    cr_assert_eq(memcmp(view, text, strlen(text)), 0, "0x%" PRIx64 " is '%s', not '%.*s'", at, text,
                 (int)strlen(text), (const char *)view);
}

static void assert_status(vaddr at, uint64_t size, enum memory_status expected)
{
    enum memory_status status = MEMORY_NONSENSE;
    const uint8_t *view = memory_view(&memory, at, size, &status);
    cr_assert_eq(status, expected, "0x%" PRIx64 " + 0x%" PRIx64 ": %d", at, size, status);
    cr_assert_eq(view == NULL, expected != MEMORY_OK);
}

// ---- Views

Test(memory, empty)
{
    assert_status(0, 1, MEMORY_UNMAPPED);
    assert_status(UINT64_MAX, 1, MEMORY_UNMAPPED);
    cr_assert_null(memory_find(&memory, 0));
}

Test(memory, view_lies_in_the_backing_bytes)
{
    static const char bytes[] = "0123456789";
    enum memory_status status;
    add(0x1000, 10, bytes);
    cr_assert_eq(memory_view(&memory, 0x1000, 10, &status), (const uint8_t *)bytes);
    cr_assert_eq(memory_view(&memory, 0x1009, 1, &status), (const uint8_t *)bytes + 9);
}

Test(memory, view_ends_where_the_span_ends)
{
    add(0x1000, 10, "0123456789");
    assert_status(0xfff, 1, MEMORY_UNMAPPED);
    assert_status(0xfff, 2, MEMORY_UNMAPPED);
    assert_status(0x1000, 11, MEMORY_UNMAPPED);
    assert_status(0x1009, 2, MEMORY_UNMAPPED);
    assert_status(0x100a, 1, MEMORY_UNMAPPED);
}

Test(memory, not_saved_is_told_from_unmapped)
{
    add(0x1000, 4, "abcd");
    add(0x1004, 4, NULL);
    assert_status(0x1004, 1, MEMORY_NOT_SAVED);
    assert_status(0x1002, 4, MEMORY_NOT_SAVED);
    assert_status(0x1007, 2, MEMORY_NOT_SAVED);
    assert_status(0x1008, 1, MEMORY_UNMAPPED);
    assert_bytes(0x1000, "abcd");
    assert_status(0x1004, 1, MEMORY_NOT_SAVED);
}

// Only reads of what a whole core would have are counted, by every reader for itself.
Test(memory, lost_reads_are_counted)
{
    struct memory copy;
    enum memory_status status;
    cr_assert_null(memory_add_lost(&memory, 0x1000, 0x1000));
    cr_assert_null(memory_add(&memory, 0x3000, 0x1000, NULL));
    add(0x2000, 4, "abcd");
    memory_share(&memory, &copy);
    cr_assert_null(memory_view(&memory, 0x3000, 1, &status));
    cr_assert_null(memory_view(&memory, 0x5000, 1, &status));
    cr_assert_not_null(memory_view(&memory, 0x2000, 4, &status));
    cr_assert_eq(memory.lost_reads, 0);
    cr_assert_null(memory_view(&memory, 0x1ff0, 1, &status));
    cr_assert_eq(status, MEMORY_NOT_SAVED);
    cr_assert_null(memory_view(&memory, 0x1ffe, 4, &status));
    cr_assert_eq(memory.lost_reads, 2);
    cr_assert_eq(copy.lost_reads, 0);
    memory_unshare(&copy);
}

Test(memory, view_across_spans_is_joined)
{
    add(0x1000, 4, "abcd");
    add(0x1004, 2, "ef");
    add(0x1006, 4, "ghij");
    assert_bytes(0x1003, "de");
    assert_bytes(0x1002, "cdefgh");
    assert_bytes(0x1000, "abcdefghij");
    assert_status(0x1000, 11, MEMORY_UNMAPPED);
}

Test(memory, joined_views_live_until_as_many_more_are_taken)
{
    static const char text[] = "0123456789abcdef";
    enum memory_status status;
    const uint8_t *views[MEMORY_JOINED];
    add(0x1000, 8, "01234567");
    add(0x1008, 8, "89abcdef");
    for (size_t i = 0; i < MEMORY_JOINED; i++)
        views[i] = memory_view(&memory, 0x1000 + i, 9, &status);
    for (size_t i = 0; i < MEMORY_JOINED; i++)
        cr_assert_eq(memcmp(views[i], &text[i], 9), 0, "view %zu", i);
}

Test(memory, joined_views_grow)
{
    enum {
        SIZE = 100000
    };
    char *bytes = calloc(1, SIZE);
    cr_assert_not_null(bytes);
    bytes[SIZE - 1] = 'z';
    add(0x1000, 4, "abcd");
    add(0x1004, SIZE, bytes);
    for (size_t i = 0; i < 2 * MEMORY_JOINED; i++) {
        enum memory_status status;
        assert_status(0x1003, 2 + i, MEMORY_OK);
        const uint8_t *view = memory_view(&memory, 0x1003, SIZE + 1, &status);
        cr_assert_eq(view[0], 'd');
        cr_assert_eq(view[SIZE], 'z');
    }
    free(bytes);
}

Test(memory, length_of_a_stranger)
{
    add(0x1000, 4, "abcd");
    add(0x1004, 4, "efgh");
    assert_status(0x1000, UINT64_MAX, MEMORY_UNMAPPED);
    assert_status(0x1000, UINT64_MAX - 0x1000, MEMORY_UNMAPPED);
    assert_status(0x1000, 1ull << 62, MEMORY_UNMAPPED);
}

Test(memory, end_of_the_address_space)
{
    add(UINT64_MAX - 8, 8, "01234567"); // all but the last byte
    assert_bytes(UINT64_MAX - 8, "01234567");
    assert_status(UINT64_MAX, 1, MEMORY_UNMAPPED);
    assert_status(UINT64_MAX - 4, 8, MEMORY_UNMAPPED);
    assert_status(UINT64_MAX - 1, 2, MEMORY_UNMAPPED);
    assert_status(UINT64_MAX - 8, UINT64_MAX, MEMORY_UNMAPPED);
}

Test(memory, beginning_of_the_address_space)
{
    add(0, 4, "abcd");
    assert_bytes(0, "abcd");
    assert_status(UINT64_MAX, 2, MEMORY_UNMAPPED);
}

Test(memory, range_that_wraps_is_cut)
{
    add(UINT64_MAX - 4, 100, "0123456789");
    cr_assert_eq(memory.count, 1);
    cr_assert_eq(memory.spans[0].size, 4);
    add(UINT64_MAX, 100, "x");
    cr_assert_eq(memory.count, 1, "nothing is left of it");
}

Test(memory, shared_reader_has_its_own_joined_views)
{
    struct memory copy;
    enum memory_status status;
    add(0x1000, 4, "abcd");
    add(0x1004, 4, "efgh");
    memory_share(&memory, &copy);
    const uint8_t *own = memory_view(&memory, 0x1002, 4, &status);
    const uint8_t *other = memory_view(&copy, 0x1002, 4, &status);
    cr_assert_neq(own, other);
    cr_assert_eq(memcmp(other, "cdef", 4), 0);
    memory_unshare(&copy);
    cr_assert_eq(memcmp(own, "cdef", 4), 0);
    assert_bytes(0x1000, "abcdefgh");
}

// ---- Adding

Test(memory, nothing_is_added_for_no_bytes)
{
    add(0x1000, 0, "");
    cr_assert_eq(memory.count, 0);
}

Test(memory, neighbours_in_memory_and_file_become_one_span)
{
    static const char bytes[] = "01234567";
    add(0x1000, 4, bytes);
    add(0x1004, 4, bytes + 4);
    cr_assert_eq(memory.count, 1);
    cr_assert_eq(memory.spans[0].size, 8);
    add(0x1008, 4, bytes); // neighbour in memory only
    cr_assert_eq(memory.count, 2);
}

Test(memory, a_hole_stays_a_span_of_its_own)
{
    static const char bytes[] = "01\0\0\0\0"
                                "67";
    add(0x1000, 2, bytes);
    cr_assert_null(memory_add_hole(&memory, 0x1002, 4, (const uint8_t *)bytes + 2));
    add(0x1006, 2, bytes + 6);
    cr_assert_eq(memory.count, 3);
    cr_assert(!memory.spans[0].hole && memory.spans[1].hole && !memory.spans[2].hole);
    enum memory_status status;
    const uint8_t *view = memory_view(&memory, 0x1000, 8, &status);
    cr_assert_not_null(view);
    cr_assert(memcmp(view, bytes, 8) == 0);
}

Test(memory, what_came_first_stays)
{
    static const struct {
        const char *what;
        vaddr start;
        const char *bytes;
        const char *after; // of [0x1000, 0x1010), '.' unmapped, "abcd" at 0x1004, "efgh" at 0x100a
    } rows[] = {
        {"within", 0x1005, "XY", "....abcd..efgh.."},
        {"the same", 0x1004, "WXYZ", "....abcd..efgh.."},
        {"before", 0x1000, "WXYZ", "WXYZabcd..efgh.."},
        {"over the start", 0x1002, "WXYZ", "..WXabcd..efgh.."},
        {"over the end", 0x1006, "WXY", "....abcdY.efgh.."},
        {"around", 0x1003, "UVWXYZ", "...UabcdZ.efgh.."},
        {"the gap", 0x1008, "XY", "....abcdXYefgh.."},
        {"over both", 0x1002, "0123456789ABCD", "..01abcd67efghCD"},
        {"after", 0x100e, "YZ", "....abcd..efghYZ"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        add(0x1004, 4, "abcd");
        add(0x100a, 4, "efgh");
        add(rows[i].start, strlen(rows[i].bytes), rows[i].bytes);
        for (size_t j = 0; j < 16; j++) {
            enum memory_status status;
            const uint8_t *view = memory_view(&memory, 0x1000 + j, 1, &status);
            cr_assert_eq(view ? *view : '.', rows[i].after[j], "%s, byte %zu", rows[i].what, j);
        }
        memory_deinit(&memory);
    }
}

Test(memory, not_saved_stays_when_it_came_first)
{
    add(0x1000, 4, NULL);
    add(0x0ffe, 8, "01234567");
    assert_bytes(0x0ffe, "01");
    assert_status(0x1000, 4, MEMORY_NOT_SAVED);
    assert_bytes(0x1004, "67");
}

// Against a model that keeps a byte for each address.
Test(memory, random_ranges_against_a_model)
{
    enum {
        SPACE = 256
    };
    static uint8_t bytes[SPACE];
    unsigned seed = 1;
    for (size_t i = 0; i < SPACE; i++)
        bytes[i] = (uint8_t)i;
    for (int round = 0; round < 200; round++) {
        int model[SPACE]; // -1 unmapped, -2 not saved, else the byte
        for (size_t i = 0; i < SPACE; i++)
            model[i] = -1;
        for (int ranges = 0; ranges < 30; ranges++) {
            size_t start = (size_t)rand_r(&seed) % SPACE;
            size_t size = (size_t)rand_r(&seed) % 40 % (SPACE - start);
            size_t from = (size_t)rand_r(&seed) % (SPACE - size);
            bool saved = rand_r(&seed) % 4 > 0;
            cr_assert_null(memory_add(&memory, 0x1000 + start, size, saved ? bytes + from : NULL));
            for (size_t i = 0; i < size; i++)
                if (model[start + i] == -1)
                    model[start + i] = saved ? bytes[from + i] : -2;
        }
        for (size_t i = 0; i < SPACE; i++) {
            enum memory_status status;
            const uint8_t *view = memory_view(&memory, 0x1000 + i, 1, &status);
            int seen = status == MEMORY_UNMAPPED ? -1 : status == MEMORY_NOT_SAVED ? -2 : *view;
            cr_assert_eq(seen, model[i], "round %d, byte %zu", round, i);
        }
        for (size_t i = 1; i < memory.count; i++)
            cr_assert_leq(memory.spans[i - 1].start + memory.spans[i - 1].size,
                          memory.spans[i].start);
        memory_deinit(&memory);
    }
}

// ---- Numbers and strings

Test(memory, numbers)
{
    static const uint8_t bytes[] = {0xf1, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};
    static const struct {
        bool big_endian;
        unsigned width;
        uint64_t value;
        int64_t signed_value;
    } rows[] = {
        {false, 1, 0xf1, -0x0f},
        {false, 2, 0x02f1, 0x02f1},
        {false, 4, 0x040302f1, 0x040302f1},
        {false, 8, 0x08070605040302f1, 0x08070605040302f1},
        {true, 1, 0xf1, -0x0f},
        {true, 2, 0xf102, 0xf102 - 0x10000},
        {true, 4, 0xf1020304, 0xf1020304ll - 0x100000000ll},
        {true, 8, 0xf102030405060708, (int64_t)0xf102030405060708},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const struct memory_format format = {.word_size = 8, .big_endian = rows[i].big_endian};
        cr_assert_eq(format_uint(format, bytes, rows[i].width), rows[i].value, "row %zu", i);
        cr_assert_eq(format_int(format, bytes, rows[i].width), rows[i].signed_value, "row %zu", i);
    }
}

Test(memory, words)
{
    static const struct {
        struct memory_format format;
        vaddr word;
    } rows[] = {
        {{4, false}, 0x34333231},
        {{4, true}, 0x31323334},
        {{8, false}, 0x3837363534333231},
        {{8, true}, 0x3132333435363738},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vaddr word = 0;
        memory_init(&memory, rows[i].format);
        add(0x1000, 3, "123");
        add(0x1003, 5, "45678");
        cr_assert_eq(memory_read_word(&memory, 0x1000, &word), MEMORY_OK);
        cr_assert_eq(word, rows[i].word, "row %zu", i);
        memory_deinit(&memory);
    }
}

Test(memory, word_that_cannot_be_read_is_not_written)
{
    vaddr word = 42;
    add(0x1000, 7, "1234567");
    add(0x2000, 8, NULL);
    cr_assert_eq(memory_read_word(&memory, 0x1000, &word), MEMORY_UNMAPPED);
    cr_assert_eq(memory_read_word(&memory, 0x2000, &word), MEMORY_NOT_SAVED);
    cr_assert_eq(word, 42);
}

Test(memory, strings)
{
    add(0x1000, 4, "abc");
    add(0x2000, 2, "de");
    add(0x2002, 2, "f");
    add(0x3000, 3, "ghi");
    add(0x4000, 2, "jk");
    add(0x4002, 4, NULL);
    static const struct {
        vaddr at;
        size_t capacity;
        enum memory_status status;
        const char *text;
    } rows[] = {
        {0x1000, 16, MEMORY_OK, "abc"},       {0x1000, 4, MEMORY_OK, "abc"},
        {0x1000, 3, MEMORY_NONSENSE, "ab"},   {0x1000, 1, MEMORY_NONSENSE, ""},
        {0x1003, 16, MEMORY_OK, ""},          {0x2000, 16, MEMORY_OK, "def"},
        {0x3000, 16, MEMORY_UNMAPPED, "ghi"}, {0x3000, 3, MEMORY_NONSENSE, "gh"},
        {0x4000, 16, MEMORY_NOT_SAVED, "jk"}, {0x5000, 16, MEMORY_UNMAPPED, ""},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char buffer[16];
        memset(buffer, 'x', sizeof(buffer));
        cr_assert_eq(memory_read_string(&memory, rows[i].at, buffer, rows[i].capacity),
                     rows[i].status, "row %zu", i);
        cr_assert_str_eq(buffer, rows[i].text, "row %zu", i);
    }
}

// ---- What was lost and is known all the same

Test(memory, restored_where_there_was_nothing)
{
    add(0x1000, 0x10, "0123456789abcdef");
    add(0x1010, 0x30, NULL);
    add(0x1040, 0x10, "ghijklmnopqrstuv");
    cr_assert_null(memory_restore(&memory, 0x1020, 8, (const uint8_t *)"RESTORED"));
    assert_bytes(0x1000, "0123456789abcdef");
    assert_status(0x1010, 0x10, MEMORY_NOT_SAVED);
    assert_bytes(0x1020, "RESTORED");
    assert_status(0x1028, 1, MEMORY_NOT_SAVED);
    assert_status(0x103f, 1, MEMORY_NOT_SAVED);
    assert_bytes(0x1040, "ghijklmnopqrstuv");
}

Test(memory, restored_between_what_is_saved)
{
    add(0x1000, 4, "abcd");
    add(0x1004, 4, NULL);
    add(0x1008, 4, "ijkl");
    add(0x100c, 2, NULL);
    cr_assert_null(memory_restore(&memory, 0x1002, 0xe, (const uint8_t *)"CDEFGHIJKLMNOP"));
    assert_bytes(0x1000, "abcdEFGHijklMNOP");
    cr_assert_null(memory_restore(&memory, 0x1000, 4, (const uint8_t *)"WXYZ"));
    assert_bytes(0x1000, "abcd");
    cr_assert_null(memory_restore(&memory, 0x2000, 4, (const uint8_t *)"WXYZ"));
    assert_bytes(0x2000, "WXYZ");
}
