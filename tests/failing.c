// Linked into the program in the place of some functions of the C library (ld's --wrap), it lets
// one call fail. By the environment:
//
//   FAIL_AT=N    the Nth call that is counted, from 1 on; 0: none, and their number goes to
//   standard
//                error as "calls N"
//   FAIL_EACH=N  of each place that calls, only the first N calls count; default: all
//   FAIL_CUT=F   the file F is cut to half when it has been mapped
//
// The names with 64 are those that meson has compiled (_FILE_OFFSET_BITS).
//
// Counted are the calls of the program's own code, what it gets for jansson among them, not what
// other libraries do for themselves.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PLACES_MAX = 4096
};

static struct {
    const void *at;
    unsigned long calls;
} places[PLACES_MAX];
static unsigned long calls, fail_at, fail_each;

static unsigned long number(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : otherwise;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
int __real_vasprintf(char **text, const char *format, va_list list);
FILE *__real_open_memstream(char **text, size_t *size);
FILE *__real_fdopen(int fd, const char *mode);
int __real_open64(const char *path, int flags, ...);
int __real_fstat64(int fd, struct stat *stat);
void *__real_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset);

static bool is_counted(const void *at)
{
    size_t i = 0;
    while (i < PLACES_MAX && places[i].at && places[i].at != at)
        i++;
    if (i == PLACES_MAX)
        abort();
    places[i].at = at;
    return places[i].calls++ < fail_each;
}

// For a debugger: bt shows the call that fails.
static void __attribute__((noinline)) fail_here(void)
{
    __asm__ volatile("");
}

static bool fails(const void *at)
{
    bool failing = is_counted(at) && ++calls == fail_at;
    if (failing)
        fail_here();
    return failing;
}

#define FAILS fails(__builtin_return_address(0))

void *__wrap_malloc(size_t size)
{
    return FAILS ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return FAILS ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return FAILS ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
    return FAILS ? NULL : __real_reallocarray(old, count, size);
}

char *__wrap_strdup(const char *text)
{
    return FAILS ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
    return FAILS ? NULL : __real_strndup(text, size);
}

int __wrap_vasprintf(char **text, const char *format, va_list list)
{
    return FAILS ? -1 : __real_vasprintf(text, format, list);
}

int __wrap_asprintf(char **text, const char *format, ...)
{
    if (FAILS)
        return -1;
    va_list list;
    va_start(list, format);
    int length = __real_vasprintf(text, format, list);
    va_end(list);
    return length;
}

FILE *__wrap_open_memstream(char **text, size_t *size)
{
    return FAILS ? NULL : __real_open_memstream(text, size);
}

FILE *__wrap_fdopen(int fd, const char *mode)
{
    return FAILS ? NULL : __real_fdopen(fd, mode);
}

int __wrap_open64(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    int mode = flags & O_CREAT ? va_arg(list, int) : 0;
    va_end(list);
    if (!FAILS)
        return __real_open64(path, flags, mode);
    errno = EIO;
    return -1;
}

int __wrap_fstat64(int fd, struct stat *stat)
{
    if (!FAILS)
        return __real_fstat64(fd, stat);
    errno = EIO;
    return -1;
}

void *__wrap_mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (FAILS) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    const char *cut = getenv("FAIL_CUT");
    void *map = __real_mmap64(at, size, protection, flags, fd, offset);
    if (cut && fd >= 0)
        (void)!truncate(cut, (off_t)size / 2);
    return map;
}

static void __attribute__((constructor)) start(void)
{
    fail_at = number("FAIL_AT", 0);
    fail_each = number("FAIL_EACH", (unsigned long)-1);
}

static void __attribute__((destructor)) end(void)
{
    if (!fail_at && getenv("FAIL_AT"))
        fprintf(stderr, "calls %lu\n", calls);
}
