// Ten leaks as programs have them (fixtures/remedies.py): the reference to break is the one that a
// reader of the source would name. The fixture has asked the interpreter that it is enough.
#include "common.h"

#include <string.h>

#include "real.h"

static const char *const cases[] = {
    "BoundMethod", "Closure",   "CachedProperty", "OldStyle",      "Slots",
    "Generator",   "Container", "SharedNode",     "TwoFinalizers", "Mixed",
};

static void compare_break(const struct real_core *core, const json_t *finding)
{
    const json_t *expected = real_json(core->truth, "break");
    const json_t *breaks = real_json(finding, "breaks"), *first = json_array_get(breaks, 0);
    cr_assert_gt(json_array_size(breaks), 0, "%s: nothing to break", core->name);
    cr_expect_str_eq(real_string(first, "type"), real_string(expected, "type"), "%s", core->name);
    cr_expect_str_eq(real_string(first, "edge"), real_string(expected, "edge"), "%s", core->name);
    cr_expect_eq(json_is_true(real_json(first, "every")),
                 json_is_true(real_json(expected, "every")), "%s", core->name);
    const json_t *set_in = real_json(first, "set_in");
    cr_assert_eq(json_array_size(set_in), 1, "%s: set in %zu places", core->name,
                 json_array_size(set_in));
    const json_t *place = json_array_get(set_in, 0);
    cr_expect_str_eq(real_string(place, "function"), real_string(expected, "set_in"), "%s",
                     core->name);
    cr_expect_not_null(strstr(real_string(place, "file"), "remedies.py"), "%s", core->name);
}

static void check_all(const char *interpreter, const char *kind)
{
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *command = real_format("remedies.py %s 4", cases[i]);
        struct real_core core = real_make_core(interpreter, kind, command);
        const json_t *findings = real_json(real_report(&core, 0), "findings");
        cr_assert_eq(json_array_size(findings), 1, "%s", core.name);
        cr_expect_eq(real_number(json_array_get(findings, 0), "count"), 4, "%s", core.name);
        compare_break(&core, json_array_get(findings, 0));
        real_drop_core(&core);
    }
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
