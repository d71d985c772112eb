// Cores whose lists or objects are damaged: what can be read is told, exit status 1, the loss
// counted. And every run ends.
#include "common.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compare.h"
#include "real.h"

enum {
    HEAD = 32,   // sizeof(PyGC_Head)
    GC_NEXT = 0, // its members (Include/objimpl.h)
    GC_PREV = 8,
    OB_TYPE = 8,  // of the object
    SECONDS = 20, // far more than any of these may take
};

// The objects of the oldest generation in the order of its list.
struct ring {
    uint64_t *heads;
    size_t count;
};

// By following gc_prev from an object that is known to be in it.
static struct ring read_ring(const char *core, uint64_t object)
{
    struct ring ring = {NULL, 0};
    uint64_t start = object - HEAD, at = start;
    do {
        ring.heads = realloc(ring.heads, (ring.count + 1) * sizeof(*ring.heads));
        cr_assert_not_null(ring.heads);
        ring.heads[ring.count++] = at;
        at = real_peek(core, at + GC_NEXT);
        cr_assert_lt(ring.count, 1000000);
    } while (at != start);
    return ring;
}

struct damage {
    struct real_core core;
    const char *path; // of the damaged copy
    json_t *whole;    // the report on the whole core
    struct ring ring; // that of the leaked objects
    uint64_t leaked;  // one of them
};

static struct damage prepare_on(const char *interpreter, const char *name, const char *command)
{
    struct damage damage = {.core = real_make_core(interpreter, "kernel", command)};
    damage.whole = real_report(&damage.core, 0);
    const json_t *items = real_json(damage.whole, "garbage.objects");
    damage.leaked = real_address(json_string_value(json_array_get(items, 0)));
    damage.path = real_copy(damage.core.path, name);
    damage.ring = read_ring(damage.path, damage.leaked);
    return damage;
}

static struct damage prepare(const char *name, const char *command)
{
    return prepare_on("shared", name, command);
}

static void finish(struct damage *damage)
{
    free(damage->ring.heads);
    REAL_COMMAND("rm", "-f", damage->path);
}

static json_t *report_on(const struct damage *damage, int status)
{
    const char *const arguments[] = {"timeout",
                                     real_format("%d", SECONDS),
                                     getenv("PYCORE_GARBAGE"),
                                     "--format=json",
                                     "--limit=0",
                                     damage->path,
                                     damage->core.interpreter,
                                     NULL};
    struct real_run run = real_command(arguments);
    cr_assert_neq(run.status, 124, "%s: does not end", damage->core.name);
    cr_assert_eq(run.status, status, "%s: exit status %d, not %d: %s", damage->core.name,
                 run.status, status, run.errors);
    if (status == 1)
        cr_expect_str_eq(run.errors, "pycore-garbage: something could not be read, so numbers are "
                                     "lower bounds; the report's Coverage says what\n");
    return real_parse(run.output);
}

// The report says what is lost: in JSON, and in words.
static json_t *expect_loss(const struct damage *damage, const char *member)
{
    json_t *report = report_on(damage, 1);
    cr_expect_gt(real_number(report, member), 0, "%s is %lld", member, real_number(report, member));
    cr_expect(json_is_false(real_json(report, "heap.complete")));
    struct real_run text = REAL_RUN("--width=0", damage->path, damage->core.interpreter);
    struct real_run quiet = REAL_RUN("-q", "--width=0", damage->path, damage->core.interpreter);
    cr_expect_eq(text.status, 1);
    cr_expect_not_null(strstr(text.output, "at least"), "%s", text.output);
    cr_expect_eq(quiet.status, 1);
    cr_expect_str_empty(quiet.errors);
    cr_expect_str_eq(quiet.output, text.output);
    return report;
}

// All leaked objects are still told.
static void expect_same_findings(const struct damage *damage, const json_t *report)
{
    cr_expect(json_equal(real_json(report, "findings"), real_json(damage->whole, "findings")),
              "other findings");
    cr_expect(json_equal(real_json(report, "garbage"), real_json(damage->whole, "garbage")),
              "other garbage");
}

// Where the collector's variables lie is lost: no garbage found is not the same as none.
Test(damage, static_data_not_saved)
{
    static const char *const files[] = {"-q", REAL_NO_FILES};
    struct damage damage = prepare("no_data.core", "seed_leak.py 5");
    const char *interpreter = real_string(damage.whole, "interpreter.file");
    struct real_run hole = REAL_COMMAND(real_format("%s/make-hole", getenv("FIXTURES")),
                                        damage.core.path, damage.path, interpreter);
    cr_assert_eq(hole.status, 0, "%s", hole.errors);
    for (size_t i = 0; i < LENGTH(files); i++) {
        struct real_run run = REAL_RUN(files[i], "-q", "--format=json", damage.path);
        cr_expect(run.status == 1 || run.status == 2, "%s: exit status %d", files[i], run.status);
        if (run.status == 1)
            cr_expect_gt(real_number(real_parse(run.output), "interpreter.static_data_missing"), 0);
    }
    finish(&damage);
}

// The collector's variable, gc's dictionary, stale words: without any of the words that lead to the
// list it is still found, or known to be lost.
static void forget_garbage(const char *interpreter)
{
    const char *name = real_format("no_garbage.%s.core", interpreter);
    struct damage damage = prepare_on(interpreter, name, "seed_leak.py 5");
    uint64_t list = real_address(real_string(damage.whole, "garbage.address")), word, zero = 0;
    int fd = open(damage.path, O_RDWR), words = 0, told = 0;
    for (off_t at = 0; pread(fd, &word, sizeof(word), at) == sizeof(word); at += sizeof(word)) {
        if (word != list)
            continue;
        cr_assert_eq(pwrite(fd, &zero, sizeof(zero), at), sizeof(zero));
        struct real_run run = REAL_RUN("-q", "--format=json", "--limit=0", damage.path);
        words++;
        told += run.status != 0;
        if (run.status == 0)
            expect_same_findings(&damage, real_parse(run.output));
        cr_assert_eq(pwrite(fd, &word, sizeof(word), at), sizeof(word));
    }
    close(fd);
    cr_expect_geq(words, 2, "%s", interpreter);
    cr_expect_geq(told, 2, "%s: %d of %d", interpreter, told, words);
    finish(&damage);
}

Test(damage, words_that_lead_to_garbage)
{
    forget_garbage("shared");
}

Test(damage, words_that_lead_to_garbage_without_symbols)
{
    forget_garbage("debian");
}

// The program header of the segment that has an address.
static off_t find_header(int fd, uint64_t address, Elf64_Phdr *found)
{
    Elf64_Ehdr header;
    cr_assert_eq(pread(fd, &header, sizeof(header), 0), sizeof(header));
    for (size_t i = 0; i < header.e_phnum; i++) {
        off_t at = (off_t)(header.e_phoff + i * sizeof(*found));
        cr_assert_eq(pread(fd, found, sizeof(*found), at), sizeof(*found));
        if (found->p_type == PT_LOAD && address - found->p_vaddr < found->p_filesz)
            return at;
    }
    cr_assert_fail("no segment has 0x%llx", (unsigned long long)address);
    return 0;
}

// Instances with items, as many as the pointer says that stands there, and a segment that claims to
// be so large: beyond 4 GiB an object is measured again for the census.
Test(damage, objects_of_terabytes)
{
    enum {
        TP_ITEMSIZE = 40
    };
    Elf64_Phdr header;
    struct damage damage = prepare("large.core", "seed_leak.py 5");
    int fd = open(damage.path, O_RDWR);
    real_patch(damage.path, real_peek(damage.path, damage.leaked + OB_TYPE) + TP_ITEMSIZE, 1);
    off_t at = find_header(fd, damage.leaked, &header);
    header.p_memsz = UINT64_C(1) << 47;
    cr_assert_eq(pwrite(fd, &header, sizeof(header), at), sizeof(header));
    close(fd);
    json_t *report = report_on(&damage, 1);
    cr_expect_gt(real_number(report, "heap.bytes"), 1LL << 40);
    finish(&damage);
}

// Names, finalizers and who sets an attribute are told by it.
Test(damage, class_without_its_dict)
{
    enum {
        TP_DICT = 264
    };
    struct damage damage = prepare("no_dict.core", "seed_leak.py 5");
    const json_t *cycle =
        real_json(json_array_get(real_json(damage.whole, "findings"), 0), "cycle");
    for (size_t i = 0; i < json_array_size(cycle); i++) {
        const char *address = real_string(json_array_get(cycle, i), "address");
        uint64_t type = real_peek(damage.path, real_address(address) + OB_TYPE);
        uint64_t dict = real_peek(damage.path, type + TP_DICT);
        static const uint64_t values[] = {8, 0x12345678, UINT64_MAX - 7};
        for (size_t j = 0; j < LENGTH(values); j++) {
            real_patch(damage.path, type + TP_DICT, values[j]);
            report_on(&damage, 1);
        }
        real_patch(damage.path, type + TP_DICT, dict);
    }
    finish(&damage);
}

// A header that says where another's bytes are, or that these were elsewhere: what then is not
// found is not there to be found, and that must be told.
Test(damage, segments_out_of_place)
{
    struct damage damage = prepare("out_of_place.core", "seed_leak.py 5");
    Elf64_Ehdr header;
    Elf64_Phdr segments[2]; // of other bytes
    int fd = open(damage.path, O_RDWR), told = 0;
    cr_assert_eq(pread(fd, &header, sizeof(header), 0), sizeof(header));
    for (size_t i = 1; i < 2u * header.e_phnum; i++) {
        off_t at = (off_t)(header.e_phoff + i / 2 * sizeof(Elf64_Phdr));
        cr_assert_eq(pread(fd, segments, sizeof(Elf64_Phdr), at), sizeof(Elf64_Phdr));
        if (segments[0].p_type != PT_LOAD || !segments[0].p_filesz)
            continue;
        segments[1] = segments[0];
        segments[1].p_vaddr += i % 2 ? UINT64_C(1) << 40 : 0;
        segments[1].p_offset -= i % 2 ? 0 : 4096;
        cr_assert_eq(pwrite(fd, &segments[1], sizeof(Elf64_Phdr), at), sizeof(Elf64_Phdr));
        struct real_run run = REAL_RUN("-q", "--format=json", "--limit=0", damage.path);
        told += run.status != 0;
        if (run.status == 0)
            expect_same_findings(&damage, real_parse(run.output));
        cr_assert_eq(pwrite(fd, &segments[0], sizeof(Elf64_Phdr), at), sizeof(Elf64_Phdr));
    }
    close(fd);
    cr_expect_gt(told, 4);
    finish(&damage);
}

// A link into nowhere: from the other end of the list everything is still found.
Test(damage, broken_gc_next)
{
    static const uint64_t values[] = {0, 8, 0x123456789a8, 0xdeadbeefdeadbeef, UINT64_MAX};
    struct damage damage = prepare("broken_next.core", "seed_leak.py 5");
    size_t middle = damage.ring.count / 2;
    uint64_t right = real_peek(damage.path, damage.ring.heads[middle] + GC_NEXT);
    for (size_t i = 0; i < LENGTH(values); i++) {
        real_patch(damage.path, damage.ring.heads[middle] + GC_NEXT, values[i]);
        json_t *report = expect_loss(&damage, "heap.broken_links");
        cr_expect(
            json_equal(real_json(report, "heap.objects"), real_json(damage.whole, "heap.objects")),
            "row %zu: %lld objects, not %lld", i, real_number(report, "heap.objects"),
            real_number(damage.whole, "heap.objects"));
        expect_same_findings(&damage, report);
    }
    real_patch(damage.path, damage.ring.heads[middle] + GC_NEXT, right);
    expect_same_findings(&damage, report_on(&damage, 0));
    finish(&damage);
}

// The same in the other direction, in which nobody has to walk: nothing is lost, but it is damage.
Test(damage, broken_gc_prev)
{
    struct damage damage = prepare("broken_prev.core", "seed_leak.py 5");
    for (size_t i = 1; i < 8; i++) {
        uint64_t at = damage.ring.heads[i * damage.ring.count / 8] + GC_PREV;
        uint64_t right = real_peek(damage.path, at);
        real_patch(damage.path, at, 0);
        json_t *report = expect_loss(&damage, "heap.broken_links");
        cr_expect(
            json_equal(real_json(report, "heap.objects"), real_json(damage.whole, "heap.objects")),
            "row %zu", i);
        expect_same_findings(&damage, report);
        real_patch(damage.path, at, right);
    }
    finish(&damage);
}

// Two breaks: what lies between is lost, counted as broken, and the rest still told.
Test(damage, piece_cut_out)
{
    struct damage damage = prepare("piece.core", "seed_leak.py 5");
    size_t count = damage.ring.count, from = count / 3, to = count / 2;
    real_patch(damage.path, damage.ring.heads[from] + GC_NEXT, 0);
    real_patch(damage.path, damage.ring.heads[to] + GC_PREV, 0);
    json_t *report = expect_loss(&damage, "heap.broken_links");
    cr_expect_leq(real_number(report, "heap.objects"), real_number(damage.whole, "heap.objects"));
    finish(&damage);
}

// A list that never returns to its head: it leads back into itself.
Test(damage, endless_list)
{
    struct damage damage = prepare("endless.core", "seed_leak.py 5");
    size_t count = damage.ring.count;
    const size_t rows[][2] = {
        {count / 2, count / 3}, // back
        {count / 2, count / 2}, // to itself
        {count / 3, count / 2}, // forward, past a piece
        {count - 10, 10},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        uint64_t at = damage.ring.heads[rows[i][0]] + GC_NEXT;
        uint64_t right = real_peek(damage.path, at);
        real_patch(damage.path, at, damage.ring.heads[rows[i][1]]);
        json_t *report = expect_loss(&damage, "heap.broken_links");
        expect_same_findings(&damage, report);
        real_patch(damage.path, at, right);
    }
    finish(&damage);
}

// In both directions at once: walking from either end never arrives.
Test(damage, endless_both_ways)
{
    struct damage damage = prepare("endless_both.core", "seed_leak.py 5");
    const uint64_t *heads = damage.ring.heads;
    size_t count = damage.ring.count;
    real_patch(damage.path, heads[2 * count / 3] + GC_NEXT, heads[count / 2]);
    real_patch(damage.path, heads[count / 3] + GC_PREV, heads[count / 2 - 1]);
    expect_loss(&damage, "heap.broken_links");
    finish(&damage);
}

// An object whose type cannot be read.
Test(damage, broken_type)
{
    static const uint64_t values[] = {0x123456789a8, 0xdeadbeefdeadbeef, 1, 0};
    struct damage damage = prepare("broken_type.core", "seed_leak.py 5");
    uint64_t at = damage.leaked + OB_TYPE, right = real_peek(damage.path, at);
    for (size_t i = 0; i < LENGTH(values); i++) {
        real_patch(damage.path, at, values[i]);
        json_t *report = expect_loss(&damage, "heap.unreadable_objects");
        cr_expect_eq(real_number(report, "heap.unreadable_objects"), 1);
        cr_expect_eq(real_number(report, "garbage.length"), 5);
        real_patch(damage.path, at, right);
    }
    finish(&damage);
}

// Where the list is damaged right at an object that leaked, the others are still told.
Test(damage, break_among_the_leaked)
{
    struct damage damage = prepare("among.core", "seed_leak.py 1000");
    real_patch(damage.path, damage.leaked - HEAD + GC_NEXT, 0);
    json_t *report = expect_loss(&damage, "heap.broken_links");
    expect_same_findings(&damage, report);
    finish(&damage);
}

// --- at random

// xorshift64*, so that a seed gives the same damage everywhere.
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

// Replaces a word of the core's data: by noise, by a word from elsewhere in it, by a small number,
// or by itself with one bit changed.
static void damage_word(int fd, off_t size, uint64_t *state)
{
    enum {
        HEADERS = 16384
    };
    uint64_t word, words = (uint64_t)(size - HEADERS) / sizeof(word);
    off_t at = HEADERS + (off_t)(next_random(state) % words * sizeof(word));
    off_t from = HEADERS + (off_t)(next_random(state) % words * sizeof(word));
    switch (next_random(state) % 4) {
    case 0:
        word = next_random(state);
        break;
    case 1:
        cr_assert_eq(pread(fd, &word, sizeof(word), from), (ssize_t)sizeof(word));
        break;
    case 2:
        word = next_random(state) % 300 - 4;
        break;
    default:
        cr_assert_eq(pread(fd, &word, sizeof(word), at), (ssize_t)sizeof(word));
        word ^= UINT64_C(1) << next_random(state) % 64;
    }
    cr_assert_eq(pwrite(fd, &word, sizeof(word), at), (ssize_t)sizeof(word));
}

// Every run ends, with a report or with a sentence.
Test(damage, random_words)
{
    static const unsigned counts[] = {1, 10, 100, 1000, 10000};
    struct real_core core = real_make_core("debian", "kernel", "leaks.py mixed 3");
    for (uint64_t seed = 1; seed <= 40; seed++) {
        const char *path = real_copy(core.path, "random.core");
        uint64_t state = seed;
        struct stat status;
        int fd = open(path, O_RDWR | O_CLOEXEC);
        cr_assert(fd >= 0 && fstat(fd, &status) == 0);
        for (unsigned i = 0; i < counts[seed % LENGTH(counts)]; i++)
            damage_word(fd, status.st_size, &state);
        close(fd);
        struct real_run run =
            REAL_COMMAND("timeout", real_format("%d", SECONDS), getenv("PYCORE_GARBAGE"),
                         "--format=json", "--graph", "/dev/null", path, core.interpreter);
        cr_expect_leq(run.status, 2, "seed %llu: exit status %d: %s", (unsigned long long)seed,
                      run.status, run.errors);
        if (run.status == 2)
            cr_expect_str_empty(run.output, "seed %llu", (unsigned long long)seed);
        else
            real_parse(run.output);
    }
}

// --- pages

// Zeroes whole pages among those that have the leaked objects, as a bad disk leaves them: what the
// others have is still told, and the place of the first break.
Test(damage, zeroed_pages)
{
    static const char zeroes[4096];
    struct damage damage = prepare("zeroed.core", "seed_leak.py 1000");
    struct stat status;
    int fd = open(damage.path, O_RDWR | O_CLOEXEC);
    cr_assert(fd >= 0 && fstat(fd, &status) == 0);
    uint64_t marker = damage.leaked - HEAD;
    // The page is found by its own bytes: a core's offsets are its headers' business.
    uint64_t next = real_peek(damage.path, marker + GC_NEXT);
    off_t page = -1;
    for (off_t at = 0; at + (off_t)sizeof(zeroes) <= status.st_size && page < 0; at += 4096) {
        uint64_t word;
        cr_assert_eq(pread(fd, &word, sizeof(word), at + (off_t)(marker % 4096)),
                     (ssize_t)sizeof(word));
        if (word == next)
            page = at;
    }
    cr_assert_geq(page, 0);
    cr_assert_eq(pwrite(fd, zeroes, sizeof(zeroes), page), (ssize_t)sizeof(zeroes));
    close(fd);
    json_t *report = expect_loss(&damage, "heap.broken_links");
    json_int_t whole = real_number(damage.whole, "heap.objects");
    // A page has room for fewer than a hundred of them.
    cr_expect_geq(real_number(report, "heap.objects"), whole - 100);
    cr_expect_lt(real_number(report, "heap.objects"), whole);
    struct real_run text = REAL_RUN("--width=0", damage.path, damage.core.interpreter);
    cr_expect_not_null(strstr(text.output, "broken links in the collector's lists:\n"));
    finish(&damage);
}

// A bit of a link: it leads into the neighbourhood.
Test(damage, flipped_bits)
{
    struct damage damage = prepare("flipped.core", "seed_leak.py 100");
    uint64_t at = damage.leaked - HEAD + GC_NEXT, right = real_peek(damage.path, at);
    for (unsigned bit = 0; bit < 64; bit += 3) {
        real_patch(damage.path, at, right ^ UINT64_C(1) << bit);
        json_t *report = report_on(&damage, 1);
        cr_expect_gt(real_number(report, "heap.broken_links"), 0, "bit %u", bit);
        cr_expect(
            json_equal(real_json(report, "heap.objects"), real_json(damage.whole, "heap.objects")),
            "bit %u: %lld objects, not %lld", bit, real_number(report, "heap.objects"),
            real_number(damage.whole, "heap.objects"));
        expect_same_findings(&damage, report);
    }
    finish(&damage);
}
