// Who holds what would be garbage: ways from roots, references from outside and where their words
// stand, in made-up processes; and blocks of glibc's malloc, used and freed.
#include "common.h"

#include "chunks.h"
#include "holders.h"
#include "scene_findings.h"

static struct holders *holders;
static struct memory_span ranges[FAKEHEAP_ARENAS];
static struct holders_thread threads[2];
static struct holders_static statics[1];
static struct holders_source source;

static void close_holders(void)
{
    holders_destroy(holders);
    holders = NULL;
    memset(threads, 0, sizeof(threads));
    source = (struct holders_source){0};
    close_heap();
}

#define WORLDS(name)              WORLD_TEST(holders, name, close_holders)
#define WORLDS_SINCE(first, name) WORLD_TEST_SINCE(first, holders, name, close_holders)

static bool find_variable(const struct holders_static *data, vaddr at, char *name, size_t capacity,
                          vaddr *start)
{
    snprintf(name, capacity, "variable");
    *start = data->range.start;
    return at >= *start;
}

// All that was made is writable; the interpreter's data is static data.
static void fill_source(void)
{
    source.ranges = ranges;
    source.range_count = 0;
    for (size_t i = 0; i < fake.arena_count; i++)
        if (fake.arenas[i].used)
            ranges[source.range_count++] = (struct memory_span){
                fake.arenas[i].start, fake.arenas[i].used, fake.arenas[i].bytes, false};
    statics[0] = (struct holders_static){fake.data, "/usr/lib/libpython.so", NULL};
    source.threads = threads;
    source.statics = statics;
    source.static_count = 1;
    source.find_variable = find_variable;
}

static void find_holders(unsigned jobs)
{
    uint32_t list;
    open_heap(1);
    uint8_t *states = malloc((size_t)heap->count + 1);
    if (!fake.garbage || !heap_find(heap, fake.garbage, &list))
        list = GRAPH_NONE;
    collect_run(&heap->graph, heap->gc_refs, heap->finalizers, list, states, &totals);
    fill_source();
    holders_destroy(holders);
    cr_assert_null(holders_create(heap, states, list, &totals, &source, jobs, &holders), "%s",
                   world);
    free(states);
}

// An object with __del__ that refers to itself.
static vaddr make_client(void)
{
    vaddr client = fakeheap_instance(&fake, make_class("Client", 0, true));
    fakeheap_set_attr(&fake, client, "me", client);
    return client;
}

static vaddr make_listed(void)
{
    vaddr client = make_client();
    fakeheap_keep(&fake, client);
    return client;
}

// There is one way, to one object.
static const struct holders_path *only_way(const char *what, bool listed,
                                           enum holders_root_kind kind, const char *root)
{
    find_holders(1);
    cr_assert_eq(holders->path_count, 1, "%s, %s: %zu ways", world, what, holders->path_count);
    const struct holders_path *path = &holders->paths[0];
    cr_assert_eq(path->listed, listed, "%s, %s", world, what);
    cr_assert_eq(path->kind, kind, "%s, %s: %d", world, what, path->kind);
    cr_assert_eq(path->count, 1, "%s, %s", world, what);
    cr_assert_str_eq(path->type, "app.Client", "%s, %s", world, what);
    cr_assert_str_eq(path->root, root, "%s, %s: %s", world, what, path->root);
    return path;
}

// There is one row of references from outside.
static const struct holders_surplus *only_surplus(const char *what, enum holders_place place,
                                                  uint64_t references)
{
    find_holders(2);
    cr_assert_eq(holders->surplus_count, 1, "%s, %s: %zu rows", world, what,
                 holders->surplus_count);
    const struct holders_surplus *surplus = &holders->surplus[0];
    cr_assert_eq(surplus->place, place, "%s, %s: %d", world, what, surplus->place);
    cr_assert_eq(surplus->objects, 1, "%s, %s", world, what);
    cr_assert_eq(surplus->references, references, "%s, %s", world, what);
    cr_assert_eq(holders->unexplained, place == HOLDERS_NOWHERE, "%s, %s", world, what);
    return surplus;
}

// --- ways

WORLDS(nothing_is_asked_about)
{
    make_listed();
    find_holders(1);
    cr_expect_eq(holders->listed + holders->cycles + holders->path_count + holders->surplus_count,
                 0, "%s", world);
}

WORLDS(what_a_module_holds)
{
    vaddr client = make_listed(), module = fakeheap_module(&fake, "app.registry");
    fakeheap_set_attr(&fake, module, "kept", client);
    const struct holders_path *path = only_way("module", true, HOLDERS_MODULE, "app.registry");
    cr_assert_eq(path->step_count, 1, "%s", world);
    cr_assert_str_eq(path->steps[0].edge, ".kept", "%s", world);
    cr_assert_eq(path->example, client, "%s", world);
    cr_assert_eq(holders->listed, 1, "%s", world);
    cr_assert_eq(holders->surplus_count, 0, "%s", world);
}

WORLDS(what_a_running_frame_holds)
{
    static const char *const names[] = {"it", NULL};
    vaddr code = fakeheap_code(
        &fake,
        &(struct fakeheap_code){.name = "serve", .file = "/a/b.py", .line = 7, .varnames = names});
    vaddr frame = fakeheap_frame(&fake, code, 4);
    fakeheap_hold(&fake, frame, 1);
    fakeheap_set(&fake, fake.thread, LAYOUT_PyThreadState_frame, frame);
    fakeheap_set_local(&fake, frame, 0, make_listed());
    const struct holders_path *path = only_way("frame", true, HOLDERS_FRAME, "serve");
    cr_assert_str_eq(path->file, "/a/b.py", "%s", world);
    cr_assert_eq(path->line, 7, "%s", world);
    cr_assert_str_eq(path->steps[0].edge, "local it", "%s", world);
}

WORLDS(what_a_state_holds)
{
    vaddr dict = fakeheap_dict(&fake);
    fakeheap_dict_set_name(&fake, dict, "kept", make_listed());
    fakeheap_link(&fake, fake.thread, LAYOUT_PyThreadState_dict, dict);
    const struct holders_path *path = only_way("state", true, HOLDERS_STATE, "thread-local data");
    cr_assert_str_eq(path->steps[0].edge, "[str]", "%s: keys are values", world);
}

// A caller's frame is a root like any other; frames that bite their tail end.
WORLDS(frames_in_a_circle)
{
    vaddr code = fakeheap_code(&fake, &(struct fakeheap_code){.name = "serve", .file = "b.py"});
    vaddr frame = fakeheap_frame(&fake, code, 4), caller = fakeheap_frame(&fake, code, 4);
    fakeheap_link(&fake, frame, LAYOUT_PyFrameObject_f_back, caller);
    fakeheap_link(&fake, caller, LAYOUT_PyFrameObject_f_back, frame);
    fakeheap_hold(&fake, frame, 1);
    fakeheap_set(&fake, fake.thread, LAYOUT_PyThreadState_frame, frame);
    fakeheap_set(&fake, fake.thread, LAYOUT_PyThreadState_next, fake.thread);
    fakeheap_set_attr(&fake, fakeheap_module(&fake, "app"), "kept", make_listed());
    only_way("circle", true, HOLDERS_MODULE, "app");
}

WORLDS(a_cycle_that_nothing_leads_to)
{
    vaddr client = make_client();
    fakeheap_hold(&fake, client, 1);
    const struct holders_path *path = only_way("cycle", false, HOLDERS_OUTSIDE, "app.Client");
    cr_assert_eq(path->step_count, 0, "%s", world);
    cr_assert_eq(holders->cycles, 1, "%s", world);
    // One that a module leads to is in use as it should be, and not told.
    fakeheap_set_attr(&fake, fakeheap_module(&fake, "app"), "kept", client);
    find_holders(1);
    cr_assert_eq(holders->path_count + holders->surplus_count + holders->cycles, 0, "%s", world);
}

// What is no count is taken for more than any, here as there.
WORLDS(a_cycle_whose_count_is_nonsense)
{
    unsigned sign = fake.layout.values[LAYOUT_PyObject_ob_refcnt].width * 8u - 1;
    const uint64_t counts[] = {UINT64_MAX, UINT64_C(1) << sign};
    vaddr client = make_client();
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        fakeheap_set(&fake, client, LAYOUT_PyObject_ob_refcnt, counts[i]);
        only_way("nonsense", false, HOLDERS_OUTSIDE, "app.Client");
        cr_assert_eq(holders->untraced, 0, "%s: %zu", world, i);
        cr_assert_eq(holders->audited, 1, "%s: %zu", world, i);
    }
}

WORLDS(an_object_that_leads_to_a_cycle)
{
    vaddr list = fakeheap_list(&fake), client = make_client();
    fakeheap_append(&fake, list, client);
    fakeheap_hold(&fake, list, 1);
    const struct holders_path *path = only_way("list", false, HOLDERS_OUTSIDE, "list");
    cr_assert_str_eq(path->steps[0].edge, "[0]", "%s", world);
    cr_assert_str_eq(holders->surplus[0].type, "list", "%s", world);
    cr_assert_eq(holders->surplus_count, 1, "%s", world);
}

WORLDS_SINCE(204, a_linked_list_folds)
{
    vaddr class = make_class("Client", 0, true), last = 0;
    for (unsigned i = 0; i < 300; i++) {
        vaddr client = fakeheap_instance(&fake, class);
        if (last)
            fakeheap_set_attr(&fake, client, "next", last);
        fakeheap_keep(&fake, client);
        last = client;
    }
    fakeheap_set_attr(&fake, fakeheap_module(&fake, "app"), "first", last);
    find_holders(1);
    cr_assert_eq(holders->listed, 300, "%s", world);
    cr_assert_eq(holders->path_count, 2, "%s: %zu ways", world, holders->path_count);
    cr_assert_eq(holders->paths[0].count, 299, "%s", world);
    // The first in order of addresses is the farthest, but a short way is easier to read.
    cr_assert_eq(holders->paths[0].steps_left_out, 0, "%s", world);
    cr_assert_eq(holders->paths[0].step_count, 2, "%s", world);
    cr_assert_str_eq(holders->paths[0].steps[1].edge, ".next", "%s", world);
}

WORLDS(a_way_that_is_too_long)
{
    vaddr list = make_listed();
    for (unsigned i = 0; i < 100; i++)
        list = fakeheap_tuple_of(&fake, list);
    fakeheap_set_attr(&fake, fakeheap_module(&fake, "app"), "deep", list);
    const struct holders_path *path = only_way("deep", true, HOLDERS_MODULE, "app");
    // module -> dict -> 100 tuples -> client
    cr_assert_eq(path->steps_left_out, 102 - 64, "%s: %" PRIu64, world, path->steps_left_out);
    cr_assert_eq(path->step_count, 64, "%s", world);
}

// --- words

WORLDS(a_reference_without_a_word)
{
    vaddr client = make_listed();
    fakeheap_hold(&fake, client, 3);
    only_surplus("nowhere", HOLDERS_NOWHERE, 3);
    cr_assert_eq(holders->surplus[0].example, client, "%s", world);
}

WORLDS(a_word_in_static_data)
{
    vaddr client = make_listed();
    vaddr variable = fakeheap_allocate_in(&fake, FAKEHEAP_ARENA_STATIC, 16);
    fakeheap_link_word(&fake, variable, client);
    const struct holders_surplus *surplus = only_surplus("static", HOLDERS_IN_STATIC, 1);
    cr_assert_eq(surplus->at, variable, "%s", world);
    cr_assert_str_eq(surplus->name, "variable", "%s", world);
    cr_assert_str_eq(surplus->file, "/usr/lib/libpython.so", "%s", world);
    // A word more than there are references: nobody counts it.
    fakeheap_poke_word(&fake, variable + 8, client);
    only_surplus("a stale one", HOLDERS_IN_STATIC, 1);
    // A reference more than there are words.
    fakeheap_poke_word(&fake, variable + 8, 0);
    fakeheap_hold(&fake, client, 1);
    find_holders(1);
    cr_assert_eq(holders->surplus_count, 2, "%s", world);
    cr_assert_eq(holders->surplus[0].place, HOLDERS_NOWHERE, "%s: this first", world);
    cr_assert_eq(holders->surplus[1].place, HOLDERS_IN_STATIC, "%s", world);
}

WORLDS(a_word_on_a_stack)
{
    vaddr client = make_listed(), stack = fakeheap_allocate(&fake, 256);
    threads[1] = (struct holders_thread){
        .tid = 77, .stack = {stack + 128, stack + 256}, .stack_segment = stack};
    source.thread_count = 2;
    fakeheap_hold(&fake, client, 1);
    fakeheap_poke_word(&fake, stack + 64, client);
    only_surplus("below the live part", HOLDERS_NOWHERE, 1);
    fakeheap_poke_word(&fake, stack + 128, client);
    const struct holders_surplus *surplus = only_surplus("live", HOLDERS_IN_STACK, 1);
    cr_assert_eq(surplus->tid, 77, "%s", world);
    cr_assert_eq(surplus->at, stack + 128, "%s", world);
}

WORLDS(a_word_in_a_register)
{
    vaddr client = make_listed(), words = fakeheap_allocate(&fake, 64);
    fakeheap_hold(&fake, client, 1);
    fakeheap_poke_word(&fake, words + 16, client);
    uint8_t registers[64];
    memcpy(registers, fakeheap_bytes(&fake, words, 64), 64);
    fakeheap_poke_word(&fake, words + 16, 0);
    threads[0] = (struct holders_thread){.tid = 78, .registers = registers, .registers_size = 64};
    source.thread_count = 1;
    const struct holders_surplus *surplus = only_surplus("register", HOLDERS_IN_STACK, 1);
    cr_assert_eq(surplus->tid, 78, "%s", world);
    cr_assert_eq(surplus->at, 0, "%s", world);
}

WORLDS(a_word_on_a_value_stack)
{
    vaddr code = fakeheap_code(&fake, &(struct fakeheap_code){.name = "serve", .file = "b.py"});
    vaddr frame = fakeheap_frame(&fake, code, 4), client = make_listed();
    fakeheap_hold(&fake, frame, 1);
    fakeheap_hold(&fake, client, 1);
    fakeheap_poke_word(&fake, fakeheap_get(&fake, frame, LAYOUT_PyFrameObject_f_valuestack),
                       client);
    only_surplus("of a frame that does not run", HOLDERS_NOWHERE, 1);
    fakeheap_set(&fake, fake.thread, LAYOUT_PyThreadState_frame, frame);
    const struct holders_surplus *surplus = only_surplus("running", HOLDERS_IN_FRAME, 1);
    cr_assert_str_eq(surplus->name, "serve", "%s", world);
}

// What tracked objects account for, and what they borrow, is no evidence.
WORLDS(words_that_are_accounted_for)
{
    vaddr client = make_listed(), module = fakeheap_module(&fake, "app");
    vaddr list = fakeheap_list(&fake), weak = fakeheap_weakref(&fake, client, 0);
    fakeheap_hold(&fake, weak, 1);
    fakeheap_append(&fake, list, client);
    fakeheap_append(&fake, list, client);
    fakeheap_set_attr(&fake, module, "list", list);
    fakeheap_set_attr(&fake, module, "tuple", fakeheap_tuple_of(&fake, client, client));
    fakeheap_hold(&fake, client, 1);
    only_surplus("list, tuple and weak reference", HOLDERS_NOWHERE, 1);
    vaddr block = fakeheap_allocate(&fake, 64);
    fakeheap_poke_word(&fake, block + 16, client);
    only_surplus("and a block", HOLDERS_IN_MEMORY, 1);
}

WORLDS(a_word_in_an_untracked_object)
{
    vaddr type = fakeheap_type(
        &fake, &(struct fakeheap_type){.name = "mod.Box", .structure = "PyMethodObject"});
    vaddr client = make_listed();
    fakeheap_use_pools(&fake);
    vaddr box = fakeheap_new(&fake, type, 0);
    fakeheap_hold(&fake, box, 1);
    vaddr at = box + layout_offset(&fake.layout, LAYOUT_PyMethodObject_im_self);
    fakeheap_poke_word(&fake, at, client);
    fakeheap_hold(&fake, client, 1);
    const struct holders_surplus *surplus = only_surplus("box", HOLDERS_IN_UNTRACKED, 1);
    cr_assert_str_eq(surplus->name, "mod.Box", "%s", world);
    cr_assert_eq(surplus->at, at, "%s", world);
    // A dead one holds nothing.
    fakeheap_set(&fake, box, LAYOUT_PyObject_ob_refcnt, 0);
    only_surplus("dead", HOLDERS_NOWHERE, 1);
}

// Blocks of pymalloc: behind the end of an object, and given back.
WORLDS(a_word_left_in_a_block)
{
    vaddr client = make_listed();
    fakeheap_use_pools(&fake);
    vaddr size = fakeheap_get(&fake, fakeheap_find_type(&fake, "instancemethod"),
                              LAYOUT_PyTypeObject_tp_basicsize);
    uint64_t head = layout_offset(&fake.layout, LAYOUT_PyGC_Head_sizeof);
    vaddr method = fakeheap_method(&fake, fake.none, fake.none, fake.none);
    fakeheap_hold(&fake, method, 1);
    fakeheap_hold(&fake, client, 1);
    vaddr behind = (method + size + 7) & ~UINT64_C(7);
    if (behind + 8 <= method - head + ((head + size + 15) & ~UINT64_C(15)))
        fakeheap_poke_word(&fake, behind, client);
    only_surplus("behind an object", HOLDERS_NOWHERE, 1);
    vaddr block = fakeheap_allocate(&fake, 200), next = fakeheap_allocate(&fake, 200);
    vaddr start = block - fake.runtime.debug_pad;
    fakeheap_poke_word(&fake, block + 64, client);
    only_surplus("in use", HOLDERS_IN_MEMORY, 1);
    // The block becomes the head of its pool's free list.
    vaddr pool = block & ~UINT64_C(4095);
    cr_assert_eq(next & ~UINT64_C(4095), pool, "%s", world);
    fakeheap_poke_word(&fake, start, fakeheap_get(&fake, pool, LAYOUT_pool_header_freeblock));
    fakeheap_set(&fake, pool, LAYOUT_pool_header_freeblock, start);
    only_surplus("given back", HOLDERS_NOWHERE, 1);
}

WORLDS(an_int_is_no_reference)
{
    vaddr client = make_listed();
    vaddr number = fakeheap_int(&fake, (int64_t)client);
    fakeheap_hold(&fake, number, 1);
    fakeheap_hold(&fake, client, 1);
    only_surplus("id()", HOLDERS_NOWHERE, 1);
}

// --- overdrawn objects

WORLDS(overdrawn_objects_by_type)
{
    vaddr list = fakeheap_list(&fake), other = fakeheap_list(&fake), dict = fakeheap_dict(&fake);
    vaddr holder = fakeheap_tuple_of(&fake, list, list, other, other, dict);
    fakeheap_dict_set_name(&fake, dict, "holder", holder);
    fakeheap_hold(&fake, holder, 1);
    fakeheap_hold(&fake, list, -1);
    fakeheap_hold(&fake, other, -1);
    find_holders(1);
    cr_assert_eq(totals.overdrawn, 2, "%s", world);
    cr_assert_eq(holders->overdrawn_count, 1, "%s", world);
    cr_assert_str_eq(holders->overdrawn[0].type, "list", "%s", world);
    cr_assert_eq(holders->overdrawn[0].objects, 2, "%s", world);
}

// --- blocks of malloc

enum {
    HEAP_WORDS = 512
};
static const vaddr heap_at = 0x555555000000, libc_at = 0x7ffff7e00000;
static uint64_t heap_words[HEAP_WORDS];
static uint64_t libc_words[4];

// A chunk of so many words, whose lower neighbour is in use or not; where the next one begins.
static size_t put_chunk(size_t at, size_t words, bool previous_used)
{
    heap_words[at + 1] = words * 8 | previous_used;
    return at + words;
}

static vaddr block_at(size_t chunk)
{
    return heap_at + (chunk + 2) * 8;
}

static void ask(struct chunk_question *questions, size_t count)
{
    static const struct runtime_range libc = {0x7ffff7e00000, 0x7ffff7e00020};
    struct holders_static data = {libc, "libc.so.6", NULL};
    struct memory_span range = {heap_at, sizeof(heap_words), (const uint8_t *)heap_words};
    struct holders_source given = {
        .ranges = &range, .range_count = 1, .statics = &data, .static_count = 1};
    struct memory memory;
    memory_init(&memory, (struct memory_format){8, false});
    cr_assert_null(memory_add(&memory, libc_at, sizeof(libc_words), (const uint8_t *)libc_words));
    cr_assert(chunks_ask(&memory, &given, questions, count));
    memory_deinit(&memory);
}

Test(chunks, used_free_and_cached)
{
    // tcache, used, free, used, cached, fast, mangled fast, used, top
    size_t tcache = 0, used = put_chunk(tcache, 82, true), unused = put_chunk(used, 6, true);
    size_t again = put_chunk(unused, 10, true), cached = put_chunk(again, 6, false);
    size_t fast = put_chunk(cached, 6, true), second = put_chunk(fast, 6, true);
    size_t last = put_chunk(second, 6, true), top = put_chunk(last, 6, true);
    put_chunk(top, HEAP_WORDS - top, true);
    heap_words[2 + 16 + 1] = block_at(cached);
    heap_words[cached + 2] = block_at(cached) >> 12; // mangled NULL
    libc_words[1] = heap_at + fast * 8;
    heap_words[fast + 2] = (heap_at + second * 8) ^ (block_at(fast) >> 12);
    heap_words[second + 2] = block_at(second) >> 12;
    // The end of a buffer, behind which an element of a list has its place.
    libc_words[2] = heap_at + again * 8;
    heap_words[again + 2] = block_at(used);
    const struct {
        const char *what;
        size_t chunk;
        bool is_free;
    } rows[] = {{"used", used, false},    {"free", unused, true}, {"used again", again, false},
                {"cached", cached, true}, {"fast", fast, true},   {"second fast", second, true},
                {"last", last, false},    {"top", top, true}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct chunk_question questions[] = {{.at = heap_at - 8},
                                             {.at = block_at(rows[i].chunk)},
                                             {.at = block_at(rows[i].chunk) + 24},
                                             {.at = heap_at + sizeof(heap_words)}};
        ask(questions, LENGTH(questions));
        cr_expect_eq(questions[0].start, 0);
        cr_expect_eq(questions[3].start, 0);
        for (size_t j = 1; j < 3; j++) {
            cr_expect_eq(questions[j].start, block_at(rows[i].chunk), "%s", rows[i].what);
            cr_expect_eq(questions[j].is_free, rows[i].is_free, "%s", rows[i].what);
        }
    }
}

// Where the chunks do not lead to the end, nothing is known. Links that bite their tail end.
Test(chunks, damage)
{
    size_t tcache = 0, used = put_chunk(tcache, 82, true), top = put_chunk(used, 6, true);
    put_chunk(top, HEAP_WORDS - top, true);
    heap_words[2 + 16] = block_at(used);
    heap_words[used + 2] = block_at(used);
    struct chunk_question question = {.at = block_at(used)};
    ask(&question, 1);
    cr_expect(question.is_free && question.start == block_at(used));
    static const uint64_t sizes[] = {0, 8, 24, 1 << 20, UINT64_MAX};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        heap_words[top + 1] = sizes[i];
        question = (struct chunk_question){.at = block_at(used)};
        ask(&question, 1);
        cr_expect_eq(question.start, 0, "a chunk of %" PRIu64, sizes[i]);
    }
}
