#include "emulator_loop.h"

#include <stdlib.h>
#include <string.h>

// Nothing was written but to the stack.
static bool is_untouched(const struct emulator_space *space)
{
    for (size_t i = 0; i < space->copy_count; i++) {
        const uint8_t *bytes = space->copies[i].bytes;
        if (memcmp(bytes, bytes + EMULATOR_PAGE, EMULATOR_PAGE) != 0)
            return false;
    }
    return true;
}

static bool make_contexts(struct emulator_loop *loop, uc_engine *engine)
{
    if (!loop->then && uc_context_alloc(engine, &loop->then) != UC_ERR_OK)
        loop->then = NULL;
    if (!loop->now && uc_context_alloc(engine, &loop->now) != UC_ERR_OK)
        loop->now = NULL;
    return loop->then && loop->now;
}

static void keep(struct emulator_loop *loop, const struct emulator_space *space, vaddr target,
                 uint64_t offset)
{
    const struct emulator_stack *stack = &space->stack;
    loop->stack_used = 0;
    free(loop->stack);
    loop->stack = malloc(stack->size - offset);
    if (!loop->stack || !make_contexts(loop, space->engine) || !is_untouched(space) ||
        uc_context_save(space->engine, loop->then) != UC_ERR_OK)
        return;
    memcpy(loop->stack, stack->bytes + offset, stack->size - offset);
    loop->stack_used = stack->size - offset;
    loop->target = target;
}

bool emulator_loop_is_closed(struct emulator_loop *loop, const struct emulator_space *space,
                             uint64_t visit, vaddr target, vaddr stack_pointer)
{
    const struct emulator_stack *stack = &space->stack;
    uint64_t offset = stack_pointer - stack->start;
    if (offset >= stack->size)
        return false;
    if ((visit & (visit - 1)) == 0) {
        keep(loop, space, target, offset);
        return false;
    }
    return loop->stack_used == stack->size - offset && target == loop->target &&
           uc_context_save(space->engine, loop->now) == UC_ERR_OK &&
           memcmp(loop->then, loop->now, uc_context_size(space->engine)) == 0 &&
           memcmp(loop->stack, stack->bytes + offset, loop->stack_used) == 0 && is_untouched(space);
}

void emulator_loop_deinit(struct emulator_loop *loop)
{
    if (loop->then)
        uc_context_free(loop->then);
    if (loop->now)
        uc_context_free(loop->now);
    free(loop->stack);
    *loop = (struct emulator_loop){0};
}
