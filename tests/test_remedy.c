// Which reference of a cycle is named to be broken, and who is said to have set it.
#include "common.h"

#include "remedy.h"
#include "scene_findings.h"
#include "scene_setters.h"

#define WORLDS(name) WORLD_TEST(remedy, name, close_findings)

// A client and a T, each an attribute of the other.
struct pair {
    vaddr client_class, t_class, client, t;
};

static void make_pair(struct pair *pair)
{
    pair->client_class = make_class("Client", 0, true);
    pair->t_class = make_class("T", 0, false);
    pair->client = fakeheap_instance(&fake, pair->client_class);
    pair->t = fakeheap_instance(&fake, pair->t_class);
    fakeheap_set_attr(&fake, pair->client, "t", pair->t);
    fakeheap_set_attr(&fake, pair->t, "back", pair->client);
    fakeheap_keep(&fake, pair->client);
}

static struct finding *find_one(void)
{
    analyse();
    cr_assert_eq(findings->count, 1, "%s: %zu findings", world, findings->count);
    struct failure *failure = findings_find_origins(findings, heap, 0);
    cr_assert_null(failure, "%s", world);
    return &findings->items[0];
}

// "edge kind, edge kind" in the order of rank.
static void expect_breaks(const char *expected)
{
    char text[1024] = "";
    const struct finding *finding = find_one();
    for (size_t i = 0; i < finding->break_count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s%s %d%s", i ? ", " : "",
                 finding->steps[finding->breaks[i].step].edge, (int)finding->breaks[i].kind,
                 finding->breaks[i].every ? " every" : "");
    }
    cr_expect_str_eq(text, expected, "%s: %s", world, text);
}

// One origin, "function file:line".
static void expect_origin(const char *expected)
{
    char text[256] = "";
    const struct finding *finding = find_one();
    for (size_t i = 0; i < finding->origins.count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s%s %s:%lld", i ? ", " : "",
                 finding->origins.items[i].function, finding->origins.items[i].file,
                 (long long)finding->origins.items[i].line);
    }
    cr_expect_str_eq(text, expected, "%s: %s", world, text);
}

// --- kinds and ranks

WORLDS(back_reference_before_attribute)
{
    struct pair pair;
    make_pair(&pair);
    cr_assert_eq(BREAK_BACK_REFERENCE, 4);
    cr_assert_eq(BREAK_ATTRIBUTE, 5);
    expect_breaks(".back 4, .t 5");
    cr_expect_eq(findings->items[0].breaks_tried, 2, "%s", world);
}

// Client.t is an object whose class, made by Python code, has __get__.
static vaddr make_descriptor(const struct pair *pair)
{
    vaddr class = make_class("cached", 0, false);
    fakeheap_set_attr(&fake, class, "__get__", make_setter("__get__", "unrelated", 12));
    fakeheap_set_attr(&fake, pair->client_class, "t", fakeheap_instance(&fake, class));
    return class;
}

WORLDS(cached_attribute_first)
{
    struct pair pair;
    make_pair(&pair);
    make_descriptor(&pair);
    cr_assert_eq(BREAK_CACHED, 0);
    expect_breaks(".t 0, .back 4");
    expect_origin("cached.__get__ /srv/app.py:12");
}

// A descriptor whose class is damaged: whatever it is, there is no origin or some, and the rest of
// the report goes on.
WORLDS(descriptor_of_a_damaged_class)
{
    static const enum layout_member members[] = {
        LAYOUT_PyObject_ob_type,         LAYOUT_PyTypeObject_tp_name,
        LAYOUT_PyTypeObject_tp_base,     LAYOUT_PyTypeObject_tp_mro,
        LAYOUT_PyTypeObject_tp_dict,     LAYOUT_PyTypeObject_tp_flags,
        LAYOUT_PyTypeObject_tp_traverse, LAYOUT_PyTypeObject_tp_dictoffset,
    };
    struct pair pair;
    make_pair(&pair);
    vaddr class = make_descriptor(&pair);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        for (int j = 0; j < 3; j++) {
            vaddr right = fakeheap_get(&fake, class, members[i]);
            fakeheap_set(&fake, class, members[i], j == 0 ? 0 : j == 1 ? class : ~(vaddr)0);
            find_one();
            fakeheap_set(&fake, class, members[i], right);
        }
    }
}

// A method that the attribute covers is no cache, though functions have __get__ as well.
WORLDS(covered_method)
{
    struct pair pair;
    make_pair(&pair);
    fakeheap_set_attr(&fake, pair.client_class, "t", make_setter("t", "unrelated", 12));
    expect_breaks(".back 4, .t 5");
}

WORLDS(bound_method_first)
{
    vaddr class = make_class("Client", 0, true), client = fakeheap_instance(&fake, class);
    vaddr function = fakeheap_function(&fake, make_code("work", 8, NULL));
    fakeheap_hold(&fake, function, 1);
    fakeheap_set_attr(&fake, client, "handler", fakeheap_method(&fake, function, client, class));
    fakeheap_keep(&fake, client);
    cr_assert_eq(BREAK_METHOD, 1);
    cr_assert_eq(BREAK_STRUCTURE, 9);
    expect_breaks(".handler 1, .im_self 9");
}

WORLDS(closure)
{
    static const char *const frees[] = {"self", NULL};
    vaddr client = fakeheap_instance(&fake, make_class("Client", 0, true));
    vaddr cell = fakeheap_cell(&fake, client);
    fakeheap_set_attr(&fake, client, "callback",
                      fakeheap_closure(&fake, make_code("work", 8, frees), &cell, 1));
    fakeheap_keep(&fake, client);
    cr_assert_eq(BREAK_CLOSURE, 2);
    cr_assert_eq(BREAK_CELL, 8);
    expect_breaks(".callback 2, cell self 8");
}

WORLDS(items)
{
    vaddr client = fakeheap_instance(&fake, make_class("Client", 0, true));
    vaddr list = fakeheap_list(&fake);
    fakeheap_append(&fake, list, client);
    fakeheap_set_attr(&fake, client, "all", list);
    fakeheap_keep(&fake, client);
    cr_assert_eq(BREAK_ITEM, 6);
    expect_breaks(".all 5, [0] 6");
}

// Two references from one to the other: to take out one is not enough. The other edge is.
WORLDS(parallel_references)
{
    struct pair pair;
    make_pair(&pair);
    fakeheap_set_attr(&fake, pair.client, "u", pair.t);
    expect_breaks(".back 4");
    cr_expect_eq(findings->items[0].breaks_tried, 2, "%s", world);
}

// The client is in two cycles that share nothing else: what all T have is enough.
WORLDS(every_object_of_a_class)
{
    struct pair pair;
    make_pair(&pair);
    vaddr second = fakeheap_instance(&fake, pair.t_class);
    fakeheap_set_attr(&fake, pair.client, "t2", second);
    fakeheap_set_attr(&fake, second, "back", pair.client);
    expect_breaks(".back 4 every");
    cr_expect_eq(findings->items[0].breaks_tried, 2, "%s", world);
}

// The same by slots.
WORLDS(every_slot_of_a_class)
{
    static const char *const slots[] = {"owner", NULL};
    vaddr client = fakeheap_instance(&fake, make_class("Client", 0, true));
    vaddr class = fakeheap_class(
        &fake, &(struct fakeheap_class){.name = "Spoke", .module = "app", .slots = slots});
    fakeheap_hold(&fake, class, 1);
    for (unsigned i = 0; i < 3; i++) {
        char name[8];
        vaddr spoke = fakeheap_instance(&fake, class);
        snprintf(name, sizeof(name), "s%u", i);
        fakeheap_set_slot(&fake, spoke, "owner", client);
        fakeheap_set_attr(&fake, client, name, spoke);
    }
    fakeheap_keep(&fake, client);
    expect_breaks(".owner 4 every");
}

// The second cycle runs through a class of its own, which has the attribute as well.
WORLDS(no_reference_is_enough)
{
    struct pair pair;
    make_pair(&pair);
    vaddr second = fakeheap_instance(&fake, make_class("U", 0, false));
    fakeheap_set_attr(&fake, pair.client, "u", second);
    fakeheap_set_attr(&fake, second, "back", pair.client);
    expect_breaks("");
    cr_expect_eq(findings->items[0].breaks_tried, 2, "%s", world);
}

// A cycle beside the drawn one that has no finalizer does not matter: it is collected.
WORLDS(cycle_without_finalizer_beside)
{
    struct pair pair;
    make_pair(&pair);
    fakeheap_set_attr(&fake, pair.t, "me", pair.t);
    expect_breaks(".back 4, .t 5");
}

// --- who sets it

WORLDS(set_in_a_method)
{
    struct pair pair;
    make_pair(&pair);
    fakeheap_set_attr(&fake, pair.t_class, "__init__", make_setter("__init__", "back", 20));
    fakeheap_set_attr(&fake, pair.t_class, "close", make_setter("close", "other", 30));
    expect_origin("T.__init__ /srv/app.py:21");
}

WORLDS(set_in_a_method_of_a_base)
{
    struct pair pair;
    vaddr base = make_class("Base", 0, false);
    make_pair(&pair);
    fakeheap_set_attr(&fake, base, "connect", make_setter("connect", "back", 40));
    vaddr class = make_class("Derived", base, false), t = fakeheap_instance(&fake, class);
    fakeheap_set_attr(&fake, pair.client, "t", t);
    fakeheap_set_attr(&fake, t, "back", pair.client);
    expect_origin("Base.connect /srv/app.py:41");
}

// The method is wrapped by a decorator: the class has a closure around it.
WORLDS(set_in_a_decorated_method)
{
    static const char *const frees[] = {"function", NULL};
    struct pair pair;
    make_pair(&pair);
    vaddr cell = fakeheap_cell(&fake, make_setter("connect", "back", 50));
    fakeheap_set_attr(&fake, pair.t_class, "connect",
                      fakeheap_closure(&fake, make_code("wrapper", 8, frees), &cell, 1));
    expect_origin("T.connect /srv/app.py:51");
}

WORLDS(set_nowhere)
{
    struct pair pair;
    make_pair(&pair);
    expect_origin("");
}

// More places than are told.
WORLDS(set_in_many_methods)
{
    struct pair pair;
    make_pair(&pair);
    for (unsigned i = 0; i < ORIGINS_MAX + 2; i++) {
        char name[16];
        snprintf(name, sizeof(name), "set%u", i);
        fakeheap_set_attr(&fake, pair.t_class, name, make_setter(name, "back", 10 * i));
    }
    const struct finding *finding = find_one();
    cr_expect_eq(finding->origins.count, ORIGINS_MAX, "%s", world);
    cr_expect(finding->origins.more, "%s", world);
}

// --- bounds

// A ring of many: as many answers as are kept, and no more tried.
WORLDS(large_ring)
{
    vaddr class = make_class("Link", 0, false);
    vaddr client = fakeheap_instance(&fake, make_class("Client", 0, true)), last = client;
    for (unsigned i = 0; i < 300; i++) {
        vaddr link = fakeheap_instance(&fake, class);
        fakeheap_set_attr(&fake, last, "next", link);
        last = link;
    }
    fakeheap_set_attr(&fake, last, "next", client);
    fakeheap_keep(&fake, client);
    const struct finding *finding = find_one();
    cr_expect_eq(finding->break_count, REMEDY_BREAKS_MAX, "%s", world);
    cr_expect_eq(finding->breaks_tried, REMEDY_BREAKS_MAX, "%s", world);
    cr_expect_eq(finding->breaks[0].kind, BREAK_BACK_REFERENCE, "%s", world);
    cr_expect_eq(finding->steps[finding->breaks[0].step].object, last, "%s", world);
}

// No work left: nothing is said of what to break.
WORLDS(no_work_left)
{
    struct pair pair;
    struct graph_components components;
    struct finding finding = {0};
    uint64_t work = 1;
    make_pair(&pair);
    analyse();
    uint8_t *all = malloc((size_t)heap->count + 1);
    memset(all, 1, heap->count);
    cr_assert(graph_components_create(&heap->graph, all, 1, &components));
    finding.steps = findings->items[0].steps;
    finding.step_count = findings->items[0].step_count;
    uint32_t component = components.of[number_of(pair.client)];
    cr_assert_null(remedy_find(heap, &components, component, &work, &finding), "%s", world);
    cr_expect_eq(finding.break_count, 0, "%s", world);
    cr_expect_eq(finding.breaks_tried, 0, "%s", world);
    cr_expect_eq(work, 1, "%s", world);
    free(finding.breaks);
    graph_components_destroy(&components);
    free(all);
}
