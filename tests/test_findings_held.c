// What findings hold besides their cycles, components that are more than a ring, and that neither
// order nor address of their members decides what is told of them.
#include "common.h"

#include "scene_findings.h"

#define WORLDS(name) WORLD_TEST(findings_held, name, close_findings)

// An object with __del__ that refers to itself, listed in gc.garbage.
static vaddr make_client(vaddr class)
{
    vaddr client = fakeheap_instance(&fake, class);
    fakeheap_set_attr(&fake, client, "me", client);
    fakeheap_keep(&fake, client);
    return client;
}

static uint64_t size_of(vaddr object)
{
    uint32_t type;
    bool partial = false;
    cr_assert_eq(object_find_type(&heap->types, object, &type), MEMORY_OK, "%s", world);
    return object_size(&heap->types, &heap->types.types[type], object, &partial);
}

// The one finding holds exactly these.
static void expect_held(const char *what, const vaddr *objects, size_t count)
{
    uint64_t bytes = 0;
    analyse();
    cr_assert_eq(findings->count, 1, "%s, %s", world, what);
    for (size_t i = 0; i < count; i++)
        bytes += size_of(objects[i]);
    const struct finding *finding = &findings->items[0];
    cr_assert_eq(finding->held_objects, count, "%s, %s: %" PRIu64 " objects, not %zu", world, what,
                 finding->held_objects, count);
    cr_assert_eq(finding->held_bytes, bytes, "%s, %s: %" PRIu64 " bytes, not %" PRIu64, world, what,
                 finding->held_bytes, bytes);
    cr_assert_eq(findings->shared_objects, 0, "%s, %s", world, what);
}
#define EXPECT_HELD(what, ...)                                                                     \
    expect_held(what, (const vaddr[]){__VA_ARGS__}, LENGTH(((const vaddr[]){__VA_ARGS__})))

// --- held by one

WORLDS(nothing_is_held)
{
    make_client(make_class("Client", 0, true));
    expect_held("nothing", NULL, 0);
}

WORLDS(tracked_objects_are_held)
{
    vaddr client = make_client(make_class("Client", 0, true)), list = fakeheap_list(&fake);
    vaddr inner = fakeheap_list(&fake);
    fakeheap_append(&fake, list, inner);
    fakeheap_append(&fake, list, inner);
    fakeheap_set_attr(&fake, client, "list", list);
    EXPECT_HELD("lists", list, inner);
    fakeheap_hold(&fake, inner, 1);
    EXPECT_HELD("one of them in use", list);
}

WORLDS(untracked_objects_are_held)
{
    vaddr client = make_client(make_class("Client", 0, true)), dict = fakeheap_dict(&fake);
    vaddr text = fakeheap_str(&fake, "text"), number = fakeheap_int(&fake, 7);
    vaddr inner = fakeheap_str(&fake, "inner"), unicode = fakeheap_unicode(&fake, 1000);
    fakeheap_set_attr(&fake, client, "text", text);
    fakeheap_set_attr(&fake, client, "number", number);
    fakeheap_dict_set_name(&fake, dict, "inner", inner); // stays untracked
    fakeheap_dict_set_name(&fake, dict, "unicode", unicode);
    fakeheap_set_attr(&fake, client, "dict", dict);
    EXPECT_HELD("strings and a dict", text, number, dict, inner, unicode);
    fakeheap_hold(&fake, inner, 1);
    fakeheap_hold(&fake, number, 1);
    EXPECT_HELD("some of them in use", text, dict, unicode);
}

WORLDS(nested_untracked_tuples_are_held)
{
    vaddr client = make_client(make_class("Client", 0, true));
    vaddr a = fakeheap_str(&fake, "a"), b = fakeheap_str(&fake, "b");
    vaddr inner = fakeheap_tuple_of(&fake, a, b, a), outer = fakeheap_tuple_of(&fake, inner, b);
    fakeheap_untrack(&fake, inner);
    fakeheap_untrack(&fake, outer);
    fakeheap_set_attr(&fake, client, "tuple", outer);
    EXPECT_HELD("tuples", outer, inner, a, b);
    // What a live tuple refers to is not held, though it is referred to from here as well.
    fakeheap_hold(&fake, inner, 1);
    EXPECT_HELD("the inner one in use", outer);
}

// A function whose code refers to these constants, held by the client alone. Its names are known
// elsewhere as well.
static vaddr make_function(vaddr client, vaddr constants)
{
    vaddr code = fakeheap_code(&fake, &(struct fakeheap_code){.name = "f", .file = "f.py"});
    vaddr function = fakeheap_function(&fake, code);
    fakeheap_link(&fake, code, LAYOUT_PyCodeObject_co_consts, constants);
    fakeheap_set_attr(&fake, client, "function", function);
    return function;
}

static vaddr code_member(vaddr function, enum layout_member member)
{
    return fakeheap_get(&fake, fakeheap_get(&fake, function, LAYOUT_PyFunctionObject_func_code),
                        member);
}
#define CODE_PARTS(function)                                                                       \
    function, fakeheap_get(&fake, function, LAYOUT_PyFunctionObject_func_code),                    \
        code_member(function, LAYOUT_PyCodeObject_co_varnames),                                    \
        code_member(function, LAYOUT_PyCodeObject_co_freevars),                                    \
        code_member(function, LAYOUT_PyCodeObject_co_cellvars)

WORLDS(code_is_held)
{
    vaddr client = make_client(make_class("Client", 0, true));
    vaddr text = fakeheap_str(&fake, "text"), constants = fakeheap_tuple_of(&fake, text);
    fakeheap_untrack(&fake, constants);
    vaddr function = make_function(client, constants);
    EXPECT_HELD("a function", CODE_PARTS(function), constants, text);
    fakeheap_hold(&fake, code_member(function, LAYOUT_PyCodeObject_co_consts), 1);
    EXPECT_HELD("its constants in use", CODE_PARTS(function));
}

WORLDS(tracked_objects_of_untracked_ones_are_held)
{
    // The collector takes the tuple for used; what else refers to it and to the list is dead.
    vaddr client = make_client(make_class("Client", 0, true)), list = fakeheap_list(&fake);
    vaddr text = fakeheap_str(&fake, "text"), constants = fakeheap_tuple_of(&fake, text, list);
    vaddr function = make_function(client, constants);
    fakeheap_set_attr(&fake, client, "constants", constants);
    fakeheap_set_attr(&fake, client, "list", list);
    fakeheap_append(&fake, list, text);
    EXPECT_HELD("a tuple and a list", CODE_PARTS(function), constants, text, list);
    fakeheap_hold(&fake, list, 1);
    EXPECT_HELD("the list in use", CODE_PARTS(function), constants);
}

WORLDS(what_only_a_class_owns)
{
    vaddr client = make_client(make_class("Client", 0, true));
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C", .module = "app"});
    vaddr slots = fakeheap_tuple_of(&fake, fakeheap_str(&fake, "slot")),
          list = fakeheap_list(&fake);
    fakeheap_link(&fake, class, LAYOUT_PyHeapTypeObject_ht_slots, slots);
    fakeheap_link(&fake, class, LAYOUT_PyTypeObject_tp_subclasses, list);
    fakeheap_set_attr(&fake, client, "class", class);
    analyse();
    uint64_t objects = findings->items[0].held_objects, bytes = findings->items[0].held_bytes;
    uint64_t slot_bytes =
        size_of(slots) + size_of(fakeheap_get(&fake, slots, LAYOUT_PyTupleObject_ob_item));
    uint64_t list_bytes = size_of(list);
    fakeheap_hold(&fake, list, 1);
    analyse();
    cr_assert_eq(objects - findings->items[0].held_objects, 1, "%s", world);
    cr_assert_eq(bytes - findings->items[0].held_bytes, list_bytes, "%s", world);
    fakeheap_hold(&fake, slots, 1);
    analyse();
    cr_assert_eq(objects - findings->items[0].held_objects, 3, "%s", world);
    cr_assert_eq(bytes - findings->items[0].held_bytes, list_bytes + slot_bytes, "%s", world);
}

WORLDS(tracked_objects_of_untracked_ones_of_two_findings)
{
    vaddr a = make_client(make_class("A", 0, true)), b = make_client(make_class("B", 0, true));
    vaddr text = fakeheap_str(&fake, "text"), constants = fakeheap_tuple_of(&fake, text);
    make_function(a, constants);
    fakeheap_set_attr(&fake, b, "constants", constants);
    analyse();
    cr_assert_eq(findings->count, 2, "%s", world);
    cr_assert_eq(findings->shared_objects, 2, "%s: %" PRIu64, world, findings->shared_objects);
    cr_assert_eq(findings->shared_bytes, size_of(constants) + size_of(text), "%s", world);
}

WORLDS(held_objects_between_a_cycle_and_its_members)
{
    // A tracked list behind the cycle refers to the same string as a member does.
    vaddr client = make_client(make_class("Client", 0, true)), list = fakeheap_list(&fake);
    vaddr text = fakeheap_str(&fake, "text");
    fakeheap_append(&fake, list, text);
    fakeheap_set_attr(&fake, client, "list", list);
    fakeheap_set_attr(&fake, client, "text", text);
    EXPECT_HELD("a string of both", list, text);
}

WORLDS(cycles_that_hang_from_a_cycle_are_held)
{
    vaddr client = make_client(make_class("Client", 0, true)), list = fakeheap_list(&fake);
    fakeheap_append(&fake, list, list);
    fakeheap_set_attr(&fake, client, "list", list);
    EXPECT_HELD("a cycle without a finalizer", list);
}

// One finding of many cycles: what two of them share is held by the finding all the same.
WORLDS(held_by_two_cycles_of_one_finding)
{
    vaddr class = make_class("Client", 0, true), list = fakeheap_list(&fake);
    vaddr text = fakeheap_str(&fake, "text");
    for (int i = 0; i < 2; i++) {
        vaddr client = make_client(class);
        fakeheap_set_attr(&fake, client, "list", list);
        fakeheap_set_attr(&fake, client, "text", text);
    }
    EXPECT_HELD("a list and a string", list, text);
    cr_assert_eq(findings->items[0].count, 2, "%s", world);
}

// --- held by several

WORLDS(held_by_two_findings)
{
    vaddr a = make_client(make_class("A", 0, true)), b = make_client(make_class("B", 0, true));
    vaddr list = fakeheap_list(&fake), behind = fakeheap_list(&fake);
    vaddr text = fakeheap_str(&fake, "text"), own = fakeheap_str(&fake, "own");
    vaddr behind_text = fakeheap_str(&fake, "behind");
    fakeheap_append(&fake, list, behind);
    fakeheap_append(&fake, behind, behind_text);
    fakeheap_set_attr(&fake, a, "list", list);
    fakeheap_set_attr(&fake, b, "list", list);
    fakeheap_set_attr(&fake, a, "text", text);
    fakeheap_set_attr(&fake, b, "text", text);
    fakeheap_set_attr(&fake, b, "own", own);
    analyse();
    cr_assert_eq(findings->count, 2, "%s", world);
    cr_assert_eq(findings->shared_objects, 4, "%s: %" PRIu64, world, findings->shared_objects);
    cr_assert_eq(findings->shared_bytes,
                 size_of(list) + size_of(behind) + size_of(text) + size_of(behind_text), "%s",
                 world);
    for (size_t i = 0; i < 2; i++) {
        bool has_own = strcmp(findings->items[i].finalizers[0].class, "app.B") == 0;
        cr_assert_eq(findings->items[i].held_objects, has_own, "%s", world);
        cr_assert_eq(findings->items[i].held_bytes, has_own ? size_of(own) : 0, "%s", world);
    }
}

// A cycle that another one holds is not held: it is told itself.
WORLDS(findings_do_not_hold_each_other)
{
    vaddr a = make_client(make_class("A", 0, true)), b = make_client(make_class("B", 0, true));
    vaddr list = fakeheap_list(&fake);
    fakeheap_set_attr(&fake, a, "other", b);
    fakeheap_set_attr(&fake, b, "list", list);
    analyse();
    cr_assert_eq(findings->count, 2, "%s", world);
    uint64_t held = findings->items[0].held_objects + findings->items[1].held_objects;
    cr_assert_eq(held, 1, "%s: the list, once", world);
    cr_assert_eq(findings->shared_objects, 0, "%s", world);
}

WORLDS(every_object_is_charged_once)
{
    vaddr classes[3], pool[12];
    for (size_t i = 0; i < LENGTH(pool); i++)
        pool[i] = i % 2 ? fakeheap_list(&fake) : fakeheap_str(&fake, "pool");
    classes[0] = make_class("A", 0, true);
    classes[1] = make_class("B", 0, true);
    classes[2] = make_class("C", 0, true);
    for (size_t i = 0; i < 20; i++) {
        vaddr client = make_client(classes[i % 3]), list = fakeheap_list(&fake);
        for (size_t j = 0; j < LENGTH(pool); j++)
            if ((i * 7 + j * 5) % 11 < 3)
                fakeheap_append(&fake, list, pool[j]);
        fakeheap_set_attr(&fake, client, "list", list);
    }
    analyse();
    uint64_t members = 0, held = 0, used = 0;
    for (size_t i = 0; i < findings->count; i++) {
        members += findings->items[i].objects;
        held += findings->items[i].held_objects;
    }
    for (size_t j = 0; j < LENGTH(pool); j++)
        used += fakeheap_get(&fake, pool[j], LAYOUT_PyObject_ob_refcnt) > 0;
    cr_assert_eq(findings->count, 3, "%s", world);
    cr_assert_eq(members, 40, "%s: clients and their dicts", world);
    cr_assert_eq(held + findings->shared_objects, 20 + used, "%s: their lists, and what is in them",
                 world);
}

// --- components that are more than a ring

WORLDS(component_of_two_cycles)
{
    vaddr client = make_client(make_class("Client", 0, true)), list = fakeheap_list(&fake);
    vaddr inner = fakeheap_list(&fake);
    fakeheap_append(&fake, list, inner);
    fakeheap_append(&fake, inner, client);
    fakeheap_set_attr(&fake, client, "way", list);
    analyse();
    cr_assert_eq(findings->count, 1, "%s", world);
    const struct finding *finding = &findings->items[0];
    // The shortest, though the longer one is as much of a cycle.
    cr_assert_str_eq(cycle_text(finding), "app.Client* .me >", "%s: %s", world,
                     cycle_text(finding));
    cr_assert_eq(finding->objects, 4, "%s", world);
    cr_assert_eq(finding->count, 1, "%s", world);
}

WORLDS(component_of_a_thousand)
{
    enum {
        LONG = 1000
    };
    vaddr class = make_class("Link", 0, false),
          first = fakeheap_instance(&fake, make_class("End", 0, true));
    vaddr last = first;
    for (int i = 1; i < LONG; i++) {
        vaddr link = fakeheap_instance(&fake, class);
        fakeheap_set_attr(&fake, last, "next", link);
        last = link;
    }
    fakeheap_set_attr(&fake, last, "next", first);
    fakeheap_keep(&fake, first);
    analyse();
    cr_assert_eq(findings->count, 1, "%s", world);
    const struct finding *finding = &findings->items[0];
    cr_assert_eq(finding->step_count, LONG, "%s", world);
    cr_assert_eq(finding->objects, 2 * LONG, "%s", world);
    cr_assert_str_eq(finding->steps[0].type, "app.End", "%s", world);
    for (size_t i = 0; i < LONG; i++)
        cr_assert_str_eq(finding->steps[i].edge, ".next", "%s", world);
}

// Two finalizers around one shared node, of any kind of class, in either order of address.
struct pair {
    const char *name;
    vaddr class;
    bool old;
};

static vaddr make_of(const struct pair *pair)
{
    return pair->old ? fakeheap_old_instance(&fake, pair->class)
                     : fakeheap_instance(&fake, pair->class);
}

static vaddr make_pair_class(const char *name, bool old)
{
    if (!old)
        return make_class(name, 0, true);
    vaddr class = fakeheap_old_class(&fake, "app", name, 0);
    fakeheap_set_attr(&fake, class, "__del__", fake.none);
    fakeheap_hold(&fake, class, 1);
    return class;
}

static void expect_pair(bool old, bool swapped)
{
    init_world(&(struct fakeheap_spec){0});
    struct pair pairs[2] = {{"Left", make_pair_class("Left", old), old},
                            {"Right", make_pair_class("Right", old), old}};
    vaddr objects[2], shared = fakeheap_list(&fake);
    objects[swapped] = make_of(&pairs[swapped]);
    objects[!swapped] = make_of(&pairs[!swapped]);
    for (size_t i = 0; i < 2; i++) {
        fakeheap_set_attr(&fake, objects[i], i ? "right" : "left", shared);
        fakeheap_append(&fake, shared, objects[i]);
        fakeheap_keep(&fake, objects[i]);
    }
    analyse();
    cr_assert_eq(findings->count, 1);
    const struct finding *finding = &findings->items[0];
    cr_assert_eq(finding->finalizer_count, 2);
    cr_assert_str_eq(finding->finalizers[0].class, "app.Left");
    cr_assert_str_eq(finding->finalizers[1].class, "app.Right");
    cr_assert_eq(finding->objects, 5);
    cr_expect_str_eq(cycle_text(finding), "app.Left* .left > list [0] >", "%s classes, %s: %s",
                     old ? "old" : "new", swapped ? "swapped" : "in order", cycle_text(finding));
    close_findings();
    fakeheap_deinit(&fake);
}

Test(findings_held, two_finalizer_classes)
{
    expect_pair(false, false);
    expect_pair(false, true);
}

Test(findings_held, two_finalizer_classes_of_the_old_style)
{
    expect_pair(true, false);
    expect_pair(true, true);
}

// Two objects of one class in a component, one of them in a shorter cycle: the shape is the
// shortest cycle through a finalizer, whichever of the two lies first.
static void expect_shortest(bool swapped)
{
    init_world(&(struct fakeheap_spec){0});
    vaddr class = make_class("Client", 0, true), objects[2];
    vaddr list = fakeheap_list(&fake), inner = fakeheap_list(&fake);
    objects[swapped] = fakeheap_instance(&fake, class);
    objects[!swapped] = fakeheap_instance(&fake, class);
    fakeheap_set_attr(&fake, objects[0], "short", list);
    fakeheap_append(&fake, list, objects[0]);
    fakeheap_append(&fake, list, inner);
    fakeheap_append(&fake, inner, objects[1]);
    fakeheap_set_attr(&fake, objects[1], "long", list);
    fakeheap_keep(&fake, objects[0]);
    fakeheap_keep(&fake, objects[1]);
    analyse();
    cr_assert_eq(findings->count, 1);
    cr_expect_str_eq(cycle_text(&findings->items[0]), "app.Client* .short > list [0] >", "%s: %s",
                     swapped ? "swapped" : "in order", cycle_text(&findings->items[0]));
    close_findings();
    fakeheap_deinit(&fake);
}

Test(findings_held, the_shortest_of_two_objects_of_a_class)
{
    expect_shortest(false);
    expect_shortest(true);
}

// The order of a set's table follows the addresses of its items: it must not choose the cycle.
static void expect_set(bool old, bool swapped)
{
    init_world(&(struct fakeheap_spec){0});
    vaddr client = fakeheap_instance(&fake, make_class("Client", 0, true));
    vaddr set = fakeheap_set_object(&fake, "set"), peers[2];
    for (size_t i = 0; i < 2; i++) {
        const char *name = i ? "Right" : "Left";
        vaddr class = old ? fakeheap_old_class(&fake, "app", name, 0) : make_class(name, 0, false);
        peers[i] = old ? fakeheap_old_instance(&fake, class) : fakeheap_instance(&fake, class);
        if (old)
            fakeheap_hold(&fake, class, 1);
        fakeheap_set_attr(&fake, peers[i], "client", client);
    }
    fakeheap_set_add(&fake, set, peers[swapped]);
    fakeheap_set_add(&fake, set, peers[!swapped]);
    fakeheap_set_attr(&fake, client, "peers", set);
    fakeheap_keep(&fake, client);
    analyse();
    cr_assert_eq(findings->count, 1);
    cr_expect_str_eq(cycle_text(&findings->items[0]),
                     "app.Client* .peers > set [item] > app.Left .client >", "%s classes, %s: %s",
                     old ? "old" : "new", swapped ? "swapped" : "in order",
                     cycle_text(&findings->items[0]));
    close_findings();
    fakeheap_deinit(&fake);
}

Test(findings_held, the_order_of_a_set)
{
    expect_set(false, false);
    expect_set(false, true);
}

Test(findings_held, the_order_of_a_set_of_old_instances)
{
    expect_set(true, false);
    expect_set(true, true);
}

// And so does the order of a dictionary whose keys are objects.
static void expect_keys(bool swapped)
{
    init_world(&(struct fakeheap_spec){0});
    vaddr client = fakeheap_instance(&fake, make_class("Client", 0, true));
    vaddr dict = fakeheap_dict(&fake), keys[2];
    keys[0] = fakeheap_instance(&fake, make_class("A", 0, false));
    keys[1] = fakeheap_instance(&fake, make_class("B", 0, false));
    fakeheap_dict_set(&fake, dict, keys[swapped], client);
    fakeheap_dict_set(&fake, dict, keys[!swapped], client);
    fakeheap_set_attr(&fake, client, "table", dict);
    fakeheap_keep(&fake, client);
    analyse();
    cr_assert_eq(findings->count, 1);
    cr_expect_str_eq(cycle_text(&findings->items[0]), "app.Client* .table > dict [app.A] >",
                     "%s: %s", swapped ? "swapped" : "in order", cycle_text(&findings->items[0]));
    close_findings();
    fakeheap_deinit(&fake);
}

Test(findings_held, the_order_of_keys)
{
    expect_keys(false);
    expect_keys(true);
}

// --- fault sweep

// Some findings that hold things and a cycle that is in use, and every part of the process missing
// in turn: no crash, and nothing that is in use is told.
Test(findings_held, any_part_not_saved)
{
    static const char *const frees[] = {"self", NULL};
    enum {
        PIECE = 64
    };
    init_world(&(struct fakeheap_spec){0});
    vaddr a = make_client(make_class("A", 0, true)), b = make_client(make_class("B", 0, true));
    vaddr list = fakeheap_list(&fake),
          code = fakeheap_code(
              &fake, &(struct fakeheap_code){.name = "f", .file = "f.py", .freevars = frees});
    const vaddr cells[] = {fakeheap_cell(&fake, b)};
    vaddr live = fakeheap_instance(&fake, make_class("Live", 0, true)),
          holder = fakeheap_dict(&fake);
    fakeheap_set_attr(&fake, live, "me", live);
    fakeheap_set_attr(&fake, live, "list", fakeheap_list(&fake));
    fakeheap_dict_set_name(&fake, holder, "live", live);
    fakeheap_set_attr(&fake, live, "holder", holder);
    fakeheap_hold(&fake, holder, 1);
    fakeheap_append(&fake, list, fakeheap_str(&fake, "text"));
    fakeheap_set_attr(&fake, a, "list", list);
    fakeheap_set_attr(&fake, b, "list", list);
    fakeheap_set_attr(&fake, b, "call", fakeheap_closure(&fake, code, cells, 1));
    fakeheap_set_attr(&fake, b, "tuple", fakeheap_tuple_of(&fake, fakeheap_str(&fake, "t")));
    analyse();
    uint64_t whole = totals.objects[COLLECT_UNCOLLECTABLE];
    for (size_t i = 0; i < fakeheap_pieces(&fake, PIECE); i++) {
        uint64_t length;
        vaddr at = fakeheap_piece(&fake, PIECE, i, &length);
        fakeheap_hide(&fake, at, length, MEMORY_NOT_SAVED);
        if (try_analyse()) {
            cr_assert_leq(findings->count, 2, "0x%" PRIx64, at);
            cr_assert_leq(totals.objects[COLLECT_UNCOLLECTABLE], whole, "0x%" PRIx64, at);
        }
        close_findings();
        fakeheap_show_all(&fake);
    }
    fakeheap_deinit(&fake);
}
