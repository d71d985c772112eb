// Cores that are packed, made by the very programs that pack cores: whole ones, damaged ones, and
// what must not be unpacked. That they are no real cores does not matter here; test_real_unpack.c
// has real ones.
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fakecore.h"
#include "scratch.h"
#include "unpack.h"

enum {
    PAGE = 4096,
    PLAIN_SIZE = (3 << 19) + 1234
};

static uint8_t plain[PLAIN_SIZE];

// ---- What is packed, and by what

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

// Pages of noise, of text and of nothing, a long hole among them.
static void make_plain(void)
{
    uint64_t state = 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < PLAIN_SIZE; i++) {
        size_t page = i / PAGE;
        if (page % 4 == 1 || (page >= 128 && page < 256))
            continue;
        plain[i] = page % 4 == 2 ? (uint8_t)('a' + i % 23) : (uint8_t)random_next(&state);
    }
    memcpy(plain,
           "\x7f"
           "ELF",
           4);
    write_file("plain", plain, PLAIN_SIZE);
}

static void __attribute__((format(printf, 1, 2))) shell(const char *format, ...)
{
    char command[4000];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof(command), format, list);
    va_end(list);
    cr_assert_eq(system(command), 0, "%s", command);
}

#define PYTHON_ZIP                                                                                    \
    "python3 -c 'import sys, zipfile; z = zipfile.ZipFile(\"packed\", \"w\", zipfile.ZIP_DEFLATED); " \
    "z.write(sys.argv[1]); z.close()' %s"
#define MAKE_CRASH FIXTURES "/make-crash %s packed"

static const struct format {
    const char *layers;  // "zstd tar": from the outside in
    const char *command; // packs the file %s into the file `packed`
    bool checked;        // a sum shows any change
} formats[] = {
    {"zstd", "zstd -qc %s >packed", true},
    {"lz4", "lz4 -qc -B4 %s >packed", true},
    {"lz4", "lz4 -qc -BD -B5 -BX %s >packed", true},
    {"xz", "xz -1c %s >packed", true},
    {"gzip", "gzip -c %s >packed", true},
    {"bzip2", "bzip2 -1c %s >packed", true},
    {"zip", PYTHON_ZIP, true},
    {"apport gzip", MAKE_CRASH, true},
    {"tar", "tar -cf packed %s", false},
    {"tar", "tar -cSf packed %s", false},
    {"gzip tar", "tar -czf packed %s", true},
    {"zstd apport gzip", FIXTURES "/make-crash %s crash && zstd -qc crash >packed", true},
};

static void pack(const struct format *format, const char *file)
{
    char command[1000];
    snprintf(command, sizeof(command), format->command, file);
    shell("%s", command);
}

static uint8_t *read_packed(size_t *size)
{
    struct stat stat;
    int fd = open("packed", O_RDONLY);
    cr_assert(fd >= 0 && fstat(fd, &stat) == 0);
    uint8_t *bytes = malloc((size_t)stat.st_size);
    cr_assert_eq(read(fd, bytes, (size_t)stat.st_size), stat.st_size);
    close(fd);
    *size = (size_t)stat.st_size;
    return bytes;
}

// ---- What comes of it

static bool tmpfile_fails; // as on a file system that knows no O_TMPFILE

// Instead of libc's, for the library that is tested.
int open64(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, int) : 0;
    va_end(list);
    if (tmpfile_fails && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

static void enter(void)
{
    fakecore_enter_scratch();
    setenv("TMPDIR", "/tmp", 1);
    make_plain();
}

TestSuite(unpack, .init = enter, .fini = fakecore_leave_scratch, .timeout = 100);

static struct unpacked *open_path(const char *path, const struct unpack_options *options, int *fd)
{
    struct unpacked *unpacked = NULL;
    struct failure *failure = unpack_open(path, options, fd, &unpacked);
    cr_assert_null(failure, "%s", failure ? failure_text(failure) : "");
    return unpacked;
}

static void expect_failure(const char *path, const struct unpack_options *options,
                           enum failure_kind kind, const char *text)
{
    struct unpacked *unpacked = NULL;
    int fd = -1;
    struct failure *failure = unpack_open(path, options, &fd, &unpacked);
    cr_assert_not_null(failure, "%s opens", path);
    cr_expect_eq(failure_kind(failure), kind, "%s: %d", failure_text(failure),
                 failure_kind(failure));
    cr_expect_not_null(strstr(failure_text(failure), text), "%s", failure_text(failure));
    cr_expect_eq(strncmp(failure_text(failure), path, strlen(path)), 0, "%s",
                 failure_text(failure));
    cr_expect_eq(fd, -1);
    cr_expect_null(unpacked);
    failure_destroy(failure);
}

static void expect_layers(const struct unpacked *unpacked, const char *expected)
{
    char layers[100] = "";
    for (size_t i = 0; i < unpacked->layer_count; i++)
        snprintf(layers + strlen(layers), sizeof(layers) - strlen(layers), "%s%s", i ? " " : "",
                 unpacked->layers[i]);
    cr_expect_str_eq(layers, expected);
}

// Is the file `size` bytes, and the beginning of `expected`?
static bool is_beginning(int fd, const uint8_t *expected, uint64_t size)
{
    struct stat stat;
    if (fstat(fd, &stat) < 0 || (uint64_t)stat.st_size != size)
        return false;
    uint8_t *bytes = malloc(size + 1);
    bool same = pread(fd, bytes, size + 1, 0) == (ssize_t)size && !memcmp(bytes, expected, size);
    free(bytes);
    return same;
}

static void expect_whole(const char *path, const char *layers)
{
    int fd;
    struct unpacked *unpacked = open_path(path, NULL, &fd);
    cr_assert_not_null(unpacked, "%s is not unpacked", path);
    expect_layers(unpacked, layers);
    cr_expect_null(unpacked->damage, "%s: %s", layers, unpacked->damage);
    cr_expect_eq(unpacked->size, PLAIN_SIZE, "%s", layers);
    cr_expect(is_beginning(fd, plain, PLAIN_SIZE), "%s", layers);
    unpacked_destroy(unpacked);
    close(fd);
}

static unsigned count_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 100; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

// ---- Whole ones

Test(unpack, plain_file_lies_where_it_lies)
{
    int fd;
    struct stat there, here;
    cr_expect_null(open_path("plain", NULL, &fd));
    cr_assert(stat("plain", &there) == 0 && fstat(fd, &here) == 0);
    cr_expect_eq(there.st_ino, here.st_ino);
    close(fd);
}

Test(unpack, every_format)
{
    unsigned before = count_descriptors();
    for (size_t i = 0; i < LENGTH(formats); i++) {
        pack(&formats[i], "plain");
        expect_whole("packed", formats[i].layers);
    }
    cr_expect_eq(count_descriptors(), before, "descriptors are lost");
}

// The name says nothing.
Test(unpack, content_not_name)
{
    shell("zstd -qc plain >core.gz");
    expect_whole("core.gz", "zstd");
}

static void expect_sparse_and_nameless(void)
{
    int fd;
    struct stat stat;
    struct unpacked *unpacked = open_path("packed", NULL, &fd);
    cr_assert_eq(fstat(fd, &stat), 0);
    cr_expect_eq(stat.st_nlink, 0, "it has a name");
    cr_expect_eq(stat.st_mode & 0777, 0600);
    // A quarter of two thirds and all of one third are zeroes.
    cr_expect_leq(stat.st_blocks * 512, PLAIN_SIZE / 2 + 64 * 1024);
    cr_expect_eq(unpacked->on_disk, (uint64_t)stat.st_blocks * 512);
    cr_expect_str_eq(unpacked->directory, "/tmp");
    cr_expect(is_beginning(fd, plain, PLAIN_SIZE));
    unpacked_destroy(unpacked);
    close(fd);
}

Test(unpack, sparse_and_nameless)
{
    shell("zstd -qc plain >packed");
    expect_sparse_and_nameless();
    tmpfile_fails = true;
    expect_sparse_and_nameless();
}

// What ends within a page, at its end, in zeroes.
Test(unpack, sizes)
{
    static const size_t sizes[] = {4,        PAGE - 1, PAGE,          PAGE + 1,
                                   2 * PAGE, 9000,     255 << 12,     (300 << 12) + 5,
                                   1 << 20,  400000,   PLAIN_SIZE - 1};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        int fd;
        shell("head -c %zu plain | lz4 -qc >packed", sizes[i]);
        struct unpacked *unpacked = open_path("packed", NULL, &fd);
        cr_expect(is_beginning(fd, plain, sizes[i]), "%zu", sizes[i]);
        cr_expect_eq(unpacked->size, sizes[i]);
        unpacked_destroy(unpacked);
        close(fd);
    }
}

Test(unpack, members_of_gzip)
{
    shell("head -c 700000 plain | gzip -c >packed; tail -c +700001 plain | gzip -c >>packed");
    expect_whole("packed", "gzip");
    shell("head -c 10000 /dev/zero >>packed"); // as on a tape
    expect_whole("packed", "gzip");
}

Test(unpack, frames_of_zstd_and_lz4)
{
    shell("head -c 700000 plain | zstd -qc >packed; tail -c +700001 plain | zstd -qc >>packed");
    expect_whole("packed", "zstd");
    shell("head -c 700000 plain | lz4 -qc >packed; tail -c +700001 plain | lz4 -qc >>packed");
    expect_whole("packed", "lz4");
}

Test(unpack, directory_in_an_archive)
{
    shell("mkdir -p d && cp plain d/core && tar -czf packed d && rm -r d");
    expect_whole("packed", "gzip tar");
}

// ---- Pipes

Test(unpack, fifo)
{
    for (size_t i = 0; i < 2; i++) {
        int fd;
        cr_assert_eq(mkfifo("fifo", 0600), 0);
        // In small pieces, and not at once.
        shell("(sleep 0.2; %s plain | dd bs=100 count=3; %s plain | tail -c +301) 2>/dev/null "
              ">fifo &",
              i ? "zstd -qc" : "cat", i ? "zstd -qc" : "cat");
        struct unpacked *unpacked = open_path("fifo", NULL, &fd);
        cr_assert_not_null(unpacked);
        cr_expect(unpacked->piped);
        cr_expect_eq(unpacked->layer_count, i);
        cr_expect(is_beginning(fd, plain, PLAIN_SIZE));
        cr_expect_eq(unpacked->packed_size == PLAIN_SIZE, i == 0);
        unpacked_destroy(unpacked);
        close(fd);
        unlink("fifo");
    }
}

static void set_input(const char *path, off_t offset)
{
    int fd = open(path, O_RDONLY);
    cr_assert(fd >= 0 && dup2(fd, STDIN_FILENO) == 0 && lseek(0, offset, SEEK_SET) == offset);
    close(fd);
}

Test(unpack, standard_input)
{
    int fd;
    struct stat there, here;
    set_input("plain", 0);
    cr_expect_null(open_path("-", NULL, &fd), "a file needs no unpacking");
    cr_assert(stat("plain", &there) == 0 && fstat(fd, &here) == 0);
    cr_expect_eq(there.st_ino, here.st_ino);
    close(fd);
    shell("gzip -c plain >packed; (head -c 77 /dev/zero; cat plain) >behind");
    set_input("packed", 0);
    expect_whole("-", "gzip");
    set_input("behind", 77);
    expect_whole("-", "");
    close(STDIN_FILENO);
    expect_failure("-", NULL, FAILURE_IO, "cannot open the core: Bad file descriptor");
}

Test(unpack, terminal)
{
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0)
        cr_skip_test("no pseudo terminals");
    expect_failure(ptsname(terminal), NULL, FAILURE_IO, "a terminal, not a core");
    close(terminal);
}

// ---- Damage

// Either a failure with a sentence, or what came before it and why there is no more. Without a
// word about damage it must be all. Gives how much there was.
static uint64_t expect_damage(const struct format *format, size_t at)
{
    struct unpacked *unpacked = NULL;
    int fd = -1;
    struct failure *failure = unpack_open("packed", NULL, &fd, &unpacked);
    if (failure) {
        cr_expect(failure_kind(failure) == FAILURE_DAMAGED ||
                      failure_kind(failure) == FAILURE_NOT_A_CORE,
                  "%s at %zu: %s", format->command, at, failure_text(failure));
        failure_destroy(failure);
        return 0;
    }
    if (!unpacked) { // no longer recognized
        close(fd);
        return 0;
    }
    uint64_t size = unpacked->size;
    if (!unpacked->damage)
        cr_expect(size == PLAIN_SIZE && is_beginning(fd, plain, size), "%s at %zu: not told",
                  format->command, at);
    else
        cr_expect(*unpacked->damage, "%s at %zu", format->command, at);
    cr_expect_leq(unpacked->damage_at, unpacked->packed_size);
    unpacked_destroy(unpacked);
    if (!lseek(fd, 0, SEEK_CUR))
        close(fd);
    return size;
}

Test(unpack, truncated)
{
    for (size_t i = 0; i < LENGTH(formats); i++) {
        size_t size, step;
        pack(&formats[i], "plain");
        uint8_t *packed = read_packed(&size);
        step = size / 20;
        for (size_t at = 1; at < size; at += at < 12 || at > size - 12 ? 1 : step) {
            if (at > 12 && at < size - 12 && at + step > size - 12)
                at = size - 12;
            write_file("packed", packed, at);
            uint64_t kept = expect_damage(&formats[i], at);
            // The last buffer of the decoder is lost; lz4 and bzip2 have blocks.
            if (at > size / 10 * 9)
                cr_expect_geq(kept, PLAIN_SIZE / 2, "%s at %zu: %ju", formats[i].command, at,
                              (uintmax_t)kept);
        }
        free(packed);
    }
}

// What came before a cut is what was packed, and the offset is that of the cut.
Test(unpack, truncated_contents)
{
    for (size_t i = 0; i < LENGTH(formats); i++) {
        size_t size;
        int fd;
        pack(&formats[i], "plain");
        uint8_t *packed = read_packed(&size);
        write_file("packed", packed, size / 10 * 9);
        struct unpacked *unpacked = open_path("packed", NULL, &fd);
        cr_assert_not_null(unpacked->damage, "%s", formats[i].command);
        cr_expect(is_beginning(fd, plain, unpacked->size), "%s", formats[i].command);
        cr_expect_geq(unpacked->damage_at, unpacked->packed_size / 2, "%s", formats[i].command);
        unpacked_destroy(unpacked);
        close(fd);
        free(packed);
    }
}

Test(unpack, flipped)
{
    for (size_t i = 0; i < LENGTH(formats); i++) {
        size_t size;
        if (!formats[i].checked)
            continue;
        pack(&formats[i], "plain");
        uint8_t *packed = read_packed(&size);
        for (size_t n = 0; n < 60; n++) {
            size_t at = n < 20 ? n : n < 40 ? size * (n - 20) / 20 : size - (60 - n);
            packed[at] ^= (uint8_t)(1 << n % 8);
            write_file("packed", packed, size);
            expect_damage(&formats[i], at);
            packed[at] ^= (uint8_t)(1 << n % 8);
        }
        free(packed);
    }
}

Test(unpack, damage_words)
{
    int fd;
    shell("gzip -c plain >whole; head -c -3 whole >packed");
    struct unpacked *unpacked = open_path("packed", NULL, &fd);
    cr_expect_str_eq(unpacked->damage, "truncated gzip input");
    cr_expect_eq(unpacked->damage_at, unpacked->packed_size);
    cr_expect_eq(unpacked->size, PLAIN_SIZE);
    unpacked_destroy(unpacked);
    close(fd);
    shell(FIXTURES "/make-crash plain crash");
    shell(
        "python3 -c 'd = open(\"crash\", \"rb\").read(); at = d.index(b\"\\nCoreDump:\") + 300000; "
        "open(\"packed\", \"wb\").write(d[:at] + b\"!\" + d[at + 1:])'");
    unpacked = open_path("packed", NULL, &fd);
    cr_assert_not_null(unpacked->damage);
    cr_expect_str_eq(unpacked->damage, "line 14 is no base64");
    cr_expect_geq(unpacked->size, 200000);
    cr_expect(is_beginning(fd, plain, unpacked->size));
    unpacked_destroy(unpacked);
    close(fd);
}

// ---- Bombs, and directories that will not do

#define GIB (UINT64_C(1) << 30)

static void make_bomb(void)
{
    shell("(printf '\\177ELF'; head -c %ju /dev/zero) | zstd -qc >packed", (uintmax_t)GIB);
}

Test(unpack, zeroes_take_no_room)
{
    int fd;
    make_bomb();
    struct unpacked *unpacked = open_path("packed", NULL, &fd);
    cr_expect_eq(unpacked->size, GIB + 4);
    cr_expect_lt(unpacked->on_disk, 64 * 1024, "%ju", (uintmax_t)unpacked->on_disk);
    unpacked_destroy(unpacked);
    close(fd);
}

Test(unpack, limit)
{
    int fd;
    make_bomb();
    expect_failure("packed", &(struct unpack_options){.limit = 1 << 20}, FAILURE_UNSUPPORTED,
                   "unpacks to more than 1048576 bytes; if it is the core of such a large process, "
                   "allow more with --max-unpacked=SIZE");
    expect_failure("packed", &(struct unpack_options){.limit = GIB + 3}, FAILURE_UNSUPPORTED,
                   "unpacks to more than");
    unpacked_destroy(open_path("packed", &(struct unpack_options){.limit = GIB + 4}, &fd));
    close(fd);
}

static bool is_tmpfs(const char *path)
{
    struct statfs there;
    return statfs(path, &there) == 0 && there.f_type == TMPFS_MAGIC;
}

Test(unpack, no_tmpfs_unless_told)
{
    int fd;
    if (!is_tmpfs("/dev/shm") || is_tmpfs("/var/tmp"))
        cr_skip_test("/dev/shm is no tmpfs, or /var/tmp is one");
    setenv("TMPDIR", "/dev/shm", 1);
    shell("zstd -qc plain >packed");
    struct unpacked *unpacked = open_path("packed", NULL, &fd);
    cr_expect_str_eq(unpacked->directory, "/var/tmp");
    cr_assert_eq(unpacked->note_count, 1);
    cr_expect_str_eq(unpacked->notes[0], "/dev/shm: a tmpfs, which is memory");
    unpacked_destroy(unpacked);
    close(fd);
    unpacked = open_path("packed", &(struct unpack_options){.directory = "/dev/shm"}, &fd);
    cr_expect_str_eq(unpacked->directory, "/dev/shm");
    cr_expect_eq(unpacked->note_count, 0);
    cr_expect(is_beginning(fd, plain, PLAIN_SIZE));
    unpacked_destroy(unpacked);
    close(fd);
}

// A tmpfs for this process alone.
static void mount_tmpfs(const char *path, const char *options)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", path, "tmpfs", 0, options) < 0)
        cr_skip_test("nothing can be mounted: %s", strerror(errno));
}

Test(unpack, nothing_but_tmpfs)
{
    mount_tmpfs("/var/tmp", NULL);
    shell("zstd -qc plain >packed");
    setenv("TMPDIR", "/var/tmp", 1);
    expect_failure("packed", NULL, FAILURE_IO,
                   "packed: it cannot be unpacked in /var/tmp: a tmpfs, which is memory; choose a "
                   "directory with --tmpdir=DIR");
    unsetenv("TMPDIR");
    expect_failure("packed", NULL, FAILURE_IO, "/var/tmp: a tmpfs");
}

Test(unpack, no_such_directory)
{
    int fd;
    shell("zstd -qc plain >packed");
    expect_failure("packed", &(struct unpack_options){.directory = "/nonexistent"}, FAILURE_IO,
                   "/nonexistent: no file can be made there: No such file or directory");
    setenv("TMPDIR", "/nonexistent", 1);
    struct unpacked *unpacked = open_path("packed", NULL, &fd);
    cr_expect_eq(unpacked->note_count, 1);
    cr_expect_str_eq(unpacked->directory, "/var/tmp");
    unpacked_destroy(unpacked);
    close(fd);
}

Test(unpack, no_room)
{
    const struct unpack_options options = {.directory = "small"};
    cr_assert_eq(mkdir("small", 0700), 0);
    mount_tmpfs("small", "size=24M");
    // More than is free even before it is unpacked.
    shell("(printf '\\177ELF'; head -c 12000000 /dev/urandom) | gzip -1c >packed");
    expect_failure("packed", &options, FAILURE_IO,
                   "small: 25165824 bytes free, but the plain core takes at least 9");
    // Only found out on the way.
    shell("(printf '\\177ELF'; yes) | head -c 30000000 | gzip -c >packed");
    expect_failure("packed", &options, FAILURE_IO, "no room in small for the plain core: ");
    struct statfs there;
    cr_expect(statfs("small", &there) == 0 && there.f_bfree == there.f_blocks, "room is lost");
    umount("small");
}

Test(unpack, largest_file)
{
    shell("zstd -qc plain >packed");
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, RLIM_INFINITY}), 0);
    expect_failure("packed", NULL, FAILURE_IO,
                   "unpacks to more than 1048576 bytes, which no file may have here; raise the "
                   "limit (ulimit -f)");
}

// ---- What is no core

Test(unpack, no_core_in_it)
{
    static const struct {
        const char *command;
        enum failure_kind kind;
        const char *text;
    } rows[] = {
        {"echo hello | zstd -qc >packed", FAILURE_NOT_A_CORE,
         "packed: what is packed in it by zstd is text, not an ELF core; pass the core"},
        {"printf '\\1\\2\\3\\4\\5' | xz -c >packed", FAILURE_NOT_A_CORE,
         "what is packed in it by xz is something that begins with 01 02 03 04, not an ELF core"},
        {"gzip -c </dev/null >packed", FAILURE_NOT_A_CORE,
         "what is packed in it by gzip is nothing, not an ELF core"},
        {"zstd -qc </dev/null >packed", FAILURE_NOT_A_CORE,
         "what is packed in it by zstd is nothing, not an ELF core"},
        {"head -c 900 plain >a; cp a b; tar -cf packed a b", FAILURE_NOT_A_CORE,
         "packed: a tar archive of several files, not a core; pass the core itself, or pipe it "
         "here (- is standard input)"},
        {"python3 -c 'import zipfile; z = zipfile.ZipFile(\"packed\", \"w\"); z.write(\"plain\", "
         "\"a\"); z.write(\"plain\", \"b\"); z.close()'",
         FAILURE_NOT_A_CORE, "a zip archive of several files"},
        {"echo hello >a; tar -czf packed a", FAILURE_NOT_A_CORE,
         "what is packed in it by tar is text"},
        {"(echo 'ProblemType: Crash'; echo 'Signal: 6') >packed", FAILURE_NOT_A_CORE,
         "an apport report without a CoreDump, not a core"},
        {"cat plain | gzip | gzip | gzip | gzip | gzip >packed", FAILURE_NOT_A_CORE,
         "packed more than 4 times over"},
        {"printf '\\50\\265\\57\\375' >packed", FAILURE_DAMAGED, "nothing of it can be unpacked"},
        {"printf 'BZh9....' >packed", FAILURE_DAMAGED, "nothing of it can be unpacked"},
    };
    unsigned before = count_descriptors();
    for (size_t i = 0; i < LENGTH(rows); i++) {
        shell("%s", rows[i].command);
        expect_failure("packed", NULL, rows[i].kind, rows[i].text);
    }
    cr_expect_eq(count_descriptors(), before, "descriptors are lost");
}

Test(unpack, empty_pipe)
{
    cr_assert_eq(mkfifo("fifo", 0600), 0);
    shell(": >fifo &");
    expect_failure("fifo", NULL, FAILURE_IO, "fifo: empty file (0 bytes)");
    shell("echo hello >fifo &");
    expect_failure("fifo", NULL, FAILURE_NOT_A_CORE, "fifo: what came is text, not an ELF core");
}
