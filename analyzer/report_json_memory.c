// What the memory was used for, and the verdict, as members of the JSON report.
#include "report_values.h"

static json_t *make_count(const struct census_count *count)
{
    return json_pack("{s:o, s:o}", "objects", value_number(count->objects), "bytes",
                     value_number(count->bytes));
}

static const char *kind_name(enum census_kind kind)
{
    switch (kind) {
    case CENSUS_BRK:
        return "brk";
    case CENSUS_ANONYMOUS:
        return "anonymous";
    case CENSUS_SHARED:
        return "shared";
    case CENSUS_FILE:
        return "file";
    case CENSUS_STACK:
    case CENSUS_KINDS:
        break;
    }
    return "stack";
}

static json_t *make_types(const struct report *report)
{
    const struct census *census = report->census;
    json_t *types = json_array();
    for (size_t i = 0; i < census->type_count && (!report->limit || i < report->limit); i++) {
        const struct census_type *type = &census->types[i];
        json_array_append_new(
            types, json_pack("{s:o, s:o, s:o, s:o}", "type", value_name(type->name), "live",
                             make_count(&type->live), "garbage", make_count(&type->garbage),
                             "trash", make_count(&type->trash)));
    }
    return types;
}

static json_t *make_mappings(const struct report *report)
{
    const struct census *census = report->census;
    json_t *mappings = json_array();
    for (size_t i = 0; i < census->mapping_count && (!report->limit || i < report->limit); i++) {
        const struct census_mapping *mapping = &census->mappings[i];
        json_array_append_new(
            mappings,
            json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "address",
                      value_address(mapping->start), "kind", kind_name(mapping->kind), "path",
                      value_name(mapping->path), "size", value_number(mapping->size), "saved",
                      value_number(mapping->saved), "used", value_number(mapping->used), "pools",
                      value_number(mapping->pools), "objects", value_number(mapping->objects),
                      "other", value_number(census_other(mapping))));
    }
    return mappings;
}

static json_t *make_states(const struct census *census)
{
    static const enum collect_state states[] = {COLLECT_REACHABLE, COLLECT_UNCOLLECTABLE,
                                                COLLECT_PENDING, COLLECT_TRASH, COLLECT_KEPT};
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        json_object_set_new(object, report_state_name(states[i]),
                            make_count(&census->states[states[i]]));
    json_object_set_new(object, "untracked", make_count(&census->untracked));
    return object;
}

static json_t *make_pools(const struct census *census)
{
    const struct census_pools *pools = &census->pools;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "arenas",
                     value_number(pools->arenas), "pools", value_number(pools->pools), "free_pools",
                     value_number(pools->free_pools), "live_bytes", value_number(pools->live_bytes),
                     "free_bytes", value_number(pools->free_bytes), "free_pool_bytes",
                     value_number(pools->free_pool_bytes), "lost_bytes",
                     value_number(pools->lost_bytes), "parts", make_count(&census->parts),
                     "free_lists", make_count(&census->cached));
}

static json_t *make_other(const struct census *census)
{
    json_t *object = json_pack("{s:o}", "bytes", value_number(census->other_bytes));
    for (int kind = 0; kind < CENSUS_KINDS; kind++)
        json_object_set_new(object, kind_name((enum census_kind)kind),
                            value_number(census->other_kinds[kind]));
    return object;
}

json_t *value_memory(const struct report *report)
{
    const struct census *census = report->census;
    if (!census)
        return json_null();
    return json_pack(
        "{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o}}", "used_bytes",
        value_number(census->used_bytes), "python_bytes", value_number(census->python_bytes),
        "unwritten_by", census->has_holes ? "holes" : "zeroes", "states", make_states(census),
        "types", make_types(report), "types_total", value_number(census->type_count), "pymalloc",
        make_pools(census), "other", make_other(census), "mappings", make_mappings(report),
        "mappings_total", value_number(census->mapping_count), "coverage", "core_bytes",
        value_number(census->coverage.core), "file_bytes", value_number(census->coverage.files),
        "missing_bytes", value_number(census->coverage.missing));
}

json_t *value_verdict(const struct report *report)
{
    const struct verdict *verdict = &report->verdict;
    if (verdict->cause == VERDICT_UNKNOWN)
        return json_null();
    json_t *bytes = json_object();
    for (int cause = VERDICT_GARBAGE; cause < VERDICT_CAUSES; cause++)
        json_object_set_new(bytes, verdict_cause_name((enum verdict_cause)cause),
                            value_number(verdict->bytes[cause]));
    return json_pack("{s:s, s:b, s:o, s:o, s:o, s:b}", "cause", verdict_cause_name(verdict->cause),
                     "explains", verdict->explains, "bytes", bytes, "used_bytes",
                     value_number(verdict->used_bytes), "garbage_objects",
                     value_number(verdict->garbage_objects), "lower_bounds",
                     !report_is_complete(report));
}
