// Real files, evicted from memory: what does the kernel have of them afterwards?
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common.h"
#include "fakecore.h"
#include "readahead.h"
#include "scratch.h"

enum {
    MIB = 1 << 20,
    PATIENCE = 60 // seconds
};

TestSuite(readahead, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

struct sample {
    int fd;
    uint8_t *map;
    size_t size;
};

// `data` MiB, a hole of `hole` MiB, `data` MiB. Nothing of it is in memory.
static void make_sample(struct sample *sample, size_t data, size_t hole)
{
    uint8_t *bytes = malloc(data * MIB);
    cr_assert_not_null(bytes);
    memset(bytes, 'x', data * MIB);
    sample->size = (2 * data + hole) * MIB;
    sample->fd = open("sample", O_RDWR | O_CREAT | O_TRUNC, 0600);
    cr_assert_geq(sample->fd, 0);
    cr_assert_eq(ftruncate(sample->fd, (off_t)sample->size), 0);
    cr_assert_eq(pwrite(sample->fd, bytes, data * MIB, 0), (ssize_t)(data * MIB));
    cr_assert_eq(pwrite(sample->fd, bytes, data * MIB, (off_t)((data + hole) * MIB)),
                 (ssize_t)(data * MIB));
    free(bytes);
    cr_assert_eq(fsync(sample->fd), 0);
    cr_assert_eq(posix_fadvise(sample->fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    sample->map = mmap(NULL, sample->size, PROT_READ, MAP_PRIVATE, sample->fd, 0);
    cr_assert_neq(sample->map, MAP_FAILED);
}

static void drop_sample(struct sample *sample)
{
    munmap(sample->map, sample->size);
    close(sample->fd);
}

// Bytes of [from, from + size) MiB that are in memory.
static size_t resident(const struct sample *sample, size_t from, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = size * MIB / page, count = 0;
    unsigned char *in = malloc(pages);
    cr_assert_not_null(in);
    cr_assert_eq(mincore(sample->map + from * MIB, size * MIB, in), 0);
    for (size_t i = 0; i < pages; i++)
        count += in[i] & 1;
    free(in);
    return count * page;
}

static bool comes_in(const struct sample *sample, size_t from, size_t size)
{
    double start = seconds();
    while (resident(sample, from, size) < size * MIB) {
        if (seconds() - start > PATIENCE)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return true;
}

Test(readahead, all_data_comes_into_memory_and_no_hole)
{
    struct sample sample;
    make_sample(&sample, 12, 40);
    cr_assert_lt(resident(&sample, 0, 12), 12 * MIB, "the file cannot be evicted here");
    struct readahead *readahead =
        readahead_start(sample.fd, sample.map, sample.size, 2 * sample.size);
    cr_assert_not_null(readahead);
    cr_assert(comes_in(&sample, 0, 12));
    cr_assert(comes_in(&sample, 52, 12), "what lies behind the hole");
    readahead_stop(readahead);
    // The kernel's own read-ahead may reach into the hole.
    cr_assert_lt(resident(&sample, 12, 40), 32 * MIB);
    drop_sample(&sample);
}

Test(readahead, goes_no_further_than_it_may)
{
    struct sample sample;
    make_sample(&sample, 100, 0);
    struct readahead *readahead = readahead_start(sample.fd, sample.map, sample.size, 10 * MIB);
    cr_assert_not_null(readahead);
    cr_assert(comes_in(&sample, 0, 10));
    nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL); // to do what it must not
    readahead_stop(readahead);
    // Not counting what the kernel brings in besides.
    cr_assert_lt(resident(&sample, 100, 100), 50 * MIB);
    drop_sample(&sample);
}

Test(readahead, can_be_stopped_at_once)
{
    struct sample sample;
    make_sample(&sample, 100, 0);
    readahead_stop(readahead_start(sample.fd, sample.map, sample.size, sample.size));
    readahead_stop(NULL);
    cr_assert_lt(resident(&sample, 0, 200), 100 * MIB, "it was not stopped");
    drop_sample(&sample);
}

// A core that becomes shorter while it is read: those who look at it find out.
Test(readahead, a_file_that_has_become_shorter_is_no_end)
{
    struct sample sample;
    make_sample(&sample, 12, 0);
    cr_assert_eq(ftruncate(sample.fd, 4 * MIB), 0);
    struct readahead *readahead = readahead_start(sample.fd, sample.map, sample.size, sample.size);
    cr_assert(comes_in(&sample, 0, 4));
    readahead_stop(readahead);
    drop_sample(&sample);
}

Test(readahead, a_part_of_the_memory_of_this_machine)
{
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    cr_assert_gt(readahead_limit(), 0);
    cr_assert_lt(readahead_limit(), all);
}
