// From components to findings in two rounds. First every component gets a cycle, and a cheap key of
// that cycle made of addresses; components with equal keys form a group. Then one cycle per group
// is described in words, and groups with equal words become one finding. A million components of
// one leak so cost a million keys and a handful of texts.
#include "findings.h"

#include <stdlib.h>
#include <xxhash.h>

#include "changes.h"
#include "cycle.h"
#include "held.h"
#include "remedy.h"
#include "shape.h"

enum {
    FINALIZERS_MAX = 64, // classes with __del__ told per finding
};

// Components with equal keys.
struct group {
    uint64_t hash;
    uint64_t *words; // the key, and the state in front of it
    size_t word_count;
    uint32_t first; // component
    uint32_t finding;
    uint64_t count;
};

struct folding {
    struct heap *heap;
    const uint8_t *states;
    struct findings *findings;
    struct graph_components components;
    struct cycle_finder finder;
    uint32_t *group_of; // per component, or GRAPH_NONE: no finalizer in it
    struct group *groups;
    size_t group_count;
    size_t group_capacity;
    uint32_t *table; // hash table of group numbers + 1
    size_t table_size;
    uint64_t remedy_work;
    uint64_t *words; // the key at hand
    size_t word_capacity;
};

static uint32_t component_size(const struct folding *folding, uint32_t component)
{
    return folding->components.starts[component + 1] - folding->components.starts[component];
}

static const uint32_t *component_members(const struct folding *folding, uint32_t component)
{
    return folding->components.members + folding->components.starts[component];
}

// --- groups

static bool grow_groups(struct folding *folding)
{
    if (folding->group_count == folding->group_capacity) {
        size_t capacity = folding->group_capacity ? folding->group_capacity * 2 : 64;
        struct group *groups = realloc(folding->groups, capacity * sizeof(*groups));
        if (!groups)
            return false;
        folding->groups = groups;
        folding->group_capacity = capacity;
    }
    if (folding->group_count * 2 < folding->table_size)
        return true;
    size_t size = folding->table_size ? folding->table_size * 2 : 256;
    uint32_t *table = calloc(size, sizeof(*table));
    if (!table)
        return false;
    for (size_t i = 0; i < folding->group_count; i++) {
        size_t slot = folding->groups[i].hash & (size - 1);
        while (table[slot])
            slot = (slot + 1) & (size - 1);
        table[slot] = (uint32_t)i + 1;
    }
    free(folding->table);
    folding->table = table;
    folding->table_size = size;
    return true;
}

// The group with the key in folding->words, made if there is none.
static bool find_group(struct folding *folding, uint32_t component, size_t word_count,
                       uint32_t *group)
{
    size_t size = word_count * sizeof(*folding->words);
    uint64_t hash = XXH3_64bits(folding->words, size);
    if (!grow_groups(folding))
        return false;
    size_t slot = hash & (folding->table_size - 1);
    for (; folding->table[slot]; slot = (slot + 1) & (folding->table_size - 1)) {
        struct group *known = &folding->groups[folding->table[slot] - 1];
        if (known->hash == hash && known->word_count == word_count &&
            memcmp(known->words, folding->words, size) == 0) {
            *group = folding->table[slot] - 1;
            return true;
        }
    }
    uint64_t *words = malloc(size);
    if (!words)
        return false;
    memcpy(words, folding->words, size);
    folding->groups[folding->group_count] =
        (struct group){.hash = hash, .words = words, .word_count = word_count, .first = component};
    *group = (uint32_t)folding->group_count++;
    folding->table[slot] = *group + 1;
    return true;
}

// Leaves the key of the component's cycle in folding->words.
static bool make_key(struct folding *folding, uint32_t component, size_t length)
{
    size_t count = length * SHAPE_KEY_WORDS + 1;
    if (count > folding->word_capacity) {
        uint64_t *words = realloc(folding->words, count * 2 * sizeof(*words));
        if (!words)
            return false;
        folding->words = words;
        folding->word_capacity = count * 2;
    }
    folding->words[0] = folding->states[component_members(folding, component)[0]];
    shape_make_key(folding->heap, folding->finder.links, length, folding->words + 1);
    return true;
}

// Post: group_of is set for every component; a group's `first` is its first component.
static bool group_components(struct folding *folding)
{
    for (uint32_t i = 0; i < folding->components.count; i++) {
        size_t length;
        folding->group_of[i] = GRAPH_NONE;
        if (!cycle_find(&folding->finder, i, &length))
            return false;
        if (length == 0)
            continue;
        if (!make_key(folding, i, length))
            return false;
        if (!find_group(folding, i, length * SHAPE_KEY_WORDS + 1, &folding->group_of[i]))
            return false;
    }
    return true;
}

// --- findings

// The texts of the findings made so far, found by hash.
struct text_index {
    char **texts;    // per finding
    uint32_t *table; // finding numbers + 1
    size_t size;     // of the table, a power of two; more than twice the groups
};

static bool text_index_init(struct text_index *index, size_t groups)
{
    index->size = 64;
    while (index->size < groups * 2 + 2)
        index->size *= 2;
    index->texts = calloc(groups + 1, sizeof(*index->texts));
    index->table = calloc(index->size, sizeof(*index->table));
    return index->texts && index->table;
}

static void text_index_deinit(struct text_index *index, size_t findings)
{
    for (size_t i = 0; i < findings && index->texts; i++)
        free(index->texts[i]);
    free(index->texts);
    free(index->table);
}

// The finding with that state and text: an older one, or the new one, which takes both.
static uint32_t find_or_add(struct text_index *index, struct findings *findings,
                            const struct finding *finding, char *text)
{
    size_t slot = XXH3_64bits_withSeed(text, strlen(text), finding->state) & (index->size - 1);
    for (; index->table[slot]; slot = (slot + 1) & (index->size - 1)) {
        uint32_t known = index->table[slot] - 1;
        if (findings->items[known].state == finding->state &&
            strcmp(index->texts[known], text) == 0)
            return known;
    }
    index->texts[findings->count] = text;
    findings->items[findings->count++] = *finding;
    index->table[slot] = (uint32_t)findings->count;
    return (uint32_t)findings->count - 1;
}

// Frees what describe_group made.
static void description_deinit(struct finding *finding)
{
    shape_free_steps(finding->steps, finding->step_count);
    free(finding->breaks);
    for (size_t i = 0; i < finding->set.count; i++)
        change_deinit(&finding->set.items[i]);
    free(finding->set.items);
    origins_deinit(&finding->origins);
}

static struct failure *describe_group(struct folding *folding, struct group *group,
                                      struct text_index *index)
{
    struct finding finding = {.state = (enum collect_state)group->words[0]};
    size_t length;
    char *text;
    if (!cycle_find(&folding->finder, group->first, &length))
        return failure_no_memory();
    struct failure *failure = shape_describe(folding->heap, folding->finder.links, length, &finding,
                                             &text, &folding->findings->unread_edges);
    if (failure)
        return failure;
    size_t before = folding->findings->count;
    group->finding = find_or_add(index, folding->findings, &finding, text);
    if (folding->findings->count == before) {
        description_deinit(&finding);
        free(text);
        return NULL;
    }
    return remedy_find(folding->heap, &folding->components, group->first, &folding->remedy_work,
                       &folding->findings->items[group->finding]);
}

// Post: every group has its finding; findings are told apart by state and text.
static struct failure *describe_groups(struct folding *folding)
{
    struct findings *findings = folding->findings;
    struct text_index index = {0};
    struct failure *failure = NULL;
    findings->items = calloc(folding->group_count + 1, sizeof(*findings->items));
    if (!text_index_init(&index, folding->group_count) || !findings->items)
        failure = failure_no_memory();
    for (size_t i = 0; i < folding->group_count && !failure; i++)
        failure = describe_group(folding, &folding->groups[i], &index);
    text_index_deinit(&index, findings->count);
    return failure;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_finalizer(const struct finding_finalizer *a, const struct finding_finalizer *b)
{
    return same_text(a->class, b->class) && same_text(a->del.defined_in, b->del.defined_in) &&
           same_text(a->del.file, b->del.file) && a->del.line == b->del.line &&
           a->del.kind == b->del.kind && same_text(a->del.what, b->del.what);
}

static void finalizer_deinit(struct finding_finalizer *finalizer)
{
    free(finalizer->class);
    object_del_deinit(&finalizer->del);
}

// Notes the finalizer of a member, once per finding: those that read the same (of a class made
// again and again by one function, say) count as one.
static bool note_finalizer(struct folding *folding, struct finding *finding, uint32_t node)
{
    struct object_types *types = &folding->heap->types;
    vaddr class, source = shape_find_del_source(folding->heap, node, &class);
    size_t count = finding->finalizer_count;
    for (size_t i = 0; i < count; i++)
        if (finding->finalizers[i].class_address == class &&
            finding->finalizers[i].del_source == source)
            return true;
    vaddr example = heap_address(folding->heap, node);
    struct finding_finalizer noted = {.class_address = class,
                                      .example = example,
                                      .class = object_class_name(types, example),
                                      .del_source = source};
    if (!noted.class)
        return false;
    object_find_del(types, example, &noted.del);
    bool known = count == FINALIZERS_MAX;
    for (size_t i = 0; i < count && !known; i++)
        known = same_finalizer(&finding->finalizers[i], &noted);
    struct finding_finalizer *grown =
        known ? NULL : realloc(finding->finalizers, (count + 1) * sizeof(*finding->finalizers));
    if (!grown) {
        finalizer_deinit(&noted);
        return known;
    }
    finding->finalizers = grown;
    grown[finding->finalizer_count++] = noted;
    return true;
}

static void count_size(struct finding_sizes *sizes, uint32_t size, bool first)
{
    if (first || size < sizes->least)
        sizes->least = size;
    if (size > sizes->most)
        sizes->most = size;
    sizes->counts[31 - __builtin_clz(size)]++;
}

// Adds one component to its finding.
static bool count_component(struct folding *folding, uint32_t component)
{
    struct finding *finding =
        &folding->findings->items[folding->groups[folding->group_of[component]].finding];
    const uint32_t *members = component_members(folding, component);
    uint32_t size = component_size(folding, component);
    uint64_t bytes = 0;
    bool first = finding->count++ == 0;
    for (uint32_t i = 0; i < size; i++) {
        bytes += heap_size(folding->heap, members[i]);
        if (!heap_has_finalizer(folding->heap, members[i]))
            continue;
        if (first && !finding->example)
            finding->example = heap_address(folding->heap, members[i]);
        if (!note_finalizer(folding, finding, members[i]))
            return false;
    }
    finding->objects += size;
    finding->bytes += bytes;
    count_size(&finding->sizes, size, first);
    if (first) {
        finding->example_objects = size;
        finding->example_bytes = bytes;
    }
    return true;
}

// A component of a finding whose components differ in size.
struct sized_component {
    uint32_t finding;
    uint32_t size;
};

static int by_finding_and_size(const void *a, const void *b)
{
    const struct sized_component *left = a, *right = b;
    if (left->finding != right->finding)
        return left->finding < right->finding ? -1 : 1;
    return (left->size > right->size) - (left->size < right->size);
}

// Post: the findings' medians are set.
static bool find_medians(struct folding *folding)
{
    struct finding *findings = folding->findings->items;
    size_t count = 0, differing = 0;
    for (size_t i = 0; i < folding->findings->count; i++) {
        findings[i].sizes.median = findings[i].sizes.least;
        if (findings[i].sizes.least != findings[i].sizes.most)
            differing += findings[i].count;
    }
    if (!differing)
        return true;
    struct sized_component *components = reallocarray(NULL, differing, sizeof(*components));
    if (!components)
        return false;
    for (uint32_t i = 0; i < folding->components.count; i++) {
        if (folding->group_of[i] == GRAPH_NONE)
            continue;
        uint32_t finding = folding->groups[folding->group_of[i]].finding;
        if (findings[finding].sizes.least != findings[finding].sizes.most)
            components[count++] = (struct sized_component){finding, component_size(folding, i)};
    }
    qsort(components, count, sizeof(*components), by_finding_and_size);
    for (size_t i = 0; i < count; i += findings[components[i].finding].count) {
        struct finding *finding = &findings[components[i].finding];
        finding->sizes.median = components[i + (finding->count - 1) / 2].size;
    }
    free(components);
    return true;
}

static bool count_components(struct folding *folding)
{
    for (uint32_t i = 0; i < folding->components.count; i++)
        if (folding->group_of[i] != GRAPH_NONE && !count_component(folding, i))
            return false;
    return find_medians(folding);
}

static struct failure *measure_held(struct folding *folding)
{
    // A member's owner is the finding of its component: the component numbers have served.
    uint32_t *owners = folding->components.of;
    for (uint32_t i = 0; i < folding->heap->count; i++) {
        uint32_t component = owners[i];
        if (component != GRAPH_NONE)
            owners[i] = folding->group_of[component] == GRAPH_NONE
                            ? GRAPH_NONE
                            : folding->groups[folding->group_of[component]].finding;
    }
    return held_measure(folding->heap, folding->states, owners, folding->findings);
}

static int by_bytes(const void *a, const void *b)
{
    const struct finding *left = a, *right = b;
    uint64_t left_bytes = left->bytes + left->held_bytes;
    uint64_t right_bytes = right->bytes + right->held_bytes;
    if (left_bytes != right_bytes)
        return left_bytes > right_bytes ? -1 : 1;
    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    int order = strcmp(left->signature, right->signature);
    return order ? order : (left->example > right->example) - (left->example < right->example);
}

static int by_class(const void *a, const void *b)
{
    const struct finding_finalizer *left = a, *right = b;
    int order = strcmp(left->class, right->class);
    return order ? order : (left->example > right->example) - (left->example < right->example);
}

static struct failure *fold(struct folding *folding)
{
    struct heap *heap = folding->heap;
    if (!graph_components_create(&heap->graph, folding->states,
                                 COLLECT_UNCOLLECTABLE | COLLECT_PENDING, &folding->components))
        return failure_no_memory();
    folding->group_of = malloc((folding->components.count + 1) * sizeof(*folding->group_of));
    cycle_finder_init(&folding->finder, heap, &folding->components);
    if (!folding->group_of || !group_components(folding))
        return failure_no_memory();
    struct failure *failure = describe_groups(folding);
    if (failure)
        return failure;
    if (!count_components(folding))
        return failure_no_memory();
    failure = measure_held(folding);
    if (failure)
        return failure;
    struct findings *findings = folding->findings;
    for (size_t i = 0; i < findings->count; i++)
        findings->items[i].owner = (uint32_t)i;
    qsort(findings->items, findings->count, sizeof(*findings->items), by_bytes);
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].finalizer_count)
            qsort(findings->items[i].finalizers, findings->items[i].finalizer_count,
                  sizeof(*findings->items[i].finalizers), by_class);
    return NULL;
}

static struct failure *create(struct heap *heap, const uint8_t *states, bool with_owners,
                              struct findings **findings)
{
    struct findings *made = calloc(1, sizeof(*made));
    if (!made)
        return failure_no_memory();
    struct folding folding = {
        .heap = heap, .states = states, .findings = made, .remedy_work = REMEDY_WORK};
    struct failure *failure = fold(&folding);
    cycle_finder_deinit(&folding.finder);
    if (with_owners) {
        made->owners = folding.components.of;
        folding.components.of = NULL;
    }
    graph_components_destroy(&folding.components);
    for (size_t i = 0; i < folding.group_count; i++)
        free(folding.groups[i].words);
    free(folding.groups);
    free(folding.table);
    free(folding.group_of);
    free(folding.words);
    if (failure)
        findings_destroy(made);
    else
        *findings = made;
    return failure;
}

struct failure *findings_create(struct heap *heap, const uint8_t *states,
                                struct findings **findings)
{
    return create(heap, states, false, findings);
}

struct failure *findings_create_with_owners(struct heap *heap, const uint8_t *states,
                                            struct findings **findings)
{
    return create(heap, states, true, findings);
}

static struct failure *find_origins(struct heap *heap, const struct finding_step *step,
                                    struct origins *origins)
{
    return step->attribute ? origins_find(heap, step->object, step->edge + 1, origins) : NULL;
}

struct failure *findings_find_origins(struct findings *findings, struct heap *heap, uint64_t limit)
{
    struct failure *failure = NULL;
    for (size_t i = 0; i < findings->count && (!limit || i < limit) && !failure; i++) {
        struct finding *finding = &findings->items[i];
        if (finding->break_count)
            failure =
                find_origins(heap, &finding->steps[finding->breaks[0].step], &finding->origins);
        for (size_t j = 0; j < finding->set.count && !failure; j++)
            failure =
                find_origins(heap, finding->set.items[j].step, &finding->set.items[j].origins);
    }
    return failure;
}

void findings_destroy(struct findings *findings)
{
    if (!findings)
        return;
    for (size_t i = 0; i < findings->count; i++) {
        struct finding *finding = &findings->items[i];
        description_deinit(finding);
        for (size_t j = 0; j < finding->finalizer_count; j++)
            finalizer_deinit(&finding->finalizers[j]);
        free(finding->finalizers);
    }
    free(findings->held_types);
    free(findings->items);
    free(findings->owners);
    free(findings);
}
