// Words that point to what is not saved are counted. The most frequent of them, each less the
// address of each variable of the file, give biases; the right one comes up once for every variable
// that is among the frequent ones, any other by chance.
#include "placement_vote.h"

#include <elf.h>
#include <stdlib.h>

#include "builder.h"
#include "placement.h"

enum {
    WORDS_MAX = 1 << 22, // looked at
    SLOTS = 1 << 20,     // for different ones, of which three quarters are used
    FREQUENT = 512,      // that vote
    FREQUENT_LEAST = 8,  // references that make a word frequent
    VOTES_LEAST = 5,     // for a bias to be believed
    SIZE_LEAST = 64,     // of a variable; of small ones there are too many
    SIZE_LIMIT = 4096,
    BIASES_MAX = 1 << 16,   // different ones
    SAMPLE_BYTES = 1 << 12, // read at a stretch
};

struct tally {
    vaddr value;
    uint32_t count; // 0: the slot is free
};

struct election {
    const struct builder *builder;
    struct tally *words; // hash table by value
    uint32_t used;
    struct tally frequent[FREQUENT];
    size_t frequent_count;
    const struct image *image;
    uint64_t size; // of the variables that count
    uint32_t sizes[SIZE_LIMIT];
    vaddr word;           // whose votes are being counted
    struct tally *biases; // hash table by value; count: votes
    vaddr *voted;         // by slot of a bias: the word that voted last
    uint32_t bias_count;
};

static struct tally *find_slot(struct tally *table, uint32_t size, vaddr value)
{
    uint32_t slot = vaddr_hash(value) & (size - 1);
    while (table[slot].count && table[slot].value != value)
        slot = (slot + 1) & (size - 1);
    return &table[slot];
}

static void count_word(struct election *election, vaddr word)
{
    uint64_t size;
    if (word < 4096 || word % election->builder->core->format.word_size)
        return;
    struct tally *slot = find_slot(election->words, SLOTS, word);
    if (slot->count) {
        slot->count++;
        return;
    }
    if (election->used >= SLOTS / 4 * 3 ||
        layer_find(&election->builder->layers[LAYER_SAVED], word, &size))
        return;
    *slot = (struct tally){word, 1};
    election->used++;
}

static bool has_words(const struct memory_span *span)
{
    return span->bytes && !span->hole;
}

// A stretch of each so many bytes, so that all of the core has its say.
static void count_words(struct election *election)
{
    const struct layer *saved = &election->builder->layers[LAYER_SAVED];
    struct memory_format format = election->builder->core->format;
    uint64_t total = 0;
    for (size_t i = 0; i < saved->count; i++)
        total += has_words(&saved->pieces[i].span) ? saved->pieces[i].span.size : 0;
    uint64_t stride = total / format.word_size / WORDS_MAX + 1;
    for (size_t i = 0; i < saved->count; i++) {
        const struct memory_span *span = &saved->pieces[i].span;
        for (uint64_t at = 0; has_words(span) && at < span->size; at += SAMPLE_BYTES * stride)
            for (uint64_t word = at;
                 word < at + SAMPLE_BYTES && word + format.word_size <= span->size;
                 word += format.word_size)
                count_word(election, format_word(format, span->bytes + word));
    }
}

// The most frequent ones, the most frequent first.
static void choose_frequent(struct election *election)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct tally word = election->words[i];
        if (word.count < FREQUENT_LEAST)
            continue;
        size_t at = election->frequent_count;
        if (at == FREQUENT && election->frequent[at - 1].count >= word.count)
            continue;
        if (at < FREQUENT)
            election->frequent_count++;
        else
            at--;
        for (; at > 0 && election->frequent[at - 1].count < word.count; at--)
            election->frequent[at] = election->frequent[at - 1];
        election->frequent[at] = word;
    }
}

static bool is_writable(const struct image *image, vaddr variable)
{
    for (size_t i = 0; i < image->segment_count; i++)
        if ((image->segments[i].flags & PF_W) &&
            variable - image->segments[i].start < image->segments[i].memory_size)
            return true;
    return false;
}

static void count_size(void *context, vaddr variable, uint64_t size)
{
    struct election *election = context;
    if (size >= SIZE_LEAST && size < SIZE_LIMIT && is_writable(election->image, variable))
        election->sizes[size]++;
}

// The size that most variables have: those are of one kind, to which all objects of that kind
// refer. With all variables of a large file, many biases are likely.
static void choose_size(struct election *election)
{
    image_each_exported(election->image, count_size, election);
    for (uint64_t size = SIZE_LEAST; size < SIZE_LIMIT; size++)
        if (election->sizes[size] > election->sizes[election->size])
            election->size = size;
}

// A word votes once for a bias.
static void vote(void *context, vaddr variable, uint64_t size)
{
    struct election *election = context;
    vaddr bias = election->word - variable;
    if (size != election->size || !is_writable(election->image, variable))
        return;
    if (bias % election->builder->page_size || election->bias_count >= BIASES_MAX / 2)
        return;
    struct tally *slot = find_slot(election->biases, BIASES_MAX, bias);
    vaddr *voted = &election->voted[slot - election->biases];
    if (*voted == election->word)
        return;
    *voted = election->word;
    election->bias_count += !slot->count;
    slot->value = bias;
    slot->count++;
}

static bool declare(const struct election *election, vaddr *bias)
{
    struct tally best = {0}, second = {0};
    for (size_t i = 0; i < BIASES_MAX; i++) {
        struct tally candidate = election->biases[i];
        if (candidate.count > best.count) {
            second = best;
            best = candidate;
        } else if (candidate.count > second.count) {
            second = candidate;
        }
    }
    *bias = best.value;
    return best.count >= VOTES_LEAST && best.count > 2 * second.count;
}

bool placement_vote_bias(const struct builder *builder, const struct image *image, vaddr *bias)
{
    struct election election = {.builder = builder,
                                .image = image,
                                .words = calloc(SLOTS, sizeof(*election.words)),
                                .biases = calloc(BIASES_MAX, sizeof(*election.biases)),
                                .voted = calloc(BIASES_MAX, sizeof(*election.voted))};
    bool found = election.words && election.biases && election.voted;
    if (found) {
        count_words(&election);
        choose_frequent(&election);
        choose_size(&election);
        for (size_t i = 0; i < election.frequent_count; i++) {
            election.word = election.frequent[i].value;
            image_each_exported(image, vote, &election);
        }
        found = declare(&election, bias);
    }
    free(election.words);
    free(election.biases);
    free(election.voted);
    return found;
}
