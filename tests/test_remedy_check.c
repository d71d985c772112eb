// What frees the example of a finding is tried on its other cycles.
#include "common.h"

#include "remedy_check.h"
#include "scene_findings.h"

#define WORLDS(name) WORLD_TEST(remedy_check, name, close_findings)

static vaddr client_class, t_class;

static void make_classes(void)
{
    client_class = make_class("Client", 0, true);
    t_class = make_class("T", 0, false);
}

// A client and a T, each an attribute of the other; `more` on the client, and `back` on the T, are
// further references of the same kind. The drawn cycle is that without them: ".a" is before.
static void make_pair(const char *more, const char *back)
{
    vaddr client = fakeheap_instance(&fake, client_class), t = fakeheap_instance(&fake, t_class);
    fakeheap_set_attr(&fake, client, "a", t);
    fakeheap_set_attr(&fake, t, "a", client);
    if (more)
        fakeheap_set_attr(&fake, client, more, t);
    if (back)
        fakeheap_set_attr(&fake, t, back, client);
    fakeheap_keep(&fake, client);
}

static const struct finding *find_one(uint64_t count, uint64_t uneven)
{
    analyse();
    cr_assert_eq(findings->count, 1, "%s: %zu findings", world, findings->count);
    const struct finding *finding = &findings->items[0];
    cr_assert_eq(finding->count, count, "%s", world);
    cr_assert_eq(finding->uneven, uneven, "%s: %u", world, (unsigned)finding->uneven);
    return finding;
}

static void expect_tally(const struct finding *finding, uint32_t replayed, uint32_t freed)
{
    struct finding_tally tally = finding_first_tally(finding);
    cr_expect_eq(tally.replayed, replayed, "%s: %u", world, tally.replayed);
    cr_expect_eq(tally.freed, freed, "%s: %u", world, tally.freed);
}

static const char *type_of_first_break(const struct finding *finding)
{
    return finding_find_step(finding, finding->breaks[0].step)->type;
}

WORLDS(rings_are_not_replayed)
{
    make_classes();
    for (int i = 0; i < 5; i++)
        make_pair(NULL, NULL);
    expect_tally(find_one(5, 0), 0, 0);
}

// A back reference comes before another attribute,
WORLDS(by_rank)
{
    make_classes();
    make_pair(NULL, NULL);
    cr_expect_str_eq(type_of_first_break(find_one(1, 0)), "app.T", "%s", world);
}

// unless that frees more.
WORLDS(one_that_frees_all)
{
    make_classes();
    make_pair(NULL, NULL);
    for (int i = 0; i < 3; i++)
        make_pair(NULL, "b");
    const struct finding *finding = find_one(4, 3);
    cr_expect_str_eq(type_of_first_break(finding), "app.Client", "%s", world);
    expect_tally(finding, 3, 3);
    cr_expect_eq(finding->breaks[1].tally.freed, 0, "%s", world);
}

WORLDS(none_that_frees_all)
{
    make_classes();
    make_pair(NULL, NULL);
    make_pair("b", "b");
    make_pair("b", "b");
    make_pair(NULL, "b");
    const struct finding *finding = find_one(4, 3);
    cr_expect_str_eq(type_of_first_break(finding), "app.Client", "%s", world);
    expect_tally(finding, 3, 1);
}

// Each is asked for alone: here both together would be enough, and neither is.
WORLDS(answers_are_not_added_up)
{
    make_classes();
    make_pair(NULL, NULL);
    vaddr client = fakeheap_instance(&fake, client_class);
    vaddr t = fakeheap_instance(&fake, t_class), other = fakeheap_instance(&fake, t_class);
    fakeheap_set_attr(&fake, client, "a", t);
    fakeheap_set_attr(&fake, t, "a", client);
    fakeheap_set_attr(&fake, t, "b", client);
    fakeheap_set_attr(&fake, client, "b", other);
    fakeheap_set_attr(&fake, other, "a", client);
    fakeheap_keep(&fake, client);
    const struct finding *finding = find_one(2, 1);
    cr_assert_eq(finding->break_count, 2, "%s", world);
    for (size_t i = 0; i < finding->break_count; i++) {
        cr_expect_eq(finding->breaks[i].tally.replayed, 1, "%s", world);
        cr_expect_eq(finding->breaks[i].tally.freed, 0, "%s", world);
    }
}

// Of many some are replayed, from the first to the last.
WORLDS(of_many_some)
{
    make_classes();
    make_pair(NULL, NULL);
    for (int i = 0; i < 3 * REMEDY_CHECKED_MAX; i++)
        make_pair(i % 2 ? "b" : NULL, "b");
    const struct finding *finding = find_one(3 * REMEDY_CHECKED_MAX + 1, 3 * REMEDY_CHECKED_MAX);
    expect_tally(finding, REMEDY_CHECKED_MAX, REMEDY_CHECKED_MAX / 2);
}
