// The steps:
//
// 1. Wanted are the items of gc.garbage that are in use, and all objects in use that have a
//    finalizer. Without one of either, that is all.
// 2. Shortest ways from the recognisable roots. An object with a finalizer that one leads to is
//    none of ours; of the others those in cycles are, one for each cycle.
// 3. References are counted again for what no way has led to, and for the listed items: what
//    ob_refcnt has more comes from outside. Objects with such references are the next roots.
// 4. The way to each wanted object is walked back and folded by what it passes.
// 5. The words of objects with references from outside are looked for in the process's memory, and
//    as many of them as there are references are taken for these, the best evidence first.
#include "holders.h"

#include <stdlib.h>

#include "holders_fold.h"
#include "holders_roots.h"
#include "holders_scan.h"
#include "reach.h"

enum {
    AUDIT_MAX = 1 << 20, // objects whose words are looked for
};

struct holding {
    struct heap *heap;
    const uint8_t *states;
    uint32_t list;
    const struct holders_source *source;
    unsigned jobs;
    struct holders *holders;
    struct reach reach;
    struct holders_roots roots;
    struct holders_fold fold;
    uint64_t *listed;  // bits: items of gc.garbage in use
    uint64_t *heads;   // bits: of each cycle in use only from outside, one with a finalizer
    uint64_t *audited; // bits: whose references from outside are to be explained
    int32_t *edges;    // references found, of the nodes that are asked about
};

static void set_bit(uint64_t *bits, uint32_t node)
{
    bits[node / 64] |= UINT64_C(1) << (node % 64);
}

static void clear_bit(uint64_t *bits, uint32_t node)
{
    bits[node / 64] &= ~(UINT64_C(1) << (node % 64));
}

static bool is_live(const struct holding *holding, uint32_t node)
{
    return holding->states[node] == COLLECT_REACHABLE;
}

// --- what is wanted

// The next object in use with a finalizer, from `node` on; GRAPH_NONE: no more.
static uint32_t next_finalizer(const struct heap *heap, const uint8_t *states, uint32_t node)
{
    for (; node < heap->count; node++) {
        if (node % 8 == 0 && !heap->finalizers[node / 8])
            node += 7;
        else if (heap_has_finalizer(heap, node) && states[node] == COLLECT_REACHABLE)
            return node;
    }
    return GRAPH_NONE;
}

// The usual answer is no, and must not cost much.
static bool is_anything_wanted(const struct heap *heap, const uint8_t *states, uint32_t list)
{
    if (next_finalizer(heap, states, 0) != GRAPH_NONE)
        return true;
    if (list == GRAPH_NONE)
        return false;
    for (uint32_t edge = heap->graph.rows[list]; edge < heap->graph.rows[list + 1]; edge++)
        if (states[heap->graph.targets[edge]] == COLLECT_REACHABLE)
            return true;
    return false;
}

// Returns how many nodes that makes more.
static uint32_t want(struct holding *holding, uint32_t node)
{
    bool already = reach_bit(holding->reach.wanted, node);
    set_bit(holding->reach.wanted, node);
    return !already;
}

static uint32_t want_all(struct holding *holding)
{
    const struct graph *graph = &holding->heap->graph;
    uint32_t list = holding->list, wanted = 0;
    for (uint32_t node = 0;
         (node = next_finalizer(holding->heap, holding->states, node)) != GRAPH_NONE; node++)
        wanted += want(holding, node);
    if (list == GRAPH_NONE)
        return wanted;
    for (uint32_t edge = graph->rows[list]; edge < graph->rows[list + 1]; edge++) {
        uint32_t node = graph->targets[edge];
        if (!is_live(holding, node) || reach_bit(holding->listed, node))
            continue;
        set_bit(holding->listed, node);
        holding->holders->listed++;
        wanted += want(holding, node);
    }
    return wanted;
}

// --- references from outside

// Of those asked about: listed items, and what no way from a recognisable root has led to.
static bool count_edges(struct holding *holding)
{
    const struct graph *graph = &holding->heap->graph;
    holding->edges = calloc((size_t)graph->nodes + 1, sizeof(*holding->edges));
    if (!holding->edges)
        return false;
    for (uint32_t edge = 0; edge < graph->rows[graph->nodes]; edge++) {
        uint32_t target = graph->targets[edge];
        if ((!reach_bit(holding->reach.seen, target) || reach_bit(holding->listed, target)) &&
            holding->edges[target] < INT32_MAX)
            holding->edges[target]++;
    }
    return true;
}

static int64_t count_outside(struct holding *holding, uint32_t node)
{
    int64_t refcnt = heap_read_refcnt(holding->heap, node);
    // As extraction takes it: what is no count is more than any.
    return (refcnt < 0 ? INT32_MAX : refcnt) - holding->edges[node];
}

static void audit(struct holding *holding, uint32_t node)
{
    if (count_outside(holding, node) > 0)
        set_bit(holding->audited, node);
}

// --- cycles that no way leads to

// Marks the first member with a finalizer. A cycle with an item of gc.garbage is told by that.
static bool mark_head(struct holding *holding, const struct graph_components *components,
                      uint32_t component)
{
    const uint32_t *member = &components->members[components->starts[component]];
    const uint32_t *end = &components->members[components->starts[component + 1]];
    uint32_t head = GRAPH_NONE;
    for (; member < end; member++) {
        if (reach_bit(holding->listed, *member))
            return false;
        if (head == GRAPH_NONE && heap_has_finalizer(holding->heap, *member))
            head = *member;
    }
    if (head == GRAPH_NONE)
        return false;
    set_bit(holding->heads, head);
    holding->holders->cycles++;
    return true;
}

// Of the objects with a finalizer that no way led to, one for each cycle stays wanted. Returns how
// many are wanted still, listed items included.
static uint32_t want_heads(struct holding *holding, const struct graph_components *components)
{
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < components->count; i++) {
        if (!mark_head(holding, components, i))
            continue;
        for (uint32_t at = components->starts[i]; at < components->starts[i + 1]; at++)
            audit(holding, components->members[at]);
    }
    for (uint32_t node = 0; node < holding->heap->count; node++) {
        if (reach_bit(holding->reach.seen, node))
            continue;
        if (reach_bit(holding->heads, node) || reach_bit(holding->listed, node)) {
            set_bit(holding->reach.wanted, node);
            wanted++;
        } else {
            clear_bit(holding->reach.wanted, node);
        }
    }
    return wanted;
}

static bool find_cycles(struct holding *holding, uint32_t *wanted)
{
    const struct graph *graph = &holding->heap->graph;
    struct graph_components components;
    uint8_t *dark = malloc((size_t)graph->nodes + 1);
    if (!dark)
        return false;
    for (uint32_t node = 0; node < graph->nodes; node++)
        dark[node] = is_live(holding, node) && !reach_bit(holding->reach.seen, node);
    bool done = graph_components_create(graph, dark, 1, &components);
    free(dark);
    if (!done)
        return false;
    *wanted = want_heads(holding, &components);
    graph_components_destroy(&components);
    return true;
}

static void add_outside_roots(struct holding *holding)
{
    for (uint32_t node = 0; node < holding->heap->count; node++) {
        if (!is_live(holding, node) || reach_bit(holding->reach.seen, node))
            continue;
        // What cannot be read counts as in use.
        if (holding->heap->type[node] == HEAP_NO_TYPE || count_outside(holding, node) > 0)
            reach_add(&holding->reach, node, HOLDERS_NO_ROOT);
    }
}

// Post: ways lead to all that is wanted, as far as there are any.
static bool search(struct holding *holding)
{
    for (size_t i = 0; i < holding->roots.count; i++)
        reach_add(&holding->reach, holding->roots.items[i].node, (uint32_t)i);
    uint32_t left = reach_run(&holding->reach, want_all(holding));
    if ((left || holding->holders->listed) && !count_edges(holding))
        return false;
    if (left && !find_cycles(holding, &left))
        return false;
    if (left) {
        add_outside_roots(holding);
        reach_run(&holding->reach, left);
    }
    return true;
}

// --- rows

static bool fold_way(struct holding *holding, uint32_t node, bool listed)
{
    uint32_t root = GRAPH_NONE, tag = 0;
    if (!reach_bit(holding->reach.seen, node)) {
        holding->holders->untraced++;
        return true;
    }
    if (!holders_fold_way(&holding->fold, &holding->reach, node, listed, &root, &tag))
        return false;
    if (listed)
        audit(holding, node);
    if (root != GRAPH_NONE && tag == HOLDERS_NO_ROOT)
        audit(holding, root);
    return true;
}

static bool fold_ways(struct holding *holding)
{
    for (uint32_t word = 0; word <= holding->heap->count / 64; word++) {
        uint64_t both = holding->listed[word] | holding->heads[word];
        for (; both; both &= both - 1) {
            uint32_t node = word * 64 + (uint32_t)__builtin_ctzll(both);
            if (!fold_way(holding, node, reach_bit(holding->listed, node)))
                return false;
        }
    }
    return true;
}

// The objects to be audited, by address. NULL: memory is short.
static struct holders_target *list_targets(struct holding *holding, size_t *count)
{
    struct holders *holders = holding->holders;
    struct holders_target *targets = NULL;
    for (uint32_t word = 0; word <= holding->heap->count / 64; word++)
        holders->audited += heap_count_bits(holding->audited[word]);
    if (holders->audited > AUDIT_MAX) {
        holders->audit_cut = holders->audited - AUDIT_MAX;
        holders->audited = AUDIT_MAX;
    }
    *count = 0;
    targets = reallocarray(NULL, holders->audited + 1, sizeof(*targets));
    for (uint32_t node = 0; targets && *count < holders->audited; node++)
        if (reach_bit(holding->audited, node))
            targets[(*count)++] =
                (struct holders_target){.object = heap_address(holding->heap, node),
                                        .node = node,
                                        .edges = (uint32_t)holding->edges[node],
                                        .surplus = count_outside(holding, node)};
    return targets;
}

// Gives each target as many of its words as it has references from outside.
static bool fold_words(struct holding *holding, const struct holders_target *targets, size_t count,
                       const struct holders_words *words)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t left = targets[i].surplus;
        for (; at < words->count && words->items[at].target == i; at++) {
            if (left <= 0)
                continue;
            if (!holders_fold_word(&holding->fold, &targets[i], &words->items[at], 1))
                return false;
            left--;
        }
        if (left <= 0)
            continue;
        holding->holders->unexplained++;
        if (!holders_fold_word(&holding->fold, &targets[i], NULL, (uint64_t)left))
            return false;
    }
    return true;
}

static bool explain(struct holding *holding)
{
    struct holders_words words;
    size_t count;
    struct holders_target *targets = list_targets(holding, &count);
    bool done = targets && holders_scan(holding->heap, holding->source, &holding->roots, targets,
                                        count, holding->jobs, &words);
    if (done) {
        holding->holders->words_cut = words.cut;
        done = fold_words(holding, targets, count, &words);
        free(words.items);
    }
    free(targets);
    return done;
}

// --- overdrawn objects

// Adds one to the row of its class; `classes` are the rows' classes. False: memory is short.
static bool add_overdrawn(struct heap *heap, struct holders *holders, vaddr *classes, uint32_t node)
{
    vaddr class = shape_find_class(heap, node), object = heap_address(heap, node);
    size_t row = 0;
    while (row < holders->overdrawn_count && classes[row] != class)
        row++;
    if (row == HOLDERS_ROWS_MAX)
        return true;
    if (row == holders->overdrawn_count) {
        char *type = object_class_name(&heap->types, object);
        if (!type)
            return false;
        classes[row] = class;
        holders->overdrawn[holders->overdrawn_count++] =
            (struct holders_overdrawn){.type = type, .example = object};
    }
    holders->overdrawn[row].objects++;
    return true;
}

// Counts all references again: this is damage, and rare.
static bool list_overdrawn(struct heap *heap, struct holders *holders)
{
    vaddr *classes = calloc(HOLDERS_ROWS_MAX, sizeof(*classes));
    uint32_t *edges = calloc((size_t)heap->count + 1, sizeof(*edges));
    holders->overdrawn = calloc(HOLDERS_ROWS_MAX, sizeof(*holders->overdrawn));
    bool done = classes && edges && holders->overdrawn;
    for (uint64_t edge = 0; done && edge < heap->edges; edge++)
        edges[heap->targets[edge]]++;
    for (uint32_t node = 0; done && node < heap->count; node++) {
        int64_t refcnt = edges[node] ? heap_read_refcnt(heap, node) : 0;
        // As extraction takes it: what is no count is more than any.
        if (refcnt >= 0 && refcnt < edges[node] && heap->type[node] != HEAP_NO_TYPE)
            done = add_overdrawn(heap, holders, classes, node);
    }
    free(classes);
    free(edges);
    return done;
}

// --- all of it

static bool run(struct holding *holding)
{
    size_t words = (size_t)holding->heap->count / 64 + 1;
    holding->listed = calloc(words, sizeof(*holding->listed));
    holding->heads = calloc(words, sizeof(*holding->heads));
    holding->audited = calloc(words, sizeof(*holding->audited));
    if (!holding->listed || !holding->heads || !holding->audited ||
        !reach_init(&holding->reach, &holding->heap->graph, holding->states, COLLECT_REACHABLE,
                    holding->list))
        return false;
    bool done = holders_roots_init(&holding->roots, holding->heap) && search(holding) &&
                holders_fold_init(&holding->fold, holding->heap, holding->source, &holding->roots,
                                  holding->holders) &&
                fold_ways(holding) && explain(holding);
    done = done && holders_fold_finish(&holding->fold, &holding->reach);
    reach_deinit(&holding->reach);
    return done;
}

struct failure *holders_create(struct heap *heap, const uint8_t *states, uint32_t list,
                               const struct collect_totals *totals,
                               const struct holders_source *source, unsigned jobs,
                               struct holders **holders)
{
    struct holders *made = calloc(1, sizeof(*made));
    struct holding holding = {.heap = heap,
                              .states = states,
                              .list = list,
                              .source = source,
                              .jobs = jobs,
                              .holders = made};
    bool done = made;
    if (done && is_anything_wanted(heap, states, list))
        done = run(&holding);
    if (done && totals->overdrawn)
        done = list_overdrawn(heap, made);
    holders_fold_deinit(&holding.fold);
    holders_roots_deinit(&holding.roots);
    free(holding.listed);
    free(holding.heads);
    free(holding.audited);
    free(holding.edges);
    if (!done) {
        holders_destroy(made);
        return failure_no_memory();
    }
    *holders = made;
    return NULL;
}

void holders_destroy(struct holders *holders)
{
    if (!holders)
        return;
    for (size_t i = 0; i < holders->path_count; i++) {
        shape_free_steps(holders->paths[i].steps, holders->paths[i].step_count);
        free(holders->paths[i].type);
        free(holders->paths[i].root);
        free(holders->paths[i].file);
    }
    for (size_t i = 0; i < holders->surplus_count; i++) {
        free(holders->surplus[i].type);
        free(holders->surplus[i].name);
        free(holders->surplus[i].file);
    }
    for (size_t i = 0; i < holders->overdrawn_count; i++)
        free(holders->overdrawn[i].type);
    free(holders->paths);
    free(holders->surplus);
    free(holders->overdrawn);
    free(holders);
}
