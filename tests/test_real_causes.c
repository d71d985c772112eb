// Processes that each died of another thing (fixtures/causes.py, which knows of what and how much):
// the verdict names that, and not the garbage of which all have a little.
#include "common.h"

#include <string.h>
#include <unistd.h>

#include "real.h"

static const char *const cases[] = {"dicts",  "strings", "numbers", "fragmentation", "malloc",
                                    "blocks", "mmap",    "trash",   "garbage",       "reserved"};

static json_int_t type_bytes(const json_t *type)
{
    return real_number(type, "live.bytes") + real_number(type, "garbage.bytes") +
           real_number(type, "trash.bytes");
}

// The bytes that the cause is said to have are those that the program asked for, and not much more.
static void check_verdict(const struct real_core *core, const json_t *report)
{
    const char *cause = real_string(core->truth, "cause");
    json_int_t least = real_number(core->truth, "bytes");
    json_int_t used = real_number(report, "verdict.used_bytes");
    json_int_t bytes = real_number(report, real_format("verdict.bytes.%s", cause));
    cr_expect_str_eq(real_string(report, "verdict.cause"), cause, "%s", core->name);
    cr_expect(json_is_true(real_json(report, "verdict.explains")), "%s", core->name);
    cr_expect_geq(bytes, least, "%s: %s has %lld bytes of at least %lld", core->name, cause, bytes,
                  least);
    cr_expect_leq(bytes, used, "%s", core->name);
    cr_expect_lt(used, 80 << 20, "%s: %lld bytes in use", core->name, used);
    if (strcmp(cause, "garbage") != 0)
        cr_expect_lt(real_number(report, "verdict.bytes.garbage"), 2000, "%s", core->name);
}

// All memory in use is accounted for, and none of it twice.
static void check_sums(const struct real_core *core, const json_t *report)
{
    json_int_t used = real_number(report, "memory.used_bytes"), sum = 0;
    size_t i;
    const json_t *mapping;
    json_array_foreach(real_json(report, "memory.mappings"), i, mapping)
    {
        // The items of a list have room that was never written.
        cr_expect_leq(real_number(mapping, "pools") + real_number(mapping, "objects"),
                      real_number(mapping, "size"), "%s: %s", core->name,
                      real_string(mapping, "address"));
        sum += real_number(mapping, "used");
    }
    cr_expect_eq(sum, used, "%s", core->name);
    json_int_t told = real_number(report, "memory.python_bytes") +
                      real_number(report, "verdict.bytes.free") +
                      real_number(report, "memory.other.bytes") +
                      real_number(report, "memory.pymalloc.lost_bytes");
    cr_expect(told > used - used / 20 && told < used + used / 20, "%s: %lld bytes of %lld",
              core->name, told, used);
}

static void check_names(const struct real_core *core, const json_t *report)
{
    const json_t *type = real_json(core->truth, "type");
    const json_t *mapping = real_json(core->truth, "mapping");
    const json_t *first = json_array_get(real_json(report, "memory.types"), 0);
    const json_t *largest = json_array_get(real_json(report, "memory.mappings"), 0);
    if (json_is_string(type)) {
        cr_expect_str_eq(real_string(first, "type"), json_string_value(type), "%s", core->name);
        cr_expect_gt(type_bytes(first), real_number(core->truth, "bytes") / 2, "%s", core->name);
    }
    if (strcmp(real_string(core->truth, "cause"), "garbage") == 0)
        cr_expect_gt(real_number(first, "garbage.bytes"), real_number(core->truth, "bytes") / 2,
                     "%s", core->name);
    if (json_is_string(mapping))
        cr_expect_str_eq(real_string(largest, "kind"), json_string_value(mapping), "%s",
                         core->name);
}

static void check_text(const struct real_core *core)
{
    static const struct {
        const char *cause, *words;
    } rows[] = {
        {"live", "\nGarbage is NOT what filled the memory.\nLive objects have most of "},
        {"free", "\nGarbage is NOT what filled the memory.\nFree memory of pymalloc has most of "},
        {"other",
         "\nGarbage is NOT what filled the memory.\nMemory that is not Python's has most of "},
        {"trash", "\nGarbage is NOT what filled the memory.\nCollectable trash, for which no "
                  "collection came, has most of "},
        {"garbage", "\nBreaking these cycles would have prevented the growth: "},
    };
    const char *cause = real_string(core->truth, "cause");
    struct real_run run = REAL_RUN(core->path, core->interpreter);
    for (size_t i = 0; i < LENGTH(rows); i++)
        cr_expect_eq(strstr(run.output, rows[i].words) != NULL, strcmp(rows[i].cause, cause) == 0,
                     "%s: '%s' in\n%s", core->name, rows[i].words, run.output);
}

static void check(const char *interpreter, const char *kind, const char *name)
{
    struct real_core core = real_make_core(interpreter, kind, real_format("causes.py %s", name));
    json_t *report = real_report(&core, 0);
    check_verdict(&core, report);
    check_sums(&core, report);
    check_names(&core, report);
    check_text(&core);
    real_drop_core(&core);
}

Test(causes, shared)
{
    for (size_t i = 0; i < LENGTH(cases); i++)
        check("shared", "kernel", cases[i]);
}

Test(causes, debian)
{
    for (size_t i = 0; i < LENGTH(cases); i++)
        check("debian", "kernel", cases[i]);
}

// Its file has no holes.
Test(causes, shared_gcore)
{
    for (size_t i = 0; i < LENGTH(cases); i++)
        if (strcmp(cases[i], "reserved") != 0)
            check("shared", "gcore", cases[i]);
    check("shared", "gcore", "reserved 8");
}

Test(causes, debian_gcore)
{
    check("debian", "gcore", "dicts");
    check("debian", "gcore", "fragmentation");
    check("debian", "gcore", "malloc");
}

// The story's leak, large enough to be what filled the memory.
Test(causes, story)
{
    static const char *const kinds[] = {"kernel", "gcore"};
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct real_core core = real_make_core("shared", kinds[i], "seed_leak.py 40000");
        json_t *report = real_report(&core, 0);
        cr_expect_str_eq(real_string(report, "verdict.cause"), "garbage", "%s", core.name);
        cr_expect_eq(real_number(report, "verdict.bytes.garbage"), 40000 * 704, "%s", core.name);
        cr_expect(json_is_true(real_json(report, "verdict.explains")), "%s", core.name);
        check_sums(&core, report);
        struct real_run run = REAL_RUN(core.path, core.interpreter);
        cr_expect_not_null(
            strstr(run.output, "\nBreaking these cycles would have prevented the growth: "), "%s",
            run.output);
        real_drop_core(&core);
    }
}

// A copy without holes has the same cause: pages of zeroes are taken for what was never written.
Test(causes, copied_core)
{
    struct real_core core = real_make_core("shared", "kernel", "causes.py reserved 8");
    const char *copy = real_copy(core.path, "causes-copy");
    cr_assert_eq(REAL_COMMAND("cp", "--sparse=never", core.path, copy).status, 0);
    struct real_core copied = core;
    copied.path = copy;
    json_t *first = real_report(&core, 0), *second = real_report(&copied, 0);
    cr_expect_str_eq(real_string(first, "memory.unwritten_by"), "holes");
    cr_expect_str_eq(real_string(second, "memory.unwritten_by"), "zeroes");
    check_verdict(&core, second);
    json_int_t with = real_number(first, "memory.used_bytes");
    json_int_t without = real_number(second, "memory.used_bytes");
    cr_expect(without <= with && without > with - (1 << 20), "%lld and %lld", with, without);
    real_drop_core(&core);
    unlink(copy);
}
