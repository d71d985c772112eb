// Two steps. Over the graph, each finding's number flows from its members along the edges; where
// two numbers meet, the object is shared, and so is what comes behind it. An object changes its
// owner at most twice, so this is linear. Then the references to untracked objects are counted down
// from their ob_refcnt; an object that comes to nothing belongs to whoever owns all the references,
// and what it refers to, or owns without the collector's knowledge (ownership.h), is counted next.
// To the collector, a tracked object that an untracked one owns is in use; it is counted down in
// the same way.
//
// Most dead objects are members that lead to members, and of which the columns of the heap say all
// that is asked here. So threads look through the columns for the others, and only these are gone
// through one by one.
#include "held.h"

#include <stdlib.h>

#include "parallel.h"

enum {
    DEAD_STATES = COLLECT_UNCOLLECTABLE | COLLECT_PENDING,
    FOUND_MAX = 256,
};
#define SHARED (GRAPH_NONE - 1)

// An object met on the way that is to be counted down: untracked, or owned by such a one.
struct counted {
    vaddr object;
    int32_t left; // ob_refcnt less the references found
    uint32_t owner;
};

struct measure {
    struct heap *heap;
    const uint8_t *states;
    uint32_t *owners;
    struct findings *findings;
    struct visitor visitor;
    vaddr found[FOUND_MAX];
    uint32_t owner;     // of the object that is being visited
    bool in_graph;      // the references that are being visited are edges of the graph
    uint32_t *incoming; // per node: edges from dead objects; NULL until it is asked for
    bool settling;      // first all references are counted, then what came to nothing is settled
    struct counted *table;
    size_t table_size; // a power of two
    size_t table_used;
    vaddr *stack; // settled objects still to visit
    size_t depth;
    size_t capacity;
    bool no_memory;
};

// --- which objects are to be looked at

// One bit per node each. Ranges of threads begin at multiples of 64: no word is shared.
struct survey {
    struct measure *measure;
    unsigned jobs;
    uint64_t *members;   // of components with an owner
    uint64_t *leading;   // members with an edge to a dead object that is no member
    uint64_t *unsettled; // dead, and to be charged, or with references that no edge stands for
};

static size_t count_words(const struct heap *heap)
{
    return heap->count / 64 + 1;
}

static bool has_bit(const uint64_t *bits, uint32_t node)
{
    return bits[node / 64] >> (node % 64) & 1;
}

static bool survey_init(struct survey *survey, struct measure *measure)
{
    size_t words = count_words(measure->heap);
    *survey = (struct survey){.measure = measure,
                              .jobs = graph_jobs(&measure->heap->graph),
                              .members = calloc(words, sizeof(*survey->members)),
                              .leading = calloc(words, sizeof(*survey->leading)),
                              .unsettled = calloc(words, sizeof(*survey->unsettled))};
    return survey->members && survey->leading && survey->unsettled;
}

static void survey_deinit(struct survey *survey)
{
    free(survey->members);
    free(survey->leading);
    free(survey->unsettled);
}

// The bits of up to 64 nodes.
static uint64_t find_members(const struct survey *survey, uint32_t first, uint32_t end)
{
    const uint32_t *owners = survey->measure->owners;
    uint64_t bits = 0;
    for (uint32_t node = first; node < end; node++)
        bits |= (uint64_t)(owners[node] != GRAPH_NONE) << (node % 64);
    return bits;
}

// Has one of the nodes an edge to a dead object that is no member? Of all arrays that of the
// members' bits is the smallest, and most edges lead to members.
static bool lead_on(const struct survey *survey, uint32_t first, uint32_t end)
{
    const struct graph *graph = &survey->measure->heap->graph;
    const uint64_t *members = survey->members;
    for (uint32_t edge = graph->rows[first]; edge < graph->rows[end]; edge++)
        if (!has_bit(members, graph->targets[edge]) &&
            (survey->measure->states[graph->targets[edge]] & DEAD_STATES))
            return true;
    return false;
}

static uint64_t find_leading(const struct survey *survey, uint32_t first, uint32_t end)
{
    uint64_t bits = 0;
    if (!survey->members[first / 64] || !lead_on(survey, first, end))
        return 0;
    for (uint32_t node = first; node < end; node++)
        if (has_bit(survey->members, node) && lead_on(survey, node, node + 1))
            bits |= UINT64_C(1) << (node % 64);
    return bits;
}

static uint64_t find_unsettled(const struct survey *survey, uint32_t first, uint32_t end)
{
    const struct heap *heap = survey->measure->heap;
    const uint8_t *states = survey->measure->states;
    uint64_t bits = 0;
    for (uint32_t node = first; node < end; node++) {
        if (!(states[node] & DEAD_STATES) || heap->type[node] == HEAP_NO_TYPE)
            continue;
        bool unsettled = !has_bit(survey->members, node) || heap_owns_untracked(heap, node) ||
                         heap->types.types[heap->type[node]].owned.count;
        bits |= (uint64_t)unsettled << (node % 64);
    }
    return bits;
}

static void set_bits(const struct survey *survey, unsigned job, uint64_t *bits,
                     uint64_t (*find)(const struct survey *survey, uint32_t first, uint32_t end))
{
    uint32_t count = survey->measure->heap->count;
    uint32_t end = parallel_first(count, survey->jobs, job + 1);
    for (uint32_t node = parallel_first(count, survey->jobs, job); node < end; node += 64)
        bits[node / 64] = find(survey, node, end - node < 64 ? end : node + 64);
}

static void set_members(void *context, unsigned job)
{
    const struct survey *survey = context;
    set_bits(survey, job, survey->members, find_members);
}

static void set_others(void *context, unsigned job)
{
    const struct survey *survey = context;
    set_bits(survey, job, survey->leading, find_leading);
    set_bits(survey, job, survey->unsettled, find_unsettled);
}

// The first node from `node` on that has its bit set, or the number of nodes.
static uint32_t next_bit(const struct survey *survey, const uint64_t *bits, uint32_t node)
{
    uint32_t count = survey->measure->heap->count;
    while (node < count) {
        uint64_t left = bits[node / 64] >> (node % 64);
        if (left)
            return node + (uint32_t)__builtin_ctzll(left);
        node += 64 - node % 64;
    }
    return count;
}

// --- over the graph

struct spread {
    struct measure *measure;
    const uint64_t *members;
    uint32_t *stack;
    size_t depth;
    size_t capacity;
};

static bool spread_push(struct spread *spread, uint32_t node)
{
    if (spread->depth == spread->capacity) {
        size_t capacity = spread->capacity ? spread->capacity * 2 : 1024;
        uint32_t *stack = realloc(spread->stack, capacity * sizeof(*stack));
        if (!stack)
            return false;
        spread->stack = stack;
        spread->capacity = capacity;
    }
    spread->stack[spread->depth++] = node;
    return true;
}

static bool spread_from(struct spread *spread, uint32_t node)
{
    const struct graph *graph = &spread->measure->heap->graph;
    uint32_t *owners = spread->measure->owners, owner = owners[node];
    for (uint32_t edge = graph->rows[node]; edge < graph->rows[node + 1]; edge++) {
        uint32_t target = graph->targets[edge];
        if (has_bit(spread->members, target) || !(spread->measure->states[target] & DEAD_STATES) ||
            owners[target] == owner || owners[target] == SHARED)
            continue;
        owners[target] = owners[target] == GRAPH_NONE ? owner : SHARED;
        if (!spread_push(spread, target))
            return false;
    }
    return true;
}

// Post: every dead object that a member reaches has an owner: one finding, or SHARED.
static bool spread_owners(const struct survey *survey)
{
    struct spread spread = {.measure = survey->measure, .members = survey->members};
    uint32_t count = survey->measure->heap->count;
    bool done = true;
    for (uint32_t node = next_bit(survey, survey->leading, 0); node < count && done;
         node = next_bit(survey, survey->leading, node + 1)) {
        done = spread_from(&spread, node);
        while (done && spread.depth)
            done = spread_from(&spread, spread.stack[--spread.depth]);
    }
    free(spread.stack);
    return done;
}

static void charge(struct findings *findings, uint32_t owner, uint64_t bytes)
{
    if (owner < findings->count) {
        findings->items[owner].held_objects++;
        findings->items[owner].held_bytes += bytes;
    } else {
        findings->shared_objects++;
        findings->shared_bytes += bytes;
    }
}

// --- objects that are counted down

static struct counted *find_slot(struct counted *table, size_t size, vaddr object)
{
    size_t slot = vaddr_hash(object) & (size - 1);
    while (table[slot].object && table[slot].object != object)
        slot = (slot + 1) & (size - 1);
    return &table[slot];
}

static bool grow_table(struct measure *measure)
{
    size_t size = measure->table_size ? measure->table_size * 2 : 4096;
    struct counted *table = calloc(size, sizeof(*table));
    if (!table)
        return false;
    for (size_t i = 0; i < measure->table_size; i++)
        if (measure->table[i].object)
            *find_slot(table, size, measure->table[i].object) = measure->table[i];
    free(measure->table);
    measure->table = table;
    measure->table_size = size;
    return true;
}

static int32_t read_refcnt(const struct measure *measure, vaddr object)
{
    const struct runtime *runtime = measure->heap->runtime;
    uint64_t word;
    // What cannot be read is never used up.
    if (layout_read(&runtime->layout, runtime->memory, object, LAYOUT_PyObject_ob_refcnt, &word) !=
            MEMORY_OK ||
        word > INT32_MAX)
        return INT32_MAX;
    return (int32_t)word;
}

static bool push_settled(struct measure *measure, vaddr object)
{
    if (measure->depth == measure->capacity) {
        size_t capacity = measure->capacity ? measure->capacity * 2 : 1024;
        vaddr *stack = realloc(measure->stack, capacity * sizeof(*stack));
        if (!stack)
            return false;
        measure->stack = stack;
        measure->capacity = capacity;
    }
    measure->stack[measure->depth++] = object;
    return true;
}

static uint32_t merge_owners(uint32_t a, uint32_t b)
{
    if (a == GRAPH_NONE)
        return b;
    return a == b ? a : SHARED;
}

// Post: incoming has the edges from dead objects to others, and the owners of these are those of
// where they come from.
static bool count_incoming(struct measure *measure)
{
    const struct graph *graph = &measure->heap->graph;
    uint32_t *owners = measure->owners;
    measure->incoming = calloc((size_t)measure->heap->count + 1, sizeof(*measure->incoming));
    if (!measure->incoming)
        return false;
    for (uint32_t node = 0; node < measure->heap->count; node++) {
        if (!(measure->states[node] & DEAD_STATES))
            continue;
        uint32_t owner = owners[node] == GRAPH_NONE ? SHARED : owners[node];
        for (uint32_t edge = graph->rows[node]; edge < graph->rows[node + 1]; edge++) {
            uint32_t target = graph->targets[edge];
            if (measure->states[target] & DEAD_STATES)
                continue;
            measure->incoming[target]++;
            owners[target] = merge_owners(owners[target], owner);
        }
    }
    return true;
}

// `node`: the number of a tracked object, or GRAPH_NONE.
static struct counted begin_count(const struct measure *measure, vaddr object, uint32_t node)
{
    struct counted counted = {object, read_refcnt(measure, object), GRAPH_NONE};
    if (node == GRAPH_NONE)
        return counted;
    uint32_t incoming = measure->incoming[node];
    if (counted.left < INT32_MAX)
        counted.left = incoming < (uint32_t)counted.left ? counted.left - (int32_t)incoming : 0;
    counted.owner = measure->owners[node];
    return counted;
}

static bool count_reference(struct measure *measure, vaddr object, uint32_t node)
{
    if (measure->table_used * 3 >= measure->table_size * 2 && !grow_table(measure))
        return false;
    if (node != GRAPH_NONE && !measure->incoming && !count_incoming(measure))
        return false;
    struct counted *slot = find_slot(measure->table, measure->table_size, object);
    if (!slot->object) {
        *slot = begin_count(measure, object, node);
        measure->table_used++;
    }
    slot->owner = merge_owners(slot->owner, measure->owner);
    if (slot->left > INT32_MIN && slot->left < INT32_MAX)
        slot->left--;
    return !measure->settling || slot->left != 0 || push_settled(measure, object);
}

static void count_references(struct visitor *visitor)
{
    struct measure *measure =
        (struct measure *)((char *)visitor - offsetof(struct measure, visitor));
    size_t count = visitor->count;
    visitor->count = 0;
    for (size_t i = 0; i < count && !measure->no_memory; i++) {
        uint32_t node;
        if (!heap_find(measure->heap, visitor->found[i], &node))
            node = GRAPH_NONE;
        else if (measure->in_graph || (measure->states[node] & DEAD_STATES))
            continue;
        measure->no_memory = !count_reference(measure, visitor->found[i], node);
    }
}

static void visit(struct measure *measure, const struct object_type *type, vaddr object,
                  uint32_t owner)
{
    measure->owner = owner == GRAPH_NONE ? SHARED : owner;
    if (type->program.count)
        traverse_object(&measure->heap->types, type, object, &measure->visitor);
    count_references(&measure->visitor);
}

static void visit_owned(struct measure *measure, const struct object_type *type, vaddr object,
                        uint32_t owner)
{
    measure->owner = owner == GRAPH_NONE ? SHARED : owner;
    traverse_owned(&measure->heap->types, type, object, &measure->visitor);
    count_references(&measure->visitor);
}

static bool charge_type(struct findings *findings, uint32_t type, uint64_t bytes)
{
    if (type >= findings->held_type_count) {
        size_t count = (size_t)type * 2 + 64;
        struct findings_held *types = reallocarray(findings->held_types, count, sizeof(*types));
        if (!types)
            return false;
        memset(types + findings->held_type_count, 0,
               (count - findings->held_type_count) * sizeof(*types));
        findings->held_types = types;
        findings->held_type_count = count;
    }
    findings->held_types[type].objects++;
    findings->held_types[type].bytes += bytes;
    return true;
}

// Charges an object whose references are all explained, and counts its own.
static void settle(struct measure *measure, vaddr object)
{
    struct object_types *types = &measure->heap->types;
    uint32_t owner = find_slot(measure->table, measure->table_size, object)->owner, type;
    bool partial = false;
    if (object_find_type(types, object, &type) != MEMORY_OK)
        return;
    uint64_t size = object_size(types, &types->types[type], object, &partial);
    charge(measure->findings, owner, size);
    measure->no_memory = measure->no_memory || !charge_type(measure->findings, type, size);
    visit(measure, &types->types[type], object, owner);
    visit_owned(measure, &types->types[type], object, owner);
}

static void settle_counted(struct measure *measure)
{
    measure->settling = true;
    for (size_t i = 0; i < measure->table_size && !measure->no_memory; i++)
        if (measure->table[i].object && measure->table[i].left <= 0)
            measure->no_memory = !push_settled(measure, measure->table[i].object);
    while (measure->depth && !measure->no_memory)
        settle(measure, measure->stack[--measure->depth]);
}

// Post: shared_* and the findings' held_* count the dead objects; the table counts the references
// from all of these to untracked ones, and what they own besides.
static void measure_tracked(const struct survey *survey)
{
    struct measure *measure = survey->measure;
    struct heap *heap = measure->heap;
    struct heap_cursor cursor;
    heap_cursor_init(&cursor, heap, 0);
    uint32_t at = 0; // the node that the cursor gives next
    for (uint32_t node = next_bit(survey, survey->unsettled, 0);
         node < heap->count && !measure->no_memory;
         node = next_bit(survey, survey->unsettled, node + 1)) {
        if (!has_bit(survey->members, node))
            charge(measure->findings, measure->owners[node], heap_size(heap, node));
        const struct object_type *type = &heap->types.types[heap->type[node]];
        bool owns = heap_owns_untracked(heap, node);
        if (!owns && !type->owned.count)
            continue;
        vaddr object = heap_cursor_find(&cursor, &at, node);
        measure->in_graph = true;
        if (owns)
            visit(measure, type, object, measure->owners[node]);
        measure->in_graph = false;
        if (type->owned.count)
            visit_owned(measure, type, object, measure->owners[node]);
    }
}

static bool run(struct measure *measure)
{
    struct survey survey;
    bool done = survey_init(&survey, measure);
    if (done) {
        parallel_run(survey.jobs, set_members, &survey);
        parallel_run(survey.jobs, set_others, &survey);
        done = spread_owners(&survey);
    }
    if (done)
        measure_tracked(&survey);
    if (done && !measure->no_memory)
        settle_counted(measure);
    survey_deinit(&survey);
    return done && !measure->no_memory;
}

struct failure *held_measure(struct heap *heap, const uint8_t *states, uint32_t *owners,
                             struct findings *findings)
{
    struct measure *measure = calloc(1, sizeof(*measure));
    if (!measure)
        return failure_no_memory();
    heap->code.number = HEAP_CODE_UNNUMBERED;
    *measure =
        (struct measure){.heap = heap, .states = states, .owners = owners, .findings = findings};
    measure->visitor = (struct visitor){.found = measure->found,
                                        .capacity = FOUND_MAX,
                                        .full = count_references,
                                        .run_code = heap_code_run,
                                        .code = &heap->code};
    bool done = run(measure);
    free(measure->incoming);
    free(measure->table);
    free(measure->stack);
    free(measure);
    return done ? NULL : failure_no_memory();
}
