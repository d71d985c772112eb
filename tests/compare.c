#include "compare.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

// --- sorted texts

struct texts {
    const char **items;
    size_t count;
};

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct texts texts_create(size_t count)
{
    return (struct texts){calloc(count + 1, sizeof(char *)), count};
}

static void texts_sort(struct texts *texts)
{
    qsort(texts->items, texts->count, sizeof(char *), compare_texts);
}

static const char *texts_join(const struct texts *texts, size_t first, const char *between)
{
    size_t length = 1;
    for (size_t i = 0; i < texts->count; i++)
        length += strlen(texts->items[i]) + strlen(between);
    char *joined = malloc(length), *end = joined;
    cr_assert_not_null(joined);
    *end = '\0';
    for (size_t i = 0; i < texts->count; i++) {
        end = stpcpy(end, texts->items[(first + i) % texts->count]);
        end = stpcpy(end, between);
    }
    const char *text = real_format("%s", joined);
    free(joined);
    return text;
}

static bool texts_have(const struct texts *sorted, const char *text)
{
    return bsearch(&text, sorted->items, sorted->count, sizeof(char *), compare_texts);
}

static struct texts texts_from(const json_t *array)
{
    struct texts texts = texts_create(json_array_size(array));
    for (size_t i = 0; i < texts.count; i++)
        texts.items[i] = json_string_value(json_array_get(array, i));
    texts_sort(&texts);
    return texts;
}

// --- findings as text

static bool rotation_is_less(const struct texts *steps, size_t a, size_t b)
{
    for (size_t i = 0; i < steps->count; i++) {
        int order =
            strcmp(steps->items[(a + i) % steps->count], steps->items[(b + i) % steps->count]);
        if (order != 0)
            return order < 0;
    }
    return false;
}

// A step is [type, edge] in the truth, {"type", "edge"} in the report.
static const char *step_text(const json_t *step)
{
    if (json_is_array(step))
        return real_format("%s %s", json_string_value(json_array_get(step, 0)),
                           json_string_value(json_array_get(step, 1)));
    return real_format("%s %s", real_string(step, "type"), real_string(step, "edge"));
}

// From the smallest of its rotations.
static const char *cycle_text(const json_t *cycle)
{
    struct texts steps = texts_create(json_array_size(cycle));
    size_t start = 0;
    for (size_t i = 0; i < steps.count; i++)
        steps.items[i] = step_text(json_array_get(cycle, i));
    for (size_t i = 1; i < steps.count; i++)
        if (rotation_is_less(&steps, i, start))
            start = i;
    const char *text = texts_join(&steps, start, " -> ");
    free(steps.items);
    return text;
}

static const char *or_null(const json_t *finalizer, const char *member)
{
    const json_t *value = real_json(finalizer, member);
    return json_is_string(value) ? json_string_value(value) : "null";
}

static const char *finalizers_text(const json_t *finalizers)
{
    struct texts texts = texts_create(json_array_size(finalizers));
    for (size_t i = 0; i < texts.count; i++) {
        const json_t *finalizer = json_array_get(finalizers, i);
        texts.items[i] = real_format("%s by %s in %s:%lld, %s: %s", or_null(finalizer, "class"),
                                     or_null(finalizer, "defined_in"), or_null(finalizer, "file"),
                                     json_integer_value(real_json(finalizer, "line")),
                                     or_null(finalizer, "kind"), or_null(finalizer, "what"));
    }
    texts_sort(&texts);
    const char *text = texts_join(&texts, 0, "; ");
    free(texts.items);
    return text;
}

static const char *finding_text(const json_t *finding)
{
    return real_format("%s, %lld times, %lld objects: %s%s", real_string(finding, "state"),
                       real_number(finding, "count"), real_number(finding, "objects"),
                       cycle_text(real_json(finding, "cycle")),
                       finalizers_text(real_json(finding, "finalizers")));
}

static const char *findings_text(const json_t *findings)
{
    struct texts texts = texts_create(json_array_size(findings));
    for (size_t i = 0; i < texts.count; i++)
        texts.items[i] = finding_text(json_array_get(findings, i));
    texts_sort(&texts);
    const char *text = texts_join(&texts, 0, "\n");
    free(texts.items);
    return text;
}

// --- what is compared

void compare_garbage(const struct real_core *core, const json_t *report)
{
    const json_t *truth = core->truth;
    json_int_t length = real_number(report, "garbage.length");
    cr_expect_eq(length, real_number(truth, "garbage_length"),
                 "%s: gc.garbage has %lld items, not %lld", core->name,
                 real_number(truth, "garbage_length"), length);
    const json_t *wanted = json_object_get(truth, "garbage"); // left out when very long
    const json_t *got = real_json(report, "garbage.objects");
    for (size_t i = 0; i < json_array_size(wanted) && i < json_array_size(got); i++) {
        const char *right = json_string_value(json_array_get(wanted, i));
        const char *item = json_string_value(json_array_get(got, i));
        cr_expect_str_eq(item, right, "%s: gc.garbage[%zu] is %s, not %s", core->name, i, right,
                         item);
    }
    cr_expect(!wanted || json_array_size(got) == json_array_size(wanted),
              "%s: the report lists %zu of %zu items", core->name, json_array_size(got),
              json_array_size(wanted));
}

// The finding of the report with the same cycle and finalizers.
static const json_t *find_finding(const json_t *report, const json_t *wanted)
{
    const json_t *findings = real_json(report, "findings");
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *finding = json_array_get(findings, i);
        if (strcmp(finding_text(finding), finding_text(wanted)) == 0)
            return finding;
    }
    return NULL;
}

static void compare_held(const struct real_core *core, const json_t *report, const json_t *wanted)
{
    const json_t *finding = find_finding(report, wanted);
    const json_t *objects = json_object_get(wanted, "held_objects");
    const json_t *bytes = json_object_get(wanted, "held_bytes_at_least");
    if (!finding) // already told
        return;
    if (objects)
        cr_expect_eq(real_number(finding, "held_objects"), json_integer_value(objects),
                     "%s: holds %lld objects, not %lld", core->name, json_integer_value(objects),
                     real_number(finding, "held_objects"));
    if (bytes)
        cr_expect_geq(real_number(finding, "held_bytes"), json_integer_value(bytes),
                      "%s: holds at least %lld bytes, not %lld", core->name,
                      json_integer_value(bytes), real_number(finding, "held_bytes"));
    cr_expect_gt(real_number(finding, "bytes"), 0, "%s: no bytes", core->name);
}

static void compare_not_told(const struct real_core *core, const json_t *report)
{
    struct texts not_told = texts_from(real_json(core->truth, "not_told"));
    const json_t *findings = real_json(report, "findings");
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *cycle = real_json(json_array_get(findings, i), "cycle");
        for (size_t j = 0; j < json_array_size(cycle); j++) {
            const char *type = real_string(json_array_get(cycle, j), "type");
            cr_expect_not(texts_have(&not_told, type), "%s: tells of %s", core->name, type);
        }
    }
    free(not_told.items);
}

void compare_findings(const struct real_core *core, const json_t *report)
{
    const json_t *wanted = real_json(core->truth, "findings");
    const char *expected = findings_text(wanted);
    const char *got = findings_text(real_json(report, "findings"));
    cr_expect_str_eq(got, expected, "%s: findings are\n%snot\n%s", core->name, expected, got);
    for (size_t i = 0; i < json_array_size(wanted); i++)
        compare_held(core, report, json_array_get(wanted, i));
    compare_not_told(core, report);
}

// The component of the truth with this address, or -1.
static int find_component(const struct texts *components, size_t count, const char *address)
{
    for (size_t i = 0; i < count; i++)
        if (texts_have(&components[i], address))
            return (int)i;
    return -1;
}

static void compare_cycle(const struct real_core *core, const struct texts *components,
                          size_t count, const json_t *cycle)
{
    int first = -1;
    bool has_finalizer = false;
    for (size_t i = 0; i < json_array_size(cycle); i++) {
        const json_t *step = json_array_get(cycle, i);
        int in = find_component(components, count, real_string(step, "address"));
        cr_expect_geq(in, 0, "%s: %s is in no cycle", core->name, real_string(step, "address"));
        cr_expect(i == 0 || in == first, "%s: %s is not in the cycle it is told in", core->name,
                  real_string(step, "address"));
        first = in;
        has_finalizer |= json_is_true(real_json(step, "finalizer"));
    }
    cr_expect(has_finalizer, "%s: a cycle without finalizer is told", core->name);
}

void compare_components(const struct real_core *core, const json_t *report)
{
    const json_t *truth = json_object_get(core->truth, "components"); // not for large heaps
    if (!truth)
        return;
    size_t count = json_array_size(truth);
    struct texts *components = calloc(count + 1, sizeof(*components));
    for (size_t i = 0; i < count; i++)
        components[i] = texts_from(json_array_get(truth, i));
    const json_t *findings = real_json(report, "findings");
    for (size_t i = 0; i < json_array_size(findings); i++)
        compare_cycle(core, components, count, real_json(json_array_get(findings, i), "cycle"));
    for (size_t i = 0; i < count; i++)
        free(components[i].items);
    free(components);
}

static void compare_count(const struct real_core *core, const char *what, json_int_t got,
                          const char *member)
{
    const json_t *list = json_object_get(core->truth, member);
    if (!list) // not for large heaps
        return;
    cr_expect_eq(got, (json_int_t)json_array_size(list), "%s: %zu objects %s, not %lld", core->name,
                 json_array_size(list), what, got);
}

// What stays alive because the next collection finds it, less what one more will free.
static void compare_alive(const struct real_core *core, json_int_t pending)
{
    const json_t *alive = json_object_get(core->truth, "next_alive");
    const json_t *later = json_object_get(core->truth, "later_unreachable");
    json_int_t wanted = (json_int_t)json_array_size(alive) - (json_int_t)json_array_size(later);
    if (alive) // not for large heaps
        cr_expect_eq(pending, wanted, "%s: %lld objects pending, not %lld", core->name, wanted,
                     pending);
}

void compare_states(const struct real_core *core, const json_t *report)
{
    json_int_t uncollectable = real_number(report, "heap.states.uncollectable");
    json_int_t kept = real_number(report, "heap.states.kept");
    json_int_t pending = real_number(report, "heap.states.pending");
    json_int_t trash = real_number(report, "heap.states.trash");
    json_int_t reachable = real_number(report, "heap.states.reachable");
    compare_count(core, "only kept by gc.garbage", uncollectable + kept, "kept_by_garbage");
    compare_count(core, "unreachable", pending + trash, "next_unreachable");
    compare_alive(core, pending);
    compare_count(core, "kept by gc.garbage after the next collection",
                  uncollectable + kept + pending, "next_kept_by_garbage");
    cr_expect_eq(reachable + uncollectable + kept + pending + trash,
                 real_number(report, "heap.objects"), "%s: the states do not add up", core->name);
}

void compare_coverage(const struct real_core *core, const json_t *report)
{
    static const char *const members[] = {"opaque_objects", "unreadable_objects",
                                          "unreadable_parts", "broken_links", "overdrawn_objects"};
    const json_t *heap = real_json(report, "heap");
    for (size_t i = 0; i < LENGTH(members); i++)
        cr_expect_eq(real_number(heap, members[i]), 0, "%s: %s is %lld", core->name, members[i],
                     real_number(heap, members[i]));
    cr_expect(json_is_true(real_json(heap, "complete")), "%s: not complete", core->name);
}

// By symbol, or else by running code, which needs the file and the gc module to be imported.
static bool flags_are_known(const json_t *report)
{
    const json_t *source = real_json(report, "collector.flags_source");
#ifdef HAVE_UNICORN
    bool by_code = strcmp(real_string(report, "core.architecture"), "x86_64") == 0 &&
                   strcmp(real_string(report, "garbage.source"), "module") == 0 &&
                   strcmp(real_string(report, "interpreter.recognized_from"), "file") == 0;
#else
    bool by_code = false;
#endif
    cr_expect(!by_code || json_is_string(source), "flags of the collector are not known");
    return json_is_string(source);
}

void compare_collector(const struct real_core *core, const json_t *report)
{
    const json_t *enabled = real_json(report, "collector.enabled");
    const json_t *collecting = real_json(report, "collector.collecting");
    const json_t *flags = real_json(report, "collector.debug_flags");
    bool known = flags_are_known(report);
    cr_expect(json_equal(enabled, known ? real_json(core->truth, "gc_enabled") : json_null()),
              "%s: enabled", core->name);
    cr_expect(known ? json_is_false(collecting) : json_is_null(collecting), "%s: collecting",
              core->name);
    cr_expect(json_equal(flags, known ? real_json(core->truth, "gc_debug") : json_null()),
              "%s: debug flags", core->name);
    const json_t *generations = real_json(report, "collector.generations");
    const json_t *thresholds = real_json(core->truth, "gc_thresholds");
    cr_expect_eq(json_array_size(generations), 3, "%s", core->name);
    for (size_t i = 0; i < 3; i++)
        cr_expect(json_equal(real_json(json_array_get(generations, i), "threshold"),
                             json_array_get(thresholds, i)),
                  "%s: threshold %zu", core->name, i);
}

void compare_report(const struct real_core *core, const json_t *report)
{
    compare_garbage(core, report);
    compare_findings(core, report);
    compare_components(core, report);
    compare_states(core, report);
    compare_collector(core, report);
    compare_coverage(core, report);
}

void compare_member(const struct real_core *core, const json_t *report, const json_t *expected,
                    const char *path)
{
    const json_t *got = real_json(report, path), *value = real_json(expected, path);
    cr_expect(json_equal(got, value), "%s: %s is %s, not %s", core->name, path,
              json_dumps(got, JSON_ENCODE_ANY | JSON_SORT_KEYS),
              json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS));
}

void compare_bare(const struct real_core *core, const json_t *bare, const json_t *full)
{
    static const char *const paths[] = {"findings",
                                        "heap",
                                        "garbage.address",
                                        "garbage.objects",
                                        "interpreter.version",
                                        "interpreter.unicode",
                                        "interpreter.interpreters"};
    for (size_t i = 0; i < LENGTH(paths); i++)
        compare_member(core, bare, full, paths[i]);
    compare_report(core, bare);
}
