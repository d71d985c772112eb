// Leaks as programs have them (fixtures/remedies.py): the reference to break, or those to break
// together, are what a reader of the source would name. The fixture has asked the interpreter that
// they are enough, and of several that none can be spared.
#include "common.h"

#include <string.h>

#include "real.h"

static const char *const cases[] = {
    "BoundMethod", "Closure",   "CachedProperty", "OldStyle",      "Slots",
    "Generator",   "Container", "SharedNode",     "TwoFinalizers", "Mixed",
};

// What takes several references, and one that no change breaks.
static const char *const sets[] = {
    "TwoHelpers", "ThreeHelpers", "Diamond", "BoundAndShared", "Many", "ListWithItems", "Structure",
};

// Who sets an attribute, in one place; NULL: nobody is known to.
static void compare_place(const struct real_core *core, const json_t *set_in, const char *expected)
{
    cr_assert_eq(json_array_size(set_in), expected != NULL, "%s: set in %zu places", core->name,
                 json_array_size(set_in));
    const json_t *place = json_array_get(set_in, 0);
    if (!place)
        return;
    cr_expect_str_eq(real_string(place, "function"), expected, "%s", core->name);
    cr_expect_not_null(strstr(real_string(place, "file"), "remedies.py"), "%s", core->name);
}

static void compare_break(const struct real_core *core, const json_t *finding)
{
    const json_t *expected = real_json(core->truth, "break");
    const json_t *breaks = real_json(finding, "breaks"), *first = json_array_get(breaks, 0);
    cr_assert_gt(json_array_size(breaks), 0, "%s: nothing to break", core->name);
    cr_expect_str_eq(real_string(first, "type"), real_string(expected, "type"), "%s", core->name);
    cr_expect_str_eq(real_string(first, "edge"), real_string(expected, "edge"), "%s", core->name);
    cr_expect_eq(json_is_true(real_json(first, "every")),
                 json_is_true(real_json(expected, "every")), "%s", core->name);
    compare_place(core, real_json(first, "set_in"), real_string(expected, "set_in"));
}

static const json_t *find_change(const json_t *changes, const json_t *wanted)
{
    size_t i;
    json_t *change;
    json_array_foreach(
        changes, i,
        change) if (strcmp(real_string(change, "type"), real_string(wanted, "type")) == 0 &&
                    strcmp(real_string(change, "edge"), real_string(wanted, "edge")) ==
                        0) return change;
    return NULL;
}

static void compare_set(const struct real_core *core, const json_t *finding)
{
    const json_t *expected = real_json(core->truth, "break_set");
    const json_t *set = real_json(finding, "break_set"), *changes = real_json(set, "changes");
    cr_expect_str_eq(real_string(set, "state"), json_array_size(expected) ? "found" : "none", "%s",
                     core->name);
    cr_expect_eq(json_array_size(real_json(finding, "breaks")), 0, "%s", core->name);
    cr_expect_eq(json_array_size(changes), json_array_size(expected), "%s", core->name);
    size_t i;
    json_t *wanted;
    json_array_foreach(expected, i, wanted)
    {
        const json_t *change = find_change(changes, wanted);
        cr_assert_not_null(change, "%s: not %s of %s", core->name, real_string(wanted, "edge"),
                           real_string(wanted, "type"));
        compare_place(core, real_json(change, "set_in"),
                      json_string_value(real_json(wanted, "set_in")));
    }
}

typedef void compare_answer(const struct real_core *core, const json_t *finding);

static void check_cases(const char *interpreter, const char *kind, const char *const *names,
                        size_t count, compare_answer *compare)
{
    for (size_t i = 0; i < count; i++) {
        const char *command = real_format("remedies.py %s 4", names[i]);
        struct real_core core = real_make_core(interpreter, kind, command);
        const json_t *findings = real_json(real_report(&core, 0), "findings");
        cr_assert_eq(json_array_size(findings), 1, "%s", core.name);
        cr_expect_eq(real_number(json_array_get(findings, 0), "count"), 4, "%s", core.name);
        compare(&core, json_array_get(findings, 0));
        real_drop_core(&core);
    }
}

static void check_all(const char *interpreter, const char *kind)
{
    check_cases(interpreter, kind, cases, LENGTH(cases), compare_break);
    check_cases(interpreter, kind, sets, LENGTH(sets), compare_set);
}

Test(remedies, shared)
{
    check_all("shared", "kernel");
}

Test(remedies, debian)
{
    check_all("debian", "kernel");
}

Test(remedies, gcore)
{
    check_all("debian", "gcore");
}
