// What the program says of its own memory, against what it has just taken.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common.h"
#include "fakecore.h"
#include "own_memory.h"
#include "scratch.h"

enum {
    MIB = 1 << 20
};

TestSuite(own_memory, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

static uint8_t *map(int flags, int fd, size_t size)
{
    uint8_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    cr_assert_neq(bytes, MAP_FAILED);
    return bytes;
}

Test(own_memory, counts_what_was_written)
{
    struct own_memory *memory = own_memory_open();
    cr_assert_not_null(memory);
    uint64_t before = own_memory_read(memory);
    cr_assert_gt(before, 0);
    uint8_t *bytes = map(MAP_PRIVATE | MAP_ANONYMOUS, -1, 64 * MIB);
    cr_assert_lt(own_memory_read(memory), before + 8 * MIB, "untouched memory is none");
    memset(bytes, 'x', 64 * MIB);
    uint64_t after = own_memory_read(memory);
    cr_assert_geq(after, before + 60 * MIB);
    cr_assert_lt(after, before + 72 * MIB);
    munmap(bytes, 64 * MIB);
    cr_assert_lt(own_memory_read(memory), before + 8 * MIB, "what was given back is none");
    own_memory_close(memory);
}

Test(own_memory, does_not_count_mapped_files)
{
    char *text = calloc(1, 32 * MIB);
    cr_assert_not_null(text);
    memset(text, 'x', 32 * MIB);
    write_file("file", text, 32 * MIB);
    struct own_memory *memory = own_memory_open();
    int fd = open("file", O_RDWR);
    uint64_t before = own_memory_read(memory), sum = 0;
    uint8_t *bytes = map(MAP_SHARED, fd, 32 * MIB);
    for (size_t i = 0; i < 32 * MIB; i += 4096)
        sum += bytes[i];
    cr_assert_eq(sum, 32 * MIB / 4096 * 'x');
    cr_assert_lt(own_memory_read(memory), before + 8 * MIB);
    munmap(bytes, 32 * MIB);
    own_memory_close(memory);
    free(text);
}

Test(own_memory, nobody_asks)
{
    cr_assert_eq(own_memory_read(NULL), 0);
    own_memory_close(NULL);
}
