// Each reference gets a key made of addresses: the class that has it, and the name. Keys that lead
// to the same words are one change. The graph has no edge for an attribute: it has one from the
// object to its dictionary, and one from there to the value; likewise two or three for a variable
// of a closure. So first it is noted what holds each such dictionary, closure and cell.
#include "changes.h"

#include <stdlib.h>
#include <xxhash.h>

#include "class.h"
#include "shape.h"

enum {
    TABLE_SIZE = 4 * CHANGES_MAX,
    PATH_MAX_LINKS = 3,
};

// Who has a dictionary as its namespace, a tuple as its closure, or a cell in one; and by which
// edge.
struct holder {
    uint32_t node; // GRAPH_NONE: nobody
    uint32_t edge;
    uint32_t index; // of a cell: equal for one variable of one function
};

struct key {
    vaddr class; // or the code object that has the variable
    uint64_t kind;
    uint64_t name;
};

// References with one key.
struct group {
    struct key key;
    uint32_t member, edge; // an example
    uint32_t change;
};

struct gathering {
    struct heap *heap;
    const uint32_t *members;
    uint32_t member_count;
    const uint32_t *edges;
    uint32_t edge_count;
    const struct finding *finding;
    struct changes *changes;
    struct holder *holders; // per member
    struct group *groups;
    uint32_t group_count;
    uint32_t *table; // hash table of group numbers + 1
    // The places of the edges of one member, where labels do not tell them.
    struct visit_place *row;
    uint32_t row_capacity;
};

// --- kinds

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

// Does the class of the object have a descriptor of its own making under the attribute's name? Then
// that is what put the value into the instance's dictionary.
static bool is_cached(const struct heap *heap, const struct finding_step *step)
{
    const struct runtime *runtime = heap->runtime;
    vaddr descriptor, where, value;
    uint64_t flags;
    if (class_find(runtime, class_of(runtime, step->object), step->edge + 1, &descriptor, &where) !=
        MEMORY_OK)
        return false;
    // Functions and properties are descriptors too, but the interpreter's own.
    vaddr class = class_of(runtime, descriptor);
    return layout_read(&runtime->layout, runtime->memory, class, LAYOUT_PyTypeObject_tp_flags,
                       &flags) == MEMORY_OK &&
           flags & TPFLAGS_HEAPTYPE &&
           class_find(runtime, class, "__get__", &value, &where) == MEMORY_OK;
}

enum break_kind change_find_kind(const struct heap *heap, const struct finding_step *step,
                                 const struct finding_step *next)
{
    if (starts_with(step->edge, "local "))
        return BREAK_LOCAL;
    if (starts_with(step->edge, "cell "))
        return BREAK_CELL;
    if (*step->edge == '[' || step->key)
        return BREAK_ITEM;
    if (!step->attribute)
        return BREAK_STRUCTURE;
    if (is_cached(heap, step))
        return BREAK_CACHED;
    if (strcmp(next->type, "instancemethod") == 0)
        return BREAK_METHOD;
    if (strcmp(next->type, "function") == 0)
        return BREAK_CLOSURE;
    if (strcmp(next->type, "generator") == 0)
        return BREAK_GENERATOR;
    return next->finalizer && !step->finalizer ? BREAK_BACK_REFERENCE : BREAK_ATTRIBUTE;
}

// --- going through the references

typedef bool take_reference(struct gathering *gathering, uint32_t member, uint32_t at,
                            const struct visit_place *place);

// Post: row has the places of the node's edges. False: memory is short.
static bool read_row(struct gathering *gathering, uint32_t node)
{
    struct heap *heap = gathering->heap;
    uint32_t count = heap->graph.rows[node + 1] - heap->graph.rows[node];
    if (count > gathering->row_capacity) {
        struct visit_place *row = reallocarray(gathering->row, count, sizeof(*row));
        if (!row)
            return false;
        gathering->row = row;
        gathering->row_capacity = count;
    }
    for (uint32_t i = 0; i < count; i++)
        gathering->row[i] = (struct visit_place){.kind = VISIT_STACK};
    // What cannot be read keeps a kind that is nobody's to change.
    heap_read_places(heap, node, gathering->row);
    return true;
}

// Gives the references among the members. False: memory is short.
static bool each_reference(struct gathering *gathering, take_reference *take)
{
    struct heap *heap = gathering->heap;
    for (uint32_t member = 0, at = 0; member < gathering->member_count; member++) {
        uint32_t node = gathering->members[member], start = heap->graph.rows[node];
        bool read = false;
        for (; at < gathering->edge_count && gathering->edges[at] < heap->graph.rows[node + 1];
             at++) {
            uint32_t edge = gathering->edges[at];
            uint16_t label = heap->edge_labels[edge];
            if (label == HEAP_NO_LABEL && !read && !read_row(gathering, node))
                return false;
            read = read || label == HEAP_NO_LABEL;
            if (!take(gathering, member, at,
                      label == HEAP_NO_LABEL ? &gathering->row[edge - start]
                                             : heap_label_place(heap, label)))
                return false;
        }
    }
    return true;
}

// --- holders

static bool is_cell(const struct gathering *gathering, uint32_t node)
{
    return object_is_exact(gathering->heap->runtime, heap_address(gathering->heap, node),
                           RUNTIME_TYPE_cell);
}

static void hold(struct gathering *gathering, uint32_t target, struct holder holder)
{
    uint32_t member = graph_find_ascending(gathering->members, gathering->member_count, target);
    if (gathering->holders[member].node == GRAPH_NONE)
        gathering->holders[member] = holder;
}

// Instance dictionaries, closures, and cells of frames.
static bool note_holder(struct gathering *gathering, uint32_t member, uint32_t at,
                        const struct visit_place *place)
{
    uint32_t edge = gathering->edges[at], target = gathering->heap->graph.targets[edge];
    struct holder holder = {gathering->members[member], edge, (uint32_t)place->index};
    if (shape_is_namespace(place) || shape_is_member(place, "func_closure") ||
        (place->kind == VISIT_LOCAL && is_cell(gathering, target)))
        hold(gathering, target, holder);
    return true;
}

// Cells of closures, whose holders are known.
static bool note_cell(struct gathering *gathering, uint32_t member, uint32_t at,
                      const struct visit_place *place)
{
    struct heap *heap = gathering->heap;
    uint32_t edge = gathering->edges[at], node = gathering->members[member];
    if (place->kind == VISIT_INDEX && gathering->holders[member].node != GRAPH_NONE &&
        is_cell(gathering, heap->graph.targets[edge]))
        hold(gathering, heap->graph.targets[edge],
             (struct holder){node, edge, edge - heap->graph.rows[node]});
    return true;
}

// --- keys

// The code object that names the variables of a function or a frame.
static vaddr find_code(const struct gathering *gathering, uint32_t node)
{
    const struct runtime *runtime = gathering->heap->runtime;
    vaddr object = heap_address(gathering->heap, node);
    return runtime_read_member(runtime, object,
                               object_is_exact(runtime, object, RUNTIME_TYPE_function)
                                   ? LAYOUT_PyFunctionObject_func_code
                                   : LAYOUT_PyFrameObject_f_code);
}

static struct key variable_key(const struct gathering *gathering, uint32_t cell)
{
    const struct holder *holder = &gathering->holders[cell];
    uint32_t node = holder->node;
    uint32_t tuple = graph_find_ascending(gathering->members, gathering->member_count, node);
    if (gathering->holders[tuple].node != GRAPH_NONE)
        node = gathering->holders[tuple].node;
    return (struct key){find_code(gathering, node), VISIT_MEMBER, holder->index};
}

static vaddr class_at(const struct gathering *gathering, uint32_t node)
{
    return shape_find_class(gathering->heap, node);
}

// False: it is nobody's to change.
static bool make_key(const struct gathering *gathering, uint32_t member, uint32_t at,
                     const struct visit_place *place, struct key *key)
{
    uint32_t node = gathering->members[member], holder = gathering->holders[member].node;
    bool held = holder != GRAPH_NONE;
    switch (place->kind) {
    case VISIT_SLOT:
        *key = (struct key){class_at(gathering, node), VISIT_SLOT, place->key};
        return true;
    case VISIT_VALUE:
        *key = held ? (struct key){class_at(gathering, holder), VISIT_VALUE, place->key}
                    : (struct key){class_at(gathering, node), VISIT_VALUE,
                                   class_of(gathering->heap->runtime, place->key)};
        return true;
    case VISIT_KEY:
    case VISIT_INDEX:
        *key = (struct key){class_at(gathering, node), place->kind, 0};
        return !held;
    case VISIT_LOCAL:
        *key = (struct key){find_code(gathering, node), VISIT_LOCAL, (uint64_t)place->index};
        return !is_cell(gathering, gathering->heap->graph.targets[gathering->edges[at]]);
    case VISIT_MEMBER:
        if (!held || !shape_is_member(place, "cell_contents"))
            return false;
        *key = variable_key(gathering, member);
        return true;
    case VISIT_STACK:
    case VISIT_DICT:
    case VISIT_CLASS:
    case VISIT_CODE:
        break;
    }
    return false;
}

// Puts a reference into the group of its key.
static bool note_reference(struct gathering *gathering, uint32_t member, uint32_t at,
                           const struct visit_place *place)
{
    struct key key;
    gathering->changes->of[at] = CHANGES_NONE;
    if (!make_key(gathering, member, at, place, &key))
        return true;
    size_t slot = XXH3_64bits(&key, sizeof(key)) % TABLE_SIZE;
    for (; gathering->table[slot]; slot = (slot + 1) % TABLE_SIZE) {
        uint32_t known = gathering->table[slot] - 1;
        if (memcmp(&gathering->groups[known].key, &key, sizeof(key)) == 0) {
            gathering->changes->of[at] = known;
            return true;
        }
    }
    if (gathering->group_count == CHANGES_MAX) {
        gathering->changes->too_many = true;
        return true;
    }
    gathering->groups[gathering->group_count] =
        (struct group){.key = key, .member = member, .edge = gathering->edges[at]};
    gathering->changes->of[at] = gathering->group_count++;
    gathering->table[slot] = gathering->group_count;
    return true;
}

// --- names

// The links from who has a reference to what it leads to. Returns their number.
static size_t make_path(const struct gathering *gathering, const struct group *group,
                        struct shape_link links[PATH_MAX_LINKS])
{
    uint32_t member = group->member, edge = group->edge;
    struct shape_link back[PATH_MAX_LINKS] = {{.node = gathering->members[member], .edge = edge}};
    size_t count = 1, limit = is_cell(gathering, back[0].node) ? PATH_MAX_LINKS : 2;
    for (; count < limit && gathering->holders[member].node != GRAPH_NONE; count++) {
        const struct holder *holder = &gathering->holders[member];
        back[count] = (struct shape_link){.node = holder->node, .edge = holder->edge};
        member = graph_find_ascending(gathering->members, gathering->member_count, holder->node);
    }
    for (size_t i = 0; i < count; i++)
        links[i] = back[count - 1 - i];
    return count;
}

static bool find_kind(struct gathering *gathering, const struct group *group,
                      struct finding_change *change)
{
    struct heap *heap = gathering->heap;
    uint32_t target = heap->graph.targets[group->edge];
    struct finding_step next = {
        .type = object_class_name(&heap->types, heap_address(heap, target)),
        .finalizer = heap_has_finalizer(heap, target),
    };
    if (!next.type)
        return false;
    change->kind = change_find_kind(heap, change->step, &next);
    free(next.type);
    return true;
}

// The words for a group. A path that is not drawn as one reference is nobody's to change: then kind
// is BREAK_STRUCTURE. False: memory is short.
static bool describe(struct gathering *gathering, const struct group *group,
                     struct finding_change *change)
{
    struct shape_link links[PATH_MAX_LINKS];
    size_t count = make_path(gathering, group, links), steps;
    uint64_t unread = 0;
    *change = (struct finding_change){.kind = BREAK_STRUCTURE, .drawn = SIZE_MAX};
    if (!shape_draw_path(gathering->heap, links, count, &change->step, &steps, &unread))
        return false;
    if (steps != 1) {
        shape_free_steps(change->step, steps);
        change->step = NULL;
        return true;
    }
    if (group->key.kind == VISIT_INDEX) {
        free(change->step->edge);
        change->step->edge = strdup("[...]");
    }
    return change->step->type && change->step->edge && find_kind(gathering, group, change);
}

// The change that reads the same, or the new one, which then is among them.
static uint32_t find_or_add(struct changes *changes, struct finding_change *change)
{
    uint32_t known = changes_find(changes, change->step->type, change->step->edge);
    if (known != CHANGES_NONE) {
        change_deinit(change);
        return known;
    }
    changes->items[changes->count] = *change;
    return changes->count++;
}

// Post: every group has its change.
static bool describe_groups(struct gathering *gathering)
{
    for (uint32_t i = 0; i < gathering->group_count; i++) {
        struct group *group = &gathering->groups[i];
        struct finding_change change;
        group->change = CHANGES_NONE;
        if (!describe(gathering, group, &change)) {
            change_deinit(&change);
            return false;
        }
        if (change.kind == BREAK_STRUCTURE)
            change_deinit(&change);
        else
            group->change = find_or_add(gathering->changes, &change);
    }
    return true;
}

// --- rank

// Notes which of the changes are drawn. What is drawn says what kind the change is of.
static void note_drawn(struct gathering *gathering)
{
    const struct finding *finding = gathering->finding;
    for (size_t i = finding_kept_steps(finding); i--;) {
        const struct finding_step *step = &finding->steps[i], *next = finding_next(finding, step);
        uint32_t at = graph_find_ascending(gathering->edges, gathering->edge_count, step->cut);
        uint32_t group = at == GRAPH_NONE ? CHANGES_NONE : gathering->changes->of[at];
        uint32_t number = group == CHANGES_NONE ? group : gathering->groups[group].change;
        if (number == CHANGES_NONE)
            continue;
        struct finding_change *change = &gathering->changes->items[number];
        change->drawn = step->number;
        if (next)
            change->kind = change_find_kind(gathering->heap, step, next);
    }
}

static int by_rank(const void *a, const void *b, void *context)
{
    const struct finding_change *items = context;
    const struct finding_change *left = &items[*(const uint32_t *)a];
    const struct finding_change *right = &items[*(const uint32_t *)b];
    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    if (left->drawn != right->drawn)
        return left->drawn < right->drawn ? -1 : 1;
    int order = strcmp(left->step->type, right->step->type);
    return order ? order : strcmp(left->step->edge, right->step->edge);
}

// Post: items are in their order, and `of` tells changes, not groups.
static bool rank(struct gathering *gathering)
{
    struct changes *changes = gathering->changes;
    struct finding_change *sorted = calloc(changes->count + 1, sizeof(*sorted));
    uint32_t *order = reallocarray(NULL, changes->count + 1, sizeof(*order));
    uint32_t *places = reallocarray(NULL, changes->count + 1, sizeof(*places));
    if (sorted && order && places) {
        for (uint32_t i = 0; i < changes->count; i++)
            order[i] = i;
        qsort_r(order, changes->count, sizeof(*order), by_rank, changes->items);
        for (uint32_t i = 0; i < changes->count; i++) {
            sorted[i] = changes->items[order[i]];
            places[order[i]] = i;
        }
        memcpy(changes->items, sorted, changes->count * sizeof(*sorted));
        for (uint32_t at = 0; at < gathering->edge_count; at++) {
            uint32_t group = changes->of[at];
            uint32_t number = group == CHANGES_NONE ? group : gathering->groups[group].change;
            changes->of[at] = number == CHANGES_NONE ? number : places[number];
        }
    }
    bool done = sorted && order && places;
    free(sorted);
    free(order);
    free(places);
    return done;
}

// --- all together

static bool gather(struct gathering *gathering)
{
    struct changes *changes = gathering->changes;
    size_t members = (size_t)gathering->member_count + 1;
    changes->items = calloc(CHANGES_MAX, sizeof(*changes->items));
    changes->of = reallocarray(NULL, (size_t)gathering->edge_count + 1, sizeof(*changes->of));
    gathering->holders = reallocarray(NULL, members, sizeof(*gathering->holders));
    gathering->groups = calloc(CHANGES_MAX, sizeof(*gathering->groups));
    gathering->table = calloc(TABLE_SIZE, sizeof(*gathering->table));
    if (!changes->items || !changes->of || !gathering->holders || !gathering->groups ||
        !gathering->table)
        return false;
    for (uint32_t i = 0; i < gathering->member_count; i++)
        gathering->holders[i].node = GRAPH_NONE;
    if (!each_reference(gathering, note_holder) || !each_reference(gathering, note_cell) ||
        !each_reference(gathering, note_reference))
        return false;
    if (!describe_groups(gathering))
        return false;
    note_drawn(gathering);
    return rank(gathering);
}

struct failure *changes_create(struct heap *heap, const struct graph_components *components,
                               uint32_t component, const struct replay *replay,
                               const struct finding *finding, struct changes *changes)
{
    uint32_t start = components->starts[component];
    struct gathering gathering = {.heap = heap,
                                  .members = components->members + start,
                                  .member_count = components->starts[component + 1] - start,
                                  .finding = finding,
                                  .changes = changes};
    gathering.edges = replay_edges(replay, &gathering.edge_count);
    *changes = (struct changes){0};
    bool done = gather(&gathering);
    free(gathering.holders);
    free(gathering.groups);
    free(gathering.table);
    free(gathering.row);
    if (done)
        return NULL;
    changes_destroy(changes);
    return failure_no_memory();
}

uint32_t changes_find(const struct changes *changes, const char *type, const char *edge)
{
    for (uint32_t i = 0; i < changes->count; i++) {
        const struct finding_step *known = changes->items[i].step;
        if (strcmp(known->edge, edge) == 0 && strcmp(known->type, type) == 0)
            return i;
    }
    return CHANGES_NONE;
}

bool changes_are_enough(const struct changes *changes, const bool *made, struct replay *replay)
{
    uint32_t edges;
    replay_edges(replay, &edges);
    replay_reset(replay);
    for (uint32_t at = 0; at < edges; at++)
        if (changes->of[at] != CHANGES_NONE && made[changes->of[at]])
            replay_take_out_at(replay, at);
    return replay_is_collected(replay);
}

void changes_destroy(struct changes *changes)
{
    for (uint32_t i = 0; i < changes->count; i++)
        change_deinit(&changes->items[i]);
    free(changes->items);
    free(changes->of);
    *changes = (struct changes){0};
}

void change_deinit(struct finding_change *change)
{
    if (change->step)
        shape_free_steps(change->step, 1);
    origins_deinit(&change->origins);
    *change = (struct finding_change){0};
}
