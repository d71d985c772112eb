// One pass over all objects in the order of their numbers: so the pages of the core are met in
// order, and a function that does not end is given up as it is when the heap is read.
#include "verify.h"

#include <stdlib.h>

enum {
    FOUND_FIRST = 4096
};

// What one way found.
struct way {
    struct visitor visitor;
    size_t capacity; // of visitor.found, kept from object to object
    bool no_memory;
};

// A type while it is gone through.
struct progress {
    uint64_t met;
    uint64_t visits;
};

struct run {
    struct verify *verify;
    struct heap *heap;
    struct heap_code code;
    struct verify_type *types; // verify->types, by number in heap->types while objects are checked
    struct progress *progress;
    struct way table, own;
};

// --- the two ways

static void grow(struct visitor *visitor)
{
    struct way *way = (struct way *)((char *)visitor - offsetof(struct way, visitor));
    vaddr *found = reallocarray(visitor->found, way->capacity, 2 * sizeof(*found));
    if (!found) {
        way->no_memory = true;
        visitor->count = 0;
        return;
    }
    way->capacity *= 2;
    visitor->found = found;
    visitor->capacity = way->capacity;
}

static bool init_way(struct way *way, struct heap_code *code)
{
    way->capacity = FOUND_FIRST;
    way->visitor = (struct visitor){.found = malloc(FOUND_FIRST * sizeof(vaddr)),
                                    .capacity = FOUND_FIRST,
                                    .full = grow,
                                    .run_code = heap_code_run,
                                    .code = code};
    return way->visitor.found;
}

// Runs the whole tp_traverse; how that ended.
static unsigned visit_by_code(struct run *run, const struct object_type *type, vaddr object)
{
    run->own.visitor.count = 0;
    heap_code_run(&run->code, &run->own.visitor, type->tp_traverse, object);
    return run->code.ending;
}

// By the type's program; 0, or why that is not all of the object.
static unsigned visit_by_table(struct run *run, const struct object_type *type, vaddr object)
{
    struct visitor *visitor = &run->table.visitor;
    visitor->count = visitor->opaque = 0;
    traverse_object(&run->heap->types, type, object, visitor);
    if (type->opaque && !type->coded)
        return HEAP_OPAQUE_CLASS;
    return visitor->opaque ? run->code.ending : 0;
}

// --- objects

static char *name_target(struct run *run, const struct visitor *visitor, uint64_t position)
{
    return position < visitor->count
               ? object_class_name(&run->heap->types, visitor->found[position])
               : NULL;
}

static void compare(struct run *run, struct verify_type *type, vaddr object)
{
    const struct visitor *table = &run->table.visitor, *own = &run->own.visitor;
    uint64_t position = 0;
    while (position < table->count && position < own->count &&
           table->found[position] == own->found[position])
        position++;
    if (position == table->count && position == own->count)
        return;
    if (type->different++ == 0)
        type->first = (struct verify_difference){.object = object,
                                                 .table_visits = table->count,
                                                 .code_visits = own->count,
                                                 .position = position,
                                                 .table_type = name_target(run, table, position),
                                                 .code_type = name_target(run, own, position)};
}

static void check_object(struct run *run, uint32_t number, vaddr object)
{
    int32_t index = run->heap->type[number];
    struct verify_type *type = &run->types[index];
    const struct object_type *kind = &run->heap->types.types[index];
    run->code.number = number;
    unsigned reason = visit_by_code(run, kind, object);
    if (!reason && !type->by_code)
        reason = visit_by_table(run, kind, object);
    run->progress[index].visits += run->own.visitor.count;
    if (reason) {
        type->unchecked++;
        type->reasons[reason]++;
        return;
    }
    type->checked++;
    if (!type->by_code)
        compare(run, type, object);
}

// Is the next object of its type one of those to be taken? They are as far from each other, counted
// in objects of the type, as they can be.
static bool is_taken(struct run *run, int32_t index)
{
    struct progress *progress = &run->progress[index];
    uint64_t objects = run->types[index].objects, limit = run->verify->limit;
    uint64_t nth = progress->met++;
    if (limit && progress->visits >= limit * VERIFY_VISITS_EACH)
        return false;
    if (!limit || limit > objects)
        limit = objects;
    return nth * limit / objects != (nth + 1) * limit / objects;
}

static void check_objects(struct run *run)
{
    struct heap_cursor cursor;
    heap_cursor_init(&cursor, run->heap, 0);
    for (uint32_t i = 0; i < run->heap->count; i++) {
        vaddr object = heap_cursor_next(&cursor);
        int32_t index = run->heap->type[i];
        if (index != HEAP_NO_TYPE && is_taken(run, index))
            check_object(run, i, object);
    }
}

// --- types

// Does nothing but the function itself know what it visits?
static bool is_by_code(const struct object_type *type)
{
    return type->program.count && type->program.steps[0].op == TRAVERSE_CODE &&
           (vaddr)type->program.steps[0].extra == type->tp_traverse;
}

static void name_types(struct run *run)
{
    for (size_t i = 0; i < run->verify->count; i++) {
        const struct object_type *type = &run->heap->types.types[i];
        run->types[i] = (struct verify_type){
            .name = type->name, .address = type->address, .by_code = is_by_code(type)};
    }
    for (uint32_t i = 0; i < run->heap->count; i++) {
        if (run->heap->type[i] == HEAP_NO_TYPE)
            run->verify->unreadable_objects++;
        else
            run->types[run->heap->type[i]].objects++;
    }
}

static int by_name(const void *a, const void *b)
{
    const struct verify_type *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order ? order : (left->address > right->address) - (left->address < right->address);
}

// Leaves the types that have objects, by name, and sums them up.
static void sum_types(struct verify *verify)
{
    size_t count = 0;
    for (size_t i = 0; i < verify->count; i++) {
        const struct verify_type *type = &verify->types[i];
        if (!type->objects)
            continue;
        verify->types[count++] = *type;
        verify->unchecked_types += type->unchecked > 0;
        verify->unchecked += type->unchecked;
        verify->coded_types += type->by_code;
        if (type->by_code)
            continue;
        verify->checked_types += type->checked > 0;
        verify->checked += type->checked;
        verify->different_types += type->different > 0;
        verify->different += type->different;
    }
    verify->count = count;
    qsort(verify->types, count, sizeof(*verify->types), by_name);
}

static struct failure *check(struct run *run)
{
    if (!run->code.code)
        return failure_create(FAILURE_UNSUPPORTED, "the process's code cannot be run");
    struct failure *failure = heap_code_open(&run->code);
    if (failure)
        return failure;
    struct verify *verify = run->verify;
    size_t count = run->heap->types.count;
    run->types = verify->types = calloc(count + 1, sizeof(*run->types));
    run->progress = calloc(count + 1, sizeof(*run->progress));
    if (!run->types || !run->progress || !init_way(&run->table, &run->code) ||
        !init_way(&run->own, &run->code))
        return failure_no_memory();
    verify->count = count;
    name_types(run);
    check_objects(run);
    if (run->table.no_memory || run->own.no_memory)
        return failure_no_memory();
    sum_types(verify);
    return NULL;
}

struct failure *verify_create(struct heap *heap, uint32_t limit, struct verify **verify)
{
    struct verify *made = calloc(1, sizeof(*made));
    if (!made)
        return failure_no_memory();
    *made = (struct verify){.heap = heap, .limit = limit};
    struct run run = {.verify = made,
                      .heap = heap,
                      .code = {.code = heap->code.code, .memory = heap->runtime->memory}};
    struct failure *failure = check(&run);
    heap_code_deinit(&run.code);
    free(run.table.visitor.found);
    free(run.own.visitor.found);
    free(run.progress);
    if (failure)
        verify_destroy(made);
    else
        *verify = made;
    return failure;
}

void verify_destroy(struct verify *verify)
{
    if (!verify)
        return;
    for (size_t i = 0; i < verify->count; i++) {
        free(verify->types[i].first.table_type);
        free(verify->types[i].first.code_type);
    }
    free(verify->types);
    free(verify);
}

bool verify_is_clean(const struct verify *verify)
{
    return !verify->different_types && !verify->unchecked_types && !verify->unreadable_objects;
}

size_t verify_list_reasons(const struct verify *verify, const struct verify_type *type,
                           struct heap_opaque_reason reasons[HEAP_OPAQUE_REASONS])
{
    return heap_list_opaque_reasons(verify->heap, type->reasons, reasons);
}
