// Components folded into findings: what the cycle of each is called, which ones are the same, and
// that no address is in it. What findings hold is in test_findings_held.c.
#include "common.h"

#include "scene_findings.h"

#define WORLDS(name)              WORLD_TEST(findings, name, close_findings)
#define WORLDS_SINCE(first, name) WORLD_TEST_SINCE(first, findings, name, close_findings)

static const struct finding *expect_one(const char *what, uint64_t count, const char *cycle)
{
    analyse();
    cr_assert_eq(findings->count, 1, "%s, %s: %zu findings", world, what, findings->count);
    const struct finding *finding = &findings->items[0];
    cr_assert_str_eq(cycle_text(finding), cycle, "%s, %s: %s", world, what, cycle_text(finding));
    cr_assert_eq(finding->count, count, "%s, %s: %" PRIu64, world, what, finding->count);
    return finding;
}

static vaddr make_client(void)
{
    return fakeheap_instance(&fake, make_class("Client", 0, true));
}

// --- the story

struct story {
    vaddr client_class, t_class;
    const char *attribute;
};

static void make_story(struct story *story)
{
    vaddr base = make_class("ApiClient", 0, true);
    story->client_class = make_class("MyApiClient", base, false);
    story->t_class = make_class("T", 0, false);
    story->attribute = "t";
}

static vaddr ping(const struct story *story)
{
    vaddr client = fakeheap_instance(&fake, story->client_class);
    vaddr t = fakeheap_instance(&fake, story->t_class);
    fakeheap_set_attr(&fake, client, story->attribute, t);
    fakeheap_set_attr(&fake, t, "_api_client", client);
    return client;
}

static const char story_cycle[] = "app.MyApiClient* .t > app.T ._api_client >";

WORLDS(the_story)
{
    struct story story;
    vaddr clients[5];
    make_story(&story);
    for (size_t i = 0; i < LENGTH(clients); i++)
        fakeheap_keep(&fake, clients[i] = ping(&story));
    const struct finding *finding = expect_one("story", 5, story_cycle);
    cr_assert_eq(finding->state, COLLECT_UNCOLLECTABLE, "%s", world);
    cr_assert_eq(finding->objects, 20, "%s", world);
    cr_assert_eq(finding->held_objects, 0, "%s", world);
    cr_assert_eq(finding->example, clients[0], "%s", world);
    cr_assert_eq(finding->steps[0].object, clients[0], "%s", world);
    cr_assert_eq(finding->example_objects, 4, "%s", world);
    cr_assert_eq(finding->bytes, 5 * finding->example_bytes, "%s", world);
    cr_assert_eq(finding->finalizer_count, 1, "%s", world);
    const struct finding_finalizer *finalizer = &finding->finalizers[0];
    cr_assert_eq(finalizer->class_address, story.client_class, "%s", world);
    cr_assert_str_eq(finalizer->class, "app.MyApiClient", "%s", world);
    cr_assert_str_eq(finalizer->del.defined_in, "app.ApiClient", "%s", world);
    cr_assert_str_eq(finalizer->del.file, "app.py", "%s", world);
    cr_assert_eq(finalizer->del.line, 35, "%s", world);
    cr_assert_eq(findings->shared_objects, 0, "%s", world);
    cr_assert_eq(totals.objects[COLLECT_UNCOLLECTABLE], 20, "%s", world);
}

Test(findings, the_story_in_bytes)
{
    struct story story;
    init_world(&(struct fakeheap_spec){0});
    make_story(&story);
    fakeheap_keep(&fake, ping(&story));
    analyse();
    cr_assert_eq(findings->items[0].bytes, 704); // two instances of 64, two dicts of 288
    close_findings();
    fakeheap_deinit(&fake);
}

WORLDS(the_story_before_it_was_collected)
{
    struct story story;
    make_story(&story);
    ping(&story);
    ping(&story);
    const struct finding *finding = expect_one("pending", 2, story_cycle);
    cr_assert_eq(finding->state, COLLECT_PENDING, "%s", world);
    // And beside what is in gc.garbage: the same shape, told apart by its state.
    fakeheap_keep(&fake, ping(&story));
    analyse();
    cr_assert_eq(findings->count, 2, "%s", world);
    cr_assert_neq(findings->items[0].state, findings->items[1].state, "%s", world);
    cr_assert_str_eq(findings->items[0].signature, findings->items[1].signature, "%s", world);
}

WORLDS(cycles_in_use_are_not_told)
{
    struct story story;
    make_story(&story);
    fakeheap_hold(&fake, ping(&story), 1);
    analyse();
    cr_assert_eq(findings->count, 0, "%s", world);
}

WORLDS(cycles_without_a_finalizer_are_not_told)
{
    vaddr class = make_class("Plain", 0, false), list = fakeheap_list(&fake);
    vaddr object = fakeheap_instance(&fake, class), client = make_client();
    fakeheap_set_attr(&fake, object, "self", object);
    fakeheap_append(&fake, list, list);
    // Not even when gc.garbage keeps them, or a client that is in no cycle.
    fakeheap_set_attr(&fake, client, "list", list);
    fakeheap_keep(&fake, client);
    analyse();
    cr_assert_eq(findings->count, 0, "%s", world);
    cr_assert_eq(totals.objects[COLLECT_TRASH], 2, "%s: the instance and its dict", world);
    cr_assert_gt(findings->shared_objects, 0, "%s: held by a client in no cycle", world);
}

// --- signatures

static void remember_signature(char *signature)
{
    analyse();
    cr_assert_eq(findings->count, 1, "%s", world);
    memcpy(signature, findings->items[0].signature, SIGNATURE_SIZE);
    cr_assert_eq(strlen(signature), 8, "%s", world);
}

// One leak, one signature: at other addresses, in another order, any number of times, in any
// layout.
static void tell_story(unsigned variant)
{
    struct story story;
    if (variant & 1)
        fakeheap_skip(&fake, 12345);
    if (variant & 2)
        fakeheap_use_pools(&fake);
    make_story(&story);
    vaddr t = 0;
    if (variant & 4) // the T lies in front of its client
        t = fakeheap_instance(&fake, story.t_class);
    vaddr client = ping(&story);
    if (t) {
        fakeheap_set_attr(&fake, client, "t", t);
        fakeheap_set_attr(&fake, t, "_api_client", client);
    }
    fakeheap_keep(&fake, client);
    for (unsigned i = 0; i < (variant & 8 ? 10u : 0u); i++)
        fakeheap_keep(&fake, ping(&story));
}

Test(findings, one_leak_has_one_signature)
{
    struct layout_column column;
    char first[SIGNATURE_SIZE] = "";
    for (unsigned i = 0; i < 5; i++) {
        for (unsigned variant = 0; variant < 16; variant++) {
            char signature[SIGNATURE_SIZE];
            cr_assert(fakeheap_init_world(&fake, i, &column, &world));
            tell_story(variant);
            remember_signature(signature);
            if (!*first)
                memcpy(first, signature, sizeof(first));
            cr_assert_str_eq(signature, first, "%s, variant %u: %s, not %s", world, variant,
                             signature, first);
            close_findings();
            fakeheap_deinit(&fake);
        }
    }
}

Test(findings, another_leak_has_another_signature)
{
    static const struct {
        const char *client, *t, *attribute;
    } rows[] = {
        {"MyApiClient", "T", "t"}, {"MyApiClient", "T", "u"}, {"MyApiClient", "U", "t"},
        {"ApiClient", "T", "t"},   {"MyApiClient", "T", "T"}, {"MyApiClient", "T", "tt"},
    };
    char signatures[LENGTH(rows)][SIGNATURE_SIZE];
    for (size_t i = 0; i < LENGTH(rows); i++) {
        init_world(&(struct fakeheap_spec){0});
        struct story story = {make_class(rows[i].client, 0, true), make_class(rows[i].t, 0, false),
                              rows[i].attribute};
        fakeheap_keep(&fake, ping(&story));
        remember_signature(signatures[i]);
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(signatures[i], signatures[j], "%zu and %zu", i, j);
        close_findings();
        fakeheap_deinit(&fake);
    }
}

WORLDS(leaks_of_one_program_are_told_apart)
{
    struct story story;
    make_story(&story);
    for (unsigned i = 0; i < 3; i++)
        fakeheap_keep(&fake, ping(&story));
    story.attribute = "u";
    fakeheap_keep(&fake, ping(&story));
    analyse();
    cr_assert_eq(findings->count, 2, "%s", world);
    // Most bytes first.
    cr_assert_eq(findings->items[0].count, 3, "%s", world);
    cr_assert_str_eq(cycle_text(&findings->items[0]), story_cycle, "%s", world);
    cr_assert_eq(findings->items[1].count, 1, "%s", world);
    cr_assert_str_eq(cycle_text(&findings->items[1]), "app.MyApiClient* .u > app.T ._api_client >",
                     "%s", world);
}

// Clients that refer to themselves, and by the way through so many lists; another finding of one
// size has no part in it.
WORLDS(cycles_of_one_shape_that_differ_in_size)
{
    static const unsigned lists[] = {20, 0, 1, 1, 5, 200};
    static const struct finding_sizes expected = {
        .least = 2,
        .median = 4,
        .most = 203,
        .counts = {[1] = 1, [2] = 2, [3] = 1, [4] = 1, [7] = 1}};
    vaddr class = make_class("Client", 0, true);
    struct story story;
    make_story(&story);
    fakeheap_keep(&fake, ping(&story));
    for (size_t i = 0; i < LENGTH(lists); i++) {
        vaddr client = fakeheap_instance(&fake, class), others = fakeheap_list(&fake);
        fakeheap_set_attr(&fake, client, "me", client);
        if (lists[i])
            fakeheap_set_attr(&fake, client, "others", others);
        for (unsigned j = 0; j < lists[i]; j++) {
            vaddr list = fakeheap_list(&fake);
            fakeheap_append(&fake, list, client);
            fakeheap_append(&fake, others, list);
        }
        fakeheap_keep(&fake, client);
    }
    analyse();
    cr_assert_eq(findings->count, 2, "%s", world);
    const struct finding_sizes *sizes = &findings->items[0].sizes;
    cr_assert_eq(findings->items[0].count, LENGTH(lists), "%s", world);
    cr_expect_eq(sizes->least, expected.least, "%s: %u", world, sizes->least);
    cr_expect_eq(sizes->median, expected.median, "%s: %u", world, sizes->median);
    cr_expect_eq(sizes->most, expected.most, "%s: %u", world, sizes->most);
    for (size_t i = 0; i < FINDING_SIZES; i++)
        cr_expect_eq(sizes->counts[i], expected.counts[i], "%s: 2^%zu", world, i);
    sizes = &findings->items[1].sizes;
    cr_expect_eq(sizes->least, 4, "%s", world);
    cr_expect_eq(sizes->median, 4, "%s", world);
    cr_expect_eq(sizes->counts[2], 1, "%s", world);
}

// Names that are equal but not the same str, as unpickled objects have them.
WORLDS(attributes_are_compared_by_text)
{
    vaddr class = make_class("Client", 0, true);
    for (unsigned i = 0; i < 3; i++) {
        vaddr client = fakeheap_instance(&fake, class);
        vaddr dict = fakeheap_peek_word(&fake, fakeheap_dict_slot(&fake, client));
        fakeheap_dict_set(&fake, dict, fakeheap_str(&fake, "me"), client);
        fakeheap_keep(&fake, client);
    }
    expect_one("equal names", 3, "app.Client* .me >");
}

// --- what edges are called

WORLDS(cycle_of_one)
{
    static const char *const slots[] = {"me", NULL};
    vaddr class = fakeheap_class(
        &fake,
        &(struct fakeheap_class){.name = "C", .module = "app", .slots = slots, .del_file = "c.py"});
    vaddr object = fakeheap_instance(&fake, class);
    fakeheap_hold(&fake, class, 1);
    fakeheap_set_slot(&fake, object, "me", object);
    fakeheap_keep(&fake, object);
    const struct finding *finding = expect_one("slot", 1, "app.C* .me >");
    cr_assert_eq(finding->objects, 1, "%s", world);
}

WORLDS_SINCE(205, cycle_through_containers)
{
    vaddr client = make_client(), list = fakeheap_list(&fake), set, dict = fakeheap_dict(&fake);
    vaddr deque = fakeheap_deque(&fake, 31), tuple;
    set = fakeheap_set_object(&fake, "set");
    fakeheap_append(&fake, list, fake.none);
    fakeheap_append(&fake, list, deque);
    fakeheap_deque_append(&fake, deque, fake.none);
    fakeheap_deque_append(&fake, deque, dict);
    fakeheap_dict_set(&fake, dict, fakeheap_str(&fake, "a secret"), set);
    tuple = fakeheap_tuple_of(&fake, fake.none, fake.none, client);
    fakeheap_set_add(&fake, set, tuple);
    fakeheap_set_attr(&fake, client, "list", list);
    fakeheap_keep(&fake, client);
    expect_one("containers", 1,
               "app.Client* .list > list [1] > collections.deque [1] > dict [str] > set [item] > "
               "tuple [2] >");
}

WORLDS(cycle_through_keys)
{
    vaddr client = make_client(), dict = fakeheap_dict(&fake), other = fakeheap_dict(&fake);
    fakeheap_set_attr(&fake, client, "table", dict);
    fakeheap_dict_set(&fake, dict, fakeheap_int(&fake, 42), other);
    fakeheap_dict_set(&fake, other, client, fake.none);
    fakeheap_keep(&fake, client);
    expect_one("keys", 1, "app.Client* .table > dict [int] > dict [key] >");
}

// Indexes are shown, and are no part of the shape; keys are shown by type only.
WORLDS(indexes_and_keys_do_not_tell_cycles_apart)
{
    vaddr class = make_class("Client", 0, true);
    for (int i = 0; i < 4; i++) {
        vaddr client = fakeheap_instance(&fake, class), list = fakeheap_list(&fake);
        vaddr dict = fakeheap_dict(&fake);
        char key[32];
        snprintf(key, sizeof(key), "secret %d", i);
        fakeheap_dict_set(&fake, dict, fakeheap_str(&fake, key), list);
        for (int j = 0; j < i; j++)
            fakeheap_append(&fake, list, fake.none);
        fakeheap_append(&fake, list, client);
        fakeheap_set_attr(&fake, client, "table", dict);
        fakeheap_keep(&fake, client);
    }
    expect_one("indexes", 4, "app.Client* .table > dict [str] > list [0] >");
}

// All ways of one length are compared. That must not mean to go through the list for each.
Test(findings, list_of_many, .timeout = 30)
{
    init_world(&(struct fakeheap_spec){0});
    vaddr client = make_client(), list = fakeheap_list(&fake);
    for (unsigned i = 0; i < 100000; i++)
        fakeheap_append(&fake, list, client);
    fakeheap_set_attr(&fake, client, "list", list);
    fakeheap_keep(&fake, client);
    // list_traverse begins at the end.
    expect_one("many", 1, "app.Client* .list > list [99999] >");
    close_findings();
    fakeheap_deinit(&fake);
}

static vaddr make_code(const char *const *locals, const char *const *cells,
                       const char *const *frees)
{
    vaddr code = fakeheap_code(&fake, &(struct fakeheap_code){.name = "work",
                                                              .file = "/srv/work.py",
                                                              .line = 8,
                                                              .varnames = locals,
                                                              .cellvars = cells,
                                                              .freevars = frees});
    fakeheap_hold(&fake, code, 1);
    return code;
}

WORLDS(cycle_through_a_closure)
{
    static const char *const frees[] = {"other", "self", NULL};
    vaddr client = make_client();
    const vaddr cells[] = {fakeheap_cell(&fake, fake.none), fakeheap_cell(&fake, client)};
    vaddr function = fakeheap_closure(&fake, make_code(NULL, NULL, frees), cells, 2);
    fakeheap_set_attr(&fake, client, "callback", function);
    fakeheap_keep(&fake, client);
    const struct finding *finding =
        expect_one("closure", 1, "app.Client* .callback > function cell self >");
    cr_assert_eq(finding->objects, 5, "%s: with dict, tuple and cell", world);
}

WORLDS(cycle_through_a_bound_method)
{
    vaddr client = make_client(), class = fakeheap_get(&fake, client, LAYOUT_PyObject_ob_type);
    vaddr function = fakeheap_function(&fake, make_code(NULL, NULL, NULL));
    fakeheap_hold(&fake, function, 1);
    fakeheap_set_attr(&fake, client, "handler", fakeheap_method(&fake, function, client, class));
    fakeheap_keep(&fake, client);
    expect_one("method", 1, "app.Client* .handler > instancemethod .im_self >");
}

static vaddr make_generator(vaddr code, uint64_t local, vaddr value)
{
    enum {
        SETUP_FINALLY = 122
    };
    vaddr frame = fakeheap_frame(&fake, code, 2);
    fakeheap_set_local(&fake, frame, local, value);
    fakeheap_push_block(&fake, frame, SETUP_FINALLY);
    fakeheap_suspend(&fake, frame);
    return fakeheap_generator(&fake, frame);
}

WORLDS_SINCE(205, cycle_through_a_frame)
{
    static const char *const locals[] = {"item", "self", NULL};
    vaddr object = fakeheap_instance(&fake, make_class("Reader", 0, false));
    vaddr generator = make_generator(make_code(locals, NULL, NULL), 1, object);
    fakeheap_set_attr(&fake, object, "lines", generator);
    fakeheap_keep(&fake, generator);
    const struct finding *finding =
        expect_one("frame", 1, "generator* .gi_frame > frame local self > app.Reader .lines >");
    const struct object_del *del = &finding->finalizers[0].del;
    cr_assert_str_eq(finding->finalizers[0].class, "generator", "%s", world);
    cr_assert_eq(del->kind, OBJECT_DEL_GENERATOR, "%s", world);
    cr_assert_str_eq(del->defined_in, "work", "%s", world);
    cr_assert_str_eq(del->file, "/srv/work.py", "%s", world);
    cr_assert_eq(del->line, 8, "%s", world);
}

// Behind the fast locals come cells of inner functions, then those of outer ones.
WORLDS_SINCE(205, cycle_through_a_cell_of_a_frame)
{
    static const char *const locals[] = {"item", NULL}, *const cells[] = {"inner", NULL},
                             *const frees[] = {"outer", NULL};
    static const char *const cycles[] = {
        "generator* .gi_frame > frame local inner > app.Reader .lines >",
        "generator* .gi_frame > frame local outer > app.Reader .lines >"};
    vaddr class = make_class("Reader", 0, false), code = make_code(locals, cells, frees);
    for (uint64_t i = 0; i < 2; i++) {
        vaddr object = fakeheap_instance(&fake, class);
        vaddr generator = make_generator(code, i + 1, fakeheap_cell(&fake, object));
        fakeheap_set_attr(&fake, object, "lines", generator);
        fakeheap_keep(&fake, generator);
    }
    analyse();
    cr_assert_eq(findings->count, 2, "%s", world);
    for (size_t i = 0; i < 2; i++)
        cr_assert(strcmp(cycle_text(&findings->items[i]), cycles[0]) == 0 ||
                      strcmp(cycle_text(&findings->items[i]), cycles[1]) == 0,
                  "%s: %s", world, cycle_text(&findings->items[i]));
}

WORLDS(cycle_of_old_instances)
{
    vaddr client_class = fakeheap_old_class(&fake, "legacy", "Client", 0);
    vaddr session_class = fakeheap_old_class(&fake, "legacy", "Session", 0);
    vaddr client = fakeheap_old_instance(&fake, client_class);
    vaddr session = fakeheap_old_instance(&fake, session_class);
    fakeheap_hold(&fake, client_class, 1);
    fakeheap_hold(&fake, session_class, 1);
    fakeheap_set_attr(&fake, client_class, "__del__",
                      fakeheap_function(&fake, make_code(NULL, NULL, NULL)));
    fakeheap_set_attr(&fake, client, "session", session);
    fakeheap_set_attr(&fake, session, "client", client);
    fakeheap_keep(&fake, client);
    const struct finding *finding =
        expect_one("old style", 1, "legacy.Client* .session > legacy.Session .client >");
    cr_assert_eq(finding->finalizers[0].class_address, client_class, "%s", world);
    cr_assert_str_eq(finding->finalizers[0].del.defined_in, "legacy.Client", "%s", world);
}

// The attribute of a class, and what leads from an instance to its class.
WORLDS(cycle_through_a_class)
{
    vaddr class = fakeheap_class(
        &fake, &(struct fakeheap_class){.name = "Single", .module = "app", .del_file = "s.py"});
    vaddr object = fakeheap_instance(&fake, class);
    fakeheap_dict_set_name(&fake, fakeheap_get(&fake, class, LAYOUT_PyTypeObject_tp_dict),
                           "instance", object);
    fakeheap_keep(&fake, object);
    expect_one("class", 1, "app.Single* .__class__ > type .instance >");
}
