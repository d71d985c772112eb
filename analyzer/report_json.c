// The JSON report. Its members are a contract: they may be added to, never renamed.
#include <inttypes.h>
#include <stdlib.h>

#include "report_sentences.h"
#include "report_values.h"
#include "version.h"

enum {
    SCHEMA_VERSION = 1,
    ADDRESS_MAX = 24,
    DIFFERENCES_MAX = 20 // listed; layout_dwarf_differences says how many there are
};

json_t *value_name(const char *name)
{
    char *clean = name ? report_clean_name(name) : NULL;
    json_t *value = clean ? json_string(clean) : json_null();
    free(clean);
    return value;
}

json_t *value_address(vaddr at)
{
    char text[ADDRESS_MAX];
    snprintf(text, sizeof(text), "0x%" PRIx64, at);
    return json_string(text);
}

json_t *value_number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *flag_or_null(const struct runtime_flag *flag)
{
    return flag->known ? json_boolean(flag->value) : json_null();
}

// What the core was taken out of; null: nothing, the file is the core.
static json_t *make_unpacked(const struct unpacked *unpacked)
{
    if (!unpacked)
        return json_null();
    json_t *layers = json_array(), *damage = json_null();
    for (size_t i = 0; i < unpacked->layer_count; i++)
        json_array_append_new(layers, json_string(unpacked->layers[i]));
    if (unpacked->damage)
        damage =
            json_pack("{s:o, s:o, s:o}", "offset", value_number(unpacked->damage_at), "core_offset",
                      value_number(unpacked->size), "reason", value_name(unpacked->damage));
    return json_pack("{s:o, s:b, s:o, s:o}", "layers", layers, "piped", unpacked->piped,
                     "packed_size", value_number(unpacked->packed_size), "damage", damage);
}

json_t *value_core(const struct core *core, const struct missing *missing, bool with_values)
{
    const char *signal = core_signal_name(core->signal);
    bool has_more = core->arguments && *core->arguments;
    char text[ADDRESS_MAX];
    if (!signal && core->signal) {
        snprintf(text, sizeof(text), "signal %d", core->signal);
        signal = text;
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:s?, s:s, s:o, s:b, s:o, s:o, s:o, s:o}",
                     "file", value_name(core->path), "size", value_number(core->size), "pid",
                     core->has_prpsinfo ? value_number(core->pid) : json_null(), "command",
                     value_name(core->command), "arguments",
                     value_name(has_more && with_values ? core->arguments : NULL),
                     "arguments_hidden", has_more && !with_values, "signal", signal, "architecture",
                     core->architecture, "threads", value_number(core->thread_count), "complete",
                     core->complete, "bytes_missing", value_number(core->bytes_missing),
                     "bytes_overlapping", value_number(core->bytes_overlapping), "missing",
                     value_missing(missing), "unpacked", make_unpacked(core->unpacked));
}

static json_t *id_or_null(const struct build_id *id)
{
    char text[2 * BUILD_ID_MAX + 1];
    if (!id)
        return json_null();
    build_id_format(id, text, sizeof(text));
    return json_string(text);
}

// The first members that DWARF does not have where the column has them.
static void add_differences(const struct layout *layout, json_t *object)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < LAYOUT_MEMBER_COUNT; i++) {
        const struct layout_value *column = &layout->replaced[i], *dwarf = &layout->values[i];
        if (!layout->differs[i] || json_array_size(list) == DIFFERENCES_MAX)
            continue;
        json_array_append_new(list, json_pack("{s:s, s:s, s:{s:i, s:i}, s:{s:i, s:i}}", "type",
                                              layout_rows[i].type, "member", layout_rows[i].path,
                                              "column", "offset", (int)column->offset, "width",
                                              (int)column->width, "dwarf", "offset",
                                              (int)dwarf->offset, "width", (int)dwarf->width));
    }
    json_object_set_new(object, "layout_dwarf_different", list);
}

// Where the DWARF is from, and the notes about files that were not taken.
static json_t *add_debug_file(const struct interpreter *interpreter, json_t *object)
{
    const struct debug_file *found = &interpreter->debug_file;
    const char *source = debug_file_source_text(found->source);
    json_t *notes = json_array();
    for (size_t i = 0; i < found->note_count; i++)
        json_array_append_new(notes, value_name(found->notes[i]));
    json_object_set_new(object, "layout_dwarf_file",
                        value_name(interpreter_dwarf_file(interpreter)));
    json_object_set_new(object, "layout_dwarf_added",
                        json_integer(interpreter->runtime.layout.dwarf_added));
    json_object_set_new(object, "layout_known_build", json_boolean(interpreter->known_build));
    json_object_set_new(object, "layout_dwarf_found", source ? json_string(source) : json_null());
    json_object_set_new(object, "debug_file_notes", notes);
    add_differences(&interpreter->runtime.layout, object);
    return object;
}

// The build-id is the file's, or, without the file, the one that the core saved of it.
json_t *value_interpreter(const struct interpreter *interpreter)
{
    const struct runtime *runtime = &interpreter->runtime;
    const struct module *module = interpreter->module;
    const struct image *image = module ? module->image : NULL;
    json_t *match = !image || module->match == MODULE_UNCHECKED || module->match == MODULE_FROM_CORE
                        ? json_null()
                        : json_boolean(module->match == MODULE_MATCHES);
    json_t *object = json_pack(
        "{s:s?, s:s, s:b, s:o, s:o, s:o, s:s, s:o, s:s, s:s, s:i, s:i, s:s, s:i, s:b, s:b, s:b, s:b, s:o, s:b, "
        "s:o, s:b, s:o}",
        "version", *runtime->version ? runtime->version : NULL, "unicode",
        runtime->unicode_width == 2 ? "ucs2" : "ucs4", "debug_build", interpreter->debug_build,
        "file", value_name(image ? image->path : NULL), "build_id",
        id_or_null(interpreter_build_id(interpreter)), "build_id_match", match, "recognized_from",
        interpreter->recognition ? "core" : "file", "file_in_core",
        value_name(module ? module->path : NULL), "layout_source",
        interpreter->has_dwarf ? "dwarf" : "builtin", "layout_column", runtime->layout.column->name,
        "layout_dwarf_members", (int)runtime->layout.dwarf_values, "layout_dwarf_differences",
        (int)runtime->layout.dwarf_differences, "layout_origin", runtime->layout.column->origin,
        "layout_rivals", (int)runtime->layout.rivals, "layout_by_version",
        runtime->layout.by_version, "gc_head_by_evidence", runtime->layout.head_by_evidence,
        "trace_refs", runtime->layout.column->trace_refs, "count_allocs",
        runtime->layout.count_allocs, "pymalloc", flag_or_null(&runtime->pymalloc),
        "pymalloc_debug", runtime->debug_malloc, "digit_bits",
        runtime->digit_width ? value_number(runtime->digit_width == 2 ? 15 : 30) : json_null(),
        "read_from_core", module && module->match == MODULE_FROM_CORE, "interpreters", json_null());
    json_object_set_new(object, "static_data_missing",
                        value_number(interpreter->source.data_missing));
    return add_debug_file(interpreter, object);
}

// With what reading the heap and the threads told of it.
static json_t *make_interpreter(const struct report *report)
{
    json_t *object = value_interpreter(report->interpreter);
    if (report->heap->by_pools)
        json_object_set_new(object, "pymalloc", json_true());
    if (report->stacks)
        json_object_set_new(object, "interpreters", value_number(report->stacks->interpreters));
    return object;
}

static json_t *make_debug_flag_names(const struct runtime_flag *debug)
{
    if (!debug->known)
        return json_null();
    json_t *names = json_array();
    for (unsigned bit = 0; bit < RUNTIME_DEBUG_FLAGS; bit++)
        if (debug->value >> bit & 1)
            json_array_append_new(names, json_string(runtime_debug_flag_name(bit)));
    return names;
}

json_t *value_place(const char *function, const char *file, int64_t line)
{
    return json_pack("{s:o, s:o, s:o}", "function", value_name(function), "file", value_name(file),
                     "line", json_integer(line));
}

static json_t *make_thread(const struct stack *stack)
{
    json_t *frames = json_array();
    for (size_t i = 0; i < stack->frame_count; i++)
        json_array_append_new(frames, value_place(stack->frames[i].function, stack->frames[i].file,
                                                  stack->frames[i].line));
    return json_pack("{s:o, s:b, s:o, s:o, s:o}", "thread_id", value_address(stack->thread_id),
                     "holds_lock", stack->current, "alike", value_number(stack->alike), "depth",
                     value_number(stack->depth), "frames", frames);
}

static json_t *make_threads(const struct report *report)
{
    json_t *threads = json_array();
    size_t shown = report->stacks->count;
    if (report->limit && shown > report->limit)
        shown = report->limit;
    for (size_t i = 0; i < shown; i++)
        json_array_append_new(threads, make_thread(&report->stacks->items[i]));
    return threads;
}

static json_t *flags_source(const struct runtime *runtime)
{
    const struct runtime_flag *flags[] = {&runtime->enabled, &runtime->collecting, &runtime->debug};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (flags[i]->known)
            return json_string(flags[i]->by_code ? "code" : "symbol");
    return json_null();
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
                                        value_number(report->heap->generation_objects[i])));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "enabled",
                     flag_or_null(&runtime->enabled), "collecting",
                     flag_or_null(&runtime->collecting), "debug_flags",
                     runtime->debug.known ? json_integer(runtime->debug.value) : json_null(),
                     "debug_flag_names", make_debug_flag_names(&runtime->debug), "flags_source",
                     flags_source(runtime), "listed_aside",
                     value_number(report->heap->listed_on_stacks + report->heap->listed_elsewhere),
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
                                               value_name(report->opaque_types[i].name), "objects",
                                               value_number(report->opaque_types[i].objects)));
    return types;
}

static json_t *make_reasons(const struct heap_opaque_reason *reasons, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_pack("{s:s, s:o}", "traversal", reasons[i].text,
                                               "objects", value_number(reasons[i].objects)));
    return array;
}

static json_t *make_heap(const struct report *report)
{
    const struct heap *heap = report->heap;
    const struct heap_losses *losses = &heap->losses;
    const struct collect_totals *totals = report->totals;
    json_t *states = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o}", report_state_name(COLLECT_REACHABLE),
        value_number(totals->objects[COLLECT_REACHABLE]), report_state_name(COLLECT_UNCOLLECTABLE),
        value_number(totals->objects[COLLECT_UNCOLLECTABLE]), report_state_name(COLLECT_PENDING),
        value_number(totals->objects[COLLECT_PENDING]), report_state_name(COLLECT_TRASH),
        value_number(totals->objects[COLLECT_TRASH]), report_state_name(COLLECT_KEPT),
        value_number(totals->objects[COLLECT_KEPT]), report_state_name(COLLECT_SUSPECT),
        value_number(totals->objects[COLLECT_SUSPECT]));
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "objects", value_number(heap->count), "edges", value_number(heap->edges), "bytes",
        value_number(heap->bytes), "opaque_objects", value_number(heap->opaque_objects),
        "emulated_objects", value_number(heap->coded_objects), "opaque_types",
        make_opaque_types(report), "opaque_reasons",
        make_reasons(report->opaque_reasons, report->opaque_reason_count), "unreadable_objects",
        value_number(losses->unreadable_objects), "unreadable_objects_at", value_unreadable(losses),
        "unreadable_parts", value_number(losses->unreadable_parts + losses->unreadable_sizes),
        "lost_reads", value_number(report->lost_reads), "broken_links",
        value_number(losses->tears.count), "broken_links_at", value_tears(&losses->tears),
        "lost_links", value_number(losses->tears.lost), "objects_in_flux",
        value_number(losses->objects_in_flux), "overdrawn_objects", value_number(totals->overdrawn),
        "states", states, "complete", json_boolean(report_is_complete(report)));
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
    case GARBAGE_LOST:
        return "lost";
    case GARBAGE_BY_ITEMS:
        return "items";
    case GARBAGE_NOT_FOUND:
        break;
    }
    return "not found";
}

static const char *binding_name(enum garbage_binding binding)
{
    switch (binding) {
    case GARBAGE_BINDING_SAME:
        return "same";
    case GARBAGE_BINDING_LIST:
        return "another list";
    case GARBAGE_BINDING_OTHER:
        return "no list";
    case GARBAGE_BINDING_DELETED:
        return "deleted";
    case GARBAGE_BINDING_UNKNOWN:
        break;
    }
    return "not known";
}

// What gc.garbage is in the gc module.
static json_t *make_binding(const struct report *report)
{
    bool list = report->garbage_binding == GARBAGE_BINDING_LIST;
    return json_pack("{s:s, s:o, s:o}", "is", binding_name(report->garbage_binding), "address",
                     report->garbage_bound ? value_address(report->garbage_bound) : json_null(),
                     "length", list ? value_number(report->garbage_bound_length) : json_null());
}

static json_t *make_items(const struct report_items *items)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "uncollectable", value_number(items->uncollectable),
                     "kept", value_number(items->kept), "in_use", value_number(items->in_use),
                     "untracked", value_number(items->untracked));
}

static json_t *make_garbage(const struct report *report)
{
    uint64_t shown = report->garbage_read;
    json_t *objects = json_array();
    if (report->limit && shown > report->limit)
        shown = report->limit;
    for (uint64_t i = 0; i < shown; i++)
        json_array_append_new(objects, value_address(report->garbage_objects[i]));
    return json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:b, s:o}", "address",
        report->garbage ? value_address(report->garbage) : json_null(), "source",
        source_name(report->garbage_source), "length", value_number(report->garbage_length),
        "pending", value_number(report->pending_finalizers), "kept_bytes",
        value_number(report->kept_bytes), "items", make_items(&report->garbage_items), "saveall",
        report_saves_all(report), "emptied", report->garbage_emptied, "in_gc_module",
        make_binding(report), "objects_cut", shown < report->garbage_length, "objects", objects);
}

json_t *value_document(void)
{
    return json_pack("{s:i, s:{s:s, s:s}}", "schema_version", SCHEMA_VERSION, "tool", "name",
                     PROGRAM_NAME, "version", PYCORE_GARBAGE_VERSION);
}

struct failure *value_write(json_t *root, FILE *file)
{
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

struct failure *report_json(const struct report *report, FILE *file)
{
    const struct findings *findings = report->findings;
    json_t *root = json_pack(
        "{s:i, s:{s:s, s:s}, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o}, s:o, s:o, s:o, s:o, "
        "s:o, s:b}",
        "schema_version", SCHEMA_VERSION, "tool", "name", PROGRAM_NAME, "version",
        PYCORE_GARBAGE_VERSION, "core",
        value_core(report->core, &report->missing, report->contents), "interpreter",
        make_interpreter(report), "collector", make_collector(report), "heap", make_heap(report),
        "garbage", make_garbage(report), "findings", value_findings(report), "findings_total",
        value_number(findings->count), "shared", "objects", value_number(findings->shared_objects),
        "bytes", value_number(findings->shared_bytes), "holders", value_holders(report), "threads",
        make_threads(report), "threads_total", value_number(report->stacks->count), "memory",
        value_memory(report), "verdict", value_verdict(report), "values_shown",
        report->contents != NULL);
    return value_write(root, file);
}

// --- what --verify found

static json_t *make_difference(const struct verify_type *type)
{
    const struct verify_difference *first = &type->first;
    if (!type->different)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "address", value_address(first->object),
                     "table_visits", value_number(first->table_visits), "code_visits",
                     value_number(first->code_visits), "position", value_number(first->position),
                     "table_type", value_name(first->table_type), "code_type",
                     value_name(first->code_type));
}

static json_t *make_verified_type(const struct verify *verify, const struct verify_type *type)
{
    struct heap_opaque_reason reasons[HEAP_OPAQUE_REASONS];
    size_t count = verify_list_reasons(verify, type, reasons);
    return json_pack("{s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o}", "type", value_name(type->name),
                     "objects", value_number(type->objects), "table", !type->by_code, "checked",
                     value_number(type->checked), "different", value_number(type->different),
                     "example", make_difference(type), "unchecked", value_number(type->unchecked),
                     "reasons", make_reasons(reasons, count));
}

// Those of which there is something to tell.
static json_t *make_problems(const struct verify *verify, uint64_t limit, bool *cut)
{
    json_t *problems = json_array();
    *cut = false;
    for (size_t i = 0; i < verify->count; i++) {
        const struct verify_type *type = &verify->types[i];
        if (!verify_type_is_told(type))
            continue;
        *cut = limit && json_array_size(problems) == limit;
        if (*cut)
            break;
        json_array_append_new(problems, make_verified_type(verify, type));
    }
    return problems;
}

static json_t *make_verify(const struct verify *verify, uint64_t limit)
{
    bool cut;
    json_t *problems = make_problems(verify, limit, &cut);
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o}", "limit",
        value_number(verify->limit), "objects", value_number(verify->heap->count), "types",
        value_number(verify->count), "types_checked", value_number(verify->checked_types),
        "types_different", value_number(verify->different_types), "types_unchecked",
        value_number(verify->unchecked_types), "types_without_table",
        value_number(verify->coded_types), "objects_checked", value_number(verify->checked),
        "objects_different", value_number(verify->different), "objects_unchecked",
        value_number(verify->unchecked), "unreadable_objects",
        value_number(verify->unreadable_objects), "clean", verify_is_clean(verify), "problems_cut",
        cut, "problems", problems);
}

struct failure *report_verify_json(const struct report *report, const struct verify *verify,
                                   FILE *file)
{
    json_t *root = value_document();
    json_object_set_new(root, "interpreter", make_interpreter(report));
    json_object_set_new(root, "verify", make_verify(verify, report->limit));
    return value_write(root, file);
}
