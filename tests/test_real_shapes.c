// Many objects of types that no table knows (fixtures/shapes.c), some of them unlike all that came
// before: what each refers to is what the interpreter itself said, for any number of threads.
#include "common.h"

#include <string.h>

#include "listing.h"
#include "real.h"

enum {
    COUNT = 8000, // of each type
    ODD = 429,    // of these are odd ones: from the 5,000th on every 7th
};

static bool has_emulator(const struct real_run *run)
{
    return !strstr(run->output, "cannot be run here");
}

// Its node is in no core: nothing of such an object is told.
static bool is_distant(const char *type, const char *refs)
{
    return strcmp(type, "shapes.Distant") == 0 && strcmp(refs, "[]") == 0;
}

static void expect_graph(const struct real_core *core, const char *path)
{
    json_t *last = NULL;
    struct listing truth = listing_read(real_format("%s/graph.jsonl", core->directory), &last);
    cr_assert_not_null(last, "%s: no last line", core->name);
    json_decref(last);
    last = NULL;
    struct listing got = listing_read(path, &last);
    cr_expect_null(last, "%s: a line without address", core->name);
    size_t shapes = 0, distant = 0;
    for (size_t i = 0; i < got.count; i++) {
        shapes += strncmp(got.items[i].type, "shapes.", 7) == 0;
        distant += is_distant(got.items[i].type, got.items[i].refs);
    }
    cr_expect_eq(shapes, json_object_size(real_json(core->truth, "shapes")) * COUNT, "%s: %zu",
                 core->name, shapes);
    cr_expect_eq(distant, ODD, "%s: %zu", core->name, distant);
    listing_compare(core, &got, &truth, is_distant);
    listing_deinit(&got);
    listing_deinit(&truth);
}

static void expect_shapes(const char *interpreter, const char *kind)
{
    static const char *const jobs[] = {"--jobs=1", "--jobs=2", "--jobs=7"};
    struct real_core core = real_make_core(interpreter, kind, "many_shapes.py --count 8000");
    const char *first = NULL;
    for (size_t i = 0; i < LENGTH(jobs); i++) {
        const char *path = real_format("%s/graph.%zu", core.directory, i);
        struct real_run run =
            REAL_RUN(jobs[i], "--format=json", "--graph", path, core.path, core.interpreter);
        cr_assert_eq(run.status, 0, "%s: %d: %s", core.name, run.status, run.errors);
        if (!has_emulator(&run))
            return;
        json_t *report = real_parse(run.output);
        cr_expect_eq(real_number(report, "heap.opaque_objects"), ODD, "%s", core.name);
        if (first)
            cr_expect_str_eq(run.output, first, "%s: %s", core.name, jobs[i]);
        else
            expect_graph(&core, path);
        struct real_run same = REAL_COMMAND("cmp", path, real_format("%s/graph.0", core.directory));
        cr_expect_eq(same.status, 0, "%s: %s: %s", core.name, jobs[i], same.output);
        if (!first)
            first = run.output;
    }
}

Test(shapes, shared_kernel)
{
    expect_shapes("shared", "kernel");
}

Test(shapes, shared_gcore)
{
    expect_shapes("shared", "gcore");
}

Test(shapes, debian_kernel)
{
    expect_shapes("debian", "kernel");
}
