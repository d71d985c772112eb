#include "flame.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "shape.h"

enum {
    SLOTS = 4 * FLAME_FRAMES_MAX, // a power of two
    NOT_SEEN = 0
};

// How an object was come to.
struct arrival {
    uint32_t frame; // + 1; NOT_SEEN
    uint32_t node;  // from there, or from the object whose namespace this dictionary is
    uint32_t edge;
    bool folded; // it is a namespace: what it refers to are attributes of `node`
};

struct burning {
    struct flame *flame;
    struct heap *heap;
    const uint8_t *states;
    const struct findings *findings;
    uint32_t *finding_of; // by number of the owner
    struct arrival *arrivals;
    uint32_t *queue;
    size_t queued;
    uint64_t *keys; // hash table of frames
    uint32_t *slots;
};

// The finding that keeps a node, by its place in the report; false: none, or several.
static bool find_finding(const struct burning *burning, uint32_t node, uint32_t *finding)
{
    uint32_t owner = burning->findings->owners[node];
    if (!(burning->states[node] & (COLLECT_UNCOLLECTABLE | COLLECT_PENDING | COLLECT_SUSPECT)) ||
        owner >= burning->findings->count)
        return false;
    *finding = burning->finding_of[owner];
    return true;
}

// The name of the edge to a target; `arrival` is that of its source.
static char *describe_edge(struct burning *burning, const struct arrival *arrival, uint32_t source,
                           uint32_t edge)
{
    struct shape_link links[2] = {{.node = source, .edge = edge}};
    struct finding_step *steps;
    size_t count = 1, step_count;
    uint64_t unread = 0;
    if (arrival->folded) {
        links[0] = (struct shape_link){.node = arrival->node, .edge = arrival->edge};
        links[count++] = (struct shape_link){.node = source, .edge = edge};
    }
    if (!shape_draw_path(burning->heap, links, count, &steps, &step_count, &unread))
        return NULL;
    char *text = strdup(step_count && steps[0].edge ? steps[0].edge : "?");
    shape_free_steps(steps, step_count);
    return text;
}

static uint32_t *find_slot(struct burning *burning, uint64_t key)
{
    size_t slot = key & (SLOTS - 1);
    while (burning->slots[slot] && burning->keys[slot] != key)
        slot = (slot + 1) & (SLOTS - 1);
    burning->keys[slot] = key;
    return &burning->slots[slot];
}

// The frame for a node that was come to by an edge from `source`, or without one. False: memory is
// short.
static bool find_frame(struct burning *burning, uint32_t finding, uint32_t source, uint32_t edge,
                       uint32_t node, uint32_t *frame)
{
    struct flame *flame = burning->flame;
    bool is_root = source == GRAPH_NONE;
    const struct arrival *arrival = is_root ? NULL : &burning->arrivals[source];
    uint32_t parent = is_root ? FLAME_NO_PARENT : arrival->frame - 1;
    uint64_t key[] = {finding, parent, shape_find_class(burning->heap, node),
                      is_root ? GRAPH_NONE : burning->heap->edge_labels[edge]};
    uint32_t *slot = find_slot(burning, XXH64(key, sizeof(key), 0));
    uint16_t depth = is_root ? 0 : flame->frames[parent].depth + 1;
    if (*slot) {
        *frame = *slot - 1;
        return true;
    }
    if (!is_root && (depth >= FLAME_DEPTH_MAX || flame->count >= FLAME_FRAMES_MAX)) {
        *frame = parent;
        return true;
    }
    if (flame->count >= FLAME_FRAMES_MAX) { // not even one to begin with
        *frame = GRAPH_NONE;
        return true;
    }
    struct flame_frame made = {.parent = parent, .finding = finding, .depth = depth};
    made.type = object_class_name(&burning->heap->types, heap_address(burning->heap, node));
    made.edge = is_root ? NULL : describe_edge(burning, arrival, source, edge);
    *frame = (uint32_t)flame->count;
    flame->frames[flame->count++] = made;
    *slot = *frame + 1;
    return made.type && (is_root || made.edge);
}

static bool is_namespace(const struct heap *heap, uint32_t edge)
{
    uint16_t label = heap->edge_labels[edge];
    return label != HEAP_NO_LABEL && shape_is_namespace(heap_label_place(heap, label));
}

static bool arrive(struct burning *burning, uint32_t finding, uint32_t source, uint32_t edge,
                   uint32_t node)
{
    struct arrival *arrival = &burning->arrivals[node];
    uint32_t frame;
    bool folded = source != GRAPH_NONE && !burning->arrivals[source].folded &&
                  is_namespace(burning->heap, edge);
    if (folded)
        frame = burning->arrivals[source].frame - 1;
    else if (!find_frame(burning, finding, source, edge, node, &frame))
        return false;
    if (frame == GRAPH_NONE) // stays with what is in no frame
        return true;
    *arrival = (struct arrival){frame + 1, source, edge, folded};
    burning->flame->frames[frame].bytes += heap_size(burning->heap, node);
    burning->flame->untracked[finding] -= heap_size(burning->heap, node);
    burning->queue[burning->queued++] = node;
    return true;
}

// Everything of the finding that the node leads to, the nearest first.
static bool spread(struct burning *burning, uint32_t finding, uint32_t node)
{
    const struct graph *graph = &burning->heap->graph;
    burning->queued = 0;
    bool done = arrive(burning, finding, GRAPH_NONE, 0, node);
    for (size_t i = 0; i < burning->queued && done; i++) {
        uint32_t source = burning->queue[i], other;
        for (uint32_t edge = graph->rows[source]; edge < graph->rows[source + 1] && done; edge++) {
            uint32_t target = graph->targets[edge];
            if (burning->arrivals[target].frame == NOT_SEEN &&
                find_finding(burning, target, &other) && other == finding)
                done = arrive(burning, finding, source, edge, target);
        }
    }
    return done;
}

// First from objects of the class of each finding's example, then from what nothing led to.
static bool spread_all(struct burning *burning, const vaddr *classes, bool from_examples)
{
    bool done = true;
    uint32_t finding;
    for (uint32_t node = 0; node < burning->heap->count && done; node++)
        if (burning->arrivals[node].frame == NOT_SEEN && find_finding(burning, node, &finding) &&
            (!from_examples || (heap_has_finalizer(burning->heap, node) &&
                                shape_find_class(burning->heap, node) == classes[finding])))
            done = spread(burning, finding, node);
    return done;
}

static bool run(struct burning *burning, vaddr *classes)
{
    const struct findings *findings = burning->findings;
    for (uint32_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        uint32_t node;
        burning->finding_of[finding->owner] = i;
        burning->flame->untracked[i] = finding->bytes + finding->held_bytes;
        if (heap_find(burning->heap, finding->example, &node))
            classes[i] = shape_find_class(burning->heap, node);
    }
    return spread_all(burning, classes, true) && spread_all(burning, classes, false);
}

struct failure *flame_init(struct flame *flame, struct heap *heap, const uint8_t *states,
                           const struct findings *findings)
{
    size_t count = findings->count + 1, nodes = (size_t)heap->count + 1;
    struct burning burning = {
        .flame = flame,
        .heap = heap,
        .states = states,
        .findings = findings,
        .finding_of = calloc(count, sizeof(*burning.finding_of)),
        .arrivals = calloc(nodes, sizeof(*burning.arrivals)),
        .queue = calloc(nodes, sizeof(*burning.queue)),
        .keys = calloc(SLOTS, sizeof(*burning.keys)),
        .slots = calloc(SLOTS, sizeof(*burning.slots)),
    };
    vaddr *classes = calloc(count, sizeof(*classes));
    *flame = (struct flame){.frames = calloc(FLAME_FRAMES_MAX, sizeof(*flame->frames)),
                            .untracked = calloc(count, sizeof(*flame->untracked))};
    bool done = burning.finding_of && burning.arrivals && burning.queue && burning.keys &&
                burning.slots && classes && flame->frames && flame->untracked &&
                run(&burning, classes);
    free(burning.finding_of);
    free(burning.arrivals);
    free(burning.queue);
    free(burning.keys);
    free(burning.slots);
    free(classes);
    return done ? NULL : failure_no_memory();
}

void flame_deinit(struct flame *flame)
{
    for (size_t i = 0; i < flame->count; i++) {
        free(flame->frames[i].edge);
        free(flame->frames[i].type);
    }
    free(flame->frames);
    free(flame->untracked);
    *flame = (struct flame){0};
}
