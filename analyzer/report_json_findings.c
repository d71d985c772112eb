// The findings, as a member of the JSON report.
#include "report_sentences.h"
#include "report_values.h"

static json_t *make_cycle(const struct finding *finding, uint64_t limit, bool *cut)
{
    json_t *cycle = json_array();
    size_t shown = finding->steps_left_out ? FINDING_STEPS_FIRST : finding->step_count;
    if (limit && shown > limit)
        shown = limit;
    *cut = shown < finding->step_count;
    for (size_t i = 0; i < shown; i++) {
        const struct finding_step *step = &finding->steps[i];
        json_array_append_new(
            cycle, json_pack("{s:o, s:o, s:o, s:o, s:b}", "address", value_address(step->object),
                             "type", value_name(step->type), "edge", value_name(step->edge),
                             "key_edge", value_name(step->key_edge), "finalizer", step->finalizer));
    }
    return cycle;
}

// What makes it a finalizer, in one word; NULL: not known.
static const char *del_kind(const struct object_del *del)
{
    static const char *const words[] = {
        [OBJECT_DEL_FUNCTION] = "function",
        [OBJECT_DEL_BUILTIN] = "builtin",
        [OBJECT_DEL_DESCRIPTOR] = "descriptor",
        [OBJECT_DEL_WRAPPER] = "wrapper",
        [OBJECT_DEL_TYPE] = "class",
        [OBJECT_DEL_OBJECT] = "object",
    };
    if (del->kind == OBJECT_DEL_GENERATOR)
        return "generator";
    return del->kind == OBJECT_DEL_SLOT ? "slot" : words[del->value];
}

static json_t *make_finalizers(const struct finding *finding)
{
    json_t *finalizers = json_array();
    for (size_t i = 0; i < finding->finalizer_count; i++) {
        const struct finding_finalizer *finalizer = &finding->finalizers[i];
        json_array_append_new(
            finalizers,
            json_pack("{s:o, s:o, s:o, s:o, s:s?, s:o}", "class", value_name(finalizer->class),
                      "defined_in", value_name(finalizer->del.defined_in), "file",
                      value_name(finalizer->del.file), "line",
                      finalizer->del.file && finalizer->del.kind != OBJECT_DEL_SLOT
                          ? json_integer(finalizer->del.line)
                          : json_null(),
                      "kind", del_kind(&finalizer->del), "what", value_name(finalizer->del.what)));
    }
    return finalizers;
}

static json_t *make_origins(const struct origins *origins)
{
    json_t *list = json_array();
    for (size_t i = 0; i < origins->count; i++)
        json_array_append_new(list, value_place(origins->items[i].function, origins->items[i].file,
                                                origins->items[i].line));
    return list;
}

// `step` is an index into the cycle. Only the first is looked up in the source.
static json_t *make_breaks(const struct finding *finding)
{
    json_t *breaks = json_array();
    for (size_t i = 0; i < finding->break_count; i++) {
        const struct finding_step *step = finding_find_step(finding, finding->breaks[i].step);
        json_t *entry = json_pack(
            "{s:o, s:o, s:o, s:s, s:b}", "step", value_number(finding->breaks[i].step), "type",
            value_name(step->type), "edge", value_name(step->edge), "kind",
            report_break_name(finding->breaks[i].kind), "every", finding->breaks[i].every);
        if (i == 0)
            json_object_set_new(entry, "set_in", make_origins(&finding->origins));
        json_array_append_new(breaks, entry);
    }
    return breaks;
}

// Of the answer that is told first.
static json_t *make_check(const struct finding *finding)
{
    struct finding_tally tally = finding_first_tally(finding);
    return json_pack("{s:o, s:o, s:o}", "uneven", value_number(finding->uneven), "replayed",
                     value_number(tally.replayed), "freed", value_number(tally.freed));
}

// A set of which all are to be broken; `step` as above, null where the cycle does not pass it.
static json_t *make_set(const struct finding_set *set)
{
    static const char *const states[] = {
        [FINDING_SET_NOT_TRIED] = "not tried",
        [FINDING_SET_NONE] = "none",
        [FINDING_SET_FOUND] = "found",
        [FINDING_SET_TOO_LARGE] = "too large",
    };
    json_t *changes = json_array();
    for (size_t i = 0; i < set->count; i++) {
        const struct finding_change *change = &set->items[i];
        json_array_append_new(
            changes,
            json_pack("{s:o, s:o, s:o, s:s, s:o}", "step",
                      change->drawn == SIZE_MAX ? json_null() : value_number(change->drawn), "type",
                      value_name(change->step->type), "edge", value_name(change->step->edge),
                      "kind", report_break_name(change->kind), "set_in",
                      make_origins(&change->origins)));
    }
    return json_pack("{s:s, s:o, s:o}", "state", states[set->state], "size",
                     value_number(set->size), "changes", changes);
}

static json_t *make_sizes(const struct finding_sizes *sizes)
{
    json_t *histogram = json_array();
    for (unsigned i = 0; i < FINDING_SIZES; i++)
        if (sizes->counts[i])
            json_array_append_new(histogram, json_pack("{s:o, s:o, s:o}", "from",
                                                       value_number(UINT64_C(1) << i), "to",
                                                       value_number((UINT64_C(1) << (i + 1)) - 1),
                                                       "cycles", value_number(sizes->counts[i])));
    return json_pack("{s:o, s:o, s:o, s:o}", "min", value_number(sizes->least), "median",
                     value_number(sizes->median), "max", value_number(sizes->most), "histogram",
                     histogram);
}

static json_t *make_finding(const struct report *report, const struct finding *finding)
{
    const char *certainty = report_certainty(report, finding->state);
    bool cut;
    json_t *cycle = make_cycle(finding, report->limit, &cut);
    return json_pack(
        "{s:s, s:s, s:s?, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:b}",
        "signature", finding->signature, "state",
        certainty ? "in_cycle" : report_state_name(finding->state), "certainty", certainty, "count",
        value_number(finding->count), "objects", value_number(finding->objects), "bytes",
        value_number(finding->bytes), "held_objects", value_number(finding->held_objects),
        "held_bytes", value_number(finding->held_bytes), "cycle", cycle, "cycle_cut", cut,
        "cycle_length", value_number(finding->step_count), "finalizers", make_finalizers(finding),
        "breaks", make_breaks(finding), "breaks_tried", value_number(finding->breaks_tried),
        "breaks_check", make_check(finding), "break_set", make_set(&finding->set),
        "objects_per_cycle", make_sizes(&finding->sizes), "values", value_contents(report, finding),
        "break_name_lost", is_break_unnamed(report, finding));
}

json_t *value_findings(const struct report *report)
{
    json_t *findings = json_array();
    size_t shown = report->findings->count;
    if (report->limit && shown > report->limit)
        shown = report->limit;
    for (size_t i = 0; i < shown; i++)
        json_array_append_new(findings, make_finding(report, &report->findings->items[i]));
    return findings;
}
