#include "interpreter.h"

#include <elf.h>
#include <stdlib.h>

#include "core_data.h"
#include "emulator.h"
#include "image.h"
#include "image_dwarf.h"
#include "interpreter_module.h"
#include "known_builds.h"
#include "layout.h"
#include "learned.h"
#include "registers.h"

enum {
    STACK_MAX = 64 << 20 // of a thread; more is not looked through
};

// As the linker does it; but what the main program has is not the interpreter's by copy relocation
// where that is a Python of its own.
static bool find_exported(const struct interpreter *interpreter, const char *name, vaddr *address)
{
    const struct module *own = interpreter->module, *in;
    vaddr value;
    if (!process_find_symbol(interpreter->process, own, name, address, &in))
        return false;
    if (in != own && interpreter_module_has(in, "PyGC_Collect") &&
        image_find_symbol(own->image, name, &value, NULL, NULL))
        *address = own->bias + value;
    return true;
}

// Looks a symbol up for pyabi.
static bool find_symbol(void *context, enum symbol_scope scope, const char *name, vaddr *address)
{
    const struct interpreter *interpreter = context;
    const struct module *module = interpreter->module;
    bool ambiguous = false;
    vaddr value;
    if (scope == SYMBOL_EXPORTED)
        return find_exported(interpreter, name, address);
    if (!image_find_symbol(module->image, name, &value, NULL, &ambiguous) || ambiguous)
        return false;
    *address = value + module->bias;
    return true;
}

static bool find_recognized(void *context, enum symbol_scope scope, const char *name,
                            vaddr *address)
{
    return recognition_find_symbol(((const struct interpreter *)context)->recognition, scope, name,
                                   address);
}

static bool find_name(void *context, vaddr type, const char **name, const char **rule)
{
    const struct recognized_type *found = recognition_find_type(context, type);
    if (!found)
        return false;
    *name = found->name;
    *rule = found->rule;
    return true;
}

// Without a file that has the symbols: by what the core has.
static struct failure *recognize(struct interpreter *interpreter, struct process *process)
{
    struct recognize_source source = {0};
    struct failure *failure = core_data_list(process, &interpreter->ranges, &source.range_count);
    source.ranges = interpreter->ranges;
    if (!failure)
        failure = recognition_create(&process->memory, &source, &interpreter->recognition);
    if (failure && failure_kind(failure) == FAILURE_MISMATCH) {
        struct failure *explained = interpreter_module_explain(process, failure_text(failure));
        failure_destroy(failure);
        return explained;
    }
    for (size_t i = 0; !failure && i < process->module_count; i++)
        if (core_data_file(&process->modules[i]) == interpreter->recognition->file)
            interpreter->module = &process->modules[i];
    return failure;
}

static struct failure *find_debug_file(struct interpreter *interpreter,
                                       const struct debug_file_options *options)
{
    const struct module *module = interpreter->module;
    if (!module || !module->image)
        return NULL;
    return debug_file_find(module->image, module->path, options, &interpreter->debug_file);
}

// What emulates for one thread.
static struct failure *open_emulator(void *context, struct memory *memory, void **runner)
{
    const struct core *core = ((const struct interpreter *)context)->process->core;
    struct learned *learned;
    vaddr tls_base = 0;
    registers_find_tls(core, &tls_base);
    struct failure *failure = learned_create(memory, core->machine, tls_base, &learned);
    if (!failure)
        *runner = learned;
    return failure;
}

static unsigned run_emulator(void *runner, vaddr function, vaddr object,
                             void (*take)(void *context, vaddr target), void *context)
{
    _Static_assert((int)EMULATOR_STATUS_COUNT <= (int)RUNTIME_CODE_ENDINGS, "endings");
    return emulator_traverse(learned_emulator(runner), function, object, take, context);
}

static unsigned run_learned(void *runner, vaddr function, vaddr object,
                            void (*take)(void *context, vaddr target), void *context)
{
    return learned_traverse(runner, function, object, take, context);
}

static uint64_t check_learned(const void *runner, bool *erred)
{
    *erred = learned_has_erred(runner);
    return learned_count(runner).by_path;
}

// Reads that are looked for.
struct read_search {
    const struct runtime_range *ranges;
    size_t range_count;
    unsigned width;
};

static bool is_wanted(void *context, vaddr address, unsigned width)
{
    const struct read_search *search = context;
    for (size_t i = 0; i < search->range_count && width == search->width; i++)
        if (address - search->ranges[i].start < search->ranges[i].end - search->ranges[i].start)
            return true;
    return false;
}

static bool find_read(void *runner, vaddr function, const struct runtime_range *ranges,
                      size_t range_count, unsigned width, vaddr *address)
{
    struct read_search search = {ranges, range_count, width};
    return emulator_find_read(learned_emulator(runner), function, is_wanted, &search, address);
}

static void close_emulator(void *runner)
{
    learned_destroy(runner);
}

static const char *ending_text(unsigned ending)
{
    return emulator_status_text((enum emulator_status)ending);
}

// Adds what anybody has of a writable segment as ranges of whole words; how much of it the process
// had nothing at.
static uint64_t add_data(struct interpreter *interpreter, const struct memory *memory, vaddr start,
                         vaddr end)
{
    vaddr word = memory->format.word_size;
    uint64_t unmapped = end - start;
    for (size_t i = memory_lower_bound(memory, start);
         i < memory->count && memory->spans[i].start < end; i++) {
        const struct memory_span *span = &memory->spans[i];
        vaddr from = span->start > start ? span->start : start;
        vaddr to = span->start + span->size < end ? span->start + span->size : end;
        unmapped -= to - from;
        from = (from + word - 1) & ~(word - 1);
        if (span->bytes && from < to)
            interpreter->data[interpreter->source.data_count++] = (struct runtime_range){from, to};
    }
    return unmapped;
}

static struct failure *find_file_data(struct interpreter *interpreter, struct process *process)
{
    const struct image *image = interpreter->module->image;
    const struct memory *memory = &process->memory;
    // Each end of a segment cuts at most one span.
    interpreter->data =
        calloc(2 * image->segment_count + memory->count + 1, sizeof(*interpreter->data));
    if (!interpreter->data)
        return failure_no_memory();
    interpreter->source.find_symbol = find_symbol;
    interpreter->source.image =
        (struct runtime_range){interpreter->module->start, interpreter->module->data_end};
    vaddr reached = 0;
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];
        vaddr start = interpreter->module->bias + segment->start, end = UINT64_MAX;
        if (segment->memory_size < end - start)
            end = start + segment->memory_size;
        if (!(segment->flags & PF_W) || start < reached) // segments are in order (ELF)
            continue;
        reached = end;
        interpreter->source.data_missing += add_data(interpreter, memory, start, end);
    }
    return NULL;
}

static struct failure *find_recognized_data(struct interpreter *interpreter)
{
    const struct recognition *recognition = interpreter->recognition;
    size_t count = 0, cursor = 0;
    interpreter->data = calloc(recognition->range_count + 1, sizeof(*interpreter->data));
    if (!interpreter->data)
        return failure_no_memory();
    while (recognition_next_data(recognition, &cursor, &interpreter->data[count]))
        count++;
    interpreter->names = (struct runtime_names){interpreter->recognition, find_name};
    interpreter->source.find_symbol = find_recognized;
    interpreter->source.image =
        (struct runtime_range){interpreter->data[0].start, interpreter->data[count - 1].end};
    interpreter->source.data_count = count;
    interpreter->source.names = &interpreter->names;
    return NULL;
}

// How much of the interpreter's writable segments the core says it has, and does not have.
static uint64_t count_unsaved_data(const struct interpreter *interpreter, struct process *process)
{
    const struct core *core = process->core;
    const struct runtime_range *image = &interpreter->source.image;
    vaddr start = interpreter->module ? interpreter->module->start : image->start;
    vaddr end =
        interpreter->module ? core_data_module_end(process, interpreter->module) : image->end;
    uint64_t missing = 0;
    for (size_t i = 0; i < core->segment_count; i++) {
        const struct core_segment *segment = &core->segments[i];
        if (!(segment->flags & PF_W) || segment->memory_size <= segment->saved_size)
            continue;
        vaddr from = segment->start + segment->saved_size;
        vaddr to = segment->start + segment->memory_size;
        from = from > start ? from : start;
        to = to < end ? to : end;
        missing += from < to ? to - from : 0;
    }
    return missing;
}

static struct failure *find_data(struct interpreter *interpreter, struct process *process)
{
    struct failure *failure = interpreter->recognition ? find_recognized_data(interpreter)
                                                       : find_file_data(interpreter, process);
    interpreter->code = (struct runtime_code){.context = interpreter,
                                              .open = open_emulator,
                                              .run = run_emulator,
                                              .run_learned = run_learned,
                                              .check_learned = check_learned,
                                              .find_read = find_read,
                                              .close = close_emulator,
                                              .ending_text = ending_text,
                                              .endless = EMULATOR_INSTRUCTION_LIMIT};
    interpreter->source.context = interpreter;
    interpreter->source.data = interpreter->data;
    interpreter->source.code = &interpreter->code;
    if (!failure)
        // No kernel leaves out any of this or of what is not mapped: it is damage.
        interpreter->source.data_missing += count_unsaved_data(interpreter, process);
    return failure;
}

// The segment of the core that holds an address; NULL: none.
static const struct core_segment *find_segment(const struct core *core, vaddr at)
{
    for (size_t i = 0; i < core->segment_count; i++)
        if (at - core->segments[i].start < core->segments[i].saved_size)
            return &core->segments[i];
    return NULL;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct runtime_range *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

// Stacks in one segment end where the next begins, so that nothing is looked through twice.
static size_t make_disjoint(struct runtime_range *stacks, size_t count)
{
    size_t kept = 0;
    qsort(stacks, count, sizeof(*stacks), compare_ranges);
    for (size_t i = 0; i < count; i++) {
        if (kept && stacks[kept - 1].start == stacks[i].start)
            continue;
        if (kept && stacks[kept - 1].end > stacks[i].start)
            stacks[kept - 1].end = stacks[i].start;
        stacks[kept++] = stacks[i];
    }
    return kept;
}

// From each thread's stack pointer to the end of the segment that it points into. (Not of the
// memory's span: that may go on with what the process had mapped behind the stack.)
static struct failure *find_stacks(struct interpreter *interpreter)
{
    const struct core *core = interpreter->process->core;
    interpreter->stacks = calloc(core->thread_count + 1, sizeof(*interpreter->stacks));
    if (!interpreter->stacks)
        return failure_no_memory();
    size_t count = 0;
    for (size_t i = 0; i < core->thread_count; i++) {
        vaddr start;
        const struct core_segment *segment =
            registers_find_stack(core, i, &start) ? find_segment(core, start) : NULL;
        if (!segment)
            continue;
        uint64_t size = segment->saved_size - (start - segment->start);
        interpreter->stacks[count++] =
            (struct runtime_range){start, start + (size < STACK_MAX ? size : STACK_MAX)};
    }
    interpreter->source.stacks = interpreter->stacks;
    interpreter->source.stack_count = make_disjoint(interpreter->stacks, count);
    return NULL;
}

static bool is_known_build(const struct interpreter *interpreter, const char *column)
{
    char id[2 * BUILD_ID_MAX + 1];
    build_id_format(&interpreter->module->image->build_id, id, sizeof(id));
    for (size_t i = 0; i < known_build_count; i++)
        if (strcmp(known_builds[i].build_id, id) == 0)
            return strcmp(known_builds[i].column, column) == 0;
    return false;
}

// Lays what this very build's DWARF says over the built-in column.
static struct failure *overlay_dwarf(struct interpreter *interpreter, struct layout *layout)
{
    if (!interpreter->module || !interpreter->module->image)
        return NULL;
    interpreter->known_build =
        !interpreter->wants_dwarf && is_known_build(interpreter, layout->column->name);
    if (interpreter->known_build)
        return NULL;
    struct image_member_query *queries = calloc(LAYOUT_MEMBER_COUNT, sizeof(*queries));
    if (!queries)
        return failure_no_memory();
    for (unsigned i = 0; i < LAYOUT_MEMBER_COUNT; i++)
        queries[i] = (struct image_member_query){.type = layout_rows[i].type,
                                                 .member = layout_rows[i].path,
                                                 .unit = layout_rows[i].unit};
    interpreter->has_dwarf =
        image_read_members(interpreter->module->image, queries, LAYOUT_MEMBER_COUNT);
    for (unsigned i = 0; i < LAYOUT_MEMBER_COUNT; i++)
        if (queries[i].found && queries[i].offset < LAYOUT_ABSENT &&
            queries[i].width < LAYOUT_ABSENT)
            layout_overlay(
                layout, i,
                (struct layout_value){(uint16_t)queries[i].offset, (uint16_t)queries[i].width});
    free(queries);
    return NULL;
}

static struct failure *try_runtime(struct interpreter *interpreter, struct process *process)
{
    struct layout layout;
    struct runtime_source *source = &interpreter->source;
    struct failure *failure = source->data_lost
                                  ? restored_init(&interpreter->restored, process, source, &layout)
                                  : runtime_choose_layout(&process->memory, source, &layout);
    if (!failure)
        failure = overlay_dwarf(interpreter, &layout);
    if (!failure)
        failure = runtime_init(&interpreter->runtime, &process->memory, &layout, source);
    return failure;
}

// The version that the interpreter state tells may have come too late to choose the layout by it:
// where static data is lost, it takes a layout to find that state.
static bool is_other_version(const struct interpreter *interpreter)
{
    const struct runtime *runtime = &interpreter->runtime;
    uint32_t release = runtime->hexversion >> 8;
    const struct layout_column *column = runtime->layout.column;
    return release && !interpreter->source.hexversion &&
           (release < column->hexversion_first || release > column->hexversion_last);
}

static struct failure *open_runtime(struct interpreter *interpreter, struct process *process)
{
    interpreter->source.memory_lost = process->core->bytes_missing;
    interpreter->source.data_lost = process->core->bytes_missing && interpreter->module &&
                                    restored_is_needed(process, interpreter->module);
    struct failure *failure = try_runtime(interpreter, process);
    if (!failure && interpreter->source.data_lost && is_other_version(interpreter)) {
        struct layout layout;
        interpreter->source.hexversion = interpreter->runtime.hexversion;
        failure = runtime_choose_layout(&process->memory, &interpreter->source, &layout);
        if (!failure)
            failure = overlay_dwarf(interpreter, &layout);
        if (!failure)
            failure = runtime_init(&interpreter->runtime, &process->memory, &layout,
                                   &interpreter->source);
    }
    if (!failure)
        return NULL;
    const struct module *module = interpreter->module;
    return failure_prefix(failure, "%s", module ? module->path : interpreter->process->core->path);
}

struct failure *interpreter_open(struct process *process, const struct debug_file_options *options,
                                 struct interpreter **interpreter)
{
    struct interpreter *made = calloc(1, sizeof(*made));
    if (!made)
        return failure_no_memory();
    made->process = process;
    made->wants_dwarf = options->path || options->ask_servers;
    struct failure *failure = interpreter_module_find(process, &made->module);
    if (!failure && !made->module)
        failure = recognize(made, process);
    if (!failure)
        failure = find_debug_file(made, options);
    if (!failure)
        failure = find_data(made, process);
    if (!failure)
        failure = find_stacks(made);
    if (!failure)
        failure = open_runtime(made, process);
    if (failure) {
        interpreter_close(made);
        return failure;
    }
    made->runs_code = emulator_is_built_in();
    // Only Py_TRACE_REFS builds have it (Objects/object.c).
    made->debug_build = made->runtime.layout.column->trace_refs ||
                        interpreter_module_has(made->module, "_Py_ForgetReference");
    *interpreter = made;
    return NULL;
}

void interpreter_close(struct interpreter *interpreter)
{
    if (!interpreter)
        return;
    recognition_destroy(interpreter->recognition);
    debug_file_deinit(&interpreter->debug_file);
    free(interpreter->ranges);
    free(interpreter->data);
    free(interpreter->stacks);
    restored_deinit(&interpreter->restored);
    free(interpreter);
}

const char *interpreter_file(const struct interpreter *interpreter)
{
    const struct module *module = interpreter->module;
    if (!module)
        return "(a file that the core does not name)";
    return module->image ? module->image->path : module->path;
}

const struct build_id *interpreter_build_id(const struct interpreter *interpreter)
{
    const struct module *module = interpreter->module;
    if (!module)
        return NULL;
    const struct build_id *id = module->image ? &module->image->build_id : &module->core_build_id;
    return id->size ? id : NULL;
}

const char *interpreter_dwarf_file(const struct interpreter *interpreter)
{
    if (!interpreter->has_dwarf)
        return NULL;
    const struct image *image = interpreter->module->image;
    return interpreter->debug_file.source ? image->detached->path : image->path;
}
