// Two ways are the same when they begin at the same root, pass classes and labels in the same order
// and end at the same class; steps that come again soon, as in a linked list, count once. So a key
// can be made of numbers alone, and only the shortest way of a row is given names.
#include "holders_fold.h"

#include <stdlib.h>
#include <xxhash.h>

enum {
    SLOTS = 2 * HOLDERS_ROWS_MAX,
    VARIABLE_NAME_MAX = 256,
    REPEATED_MAX = 8 // steps back to one that repeats it
};

static bool rows_init(struct holders_rows *rows)
{
    rows->keys = calloc(HOLDERS_ROWS_MAX, sizeof(*rows->keys));
    rows->slots = calloc(SLOTS, sizeof(*rows->slots));
    return rows->keys && rows->slots;
}

// The row of a key. False: there is none; *row is then the next free number, which the key gets
// unless that is HOLDERS_ROWS_MAX.
static bool find_row(struct holders_rows *rows, uint64_t key, size_t count, size_t *row)
{
    size_t slot = key % SLOTS;
    for (; rows->slots[slot]; slot = (slot + 1) % SLOTS) {
        *row = rows->slots[slot] - 1;
        if (rows->keys[*row] == key)
            return true;
    }
    *row = count;
    if (count < HOLDERS_ROWS_MAX) {
        rows->keys[count] = key;
        rows->slots[slot] = (uint32_t)count + 1;
    }
    return false;
}

bool holders_fold_init(struct holders_fold *fold, struct heap *heap,
                       const struct holders_source *source, const struct holders_roots *roots,
                       struct holders *holders)
{
    *fold =
        (struct holders_fold){.heap = heap, .source = source, .roots = roots, .holders = holders};
    holders->paths = calloc(HOLDERS_ROWS_MAX, sizeof(*holders->paths));
    holders->surplus = calloc(HOLDERS_ROWS_MAX, sizeof(*holders->surplus));
    fold->last = calloc(HOLDERS_ROWS_MAX, sizeof(*fold->last));
    fold->shortest = calloc(HOLDERS_ROWS_MAX, sizeof(*fold->shortest));
    return rows_init(&fold->paths) && rows_init(&fold->surplus) && holders->paths &&
           holders->surplus && fold->last && fold->shortest;
}

void holders_fold_deinit(struct holders_fold *fold)
{
    free(fold->paths.keys);
    free(fold->paths.slots);
    free(fold->surplus.keys);
    free(fold->surplus.slots);
    free(fold->links);
    free(fold->last);
    free(fold->shortest);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    uint64_t words[2] = {hash, value};
    return XXH64(words, sizeof(words), 0);
}

// --- ways

static bool push_link(struct holders_fold *fold, size_t *count, uint32_t node, uint32_t edge)
{
    if (*count == fold->link_capacity) {
        size_t capacity = fold->link_capacity ? fold->link_capacity * 2 : 256;
        struct shape_link *links = reallocarray(fold->links, capacity, sizeof(*links));
        if (!links)
            return false;
        fold->links = links;
        fold->link_capacity = capacity;
    }
    fold->links[(*count)++] = (struct shape_link){.node = node, .edge = edge};
    return true;
}

// What a step is, in numbers: the class that it starts from, and its label, or the place in the row
// where it has none.
static uint64_t step_key(struct holders_fold *fold, const struct shape_link *link)
{
    uint16_t label = fold->heap->edge_labels[link->edge];
    uint64_t where = label != HEAP_NO_LABEL
                         ? label
                         : link->edge - fold->heap->graph.rows[link->node] + UINT64_C(0x10000);
    return mix(shape_find_class(fold->heap, link->node), where);
}

static bool is_recent(const uint64_t *recent, uint64_t step)
{
    for (unsigned i = 0; i < REPEATED_MAX; i++)
        if (recent[i] == step)
            return true;
    return false;
}

// Walks back from a node, and turns the links round; the key is made on the way.
static bool walk_back(struct holders_fold *fold, const struct reach *reach, uint32_t node,
                      size_t *count, uint64_t *key, uint32_t *root, uint32_t *tag)
{
    uint32_t before, edge;
    uint64_t recent[REPEATED_MAX] = {0};
    unsigned next = 0;
    *count = 0;
    *root = node;
    while (reach_step_back(reach, *root, &before, &edge, tag)) {
        if (!push_link(fold, count, before, edge))
            return false;
        uint64_t step = step_key(fold, &fold->links[*count - 1]);
        if (!is_recent(recent, step)) {
            *key = mix(*key, step);
            recent[next++ % REPEATED_MAX] = step;
        }
        *root = before;
    }
    fold->steps += *count;
    for (size_t i = 0; i < *count / 2; i++) {
        struct shape_link link = fold->links[i];
        fold->links[i] = fold->links[*count - 1 - i];
        fold->links[*count - 1 - i] = link;
    }
    return true;
}

static bool describe_way(struct holders_fold *fold, struct holders_path *path, size_t count,
                         uint32_t node, uint32_t root, uint32_t tag)
{
    struct object_types *types = &fold->heap->types;
    struct shape_link *links = fold->links;
    uint64_t unread = 0;
    path->example = heap_address(fold->heap, node);
    path->type = object_class_name(types, path->example);
    path->kind = HOLDERS_OUTSIDE;
    if (tag == HOLDERS_NO_ROOT) {
        path->root = object_class_name(types, heap_address(fold->heap, root));
    } else {
        struct holders_root_name name;
        holders_root_describe(fold->heap, &fold->roots->items[tag], &name);
        path->kind = fold->roots->items[tag].kind;
        path->root = name.name;
        path->file = name.file;
        path->line = name.line;
    }
    if (count > HOLDERS_DRAWN_MAX) {
        path->steps_left_out = count - HOLDERS_DRAWN_MAX;
        links += path->steps_left_out;
        count = HOLDERS_DRAWN_MAX;
    }
    return path->type && (count == 0 || shape_draw_path(fold->heap, links, count, &path->steps,
                                                        &path->step_count, &unread));
}

bool holders_fold_way(struct holders_fold *fold, const struct reach *reach, uint32_t node,
                      bool listed, uint32_t *root, uint32_t *tag)
{
    struct holders *holders = fold->holders;
    uint64_t key = mix(shape_find_class(fold->heap, node), listed);
    size_t count, row;
    if (fold->steps > HOLDERS_STEPS_MAX) {
        holders->untraced++;
        return true;
    }
    if (!fold->links && !push_link(fold, &(size_t){0}, 0, 0))
        return false;
    if (!walk_back(fold, reach, node, &count, &key, root, tag))
        return false;
    key = mix(key, *tag);
    if (*tag == HOLDERS_NO_ROOT)
        key = mix(key, shape_find_class(fold->heap, *root));
    if (!find_row(&fold->paths, key, holders->path_count, &row)) {
        if (row == HOLDERS_ROWS_MAX) {
            holders->untraced++;
            return true;
        }
        holders->path_count++;
        holders->paths[row].listed = listed;
        fold->shortest[row] = (struct holders_shortest){node, count};
    }
    if (count < fold->shortest[row].length)
        fold->shortest[row] = (struct holders_shortest){node, count};
    holders->paths[row].count++;
    return true;
}

// The shortest way of each row stands for all.
static bool describe_ways(struct holders_fold *fold, const struct reach *reach)
{
    for (size_t i = 0; i < fold->holders->path_count; i++) {
        uint32_t node = fold->shortest[i].node, root, tag;
        uint64_t key = 0;
        size_t count;
        if (!walk_back(fold, reach, node, &count, &key, &root, &tag) ||
            !describe_way(fold, &fold->holders->paths[i], count, node, root, tag))
            return false;
    }
    return true;
}

// --- words

// The name of the variable that a word belongs to. *key tells variables apart, and is that of the
// file's data where no name is known: the address before its first, where no variable starts.
static char *describe_static(struct holders_fold *fold, const struct holders_word *word,
                             uint64_t *key)
{
    const struct holders_static *data = &fold->source->statics[word->where];
    char name[VARIABLE_NAME_MAX];
    vaddr start;
    *key = data->range.start - 1;
    if (fold->variables >= HOLDERS_VARIABLES_MAX)
        return NULL;
    fold->variables++;
    if (!fold->source->find_variable ||
        !fold->source->find_variable(data, word->at, name, sizeof(name), &start))
        return NULL;
    *key = start;
    return strdup(name);
}

static void describe_place(struct holders_fold *fold, struct holders_surplus *row,
                           const struct holders_word *word)
{
    struct holders_root_name name;
    switch (word->place) {
    case HOLDERS_IN_STATIC:
        row->file = strdup(fold->source->statics[word->where].file);
        break;
    case HOLDERS_IN_UNTRACKED:
    case HOLDERS_IN_UNVISITED:
        row->name = strdup(fold->heap->types.types[word->where].name);
        break;
    case HOLDERS_IN_FRAME:
        holders_code_describe(fold->heap, word->where, &name);
        row->name = name.name;
        row->file = name.file;
        break;
    case HOLDERS_IN_STACK:
        row->tid = fold->source->threads[word->where].tid;
        break;
    case HOLDERS_IN_MEMORY:
    case HOLDERS_NOWHERE:
        break;
    }
}

bool holders_fold_word(struct holders_fold *fold, const struct holders_target *target,
                       const struct holders_word *word, uint64_t references)
{
    static const struct holders_word nowhere = {.place = HOLDERS_NOWHERE};
    struct holders *holders = fold->holders;
    char *variable = NULL;
    size_t row;
    word = word ? word : &nowhere;
    uint64_t where = word->where;
    if (word->place == HOLDERS_IN_STATIC)
        variable = describe_static(fold, word, &where);
    uint64_t key = mix(mix(shape_find_class(fold->heap, target->node), where), word->place);
    struct holders_surplus *surplus = holders->surplus;
    if (find_row(&fold->surplus, key, holders->surplus_count, &row)) {
        free(variable);
    } else if (row == HOLDERS_ROWS_MAX) {
        free(variable);
        holders->audit_cut += fold->last_cut != target->node + 1;
        fold->last_cut = target->node + 1;
        return true;
    } else {
        holders->surplus_count++;
        surplus[row].place = word->place;
        surplus[row].example = target->object;
        surplus[row].at = word->place == HOLDERS_IN_MEMORY && target->edges ? 0 : word->at;
        describe_place(fold, &surplus[row], word);
        surplus[row].name = variable ? variable : surplus[row].name;
        surplus[row].type = object_class_name(&fold->heap->types, target->object);
        if (!surplus[row].type)
            return false;
    }
    surplus[row].objects += fold->last[row] != target->node + 1;
    fold->last[row] = target->node + 1;
    surplus[row].references += references;
    return true;
}

// --- the order of rows

static int by_objects(const void *a, const void *b)
{
    const struct holders_path *left = a, *right = b;
    if (left->listed != right->listed)
        return left->listed ? -1 : 1;
    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    return (left->example > right->example) - (left->example < right->example);
}

static int by_evidence(const void *a, const void *b)
{
    const struct holders_surplus *left = a, *right = b;
    // What nothing explains is what one wants to know of.
    if ((left->place == HOLDERS_NOWHERE) != (right->place == HOLDERS_NOWHERE))
        return left->place == HOLDERS_NOWHERE ? -1 : 1;
    if (left->objects != right->objects)
        return left->objects > right->objects ? -1 : 1;
    if (left->example != right->example)
        return left->example > right->example ? 1 : -1;
    if (left->place != right->place)
        return left->place < right->place ? -1 : 1;
    return (left->at > right->at) - (left->at < right->at);
}

bool holders_fold_finish(struct holders_fold *fold, const struct reach *reach)
{
    struct holders *holders = fold->holders;
    if (!describe_ways(fold, reach))
        return false;
    if (holders->path_count)
        qsort(holders->paths, holders->path_count, sizeof(*holders->paths), by_objects);
    if (holders->surplus_count)
        qsort(holders->surplus, holders->surplus_count, sizeof(*holders->surplus), by_evidence);
    return true;
}
