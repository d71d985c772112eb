#include "unpack_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
    PAGE = 4096,
    AT_ONCE = 64 << 10,    // bytes; writes of more took up to four times as long on ext4
    RESERVE = 16 << 20,    // bytes that are left free for others
    CHECK_EVERY = 8 << 20, // bytes written between two looks at the free space
};

struct unpack_file {
    int fd;
    uint64_t size; // taken; what of it is not in `page` is written
    uint64_t limit;
    uint64_t file_limit; // RLIMIT_FSIZE
    uint64_t unchecked;  // bytes written since the free space was looked at
    const char *directory;
    size_t page_used;
    uint8_t page[PAGE]; // the last one, as long as it is not whole
};

// ---- The directory

// A file in it that goes away with its descriptor; -1 and errno.
static int open_unnamed(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    char *name;
    // EISDIR: a kernel without O_TMPFILE; EOPNOTSUPP: a file system without.
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    if (asprintf(&name, "%s/pycore-garbage.XXXXXX", directory) < 0)
        return -1;
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    free(name);
    return fd;
}

static uint64_t free_bytes(int fd)
{
    struct statvfs there;
    return fstatvfs(fd, &there) == 0 ? (uint64_t)there.f_bavail * there.f_frsize : 0;
}

static bool is_memory(int fd)
{
    struct statfs there;
    return fstatfs(fd, &there) == 0 && (there.f_type == TMPFS_MAGIC || there.f_type == RAMFS_MAGIC);
}

// Opens a file in `directory`. *reason: why that cannot be, a heap string; NULL if it can, or for
// lack of memory, and then *fd is -1.
static void try_directory(const char *directory, bool memory_allowed, uint64_t least, int *fd,
                          char **reason)
{
    int written = 0;
    *reason = NULL;
    *fd = open_unnamed(directory);
    uint64_t room = *fd < 0 ? 0 : free_bytes(*fd);
    if (*fd < 0)
        written = asprintf(reason, "%s: no file can be made there: %s", directory, strerror(errno));
    else if (!memory_allowed && is_memory(*fd))
        written = asprintf(reason, "%s: a tmpfs, which is memory", directory);
    else if (room < RESERVE || room - RESERVE < least)
        written = asprintf(reason,
                           "%s: %" PRIu64 " bytes free, but the plain core takes at least %" PRIu64
                           ", and %d are left to others",
                           directory, room, least, RESERVE);
    else
        return;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    if (written < 0)
        *reason = NULL;
}

static struct failure *explain_directory(char *reason)
{
    struct failure *failure = failure_create(FAILURE_IO,
                                             "it cannot be unpacked in %s; choose a directory with "
                                             "--tmpdir=DIR",
                                             reason);
    free(reason);
    return failure;
}

// $TMPDIR, then /var/tmp.
static struct failure *choose_directory(struct unpack_file *file, uint64_t least,
                                        struct unpacked *unpacked)
{
    const char *candidates[] = {getenv("TMPDIR"), "/var/tmp"};
    for (size_t i = candidates[0] && *candidates[0] ? 0 : 1; i < 2; i++) {
        char *reason;
        file->directory = candidates[i];
        try_directory(file->directory, false, least, &file->fd, &reason);
        if (file->fd >= 0)
            return NULL;
        if (!reason)
            return failure_no_memory();
        if (i == 1)
            return explain_directory(reason);
        unpacked->notes[unpacked->note_count++] = reason;
    }
    return NULL;
}

struct failure *unpack_file_create(const struct unpack_options *options, uint64_t least,
                                   struct unpacked *unpacked, struct unpack_file **made)
{
    struct failure *failure = NULL;
    struct rlimit limit;
    char *reason;
    struct unpack_file *file = calloc(1, sizeof(*file));
    if (!file)
        return failure_no_memory();
    file->fd = -1;
    file->limit = options->limit ? options->limit : UNPACK_LIMIT_DEFAULT;
    file->file_limit = getrlimit(RLIMIT_FSIZE, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
    file->directory = options->directory;
    if (!file->directory) {
        failure = choose_directory(file, least, unpacked);
    } else {
        try_directory(file->directory, true, least, &file->fd, &reason);
        if (file->fd < 0)
            failure = reason ? explain_directory(reason) : failure_no_memory();
    }
    if (!failure && !(unpacked->directory = strdup(file->directory)))
        failure = failure_no_memory();
    if (failure)
        unpack_file_destroy(file);
    else
        *made = file;
    return failure;
}

void unpack_file_destroy(struct unpack_file *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    free(file);
}

// ---- Writing

static struct failure *explain_room(const struct unpack_file *file)
{
    return failure_create(FAILURE_IO,
                          "no room in %s for the plain core: %" PRIu64 " bytes of it are unpacked, "
                          "%" PRIu64 " are free; choose another directory with --tmpdir=DIR",
                          file->directory, file->size, free_bytes(file->fd));
}

static struct failure *explain_write(const struct unpack_file *file)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return explain_room(file);
    return failure_create(FAILURE_IO,
                          "cannot be unpacked in %s: %s; choose another directory with "
                          "--tmpdir=DIR",
                          file->directory, strerror(errno));
}

struct failure *unpack_file_explain_limit(uint64_t limit)
{
    return failure_create(FAILURE_UNSUPPORTED,
                          "unpacks to more than %" PRIu64 " bytes; if it is the core of such a "
                          "large process, allow more with --max-unpacked=SIZE",
                          limit);
}

// Past the limit of the process the kernel would send SIGXFSZ.
static struct failure *check_sizes(const struct unpack_file *file, uint64_t size)
{
    if (size > file->limit - file->size)
        return unpack_file_explain_limit(file->limit);
    if (size > file->file_limit || file->size > file->file_limit - size)
        return failure_create(FAILURE_IO,
                              "unpacks to more than %" PRIu64 " bytes, which no file may have "
                              "here; raise the limit (ulimit -f)",
                              file->file_limit);
    return NULL;
}

static struct failure *write_run(struct unpack_file *file, const uint8_t *bytes, size_t size,
                                 uint64_t offset)
{
    if (file->unchecked >= CHECK_EVERY) {
        file->unchecked = 0;
        if (free_bytes(file->fd) < RESERVE)
            return explain_room(file);
    }
    file->unchecked += size;
    while (size > 0) {
        ssize_t count = pwrite(file->fd, bytes, size < AT_ONCE ? size : AT_ONCE, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return explain_write(file);
        bytes += count;
        size -= (size_t)count;
        offset += (uint64_t)count;
    }
    return NULL;
}

static bool is_zero(const uint8_t *page, size_t size)
{
    return page[0] == 0 && memcmp(page, page + 1, size - 1) == 0;
}

// Whole pages, and as the very last thing a piece of one. Runs of pages with something in them are
// written at once.
static struct failure *write_pages(struct unpack_file *file, const uint8_t *bytes, size_t size,
                                   uint64_t offset)
{
    struct failure *failure = NULL;
    size_t begin = 0; // of the run
    for (size_t at = 0; at < size && !failure; at += PAGE) {
        size_t here = size - at < PAGE ? size - at : PAGE;
        if (!is_zero(bytes + at, here))
            continue;
        if (begin < at)
            failure = write_run(file, bytes + begin, at - begin, offset + begin);
        begin = at + here;
    }
    if (!failure && begin < size)
        failure = write_run(file, bytes + begin, size - begin, offset + begin);
    return failure;
}

// Adds to the page that is not whole yet; gives how much of the bytes that took.
static size_t fill_page(struct unpack_file *file, const uint8_t *bytes, size_t size)
{
    size_t room = PAGE - file->page_used;
    if (size > room)
        size = room;
    memcpy(file->page + file->page_used, bytes, size);
    file->page_used += size;
    file->size += size;
    return size;
}

static struct failure *write_page(struct unpack_file *file)
{
    size_t size = file->page_used;
    file->page_used = 0;
    return size ? write_pages(file, file->page, size, file->size - size) : NULL;
}

struct failure *unpack_file_write(struct unpack_file *file, const uint8_t *bytes, size_t size)
{
    struct failure *failure = check_sizes(file, size);
    if (!failure && file->page_used) {
        size_t taken = fill_page(file, bytes, size);
        bytes += taken;
        size -= taken;
        if (file->page_used == PAGE)
            failure = write_page(file);
    }
    size_t whole = size / PAGE * PAGE;
    if (!failure && whole)
        failure = write_pages(file, bytes, whole, file->size);
    file->size += whole;
    if (!failure && size > whole)
        fill_page(file, bytes + whole, size - whole);
    return failure;
}

struct failure *unpack_file_finish(struct unpack_file *file, struct unpacked *unpacked, int *fd)
{
    struct stat stat;
    struct failure *failure = write_page(file);
    if (failure)
        return failure;
    // Or holes at the end would be missing.
    if (ftruncate(file->fd, (off_t)file->size) < 0 || fstat(file->fd, &stat) < 0)
        return explain_write(file);
    unpacked->size = file->size;
    unpacked->on_disk = (uint64_t)stat.st_blocks * 512;
    *fd = file->fd;
    file->fd = -1;
    return NULL;
}
