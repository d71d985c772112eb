// The collector's switches in a file without a symbol table: by running the functions that read
// them, here a list of what each function would read.
#include "common.h"

#include <string.h>

#include "runtime.h"
#include "scene.h"

#define WORLDS(name) WORLD_TEST(runtime_flags, name, close_nothing)

// What the functions of the process read.
static struct {
    struct {
        vaddr function;
        vaddr reads; // 0: nothing
    } known[3];
    unsigned opened, closed;
    bool no_runner;
} code;

static struct failure *open_runner(void *context, struct memory *memory, void **runner)
{
    cr_assert_eq(context, &code);
    cr_assert_eq(memory, &fake.memory);
    if (code.no_runner)
        return failure_create(FAILURE_UNSUPPORTED, "nothing can be run");
    code.opened++;
    *runner = &code;
    return NULL;
}

static void close_runner(void *runner)
{
    cr_assert_eq(runner, &code);
    code.closed++;
}

static bool find_read(void *runner, vaddr function, const struct runtime_range *ranges,
                      size_t range_count, unsigned width, vaddr *address)
{
    cr_assert_eq(runner, &code);
    cr_assert_eq(ranges, fake.source.data);
    cr_assert_eq(range_count, fake.source.data_count);
    cr_assert_eq(width, 4);
    for (size_t i = 0; i < LENGTH(code.known); i++) {
        if (code.known[i].function == function && code.known[i].reads) {
            *address = code.known[i].reads;
            return true;
        }
    }
    return false;
}

static const struct runtime_code runner_code = {
    .context = &code, .open = open_runner, .find_read = find_read, .close = close_runner};

// A builtin function of the gc module; its address in the code.
static vaddr add_builtin(vaddr module, const char *name, const char *known_as)
{
    vaddr method =
        fakeheap_allocate(&fake, layout_offset(&fake.layout, LAYOUT_PyMethodDef_ml_meth) + 64u);
    vaddr text = fakeheap_allocate(&fake, 32), function = fakeheap_function_address(&fake);
    memcpy(fakeheap_bytes(&fake, text, 32), known_as, strlen(known_as));
    fakeheap_set(&fake, method, LAYOUT_PyMethodDef_ml_name, text);
    fakeheap_set(&fake, method, LAYOUT_PyMethodDef_ml_meth, function);
    vaddr object = fakeheap_new(&fake, fakeheap_find_type(&fake, "builtin_function_or_method"), 0);
    fakeheap_set(&fake, object, LAYOUT_PyCFunctionObject_m_ml, method);
    fakeheap_set_attr(&fake, module, name, object);
    return function;
}

// A stripped interpreter whose functions read these.
static vaddr make_process(void)
{
    vaddr module = fakeheap_module(&fake, "gc"), collect = fakeheap_function_address(&fake);
    memset(&code, 0, sizeof(code));
    fakeheap_strip(&fake);
    fakeheap_symbol(&fake, SYMBOL_EXPORTED, "PyGC_Collect", collect);
    fake.source.code = &runner_code;
    code.known[0].function = add_builtin(module, "isenabled", "isenabled");
    code.known[0].reads = fake.enabled;
    code.known[1].function = add_builtin(module, "get_debug", "get_debug");
    code.known[1].reads = fake.debug;
    code.known[2].function = collect;
    code.known[2].reads = fake.collecting;
    fakeheap_poke(&fake, fake.enabled, 1, 4);
    fakeheap_poke(&fake, fake.debug, (uint32_t)-2, 4);
    fakeheap_poke(&fake, fake.collecting, 0, 4);
    return module;
}

static bool is_wide(void)
{
    return fake.memory.format.word_size == 8;
}

static void expect_unknown(const char *what)
{
    fakeheap_open(&fake);
    const struct runtime *runtime = &fake.runtime;
    cr_assert_not(runtime->enabled.known || runtime->debug.known || runtime->collecting.known,
                  "%s, %s", world, what);
    cr_assert_eq(code.opened, code.closed, "%s, %s", world, what);
}

WORLDS(by_code)
{
    make_process();
    fakeheap_open(&fake);
    const struct runtime *runtime = &fake.runtime;
    cr_assert_eq(runtime->enabled.known, is_wide(), "%s", world); // else ints are like pointers
    if (!is_wide())
        return;
    cr_assert(runtime->enabled.value == 1 && runtime->enabled.by_code, "%s", world);
    cr_assert(runtime->debug.known && runtime->debug.value == -2, "%s", world);
    cr_assert(runtime->collecting.known && runtime->collecting.value == 0, "%s", world);
    cr_assert_eq(code.opened, 1, "%s", world);
    cr_assert_eq(code.closed, 1, "%s", world);
}

WORLDS(by_symbol_where_there_is_one)
{
    make_process();
    fakeheap_symbol(&fake, SYMBOL_STATIC, "enabled", fake.enabled);
    fakeheap_symbol(&fake, SYMBOL_STATIC, "debug", fake.debug);
    fakeheap_symbol(&fake, SYMBOL_STATIC, "collecting", fake.collecting);
    fakeheap_open(&fake);
    cr_assert(fake.runtime.enabled.known && !fake.runtime.enabled.by_code, "%s", world);
    cr_assert_eq(code.opened, 0, "%s", world);
}

WORLDS(values_that_cannot_be)
{
    make_process();
    fakeheap_poke(&fake, fake.enabled, 2, 4);
    expect_unknown("enabled is 2");
    fakeheap_poke(&fake, fake.enabled, 0, 4);
    fakeheap_poke(&fake, fake.collecting, (uint32_t)-1, 4);
    expect_unknown("collecting is -1");
}

WORLDS(variables_that_cannot_be)
{
    for (size_t i = 0; i < LENGTH(code.known); i++) {
        make_process();
        fakeheap_poke(&fake, fake.debug, 0, 4);
        code.known[i].reads = 0;
        expect_unknown("one is not found");
        code.known[i].reads = code.known[(i + 1) % LENGTH(code.known)].reads;
        expect_unknown("two are the same");
    }
}

WORLDS(functions_that_are_not_the_collectors)
{
    vaddr module = make_process();
    code.known[1].function = add_builtin(module, "get_debug", "get_referents");
    expect_unknown("another builtin in its place");
    vaddr function = fakeheap_function(
        &fake, fakeheap_code(&fake, &(struct fakeheap_code){.name = "f", .file = "f.py"}));
    fakeheap_set_attr(&fake, module, "get_debug", function);
    expect_unknown("a Python function in its place");
}

WORLDS(nothing_to_go_by)
{
    make_process();
    code.no_runner = true;
    expect_unknown("nothing can be run");
    fakeheap_remove_symbol(&fake, "PyGC_Collect");
    code.no_runner = false;
    expect_unknown("no PyGC_Collect");
    fake.source.code = NULL;
    expect_unknown("no code");
}

WORLDS(no_gc_module)
{
    fakeheap_strip(&fake);
    fake.source.code = &runner_code;
    expect_unknown("never imported");
}
