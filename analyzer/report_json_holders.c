// Who keeps objects in use, as a member of the JSON report.
#include "report_values.h"

static const char *root_name(enum holders_root_kind kind)
{
    switch (kind) {
    case HOLDERS_MODULE:
        return "module";
    case HOLDERS_FRAME:
        return "frame";
    case HOLDERS_STATE:
        return "state";
    case HOLDERS_OUTSIDE:
        break;
    }
    return "outside";
}

static const char *place_name(enum holders_place place)
{
    switch (place) {
    case HOLDERS_IN_STATIC:
        return "static data";
    case HOLDERS_IN_UNTRACKED:
        return "untracked object";
    case HOLDERS_IN_UNVISITED:
        return "unvisited member";
    case HOLDERS_IN_FRAME:
        return "value stack";
    case HOLDERS_IN_STACK:
        return "thread";
    case HOLDERS_IN_MEMORY:
        return "memory";
    case HOLDERS_NOWHERE:
        break;
    }
    return "nowhere";
}

static json_t *make_steps(const struct holders_path *path)
{
    json_t *steps = json_array();
    for (size_t i = 0; i < path->step_count; i++)
        json_array_append_new(steps, json_pack("{s:o, s:o, s:o, s:o}", "address",
                                               value_address(path->steps[i].object), "type",
                                               value_name(path->steps[i].type), "edge",
                                               value_name(path->steps[i].edge), "key_edge",
                                               value_name(path->steps[i].key_edge)));
    return steps;
}

static json_t *make_path(const struct holders_path *path)
{
    return json_pack("{s:b, s:o, s:o, s:o, s:{s:s, s:o, s:o, s:o}, s:o, s:o}", "listed",
                     path->listed, "type", value_name(path->type), "count",
                     value_number(path->count), "example", value_address(path->example), "root",
                     "kind", root_name(path->kind), "name", value_name(path->root), "file",
                     value_name(path->file), "line",
                     path->file ? json_integer(path->line) : json_null(), "steps_left_out",
                     value_number(path->steps_left_out), "steps", make_steps(path));
}

static json_t *make_surplus(const struct holders_surplus *surplus)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o}", "type",
                     value_name(surplus->type), "objects", value_number(surplus->objects),
                     "references", value_number(surplus->references), "example",
                     value_address(surplus->example), "place", place_name(surplus->place), "name",
                     value_name(surplus->name), "file", value_name(surplus->file), "thread",
                     surplus->place == HOLDERS_IN_STACK ? value_number(surplus->tid) : json_null(),
                     "at", surplus->at ? value_address(surplus->at) : json_null());
}

static json_t *make_overdrawn(const struct holders_overdrawn *overdrawn)
{
    return json_pack("{s:o, s:o, s:o}", "type", value_name(overdrawn->type), "objects",
                     value_number(overdrawn->objects), "example",
                     value_address(overdrawn->example));
}

static size_t shown(size_t count, uint64_t limit)
{
    return limit && count > limit ? limit : count;
}

json_t *value_holders(const struct report *report)
{
    static const struct holders none;
    const struct holders *holders = report->holders ? report->holders : &none;
    json_t *paths = json_array(), *surplus = json_array(), *overdrawn = json_array();
    for (size_t i = 0; i < shown(holders->path_count, report->limit); i++)
        json_array_append_new(paths, make_path(&holders->paths[i]));
    for (size_t i = 0; i < shown(holders->surplus_count, report->limit); i++)
        json_array_append_new(surplus, make_surplus(&holders->surplus[i]));
    for (size_t i = 0; i < shown(holders->overdrawn_count, report->limit); i++)
        json_array_append_new(overdrawn, make_overdrawn(&holders->overdrawn[i]));
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "listed",
        value_number(holders->listed), "cycles", value_number(holders->cycles), "untraced",
        value_number(holders->untraced), "paths_total", value_number(holders->path_count), "paths",
        paths, "audited", value_number(holders->audited), "unexplained",
        value_number(holders->unexplained), "surplus_total", value_number(holders->surplus_count),
        "surplus", surplus, "audit_cut", value_number(holders->audit_cut), "words_cut",
        holders->words_cut, "overdrawn", overdrawn);
}
