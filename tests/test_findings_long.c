// Cycles of which not every step is kept, or whose key is a digest.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common.h"

#include "scene_findings.h"
#include "shape.h"

#define WORLDS(name) WORLD_TEST(findings_long, name, close_findings)

enum {
    LINKS = 1300,
    MANY_LINKS = 1800, // each may have a name
    DIGEST_LINKS = 4 * SHAPE_KEY_LINKS_MAX,
};

// A ring of an End, which has a __del__, and `count` Links. `name` gives the attribute that leads
// on from each, the End being number 0.
static vaddr make_ring(vaddr end, vaddr class, unsigned count,
                       const char *(*name)(unsigned number, char buffer[16]))
{
    char buffer[16];
    vaddr first = fakeheap_instance(&fake, end), last = first;
    for (unsigned i = 0; i < count; i++) {
        vaddr link = fakeheap_instance(&fake, class);
        fakeheap_set_attr(&fake, last, name(i, buffer), link);
        last = link;
    }
    fakeheap_set_attr(&fake, last, name(count, buffer), first);
    fakeheap_keep(&fake, first);
    return first;
}

static const char *always_next(unsigned number, char buffer[16])
{
    (void)number;
    (void)buffer;
    return "next";
}

static const char *once_odd(unsigned number, char buffer[16])
{
    (void)buffer;
    return number == 1100 ? "odd" : "next";
}

static const char *late_ones_differ(unsigned number, char buffer[16])
{
    snprintf(buffer, 16, "a%u", number < FINDING_STEPS_FIRST ? 0 : number);
    return buffer;
}

static const struct finding *find_one(void)
{
    analyse();
    cr_assert_eq(findings->count, 1, "%s", world);
    return &findings->items[0];
}

// The signature is that of all steps, whether they are kept or not.
static void expect_signature(const struct finding *finding, unsigned count,
                             const char *(*name)(unsigned number, char buffer[16]))
{
    char *joined, buffer[16], expected[SIGNATURE_SIZE];
    size_t size;
    FILE *file = open_memstream(&joined, &size);
    for (unsigned i = 0; i < count; i++)
        fprintf(file, "%s .%s\n", i ? ".app.Link" : "!app.End", name(i, buffer));
    fclose(file);
    snprintf(expected, sizeof(expected), "%08x", (unsigned)(XXH64(joined, size, 0) >> 32));
    cr_expect_str_eq(finding->signature, expected, "%s", world);
    free(joined);
}

WORLDS(all_steps_up_to_a_thousand)
{
    vaddr class = make_class("Link", 0, false), end = make_class("End", 0, true);
    make_ring(end, class, FINDING_STEPS_MAX - 1, always_next);
    const struct finding *finding = find_one();
    cr_expect_eq(finding->step_count, FINDING_STEPS_MAX, "%s", world);
    cr_expect_eq(finding->steps_left_out, 0, "%s", world);
    expect_signature(finding, FINDING_STEPS_MAX, always_next);
}

WORLDS(what_is_kept_of_more)
{
    vaddr class = make_class("Link", 0, false), end = make_class("End", 0, true);
    vaddr first = make_ring(end, class, LINKS, once_odd);
    const struct finding *finding = find_one();
    cr_assert_eq(finding->step_count, LINKS + 1, "%s", world);
    cr_expect_eq(finding->objects, 2 * (LINKS + 1), "%s", world);
    // The one that is new, and what it leads to.
    cr_assert_eq(finding_kept_steps(finding), FINDING_STEPS_FIRST + FINDING_STEPS_LAST + 2, "%s",
                 world);
    cr_expect_eq(finding->steps[0].object, first, "%s", world);
    for (size_t i = 0; i < finding->step_count; i++) {
        const struct finding_step *step = finding_find_step(finding, i);
        bool kept = i < FINDING_STEPS_FIRST || i + FINDING_STEPS_LAST >= finding->step_count ||
                    i == 1100 || i == 1101;
        cr_assert_eq(step != NULL, kept, "%s: %zu", world, i);
        if (!kept)
            continue;
        cr_assert_eq(step->number, i, "%s", world);
        cr_assert_str_eq(step->type, i ? "app.Link" : "app.End", "%s: %zu", world, i);
        cr_assert_str_eq(step->edge, i == 1100 ? ".odd" : ".next", "%s: %zu", world, i);
    }
    cr_expect_null(finding_find_step(finding, LINKS + 1), "%s", world);
    expect_signature(finding, LINKS + 1, once_odd);
}

WORLDS(many_steps_are_new)
{
    vaddr class = make_class("Link", 0, false), end = make_class("End", 0, true);
    make_ring(end, class, MANY_LINKS, late_ones_differ);
    const struct finding *finding = find_one();
    cr_assert_eq(finding->step_count, MANY_LINKS + 1, "%s", world);
    cr_expect_eq(finding_kept_steps(finding),
                 FINDING_STEPS_FIRST + FINDING_STEPS_MORE + 1 + FINDING_STEPS_LAST, "%s", world);
    expect_signature(finding, MANY_LINKS + 1, late_ones_differ);
}

// What a reader would break first lies where steps are left out.
WORLDS(the_best_break_is_in_between)
{
    vaddr class = make_class("Link", 0, false), end = make_class("End", 0, true);
    vaddr first = fakeheap_instance(&fake, end), last = first;
    for (unsigned i = 0; i < LINKS; i++) {
        vaddr link = fakeheap_instance(&fake, class);
        vaddr method = i == 1200 ? fakeheap_method(&fake, fake.none, link, class) : 0;
        fakeheap_set_attr(&fake, last, method ? "call" : "next", method ? method : link);
        last = link;
    }
    fakeheap_set_attr(&fake, last, "next", first);
    fakeheap_keep(&fake, first);
    const struct finding *finding = find_one();
    cr_assert_gt(finding->steps_left_out, 0, "%s", world);
    cr_assert_gt(finding->break_count, 0, "%s", world);
    cr_expect_eq(finding->breaks[0].kind, BREAK_METHOD, "%s", world);
    cr_expect_eq(finding->breaks[0].step, 1200, "%s", world);
    for (size_t i = 0; i < finding->break_count; i++)
        cr_assert_not_null(finding_find_step(finding, finding->breaks[i].step), "%s", world);
    cr_expect_str_eq(finding_find_step(finding, 1200)->edge, ".call", "%s", world);
}

static const char *odd_later(unsigned number, char buffer[16])
{
    (void)buffer;
    return number == 2 * SHAPE_KEY_LINKS_MAX ? "odd" : "next";
}

// Their keys are digests; they differ in one of many links.
WORLDS(long_cycles_of_two_shapes)
{
    vaddr class = make_class("Link", 0, false), end = make_class("End", 0, true);
    make_ring(end, class, DIGEST_LINKS, always_next);
    make_ring(end, class, DIGEST_LINKS, odd_later);
    make_ring(end, class, DIGEST_LINKS, always_next);
    make_ring(end, class, DIGEST_LINKS + 1, always_next);
    analyse();
    cr_assert_eq(findings->count, 3, "%s", world);
    uint64_t count = 0, most = 0;
    for (size_t i = 0; i < findings->count; i++) {
        count += findings->items[i].count;
        if (findings->items[i].count > most)
            most = findings->items[i].count;
    }
    cr_expect_eq(count, 4, "%s", world);
    cr_expect_eq(most, 2, "%s", world);
}
