#include "run.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "census_process.h"
#include "collect.h"
#include "column.h"
#include "confine.h"
#include "heap_garbage.h"
#include "holders_process.h"
#include "note.h"
#include "slot_files.h"
#include "suspects.h"

enum {
    DIFFERENCES_TOLD = 10
};

void run_tell(struct run *run, const char *format, ...)
{
    if (!run->options->verbose)
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds = (double)(now.tv_sec - run->started.tv_sec) +
                     (double)(now.tv_nsec - run->started.tv_nsec) / 1e9;
    run->started = now;
    va_list list;
    char *text = NULL;
    char memory[32] = "";
    if (run->memory)
        snprintf(memory, sizeof(memory), ", %" PRIu64 " MiB", own_memory_read(run->memory) >> 20);
    progress_wipe(run->progress);
    va_start(list, format);
    if (vasprintf(&text, format, list) >= 0)
        note_print("%.3f s%s: %s", seconds, memory, text);
    free(text);
    va_end(list);
}

void run_note_unpacking(struct run *run, const struct core *core)
{
    const struct unpacked *unpacked = core->unpacked;
    if (!unpacked)
        return;
    progress_wipe(run->progress);
    for (size_t i = 0; i < unpacked->note_count && !run->options->quiet; i++)
        fprintf(stderr, PROGRAM_NAME ": %s; unpacked in %s (--tmpdir=DIR has another)\n",
                unpacked->notes[i], unpacked->directory);
    run_tell(run, "unpacked %" PRIu64 " bytes into %" PRIu64 " in %s, %" PRIu64 " on disk",
             unpacked->packed_size, unpacked->size, unpacked->directory, unpacked->on_disk);
}

// Some steps try addresses that may be no pointers at all, and count for themselves what of the
// heap they could not read: what they have missed at others' addresses is no loss.
static void forget_lost_reads(struct run *run, uint64_t before)
{
    run->process->memory.lost_reads = before;
}

static void confine(struct run *run,
                    enum confinement (*step)(const char *const *removable, size_t count),
                    const char *what)
{
    const char *const removable[] = {run->options->output, run->options->graph};
    enum confinement confinement = step(removable, sizeof(removable) / sizeof(*removable));
    if (confinement == CONFINED)
        run_tell(run, "confined: %s, no network, no other programs (seccomp)", what);
    else
        run_tell(run, "not confined: %s", confinement_text(confinement));
}

void run_confine_writing(struct run *run)
{
    if (!run->options->debug.ask_servers)
        confine(run, confine_writing, "other files are only read");
}

// From here on nothing is opened.
static void confine_all(struct run *run)
{
    // jansson would open /dev/urandom for its first object.
    json_object_seed(0);
    confine(run, confine_files, "no other files");
}

static struct failure *open_process(struct run *run)
{
    struct failure *failure = core_open_with(run->options->core, &run->options->unpack, &run->core);
    if (failure)
        return failure;
    struct core *core = run->core;
    run_note_unpacking(run, core);
    run_confine_writing(run);
    progress_phase(run->progress, "reading the core", NULL, 0);
    core_read_ahead(core);
    failure = process_open(core, &run->options->process, &run->process);
    if (!failure && run->process->script && !run->options->quiet)
        note_print("%s: not an ELF executable but a script (#!%s), so the files that the core "
                   "names are used",
                   run->options->executable, run->process->script);
    if (!failure)
        run_tell(run, "%zu segments, %zu threads, %zu files mapped", core->segment_count,
                 core->thread_count, run->process->module_count);
    return failure;
}

static const char *garbage_source_words(enum garbage_source source)
{
    static const char *const words[] = {
        [GARBAGE_NOT_FOUND] = "not found",
        [GARBAGE_BY_SYMBOL] = "by its symbol",
        [GARBAGE_BY_MODULE] = "through the gc module's dictionary",
        [GARBAGE_BY_EVIDENCE] =
            "by evidence: the one list of finalizer objects that static data holds",
        [GARBAGE_EMPTY] = "by evidence: empty or not made, no list in static data fits",
        [GARBAGE_NONE_YET] = "by its symbol: NULL, no collection ever ran",
        [GARBAGE_LOST] = "lost",
        [GARBAGE_BY_ITEMS] = "by its items alone",
    };
    return words[source];
}

// NULL is in the static variable. Every collection makes the list if there is none
// (handle_garbage, Modules/gcmodule.c), and what it has looked at is in an older generation.
static bool is_none_impossible(const struct run *run)
{
    const struct runtime_flag *collecting = &run->interpreter->runtime.collecting;
    bool older = false;
    for (unsigned i = 1; i < RUNTIME_GENERATIONS; i++)
        older = older || run->heap->generation_objects[i];
    return older && !(collecting->known && collecting->value);
}

// The collector's own list. What the gc module has under that name may be another one by now: the
// collector goes on with the one that its static variable points to.
static void choose_garbage(struct run *run)
{
    const struct runtime *runtime = &run->interpreter->runtime;
    const struct runtime_source *source = &run->interpreter->source;
    struct report *report = &run->report;
    report->garbage = runtime->garbage;
    report->garbage_source = runtime->garbage_source;
    if (source->data_lost) { // nothing can be held against it
        if (!report->garbage && report->garbage_source != GARBAGE_NONE_YET)
            report->garbage_source = heap_find_lost_garbage(run->heap, &report->garbage);
        return;
    }
    bool damaged = report->garbage_source == GARBAGE_NONE_YET && is_none_impossible(run);
    if (report->garbage_source == GARBAGE_BY_MODULE &&
        !heap_is_static_list(run->heap, source, report->garbage)) {
        // The static variable that should account for the last reference may be what is damaged.
        damaged = heap_is_held_outside(run->heap, report->garbage);
        report->garbage = 0;
        report->garbage_source = GARBAGE_NOT_FOUND;
    }
    if (report->garbage_source == GARBAGE_NOT_FOUND || damaged)
        report->garbage_source = heap_find_garbage(run->heap, source, &report->garbage);
    if (damaged && report->garbage_source == GARBAGE_EMPTY)
        report->garbage_source = GARBAGE_NOT_FOUND;
    bool found = report->garbage || report->garbage_source == GARBAGE_NONE_YET;
    if (run->core->bytes_missing && !found) // it may have been a list that is lost
        report->garbage_source = GARBAGE_LOST;
}

// Of a cut core: is the list itself, or are some of its items, among what is lost?
static bool is_garbage_lost(struct run *run)
{
    const struct report *report = &run->report;
    vaddr *items;
    uint64_t read = 0, length = 0;
    if (!run->core->bytes_missing || report->garbage_source == GARBAGE_NONE_YET)
        return false;
    if (!report->garbage || report->garbage_source == GARBAGE_BY_ITEMS)
        return true;
    struct failure *failure = heap_read_list(run->heap, report->garbage, 1, &items, &read, &length);
    if (failure)
        failure_destroy(failure);
    else
        free(items);
    return read < length;
}

static struct failure *replay_collector(struct run *run, uint32_t list)
{
    struct heap *heap = run->heap;
    run->report.garbage_lost = is_garbage_lost(run);
    if (!run->report.garbage_lost) {
        collect_run(&heap->graph, heap->gc_refs, heap->finalizers, list, run->states, &run->totals);
        return NULL;
    }
    uint8_t *listable = suspects_list_cyclic(&heap->graph, heap->finalizers, list);
    if (!listable)
        return failure_no_memory();
    collect_run_without_list(&heap->graph, heap->gc_refs, heap->finalizers, listable, list,
                             run->states, &run->totals);
    free(listable);
    return suspects_mark(&heap->graph, heap->finalizers, list, run->states, &run->totals)
               ? NULL
               : failure_no_memory();
}

static void note_recognition(const struct run *run)
{
    const struct interpreter *interpreter = run->interpreter;
    if (!interpreter->recognition || run->options->quiet)
        return;
    const struct module *module = interpreter->module;
    note_print("%s%s%s; the interpreter was recognized in the core alone; with its file as "
               "EXECUTABLE types and references are surer",
               module ? interpreter_file(interpreter) : "the core does not name its files",
               !module         ? ""
               : module->image ? " has no symbols"
                               : " is not on this machine",
               module && !module->image ? module_explain_other(module).text : "");
}

static void note_debug_file(struct run *run)
{
    const struct interpreter *interpreter = run->interpreter;
    const struct layout *layout = &interpreter->runtime.layout;
    const struct debug_file *found = &interpreter->debug_file;
    for (size_t i = 0; i < found->note_count && !run->options->quiet; i++)
        note_print("%s", found->notes[i]);
    if (interpreter->has_dwarf)
        run_tell(run,
                 "DWARF of %s%s%s, %u members, %u of them not where the built-in column has them",
                 interpreter_dwarf_file(interpreter), found->source ? ", found by " : "",
                 found->source ? debug_file_source_text(found->source) : "", layout->dwarf_values,
                 layout->dwarf_differences);
    else if (interpreter->known_build)
        run_tell(run, "no DWARF needed, the build-id of %s is known",
                 interpreter_file(interpreter));
    for (unsigned i = 0, told = 0; i < LAYOUT_MEMBER_COUNT && told < DIFFERENCES_TOLD; i++) {
        if (!layout->differs[i])
            continue;
        run_tell(run, "%s%s%s: at %u, %u bytes wide, not at %u, %u bytes; DWARF's is used",
                 layout_rows[i].type, *layout_rows[i].path ? "." : " (size)", layout_rows[i].path,
                 layout->values[i].offset, layout->values[i].width, layout->replaced[i].offset,
                 layout->replaced[i].width);
        told++;
    }
}

static struct failure *read_heap(struct run *run)
{
    struct failure *failure =
        interpreter_open(run->process, &run->options->debug, &run->interpreter);
    if (failure)
        return failure;
    const struct runtime *runtime = &run->interpreter->runtime;
    const struct layout *layout = &runtime->layout;
    note_recognition(run);
    run_tell(run, "interpreter %s in %s, layout %s (%s; %u others fit%s%s), generations %s",
             runtime->version, interpreter_file(run->interpreter), layout->column->name,
             layout->column->origin, layout->rivals,
             layout->by_version ? " but for the version" : "",
             layout->head_by_evidence ? "; the size of PyGC_Head by the lists" : "",
             run->interpreter->recognition    ? "by their rings"
             : runtime->generations_by_symbol ? "by their symbol"
                                              : "through _PyGC_generation0");
    note_debug_file(run);
    confine_all(run);
    // Who looks for the interpreter looks at anything, and static data that is lost has a line of
    // its own; but the version is missed.
    uint64_t lost = !*runtime->version && run->process->memory.lost_reads;
    progress_phase(run->progress, "looking for objects", NULL, 0);
    failure = heap_create(runtime, &run->interpreter->source, run->options->jobs, run->progress,
                          &run->heap);
    if (failure)
        return failure;
    struct report *report = &run->report;
    choose_garbage(run);
    forget_lost_reads(run, lost);
    run_tell(
        run, "%u objects %s, %" PRIu64 " references, %u types; gc.garbage %s", run->heap->count,
        run->heap->by_pools ? "in the pools of pymalloc, proved to be all" : "along the rings",
        run->heap->edges, run->heap->types.count, garbage_source_words(report->garbage_source));
    return NULL;
}

static struct failure *collect(struct run *run)
{
    struct heap *heap = run->heap;
    uint32_t list;
    run->states = column_create(heap->count, sizeof(*run->states));
    if (!run->states)
        return failure_no_memory();
    if (!run->report.garbage || !heap_find(heap, run->report.garbage, &list))
        list = GRAPH_NONE;
    progress_phase(run->progress, "replaying the collector", NULL, 0);
    struct failure *failure = replay_collector(run, list);
    if (failure)
        return failure;
    run_tell(run, "%u uncollectable, %u pending, %u trash, %u kept by gc.garbage",
             run->totals.objects[COLLECT_UNCOLLECTABLE], run->totals.objects[COLLECT_PENDING],
             run->totals.objects[COLLECT_TRASH], run->totals.objects[COLLECT_KEPT]);
    progress_phase(run->progress, "folding cycles into findings", NULL, 0);
    failure = run->options->format == FORMAT_FOLDED
                  ? findings_create_with_owners(heap, run->states, &run->findings)
                  : findings_create(heap, run->states, &run->findings);
    if (!failure)
        failure = slot_files_find(run->process, run->findings);
    if (!failure)
        run_tell(run, "%zu findings", run->findings->count);
    return failure;
}

static struct failure *verify(struct run *run)
{
    struct report *report = &run->report;
    report->core = run->core;
    report->interpreter = run->interpreter;
    report->heap = run->heap;
    report->limit = run->options->limit;
    progress_phase(run->progress, "running traversals", NULL, 0);
    struct failure *failure = verify_create(run->heap, run->options->verify_limit, &run->verify);
    if (failure)
        return failure_prefix(failure, "--verify runs the process's code in an emulator");
    run_tell(run, "%" PRIu64 " objects of %zu types visited both ways, %" PRIu64 " differ",
             run->verify->checked, run->verify->checked_types, run->verify->different);
    return NULL;
}

// Who keeps in use what would be garbage.
static struct failure *find_holders(struct run *run)
{
    struct heap *heap = run->heap;
    struct holders_source source;
    uint32_t list;
    if (!run->report.garbage || !heap_find(heap, run->report.garbage, &list))
        list = GRAPH_NONE;
    progress_phase(run->progress, "looking for who holds objects", NULL, 0);
    struct failure *failure = holders_source_init(&source, run->interpreter);
    if (failure)
        return failure;
    uint64_t lost = run->process->memory.lost_reads;
    failure = holders_create(heap, run->states, list, &run->totals, &source, run->options->jobs,
                             &run->holders);
    holders_source_deinit(&source);
    forget_lost_reads(run, lost);
    if (!failure)
        run_tell(run,
                 "%" PRIu64 " items of gc.garbage and %" PRIu64 " more cycles in use, %" PRIu64
                 " objects with references from outside",
                 run->holders->listed, run->holders->cycles, run->holders->audited);
    return failure;
}

// What the memory was used for.
static struct failure *take_census(struct run *run)
{
    struct census_source source;
    struct failure *failure = census_source_init(&source, run->interpreter);
    if (failure)
        return failure;
    uint64_t lost = run->process->memory.lost_reads;
    failure = census_create(run->heap, run->states, run->findings, &source, run->options->jobs,
                            &run->census);
    census_source_deinit(&source);
    forget_lost_reads(run, lost);
    if (!failure)
        run_tell(run,
                 "%" PRIu64 " bytes of written memory: %" PRIu64 " of Python objects, %" PRIu64
                 " of the rest",
                 run->census->used_bytes, run->census->python_bytes, run->census->other_bytes);
    return failure;
}

static void sum_states(struct run *run)
{
    const struct census_count *states = run->census->states;
    run->report.kept_bytes = states[COLLECT_UNCOLLECTABLE].bytes + states[COLLECT_KEPT].bytes;
    run->report.trash_bytes = states[COLLECT_TRASH].bytes;
    if (!run->totals.objects[COLLECT_PENDING])
        return;
    for (uint32_t i = 0; i < run->heap->count; i++)
        run->report.pending_finalizers +=
            run->states[i] == COLLECT_PENDING && heap_has_finalizer(run->heap, i);
}

static void count_items(struct run *run)
{
    const struct graph *graph = &run->heap->graph;
    struct report *report = &run->report;
    struct report_items *items = &report->garbage_items;
    uint32_t list;
    if (!report->garbage || !heap_find(run->heap, report->garbage, &list))
        return;
    for (uint32_t edge = graph->rows[list]; edge < graph->rows[list + 1]; edge++) {
        uint8_t state = run->states[graph->targets[edge]];
        items->uncollectable += state == COLLECT_UNCOLLECTABLE;
        items->kept += state == COLLECT_KEPT;
        items->in_use += state == COLLECT_REACHABLE;
    }
    uint32_t tracked = graph->rows[list + 1] - graph->rows[list];
    items->untracked = report->garbage_read > tracked ? report->garbage_read - tracked : 0;
}

// What became of the collector's list in the hands of the program.
static struct failure *read_garbage(struct run *run)
{
    struct report *report = &run->report;
    const struct runtime *runtime = &run->interpreter->runtime;
    report->garbage_binding =
        runtime_find_garbage_name(runtime, report->garbage, &report->garbage_bound);
    if (report->garbage_binding == GARBAGE_BINDING_LIST)
        report->garbage_bound_length = heap_list_length(run->heap, report->garbage_bound);
    if (!report->garbage)
        return NULL;
    report->garbage_emptied = heap_list_was_emptied(run->heap, report->garbage);
    struct failure *failure =
        heap_read_list(run->heap, report->garbage, report->limit, &run->garbage_objects,
                       &report->garbage_read, &report->garbage_length);
    if (!failure)
        count_items(run);
    return failure;
}

static struct failure *make_report(struct run *run)
{
    struct report *report = &run->report;
    report->core = run->core;
    report->interpreter = run->interpreter;
    report->heap = run->heap;
    report->totals = &run->totals;
    report->findings = run->findings;
    report->holders = run->holders;
    report->census = run->census;
    missing_sum(run->core, run->process, run->interpreter, &report->missing);
    report->verdict = verdict_make(run->census, run->findings);
    report->limit = run->options->limit;
    report->max_size = run->options->max_size;
    sum_states(run);
    struct failure *failure = findings_find_origins(run->findings, run->heap, run->options->limit);
    if (!failure)
        failure = stacks_read(run->heap->runtime, run->options->limit, &run->stacks);
    report->stacks = &run->stacks;
    if (!failure && run->options->values)
        failure = contents_create(run->heap, run->findings, run->holders, run->options->limit,
                                  &run->contents);
    report->contents = run->contents;
    if (!failure)
        failure = heap_list_opaque(run->heap, &run->opaque_types, &report->opaque_type_count);
    if (failure)
        return failure;
    report->opaque_types = run->opaque_types;
    report->opaque_reasons = run->opaque_reasons;
    report->opaque_reason_count =
        heap_list_opaque_reasons(run->heap, run->heap->opaque_reasons, run->opaque_reasons);
    failure = read_garbage(run);
    report->lost_reads = run->process->memory.lost_reads;
    return failure;
}

struct failure *run_analyze(struct run *run)
{
    if (run->options->verbose)
        run->memory = own_memory_open();
    struct failure *failure = open_process(run);
    if (!failure)
        failure = read_heap(run);
    if (!failure && run->options->verify)
        failure = verify(run);
    else if (!failure)
        failure = collect(run);
    if (!failure && !run->options->verify)
        failure = find_holders(run);
    if (!failure && !run->options->verify)
        failure = take_census(run);
    if (!failure && !run->options->verify)
        failure = make_report(run);
    return failure;
}

void run_deinit(struct run *run)
{
    contents_destroy(run->contents);
    census_destroy(run->census);
    holders_destroy(run->holders);
    findings_destroy(run->findings);
    check_deinit(&run->check);
    drawing_deinit(&run->drawing);
    flame_deinit(&run->flame);
    comparison_deinit(&run->comparison);
    ledger_deinit(&run->old);
    ledger_deinit(&run->now);
    verify_destroy(run->verify);
    free(run->states);
    free(run->garbage_objects);
    free(run->opaque_types);
    stacks_deinit(&run->stacks);
    heap_destroy(run->heap);
    interpreter_close(run->interpreter);
    process_close(run->process);
    core_close(run->core);
    own_memory_close(run->memory);
}
