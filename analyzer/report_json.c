// The JSON report. Its members are a contract: they may be added to, never renamed.
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "report.h"
#include "version.h"

enum {
    SCHEMA_VERSION = 1,
    ADDRESS_MAX = 24
};

static json_t *name_or_null(const char *name)
{
    char *clean = name ? report_clean_name(name) : NULL;
    json_t *value = clean ? json_string(clean) : json_null();
    free(clean);
    return value;
}

static json_t *address(vaddr at)
{
    char text[ADDRESS_MAX];
    snprintf(text, sizeof(text), "0x%" PRIx64, at);
    return json_string(text);
}

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *flag_or_null(const struct runtime_flag *flag)
{
    return flag->known ? json_boolean(flag->value) : json_null();
}

static json_t *make_core(const struct report *report)
{
    const struct core *core = report->core;
    const char *signal = core_signal_name(core->signal);
    char text[ADDRESS_MAX];
    if (!signal && core->signal) {
        snprintf(text, sizeof(text), "signal %d", core->signal);
        signal = text;
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:s?, s:s, s:o, s:b, s:o}", "file",
                     name_or_null(core->path), "size", number(core->size), "pid",
                     core->has_prpsinfo ? number(core->pid) : json_null(), "command",
                     name_or_null(core->command), "signal", signal, "architecture",
                     core->architecture, "threads", number(core->thread_count), "complete",
                     core->complete, "bytes_missing", number(core->bytes_missing));
}

static json_t *id_or_null(const struct build_id *id)
{
    char text[2 * BUILD_ID_MAX + 1];
    if (!id || !id->size)
        return json_null();
    build_id_format(id, text, sizeof(text));
    return json_string(text);
}

// The build-id is the file's, or, without the file, the one that the core saved of it.
static json_t *make_interpreter(const struct report *report)
{
    const struct interpreter *interpreter = report->interpreter;
    const struct runtime *runtime = &interpreter->runtime;
    const struct module *module = interpreter->module;
    const struct image *image = module ? module->image : NULL;
    json_t *match = !image || module->match == MODULE_UNCHECKED || module->match == MODULE_FROM_CORE
                        ? json_null()
                        : json_boolean(module->match == MODULE_MATCHES);
    return json_pack(
        "{s:s?, s:s, s:b, s:o, s:o, s:o, s:s, s:o, s:s, s:s, s:i, s:i, s:s, s:i, s:b, s:b, s:b, s:b, s:o, s:b, "
        "s:o, s:b}",
        "version", *runtime->version ? runtime->version : NULL, "unicode",
        runtime->unicode_width == 2 ? "ucs2" : "ucs4", "debug_build", interpreter->debug_build,
        "file", name_or_null(image ? image->path : NULL), "build_id",
        id_or_null(image    ? &image->build_id
                   : module ? &module->core_build_id
                            : NULL),
        "build_id_match", match, "recognized_from", interpreter->recognition ? "core" : "file",
        "file_in_core", name_or_null(module ? module->path : NULL), "layout_source",
        interpreter->has_dwarf ? "dwarf" : "builtin", "layout_column", runtime->layout.column->name,
        "layout_dwarf_members", (int)runtime->layout.dwarf_values, "layout_dwarf_differences",
        (int)runtime->layout.dwarf_differences, "layout_origin", runtime->layout.column->origin,
        "layout_rivals", (int)runtime->layout.rivals, "layout_by_version",
        runtime->layout.by_version, "gc_head_by_evidence", runtime->layout.head_by_evidence,
        "trace_refs", runtime->layout.column->trace_refs, "count_allocs",
        runtime->layout.count_allocs, "pymalloc",
        report->heap->by_pools ? json_true() : flag_or_null(&runtime->pymalloc), "pymalloc_debug",
        runtime->debug_malloc, "digit_bits",
        runtime->digit_width ? number(runtime->digit_width == 2 ? 15 : 30) : json_null(),
        "read_from_core", module && module->match == MODULE_FROM_CORE);
}

static json_t *make_collector(const struct report *report)
{
    const struct runtime *runtime = &report->interpreter->runtime;
    json_t *generations = json_array();
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        json_array_append_new(generations,
                              json_pack("{s:I, s:I, s:o}", "threshold",
                                        (json_int_t)runtime->generations[i].threshold, "count",
                                        (json_int_t)runtime->generations[i].count, "objects",
                                        number(report->heap->generation_objects[i])));
    return json_pack("{s:o, s:o, s:o, s:o}", "enabled", flag_or_null(&runtime->enabled),
                     "collecting", flag_or_null(&runtime->collecting), "debug_flags",
                     runtime->debug.known ? json_integer(runtime->debug.value) : json_null(),
                     "generations", generations);
}

static json_t *make_opaque_types(const struct report *report)
{
    json_t *types = json_array();
    size_t shown = report->opaque_type_count;
    if (report->limit && shown > report->limit)
        shown = report->limit;
    for (size_t i = 0; i < shown; i++)
        json_array_append_new(types, json_pack("{s:o, s:o}", "type",
                                               name_or_null(report->opaque_types[i].name),
                                               "objects", number(report->opaque_types[i].objects)));
    return types;
}

static json_t *make_heap(const struct report *report)
{
    const struct heap *heap = report->heap;
    const struct heap_losses *losses = &heap->losses;
    const struct collect_totals *totals = report->totals;
    json_t *states = json_pack(
        "{s:o, s:o, s:o, s:o, s:o}", report_state_name(COLLECT_REACHABLE),
        number(totals->objects[COLLECT_REACHABLE]), report_state_name(COLLECT_UNCOLLECTABLE),
        number(totals->objects[COLLECT_UNCOLLECTABLE]), report_state_name(COLLECT_PENDING),
        number(totals->objects[COLLECT_PENDING]), report_state_name(COLLECT_TRASH),
        number(totals->objects[COLLECT_TRASH]), report_state_name(COLLECT_KEPT),
        number(totals->objects[COLLECT_KEPT]));
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "objects",
        number(heap->count), "edges", number(heap->edges), "bytes", number(heap->bytes),
        "opaque_objects", number(heap->opaque_objects), "emulated_objects",
        number(heap->coded_objects), "opaque_types", make_opaque_types(report),
        "unreadable_objects", number(losses->unreadable_objects), "unreadable_parts",
        number(losses->unreadable_parts + losses->unreadable_sizes), "broken_links",
        number(losses->broken_links), "objects_in_flux", number(losses->objects_in_flux),
        "overdrawn_objects", number(totals->overdrawn), "states", states, "complete",
        json_boolean(report_is_complete(report)));
}

static const char *source_name(enum garbage_source source)
{
    switch (source) {
    case GARBAGE_BY_SYMBOL:
        return "symbol";
    case GARBAGE_BY_MODULE:
        return "module";
    case GARBAGE_BY_EVIDENCE:
        return "evidence";
    case GARBAGE_EMPTY:
        return "empty";
    case GARBAGE_NONE_YET:
        return "not made yet";
    case GARBAGE_NOT_FOUND:
        break;
    }
    return "not found";
}

static json_t *make_garbage(const struct report *report)
{
    uint64_t shown = report->garbage_read;
    json_t *objects = json_array();
    if (report->limit && shown > report->limit)
        shown = report->limit;
    for (uint64_t i = 0; i < shown; i++)
        json_array_append_new(objects, address(report->garbage_objects[i]));
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:b, s:o}", "address",
                     report->garbage ? address(report->garbage) : json_null(), "source",
                     source_name(report->garbage_source), "length", number(report->garbage_length),
                     "pending", number(report->pending_finalizers), "kept_bytes",
                     number(report->kept_bytes), "objects_cut", shown < report->garbage_length,
                     "objects", objects);
}

static json_t *make_cycle(const struct finding *finding, uint64_t limit, bool *cut)
{
    json_t *cycle = json_array();
    *cut = limit && finding->step_count > limit;
    size_t shown = *cut ? limit : finding->step_count;
    for (size_t i = 0; i < shown; i++) {
        const struct finding_step *step = &finding->steps[i];
        json_array_append_new(cycle,
                              json_pack("{s:o, s:o, s:o, s:b}", "address", address(step->object),
                                        "type", name_or_null(step->type), "edge",
                                        name_or_null(step->edge), "finalizer", step->finalizer));
    }
    return cycle;
}

static json_t *make_finalizers(const struct finding *finding)
{
    json_t *finalizers = json_array();
    for (size_t i = 0; i < finding->finalizer_count; i++) {
        const struct finding_finalizer *finalizer = &finding->finalizers[i];
        json_array_append_new(
            finalizers,
            json_pack("{s:o, s:o, s:o, s:o}", "class", name_or_null(finalizer->class), "defined_in",
                      name_or_null(finalizer->del.defined_in), "file",
                      name_or_null(finalizer->del.file), "line",
                      finalizer->del.file ? json_integer(finalizer->del.line) : json_null()));
    }
    return finalizers;
}

static json_t *make_finding(const struct finding *finding, uint64_t limit)
{
    bool cut;
    json_t *cycle = make_cycle(finding, limit, &cut);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "signature",
                     finding->signature, "state", report_state_name(finding->state), "count",
                     number(finding->count), "objects", number(finding->objects), "bytes",
                     number(finding->bytes), "held_objects", number(finding->held_objects),
                     "held_bytes", number(finding->held_bytes), "cycle", cycle, "cycle_cut", cut,
                     "finalizers", make_finalizers(finding));
}

static json_t *make_findings(const struct report *report)
{
    json_t *findings = json_array();
    size_t shown = report->findings->count;
    if (report->limit && shown > report->limit)
        shown = report->limit;
    for (size_t i = 0; i < shown; i++)
        json_array_append_new(findings, make_finding(&report->findings->items[i], report->limit));
    return findings;
}

struct failure *report_json(const struct report *report, FILE *file)
{
    const struct findings *findings = report->findings;
    json_t *root = json_pack(
        "{s:i, s:{s:s, s:s}, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o}}", "schema_version",
        SCHEMA_VERSION, "tool", "name", PROGRAM_NAME, "version", PYCORE_GARBAGE_VERSION, "core",
        make_core(report), "interpreter", make_interpreter(report), "collector",
        make_collector(report), "heap", make_heap(report), "garbage", make_garbage(report),
        "findings", make_findings(report), "findings_total", number(findings->count), "shared",
        "objects", number(findings->shared_objects), "bytes", number(findings->shared_bytes));
    if (!root)
        return failure_no_memory();
    // A write that fails shows in ferror; anything else is a lack of memory.
    int status = json_dumpf(root, file, JSON_INDENT(1));
    json_decref(root);
    if (status != 0 && !ferror(file))
        return failure_no_memory();
    fputc('\n', file);
    return NULL;
}
