// Where a file lay, by nothing but words that point to its variables: hand-made files and memory.
#include "common.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "builder.h"
#include "fakecore.h"
#include "placement_vote.h"
#include "sample_linked.h"
#include "scratch.h"

TestSuite(placement_vote, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

enum {
    PAGE = 4096,
    HEAP = 0x10000000, // address of what is saved
    OTHER = 0x20000000,
    BIAS = 0x56555000, // fits into 32 bits
    ENOUGH = 10,       // variables
    SIZE = 0x1a0,      // of one
    STEP = 0x1b0,      // from one to the next: many of them make no page
    LEAST = 8,         // references that count, analyzer/placement_vote.c
    VOTES_LEAST = 5,   // variables, likewise
    SIZE_LEAST = 64,   // of a variable, likewise
    SIZE_LIMIT = 4096,
    FREQUENT = 512,   // words that vote, likewise
    SLOTS = 1 << 20,  // for words
    BIASES = 1 << 16, // slots for biases
};

// A file's variables, and memory with words that point to them.
struct scene {
    struct linked file;
    struct core core;
    struct builder builder;
    uint8_t *words;
    size_t size, capacity;
};

static void init(struct scene *scene, uint8_t word_size, bool big_endian)
{
    memset(scene, 0, sizeof(*scene));
    linked_init(&scene->file, EM_X86_64, word_size, big_endian);
    scene->core.format = scene->file.format;
    scene->builder.core = &scene->core;
    scene->builder.page_size = PAGE;
}

static vaddr variable(unsigned number)
{
    return LINKED_DATA + number * STEP;
}

static void export(struct scene *scene, unsigned count, uint64_t size)
{
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "type%u", i);
        linked_add_symbol(&scene->file, name, variable(i), size);
    }
}

static void refer(struct scene *scene, vaddr address, unsigned times)
{
    const unsigned width = scene->core.format.word_size;
    if (scene->capacity - scene->size < (size_t)times * width) {
        scene->capacity = 2 * scene->capacity + (size_t)times * width;
        scene->words = realloc(scene->words, scene->capacity);
        cr_assert_not_null(scene->words);
    }
    for (; times > 0; times--, scene->size += width)
        for (unsigned i = 0; i < width; i++)
            scene->words[scene->size + (scene->core.format.big_endian ? width - 1 - i : i)] =
                (uint8_t)(address >> (8 * i));
}

// To each of the first variables.
static void refer_all(struct scene *scene, vaddr bias, unsigned count, unsigned times)
{
    for (unsigned i = 0; i < count; i++)
        refer(scene, bias + variable(i), times);
}

static struct layer *saved(struct scene *scene)
{
    return &scene->builder.layers[LAYER_SAVED];
}

// Elects, and closes all.
static void expect(struct scene *scene, const char *what, bool expected, vaddr expected_bias)
{
    vaddr bias = 0;
    struct image *image = linked_open(&scene->file, "file.so");
    uint8_t *words = scene->size ? realloc(scene->words, scene->size) : NULL; // ASan sees its end
    scene->words = words ? words : scene->words;
    cr_assert_null(layer_add(saved(scene), HEAP, scene->size, scene->words));
    layer_sort(saved(scene));
    bool found = placement_vote_bias(&scene->builder, image, &bias);
    cr_expect_eq(found, expected, "%s: 0x%" PRIx64, what, bias);
    if (found && expected)
        cr_expect_eq(bias, expected_bias, "%s: 0x%" PRIx64, what, bias);
    image_close(image);
    layer_deinit(saved(scene));
    free(scene->words);
}

// A usual process of 64 bits.
static void init_usual(struct scene *scene)
{
    init(scene, 8, false);
    export(scene, ENOUGH, SIZE);
}

// ---- How many it takes

Test(placement_vote, words_of_every_kind)
{
    static const struct {
        uint8_t word_size;
        bool big_endian;
        vaddr bias;
    } kinds[] = {
        {8, false, 0x7f1234567000}, {8, true, 0x7f1234567000}, {4, false, BIAS}, {4, true, BIAS}};
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct scene scene;
        init(&scene, kinds[i].word_size, kinds[i].big_endian);
        export(&scene, ENOUGH, SIZE);
        refer(&scene, 1, 3);
        refer_all(&scene, kinds[i].bias, ENOUGH, LEAST);
        char what[32];
        snprintf(what, sizeof(what), "row %zu", i);
        expect(&scene, what, true, kinds[i].bias);
    }
}

Test(placement_vote, too_few)
{
    struct scene scene;
    init_usual(&scene);
    refer_all(&scene, BIAS, VOTES_LEAST, LEAST);
    expect(&scene, "just enough", true, BIAS);
    init_usual(&scene);
    refer_all(&scene, BIAS, VOTES_LEAST - 1, 1000);
    expect(&scene, "too few variables", false, 0);
    init_usual(&scene);
    refer_all(&scene, BIAS, ENOUGH, LEAST - 1);
    expect(&scene, "too few references", false, 0);
    init_usual(&scene);
    expect(&scene, "no memory at all", false, 0);
    init(&scene, 8, false);
    refer_all(&scene, BIAS, ENOUGH, LEAST);
    expect(&scene, "no variables at all", false, 0);
}

Test(placement_vote, two_places)
{
    struct scene scene;
    init_usual(&scene);
    refer_all(&scene, BIAS, ENOUGH, LEAST);
    refer_all(&scene, BIAS + 0x100000, ENOUGH, LEAST + 1);
    expect(&scene, "as many at another, of more references", false, 0);
    for (unsigned i = 0; i < 2; i++) {
        init_usual(&scene);
        refer_all(&scene, BIAS, ENOUGH / 2 * (2 - i), LEAST);
        refer_all(&scene, BIAS + 0x100000, ENOUGH / 2 * (1 + i), LEAST);
        expect(&scene, "half as many", false, 0);
    }
    init_usual(&scene);
    refer_all(&scene, BIAS + 0x100000, 4, 1000);
    refer_all(&scene, BIAS, ENOUGH, LEAST);
    expect(&scene, "a few by chance", true, BIAS);
}

// A prelinked file lies where it was linked. A false place whose slot in the table is that of 0
// gets a vote between those of the right one.
Test(placement_vote, file_that_lies_as_linked)
{
    struct scene scene;
    vaddr chance = PAGE;
    while (vaddr_hash(chance) % BIASES)
        chance += PAGE;
    init_usual(&scene);
    refer_all(&scene, 0, ENOUGH, LEAST);
    expect(&scene, "alone", true, 0);
    init_usual(&scene);
    refer_all(&scene, 0, ENOUGH / 2, LEAST + 2);
    refer(&scene, chance + variable(0), LEAST + 1);
    for (unsigned i = ENOUGH / 2; i < ENOUGH; i++)
        refer(&scene, variable(i), LEAST);
    expect(&scene, "and another by chance", true, 0);
}

// ---- What does not count

Test(placement_vote, words_that_lead_to_what_is_saved)
{
    static const uint8_t there[LINKED_SIZE];
    struct scene scene;
    init_usual(&scene);
    refer_all(&scene, BIAS, ENOUGH, LEAST);
    cr_assert_null(layer_add(saved(&scene), BIAS + LINKED_DATA, sizeof(there), there));
    expect(&scene, "saved", false, 0);
    init_usual(&scene);
    refer_all(&scene, BIAS, ENOUGH, LEAST);
    cr_assert_null(layer_add(saved(&scene), BIAS + LINKED_DATA, sizeof(there), NULL));
    expect(&scene, "mapped only", true, BIAS);
}

Test(placement_vote, words_of_no_page)
{
    struct scene scene;
    init_usual(&scene);
    refer_all(&scene, BIAS + PAGE / 2, ENOUGH, LEAST);
    expect(&scene, "half a page", false, 0);
    init_usual(&scene);
    scene.builder.page_size = 16 * PAGE;
    refer_all(&scene, BIAS, ENOUGH, LEAST);
    expect(&scene, "half a large page", false, 0);
    init_usual(&scene);
    scene.builder.page_size = 16 * PAGE;
    refer_all(&scene, 16 * (vaddr)BIAS, ENOUGH, LEAST);
    expect(&scene, "a large page", true, 16 * (vaddr)BIAS);
}

// Of the same variable: a word of one place votes once, and so does one variable of two names.
Test(placement_vote, one_word_is_one_vote)
{
    struct scene scene;
    init(&scene, 8, false);
    for (unsigned i = 0; i < ENOUGH; i++)
        linked_add_symbol(&scene.file, (const char *[]){"a", "b"}[i % 2], variable(0), SIZE);
    refer(&scene, BIAS + variable(0), 1000);
    expect(&scene, "ten names", false, 0);
}

Test(placement_vote, variables_of_another_kind)
{
    static const struct {
        uint64_t size;
        bool counts;
    } rows[] = {{8, false},
                {SIZE_LEAST - 1, false},
                {SIZE_LEAST, true},
                {SIZE_LIMIT - 1, true},
                {SIZE_LIMIT, false}};
    struct scene scene;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char what[32];
        snprintf(what, sizeof(what), "size %" PRIu64, rows[i].size);
        init(&scene, 8, false);
        export(&scene, ENOUGH, rows[i].size);
        refer_all(&scene, BIAS, ENOUGH, LEAST);
        expect(&scene, what, rows[i].counts, BIAS);
    }
    init_usual(&scene); // writable ones, to which nothing refers
    for (unsigned i = 0; i < ENOUGH; i++) {
        const vaddr constant =
            LINKED_RELOCATIONS + 8 + i * STEP; // no page away from a writable one
        char name[16];
        snprintf(name, sizeof(name), "constant%u", i);
        linked_add_symbol(&scene.file, name, constant, SIZE);
        refer(&scene, BIAS + constant, LEAST);
    }
    expect(&scene, "read-only", false, 0);
}

// Where most variables are of one size, those of others do not vote: among many, any bias is
// likely.
Test(placement_vote, variables_of_the_most_frequent_size)
{
    static const uint64_t sizes[] = {SIZE / 2, 2 * SIZE};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        struct scene scene;
        init_usual(&scene);
        for (unsigned j = 0; j < ENOUGH - 1; j++) {
            char name[16];
            snprintf(name, sizeof(name), "other%u", j);
            linked_add_symbol(&scene.file, name, variable(ENOUGH + j), sizes[i]);
            refer(&scene, BIAS + 0x100000 + variable(ENOUGH + j), 1000);
        }
        refer_all(&scene, BIAS, ENOUGH, LEAST);
        expect(&scene, i ? "larger ones" : "smaller ones", true, BIAS);
    }
}

// ---- Much of everything

// The most frequent words vote, whatever came first.
Test(placement_vote, many_frequent_words)
{
    for (unsigned after = 0; after < 2; after++) {
        struct scene scene;
        init_usual(&scene);
        if (after)
            refer_all(&scene, BIAS, ENOUGH, LEAST + 1);
        for (unsigned i = 0; i < 8 * FREQUENT; i++)
            refer(&scene, OTHER + 8 * i, LEAST);
        if (!after)
            refer_all(&scene, BIAS, ENOUGH, LEAST + 1);
        expect(&scene, after ? "others come later" : "others come first", true, BIAS);
    }
}

// Hashes, numbers, text: more than there is room for.
Test(placement_vote, more_words_than_can_be_counted)
{
    for (unsigned after = 0; after < 2; after++) {
        struct scene scene;
        init_usual(&scene);
        if (after)
            refer_all(&scene, BIAS, ENOUGH, LEAST);
        for (uint64_t i = 0; i < SLOTS + 1000; i++)
            refer(&scene, 8 * (OTHER + i), 1);
        if (!after)
            refer_all(&scene, BIAS, ENOUGH, LEAST);
        expect(&scene, after ? "others come later" : "others come first", after, BIAS);
    }
}

// More than is looked at: of all parts a sample.
Test(placement_vote, end_of_a_large_memory)
{
    const size_t size = 1 << 27, end = size / 4;
    struct scene scene;
    init_usual(&scene);
    refer_all(&scene, BIAS, ENOUGH, 1);
    uint8_t *large = mmap(NULL, size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq((void *)large, MAP_FAILED);
    for (size_t at = size - end; at < size; at += PAGE)
        memcpy(large + at, scene.words, scene.size);
    cr_assert_null(layer_add(saved(&scene), OTHER, size, large));
    expect(&scene, "words at the end", true, BIAS);
    munmap(large, size);
}

// One reference to each variable in each page, so that all of them are needed.
static void refer_in_each_page(struct scene *scene)
{
    init_usual(scene);
    for (unsigned i = 0; i < LEAST; i++) {
        refer_all(scene, BIAS, ENOUGH, 1);
        refer(scene, 0, PAGE / 8 - ENOUGH);
    }
}

Test(placement_vote, what_is_not_saved_is_not_looked_at)
{
    const size_t size = UINT64_C(1) << 36;
    struct scene scene;
    refer_in_each_page(&scene);
    cr_assert_null(layer_add(saved(&scene), OTHER, size, NULL));
    expect(&scene, "mapped only", true, BIAS);
    // Looking at it would be fatal here.
    uint8_t *hole = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq((void *)hole, MAP_FAILED);
    refer_in_each_page(&scene);
    cr_assert_null(layer_add_hole(saved(&scene), OTHER + (vaddr)BIAS, size, hole));
    expect(&scene, "hole of the core's file", true, BIAS);
    munmap(hole, size);
}
