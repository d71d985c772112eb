#include "drawing.h"

#include <stdlib.h>
#include <string.h>

#include "contents.h"
#include "shape.h"

struct draft {
    struct drawing *drawing;
    struct heap *heap;
    struct graph_components components;
    uint32_t component;
    uint32_t *place_of; // per node of the heap: its place in the drawing + 1, 0: not drawn
    size_t node_limit;
    size_t edge_limit;
};

static bool is_member(const struct draft *draft, uint32_t node)
{
    return draft->components.of[node] == draft->component;
}

// *place: where the node is drawn. False: memory is short; the limit leaves *place at SIZE_MAX.
static bool draw_node(struct draft *draft, uint32_t node, size_t *place)
{
    struct drawing *drawing = draft->drawing;
    *place = SIZE_MAX;
    if (draft->place_of[node]) {
        *place = draft->place_of[node] - 1;
        return true;
    }
    if (drawing->node_count == draft->node_limit) {
        drawing->cut = true;
        return true;
    }
    vaddr object = heap_address(draft->heap, node);
    char *type = object_class_name(&draft->heap->types, object);
    *place = drawing->node_count++;
    drawing->nodes[*place] =
        (struct drawing_node){node, object, type, heap_has_finalizer(draft->heap, node)};
    draft->place_of[node] = (uint32_t)*place + 1;
    return type != NULL;
}

// The first reference to think of; or each that is one of a set, by its words.
static bool is_to_break(const struct drawing *drawing, size_t from, uint32_t edge,
                        const char *label)
{
    const struct finding *finding = drawing->finding;
    for (size_t i = 0; i < finding->set.count && label; i++) {
        const struct finding_change *change = &finding->set.items[i];
        if (change->drawn != SIZE_MAX && finding_find_step(finding, change->drawn)->cut == edge)
            return true;
        if (strcmp(change->step->edge, label) == 0 &&
            strcmp(change->step->type, drawing->nodes[from].type) == 0)
            return true;
    }
    return !finding->set.count && finding->break_count &&
           finding_find_step(finding, finding->breaks[0].step)->cut == edge;
}

// `count` links, of which the last has the edge that is drawn: one, or two through a namespace.
static bool draw_edge(struct draft *draft, size_t from, const struct shape_link *links,
                      size_t count)
{
    struct drawing *drawing = draft->drawing;
    struct shape_link path[2] = {links[0], links[count - 1]};
    uint32_t edge = links[count - 1].edge;
    struct finding_step *steps;
    size_t step_count, to;
    uint64_t unread = 0;
    if (drawing->edge_count == draft->edge_limit) {
        drawing->cut = true;
        return true;
    }
    if (!draw_node(draft, draft->heap->graph.targets[edge], &to))
        return false;
    if (to == SIZE_MAX)
        return true;
    if (!shape_draw_path(draft->heap, path, count, &steps, &step_count, &unread))
        return false;
    bool named = !drawing->values || contents_name_keys(draft->heap, steps, step_count);
    char *label = strdup(step_count && steps[0].edge ? finding_step_edge(&steps[0]) : "?");
    // What a set tells is without keys.
    bool to_break = step_count && is_to_break(drawing, from, edge, steps[0].edge);
    shape_free_steps(steps, step_count);
    drawing->edges[drawing->edge_count++] = (struct drawing_edge){from, to, label, to_break};
    return named && label;
}

static bool draw_namespace(struct draft *draft, size_t from, const struct shape_link *link)
{
    const struct graph *graph = &draft->heap->graph;
    uint32_t dict = graph->targets[link->edge];
    bool done = true;
    for (uint32_t edge = graph->rows[dict]; edge < graph->rows[dict + 1] && done; edge++)
        if (is_member(draft, graph->targets[edge]))
            done = draw_edge(draft, from,
                             (struct shape_link[]){*link, {.node = dict, .edge = edge}}, 2);
    return done;
}

static bool is_namespace(const struct heap *heap, uint32_t edge)
{
    uint16_t label = heap->edge_labels[edge];
    return label != HEAP_NO_LABEL && shape_is_namespace(heap_label_place(heap, label));
}

static bool draw_edges(struct draft *draft, size_t from)
{
    const struct graph *graph = &draft->heap->graph;
    uint32_t node = draft->drawing->nodes[from].number;
    bool done = true;
    for (uint32_t edge = graph->rows[node]; edge < graph->rows[node + 1] && done; edge++) {
        struct shape_link link = {.node = node, .edge = edge};
        if (!is_member(draft, graph->targets[edge]))
            continue;
        done = is_namespace(draft->heap, edge) ? draw_namespace(draft, from, &link)
                                               : draw_edge(draft, from, &link, 1);
    }
    return done;
}

static bool draw_all(struct draft *draft)
{
    struct drawing *drawing = draft->drawing;
    uint32_t node;
    size_t place;
    for (size_t i = 0; i < finding_kept_steps(drawing->finding); i++)
        if (heap_find(draft->heap, drawing->finding->steps[i].object, &node) &&
            is_member(draft, node) && !draw_node(draft, node, &place))
            return false;
    for (size_t i = 0; i < drawing->node_count; i++)
        if (!draw_edges(draft, i))
            return false;
    return true;
}

struct failure *drawing_init(struct drawing *drawing, struct heap *heap, const uint8_t *states,
                             const struct finding *finding, uint64_t limit, bool values)
{
    struct draft draft = {.drawing = drawing, .heap = heap};
    uint32_t node;
    draft.node_limit = limit && limit < DRAWING_NODES_MAX ? limit : DRAWING_NODES_MAX;
    draft.edge_limit = draft.node_limit * DRAWING_EDGES_PER_NODE;
    *drawing = (struct drawing){.finding = finding,
                                .values = values,
                                .nodes = calloc(draft.node_limit, sizeof(*drawing->nodes)),
                                .edges = calloc(draft.edge_limit, sizeof(*drawing->edges))};
    draft.place_of = calloc((size_t)heap->count + 1, sizeof(*draft.place_of));
    bool done = drawing->nodes && drawing->edges && draft.place_of &&
                graph_components_create(&heap->graph, states,
                                        COLLECT_UNCOLLECTABLE | COLLECT_PENDING | COLLECT_SUSPECT,
                                        &draft.components);
    if (done && heap_find(heap, finding->example, &node)) {
        draft.component = draft.components.of[node];
        done = draw_all(&draft);
    }
    graph_components_destroy(&draft.components);
    free(draft.place_of);
    return done ? NULL : failure_no_memory();
}

void drawing_deinit(struct drawing *drawing)
{
    for (size_t i = 0; i < drawing->node_count; i++)
        free(drawing->nodes[i].type);
    for (size_t i = 0; i < drawing->edge_count; i++)
        free(drawing->edges[i].label);
    free(drawing->nodes);
    free(drawing->edges);
    *drawing = (struct drawing){0};
}
