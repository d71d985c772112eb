#include "sample_core.h"

#include <criterion/criterion.h>
#include <elf.h>

#include "scratch.h"

static const struct fakecore_thread threads[] = {{1234, 6}, {1235, 0}, {1236, 0}};
static const struct fakecore_auxv auxv[] = {
    {AT_PHDR, 0x555500000040}, {AT_PAGESZ, 4096}, {AT_ENTRY, 0x555500001000}};
static const struct fakecore_file files[] = {
    {0x555500000000, 0x555500001000, 0, "/usr/bin/python2.7"},
    {0x555500001000, 0x555500003000, 0x1000, "/usr/bin/python2.7"},
    {0x7f0000000000, 0x7f0000002000, 0, "/tmp/gone.so (deleted)"},
};
static const struct fakecore_segment segments[] = {
    {0x555500000000, "text", 4, 0x1000, PF_R | PF_X},
    {0x555500004000, "0123456789abcdef", 16, 0, 0},
    {0x7f0000000000, NULL, 0, 0x2000, PF_R},
};

const struct fakecore whole = {
    .segments = segments,
    .segment_count = LENGTH(segments),
    .threads = threads,
    .thread_count = LENGTH(threads),
    .command = "python2.7 leak.py",
    .program = "python2.7",
    .pid = 1234,
    .signal = 6,
    .auxv = auxv,
    .auxv_count = LENGTH(auxv),
    .files = files,
    .file_count = LENGTH(files),
};

struct core *open_image(struct fakecore_file_image *image)
{
    struct core *core = NULL;
    fakecore_write(image, "core.1234");
    fakecore_free(image);
    struct failure *failure = core_open("core.1234", &core);
    cr_assert_null(failure, "%s", failure ? failure_text(failure) : "");
    return core;
}

struct core *open_spec(const struct fakecore *spec)
{
    struct fakecore_file_image image = fakecore_build(spec);
    return open_image(&image);
}
