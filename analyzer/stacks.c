#include "stacks.h"

#include <stdlib.h>

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
