// The ELF core reader on cores made to order: whole ones, cut and damaged ones, ones of many
// segments, and what is no core. Single notes: test_core_notes.c.
#include "common.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core.h"
#include "fakecore.h"
#include "sample_core.h"
#include "scratch.h"

TestSuite(core, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

static void assert_failure(const char *path, enum failure_kind kind, const char *text)
{
    struct core *core = NULL;
    struct failure *failure = core_open(path, &core);
    cr_assert_not_null(failure, "%s opens", path);
    cr_assert_str_eq(failure_text(failure), text);
    cr_assert_eq(failure_kind(failure), kind, "%s", text);
    cr_assert_null(core);
    failure_destroy(failure);
}

static void assert_image_failure(struct fakecore_file_image *image, const char *text)
{
    fakecore_write(image, "core.1234");
    fakecore_free(image);
    assert_failure("core.1234", FAILURE_NOT_A_CORE, text);
}

// ---- What a whole core says

static void assert_whole(const struct core *core)
{
    cr_assert_str_eq(core->path, "core.1234");
    cr_assert_str_eq(core->architecture, "x86_64");
    cr_assert_eq(core->format.word_size, 8);
    cr_assert_not(core->format.big_endian);
    cr_assert(core->has_prpsinfo);
    cr_assert_eq(core->pid, 1234);
    cr_assert_str_eq(core->command, "python2.7 leak.py");
    cr_assert_eq(core->signal, 6);
    cr_assert_eq(core->bytes_missing, 0);
    cr_assert(core->complete);
}

static void assert_whole_notes(const struct core *core)
{
    uint64_t value;
    cr_assert_eq(core->thread_count, 3);
    cr_assert_eq(core->threads[0].tid, 1234);
    cr_assert_eq(core->threads[0].signal, 6);
    cr_assert_eq(core->threads[2].tid, 1236);
    cr_assert_eq(core->threads[2].registers_size, 27 * 8);
    cr_assert_eq(format_word(core->format, core->threads[2].registers + 8), fakecore_register(1));
    cr_assert_eq(core->auxv_count, 3);
    cr_assert(core_find_auxv(core, AT_ENTRY, &value));
    cr_assert_eq(value, 0x555500001000);
    cr_assert_eq(core->mapping_count, 3);
    for (size_t i = 0; i < whole.file_count; i++) {
        cr_assert_eq(core->mappings[i].start, whole.files[i].start);
        cr_assert_eq(core->mappings[i].end, whole.files[i].end);
        cr_assert_eq(core->mappings[i].file_offset, whole.files[i].offset);
        cr_assert_str_eq(core->mappings[i].path, whole.files[i].path);
    }
}

static void assert_whole_segments(const struct core *core)
{
    cr_assert_eq(core->segment_count, 3);
    cr_assert_eq(core->segments[0].start, 0x555500000000);
    cr_assert_eq(core->segments[0].memory_size, 0x1000);
    cr_assert_eq(core->segments[0].saved_size, 4);
    cr_assert_eq(core->segments[0].flags, PF_R | PF_X);
    cr_assert_eq(memcmp(core->segments[0].bytes, "text", 4), 0);
    cr_assert_eq(core->segments[1].saved_size, 16);
    cr_assert_eq(core->segments[1].memory_size, 16);
    cr_assert_eq(memcmp(core->segments[1].bytes, "0123456789abcdef", 16), 0);
    cr_assert_eq(core->segments[2].memory_size, 0x2000);
    cr_assert_eq(core->segments[2].saved_size, 0);
    cr_assert_eq(core->segments[2].missing, 0);
    cr_assert_null(core->segments[2].bytes);
}

Test(core, kernel_core)
{
    struct core *core = open_spec(&whole);
    assert_whole(core);
    assert_whole_notes(core);
    assert_whole_segments(core);
    core_close(core);
}

Test(core, gcore_has_notes_last_unaligned_segments_and_file_offsets_in_bytes)
{
    struct fakecore spec = whole;
    spec.notes_last = true;
    spec.unaligned = true;
    spec.file_page_size = 1;
    struct core *core = open_spec(&spec);
    assert_whole(core);
    assert_whole_notes(core);
    assert_whole_segments(core);
    core_close(core);
}

Test(core, one_note_segment_for_each_note)
{
    struct fakecore spec = whole;
    spec.one_segment_a_note = true;
    struct core *core = open_spec(&spec);
    assert_whole(core);
    assert_whole_notes(core);
    core_close(core);
}

Test(core, architectures)
{
    static const struct {
        unsigned machine;
        uint8_t word_size;
        bool big_endian;
        const char *name;
        size_t registers_size;
    } rows[] = {
        {EM_X86_64, 8, false, "x86_64", 216},   {EM_386, 4, false, "i386", 68},
        {EM_AARCH64, 8, false, "aarch64", 272}, {EM_ARM, 4, false, "arm", 72},
        {EM_AARCH64, 8, true, "aarch64", 272},  {EM_ARM, 4, true, "arm", 72},
        {EM_PPC64, 8, true, "ppc64", 384},      {EM_PPC, 4, true, "ppc", 192},
        {EM_S390, 8, true, "s390x", 216},       {EM_SPARCV9, 8, true, "machine 43", 0},
        {EM_MIPS, 4, true, "machine 8", 0},     {EM_AARCH64, 4, false, "machine 183", 0},
    };
    static const struct fakecore_file low[] = {{0x8048000, 0x8049000, 0x2000, "/bin/python"}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct fakecore spec = whole;
        spec.machine = rows[i].machine;
        spec.word_size = rows[i].word_size;
        spec.big_endian = rows[i].big_endian;
        spec.files = low;
        spec.file_count = LENGTH(low);
        struct core *core = open_spec(&spec);
        const char *name = rows[i].name;
        cr_assert_str_eq(core->architecture, name);
        cr_assert_eq(core->format.word_size, rows[i].word_size, "%s", name);
        cr_assert_eq(core->format.big_endian, rows[i].big_endian, "%s", name);
        cr_assert_eq(core->pid, 1234, "%s", name);
        cr_assert_str_eq(core->command, "python2.7 leak.py", "%s", name);
        cr_assert_eq(core->signal, 6, "%s", name);
        cr_assert_eq(core->threads[0].tid, 1234, "%s", name);
        cr_assert_eq(core->threads[0].signal, 6, "%s", name);
        cr_assert_eq(core->threads[0].registers_size, rows[i].registers_size, "%s", name);
        if (rows[i].registers_size)
            cr_assert_eq(
                format_word(core->format, core->threads[0].registers + 3 * rows[i].word_size),
                fakecore_register(3), "%s", name);
        cr_assert_eq(core->auxv[1].value, 4096, "%s", name);
        cr_assert_eq(core->mappings[0].start, 0x8048000, "%s", name);
        cr_assert_eq(core->mappings[0].file_offset, 0x2000, "%s", name);
        cr_assert_str_eq(core->mappings[0].path, "/bin/python", "%s", name);
        core_close(core);
    }
}

// ---- Cut and damaged cores

Test(core, segment_cut_by_the_end_of_the_file)
{
    struct fakecore_file_image image = fakecore_build(&whole);
    fakecore_cut(&image, 2 * 4096 + 10); // each begins a page
    struct core *core = open_image(&image);
    cr_assert_eq(core->segments[1].saved_size, 10);
    cr_assert_eq(core->segments[1].missing, 6);
    cr_assert_eq(core->segments[1].memory_size, 16);
    cr_assert_eq(core->bytes_missing, 6);
    cr_assert_not(core->complete);
    assert_whole_notes(core);
    core_close(core);
}

Test(core, segments_behind_the_end_of_the_file)
{
    struct fakecore_file_image image = fakecore_build(&whole);
    fakecore_cut(&image, image.notes_end);
    struct core *core = open_image(&image);
    cr_assert_eq(core->segments[0].saved_size, 0);
    cr_assert_eq(core->segments[0].missing, 4);
    cr_assert_null(core->segments[0].bytes);
    cr_assert_eq(core->bytes_missing, 20);
    core_close(core);
}

Test(core, cut_gcore_has_no_notes)
{
    struct fakecore spec = whole;
    spec.notes_last = true;
    spec.unaligned = true;
    struct fakecore_file_image image = fakecore_build(&spec);
    fakecore_cut(&image, image.notes - 8);
    struct core *core = open_image(&image);
    cr_assert_eq(core->thread_count, 0);
    cr_assert_eq(core->mapping_count, 0);
    cr_assert_eq(core->segment_count, 3);
    cr_assert_gt(core->bytes_missing, 0);
    cr_assert_not(core->complete);
    core_close(core);
}

Test(core, whole_notes_before_the_cut_are_read)
{
    struct fakecore_file_image image = fakecore_build(&whole);
    fakecore_cut(&image, image.notes_end - 8); // within the last thread's
    struct core *core = open_image(&image);
    cr_assert_eq(core->thread_count, 2);
    cr_assert_eq(core->mapping_count, 3);
    cr_assert_eq(core->bytes_missing, 8 + 20);
    cr_assert_not(core->complete);
    core_close(core);
}

Test(core, cut_at_every_length_up_to_the_data)
{
    for (int last = 0; last < 2; last++) {
        struct fakecore spec = whole;
        spec.notes_last = last;
        spec.unaligned = last;
        struct fakecore_file_image image = fakecore_build(&spec);
        size_t size = image.notes_end;
        fakecore_write(&image, "core.1234");
        fakecore_free(&image);
        for (; size > 0; size--) {
            struct core *core;
            cr_assert_eq(truncate("core.1234", (off_t)size), 0);
            struct failure *failure = core_open("core.1234", &core);
            if (failure)
                cr_assert_eq(failure_kind(failure), FAILURE_NOT_A_CORE, "at %zu", size);
            else
                core_close(core);
            failure_destroy(failure);
        }
    }
}

Test(core, every_byte_of_headers_and_notes_damaged)
{
    struct fakecore_file_image image = fakecore_build(&whole);
    fakecore_cut(&image, image.notes_end + 64);
    for (size_t at = 0; at < image.notes_end; at++) {
        static const uint8_t values[] = {0x00, 0x7f, 0x80, 0xff};
        uint8_t before = image.bytes[at];
        for (size_t i = 0; i < LENGTH(values); i++) {
            struct core *core;
            image.bytes[at] = values[i];
            fakecore_write(&image, "core.1234");
            struct failure *failure = core_open("core.1234", &core);
            if (!failure)
                core_close(core);
            failure_destroy(failure);
        }
        image.bytes[at] = before;
    }
    fakecore_free(&image);
}

Test(core, offset_beyond_everything)
{
    struct fakecore_file_image image = fakecore_build(&whole);
    size_t load = image.headers + 2 * image.header_size; // segments[1]
    fakecore_patch(&image, load + offsetof(Elf64_Phdr, p_offset), 0xfffffffffffffff8, 8);
    struct core *core = open_image(&image);
    cr_assert_eq(core->segments[1].saved_size, 0);
    cr_assert_eq(core->segments[1].missing, 16);
    cr_assert_null(core->segments[1].bytes);
    core_close(core);
}

// Bytes of the file, or addresses, that belong to two segments.
Test(core, segments_that_overlap)
{
    static const struct {
        size_t member;
        uint64_t shift; // from what segments[0] has
        uint64_t bytes;
    } rows[] = {
        {offsetof(Elf64_Phdr, p_offset), 0, 4}, {offsetof(Elf64_Phdr, p_offset), 3, 1},
        {offsetof(Elf64_Phdr, p_offset), 4, 0}, {offsetof(Elf64_Phdr, p_vaddr), 0, 4},
        {offsetof(Elf64_Phdr, p_vaddr), 1, 3},  {offsetof(Elf64_Phdr, p_vaddr), 4, 0},
        {offsetof(Elf64_Phdr, p_vaddr), -8, 4}, {offsetof(Elf64_Phdr, p_vaddr), -16, 0},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct fakecore_file_image image = fakecore_build(&whole);
        size_t first = image.headers + image.header_size + rows[i].member;
        uint64_t value;
        memcpy(&value, image.bytes + first, 8);
        fakecore_patch(&image, first + image.header_size, value + rows[i].shift, 8);
        struct core *core = open_image(&image);
        cr_expect_eq(core->bytes_overlapping, rows[i].bytes, "row %zu: %llu", i,
                     (unsigned long long)core->bytes_overlapping);
        cr_expect_eq(core->complete, rows[i].bytes == 0, "row %zu", i);
        core_close(core);
    }
}

Test(core, missing_bytes_do_not_overflow)
{
    struct fakecore_file_image image = fakecore_build(&whole);
    for (size_t i = 1; i < 3; i++)
        fakecore_patch(&image,
                       image.headers + i * image.header_size + offsetof(Elf64_Phdr, p_filesz),
                       0xfffffffffffffff0, 8);
    struct core *core = open_image(&image);
    cr_assert_eq(core->bytes_missing, UINT64_MAX);
    cr_assert_eq(core->segments[1].memory_size, 0xfffffffffffffff0, "never less than p_filesz");
    core_close(core);
}

Test(core, header_table_cut)
{
    struct fakecore_file_image image = fakecore_build(&whole);
    fakecore_cut(&image, image.headers_end - 1);
    assert_image_failure(&image,
                         "core.1234: its header table is damaged or cut: 4 program headers "
                         "of 56 bytes at offset 64 promised, 3 there in 287 bytes; copy the "
                         "core again");
}

Test(core, header_table_promises_more_than_the_file_has)
{
    struct fakecore_file_image image = fakecore_build(&whole);
    fakecore_patch(&image, offsetof(Elf64_Ehdr, e_phnum), 0x7fff, 2);
    fakecore_cut(&image, 8192);
    assert_image_failure(&image, "core.1234: its header table is damaged or cut: 32767 program "
                                 "headers of 56 bytes at offset 64 promised, 145 there in 8192 "
                                 "bytes; copy the core again");
}

Test(core, header_size_of_another_class)
{
    struct fakecore_file_image image = fakecore_build(&whole);
    fakecore_patch(&image, offsetof(Elf64_Ehdr, e_phentsize), 32, 2);
    fakecore_cut(&image, 8192);
    assert_image_failure(&image, "core.1234: its header table is damaged or cut: 4 program headers "
                                 "of 32 bytes at offset 64 promised, 0 there in 8192 bytes; copy "
                                 "the core again");
}

Test(core, no_program_headers)
{
    const struct fakecore spec = {0};
    struct fakecore_file_image image = fakecore_build(&spec);
    assert_image_failure(&image,
                         "core.1234: an ELF core without program headers; copy the core again");
}

Test(core, file_header_cut)
{
    struct fakecore_file_image image = fakecore_build(&whole);
    fakecore_cut(&image, 40);
    fakecore_write(&image, "core.1234");
    fakecore_free(&image);
    struct core *core;
    struct failure *failure = core_open("core.1234", &core);
    cr_assert_not_null(failure);
    cr_assert_eq(failure_kind(failure), FAILURE_NOT_A_CORE);
    cr_assert_eq(
        strncmp(failure_text(failure), "core.1234: its ELF header is damaged or cut (40 bytes", 53),
        0, "%s", failure_text(failure));
    failure_destroy(failure);
}

// ---- Many segments

static struct fakecore many_segments(size_t count)
{
    struct fakecore_segment *many = calloc(count, sizeof(*many));
    for (size_t i = 0; i < count; i++)
        many[i] = (struct fakecore_segment){0x10000 + i * 0x2000, "x", 1, 0x1000, 0};
    struct fakecore spec = whole;
    spec.segments = many;
    spec.segment_count = count;
    spec.unaligned = true;
    spec.extended_numbering = true;
    return spec;
}

Test(core, extended_numbering_of_70000_segments)
{
    struct fakecore spec = many_segments(70000);
    struct fakecore_file_image image = fakecore_build(&spec);
    fakecore_write(&image, "core.1234");
    fakecore_free(&image);
    double start = seconds();
    struct core *core = NULL;
    cr_assert_null(core_open("core.1234", &core));
    cr_assert_lt(seconds() - start, 1.0);
    cr_assert_eq(core->segment_count, 70000);
    cr_assert_eq(core->segments[69999].start, 0x10000 + 69999 * 0x2000);
    cr_assert_eq(*core->segments[69999].bytes, 'x');
    cr_assert(core->complete);
    core_close(core);
    free((void *)spec.segments);
}

// The kernel writes the section header that has the number behind the data.
Test(core, extended_numbering_cut_keeps_65535_headers)
{
    struct fakecore spec = many_segments(70000);
    struct fakecore_file_image image = fakecore_build(&spec);
    fakecore_cut(&image, image.size - 64);
    struct core *core = open_image(&image);
    cr_assert_eq(core->segment_count, 65535 - 1, "less the notes'");
    cr_assert_eq(core->bytes_missing, 64);
    cr_assert_not(core->complete);
    core_close(core);
    free((void *)spec.segments);
}

Test(core, note_segments_that_repeat_each_other_end)
{
    struct fakecore spec = many_segments(60000);
    spec.extended_numbering = false;
    struct fakecore_file_image image = fakecore_build(&spec);
    size_t size = image.size / 2;
    for (size_t i = 1; i <= 60000; i++) {
        size_t header = image.headers + i * image.header_size;
        fakecore_patch(&image, header, PT_NOTE, 4);
        fakecore_patch(&image, header + offsetof(Elf64_Phdr, p_offset), image.notes, 8);
        fakecore_patch(&image, header + offsetof(Elf64_Phdr, p_filesz), size - i, 8);
    }
    fakecore_write(&image, "core.1234");
    fakecore_free(&image);
    double start = seconds();
    struct core *core = NULL;
    cr_assert_null(core_open("core.1234", &core));
    cr_assert_lt(seconds() - start, 1.0);
    cr_assert_lt(core->thread_count, 1000, "of 180000: no more note bytes than the file has");
    core_close(core);
    free((void *)spec.segments);
}

// ---- Not a core

Test(core, missing_file)
{
    assert_failure("core.1", FAILURE_IO,
                   "core.1: cannot open the core: No such file or directory; check the name");
}

Test(core, unreadable_file)
{
    write_file("core.1", "x", 1);
    cr_assert_eq(chmod("core.1", 0), 0);
    if (geteuid() == 0 && seteuid(65534) < 0)
        cr_skip_test("root reads everything");
    struct core *core;
    struct failure *failure = core_open("core.1", &core);
    cr_assert_eq(seteuid(getuid()), 0);
    cr_assert_not_null(failure);
    cr_assert_str_eq(failure_text(failure), "core.1: cannot open the core: Permission denied; run "
                                            "this as the core's owner");
    failure_destroy(failure);
}

Test(core, directory)
{
    cr_assert_eq(mkdir("cores", 0700), 0);
    assert_failure("cores", FAILURE_IO, "cores: a directory, not a core; pass the core file in it");
}

Test(core, device)
{
    assert_failure("/dev/null", FAILURE_IO,
                   "/dev/null: neither a regular file nor a pipe (st_mode 020666); save the core "
                   "to a file first");
}

Test(core, empty_file)
{
    write_file("core.1", "", 0);
    assert_failure("core.1", FAILURE_IO,
                   "core.1: empty file (0 bytes), the core was never written; check ulimit -c and "
                   "the free space where it was made");
}

Test(core, text_file)
{
    write_file("notes.txt", "hello", 5);
    assert_failure("notes.txt", FAILURE_NOT_A_CORE,
                   "notes.txt: not an ELF core (5 bytes, the first are 68 65 6c 6c); pass the core "
                   "file first and the executable second");
}

Test(core, shorter_than_a_magic)
{
    write_file("core.1", "\x7f", 1);
    assert_failure("core.1", FAILURE_NOT_A_CORE,
                   "core.1: not an ELF core (1 bytes, the first are 7f); pass the core file first "
                   "and the executable second");
}

// Stored, not compressed: offsets are as good as those in the core.
static void pack(const struct fakecore *spec, size_t lost)
{
    struct fakecore_file_image image = fakecore_build(spec);
    struct stat stat;
    gzFile file = gzopen("core.gz", "wb0");
    cr_assert_eq(gzwrite(file, image.bytes, (unsigned)image.size), (int)image.size);
    cr_assert_eq(gzclose(file), Z_OK);
    fakecore_free(&image);
    cr_assert_eq(lstat("core.gz", &stat), 0);
    cr_assert_eq(truncate("core.gz", stat.st_size - (off_t)lost), 0);
}

static struct core *open_packed(void)
{
    struct core *core = NULL;
    struct failure *failure = core_open("core.gz", &core);
    cr_assert_null(failure, "%s", failure ? failure_text(failure) : "");
    cr_assert_not_null(core->unpacked);
    cr_expect_eq(core->unpacked->size, core->size);
    cr_expect_eq(core->thread_count, 3);
    return core;
}

Test(core, packed)
{
    pack(&whole, 0);
    struct core *core = open_packed();
    cr_expect_str_eq(core->path, "core.gz");
    cr_expect_null(core->unpacked->damage);
    cr_expect(core->complete);
    core_close(core);
    core = open_spec(&whole);
    cr_expect_null(core->unpacked);
    core_close(core);
}

// All of the core is there, but not the sum that proves it.
Test(core, packed_without_its_sum)
{
    pack(&whole, 8);
    struct core *core = open_packed();
    cr_expect_eq(core->bytes_missing, 0);
    cr_expect_not(core->complete);
    cr_expect_str_eq(core->unpacked->damage, "truncated gzip input");
    core_close(core);
}

// A stream that is cut is a core that is cut.
Test(core, packed_and_cut)
{
    const struct fakecore_segment segment = {0x10000, NULL, 300000, 0, 0};
    struct fakecore spec = whole;
    spec.segments = &segment;
    spec.segment_count = 1;
    pack(&spec, 30000);
    struct core *core = open_packed();
    cr_expect_gt(core->bytes_missing, 0);
    cr_expect_eq(core->bytes_missing, core->segments[0].missing);
    cr_expect_eq(core->segments[0].saved_size + core->segments[0].missing, 300000);
    cr_expect_str_eq(core->unpacked->damage, "truncated gzip input");
    core_close(core);
}

Test(core, packed_and_cut_in_its_headers)
{
    pack(&whole, 0);
    cr_assert_eq(truncate("core.gz", 60), 0);
    struct core *core = NULL;
    struct failure *failure = core_open("core.gz", &core);
    cr_assert_not_null(failure);
    const char *begin = "unpacked up to byte 60, then damaged (truncated gzip input): core.gz: ";
    cr_expect_eq(strncmp(failure_text(failure), begin, strlen(begin)), 0, "%s",
                 failure_text(failure));
    failure_destroy(failure);
}

Test(core, other_kinds_of_elf)
{
    static const struct {
        unsigned type;
        const char *text;
    } rows[] = {
        {ET_REL, "core.1234: not an ELF core but an ELF object file (e_type 1); pass the core file "
                 "first and the executable second"},
        {ET_EXEC, "core.1234: not an ELF core but an ELF executable (e_type 2); pass the core file "
                  "first and the executable second"},
        {ET_DYN, "core.1234: not an ELF core but an ELF shared object (e_type 3); pass the core "
                 "file first and the executable second"},
        {9, "core.1234: not an ELF core but an ELF file of an unknown kind (e_type 9); pass the "
            "core file first and the executable second"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct fakecore spec = whole;
        spec.type = rows[i].type;
        struct fakecore_file_image image = fakecore_build(&spec);
        assert_image_failure(&image, rows[i].text);
    }
}

Test(core, x32)
{
    struct fakecore spec = whole;
    spec.word_size = 4;
    struct fakecore_file_image image = fakecore_build(&spec);
    fakecore_write(&image, "core.1234");
    fakecore_free(&image);
    assert_failure("core.1234", FAILURE_UNSUPPORTED,
                   "core.1234: a core of an x32 process (32-bit ELF class on x86-64), which is not "
                   "supported; run the program as x86-64 or i386");
}

Test(core, signal_names)
{
    static const struct {
        int signal;
        const char *name;
    } rows[] = {{1, "SIGHUP"}, {6, "SIGABRT"}, {11, "SIGSEGV"}, {19, "SIGSTOP"}, {31, "SIGSYS"}};
    for (size_t i = 0; i < LENGTH(rows); i++)
        cr_assert_str_eq(core_signal_name(rows[i].signal), rows[i].name);
    cr_assert_null(core_signal_name(0));
    cr_assert_null(core_signal_name(-1));
    cr_assert_null(core_signal_name(32));
}
