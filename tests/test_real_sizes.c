// However many findings there are, a report stays as large as --limit and --max-size let it.
#include "common.h"

#include <string.h>

#include "real.h"

static const struct {
    const char *format;
    size_t most; // bytes, with names of ordinary length
} formats[] = {
    {"--format=text", 100000}, {"--format=json", 300000}, {"--format=markdown", 60000},
    {"--format=html", 300000}, {"--format=dot", 20000},   {"--format=folded", 500000},
};

enum {
    FOLDED = 5
};

static size_t size_as(const struct real_core *core, const char *format, const char *option)
{
    struct real_run run = REAL_RUN(format, core->path, option);
    cr_expect_eq(run.status, 0, "%s %s: %s", core->name, format, run.errors);
    return strlen(run.output);
}

static void expect_total(const struct real_core *core)
{
    json_t *report = real_parse(REAL_RUN("--format=json", core->path).output);
    cr_expect_eq(real_number(report, "findings_total"), real_number(core->truth, "findings_total"),
                 "%s", core->name);
    cr_expect_leq(json_array_size(real_json(report, "findings")), 100);
    json_decref(report);
}

Test(sizes, do_not_grow)
{
    static const char *const shapes[] = {"classes", "attributes", "ring", "star"};
    for (size_t i = 0; i < LENGTH(shapes); i++) {
        const char *small = real_format("many_classes.py 1000 %s", shapes[i]);
        const char *large =
            real_format("many_classes.py %s %s", i < 2 ? "20000" : "4000", shapes[i]);
        struct real_core few = real_make_core("shared", "kernel", small);
        struct real_core many = real_make_core("shared", "kernel", large);
        expect_total(&few);
        expect_total(&many);
        for (size_t j = 0; j < LENGTH(formats); j++) {
            const char *format = formats[j].format;
            size_t before = size_as(&few, format, NULL), now = size_as(&many, format, NULL);
            cr_expect_leq(now, formats[j].most, "%s %s", many.name, format);
            cr_expect(j == FOLDED || now < before + before / 10 + 500, "%s %s: %zu, then %zu",
                      many.name, format, before, now);
            size_t with_values = j == FOLDED ? 0 : size_as(&many, format, "--values");
            cr_expect_leq(with_values, formats[j].most, "%s %s --values", many.name, format);
        }
        real_drop_core(&many);
    }
}
