// Each thread puts the plain components of its range into a table of its own: keys are compared
// word by word, the hash only finds them. The tables are then put together, the rest of the
// components joins them, and last the groups are brought into the order of their first components.
#include "groups.h"

#include <stdlib.h>
#include <xxhash.h>

#include "column.h"
#include "parallel.h"

enum {
    PREFETCH_AHEAD = 6,   // components
    PREFETCH_MEMBERS = 8, // of each
};

#define NOT_PLAIN (GRAPH_NONE - 1)

// Groups, found by key.
struct table {
    struct group *groups;
    size_t count;
    size_t capacity;
    uint32_t *slots; // hash table of group numbers + 1
    size_t size;     // of it, a power of two
    uint64_t *words; // the key at hand
    size_t word_capacity;
    uint32_t last; // the group found last
};

// One thread's part of the components.
struct part {
    struct grouping *grouping;
    struct cycle_finder finder;
    struct table table;
    uint32_t *numbers; // per group of the table: its number in the whole
    bool no_memory;
} __attribute__((aligned(PARALLEL_APART)));

struct grouping {
    struct cycle_finder *finder; // the caller's
    const uint8_t *states;
    uint32_t *of;
    struct part *parts;
    unsigned jobs;
};

// --- tables

static void table_deinit(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->groups[i].words);
    free(table->groups);
    free(table->slots);
    free(table->words);
}

static bool table_grow(struct table *table)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? table->capacity * 2 : 64;
        struct group *groups = reallocarray(table->groups, capacity, sizeof(*groups));
        if (!groups)
            return false;
        table->groups = groups;
        table->capacity = capacity;
    }
    if (table->count * 2 < table->size)
        return true;
    size_t size = table->size ? table->size * 2 : 256;
    uint32_t *slots = calloc(size, sizeof(*slots));
    if (!slots)
        return false;
    for (size_t i = 0; i < table->count; i++) {
        size_t slot = table->groups[i].hash & (size - 1);
        while (slots[slot])
            slot = (slot + 1) & (size - 1);
        slots[slot] = (uint32_t)i + 1;
    }
    free(table->slots);
    table->slots = slots;
    table->size = size;
    return true;
}

static bool has_key(const struct group *group, const uint64_t *words, size_t word_count)
{
    if (group->word_count != word_count)
        return false;
    for (size_t i = 0; i < word_count; i++)
        if (group->words[i] != words[i])
            return false;
    return true;
}

// The group with that key, made if there is none. Often it is the one found last.
static bool table_find(struct table *table, const uint64_t *words, size_t word_count,
                       uint32_t component, uint32_t *number)
{
    size_t size = word_count * sizeof(*words);
    if (table->count && has_key(&table->groups[table->last], words, word_count)) {
        *number = table->last;
        return true;
    }
    uint64_t hash = XXH3_64bits(words, size);
    if (!table_grow(table))
        return false;
    size_t slot = hash & (table->size - 1);
    for (; table->slots[slot]; slot = (slot + 1) & (table->size - 1)) {
        struct group *known = &table->groups[table->slots[slot] - 1];
        if (known->hash == hash && known->word_count == word_count &&
            memcmp(known->words, words, size) == 0) {
            *number = table->last = table->slots[slot] - 1;
            return true;
        }
    }
    uint64_t *copy = malloc(size);
    if (!copy)
        return false;
    memcpy(copy, words, size);
    table->groups[table->count] = (struct group){.hash = hash,
                                                 .words = copy,
                                                 .word_count = word_count,
                                                 .first = component,
                                                 .first_plain = GRAPH_NONE};
    *number = table->last = (uint32_t)table->count++;
    table->slots[slot] = *number + 1;
    return true;
}

// Room for the key of a cycle of `length` links.
static bool table_reserve_words(struct table *table, size_t length)
{
    size_t count = shape_key_size(length) + 1;
    if (count <= table->word_capacity)
        return true;
    uint64_t *words = reallocarray(table->words, count * 2, sizeof(*words));
    if (!words)
        return false;
    table->words = words;
    table->word_capacity = count * 2;
    return true;
}

// --- counting

static void add_size(struct finding_sizes *sizes, uint32_t size)
{
    if (!sizes->most || size < sizes->least)
        sizes->least = size;
    if (size > sizes->most)
        sizes->most = size;
    sizes->counts[31 - __builtin_clz(size)]++;
}

void groups_add_sizes(struct finding_sizes *to, const struct finding_sizes *from)
{
    if (!to->most || from->least < to->least)
        to->least = from->least;
    if (from->most > to->most)
        to->most = from->most;
    for (unsigned i = 0; i < FINDING_SIZES; i++)
        to->counts[i] += from->counts[i];
}

static void count_component(struct group *group, const struct graph_components *components,
                            uint32_t component, uint64_t bytes)
{
    uint32_t size = components->starts[component + 1] - components->starts[component];
    group->count++;
    group->objects += size;
    group->bytes += bytes;
    add_size(&group->sizes, size);
}

// The bytes of a component; false: a size has to be looked for.
static bool sum_sizes(const struct heap *heap, const struct graph_components *components,
                      uint32_t component, uint64_t *bytes)
{
    *bytes = 0;
    for (uint32_t at = components->starts[component]; at < components->starts[component + 1];
         at++) {
        uint32_t size = heap->sizes[components->members[at]];
        if (size == HEAP_SIZE_LARGE)
            return false;
        *bytes += (uint64_t)size * HEAP_SIZE_UNIT;
    }
    return true;
}

static uint64_t first_state(const struct grouping *grouping, uint32_t component)
{
    const struct graph_components *components = grouping->finder->components;
    return grouping->states[components->members[components->starts[component]]];
}

// --- plain components

// Asks for what will be read of a component that comes soon. (A function that does nothing but that
// has no effect for gcc, which leaves out calls of it; inlined early it stays.)
static inline __attribute__((always_inline)) void
prefetch_component(const struct heap *heap, const struct graph_components *components,
                   uint32_t component, bool rows_are_there)
{
    uint32_t at = components->starts[component], end = components->starts[component + 1];
    if (end - at > PREFETCH_MEMBERS)
        end = at + PREFETCH_MEMBERS;
    for (; at < end; at++) {
        uint32_t node = components->members[at];
        if (rows_are_there) {
            __builtin_prefetch(&heap->graph.targets[heap->graph.rows[node]]);
            __builtin_prefetch(&heap->edge_labels[heap->graph.rows[node]]);
        } else {
            __builtin_prefetch(&heap->graph.rows[node]);
            __builtin_prefetch(&components->of[node]);
            __builtin_prefetch(&heap->type[node]);
            __builtin_prefetch(&heap->sizes[node]);
        }
    }
}

// Post: grouping->of is the component's group in the part's table, GRAPH_NONE or NOT_PLAIN.
static bool group_plain(struct part *part, uint32_t component)
{
    struct grouping *grouping = part->grouping;
    struct cycle_finder *finder = &part->finder;
    uint32_t *of = &grouping->of[component];
    size_t length;
    uint64_t bytes;
    *of = NOT_PLAIN;
    if (!cycle_follow(finder, component, &length))
        return false;
    if (length == 0) {
        *of = GRAPH_NONE;
        return true;
    }
    if (length == CYCLE_NO_RING || !sum_sizes(finder->heap, finder->components, component, &bytes))
        return true;
    if (!table_reserve_words(&part->table, length))
        return false;
    uint64_t *words = part->table.words;
    words[0] = first_state(grouping, component);
    if (!shape_make_plain_key(finder->heap, finder->links, length, words + 1))
        return true;
    if (!table_find(&part->table, words, shape_key_size(length) + 1, component, of))
        return false;
    struct group *group = &part->table.groups[*of];
    if (group->first_plain == GRAPH_NONE)
        group->first_plain = component;
    count_component(group, finder->components, component, bytes);
    return true;
}

static void group_part(void *context, unsigned job)
{
    struct grouping *grouping = context;
    struct part *part = &grouping->parts[job];
    const struct graph_components *components = grouping->finder->components;
    uint32_t end = parallel_first(components->count, grouping->jobs, job + 1);
    for (uint32_t i = parallel_first(components->count, grouping->jobs, job);
         i < end && !part->no_memory; i++) {
        if (i + 2 * PREFETCH_AHEAD < end)
            prefetch_component(part->finder.heap, components, i + 2 * PREFETCH_AHEAD, false);
        if (i + PREFETCH_AHEAD < end)
            prefetch_component(part->finder.heap, components, i + PREFETCH_AHEAD, true);
        part->no_memory = !group_plain(part, i);
    }
}

// --- all together

// Adds a part's group to the one with the same key.
static bool merge_group(struct table *table, const struct group *from, uint32_t *number)
{
    if (!table_find(table, from->words, from->word_count, from->first, number))
        return false;
    struct group *to = &table->groups[*number];
    if (from->first_plain < to->first_plain)
        to->first_plain = from->first_plain;
    to->count += from->count;
    to->objects += from->objects;
    to->bytes += from->bytes;
    groups_add_sizes(&to->sizes, &from->sizes);
    return true;
}

// Post: the part's numbers are of the one table.
static bool merge_part(struct part *part, struct table *table)
{
    if (part->no_memory)
        return false;
    part->numbers = reallocarray(NULL, part->table.count + 1, sizeof(*part->numbers));
    if (!part->numbers)
        return false;
    for (size_t i = 0; i < part->table.count; i++)
        if (!merge_group(table, &part->table.groups[i], &part->numbers[i]))
            return false;
    return true;
}

// Post: so are those in `of`. What a thread wrote is in its processor's cache.
static void renumber_part(void *context, unsigned job)
{
    const struct grouping *grouping = context;
    const uint32_t *numbers = grouping->parts[job].numbers;
    uint32_t count = grouping->finder->components->count, *of = grouping->of;
    uint32_t end = parallel_first(count, grouping->jobs, job + 1);
    for (uint32_t i = parallel_first(count, grouping->jobs, job); i < end; i++)
        if (of[i] < NOT_PLAIN)
            of[i] = numbers[of[i]];
}

static bool note_single(struct groups *groups, size_t *capacity, uint32_t component)
{
    if (groups->single_count == *capacity) {
        size_t wanted = *capacity ? *capacity * 2 : 64;
        uint32_t *single = reallocarray(groups->single, wanted, sizeof(*single));
        if (!single)
            return false;
        groups->single = single;
        *capacity = wanted;
    }
    groups->single[groups->single_count++] = component;
    return true;
}

static bool group_single(struct grouping *grouping, struct table *table, uint32_t component)
{
    struct cycle_finder *finder = grouping->finder;
    const struct graph_components *components = finder->components;
    uint32_t *of = &grouping->of[component];
    size_t length;
    uint64_t bytes = 0;
    if (!cycle_find(finder, component, &length) || !table_reserve_words(table, length))
        return false;
    uint64_t *words = table->words;
    words[0] = first_state(grouping, component);
    shape_make_key(finder->heap, finder->links, length, words + 1);
    if (!table_find(table, words, shape_key_size(length) + 1, component, of))
        return false;
    struct group *group = &table->groups[*of];
    if (component < group->first)
        group->first = component;
    for (uint32_t at = components->starts[component]; at < components->starts[component + 1]; at++)
        bytes += heap_size(finder->heap, components->members[at]);
    count_component(group, components, component, bytes);
    return true;
}

static bool group_singles(struct grouping *grouping, struct table *table, struct groups *groups)
{
    size_t capacity = 0;
    for (uint32_t i = 0; i < grouping->finder->components->count; i++)
        if (grouping->of[i] == NOT_PLAIN &&
            (!note_single(groups, &capacity, i) || !group_single(grouping, table, i)))
            return false;
    return true;
}

static int by_first(const void *a, const void *b)
{
    const struct group *left = a, *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

// Post: the groups are in order, and `of` has their places.
static bool sort_groups(const struct grouping *grouping, struct table *table)
{
    uint32_t *places = reallocarray(NULL, table->count + 1, sizeof(*places));
    if (!places)
        return false;
    for (size_t i = 0; i < table->count; i++)
        table->groups[i].finding = (uint32_t)i; // lent: where it was
    if (table->count)
        qsort(table->groups, table->count, sizeof(*table->groups), by_first);
    bool moved = false;
    for (size_t i = 0; i < table->count; i++) {
        moved = moved || table->groups[i].finding != i;
        places[table->groups[i].finding] = (uint32_t)i;
    }
    for (uint32_t i = 0; i < grouping->finder->components->count && moved; i++)
        if (grouping->of[i] != GRAPH_NONE)
            grouping->of[i] = places[grouping->of[i]];
    free(places);
    return true;
}

static bool run(struct grouping *grouping, struct table *table, struct groups *groups)
{
    for (unsigned job = 0; job < grouping->jobs; job++) {
        struct part *part = &grouping->parts[job];
        part->grouping = grouping;
        cycle_finder_init(&part->finder, grouping->finder->heap, grouping->finder->components);
    }
    parallel_run(grouping->jobs, group_part, grouping);
    bool done = true;
    for (unsigned job = 0; job < grouping->jobs; job++)
        done = done && merge_part(&grouping->parts[job], table);
    if (done)
        parallel_run(grouping->jobs, renumber_part, grouping);
    for (unsigned job = 0; job < grouping->jobs; job++) {
        struct part *part = &grouping->parts[job];
        cycle_finder_deinit(&part->finder);
        table_deinit(&part->table);
        free(part->numbers);
    }
    return done && group_singles(grouping, table, groups) && sort_groups(grouping, table);
}

bool groups_create(struct cycle_finder *finder, const uint8_t *states, struct groups *groups)
{
    struct grouping grouping = {
        .finder = finder, .states = states, .jobs = graph_jobs(&finder->heap->graph)};
    struct table table = {0};
    *groups = (struct groups){0};
    grouping.of = column_create(finder->components->count, sizeof(*grouping.of));
    grouping.parts = parallel_parts_create(grouping.jobs, sizeof(*grouping.parts));
    bool done = grouping.of && grouping.parts && run(&grouping, &table, groups);
    free(grouping.parts);
    groups->of = grouping.of;
    if (!done) {
        table_deinit(&table);
        groups_deinit(groups);
        return false;
    }
    groups->items = table.groups;
    groups->count = table.count;
    free(table.slots);
    free(table.words);
    return true;
}

void groups_deinit(struct groups *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        free(groups->items[i].words);
    free(groups->items);
    free(groups->of);
    free(groups->single);
    *groups = (struct groups){0};
}
