// The calls of each thread, against sys._current_frames().
#include "common.h"

#include <fnmatch.h>
#include <string.h>

#include "real.h"

static const json_t *find_thread(const json_t *report, const char *id)
{
    const json_t *threads = real_json(report, "threads");
    for (size_t i = 0; i < json_array_size(threads); i++)
        if (strcmp(real_string(json_array_get(threads, i), "thread_id"), id) == 0)
            return json_array_get(threads, i);
    return NULL;
}

static void compare_thread(const struct real_core *core, const json_t *report, const json_t *truth)
{
    const char *id = real_string(truth, "thread_id");
    const json_t *thread = find_thread(report, id), *expected = real_json(truth, "frames");
    cr_assert_not_null(thread, "%s: no thread %s", core->name, id);
    cr_expect(json_is_false(real_json(thread, "holds_lock")), "%s: %s", core->name, id);
    const json_t *frames = real_json(thread, "frames");
    cr_assert_eq(json_array_size(frames), json_array_size(expected), "%s: %s", core->name, id);
    for (size_t i = 0; i < json_array_size(frames); i++) {
        const json_t *frame = json_array_get(frames, i), *row = json_array_get(expected, i);
        cr_expect_str_eq(real_string(frame, "function"), json_string_value(json_array_get(row, 0)),
                         "%s", core->name);
        cr_expect_str_eq(real_string(frame, "file"), json_string_value(json_array_get(row, 1)),
                         "%s", core->name);
        cr_expect_eq(real_number(frame, "line"), json_integer_value(json_array_get(row, 2)),
                     "%s: line %lld", core->name, real_number(frame, "line"));
    }
}

static void check(const char *interpreter, const char *kind)
{
    struct real_core core = real_make_core(interpreter, kind, "threads.py 5");
    const json_t *report = real_report(&core, 0), *stacks = real_json(core.truth, "stacks");
    cr_assert_eq(json_array_size(stacks), 5, "%s", core.name);
    cr_expect_eq(real_number(report, "threads_total"), 6, "%s", core.name);
    for (size_t i = 0; i < json_array_size(stacks); i++)
        compare_thread(&core, report, json_array_get(stacks, i));
    // The first one aborted, with the lock; one that sleeps has given it back.
    const json_t *first = json_array_get(real_json(report, "threads"), 0);
    if (strcmp(kind, "kernel") == 0)
        cr_expect(json_is_true(real_json(first, "holds_lock")), "%s", core.name);
    const json_t *frames = real_json(first, "frames");
    if (json_is_true(real_json(first, "holds_lock")))
        cr_expect_str_eq(
            real_string(json_array_get(frames, json_array_size(frames) - 1), "function"),
            "<module>", "%s", core.name);
    real_drop_core(&core);
}

Test(stacks, shared)
{
    check("shared", "kernel");
    check("shared", "gcore");
}

Test(stacks, debian)
{
    check("debian", "kernel");
    check("debian", "gcore");
}

// Forty-two wait in one place.
Test(stacks, alike)
{
    struct real_core core = real_make_core("shared", "kernel", "threads.py 3 41");
    const json_t *report = real_report(&core, 0), *stacks = real_json(core.truth, "stacks");
    cr_assert_eq(json_array_size(stacks), 44);
    for (size_t i = 0; i < json_array_size(stacks); i++)
        compare_thread(&core, report, json_array_get(stacks, i));
    const json_t *threads = real_json(report, "threads");
    long long sum = 0, of_many = 0;
    for (size_t i = 0; i < json_array_size(threads); i++) {
        long long alike = real_number(json_array_get(threads, i), "alike");
        cr_expect(i < 4 ? alike > 0 : alike == 0, "%zu: %lld", i, alike);
        of_many += alike == 42;
        sum += alike;
    }
    cr_expect_eq(sum, 45);
    cr_expect_eq(of_many, 1);
    const char *text = REAL_RUN(core.path, core.interpreter).output;
    cr_expect_eq(fnmatch("*\nThread 0x* and 41 others, innermost call first:\n    wait, "
                         "threads.py:*",
                         text, 0),
                 0, "%s", text);
    real_drop_core(&core);
}
