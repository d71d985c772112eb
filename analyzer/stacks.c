#include "stacks.h"

#include <stdlib.h>
#include <string.h>

#include "thread.h"

static struct failure *read_frames(const struct runtime *runtime, vaddr innermost, uint64_t limit,
                                   uint64_t *left, struct stacks *stacks, struct stack *stack)
{
    size_t capacity = 0;
    for (vaddr frame = innermost; frame; frame = thread_caller(runtime, frame)) {
        struct code_place place;
        if (*left == 0) {
            stacks->complete = false;
            break;
        }
        --*left;
        stack->depth++;
        if (limit && stack->frame_count == limit)
            continue;
        if (thread_find_place(runtime, frame, &place) != MEMORY_OK) {
            stacks->complete = false;
            break;
        }
        if (stack->frame_count == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            struct code_place *grown = reallocarray(stack->frames, capacity, sizeof(*grown));
            if (!grown) {
                code_place_deinit(&place);
                return failure_no_memory();
            }
            stack->frames = grown;
        }
        stack->frames[stack->frame_count++] = place;
    }
    return NULL;
}

// The thread that held the lock goes to the front.
static void add_stack(struct stacks *stacks, struct stack stack)
{
    stacks->items[stacks->count++] = stack;
    if (stack.current) {
        memmove(stacks->items + 1, stacks->items, (stacks->count - 1) * sizeof(*stacks->items));
        stacks->items[0] = stack;
    }
}

static int compare_text(const char *one, const char *other)
{
    return strcmp(one ? one : "", other ? other : "");
}

static int compare_number(uint64_t one, uint64_t other)
{
    return one < other ? -1 : one > other;
}

static int compare_frames(const struct code_place *one, const struct code_place *other)
{
    int order = compare_number((uint64_t)one->line, (uint64_t)other->line);
    if (!order)
        order = compare_text(one->function, other->function);
    return order ? order : compare_text(one->file, other->file);
}

static int compare_calls(const struct stack *one, const struct stack *other)
{
    int order = compare_number(one->current, other->current);
    if (!order)
        order = compare_number(one->depth, other->depth);
    if (!order)
        order = compare_number(one->frame_count, other->frame_count);
    for (size_t i = 0; i < one->frame_count && !order; i++)
        order = compare_frames(&one->frames[i], &other->frames[i]);
    return order;
}

// Of those with the same calls the one that the interpreter lists first.
static int by_calls(const void *one, const void *other)
{
    const struct stack *const *first = one, *const *second = other;
    int order = compare_calls(*first, *second);
    return order ? order : *first < *second ? -1 : *first > *second;
}

// Thousands of threads wait in the same place: those that differ come first.
static struct failure *fold(struct stacks *stacks)
{
    size_t count = stacks->count, distinct = 0, repeated = 0;
    struct stack **sorted = calloc(count + 1, sizeof(*sorted));
    struct stack *items = calloc(count + 1, sizeof(*items));
    if (!sorted || !items) {
        free(sorted);
        free(items);
        return failure_no_memory();
    }
    for (size_t i = 0; i < count; i++)
        sorted[i] = &stacks->items[i];
    qsort(sorted, count, sizeof(*sorted), by_calls);
    for (size_t i = 0, first = 0; i < count; i++) {
        if (compare_calls(sorted[first], sorted[i]))
            first = i;
        sorted[first]->alike++;
    }
    for (size_t i = 0; i < count; i++)
        distinct += stacks->items[i].alike > 0;
    stacks->distinct = distinct;
    for (size_t i = count; i > 0; i--) // from behind, as many as there are of each
        if (stacks->items[i - 1].alike)
            items[--distinct] = stacks->items[i - 1];
        else
            items[count - ++repeated] = stacks->items[i - 1];
    free(sorted);
    free(stacks->items);
    stacks->items = items;
    return NULL;
}

struct failure *stacks_read(const struct runtime *runtime, uint64_t limit, struct stacks *stacks)
{
    struct thread_cursor cursor;
    struct python_thread thread;
    enum memory_status status;
    struct failure *failure = NULL;
    uint64_t left = FRAMES_MAX;
    *stacks = (struct stacks){.complete = true};
    thread_cursor_init(&cursor, runtime);
    while (!failure && thread_next(&cursor, &thread, &status)) {
        struct stack stack = {.thread_id = thread.thread_id, .current = thread.current};
        struct stack *grown =
            reallocarray(stacks->items, stacks->count + 1, sizeof(*stacks->items));
        if (!grown) {
            failure = failure_no_memory();
            break;
        }
        stacks->items = grown;
        failure = read_frames(runtime, thread.frame, limit, &left, stacks, &stack);
        add_stack(stacks, stack);
    }
    stacks->interpreters = cursor.interpreters;
    stacks->complete = stacks->complete && (failure || status == MEMORY_OK);
    if (!failure)
        failure = fold(stacks);
    if (failure)
        stacks_deinit(stacks);
    return failure;
}

void stacks_deinit(struct stacks *stacks)
{
    for (size_t i = 0; i < stacks->count; i++) {
        for (size_t j = 0; j < stacks->items[i].frame_count; j++)
            code_place_deinit(&stacks->items[i].frames[j]);
        free(stacks->items[i].frames);
    }
    free(stacks->items);
    *stacks = (struct stacks){0};
}
