// From components to findings in two rounds. First every component gets a cycle, and a cheap key of
// that cycle made of addresses; components with equal keys form a group. Then one cycle per group
// is described in words, and groups with equal words become one finding. A million components of
// one leak so cost a million keys and a handful of texts.
#include "findings.h"

#include <stdlib.h>
#include <xxhash.h>

#include "held.h"
#include "shape.h"

enum {
    STARTS_MAX = 16,     // finalizers of a component that are tried as the start of its cycle
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
    struct graph_search *search;
    uint32_t *group_of; // per component, or GRAPH_NONE: no finalizer in it
    struct group *groups;
    size_t group_count;
    size_t group_capacity;
    uint32_t *table; // hash table of group numbers + 1
    size_t table_size;
    struct shape_link *links;
    size_t link_capacity;
    uint64_t *words;
};

static uint32_t component_size(const struct folding *folding, uint32_t component)
{
    return folding->components.starts[component + 1] - folding->components.starts[component];
}

static const uint32_t *component_members(const struct folding *folding, uint32_t component)
{
    return folding->components.members + folding->components.starts[component];
}

// --- the cycle of a component

static bool reserve_links(struct folding *folding, size_t count)
{
    if (count <= folding->link_capacity)
        return true;
    size_t capacity = count + count / 2 + 16;
    struct shape_link *links = realloc(folding->links, capacity * sizeof(*links));
    if (links)
        folding->links = links;
    uint64_t *words = realloc(folding->words, (capacity * SHAPE_KEY_WORDS + 1) * sizeof(*words));
    if (words)
        folding->words = words;
    if (!links || !words)
        return false;
    folding->link_capacity = capacity;
    return true;
}

static void set_link(struct folding *folding, size_t i, uint32_t node, uint32_t edge)
{
    folding->links[i] = (struct shape_link){.node = node, .edge = edge};
}

static uint32_t ring_edge(const struct folding *folding, uint32_t node)
{
    const struct graph *graph = &folding->heap->graph;
    uint32_t component = folding->components.of[node], edge = graph->rows[node];
    while (folding->components.of[graph->targets[edge]] != component)
        edge++;
    return edge;
}

// A ring has one cycle: its only edges.
static bool follow_ring(struct folding *folding, uint32_t start, uint32_t count)
{
    if (!reserve_links(folding, count))
        return false;
    uint32_t node = start;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t edge = ring_edge(folding, node);
        set_link(folding, i, node, edge);
        node = folding->heap->graph.targets[edge];
    }
    return true;
}

// Which edge a reader would rather see: by kind, then by label, then by the class it leads to.
// Names are compared only where they differ as addresses.
static int prefer_edge(void *context, uint32_t source_a, uint32_t edge_a, uint32_t source_b,
                       uint32_t edge_b)
{
    struct heap *heap = context;
    struct visit_place a = {.kind = VISIT_STACK}, b = a;
    heap_find_place(heap, source_a, edge_a, &a);
    heap_find_place(heap, source_b, edge_b, &b);
    if (a.kind != b.kind)
        return a.kind < b.kind ? -1 : 1;
    int order = 0;
    if (a.label != b.label)
        order = strcmp(a.label ? a.label : "", b.label ? b.label : "");
    if (!order && a.key != b.key && (a.kind == VISIT_VALUE || a.kind == VISIT_SLOT)) {
        char name_a[128] = "", name_b[128] = "";
        uint64_t length;
        if (a.kind == VISIT_SLOT) {
            memory_read_string(heap->runtime->memory, a.key, name_a, sizeof(name_a));
            memory_read_string(heap->runtime->memory, b.key, name_b, sizeof(name_b));
        } else {
            object_read_str(heap->runtime, a.key, name_a, sizeof(name_a), &length);
            object_read_str(heap->runtime, b.key, name_b, sizeof(name_b), &length);
        }
        order = strcmp(name_a, name_b);
    }
    uint32_t target_a = heap->graph.targets[edge_a], target_b = heap->graph.targets[edge_b];
    if (!order && heap->type[target_a] != heap->type[target_b] &&
        heap->type[target_a] != HEAP_NO_TYPE && heap->type[target_b] != HEAP_NO_TYPE)
        order = strcmp(heap->types.types[heap->type[target_a]].name,
                       heap->types.types[heap->type[target_b]].name);
    return order;
}

// The first member of each class that has a finalizer; returns how many.
static size_t choose_starts(const struct folding *folding, uint32_t component, uint32_t *starts)
{
    const uint32_t *members = component_members(folding, component);
    vaddr classes[STARTS_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < component_size(folding, component) && count < STARTS_MAX; i++) {
        if (!heap_has_finalizer(folding->heap, members[i]))
            continue;
        vaddr class = shape_find_class(folding->heap, members[i]);
        bool known = false;
        for (size_t j = 0; j < count && !known; j++)
            known = classes[j] == class;
        if (known)
            continue;
        classes[count] = class;
        starts[count++] = members[i];
    }
    return count;
}

// The shortest of the cycles through the starts; the first class in the order of names wins a tie.
static bool search_cycle(struct folding *folding, const uint32_t *starts, size_t start_count,
                         size_t *length)
{
    struct heap *heap = folding->heap;
    uint32_t best = GRAPH_NONE;
    *length = 0;
    for (size_t i = 0; i < start_count; i++) {
        const uint32_t *edges;
        uint32_t count;
        if (!graph_search_cycle(folding->search, starts[i], prefer_edge, heap, &edges, &count))
            return false;
        const char *name = heap->types.types[heap->type[starts[i]]].name;
        if (*length &&
            (count > *length ||
             (count == *length && strcmp(name, heap->types.types[heap->type[best]].name) >= 0)))
            continue;
        if (!reserve_links(folding, count))
            return false;
        best = starts[i];
        *length = count;
        uint32_t node = starts[i];
        for (uint32_t j = 0; j < count; j++) {
            set_link(folding, j, node, edges[j]);
            node = heap->graph.targets[edges[j]];
        }
    }
    return true;
}

// Leaves the cycle of a component in folding->links; *length 0: it has no finalizer.
static bool find_cycle(struct folding *folding, uint32_t component, size_t *length)
{
    uint32_t starts[STARTS_MAX];
    size_t count = choose_starts(folding, component, starts);
    *length = 0;
    if (count == 0)
        return true;
    if (!graph_component_is_ring(&folding->heap->graph, &folding->components, component))
        return search_cycle(folding, starts, count, length);
    *length = component_size(folding, component);
    return follow_ring(folding, starts[0], (uint32_t)*length);
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

// Post: group_of is set for every component; a group's `first` is its first component.
static bool group_components(struct folding *folding)
{
    for (uint32_t i = 0; i < folding->components.count; i++) {
        size_t length;
        folding->group_of[i] = GRAPH_NONE;
        if (!find_cycle(folding, i, &length))
            return false;
        if (length == 0)
            continue;
        folding->words[0] = folding->states[component_members(folding, i)[0]];
        shape_make_key(folding->heap, folding->links, length, folding->words + 1);
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

static void steps_destroy(struct finding *finding)
{
    for (size_t i = 0; i < finding->step_count; i++) {
        free(finding->steps[i].type);
        free(finding->steps[i].edge);
    }
    free(finding->steps);
}

static struct failure *describe_group(struct folding *folding, struct group *group,
                                      struct text_index *index)
{
    struct finding finding = {.state = (enum collect_state)group->words[0]};
    size_t length;
    char *text;
    if (!find_cycle(folding, group->first, &length))
        return failure_no_memory();
    struct failure *failure = shape_describe(folding->heap, folding->links, length, &finding, &text,
                                             &folding->findings->unread_edges);
    if (failure)
        return failure;
    size_t before = folding->findings->count;
    group->finding = find_or_add(index, folding->findings, &finding, text);
    if (folding->findings->count == before) {
        steps_destroy(&finding);
        free(text);
    }
    return NULL;
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

// Notes the class of a member with a finalizer, once per finding.
static bool note_finalizer(struct folding *folding, struct finding *finding, uint32_t node)
{
    struct object_types *types = &folding->heap->types;
    vaddr class = shape_find_class(folding->heap, node);
    size_t count = finding->finalizer_count;
    for (size_t i = 0; i < count; i++)
        if (finding->finalizers[i].class_address == class)
            return true;
    if (count == FINALIZERS_MAX)
        return true;
    struct finding_finalizer *grown =
        realloc(finding->finalizers, (count + 1) * sizeof(*finding->finalizers));
    if (!grown)
        return false;
    finding->finalizers = grown;
    vaddr example = heap_address(folding->heap, node);
    grown[count] = (struct finding_finalizer){
        .class_address = class, .example = example, .class = object_class_name(types, example)};
    object_find_del(types, example, &grown[count].del);
    finding->finalizer_count++;
    return grown[count].class;
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
    if (first) {
        finding->example_objects = size;
        finding->example_bytes = bytes;
    }
    return true;
}

static bool count_components(struct folding *folding)
{
    for (uint32_t i = 0; i < folding->components.count; i++)
        if (folding->group_of[i] != GRAPH_NONE && !count_component(folding, i))
            return false;
    return true;
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
    if (!folding->group_of ||
        !graph_search_create(&heap->graph, &folding->components, &folding->search) ||
        !group_components(folding))
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
    qsort(findings->items, findings->count, sizeof(*findings->items), by_bytes);
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].finalizer_count)
            qsort(findings->items[i].finalizers, findings->items[i].finalizer_count,
                  sizeof(*findings->items[i].finalizers), by_class);
    return NULL;
}

struct failure *findings_create(struct heap *heap, const uint8_t *states,
                                struct findings **findings)
{
    struct findings *made = calloc(1, sizeof(*made));
    if (!made)
        return failure_no_memory();
    struct folding folding = {.heap = heap, .states = states, .findings = made};
    struct failure *failure = fold(&folding);
    graph_search_destroy(folding.search);
    graph_components_destroy(&folding.components);
    for (size_t i = 0; i < folding.group_count; i++)
        free(folding.groups[i].words);
    free(folding.groups);
    free(folding.table);
    free(folding.group_of);
    free(folding.links);
    free(folding.words);
    if (failure)
        findings_destroy(made);
    else
        *findings = made;
    return failure;
}

void findings_destroy(struct findings *findings)
{
    if (!findings)
        return;
    for (size_t i = 0; i < findings->count; i++) {
        struct finding *finding = &findings->items[i];
        steps_destroy(finding);
        for (size_t j = 0; j < finding->finalizer_count; j++) {
            free(finding->finalizers[j].class);
            object_del_deinit(&finding->finalizers[j].del);
        }
        free(finding->finalizers);
    }
    free(findings->items);
    free(findings);
}
