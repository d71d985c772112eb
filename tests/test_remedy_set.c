// What has to be changed together where no single change is enough.
#include "common.h"

#include "changes.h"
#include "remedy.h"
#include "remedy_set.h"
#include "replay.h"
#include "scene_findings.h"

#define WORLDS(name)              WORLD_TEST(remedy_set, name, close_findings)
#define WORLDS_SINCE(first, name) WORLD_TEST_SINCE(first, remedy_set, name, close_findings)

static vaddr make_client(void)
{
    vaddr client = fakeheap_instance(&fake, make_class("Client", 0, true));
    fakeheap_keep(&fake, client);
    return client;
}

// An attribute of the owner, which refers back.
static vaddr add_helper(vaddr owner, const char *name, const char *class, const char *back)
{
    vaddr helper = fakeheap_instance(&fake, make_class(class, 0, false));
    fakeheap_set_attr(&fake, owner, name, helper);
    fakeheap_set_attr(&fake, helper, back, owner);
    return helper;
}

// "attribute of Class kind, ..." by rank; the drawn ones with a star.
static const char *set_text(const struct finding_set *set)
{
    static char text[1024];
    text[0] = '\0';
    for (size_t i = 0; i < set->count; i++) {
        size_t used = strlen(text);
        const struct finding_change *change = &set->items[i];
        snprintf(text + used, sizeof(text) - used, "%s%s of %s %d%s", i ? ", " : "",
                 change->step->edge, change->step->type, (int)change->kind,
                 change->drawn != SIZE_MAX ? "*" : "");
    }
    return text;
}

static const struct finding *find_one(void)
{
    analyse();
    cr_assert_eq(findings->count, 1, "%s: %zu findings", world, findings->count);
    const struct finding *finding = &findings->items[0];
    for (size_t i = 0; i < finding->break_count; i++)
        cr_expect_eq(finding->breaks[i].kind, BREAK_STRUCTURE, "%s", world);
    return finding;
}

static void expect_set(const char *expected)
{
    const struct finding *finding = find_one();
    cr_expect_eq(finding->set.state, FINDING_SET_FOUND, "%s: %d", world, finding->set.state);
    cr_expect_eq(finding->set.size, finding->set.count, "%s", world);
    cr_expect_str_eq(set_text(&finding->set), expected, "%s: %s", world, set_text(&finding->set));
}

// --- attributes

WORLDS(two_helpers)
{
    vaddr client = make_client();
    add_helper(client, "a", "Helper", "owner");
    add_helper(client, "b", "Other", "client");
    cr_assert_eq(BREAK_BACK_REFERENCE, 4);
    expect_set(".owner of app.Helper 4*, .client of app.Other 4");
    const struct finding *finding = &findings->items[0];
    cr_expect_eq(finding->set.items[0].drawn, 1, "%s", world);
    cr_expect_str_eq(finding->steps[1].edge, ".owner", "%s", world);
}

// One name, but two places in the source.
WORLDS(one_name_in_two_classes)
{
    vaddr client = make_client();
    add_helper(client, "a", "Helper", "owner");
    add_helper(client, "b", "Other", "owner");
    expect_set(".owner of app.Helper 4*, .owner of app.Other 4");
}

// Each of several objects of a class, but counted once.
WORLDS(slots_and_many_of_one_class)
{
    static const char *const slots[] = {"owner", NULL};
    vaddr client = make_client();
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
    add_helper(client, "t", "Helper", "owner");
    vaddr last = add_helper(client, "u", "Other", "client");
    fakeheap_set_attr(&fake, last, "value", fakeheap_int(&fake, 7));
    expect_set(".owner of app.Spoke 4*, .owner of app.Helper 4, .client of app.Other 4");
}

WORLDS(old_style)
{
    static const char *const names[] = {"A", "B"}, *const backs[] = {"owner", "client"};
    vaddr client = make_client();
    for (unsigned i = 0; i < 2; i++) {
        vaddr class = fakeheap_old_class(&fake, "app", names[i], 0);
        fakeheap_hold(&fake, class, 1);
        vaddr helper = fakeheap_old_instance(&fake, class);
        fakeheap_set_attr(&fake, client, names[i], helper);
        fakeheap_set_attr(&fake, helper, backs[i], client);
    }
    expect_set(".owner of app.A 4*, .client of app.B 4");
}

// Two ways down, two ways up.
WORLDS(diamond)
{
    vaddr client = make_client();
    vaddr left = fakeheap_instance(&fake, make_class("Left", 0, false));
    vaddr right = fakeheap_instance(&fake, make_class("Right", 0, false));
    vaddr bottom = fakeheap_instance(&fake, make_class("Bottom", 0, false));
    fakeheap_set_attr(&fake, client, "left", left);
    fakeheap_set_attr(&fake, client, "right", right);
    fakeheap_set_attr(&fake, left, "below", bottom);
    fakeheap_set_attr(&fake, right, "below", bottom);
    fakeheap_set_attr(&fake, bottom, "parent", client);
    fakeheap_set_attr(&fake, bottom, "root", client);
    expect_set(".parent of app.Bottom 4*, .root of app.Bottom 4");
}

// What was stored for convenience comes before what refers back.
WORLDS(bound_method_and_helper)
{
    vaddr client = make_client(), class = fakeheap_get(&fake, client, LAYOUT_PyObject_ob_type);
    vaddr function = fakeheap_function(
        &fake, fakeheap_code(&fake, &(struct fakeheap_code){.name = "work", .file = "app.py"}));
    fakeheap_hold(&fake, function, 1);
    fakeheap_set_attr(&fake, client, "handler", fakeheap_method(&fake, function, client, class));
    add_helper(client, "a", "Helper", "owner");
    cr_assert_eq(BREAK_METHOD, 1);
    expect_set(".handler of app.Client 1*, .owner of app.Helper 4");
}

// A name that was put together at run time is another str, but the same attribute.
WORLDS(one_name_of_two_strs)
{
    vaddr client = make_client(), class = make_class("Helper", 0, false);
    for (unsigned i = 0; i < 2; i++) {
        vaddr helper = fakeheap_instance(&fake, class);
        fakeheap_set_attr(&fake, client, i ? "a" : "b", helper);
        fakeheap_dict_set(&fake, fakeheap_peek_word(&fake, fakeheap_dict_slot(&fake, helper)),
                          fakeheap_str(&fake, "owner"), client);
    }
    add_helper(client, "c", "Other", "client");
    expect_set(".owner of app.Helper 4*, .client of app.Other 4");
}

// --- the smallest

// Five classes refer back, but the hub has them in two places.
WORLDS(two_of_the_hub)
{
    vaddr client = make_client(), list = fakeheap_list(&fake);
    fakeheap_set_attr(&fake, client, "all", list);
    add_helper(client, "first", "A", "a");
    for (unsigned i = 0; i < 4; i++) {
        char class[8], back[8];
        snprintf(class, sizeof(class), "B%u", i);
        snprintf(back, sizeof(back), "b%u", i);
        vaddr helper = fakeheap_instance(&fake, make_class(class, 0, false));
        fakeheap_append(&fake, list, helper);
        fakeheap_set_attr(&fake, helper, back, client);
    }
    cr_assert_eq(BREAK_ATTRIBUTE, 5);
    expect_set(".first of app.Client 5*, .all of app.Client 5");
}

// One of the hub, and one that refers back: neither kind alone has as few.
static void make_two_kinds(void)
{
    vaddr client = make_client(), list = fakeheap_list(&fake);
    vaddr shared = add_helper(client, "p0", "P", "back");
    fakeheap_set_attr(&fake, client, "p1", shared);
    fakeheap_set_attr(&fake, client, "p2", shared);
    fakeheap_set_attr(&fake, client, "all", list);
    for (unsigned i = 0; i < 3; i++) {
        char back[8];
        snprintf(back, sizeof(back), "q%u", i);
        vaddr helper = fakeheap_instance(&fake, make_class(back, 0, false));
        fakeheap_append(&fake, list, helper);
        fakeheap_set_attr(&fake, helper, back, client);
    }
}

WORLDS(pair_of_two_kinds)
{
    make_two_kinds();
    expect_set(".back of app.P 4*, .all of app.Client 5");
}

static void make_hub(unsigned spokes)
{
    vaddr client = make_client();
    for (unsigned i = 0; i < spokes; i++) {
        char name[8], class[8];
        snprintf(name, sizeof(name), "n%u", i);
        snprintf(class, sizeof(class), "C%u", i);
        add_helper(client, name, class, "hub");
    }
}

WORLDS(as_many_as_are_told)
{
    make_hub(REMEDY_SET_MAX);
    const struct finding *finding = find_one();
    cr_expect_eq(finding->set.state, FINDING_SET_FOUND, "%s", world);
    cr_expect_eq(finding->set.count, REMEDY_SET_MAX, "%s", world);
}

WORLDS(more_than_are_told)
{
    make_hub(REMEDY_SET_MAX + 3);
    const struct finding *finding = find_one();
    cr_expect_eq(finding->set.state, FINDING_SET_TOO_LARGE, "%s", world);
    cr_expect_eq(finding->set.size, REMEDY_SET_MAX + 3, "%s", world);
    cr_expect_eq(finding->set.count, 0, "%s", world);
    cr_expect_null(finding->set.items, "%s", world);
}

// --- items and variables

enum {
    SETUP_FINALLY = 122
};

// A suspended generator, whose frame has two things on its stack.
static vaddr make_generator(const char *const *locals, vaddr *frame)
{
    vaddr code = fakeheap_code(
        &fake, &(struct fakeheap_code){.name = "work", .file = "app.py", .varnames = locals});
    *frame = fakeheap_frame(&fake, code, 4);
    fakeheap_push_block(&fake, *frame, SETUP_FINALLY);
    vaddr generator = fakeheap_generator(&fake, *frame);
    fakeheap_keep(&fake, generator);
    return generator;
}

WORLDS_SINCE(205, locals)
{
    static const char *const locals[] = {"a", "b", "c", NULL};
    vaddr frame, generator = make_generator(locals, &frame);
    fakeheap_set_local(&fake, frame, 0, generator);
    fakeheap_set_local(&fake, frame, 2, generator);
    fakeheap_suspend(&fake, frame);
    cr_assert_eq(BREAK_LOCAL, 7);
    expect_set("local a of frame 7*, local c of frame 7");
}

WORLDS_SINCE(205, items)
{
    vaddr frame, generator = make_generator(NULL, &frame);
    vaddr list = fakeheap_list(&fake), dict = fakeheap_dict(&fake);
    fakeheap_append(&fake, list, generator);
    fakeheap_append(&fake, list, generator);
    fakeheap_dict_set(&fake, dict, fakeheap_str(&fake, "key"), generator);
    fakeheap_push(&fake, frame, list);
    fakeheap_push(&fake, frame, dict);
    cr_assert_eq(BREAK_ITEM, 6);
    const struct finding *finding = find_one();
    const char *text = set_text(&finding->set);
    cr_expect(strcmp(text, "[str] of dict 6*, [...] of list 6") == 0 ||
                  strcmp(text, "[...] of list 6*, [str] of dict 6") == 0,
              "%s: %s", world, text);
}

WORLDS_SINCE(205, closures)
{
    static const char *const frees[][3] = {{"x", "other", NULL}, {"other", "y", NULL}};
    vaddr frame, generator = make_generator(NULL, &frame);
    for (unsigned i = 0; i < 2; i++) {
        vaddr code = fakeheap_code(
            &fake, &(struct fakeheap_code){.name = "call", .file = "app.py", .freevars = frees[i]});
        vaddr cells[] = {fakeheap_cell(&fake, i ? 0 : generator),
                         fakeheap_cell(&fake, i ? generator : 0)};
        fakeheap_push(&fake, frame, fakeheap_closure(&fake, code, cells, 2));
    }
    cr_assert_eq(BREAK_CELL, 8);
    expect_set("cell x of function 8*, cell y of function 8");
}

// By a cell of the frame itself, and an attribute.
WORLDS_SINCE(205, cell_of_a_frame_and_attribute)
{
    static const char *const locals[] = {"a", NULL}, *const cells[] = {"self", NULL};
    vaddr code = fakeheap_code(
        &fake, &(struct fakeheap_code){
                   .name = "work", .file = "app.py", .varnames = locals, .cellvars = cells});
    vaddr frame = fakeheap_frame(&fake, code, 2);
    vaddr helper = fakeheap_instance(&fake, make_class("Helper", 0, false));
    fakeheap_push_block(&fake, frame, SETUP_FINALLY);
    vaddr generator = fakeheap_generator(&fake, frame);
    fakeheap_keep(&fake, generator);
    fakeheap_set_local(&fake, frame, 1, fakeheap_cell(&fake, generator));
    fakeheap_set_attr(&fake, helper, "lines", generator);
    fakeheap_push(&fake, frame, helper);
    cr_assert_eq(BREAK_GENERATOR, 3);
    expect_set(".lines of app.Helper 3, local self of frame 7*");
}

// --- none

WORLDS_SINCE(205, nothing_is_enough)
{
    vaddr frame, generator = make_generator(NULL, &frame);
    vaddr helper = fakeheap_instance(&fake, make_class("Helper", 0, false));
    fakeheap_set_attr(&fake, helper, "lines", generator);
    fakeheap_push(&fake, frame, helper);
    fakeheap_push(&fake, frame, generator);
    fakeheap_push(&fake, frame, generator);
    const struct finding *finding = find_one();
    cr_expect_eq(finding->set.state, FINDING_SET_NONE, "%s", world);
    cr_expect_eq(finding->set.count, 0, "%s", world);
    cr_expect_gt(finding->breaks_tried, 0, "%s", world);
}

// A single one is enough: no set is looked for.
WORLDS(not_needed)
{
    add_helper(make_client(), "a", "Helper", "owner");
    analyse();
    cr_assert_eq(findings->items[0].break_count, 2, "%s", world);
    cr_expect_eq(findings->items[0].set.state, FINDING_SET_NOT_TRIED, "%s", world);
}

// --- bounds

// The component of the one finding, by itself.
struct scene {
    struct graph_components components;
    uint32_t component;
    uint8_t *all;
    struct replay *replay;
};

static void scene_init(struct scene *scene)
{
    scene->all = malloc((size_t)heap->count + 1);
    memset(scene->all, 1, heap->count);
    cr_assert(graph_components_create(&heap->graph, scene->all, 1, &scene->components));
    scene->component = scene->components.of[number_of(findings->items[0].example)];
    cr_assert(replay_create(&heap->graph, &scene->components, scene->component, heap->finalizers,
                            &scene->replay));
}

static void scene_deinit(struct scene *scene)
{
    replay_destroy(scene->replay);
    graph_components_destroy(&scene->components);
    free(scene->all);
}

static void free_set(struct finding *finding)
{
    for (size_t i = 0; i < finding->set.count; i++)
        change_deinit(&finding->set.items[i]);
    free(finding->set.items);
    free(finding->breaks);
}

static bool is_enough(const struct changes *changes, struct replay *replay, uint32_t made)
{
    uint32_t edges;
    replay_edges(replay, &edges);
    replay_reset(replay);
    for (uint32_t at = 0; at < edges; at++)
        if (changes->of[at] != CHANGES_NONE && made >> changes->of[at] & 1)
            replay_take_out_at(replay, at);
    return replay_is_collected(replay);
}

// The set as bits.
static uint32_t set_bits(const struct changes *changes, const struct finding_set *set)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < set->count; i++)
        for (uint32_t j = 0; j < changes->count; j++)
            if (strcmp(changes->items[j].step->edge, set->items[i].step->edge) == 0 &&
                strcmp(changes->items[j].step->type, set->items[i].step->type) == 0)
                bits |= 1u << j;
    return bits;
}

// However little work there is: an answer is right, or it is none, and no more is taken.
WORLDS(little_work_left)
{
    struct scene scene;
    struct changes changes;
    make_two_kinds();
    analyse();
    scene_init(&scene);
    uint64_t cost = replay_cost(scene.replay);
    bool seen[5] = {false}; // sizes
    for (uint64_t start = 1; start < 200 * cost + 20 * CHANGES_WORK; start += cost) {
        uint64_t work = start;
        struct finding finding = {.steps = findings->items[0].steps,
                                  .step_count = findings->items[0].step_count};
        cr_assert_null(remedy_find(heap, &scene.components, scene.component, &work, &finding), "%s",
                       world);
        cr_assert_leq(work, start, "%s", world);
        cr_assert_lt(finding.set.size, LENGTH(seen), "%s", world);
        seen[finding.set.size] = true;
        cr_assert_eq(finding.set.state,
                     finding.set.size ? FINDING_SET_FOUND : FINDING_SET_NOT_TRIED, "%s", world);
        cr_assert_null(changes_create(heap, &scene.components, scene.component, scene.replay,
                                      &finding, &changes));
        cr_assert(!finding.set.size ||
                      is_enough(&changes, scene.replay, set_bits(&changes, &finding.set)),
                  "%s: %s", world, set_text(&finding.set));
        changes_destroy(&changes);
        free_set(&finding);
    }
    cr_expect(seen[0] && seen[2] && seen[4], "%s", world);
    scene_deinit(&scene);
}

// --- against all subsets

enum {
    CLASSES = 4,
    NAMES = 3,
    OBJECTS = 6,
    SUBSETS_MAX = 12 // changes of which all subsets are tried
};

static uint64_t state;

static uint32_t random_below(uint32_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % limit;
}

static void make_random(void)
{
    static const char *const classes[CLASSES] = {"A", "B", "C", "D"}, *const names[NAMES] = {
                                                                          "x", "y", "z"};
    vaddr made[CLASSES], objects[OBJECTS];
    for (unsigned i = 0; i < CLASSES; i++)
        made[i] = make_class(classes[i], 0, i == 0);
    for (unsigned i = 0; i < OBJECTS; i++)
        objects[i] = fakeheap_instance(&fake, made[i ? random_below(CLASSES) : 0]);
    for (unsigned i = 0; i < OBJECTS * 2; i++)
        fakeheap_set_attr(&fake, objects[random_below(OBJECTS)], names[random_below(NAMES)],
                          objects[random_below(OBJECTS)]);
    for (unsigned i = 0; i < OBJECTS; i++)
        fakeheap_keep(&fake, objects[i]);
}

static void compare_with_subsets(const struct finding *finding, const struct changes *changes,
                                 struct replay *replay)
{
    uint32_t bits = set_bits(changes, &finding->set);
    int least = 0;
    for (uint32_t made = 0; made < 1u << changes->count; made++) {
        bool enough = is_enough(changes, replay, made);
        if (enough && (!least || __builtin_popcount(made) < least))
            least = __builtin_popcount(made);
        if ((made & bits) == made && finding->set.count)
            cr_expect_eq(enough, made == bits, "%" PRIx32 " of %" PRIx32, made, bits);
    }
    cr_assert_eq(finding->set.state, least ? FINDING_SET_FOUND : FINDING_SET_NONE);
    cr_expect_geq((int)finding->set.size, least);
    if (least == 2)
        cr_expect_eq(finding->set.size, 2);
}

Test(remedy_set, random)
{
    unsigned compared = 0, larger = 0;
    for (state = 1; compared < 100;) {
        uint64_t seed = state;
        struct changes changes;
        struct scene scene;
        init_world(&(struct fakeheap_spec){0});
        make_random();
        analyse();
        for (size_t i = 0; i < findings->count && findings->count == 1; i++) {
            const struct finding *finding = &findings->items[i];
            scene_init(&scene);
            cr_assert_null(changes_create(heap, &scene.components, scene.component, scene.replay,
                                          finding, &changes));
            if (finding->set.state != FINDING_SET_NOT_TRIED && changes.count <= SUBSETS_MAX) {
                compare_with_subsets(finding, &changes, scene.replay);
                compared++;
                larger += finding->set.size > 2;
            }
            changes_destroy(&changes);
            scene_deinit(&scene);
        }
        close_findings();
        fakeheap_deinit(&fake);
        cr_assert_neq(state, seed);
    }
    cr_expect_gt(larger, 5);
}
