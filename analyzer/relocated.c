// Relocations of the dynamic section (DT_RELA, DT_REL, DT_RELR) that fill in addresses of data:
// that of the file's own (RELATIVE), and those of symbols. What runs code (IRELATIVE) or concerns
// code alone (DT_JMPREL) is left as it is in the file.
#include "relocated.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum {
    SYMBOL_NAME_MAX = 256
};

// Numbers of the processor supplements of the ELF specification.
struct machine {
    unsigned machine, absolute, glob_dat, relative;
};
static const struct machine machines[] = {
    {EM_X86_64, R_X86_64_64, R_X86_64_GLOB_DAT, R_X86_64_RELATIVE},
    {EM_386, R_386_32, R_386_GLOB_DAT, R_386_RELATIVE},
    {EM_AARCH64, R_AARCH64_ABS64, R_AARCH64_GLOB_DAT, R_AARCH64_RELATIVE},
    {EM_ARM, R_ARM_ABS32, R_ARM_GLOB_DAT, R_ARM_RELATIVE},
    {EM_PPC64, R_PPC64_ADDR64, R_PPC64_GLOB_DAT, R_PPC64_RELATIVE},
    {EM_PPC, R_PPC_ADDR32, R_PPC_GLOB_DAT, R_PPC_RELATIVE},
    {EM_S390, R_390_64, R_390_GLOB_DAT, R_390_RELATIVE},
};

struct job {
    struct relocated *relocated;
    const struct process *process;
    const struct module *module;
    const struct image *image;
    const struct machine *machine;
    struct memory_format format;
    vaddr symbols, strings;
};

// `size` bytes of the file by their address in it; NULL: it has not all of them.
static const uint8_t *find_bytes(const struct image *image, vaddr at, uint64_t size)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct image_segment *segment = &image->segments[i];
        uint64_t offset = at - segment->start, place;
        if (offset >= segment->file_size || size > segment->file_size - offset ||
            __builtin_add_overflow(segment->file_offset, offset, &place) || place > image->size ||
            size > image->size - place)
            continue;
        return image->bytes + place;
    }
    return NULL;
}

static vaddr find_dynamic(const struct job *job, uint64_t tag)
{
    const struct image *image = job->image;
    unsigned word = job->format.word_size;
    if (image->dynamic_offset > image->size)
        return 0;
    uint64_t size = image->size - image->dynamic_offset;
    if (size > image->dynamic_size)
        size = image->dynamic_size;
    for (uint64_t at = 0; at + 2 * word <= size; at += 2 * word) {
        const uint8_t *entry = image->bytes + image->dynamic_offset + at;
        vaddr is = format_word(job->format, entry);
        if (is == tag)
            return format_word(job->format, entry + word);
        if (is == DT_NULL)
            return 0;
    }
    return 0;
}

// The address that the linker would find for a symbol by its number; 0: none.
static vaddr find_symbol(const struct job *job, uint64_t number)
{
    bool wide = job->format.word_size == 8;
    uint64_t size = wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
    char name[SYMBOL_NAME_MAX];
    vaddr address;
    const uint8_t *symbol = find_bytes(job->image, job->symbols + number * size, size);
    if (!symbol)
        return 0;
    vaddr text = job->strings + format_uint(job->format, symbol, 4); // st_name
    for (size_t i = 0; i < sizeof(name); i++) {
        const uint8_t *byte = find_bytes(job->image, text + i, 1);
        if (!byte)
            return 0;
        name[i] = (char)*byte;
        if (*byte)
            continue;
        bool found = process_find_exported(job->process, job->module, name, &address, NULL);
        return found ? address : 0;
    }
    return 0;
}

static uint8_t *find_place(const struct job *job, vaddr at)
{
    for (size_t i = 0; i < job->relocated->count; i++) {
        const struct relocated_segment *segment = &job->relocated->segments[i];
        uint64_t offset = at - segment->start;
        if (offset < segment->size && job->format.word_size <= segment->size - offset)
            return segment->bytes + offset;
    }
    return NULL;
}

static void store_word(struct memory_format format, uint8_t *at, vaddr value)
{
    for (unsigned i = 0; i < format.word_size; i++)
        at[format.big_endian ? format.word_size - 1 - i : i] = (uint8_t)(value >> (8 * i));
}

static void apply(const struct job *job, const uint8_t *entry, bool has_addend)
{
    unsigned word = job->format.word_size;
    uint64_t info = format_word(job->format, entry + word);
    unsigned type = word == 8 ? ELF64_R_TYPE(info) : ELF32_R_TYPE(info);
    uint64_t number = word == 8 ? ELF64_R_SYM(info) : ELF32_R_SYM(info);
    uint8_t *place = find_place(job, format_word(job->format, entry) + job->module->bias);
    if (!place)
        return;
    vaddr addend = format_word(job->format, has_addend ? entry + 2 * word : place), value;
    if (type == job->machine->relative)
        value = job->module->bias + addend;
    else if (type == job->machine->absolute || type == job->machine->glob_dat)
        value = find_symbol(job, number);
    else
        return;
    if (type == job->machine->absolute && value)
        value += addend;
    store_word(job->format, place, value);
}

static void apply_all(const struct job *job, uint64_t table, uint64_t table_size, bool has_addend)
{
    unsigned size = (has_addend ? 3u : 2u) * job->format.word_size;
    vaddr start = find_dynamic(job, table);
    uint64_t bytes = find_dynamic(job, table_size);
    if (!start || bytes > job->image->size)
        return;
    for (uint64_t at = 0; at + size <= bytes; at += size) {
        const uint8_t *entry = find_bytes(job->image, start + at, size);
        if (!entry)
            return;
        apply(job, entry, has_addend);
    }
}

static void add_bias(const struct job *job, vaddr at)
{
    uint8_t *place = find_place(job, at + job->module->bias);
    if (place)
        store_word(job->format, place, format_word(job->format, place) + job->module->bias);
}

// DT_RELR, RELATIVE ones in short: an even word is the address of one; an odd one has a bit for
// each of the words that follow what was done last, from bit 1 on (ELF specification, gABI draft).
static void apply_relative(const struct job *job)
{
    unsigned word = job->format.word_size;
    vaddr start = find_dynamic(job, DT_RELR), place = 0;
    uint64_t bytes = find_dynamic(job, DT_RELRSZ);
    if (!start || bytes > job->image->size)
        return;
    for (uint64_t at = 0; at + word <= bytes; at += word) {
        const uint8_t *entry = find_bytes(job->image, start + at, word);
        if (!entry)
            return;
        uint64_t bits = format_word(job->format, entry);
        if (!(bits & 1)) {
            add_bias(job, bits);
            place = bits + word;
            continue;
        }
        for (unsigned i = 1; i < 8 * word; i++)
            if (bits >> i & 1)
                add_bias(job, place + (i - 1) * word);
        place += (8 * word - 1) * word;
    }
}

static struct failure *copy_segments(const struct job *job)
{
    struct relocated *relocated = job->relocated;
    uint64_t left = job->image->size; // segments do not share bytes
    relocated->segments = calloc(job->image->segment_count + 1, sizeof(*relocated->segments));
    if (!relocated->segments)
        return failure_no_memory();
    for (size_t i = 0; i < job->image->segment_count; i++) {
        const struct image_segment *segment = &job->image->segments[i];
        const uint8_t *bytes = find_bytes(job->image, segment->start, segment->file_size);
        if (!(segment->flags & PF_W) || !bytes || !segment->file_size || segment->file_size > left)
            continue;
        left -= segment->file_size;
        uint8_t *copy = malloc(segment->file_size);
        if (!copy)
            return failure_no_memory();
        memcpy(copy, bytes, segment->file_size);
        relocated->segments[relocated->count++] = (struct relocated_segment){
            job->module->bias + segment->start, segment->file_size, copy};
    }
    return NULL;
}

struct failure *relocated_init(struct relocated *relocated, const struct process *process,
                               const struct module *module)
{
    *relocated = (struct relocated){0};
    struct job job = {relocated, process, module, module->image};
    if (!module->image || module->match == MODULE_FROM_CORE)
        return NULL;
    job.format = module->image->format;
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
        if (machines[i].machine == module->image->machine)
            job.machine = &machines[i];
    if (!job.machine && module->image->position_independent)
        return NULL;
    struct failure *failure = copy_segments(&job);
    if (failure || !job.machine)
        return failure;
    job.symbols = find_dynamic(&job, DT_SYMTAB);
    job.strings = find_dynamic(&job, DT_STRTAB);
    apply_all(&job, DT_RELA, DT_RELASZ, true);
    apply_all(&job, DT_REL, DT_RELSZ, false);
    apply_relative(&job);
    return NULL;
}

void relocated_deinit(struct relocated *relocated)
{
    for (size_t i = 0; i < relocated->count; i++)
        free(relocated->segments[i].bytes);
    free(relocated->segments);
    *relocated = (struct relocated){0};
}
