#include "samples.h"

#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fakeleaks.h"
#include "fakeprocess.h"
#include "memory.h"

enum {
    SAMPLES_MAX = 128,
    KIND_WORD = 0, // the operand, sign-extended
    KIND_FLIP,     // of the bit
    KIND_COPY,     // of the word at that place
    KIND_ADD,      // a small number
    KIND_COUNT,
};

static struct sample samples[SAMPLES_MAX];
static size_t sample_count;

static void fail(const char *what)
{
    perror(what);
    exit(64);
}

static void add_sample(const char *path)
{
    struct sample *sample = &samples[sample_count++];
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        fail(path);
    sample->size = (size_t)ftell(file);
    rewind(file);
    sample->bytes = malloc(sample->size);
    if (!sample->bytes || sample->size < EI_NIDENT ||
        fread(sample->bytes, 1, sample->size, file) != sample->size)
        fail(path);
    fclose(file);
    sample->word_size = sample->bytes[EI_CLASS] == ELFCLASS32 ? 4 : 8;
    sample->big_endian = sample->bytes[EI_DATA] == ELFDATA2MSB;
    sample->fd = memfd_create("sample", 0);
    if (sample->fd < 0 ||
        pwrite(sample->fd, sample->bytes, sample->size, 0) != (ssize_t)sample->size)
        fail("memfd_create");
    snprintf(sample->path, sizeof(sample->path), "/proc/self/fd/%d", sample->fd);
}

static void make_sample(const char *directory, const struct layout_column *column, bool big_endian)
{
    static struct fakeheap fake;
    char place[PATH_MAX], core[PATH_MAX];
    snprintf(place, sizeof(place), "%s/%zu", directory, sample_count);
    mkdir(place, 0700);
    fakeheap_init(&fake, &(struct fakeheap_spec){.column = column, .big_endian = big_endian});
    fakeheap_use_pools(&fake);
    fakeleaks_make(&fake);
    fakeprocess_write(&fake, &(struct fakeprocess){fakeleaks_machine(column, big_endian), false},
                      place);
    fakeheap_deinit(&fake);
    if ((size_t)snprintf(core, sizeof(core), "%s/core", place) >= sizeof(core))
        fail(place);
    add_sample(core);
}

void samples_init(void)
{
    const char *core = getenv("FUZZ_CORE"), *directory = getenv("FUZZ_DIRECTORY");
    if (core) {
        add_sample(core);
        return;
    }
    if (!directory) {
        fputs("FUZZ_DIRECTORY must name a directory, or FUZZ_CORE a core\n", stderr);
        exit(64);
    }
    for (size_t i = 0; i < layout_column_count && sample_count + 2 <= SAMPLES_MAX; i++) {
        make_sample(directory, &layout_columns[i], false);
        make_sample(directory, &layout_columns[i], true);
    }
}

const struct sample *samples_find(uint8_t number)
{
    return &samples[number % sample_count];
}

static size_t place_of(const struct sample *sample, uint64_t word)
{
    return (size_t)(word % (sample->size / sample->word_size)) * sample->word_size;
}

static uint64_t read_word(const struct sample *sample, const uint8_t *bytes)
{
    return format_word((struct memory_format){sample->word_size, sample->big_endian}, bytes);
}

static void write_word(const struct sample *sample, size_t at, uint64_t word)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < sample->word_size; i++)
        bytes[sample->big_endian ? sample->word_size - 1U - i : i] = (uint8_t)(word >> 8 * i);
    if (pwrite(sample->fd, bytes, sample->word_size, (off_t)at) != sample->word_size)
        fail("pwrite");
}

// The word that a patch puts in the place of another.
static uint64_t patched_word(const struct sample *sample, const uint8_t *patch, uint64_t old)
{
    uint64_t operand = 0;
    memcpy(&operand, patch + 5, 7);
    switch (patch[4] % KIND_COUNT) {
    case KIND_FLIP:
        return old ^ UINT64_C(1) << (operand % (8U * sample->word_size));
    case KIND_COPY:
        return read_word(sample, sample->bytes + place_of(sample, operand));
    case KIND_ADD:
        return old + (uint64_t)(int8_t)operand;
    default:
        return (uint64_t)((int64_t)(operand << 8) >> 8);
    }
}

// One patch after the other; NULL: no more, or not whole.
static const uint8_t *next_patch(const uint8_t *patches, size_t size, size_t index)
{
    return index < SAMPLE_PATCHES_MAX && (index + 1) * SAMPLE_PATCH_SIZE <= size
               ? patches + index * SAMPLE_PATCH_SIZE
               : NULL;
}

static size_t patched_place(const struct sample *sample, const uint8_t *patch)
{
    uint32_t place;
    memcpy(&place, patch, 4);
    return place_of(sample, place);
}

void sample_damage(const struct sample *sample, const uint8_t *patches, size_t size)
{
    const uint8_t *patch;
    for (size_t i = 0; (patch = next_patch(patches, size, i)); i++) {
        size_t at = patched_place(sample, patch);
        write_word(sample, at, patched_word(sample, patch, read_word(sample, sample->bytes + at)));
    }
}

void sample_restore(const struct sample *sample, const uint8_t *patches, size_t size)
{
    const uint8_t *patch;
    for (size_t i = 0; (patch = next_patch(patches, size, i)); i++) {
        size_t at = patched_place(sample, patch);
        write_word(sample, at, read_word(sample, sample->bytes + at));
    }
}
