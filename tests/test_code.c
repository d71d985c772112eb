// Lines of instructions, stores of attributes, threads and their frames.
#include "common.h"

#include <string.h>

#include "code.h"
#include "fakelayout.h"
#include "scene.h"
#include "thread.h"

#define WORLDS(name) WORLD_TEST(code, name, close_nothing)

// def ping(self), line 10 of app.py:
//   10    0 LOAD_FAST 0, 3 LOAD_FAST 0, 6 STORE_ATTR 1 (first)
//   12    9 LOAD_FAST 0, 12 DUP_TOP, 13 STORE_ATTR 2 (second)
//  312   16 LOAD_CONST 0, 19 RETURN_VALUE
static const char bytecode[] = "|\0\0|\0\0_\1\0|\0\0\4_\2\0d\0\0S";
static const char lnotab[] = "\11\2\7\377\0\55";

static vaddr make_code(void)
{
    static const char *const locals[] = {"self", NULL};
    static const char *const names[] = {"unused", "first", "second", NULL};
    vaddr code = fakeheap_code(
        &fake, &(struct fakeheap_code){
                   .name = "ping", .file = "/srv/app.py", .line = 10, .varnames = locals});
    fakeheap_link(&fake, code, LAYOUT_PyCodeObject_co_names, fakeheap_names(&fake, names));
    fakeheap_link(&fake, code, LAYOUT_PyCodeObject_co_code,
                  fakeheap_str_of(&fake, bytecode, sizeof(bytecode) - 1));
    fakeheap_link(&fake, code, LAYOUT_PyCodeObject_co_lnotab,
                  fakeheap_str_of(&fake, lnotab, sizeof(lnotab) - 1));
    return code;
}

static void expect_place(vaddr code, int64_t instruction, int64_t line)
{
    struct code_place place;
    cr_assert_eq(code_find_place(&fake.runtime, code, instruction, &place), MEMORY_OK, "%s", world);
    cr_expect_str_eq(place.function, "ping", "%s", world);
    cr_expect_str_eq(place.file, "/srv/app.py", "%s", world);
    cr_expect_eq(place.line, line, "%s: line of %lld is %lld", world, (long long)instruction,
                 (long long)place.line);
    code_place_deinit(&place);
}

WORLDS(lines)
{
    vaddr code = make_code();
    fakeheap_open(&fake);
    expect_place(code, CODE_FIRST_LINE, 10);
    expect_place(code, 0, 10);
    expect_place(code, 8, 10);
    expect_place(code, 9, 12);
    expect_place(code, 15, 12);
    expect_place(code, 16, 312); // more than 255 lines on: two pairs
    expect_place(code, 1000, 312);
}

WORLDS(stores)
{
    vaddr code = make_code();
    int64_t at = -1;
    fakeheap_open(&fake);
    cr_expect(code_find_store(&fake.runtime, code, "first", &at) && at == 6, "%s", world);
    cr_expect(code_find_store(&fake.runtime, code, "second", &at) && at == 13, "%s", world);
    cr_expect_not(code_find_store(&fake.runtime, code, "unused", &at), "%s", world);
    cr_expect_not(code_find_store(&fake.runtime, code, "third", &at), "%s", world);
    cr_expect_not(code_find_store(&fake.runtime, fake.none, "first", &at), "%s", world);
}

// An instruction whose argument is cut off, a table with half a pair, names that are no tuple.
WORLDS(cut_code)
{
    vaddr code = make_code(), bare = make_code();
    int64_t at;
    fakeheap_link(&fake, code, LAYOUT_PyCodeObject_co_code,
                  fakeheap_str_of(&fake, bytecode, 8)); // STORE_ATTR 1 at 6 lacks a byte
    fakeheap_link(&fake, code, LAYOUT_PyCodeObject_co_lnotab, fakeheap_str_of(&fake, "\11\2\7", 3));
    fakeheap_set(&fake, bare, LAYOUT_PyCodeObject_co_names, fake.none);
    fakeheap_set(&fake, bare, LAYOUT_PyCodeObject_co_lnotab, 16);
    fakeheap_open(&fake);
    cr_expect_not(code_find_store(&fake.runtime, code, "first", &at), "%s", world);
    expect_place(code, 1000, 12);
    cr_expect_not(code_find_store(&fake.runtime, bare, "first", &at), "%s", world);
    expect_place(bare, 1000, 10);
    struct code_place place;
    cr_expect_eq(code_find_place(&fake.runtime, fake.none, 0, &place), MEMORY_NONSENSE);
}

// --- threads

static vaddr make_thread(vaddr interpreter, uint64_t id, vaddr frame)
{
    vaddr state =
        fakeheap_allocate(&fake, fakelayout_struct_size(fake.layout.values, "PyThreadState"));
    fakeheap_set(&fake, state, LAYOUT_PyThreadState_interp, interpreter);
    fakeheap_set(&fake, state, LAYOUT_PyThreadState_thread_id, id);
    fakeheap_set(&fake, state, LAYOUT_PyThreadState_frame, frame);
    return state;
}

static vaddr make_frame(vaddr code, vaddr caller, unsigned instruction)
{
    vaddr frame = fakeheap_frame(&fake, code, 2);
    fakeheap_set(&fake, frame, LAYOUT_PyFrameObject_f_lasti, instruction);
    fakeheap_set(&fake, frame, LAYOUT_PyFrameObject_f_back, caller);
    return frame;
}

// A second thread in front of the one that the process has, which holds the lock.
WORLDS(threads)
{
    struct thread_cursor cursor;
    struct python_thread thread;
    enum memory_status status;
    vaddr code = make_code(), outer = make_frame(code, 0, 9), inner = make_frame(code, outer, 16);
    vaddr second = make_thread(fake.interp, 4242, inner);
    fakeheap_set(&fake, second, LAYOUT_PyThreadState_next, fake.thread);
    fakeheap_set(&fake, fake.interp, LAYOUT_PyInterpreterState_tstate_head, second);
    fakeheap_open(&fake);
    thread_cursor_init(&cursor, &fake.runtime);
    cr_assert(thread_next(&cursor, &thread, &status), "%s", world);
    cr_expect_eq(thread.state, second, "%s", world);
    cr_expect_eq(thread.thread_id, 4242, "%s", world);
    cr_expect_eq(thread.frame, inner, "%s", world);
    cr_expect_not(thread.current, "%s", world);
    cr_expect_eq(thread_caller(&fake.runtime, inner), outer, "%s", world);
    cr_expect_eq(thread_caller(&fake.runtime, outer), 0, "%s", world);
    cr_assert(thread_next(&cursor, &thread, &status), "%s", world);
    cr_expect_eq(thread.state, fake.thread, "%s", world);
    cr_expect(thread.current, "%s", world);
    cr_expect_not(thread_next(&cursor, &thread, &status), "%s", world);
    cr_expect_eq(status, MEMORY_OK, "%s", world);
}

WORLDS(frames)
{
    struct code_place place;
    vaddr code = make_code(), frame = make_frame(code, 0, 9), traced = make_frame(code, 0, 9);
    fakeheap_set(&fake, traced, LAYOUT_PyFrameObject_f_trace, fake.none);
    fakeheap_set(&fake, traced, LAYOUT_PyFrameObject_f_lineno, 77);
    fakeheap_open(&fake);
    cr_assert_eq(thread_find_place(&fake.runtime, frame, &place), MEMORY_OK, "%s", world);
    cr_expect_eq(place.line, 12, "%s", world);
    code_place_deinit(&place);
    cr_assert_eq(thread_find_place(&fake.runtime, traced, &place), MEMORY_OK, "%s", world);
    cr_expect_eq(place.line, 77, "%s", world);
    code_place_deinit(&place);
    cr_expect_eq(thread_find_place(&fake.runtime, code, &place), MEMORY_NONSENSE, "%s", world);
}

// As Py_NewInterpreter adds one to the front of the list.
static vaddr make_interpreter(vaddr next)
{
    static const enum layout_member dicts[] = {LAYOUT_PyInterpreterState_modules,
                                               LAYOUT_PyInterpreterState_sysdict,
                                               LAYOUT_PyInterpreterState_builtins};
    vaddr made =
        fakeheap_allocate(&fake, fakelayout_struct_size(fake.layout.values, "PyInterpreterState"));
    for (size_t i = 0; i < LENGTH(dicts); i++)
        fakeheap_link(&fake, made, dicts[i], fakeheap_dict(&fake));
    fakeheap_set(&fake, made, LAYOUT_PyInterpreterState_tstate_head, make_thread(made, 7, 0));
    fakeheap_set(&fake, made, LAYOUT_PyInterpreterState_next, next);
    return made;
}

// The threads of all are told. With no symbol of the list, it is the static variable that leads to
// most of them.
WORLDS(interpreters)
{
    vaddr all[] = {[2] = fake.interp};
    struct thread_cursor cursor;
    struct python_thread thread;
    enum memory_status status;
    all[1] = make_interpreter(all[2]);
    all[0] = make_interpreter(all[1]);
    vaddr other = fakeheap_allocate_in(&fake, FAKEHEAP_ARENA_STATIC, 8);
    fakeheap_poke_word(&fake, other, all[1]); // autoInterpreterState, Python/pystate.c
    fakeheap_poke_word(&fake, fake.interp_variable, all[0]);
    for (unsigned stripped = 0; stripped < 2; stripped++) {
        if (stripped)
            fakeheap_strip(&fake);
        fakeheap_open(&fake);
        thread_cursor_init(&cursor, &fake.runtime);
        for (size_t i = 0; i < LENGTH(all); i++) {
            cr_assert(thread_next(&cursor, &thread, &status), "%s", world);
            cr_expect_eq(thread.interpreter, all[i], "%s", world);
        }
        cr_expect_not(thread_next(&cursor, &thread, &status), "%s", world);
        cr_expect_eq(cursor.interpreters, LENGTH(all), "%s", world);
    }
}

// Lists that never end, and ones that lead nowhere.
WORLDS(damaged_lists)
{
    struct thread_cursor cursor;
    struct python_thread thread;
    enum memory_status status;
    unsigned count = 0;
    fakeheap_set(&fake, fake.thread, LAYOUT_PyThreadState_next, fake.thread);
    fakeheap_open(&fake);
    thread_cursor_init(&cursor, &fake.runtime);
    while (thread_next(&cursor, &thread, &status))
        count++;
    cr_expect_leq(count, THREADS_MAX, "%s", world);
    cr_expect_eq(status, MEMORY_NONSENSE, "%s", world);
    fakeheap_set(&fake, fake.thread, LAYOUT_PyThreadState_next, 16);
    fakeheap_map(&fake);
    thread_cursor_init(&cursor, &fake.runtime);
    cr_expect(thread_next(&cursor, &thread, &status), "%s", world);
    cr_expect_not(thread_next(&cursor, &thread, &status), "%s", world);
    cr_expect_neq(status, MEMORY_OK, "%s", world);
}
