#include "thread.h"

#include "object.h"

static enum memory_status read_member(const struct runtime *runtime, vaddr struct_address,
                                      enum layout_member member, uint64_t *value)
{
    *value = 0;
    return layout_read(&runtime->layout, runtime->memory, struct_address, member, value);
}

void thread_cursor_init(struct thread_cursor *cursor, const struct runtime *runtime)
{
    *cursor = (struct thread_cursor){
        .runtime = runtime, .interpreter = runtime->interp_head, .left = THREADS_MAX};
}

// The first thread of the next interpreter that has one.
static enum memory_status enter_interpreter(struct thread_cursor *cursor)
{
    const struct runtime *runtime = cursor->runtime;
    enum memory_status status = MEMORY_OK;
    while (!cursor->state && cursor->interpreter && cursor->left && status == MEMORY_OK) {
        vaddr interpreter = cursor->interpreter;
        cursor->left--;
        cursor->interpreters++;
        status = read_member(runtime, interpreter, LAYOUT_PyInterpreterState_tstate_head,
                             &cursor->state);
        if (status == MEMORY_OK)
            status = read_member(runtime, interpreter, LAYOUT_PyInterpreterState_next,
                                 &cursor->interpreter);
    }
    return status;
}

bool thread_next(struct thread_cursor *cursor, struct python_thread *thread,
                 enum memory_status *status)
{
    const struct runtime *runtime = cursor->runtime;
    *status = enter_interpreter(cursor);
    if (*status == MEMORY_OK && cursor->state && !cursor->left)
        *status = MEMORY_NONSENSE;
    if (*status != MEMORY_OK || !cursor->state)
        return false;
    vaddr state = cursor->state;
    *thread = (struct python_thread){.state = state, .current = state == runtime->current_thread};
    cursor->left--;
    *status = read_member(runtime, state, LAYOUT_PyThreadState_next, &cursor->state);
    if (*status == MEMORY_OK)
        *status = read_member(runtime, state, LAYOUT_PyThreadState_interp, &thread->interpreter);
    if (*status == MEMORY_OK)
        *status = read_member(runtime, state, LAYOUT_PyThreadState_frame, &thread->frame);
    if (*status == MEMORY_OK)
        *status = read_member(runtime, state, LAYOUT_PyThreadState_thread_id, &thread->thread_id);
    return *status == MEMORY_OK;
}

vaddr thread_caller(const struct runtime *runtime, vaddr frame)
{
    uint64_t caller;
    read_member(runtime, frame, LAYOUT_PyFrameObject_f_back, &caller);
    return caller;
}

enum memory_status thread_find_place(const struct runtime *runtime, vaddr frame,
                                     struct code_place *place)
{
    uint64_t code, trace, instruction, line;
    *place = (struct code_place){0};
    enum memory_status status = MEMORY_NONSENSE;
    if (object_is_exact(runtime, frame, RUNTIME_TYPE_frame))
        status = read_member(runtime, frame, LAYOUT_PyFrameObject_f_code, &code);
    if (status == MEMORY_OK)
        status = read_member(runtime, frame, LAYOUT_PyFrameObject_f_lasti, &instruction);
    if (status == MEMORY_OK)
        status = read_member(runtime, frame, LAYOUT_PyFrameObject_f_lineno, &line);
    if (status == MEMORY_OK)
        status = read_member(runtime, frame, LAYOUT_PyFrameObject_f_trace, &trace);
    if (status == MEMORY_OK)
        status = code_find_place(runtime, code, (int32_t)instruction, place);
    if (status == MEMORY_OK && trace)
        place->line = (int32_t)line;
    return status;
}
