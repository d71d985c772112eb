// The idea, after Pearce.
//
// A depth-first walk numbers the nodes in the order in which it meets
// them. A node's index sinks to the smallest index that it sees among nodes not yet finished; a
// node whose index did not sink is the root of a component, and the component is the nodes that
// were left after it with an index not below its own. Finished nodes get values above every index
// in use, so that seeing one changes nothing; nodes outside the marked part get the largest value
// of all, before the walk, and need no test in it. Each node is on the path of the walk, or in the
// backlog of those left but not finished, or in neither. Both are short but in large components,
// and grow when they have to.
#include "walk.h"

#include <stdlib.h>

// A node of the path.
struct walk_step {
    uint32_t node;
    uint32_t edge; // that is being looked at
    bool sunk;     // it saw something before it, so it is no root
};

struct walk {
    const struct graph *graph;
    uint32_t *index; // per node: 0 not met; index while unfinished; else id, or GRAPH_NONE
    struct walk_step *path;
    uint32_t depth;
    uint32_t path_capacity;
    uint32_t *backlog;
    uint32_t waiting; // in it
    uint32_t backlog_capacity;
    uint32_t left; // nodes to walk: no path and no backlog is longer, nor are there more components
    uint32_t next_index;
    struct walk_found *found;
    uint32_t found_capacity;
};

// Room for one more entry; never for more than there are nodes to walk.
static __attribute__((noinline)) bool walk_grow(const struct walk *walk, void **array, size_t size,
                                                uint32_t *capacity)
{
    uint64_t more = (uint64_t)*capacity * 2 + 1024;
    uint32_t entries = more < walk->left ? (uint32_t)more : walk->left;
    void *grown = reallocarray(*array, entries, size);

    if (!grown)
        return false;
    *array = grown;
    *capacity = entries;
    return true;
}

static inline __attribute__((always_inline)) bool walk_enter(struct walk *walk, uint32_t node)
{
    void *path = walk->path;

    if (walk->depth == walk->path_capacity) {
        if (!walk_grow(walk, &path, sizeof(*walk->path), &walk->path_capacity))
            return false;
        walk->path = path;
    }
    walk->index[node] = walk->next_index++;
    walk->path[walk->depth++] = (struct walk_step){node, walk->graph->rows[node], false};
    return true;
}

// Goes on with the edges of the path's last node, up to a target not met before. Returns that, or
// GRAPH_NONE after the last edge. The edge is not passed: on the way back it is looked at again,
// with what the target's index has become.
static inline __attribute__((always_inline)) uint32_t walk_advance(struct walk *walk)
{
    struct walk_step *top = &walk->path[walk->depth - 1];
    uint32_t node = top->node;
    uint32_t end = walk->graph->rows[node + 1];

    for (uint32_t edge = top->edge; edge < end; edge++) {
        uint32_t target = walk->graph->targets[edge];

        if (walk->index[target] == 0) {
            top->edge = edge;
            return target;
        }
        if (walk->index[target] < walk->index[node]) {
            walk->index[node] = walk->index[target];
            top->sunk = true;
        }
    }
    return GRAPH_NONE;
}

static bool node_has_loop(const struct graph *graph, uint32_t node)
{
    for (uint32_t edge = graph->rows[node]; edge < graph->rows[node + 1]; edge++) {
        if (graph->targets[edge] == node)
            return true;
    }
    return false;
}

static bool walk_add(struct walk *walk, uint32_t smallest, uint32_t size)
{
    struct walk_found *found = walk->found;
    void *numbers = found->smallest;

    if (found->count == walk->found_capacity) {
        if (!walk_grow(walk, &numbers, sizeof(*found->smallest), &walk->found_capacity))
            return false;
        found->smallest = numbers;
    }
    found->smallest[found->count++] = smallest;
    found->members += size;
    return true;
}

// Finishes the component of which `root` is the root: the backlog above it, and itself.
static inline __attribute__((always_inline)) bool walk_finish(struct walk *walk, uint32_t root)
{
    uint32_t id = WALK_FIRST_ID - walk->found->count;
    uint32_t smallest = root;
    uint32_t size = 1;

    for (; walk->waiting > 0; walk->waiting--, size++) {
        uint32_t node = walk->backlog[walk->waiting - 1];

        if (walk->index[node] < walk->index[root])
            break;
        walk->index[node] = id;
        smallest = node < smallest ? node : smallest;
    }
    walk->next_index -= size;
    if (size == 1 && !node_has_loop(walk->graph, root)) {
        walk->index[root] = GRAPH_NONE;
        return true;
    }
    walk->index[root] = id;
    return walk_add(walk, smallest, size);
}

static inline __attribute__((always_inline)) bool walk_leave(struct walk *walk)
{
    const struct walk_step *step = &walk->path[--walk->depth];
    void *backlog = walk->backlog;

    if (!step->sunk)
        return walk_finish(walk, step->node);
    if (walk->waiting == walk->backlog_capacity) {
        if (!walk_grow(walk, &backlog, sizeof(*walk->backlog), &walk->backlog_capacity))
            return false;
        walk->backlog = backlog;
    }
    walk->backlog[walk->waiting++] = step->node;
    return true;
}

static bool walk_nodes(struct walk *walk)
{
    for (uint32_t node = 0; node < walk->graph->nodes; node++) {
        if (walk->index[node] != 0)
            continue;
        if (!walk_enter(walk, node))
            return false;
        while (walk->depth > 0) {
            uint32_t target = walk_advance(walk);

            if (target != GRAPH_NONE) {
                if (!walk_enter(walk, target))
                    return false;
            } else if (!walk_leave(walk)) {
                return false;
            }
        }
    }
    return true;
}

bool walk_run(const struct graph *graph, uint32_t *index, uint32_t left, struct walk_found *found)
{
    struct walk walk = {
        .graph = graph, .index = index, .left = left, .next_index = 1, .found = found};

    *found = (struct walk_found){0};
    bool done = left == 0 || walk_nodes(&walk);
    free(walk.path);
    free(walk.backlog);
    return done;
}
