// Who holds what would be garbage, and what became of gc.garbage: what fixtures/holders.py knows of
// itself is what the report says.
#include "common.h"

#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "real.h"

// The edges of a way, or of the truth, as one line. Which of several items stands for all depends
// on their addresses, so indexes are left out.
static const char *edges_text(const json_t *edges)
{
    const char *text = "";
    for (size_t i = 0; i < json_array_size(edges); i++) {
        const json_t *edge = json_array_get(edges, i);
        const char *name =
            json_is_object(edge) ? real_string(edge, "edge") : json_string_value(edge);
        bool index = name[0] == '[' && name[1] >= '0' && name[1] <= '9';
        text = real_format("%s %s", text, index ? "[]" : name);
    }
    return text;
}

static const char *way_text(const json_t *way, const char *kind, const char *root,
                            const json_t *edges)
{
    return real_format(
        "%s%lld %s: %s %s%s", json_is_true(real_json(way, "listed")) ? "" : "cycles ",
        real_number(way, "count"), real_string(way, "type"), kind, root, edges_text(edges));
}

static bool has_way(const json_t *report, const char *wanted)
{
    const json_t *ways = real_json(report, "holders.paths");
    for (size_t i = 0; i < json_array_size(ways); i++) {
        const json_t *way = json_array_get(ways, i);
        const char *text = way_text(way, real_string(way, "root.kind"),
                                    real_string(way, "root.name"), real_json(way, "steps"));
        if (strcmp(text, wanted) == 0)
            return true;
    }
    return false;
}

static void compare_ways(const struct real_core *core, const json_t *report)
{
    const json_t *wanted = json_object_get(core->truth, "ways");
    json_int_t listed = 0, cycles = 0;
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const json_t *way = json_array_get(wanted, i), *root = real_json(way, "root");
        const char *text =
            way_text(way, json_string_value(json_array_get(root, 0)),
                     json_string_value(json_array_get(root, 1)), real_json(way, "edges"));
        cr_expect(has_way(report, text), "%s: no way like %s", core->name, text);
        *(json_is_true(real_json(way, "listed")) ? &listed : &cycles) += real_number(way, "count");
    }
    if (wanted) {
        cr_expect_eq(real_number(report, "holders.listed"), listed, "%s", core->name);
        cr_expect_eq(real_number(report, "holders.cycles"), cycles, "%s", core->name);
        cr_expect_eq(real_number(report, "holders.paths_total"),
                     (json_int_t)json_array_size(wanted), "%s", core->name);
        cr_expect_eq(real_number(report, "holders.untraced"), 0, "%s", core->name);
    }
}

static const char *surplus_text(const json_t *surplus, bool stripped)
{
    const json_t *name = real_json(surplus, "name");
    bool named = json_is_string(name) && !stripped;
    return real_format("%lld references to %lld %s: %s %s", real_number(surplus, "references"),
                       real_number(surplus, "objects"), real_string(surplus, "type"),
                       real_string(surplus, "place"), named ? json_string_value(name) : "");
}

static void compare_surplus(const struct real_core *core, const json_t *report)
{
    const json_t *wanted = json_object_get(core->truth, "surplus");
    const json_t *got = real_json(report, "holders.surplus");
    if (!wanted)
        return;
    cr_expect_eq(json_array_size(got), json_array_size(wanted), "%s: %zu rows", core->name,
                 json_array_size(got));
    for (size_t i = 0; i < json_array_size(wanted) && i < json_array_size(got); i++) {
        const char *right = surplus_text(json_array_get(wanted, i), false);
        const char *text = surplus_text(json_array_get(got, i), false);
        cr_expect_str_eq(text, right, "%s: %s, not %s", core->name, text, right);
    }
}

static bool equals_members(const json_t *got, const json_t *wanted)
{
    const char *key;
    json_t *value;
    bool equal = true;
    json_object_foreach((json_t *)wanted, key, value) equal =
        equal && json_equal(json_object_get(got, key), value);
    return equal;
}

// What became of gc.garbage, as far as the truth says it.
static void compare_list(const struct real_core *core, const json_t *report)
{
    static const char *const members[] = {"in_gc_module", "items"};
    for (size_t i = 0; i < LENGTH(members); i++) {
        const json_t *wanted = json_object_get(core->truth, members[i]);
        const json_t *got = real_json(report, real_format("garbage.%s", members[i]));
        cr_expect(!wanted || equals_members(got, wanted), "%s: %s is %s", core->name, members[i],
                  json_dumps(got, 0));
    }
    const json_t *emptied = json_object_get(core->truth, "emptied");
    cr_expect(!emptied || json_equal(emptied, real_json(report, "garbage.emptied")), "%s: emptied",
              core->name);
}

static void compare_flags(const struct real_core *core, const json_t *report)
{
    static const char *const names[] = {"DEBUG_STATS",         "DEBUG_COLLECTABLE",
                                        "DEBUG_UNCOLLECTABLE", "DEBUG_INSTANCES",
                                        "DEBUG_OBJECTS",       "DEBUG_SAVEALL"};
    const json_t *got = real_json(report, "collector.debug_flag_names");
    const char *text = "";
    if (json_is_null(got))
        return;
    for (size_t i = 0; i < LENGTH(names); i++)
        if (real_number(core->truth, "gc_debug") >> i & 1)
            text = real_format("%s %s", text, names[i]);
    cr_expect_str_eq(edges_text(got), text, "%s: flags%s, not%s", core->name, edges_text(got),
                     text);
}

// Only the collector counts, and what is made without it can but add to the youngest count.
static void compare_counts(const struct real_core *core, const json_t *report)
{
    const json_t *wanted = json_object_get(core->truth, "counts");
    for (size_t i = 1; i < json_array_size(wanted); i++)
        cr_expect_eq(
            real_number(json_array_get(real_json(report, "collector.generations"), i), "count"),
            json_integer_value(json_array_get(wanted, i)), "%s: count %zu", core->name, i);
}

static void check(const char *interpreter, const char *kind, const char *name)
{
    struct real_core core = real_make_core(interpreter, kind, real_format("holders.py %s", name));
    json_t *report = real_report(&core, 0);
    compare_report(&core, report);
    compare_ways(&core, report);
    compare_surplus(&core, report);
    compare_list(&core, report);
    compare_flags(&core, report);
    compare_counts(&core, report);
}

static void check_all(const char *interpreter, const char *kind)
{
    const char *path = real_need_interpreter(interpreter);
    const char *fixture = real_format("%s/holders.py", getenv("FIXTURES"));
    struct real_run run = REAL_COMMAND("sh", "-c",
                                       "env PYTHONDONTWRITEBYTECODE=1 $(cat \"$0.env\" 2>&-) "
                                       "\"$0\" \"$1\" --list",
                                       path, fixture);
    size_t count = 0;
    cr_assert_eq(run.status, 0, "holders.py --list ends with %d: %s", run.status, run.errors);
    for (const char *at = run.output; *at; at += strcspn(at, "\n") + 1, count++)
        check(interpreter, kind, real_format("%.*s", (int)strcspn(at, "\n"), at));
    cr_assert_geq(count, 23, "holders.py --list prints only %zu cases", count);
}

Test(real_holders, shared)
{
    check_all("shared", "kernel");
}

Test(real_holders, debian)
{
    check_all("debian", "kernel");
}

Test(real_holders, shared_gcore)
{
    check_all("shared", "gcore");
}

Test(real_holders, debian_gcore)
{
    check_all("debian", "gcore");
}

// A person reads the text.
Test(real_holders, text)
{
    struct real_core core = real_make_core("shared", "kernel", "holders.py incref");
    struct real_run run = REAL_RUN("--width=0", core.path, core.interpreter);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    cr_expect(strstr(run.output,
                     "\n12 cycles with a finalizer are in use, though no module, running "
                     "frame or state of the\ninterpreter leads there:\n"
                     "    12 cycles with __main__.Leaked, e.g. 0x"),
              "%s", run.output);
    cr_expect(strstr(run.output,
                     "    12 objects of __main__.Leaked have one reference more than the "
                     "heap explains: an extension may leak them, e.g. 0x"),
              "%s", run.output);
    core = real_make_core("shared", "kernel", "holders.py nested");
    run = REAL_RUN("--width=0", core.path, core.interpreter);
    cr_expect(strstr(run.output, "      module __main__\n"
                                 "        .REGISTRY ─▶ dict\n"
                                 "        [str] ─▶ list\n"
                                 "        [0] ─▶ __main__.Leaked\n"),
              "%s", run.output);
}
