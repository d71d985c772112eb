#include "readahead.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    WINDOW = 8 << 20
};

struct readahead {
    int fd;
    const uint8_t *map;
    uint64_t size;
    uint64_t left; // of the limit
    atomic_bool ends;
    pthread_t thread;
};

// The part of the file from `from` on that is no hole. False: there is none.
static bool find_data(const struct readahead *readahead, uint64_t from, uint64_t *start,
                      uint64_t *end)
{
    off_t data = lseek(readahead->fd, (off_t)from, SEEK_DATA);
    if (data < 0 && errno != ENXIO) // a file system that does not know holes
        data = (off_t)from;
    if (data < 0 || (uint64_t)data >= readahead->size)
        return false;
    off_t hole = lseek(readahead->fd, data, SEEK_HOLE);
    *start = (uint64_t)data;
    *end = hole > data && (uint64_t)hole < readahead->size ? (uint64_t)hole : readahead->size;
    return true;
}

// False: there is no use in going on.
static bool read_window(const uint8_t *start, uint64_t size)
{
    // Of whole pages: madvise takes no others.
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), before = (uintptr_t)start % page;
    void *from = (void *)(start - before);
#ifdef MADV_POPULATE_READ
    if (madvise(from, size + before, MADV_POPULATE_READ) == 0)
        return true;
    if (errno != EINVAL)
        return false;
#endif
    // A kernel before 5.14.
    return madvise(from, size + before, MADV_WILLNEED) == 0;
}

static void *run(void *context)
{
    struct readahead *readahead = context;
    uint64_t at = 0, end = 0;
    while (readahead->left && !atomic_load(&readahead->ends)) {
        if (at >= end && !find_data(readahead, at, &at, &end))
            break;
        uint64_t size = end - at < WINDOW ? end - at : WINDOW;
        if (size > readahead->left)
            size = readahead->left;
        if (!read_window(readahead->map + at, size))
            break;
        readahead->left -= size;
        at += size;
    }
    return NULL;
}

struct readahead *readahead_start(int fd, const uint8_t *map, uint64_t size, uint64_t limit)
{
    struct readahead *readahead = calloc(1, sizeof(*readahead));
    if (!readahead)
        return NULL;
    *readahead = (struct readahead){.fd = fd, .map = map, .size = size, .left = limit};
    if (pthread_create(&readahead->thread, NULL, run, readahead) == 0)
        return readahead;
    free(readahead);
    return NULL;
}

void readahead_stop(struct readahead *readahead)
{
    if (!readahead)
        return;
    atomic_store(&readahead->ends, true);
    pthread_join(readahead->thread, NULL);
    free(readahead);
}

uint64_t readahead_limit(void)
{
    uint64_t available = 0;
    char line[128];
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof(line), file) &&
           sscanf(line, "MemAvailable: %" SCNu64 " kB", &available) != 1)
        ;
    if (file)
        fclose(file);
    // The rest is for what this program makes of it.
    return available * 1024 / 4 * 3;
}
