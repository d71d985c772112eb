#include "module_memory.h"

#include <gelf.h>
#include <string.h>
#include <sys/mman.h>

#include "builder.h"
#include "placement.h"

static const uint64_t SIZE_MAX_HERE = 1ull << 30; // of a file

// Where a file's segments are in the process.
struct mapped {
    const struct builder *builder;
    Elf *elf; // of the saved beginning
    size_t count;
    vaddr bias;
    uint64_t size; // of the file, as far as segments have it
};

static bool next_load(const struct mapped *mapped, size_t *i, GElf_Phdr *header)
{
    while (*i < mapped->count)
        if (gelf_getphdr(mapped->elf, (int)(*i)++, header) && header->p_type == PT_LOAD)
            return true;
    return false;
}

// Looks at all segments: the size of the file, and whether the core has what was read-only.
static bool measure(struct mapped *mapped, vaddr start)
{
    GElf_Phdr header;
    uint64_t end, saved = 0;
    bool is_first = true;
    for (size_t i = 0; next_load(mapped, &i, &header); is_first = false) {
        if (is_first)
            mapped->bias = start - placement_page_down(mapped->builder, header.p_vaddr);
        if (__builtin_add_overflow(header.p_offset, header.p_filesz, &end) || end > SIZE_MAX_HERE)
            return false;
        if (!(header.p_flags & PF_W) && header.p_filesz > 0 &&
            !builder_saved_bytes(mapped->builder, mapped->bias + header.p_vaddr, header.p_filesz))
            return false;
        // The same bytes again and again would be a lie, and take forever.
        saved += header.p_filesz;
        mapped->size = end > mapped->size ? end : mapped->size;
    }
    return mapped->size > 0 && saved <= SIZE_MAX_HERE;
}

static void gather(const struct mapped *mapped, uint8_t *bytes)
{
    GElf_Phdr header;
    for (size_t i = 0; next_load(mapped, &i, &header);) {
        uint64_t size;
        const uint8_t *saved =
            layer_find(&mapped->builder->layers[LAYER_SAVED], mapped->bias + header.p_vaddr, &size);
        if (saved)
            memcpy(bytes + header.p_offset, saved, size < header.p_filesz ? size : header.p_filesz);
    }
}

// Takes the image if it is what the core's module was.
static void attach(const struct builder *builder, struct module *module, struct image *image)
{
    vaddr bias;
    if (placement_is_same_machine(builder->core, image) &&
        placement_find_bias(builder, module, image, &bias) && bias == image->moved_by)
        placement_attach(builder, module, image, bias, MODULE_FROM_CORE);
    else
        image_close(image);
}

static struct failure *open_mapped(const struct mapped *mapped, struct module *module)
{
    struct image *image;
    uint8_t *bytes = mmap(NULL, mapped->size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED)
        return failure_no_memory();
    gather(mapped, bytes);
    struct failure *failure =
        image_open_bytes(module->path, bytes, mapped->size, mapped->bias, &image);
    if (!failure) {
        attach(mapped->builder, module, image);
        return NULL;
    }
    munmap(bytes, mapped->size);
    if (failure_kind(failure) == FAILURE_NO_MEMORY)
        return failure;
    failure_destroy(failure); // no ELF file after all
    return NULL;
}

struct failure *module_memory_open(const struct builder *builder, struct module *module)
{
    uint64_t size;
    struct failure *failure = NULL;
    const uint8_t *saved = builder_saved_beginning(builder, module, &size);
    const struct run *run = builder_run(builder, module);
    if (!saved || size < SELFMAG || memcmp(saved, ELFMAG, SELFMAG))
        return NULL;
    elf_version(EV_CURRENT);
    struct mapped mapped = {.builder = builder, .elf = elf_memory((char *)saved, size)};
    if (elf_getphdrnum(mapped.elf, &mapped.count) == 0 &&
        measure(&mapped, run->base ? run->base->start : module->start))
        failure = open_mapped(&mapped, module);
    elf_end(mapped.elf);
    return failure;
}
