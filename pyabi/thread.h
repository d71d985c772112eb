// The threads of Python, and the frames that each of them was in.
//
// What a hostile core says is walked as far as it goes, but never without end.
#ifndef PYABI_THREAD_H
#define PYABI_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "code.h"
#include "runtime.h"

enum {
    THREADS_MAX = 1 << 16,
    FRAMES_MAX = 1 << 20, // of all threads together
};

struct python_thread {
    vaddr state;        // PyThreadState
    vaddr interpreter;  // PyInterpreterState
    uint64_t thread_id; // of PyThread_get_thread_ident: pthread_self on Linux
    vaddr frame;        // the innermost PyFrameObject; 0: it runs no Python code
    bool current;       // it held the interpreter lock
};

// Goes through the threads of all interpreters (tstate_head, next; Python/pystate.c), those
// that were made last first.
struct thread_cursor {
    const struct runtime *runtime;
    vaddr interpreter; // to come after this one's threads
    vaddr state;       // to come
    unsigned left;
    unsigned interpreters; // so far
};
void thread_cursor_init(struct thread_cursor *cursor, const struct runtime *runtime);
// False: no more. *status is MEMORY_OK unless the list could not be read to its end.
bool thread_next(struct thread_cursor *cursor, struct python_thread *thread,
                 enum memory_status *status);

// The frame that called this one; 0: none, or it cannot be read.
vaddr thread_caller(const struct runtime *runtime, vaddr frame);

// Where a frame was: the line of the instruction that it executed last, or of f_lineno while a
// trace function is set (PyFrame_GetLineNumber, Objects/frameobject.c).
enum memory_status thread_find_place(const struct runtime *runtime, vaddr frame,
                                     struct code_place *place);

#endif
