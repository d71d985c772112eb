#include "process.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The address space is put together from layers, each a list of ranges: what the core saved, what
// it promised beyond its end, what files have, what was mapped at all. At every address the first
// layer that has a range there decides. All layers are sorted and swept once, so that tens of
// thousands of ranges cost no more than their sorting.
enum layer_rank {
    LAYER_SAVED,   // the core's bytes
    LAYER_MISSING, // the core had them, and was cut: no file knows what was written there
    LAYER_FILES,   // read-only bytes of the process's files
    LAYER_MAPPED,  // mapped, not saved
    LAYER_COUNT,
};

struct piece {
    struct memory_span span;
    size_t order; // of adding: decides between two that start together
};

struct layer {
    struct piece *pieces;
    size_t count;
    size_t at; // of the sweep
};

// What is needed only while a process is put together.
struct builder {
    const struct core *core;
    const struct process_options *options;
    struct process *process;
    uint64_t page_size;
    struct layer layers[LAYER_COUNT];
    struct core_mapping *lines; // the core's, by start address
    struct run *runs;           // one for each module
};

// The lines of one module: neighbours of one path, since the loader reserves its range as a whole.
struct run {
    const struct core_mapping *lines;
    size_t count;
    const struct core_mapping *base; // the first with file offset 0, else the first
};

// ---- Layers

static struct failure *add_piece(struct layer *layer, vaddr start, uint64_t size,
                                 const uint8_t *bytes)
{
    if (size == 0)
        return NULL;
    if (!(layer->count & (layer->count - 1))) { // grows at powers of two, and from nothing
        size_t capacity = layer->count ? layer->count * 2 : 1;
        struct piece *pieces = reallocarray(layer->pieces, capacity, sizeof(*pieces));
        if (!pieces)
            return failure_no_memory();
        layer->pieces = pieces;
    }
    layer->pieces[layer->count] = (struct piece){{start, size, bytes}, layer->count};
    layer->count++;
    return NULL;
}

static int compare_pieces(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->span.start != y->span.start)
        return x->span.start < y->span.start ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void sort_layer(struct layer *layer)
{
    if (layer->count > 0)
        qsort(layer->pieces, layer->count, sizeof(*layer->pieces), compare_pieces);
}

// The bytes that the core saved from `at` on, or NULL. The layer must be sorted.
static const uint8_t *find_saved(const struct layer *saved, vaddr at, uint64_t *size)
{
    size_t low = 0, high = saved->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (saved->pieces[middle].span.start <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    const struct memory_span *span = &saved->pieces[low - 1].span;
    uint64_t offset = at - span->start;
    if (offset >= span->size)
        return NULL;
    *size = span->size - offset;
    return span->bytes + offset;
}

// The range of the layer that holds `at`, or NULL; *next falls to where the layer's next one
// starts.
static const struct memory_span *sweep_layer(struct layer *layer, vaddr at, vaddr *next)
{
    for (; layer->at < layer->count; layer->at++) {
        const struct memory_span *span = &layer->pieces[layer->at].span;
        if (span->start > at) {
            if (span->start < *next)
                *next = span->start;
            return NULL;
        }
        if (at - span->start < span->size)
            return span;
    }
    return NULL;
}

static struct failure *merge_layers(struct layer *layers, struct memory *memory)
{
    for (int i = 0; i < LAYER_COUNT; i++)
        sort_layer(&layers[i]);
    for (vaddr at = 0, next; at < UINT64_MAX; at = next) {
        const struct memory_span *span = NULL;
        next = UINT64_MAX;
        for (int i = 0; i < LAYER_COUNT && !span; i++)
            span = sweep_layer(&layers[i], at, &next);
        if (!span)
            continue;
        if (span->size - (at - span->start) < next - at)
            next = span->start + span->size;
        const uint8_t *bytes = span->bytes ? span->bytes + (at - span->start) : NULL;
        struct failure *failure = memory_add(memory, at, next - at, bytes);
        if (failure)
            return failure;
    }
    return NULL;
}

static struct failure *add_core_layers(struct builder *builder)
{
    const struct core *core = builder->core;
    struct layer *layers = builder->layers;
    struct failure *failure = NULL;
    for (size_t i = 0; i < core->segment_count && !failure; i++) {
        const struct core_segment *segment = &core->segments[i];
        failure =
            add_piece(&layers[LAYER_SAVED], segment->start, segment->saved_size, segment->bytes);
        if (!failure && segment->saved_size <= UINT64_MAX - segment->start)
            failure = add_piece(&layers[LAYER_MISSING], segment->start + segment->saved_size,
                                segment->missing, NULL);
        if (!failure)
            failure = add_piece(&layers[LAYER_MAPPED], segment->start, segment->memory_size, NULL);
    }
    for (size_t i = 0; i < core->mapping_count && !failure; i++) {
        const struct core_mapping *line = &core->mappings[i];
        failure = add_piece(&layers[LAYER_MAPPED], line->start, line->end - line->start, NULL);
    }
    sort_layer(&layers[LAYER_SAVED]); // for find_saved
    return failure;
}

// ---- Where a file lies

static uint64_t page_down(const struct builder *builder, uint64_t at)
{
    return at & ~(builder->page_size - 1);
}

static uint64_t page_up(const struct builder *builder, uint64_t at)
{
    return page_down(builder, at + builder->page_size - 1);
}

static uint64_t find_page_size(const struct core *core)
{
    uint64_t size;
    if (core_find_auxv(core, AT_PAGESZ, &size) && size >= 4096 && size <= 1 << 20 &&
        !(size & (size - 1)))
        return size;
    return 4096;
}

// Address in the process less address in the file, if the file has a PT_LOAD for the base line.
static bool find_bias(const struct builder *builder, const struct run *run,
                      const struct image *image, vaddr *bias)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];
        if (page_down(builder, segment->file_offset) != run->base->file_offset)
            continue;
        *bias = run->base->start - page_down(builder, segment->start);
        return true;
    }
    return false;
}

static vaddr image_end(const struct builder *builder, const struct image *image)
{
    uint64_t end = 0;
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];
        if (segment->start + segment->memory_size > end)
            end = segment->start + segment->memory_size;
    }
    return page_up(builder, end);
}

static void attach_image(const struct builder *builder, struct module *module, struct image *image,
                         vaddr bias, enum module_match match)
{
    module->image = image;
    module->bias = bias;
    module->match = match;
    module->data_end = bias + image_end(builder, image);
    if (module->data_end < module->start)
        module->data_end = module->start;
}

static bool is_same_machine(const struct core *core, const struct image *image)
{
    return core->machine == image->machine && core->format.word_size == image->format.word_size &&
           core->format.big_endian == image->format.big_endian;
}

static bool line_fits_image(const struct builder *builder, const struct core_mapping *line,
                            const struct image *image, vaddr bias)
{
    if (line->end - bias > image_end(builder, image))
        return false;
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];
        if (line->start - line->file_offset ==
            bias + page_down(builder, segment->start) - page_down(builder, segment->file_offset))
            return true;
    }
    return false;
}

static bool segment_fits_run(const struct run *run, const struct image *image,
                             const struct image_segment *segment, vaddr bias)
{
    if (segment->file_size == 0)
        return true;
    if (segment->file_offset > image->size ||
        segment->file_size > image->size - segment->file_offset)
        return false;
    for (size_t i = 0; i < run->count; i++)
        if (bias + segment->start - run->lines[i].start < run->lines[i].end - run->lines[i].start)
            return true;
    return false;
}

// Without build-ids: does the file explain every mapping that the core has of it, has the core one
// for every segment of it, and are the bytes of the saved page (its symbols begin there) the same?
// The file header is not compared: strip changes it.
static bool is_plausible(const struct builder *builder, const struct run *run,
                         const struct image *image, vaddr bias)
{
    for (size_t i = 0; i < run->count; i++)
        if (!line_fits_image(builder, &run->lines[i], image, bias))
            return false;
    for (size_t i = 0; i < image->segment_count; i++)
        if (!segment_fits_run(run, image, &image->segments[i], bias))
            return false;
    uint64_t size;
    const uint8_t *saved = find_saved(&builder->layers[LAYER_SAVED], run->base->start, &size);
    const struct image_segment *first = &image->segments[0];
    if (!saved || run->base->file_offset != 0 || first->file_offset != 0)
        return true;
    if (size > builder->page_size)
        size = builder->page_size;
    if (size > first->file_size)
        size = first->file_size;
    size_t header = image->format.word_size == 8 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    return size <= header || !memcmp(saved + header, image->bytes + header, size - header);
}

// Whether the file is the one that the core's module was. MODULE_ABSENT: it is not.
static enum module_match compare_image(const struct builder *builder, const struct module *module,
                                       const struct image *image, vaddr *bias)
{
    const struct run *run = &builder->runs[module - builder->process->modules];
    if (!is_same_machine(builder->core, image) || !find_bias(builder, run, image, bias))
        return MODULE_ABSENT;
    if (module->core_build_id.size && image->build_id.size)
        return build_id_equal(&module->core_build_id, &image->build_id) ? MODULE_MATCHES
                                                                        : MODULE_ABSENT;
    return is_plausible(builder, run, image, *bias) ? MODULE_UNCHECKED : MODULE_ABSENT;
}

// ---- The list of modules

static int compare_lines(const void *a, const void *b)
{
    const struct core_mapping *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

// Names that the kernel gives to what is no file (mm/shmem.c, ipc/shm.c, fs/aio.c), and devices.
static bool is_file_name(const char *path)
{
    static const char *const others[] = {"/dev/", "/SYSV", "/memfd:", "/anon_hugepage", "/["};
    if (path[0] != '/')
        return false;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (!strncmp(path, others[i], strlen(others[i])))
            return !strncmp(path, "/dev/shm/", strlen("/dev/shm/"));
    return true;
}

static void add_run(struct builder *builder, const struct core_mapping *lines, size_t count)
{
    struct process *process = builder->process;
    struct run run = {lines, count, NULL};
    vaddr end = 0;
    for (size_t i = 0; i < count; i++) {
        if (!run.base && lines[i].file_offset == 0)
            run.base = &lines[i];
        if (lines[i].end > end)
            end = lines[i].end;
    }
    if (!run.base)
        run.base = &lines[0];
    builder->runs[process->module_count] = run;
    process->modules[process->module_count++] = (struct module){
        .path = lines->path,
        .start = lines->start,
        .end = end,
        .data_end = lines->start,
    };
}

static struct failure *list_modules(struct builder *builder)
{
    size_t count = builder->core->mapping_count;
    // One more: the executable of a core without NT_FILE.
    builder->lines = calloc(count + 1, sizeof(*builder->lines));
    builder->runs = calloc(count + 1, sizeof(*builder->runs));
    builder->process->modules = calloc(count + 1, sizeof(*builder->process->modules));
    if (!builder->lines || !builder->runs || !builder->process->modules)
        return failure_no_memory();
    if (count > 0)
        memcpy(builder->lines, builder->core->mappings, count * sizeof(*builder->lines));
    qsort(builder->lines, count, sizeof(*builder->lines), compare_lines);
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count; next++)
            if (strcmp(builder->lines[next].path, builder->lines[i].path))
                break;
        if (is_file_name(builder->lines[i].path))
            add_run(builder, &builder->lines[i], next - i);
    }
    return NULL;
}

static bool holds_auxv(const struct core *core, const struct module *module, uint64_t type)
{
    uint64_t value;
    return core_find_auxv(core, type, &value) &&
           value - module->start < module->end - module->start;
}

// What the core itself says about the modules.
static void describe_modules(struct builder *builder)
{
    struct process *process = builder->process;
    for (size_t i = 0; i < process->module_count; i++) {
        struct module *module = &process->modules[i];
        uint64_t size;
        module->is_main = holds_auxv(builder->core, module, AT_PHDR) ||
                          holds_auxv(builder->core, module, AT_ENTRY);
        const uint8_t *saved =
            find_saved(&builder->layers[LAYER_SAVED], builder->runs[i].base->start, &size);
        if (saved)
            build_id_find(saved, size, &module->core_build_id);
    }
}

// ---- The file that the user names

enum {
    DELETED_LENGTH = sizeof(" (deleted)") - 1
};

// The length of the path without the kernel's " (deleted)".
static size_t path_length(const char *path, bool *deleted)
{
    size_t length = strlen(path);
    *deleted = length > DELETED_LENGTH && !strcmp(path + length - DELETED_LENGTH, " (deleted)");
    return *deleted ? length - DELETED_LENGTH : length;
}

static bool is_called(const struct module *module, const char *name)
{
    bool deleted;
    const char *base = basename(module->path);
    size_t length = path_length(module->path, &deleted) - (size_t)(base - module->path);
    return strlen(name) == length && !strncmp(base, name, length);
}

// Which module the user's file is for: by build-id, by name, else the main program. May be NULL.
static struct module *choose_module(const struct builder *builder, const struct image *image)
{
    struct process *process = builder->process;
    for (size_t i = 0; i < process->module_count; i++)
        if (build_id_equal(&process->modules[i].core_build_id, &image->build_id))
            return &process->modules[i];
    // NT_FILE has the name behind symbolic links (python2 -> python2.7).
    char *real = realpath(image->path, NULL);
    struct module *chosen = NULL;
    for (size_t i = 0; i < process->module_count && !chosen; i++)
        if (is_called(&process->modules[i], basename(real ? real : image->path)))
            chosen = &process->modules[i];
    for (size_t i = 0; i < process->module_count && !chosen; i++)
        if (process->modules[i].is_main)
            chosen = &process->modules[i];
    free(real);
    return chosen;
}

static struct failure *explain_machine(const struct builder *builder, const struct image *image)
{
    return failure_create(FAILURE_MISMATCH,
                          "%s: a %u-bit file for ELF machine %u, but %s is of a %u-bit %s process "
                          "(machine %u); pass the executable that ran there",
                          image->path, image->format.word_size * 8u, image->machine,
                          builder->core->path, builder->core->format.word_size * 8u,
                          builder->core->architecture, builder->core->machine);
}

static struct failure *explain_mismatch(const struct builder *builder, const struct image *image,
                                        const struct module *module, bool placed)
{
    char ours[2 * BUILD_ID_MAX + 1], theirs[2 * BUILD_ID_MAX + 1];
    build_id_format(&image->build_id, ours, sizeof(ours));
    if (!module)
        return failure_create(FAILURE_MISMATCH,
                              "%s: %s has no mapping of a file with its build-id (%s) or its name; "
                              "pass the executable that ran there",
                              image->path, builder->core->path, ours);
    build_id_format(&module->core_build_id, theirs, sizeof(theirs));
    const char *what = "its build-id differs";
    if (!image->build_id.size || !module->core_build_id.size)
        what = "its segments are not those that were mapped";
    return failure_create(FAILURE_MISMATCH,
                          "%s: not the file of %s: %s (build-id %s here, %s in the core for %s); "
                          "pass the file that ran there%s",
                          image->path, builder->core->path, what, ours, theirs, module->path,
                          placed ? ", or use this one all the same with --force" : "");
}

// Takes the image if it succeeds.
static struct failure *use_executable(const struct builder *builder, struct image *image)
{
    vaddr bias;
    if (!is_same_machine(builder->core, image))
        return explain_machine(builder, image);
    struct module *module = choose_module(builder, image);
    if (!module)
        return explain_mismatch(builder, image, NULL, false);
    enum module_match match = compare_image(builder, module, image, &bias);
    const struct run *run = &builder->runs[module - builder->process->modules];
    bool placed = find_bias(builder, run, image, &bias);
    if (match == MODULE_ABSENT && placed && builder->options->force)
        match = MODULE_FORCED;
    if (match == MODULE_ABSENT)
        return explain_mismatch(builder, image, module, placed);
    attach_image(builder, module, image, bias, match);
    return NULL;
}

// ---- A core without NT_FILE

// Where the core saved the first page of the file: an ELF header with the same build-id.
static bool find_saved_header(const struct builder *builder, const struct image *image,
                              vaddr *header)
{
    const struct layer *saved = &builder->layers[LAYER_SAVED];
    for (size_t i = 0; i < saved->count; i++) {
        const struct memory_span *span = &saved->pieces[i].span;
        struct build_id id = {0};
        if (build_id_find(span->bytes, span->size, &id) && build_id_equal(&id, &image->build_id)) {
            *header = span->start;
            return true;
        }
    }
    return false;
}

// The address in the file of the program headers; 0 if no segment has them.
static vaddr program_headers_address(const struct image *image)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];
        uint64_t within = image->program_headers_offset - segment->file_offset;
        if (within < segment->file_size)
            return segment->start + within;
    }
    return 0;
}

static bool find_lone_bias(const struct builder *builder, const struct image *image, vaddr *bias,
                           enum module_match *match)
{
    uint64_t value;
    vaddr header;
    *match = MODULE_UNCHECKED;
    if (find_saved_header(builder, image, &header)) {
        *bias = header - page_down(builder, image->segments[0].start);
        *match = MODULE_MATCHES;
    } else if (!image->position_independent)
        *bias = 0;
    else if (core_find_auxv(builder->core, AT_PHDR, &value))
        *bias = value - program_headers_address(image);
    else if (core_find_auxv(builder->core, AT_ENTRY, &value))
        *bias = value - image->entry;
    else
        return false;
    return true;
}

// The executable becomes the only module. One that cannot be placed is left out.
static struct failure *use_lone_executable(const struct builder *builder, struct image *image)
{
    struct process *process = builder->process;
    vaddr bias, entry = 0;
    enum module_match match;
    if (!is_same_machine(builder->core, image))
        return explain_machine(builder, image);
    if (!find_lone_bias(builder, image, &bias, &match)) {
        image_close(image);
        return NULL;
    }
    bool is_main = !core_find_auxv(builder->core, AT_ENTRY, &entry) || entry == bias + image->entry;
    if (!is_main && match != MODULE_MATCHES) {
        if (!builder->options->force)
            return failure_create(FAILURE_MISMATCH,
                                  "%s: not the main program of %s: its entry point would be at "
                                  "0x%llx, the core's AT_ENTRY is 0x%llx; pass the executable that "
                                  "ran there, or use this one all the same with --force",
                                  image->path, builder->core->path,
                                  (unsigned long long)(bias + image->entry),
                                  (unsigned long long)entry);
        match = MODULE_FORCED;
        is_main = true;
    }
    struct module *module = &process->modules[process->module_count++];
    module->path = image->path;
    module->start = bias + page_down(builder, image->segments[0].start);
    attach_image(builder, module, image, bias, match);
    module->end = module->data_end;
    module->core_build_id = match == MODULE_MATCHES ? image->build_id : (struct build_id){0};
    module->is_main = is_main;
    return NULL;
}

static struct failure *open_executable(const struct builder *builder)
{
    struct image *image;
    if (!builder->options->executable)
        return NULL;
    struct failure *failure = image_open(builder->options->executable, &image);
    if (failure)
        return failure;
    if (builder->core->mapping_count > 0)
        failure = use_executable(builder, image);
    else
        failure = use_lone_executable(builder, image);
    if (failure)
        image_close(image);
    return failure;
}

// ---- Files that the core names

// Uses the image, or closes it if it is not the module's.
static void try_image(const struct builder *builder, struct module *module, struct image *image,
                      bool may_force)
{
    vaddr bias;
    bool deleted;
    path_length(module->path, &deleted);
    enum module_match match = compare_image(builder, module, image, &bias);
    // Another file may have a deleted file's name by now: only a build-id tells.
    if (match == MODULE_UNCHECKED && deleted)
        match = MODULE_ABSENT;
    const struct run *run = &builder->runs[module - builder->process->modules];
    if (match == MODULE_ABSENT && may_force && is_same_machine(builder->core, image) &&
        find_bias(builder, run, image, &bias))
        match = MODULE_FORCED;
    if (match == MODULE_ABSENT)
        image_close(image);
    else
        attach_image(builder, module, image, bias, match);
}

// A file that cannot be opened or is no ELF file is no news: lack of memory is the only failure.
static struct failure *try_path(const struct builder *builder, struct module *module,
                                const char *path, bool may_force)
{
    struct image *image;
    struct failure *failure = image_open(path, &image);
    if (!failure)
        try_image(builder, module, image, may_force);
    else if (failure_kind(failure) == FAILURE_NO_MEMORY)
        return failure;
    else
        failure_destroy(failure);
    return NULL;
}

// The file of that base name in one of the user's directories.
static struct failure *search_library_path(const struct builder *builder, struct module *module,
                                           const char *name, size_t length)
{
    struct failure *failure = NULL;
    const char *directory = builder->options->library_path;
    while (directory && *directory && !failure && !module->image) {
        size_t size = strcspn(directory, ":");
        char *path;
        if (asprintf(&path, "%.*s/%.*s", (int)size, directory, (int)length, name) < 0)
            return failure_no_memory();
        if (size > 0)
            failure = try_path(builder, module, path, builder->options->force);
        free(path);
        directory += size + (directory[size] == ':');
    }
    return failure;
}

static struct failure *find_file(const struct builder *builder, struct module *module)
{
    bool deleted;
    size_t length = path_length(module->path, &deleted);
    const char *name = basename(module->path);
    struct failure *failure =
        search_library_path(builder, module, name, length - (size_t)(name - module->path));
    if (failure || module->image)
        return failure;
    const char *sysroot = builder->options->sysroot ? builder->options->sysroot : "";
    char *path;
    if (asprintf(&path, "%s%.*s", sysroot, (int)length, module->path) < 0)
        return failure_no_memory();
    failure = try_path(builder, module, path, false);
    free(path);
    return failure;
}

// The core saved the beginning of the file, and it is no ELF file: data that was mapped.
static bool is_data_file(const struct builder *builder, size_t at)
{
    uint64_t size;
    const uint8_t *saved =
        find_saved(&builder->layers[LAYER_SAVED], builder->runs[at].base->start, &size);
    return saved && (size < SELFMAG || memcmp(saved, ELFMAG, SELFMAG));
}

static struct failure *find_files(const struct builder *builder)
{
    struct process *process = builder->process;
    struct failure *failure = NULL;
    bool listed = builder->core->mapping_count > 0;
    for (size_t i = 0; listed && i < process->module_count && !failure; i++)
        if (!process->modules[i].image && !is_data_file(builder, i))
            failure = find_file(builder, &process->modules[i]);
    return failure;
}

// ---- Bytes of files

// Adds what [start, end) of the process shows of the file, as far as the file goes.
static struct failure *add_file_piece(struct builder *builder, const struct image *image,
                                      vaddr start, vaddr end, uint64_t offset)
{
    if (start >= end || offset >= image->size)
        return NULL;
    uint64_t size = end - start < image->size - offset ? end - start : image->size - offset;
    return add_piece(&builder->layers[LAYER_FILES], start, size, image->bytes + offset);
}

// Only from segments that the program cannot write: a writable page that the core has not saved
// (another coredump_filter) was relocated or written, and the file has what it was before.
static struct failure *add_file_segment(struct builder *builder, const struct module *module,
                                        const struct image_segment *segment)
{
    const struct run *run = &builder->runs[module - builder->process->modules];
    vaddr start = module->bias + page_down(builder, segment->start);
    vaddr end = module->bias + page_up(builder, segment->start + segment->file_size);
    uint64_t offset = page_down(builder, segment->file_offset);
    struct failure *failure = NULL;
    if (segment->flags & PF_W)
        return NULL;
    if (run->count == 0) // no NT_FILE: the file's own word for it
        failure = add_file_piece(builder, module->image, start, end, offset);
    for (size_t i = 0; i < run->count && !failure; i++) {
        const struct core_mapping *line = &run->lines[i];
        if (line->start - line->file_offset != start - offset)
            continue;
        vaddr from = line->start > start ? line->start : start;
        vaddr to = line->end < end ? line->end : end;
        failure = add_file_piece(builder, module->image, from, to, offset + (from - start));
    }
    return failure;
}

static struct failure *add_file_layer(struct builder *builder)
{
    struct failure *failure = NULL;
    for (size_t i = 0; i < builder->process->module_count; i++) {
        const struct module *module = &builder->process->modules[i];
        for (size_t j = 0; module->image && j < module->image->segment_count && !failure; j++)
            failure = add_file_segment(builder, module, &module->image->segments[j]);
    }
    return failure;
}

// ---- All of it

static struct failure *build_process(struct builder *builder)
{
    struct failure *failure = add_core_layers(builder);
    if (!failure)
        failure = list_modules(builder);
    if (failure)
        return failure;
    describe_modules(builder);
    failure = open_executable(builder);
    if (!failure)
        failure = find_files(builder);
    if (!failure)
        failure = add_file_layer(builder);
    if (!failure)
        failure = merge_layers(builder->layers, &builder->process->memory);
    builder->process->main_absent = true;
    for (size_t i = 0; i < builder->process->module_count; i++)
        if (builder->process->modules[i].is_main && builder->process->modules[i].image)
            builder->process->main_absent = false;
    return failure;
}

struct failure *process_open(const struct core *core, const struct process_options *options,
                             struct process **process)
{
    struct builder builder = {
        .core = core,
        .options = options,
        .process = calloc(1, sizeof(*builder.process)),
        .page_size = find_page_size(core),
    };
    if (!builder.process)
        return failure_no_memory();
    builder.process->core = core;
    memory_init(&builder.process->memory, core->format);
    struct failure *failure = build_process(&builder);
    for (int i = 0; i < LAYER_COUNT; i++)
        free(builder.layers[i].pieces);
    free(builder.lines);
    free(builder.runs);
    if (failure)
        process_close(builder.process);
    else
        *process = builder.process;
    return failure;
}

void process_close(struct process *process)
{
    if (!process)
        return;
    for (size_t i = 0; i < process->module_count; i++)
        image_close(process->modules[i].image);
    free(process->modules);
    memory_deinit(&process->memory);
    free(process);
}

// After the main program by start address, which stands in for the loader's order.
bool process_find_symbol(const struct process *process, const char *name, vaddr *address,
                         const struct module **in)
{
    for (int others = 0; others < 2; others++) {
        for (size_t i = 0; i < process->module_count; i++) {
            const struct module *module = &process->modules[i];
            vaddr value;
            if (module->is_main == others || !module->image ||
                !image_find_symbol(module->image, name, &value, NULL, NULL))
                continue;
            *address = module->bias + value;
            if (in)
                *in = module;
            return true;
        }
    }
    return false;
}

const struct module *process_find_module(const struct process *process, vaddr address)
{
    size_t low = 0, high = process->module_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (process->modules[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    const struct module *module = &process->modules[low - 1];
    return address - module->start < module->data_end - module->start ? module : NULL;
}
