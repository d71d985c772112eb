#include "placement.h"

#include <elf.h>
#include <string.h>

#include "builder.h"
#include "placement_vote.h"

// ---- Pages

uint64_t placement_page_down(const struct builder *builder, uint64_t at)
{
    return at & ~(builder->page_size - 1);
}

uint64_t placement_page_up(const struct builder *builder, uint64_t at)
{
    return placement_page_down(builder, at + builder->page_size - 1);
}

uint64_t placement_find_page_size(const struct core *core)
{
    uint64_t size;
    if (core_find_auxv(core, AT_PAGESZ, &size) && size >= 4096 && size <= 1 << 20 &&
        !(size & (size - 1)))
        return size;
    return 4096;
}

// ---- The file

static vaddr image_end(const struct builder *builder, const struct image *image)
{
    uint64_t end = 0;
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];
        if (segment->start + segment->memory_size > end)
            end = segment->start + segment->memory_size;
    }
    return placement_page_up(builder, end);
}

// Of the file that the process had mapped there; size 0: not saved.
static void read_core_build_id(const struct builder *builder, vaddr start, struct build_id *id)
{
    uint64_t size;
    const uint8_t *saved = layer_find(&builder->layers[LAYER_SAVED], start, &size);
    if (saved)
        build_id_find(saved, size, id);
}

void placement_attach(const struct builder *builder, struct module *module, struct image *image,
                      vaddr bias, enum module_match match)
{
    module->image = image;
    module->bias = bias;
    module->match = match;
    module->data_end = bias + image_end(builder, image);
    if (!builder_run(builder, module)->base) {
        module->start = bias + placement_page_down(builder, image->segments[0].start);
        module->end = module->data_end;
        read_core_build_id(builder, module->start, &module->core_build_id);
    }
    if (module->data_end < module->start)
        module->data_end = module->start;
}

bool placement_is_same_machine(const struct core *core, const struct image *image)
{
    return core->machine == image->machine && core->format.word_size == image->format.word_size &&
           core->format.big_endian == image->format.big_endian;
}

// ---- By the lines of NT_FILE

bool placement_find_bias(const struct builder *builder, const struct module *module,
                         const struct image *image, vaddr *bias)
{
    const struct run *run = builder_run(builder, module);
    if (run->link) {
        *bias = run->link->dynamic - image->dynamic;
        return image->dynamic_size > 0 && *bias == placement_page_down(builder, *bias);
    }
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];
        if (placement_page_down(builder, segment->file_offset) != run->base->file_offset)
            continue;
        *bias = run->base->start - placement_page_down(builder, segment->start);
        return true;
    }
    return false;
}

static bool line_fits_image(const struct builder *builder, const struct core_mapping *line,
                            const struct image *image, vaddr bias)
{
    if (line->end - bias > image_end(builder, image))
        return false;
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];
        if (line->start - line->file_offset ==
            bias + placement_page_down(builder, segment->start) -
                placement_page_down(builder, segment->file_offset))
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

// The dynamic section that the process had is the file's, but for what the linker wrote there:
// addresses, and DT_DEBUG. It has the sizes of all tables, the library's name and where its code
// begins.
static bool has_same_dynamic(const struct builder *builder, const struct image *image, vaddr bias)
{
    const struct memory_format format = image->format;
    const uint8_t *ours = image->bytes + image->dynamic_offset;
    const uint8_t *theirs =
        builder_saved_bytes(builder, bias + image->dynamic, image->dynamic_size);
    for (size_t at = 0; theirs && at + 2 * format.word_size <= image->dynamic_size;
         at += 2 * format.word_size) {
        vaddr tag = format_word(format, ours + at);
        vaddr value = format_word(format, ours + at + format.word_size);
        vaddr there = format_word(format, theirs + at + format.word_size);
        if (tag != format_word(format, theirs + at))
            return false;
        if (tag == DT_NULL)
            return true;
        vaddr moved = format.word_size == 8 ? value + bias : (uint32_t)(value + bias);
        if (there != value && there != moved && tag != DT_DEBUG)
            return false;
    }
    return false;
}

// Without build-ids: does the file explain every mapping that the core has of it, has the core one
// for every segment of it, are the bytes of the saved page (its symbols begin there) the same, and
// its dynamic section, where that is saved? The file header is not compared: strip changes it.
static bool is_plausible(const struct builder *builder, const struct module *module,
                         const struct image *image, vaddr bias)
{
    const struct run *run = builder_run(builder, module);
    for (size_t i = 0; i < run->count; i++)
        if (!line_fits_image(builder, &run->lines[i], image, bias))
            return false;
    for (size_t i = 0; i < image->segment_count; i++)
        if (!segment_fits_run(run, image, &image->segments[i], bias))
            return false;
    if (image->dynamic_size > 0 &&
        builder_saved_bytes(builder, bias + image->dynamic, image->dynamic_size) &&
        !has_same_dynamic(builder, image, bias))
        return false;
    uint64_t size;
    const uint8_t *saved = builder_saved_beginning(builder, module, &size);
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

enum module_match placement_compare(const struct builder *builder, const struct module *module,
                                    const struct image *image, vaddr *bias)
{
    if (!placement_is_same_machine(builder->core, image) ||
        !placement_find_bias(builder, module, image, bias))
        return MODULE_ABSENT;
    const bool linked = builder_run(builder, module)->link;
    struct build_id id = module->core_build_id;
    if (linked) // only the file says how far below its dynamic section it begins
        read_core_build_id(builder, *bias + placement_page_down(builder, image->segments[0].start),
                           &id);
    if (id.size && image->build_id.size)
        return build_id_equal(&id, &image->build_id) ? MODULE_MATCHES : MODULE_ABSENT;
    bool plausible = linked ? has_same_dynamic(builder, image, *bias)
                            : is_plausible(builder, module, image, *bias);
    return plausible ? MODULE_UNCHECKED : MODULE_ABSENT;
}

// ---- A core without NT_FILE and link map

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

bool placement_find_lone_bias(const struct builder *builder, const struct image *image, vaddr *bias,
                              enum module_match *match)
{
    uint64_t value;
    vaddr header;
    *match = MODULE_UNCHECKED;
    if (find_saved_header(builder, image, &header)) {
        *bias = header - placement_page_down(builder, image->segments[0].start);
        *match = MODULE_MATCHES;
    } else if (!image->position_independent)
        *bias = 0;
    else if (core_find_auxv(builder->core, AT_PHDR, &value))
        *bias = value - program_headers_address(image);
    else if (core_find_auxv(builder->core, AT_ENTRY, &value))
        *bias = value - image->entry;
    else
        return builder->core->bytes_missing && placement_vote_bias(builder, image, bias);
    return true;
}
