#include "cycle.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SHORT_ROW = 32,   // edges; of so few each is looked for anew
    LONG_RING = 1024, // members
};

void cycle_finder_init(struct cycle_finder *finder, struct heap *heap,
                       const struct graph_components *components)
{
    *finder = (struct cycle_finder){.heap = heap,
                                    .components = components,
                                    .places = {.source = GRAPH_NONE, .edge = GRAPH_NONE}};
}

void cycle_finder_deinit(struct cycle_finder *finder)
{
    graph_search_destroy(finder->search);
    free(finder->links);
    free(finder->candidate);
    free(finder->places.row);
    shape_texts_deinit(&finder->texts);
    *finder = (struct cycle_finder){0};
}

static bool reserve_links(struct cycle_finder *finder, size_t count)
{
    if (count <= finder->capacity)
        return true;
    size_t capacity = count + count / 2 + 16;
    struct shape_link *links = realloc(finder->links, capacity * sizeof(*links));
    if (links)
        finder->links = links;
    struct shape_link *candidate = realloc(finder->candidate, capacity * sizeof(*candidate));
    if (candidate)
        finder->candidate = candidate;
    if (!links || !candidate)
        return false;
    finder->capacity = capacity;
    return true;
}

static uint32_t component_size(const struct cycle_finder *finder, uint32_t component)
{
    return finder->components->starts[component + 1] - finder->components->starts[component];
}

static const uint32_t *component_members(const struct cycle_finder *finder, uint32_t component)
{
    return finder->components->members + finder->components->starts[component];
}

// --- a ring has one cycle: its only edges

// The edge of a member to a member; GRAPH_NONE: it has several.
static uint32_t ring_edge(const struct cycle_finder *finder, uint32_t component, uint32_t node)
{
    const struct graph *graph = &finder->heap->graph;
    uint32_t end = graph->rows[node + 1], found = GRAPH_NONE;
    for (uint32_t edge = graph->rows[node]; edge < end; edge++) {
        if (finder->components->of[graph->targets[edge]] != component)
            continue;
        if (found != GRAPH_NONE)
            return GRAPH_NONE;
        found = edge;
    }
    return found;
}

// From each member the others can be reached, so that from one with a single edge on nothing is
// left out: as many steps as there are members go through all, or find that it is no ring.
static bool follow_ring(struct cycle_finder *finder, uint32_t component, uint32_t start,
                        size_t *length)
{
    uint32_t count = component_size(finder, component);
    *length = CYCLE_NO_RING;
    // Links take more memory than what is looked at.
    if (count > LONG_RING &&
        !graph_component_is_ring(&finder->heap->graph, finder->components, component))
        return true;
    if (!reserve_links(finder, count))
        return false;
    uint32_t node = start;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t edge = ring_edge(finder, component, node);
        if (edge == GRAPH_NONE)
            return true;
        finder->links[i] = (struct shape_link){.node = node, .edge = edge};
        node = finder->heap->graph.targets[edge];
    }
    *length = count;
    return true;
}

// --- which of two edges

// By the class that an object shows, in the order of names.
static int compare_classes(struct heap *heap, uint32_t a, uint32_t b)
{
    if (shape_find_class(heap, a) == shape_find_class(heap, b))
        return 0;
    char *name_a = object_class_name(&heap->types, heap_address(heap, a));
    char *name_b = object_class_name(&heap->types, heap_address(heap, b));
    int order = strcmp(name_a ? name_a : "", name_b ? name_b : "");
    free(name_a);
    free(name_b);
    return order;
}

// The text of a key: a str as it is, any other by its class.
static void read_key(struct heap *heap, const struct visit_place *place, char *name,
                     size_t capacity)
{
    uint64_t length;
    *name = '\0';
    if (place->kind == VISIT_SLOT) {
        memory_read_string(heap->runtime->memory, place->key, name, capacity);
    } else if (object_read_str(heap->runtime, place->key, name, capacity, &length) != MEMORY_OK) {
        char *class = object_class_name(&heap->types, place->key);
        snprintf(name, capacity, "[%s]", class ? class : "");
        free(class);
    }
}

// The keys under which two edges of one kind stand in a dictionary, or their slots.
static int compare_keys(struct heap *heap, const struct visit_place *a, const struct visit_place *b)
{
    char name_a[256], name_b[256];
    if (a->key == b->key || (a->kind != VISIT_VALUE && a->kind != VISIT_SLOT))
        return 0;
    read_key(heap, a, name_a, sizeof(name_a));
    read_key(heap, b, name_b, sizeof(name_b));
    return strcmp(name_a, name_b);
}

// Makes the row that of `source`. False: it cannot be read, or memory is short.
static bool fill_row(struct cycle_finder *finder, uint32_t source)
{
    struct cycle_places *places = &finder->places;
    const uint32_t *rows = finder->heap->graph.rows;
    size_t count = rows[source + 1] - rows[source];
    if (places->source == source)
        return true;
    places->source = GRAPH_NONE;
    if (count > places->capacity) {
        struct visit_place *row = reallocarray(places->row, count, sizeof(*row));
        if (!row)
            return false;
        places->row = row;
        places->capacity = count;
    }
    if (heap_read_places(finder->heap, source, places->row) != MEMORY_OK)
        return false;
    places->source = source;
    return true;
}

// Where an edge stands; its index is left out where a label says it.
static void find_place(struct cycle_finder *finder, uint32_t source, uint32_t edge,
                       struct visit_place *place)
{
    struct heap *heap = finder->heap;
    const uint32_t *rows = heap->graph.rows;
    uint16_t label = heap->edge_labels[edge];
    if (label != HEAP_NO_LABEL)
        *place = *heap_label_place(heap, label);
    else if (finder->places.edge == edge)
        *place = finder->places.place;
    else if (rows[source + 1] - rows[source] > SHORT_ROW && fill_row(finder, source))
        *place = finder->places.row[edge - rows[source]];
    else
        heap_find_place(heap, source, edge, place);
}

// Which edge comes first in a text: by kind, label, key, and the class that it leads to. Names are
// compared only where they differ as addresses.
static int prefer_edge(void *context, uint32_t source_a, uint32_t edge_a, uint32_t source_b,
                       uint32_t edge_b)
{
    struct cycle_finder *finder = context;
    struct heap *heap = finder->heap;
    struct visit_place a = {.kind = VISIT_STACK}, b = a;
    int order = compare_classes(heap, source_a, source_b);
    if (order)
        return order;
    // The first is the best so far: it is asked about again and again.
    find_place(finder, source_a, edge_a, &a);
    finder->places.edge = edge_a;
    finder->places.place = a;
    find_place(finder, source_b, edge_b, &b);
    if (a.kind != b.kind)
        return a.kind < b.kind ? -1 : 1;
    if (a.label != b.label)
        order = strcmp(a.label ? a.label : "", b.label ? b.label : "");
    if (!order)
        order = compare_keys(heap, &a, &b);
    return order ? order
                 : compare_classes(heap, heap->graph.targets[edge_a], heap->graph.targets[edge_b]);
}

// --- the best of several starts

static bool has_class(struct cycle_finder *finder, const uint32_t *starts, size_t count,
                      vaddr class)
{
    for (size_t i = 0; i < count; i++)
        if (shape_find_class(finder->heap, starts[i]) == class)
            return true;
    return false;
}

// Members with finalizers: one of each class, then more of the same; returns how many.
static size_t choose_starts(struct cycle_finder *finder, uint32_t component, uint32_t *starts)
{
    const uint32_t *members = component_members(finder, component);
    uint32_t more[CYCLE_STARTS_MAX];
    size_t count = 0, more_count = 0;
    for (uint32_t i = 0; i < component_size(finder, component) && count < CYCLE_STARTS_MAX; i++) {
        if (!heap_has_finalizer(finder->heap, members[i]))
            continue;
        if (!has_class(finder, starts, count, shape_find_class(finder->heap, members[i])))
            starts[count++] = members[i];
        else if (more_count < CYCLE_STARTS_MAX)
            more[more_count++] = members[i];
    }
    for (size_t i = 0; i < more_count && count < CYCLE_STARTS_MAX; i++)
        starts[count++] = more[i];
    return count;
}

// Puts the cycle through `start` into finder->candidate, if it is no longer than *length.
static bool find_candidate(struct cycle_finder *finder, uint32_t start, size_t most, size_t *length)
{
    const uint32_t *edges;
    uint32_t count;
    *length = 0;
    if (!graph_search_cycle(finder->search, start, prefer_edge, finder, &edges, &count))
        return false;
    if (most && count > most)
        return true;
    if (!reserve_links(finder, count))
        return false;
    uint32_t node = start;
    for (uint32_t i = 0; i < count; i++) {
        finder->candidate[i] = (struct shape_link){.node = node, .edge = edges[i]};
        node = finder->heap->graph.targets[edges[i]];
    }
    *length = count;
    return true;
}

// Has the candidate the smaller text? *best is the shape of the best so far; without texts: not
// known yet.
static bool is_better(struct cycle_finder *finder, size_t length, struct shape *best)
{
    struct heap *heap = finder->heap;
    struct shape other;
    if (!best->texts && !shape_read(heap, &finder->texts, finder->links, length, best))
        return false;
    if (!shape_read(heap, &finder->texts, finder->candidate, length, &other))
        return false;
    bool better =
        shape_texts_compare(&finder->texts, other.texts, other.count, best->texts, best->count) < 0;
    if (better) {
        struct shape worse = *best;
        *best = other;
        other = worse;
    }
    shape_deinit(&other);
    return better;
}

static bool search_cycle(struct cycle_finder *finder, const uint32_t *starts, size_t count,
                         size_t *length)
{
    struct shape best = {0}; // once it had to be compared
    // Most components are rings: the space for a search is made when one is not.
    bool done = finder->search ||
                graph_search_create(&finder->heap->graph, finder->components, &finder->search);
    for (size_t i = 0; i < count && done; i++) {
        size_t found;
        done = find_candidate(finder, starts[i], *length, &found);
        if (!done || !found)
            continue;
        if (found == *length && !is_better(finder, found, &best))
            continue;
        if (found != *length)
            shape_deinit(&best);
        struct shape_link *links = finder->links;
        finder->links = finder->candidate;
        finder->candidate = links;
        *length = found;
    }
    shape_deinit(&best);
    return done;
}

// The first member with a finalizer, or GRAPH_NONE.
static uint32_t first_with_finalizer(const struct cycle_finder *finder, uint32_t component)
{
    const uint32_t *members = component_members(finder, component);
    for (uint32_t i = 0; i < component_size(finder, component); i++)
        if (heap_has_finalizer(finder->heap, members[i]))
            return members[i];
    return GRAPH_NONE;
}

bool cycle_follow(struct cycle_finder *finder, uint32_t component, size_t *length)
{
    uint32_t start = first_with_finalizer(finder, component);
    *length = 0;
    if (start == GRAPH_NONE)
        return true;
    return follow_ring(finder, component, start, length);
}

bool cycle_find(struct cycle_finder *finder, uint32_t component, size_t *length)
{
    uint32_t starts[CYCLE_STARTS_MAX];
    if (!cycle_follow(finder, component, length))
        return false;
    if (*length != CYCLE_NO_RING)
        return true;
    *length = 0;
    return search_cycle(finder, starts, choose_starts(finder, component, starts), length);
}
