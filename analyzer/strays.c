// Two kinds of evidence show an object that is missing. A block of pymalloc's that says it is
// tracked, and whose neighbours in a list point back to it: that finds all lists with at least one
// object of usual size, garbage too, which nothing alive refers to. And a reference from an object
// that was found, to one that says it is tracked: that finds large objects, those of an interpreter
// without pymalloc, and what a damaged list has lost.
//
// From such an object its list is followed in both directions, up to the first element that is no
// object: the head. If both ways end at the same head, the list is whole. Every object found is
// marked and entered once, so this ends whatever the links say.
#include "strays.h"

#include <stdlib.h>

#include "discovery.h"
#include "pools.h"
#include "runtime_lost.h"

enum {
    FOUND_MAX = 1024 // references taken from an object at a time
};

struct strays {
    struct heap *heap;
    const struct runtime_source *source;
    vaddr *waiting; // elements found, whose references were not looked at
    size_t count;
    size_t capacity;
    bool no_memory;
    struct visitor visitor;
    vaddr found[FOUND_MAX];
};

// --- lists

static bool take(struct strays *strays, const struct discovery_element *element)
{
    if (strays->count == strays->capacity) {
        size_t capacity = strays->capacity ? strays->capacity * 2 : 1024;
        vaddr *waiting = reallocarray(strays->waiting, capacity, sizeof(*waiting));
        if (!waiting) {
            strays->no_memory = true;
            return false;
        }
        strays->waiting = waiting;
        strays->capacity = capacity;
    }
    if (!discovery_take(strays->heap, element))
        return false;
    strays->waiting[strays->count++] = element->at;
    strays->heap->listed_elsewhere++;
    return true;
}

static bool is_on_stack(const struct strays *strays, vaddr at)
{
    for (size_t i = 0; i < strays->source->stack_count; i++)
        if (at - strays->source->stacks[i].start <
            strays->source->stacks[i].end - strays->source->stacks[i].start)
            return true;
    return false;
}

// Takes the objects that follow in one direction. True: up to the head of the list, in *head.
// False: the list does not hold together.
static bool follow(struct strays *strays, struct discovery_element at, bool forward, vaddr *head)
{
    struct discovery_element to;
    while (discovery_step(strays->heap, &at, forward, &to)) {
        // What lies behind a head on a stack may look like an object's.
        if (is_on_stack(strays, to.at) || !discovery_is_object(strays->heap, &to)) {
            *head = to.at;
            return true;
        }
        if (!take(strays, &to))
            break;
        at = to;
    }
    discovery_note_break(strays->heap, at.at);
    return false;
}

static void take_list(struct strays *strays, const struct discovery_element *first)
{
    vaddr end, start;
    if (!take(strays, first))
        return;
    bool ends = follow(strays, *first, true, &end), starts = follow(strays, *first, false, &start);
    if (ends && starts && start != end)
        discovery_note_break(strays->heap, start);
}

// --- evidence

// What was freed has none, whatever its block still says.
static bool has_references(struct heap *heap, vaddr at)
{
    const struct runtime *runtime = heap->runtime;
    int64_t refcnt;
    return layout_read_int(&runtime->layout, runtime->memory,
                           at + layout_offset(&runtime->layout, LAYOUT_PyGC_Head_sizeof),
                           LAYOUT_PyObject_ob_refcnt, &refcnt) == MEMORY_OK &&
           refcnt > 0;
}

static void take_block(void *context, vaddr at)
{
    struct strays *strays = context;
    struct discovery_element element;
    if (discovery_read(strays->heap, at, &element) && has_references(strays->heap, at))
        take_list(strays, &element);
}

// Is there a list's element or head at an address?
static bool is_listed(const struct strays *strays, vaddr at)
{
    const struct runtime *runtime = strays->heap->runtime;
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        if (at == runtime->generations[i].head)
            return true;
    return discovery_is_marked(strays->heap, at) || is_on_stack(strays, at);
}

// Does more than its own gc_refs, which could be any number, say that an element is on a list? In
// the middle of gc_list_move one is on none: its neighbours know each other already, or it has
// neighbours in two lists.
static bool is_vouched_for(struct strays *strays, const struct discovery_element *element)
{
    struct discovery_element neighbour;
    return discovery_step(strays->heap, element, true, &neighbour) ||
           discovery_step(strays->heap, element, false, &neighbour) ||
           (is_listed(strays, element->next) && is_listed(strays, element->previous));
}

static void take_targets(struct visitor *visitor)
{
    struct strays *strays = (struct strays *)((char *)visitor - offsetof(struct strays, visitor));
    struct heap *heap = strays->heap;
    uint32_t head_size = layout_offset(&heap->runtime->layout, LAYOUT_PyGC_Head_sizeof);
    for (size_t i = 0; i < visitor->count; i++) {
        struct discovery_element element;
        vaddr at = visitor->found[i] - head_size;
        if (!discovery_is_marked(heap, at) && discovery_read(heap, at, &element) &&
            discovery_is_object(heap, &element) &&
            (element.refs < 0 || is_vouched_for(strays, &element)))
            take_list(strays, &element);
    }
    visitor->count = 0;
}

static void look_at(struct strays *strays, vaddr at)
{
    struct object_types *types = &strays->heap->types;
    vaddr object = at + layout_offset(&strays->heap->runtime->layout, LAYOUT_PyGC_Head_sizeof);
    uint32_t type;
    if (object_find_type(types, object, &type) != MEMORY_OK)
        return;
    // A copy: the table may move when a target's type is met.
    struct object_type copy = types->types[type];
    traverse_object(types, &copy, object, &strays->visitor);
    take_targets(&strays->visitor);
}

static bool take_linked(void *context, vaddr at)
{
    struct strays *strays = context;
    struct discovery_element element;
    if (!discovery_is_marked(strays->heap, at) && discovery_read(strays->heap, at, &element) &&
        has_references(strays->heap, at) && discovery_is_object(strays->heap, &element))
        take_list(strays, &element);
    return !strays->no_memory;
}

// Looks at all objects marked so far, and then at those that this finds.
static void look_at_all(struct strays *strays)
{
    const struct heap *heap = strays->heap;
    strays->count = 0;
    for (size_t i = 0; i < heap->range_count; i++) {
        const struct heap_range *range = &heap->ranges[i];
        for (uint64_t word = 0; word <= range->size / HEAP_GRAIN / 64; word++) {
            uint64_t left = heap->bits[range->first_bit / 64 + word];
            for (; left && !strays->no_memory; left &= left - 1)
                look_at(strays,
                        range->start + (word * 64 + (uint64_t)__builtin_ctzll(left)) * HEAP_GRAIN);
        }
    }
    while (strays->count && !strays->no_memory)
        look_at(strays, strays->waiting[--strays->count]);
}

// --- both

static bool is_collecting(const struct heap *heap)
{
    const struct runtime_flag *collecting = &heap->runtime->collecting;
    return (collecting->known && collecting->value) || heap_shows_collection(heap);
}

struct failure *strays_find(struct heap *heap, const struct runtime_source *source)
{
    // The proof by pools is one for all objects in them, so then there is something to look for
    // only if large objects were set aside.
    bool whole = heap->by_pools || (heap->runtime->collecting.known && !heap->losses.broken_links);
    if (whole && !is_collecting(heap))
        return NULL;
    struct strays strays = {.heap = heap, .source = source};
    strays.visitor = (struct visitor){.found = strays.found,
                                      .capacity = FOUND_MAX,
                                      .full = take_targets,
                                      .run_code = heap_code_run,
                                      .code = &heap->code};
    heap->code.number = HEAP_CODE_UNNUMBERED;
    bool has_pools;
    struct failure *failure = pools_each_unmarked(heap, take_block, &strays, &has_pools);
    // Large objects, such as classes, lie in no pool, and few that are left refer to them.
    if (!failure && heap->runtime->memory_lost)
        runtime_each_linked(heap->runtime->memory, true, take_linked, &strays);
    if (!failure)
        look_at_all(&strays);
    free(strays.waiting);
    // From here on objects have numbers.
    heap->code.endless_count = 0;
    if (!failure && strays.no_memory)
        failure = failure_no_memory();
    // Garbage that the collector has set aside is referred to by nothing alive: without pools it
    // shows by a head on a stack, or not at all.
    heap->losses.lists_unknown = is_collecting(heap) && !has_pools && !source->stack_count;
    return failure;
}
