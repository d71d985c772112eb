#include "core.h"

#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "core_lines.h"
#include "core_overlap.h"
#include "readahead.h"

// The public struct comes first, so that a core is freed as what it was allocated as.
struct core_file {
    struct core core;
    char machine_name[24]; // "machine N"
};

static const struct machine {
    unsigned machine;
    uint8_t word_size;
    const char *name;
    size_t registers_size; // of the kernel's elf_gregset_t
} machines[] = {
    {EM_X86_64, 8, "x86_64", 27 * 8},   {EM_386, 4, "i386", 17 * 4},
    {EM_AARCH64, 8, "aarch64", 34 * 8}, {EM_ARM, 4, "arm", 18 * 4},
    {EM_PPC64, 8, "ppc64", 48 * 8},     {EM_PPC, 4, "ppc", 48 * 4},
    {EM_S390, 8, "s390x", 27 * 8},
};

// Offsets in struct elf_prstatus (Linux, include/linux/elfcore.h), by word size.
static const struct prstatus_layout {
    uint8_t word_size;
    uint8_t pid;
    uint8_t registers;
} prstatus_layouts[] = {
    {4, 24, 72},
    {8, 32, 112},
};

// Offsets in struct elf_prpsinfo (there, and include/linux/elfcore-compat.h), by word size and
// size: 32-bit machines have uids of 16 bits (i386, arm) or of 32 (ppc).
static const struct prpsinfo_layout {
    uint8_t word_size;
    uint8_t size;
    uint8_t pid;
    uint8_t fname;
    uint8_t psargs;
} prpsinfo_layouts[] = {
    {8, 136, 24, 40, 56},
    {4, 128, 16, 32, 48},
    {4, 124, 12, 28, 44},
};

enum {
    PRSTATUS_CURSIG = 12,
    FNAME_SIZE = 16,
    PSARGS_SIZE = 80,
    SPARSE_LEAST = 64 << 20 // bytes of holes
};

// A note's contents, in the mapping of the file.
struct note {
    const uint8_t *bytes;
    size_t size;
};

// ---- The file

static struct failure *map_file(struct core *core, const struct unpack_options *options)
{
    struct stat stat;
    struct failure *failure = unpack_open(core->path, options, &core->fd, &core->unpacked);
    if (failure)
        return failure;
    if (fstat(core->fd, &stat) < 0)
        return failure_create(FAILURE_IO, "%s: cannot be looked at: %s", core->path,
                              strerror(errno));
    void *map = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, core->fd, 0);
    if (map == MAP_FAILED)
        return failure_create(FAILURE_IO,
                              "%s: cannot map %lld bytes: %s; look at ulimit -v and at "
                              "vm.overcommit_memory",
                              core->path, (long long)stat.st_size, strerror(errno));
    core->map = map;
    core->size = (uint64_t)stat.st_size;
    return NULL;
}

static struct failure *explain_no_elf(const struct core *core)
{
    char first[4 * 3 + 1] = "";
    for (size_t i = 0; i < 4 && i < core->size; i++)
        snprintf(first + 3 * i, sizeof(first) - 3 * i, " %02x", core->map[i]);
    return failure_create(FAILURE_NOT_A_CORE,
                          "%s: not an ELF core (%llu bytes, the first are%s); pass the core file "
                          "first and the executable second",
                          core->path, (unsigned long long)core->size, first);
}

// ---- Headers

static const struct machine *find_machine(unsigned machine, uint8_t word_size)
{
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
        if (machines[i].machine == machine && machines[i].word_size == word_size)
            return &machines[i];
    return NULL;
}

static struct failure *explain_kind_of_elf(const struct core *core, unsigned type)
{
    const char *kind = "ELF file of an unknown kind";
    if (type == ET_REL)
        kind = "ELF object file";
    else if (type == ET_EXEC)
        kind = "ELF executable";
    else if (type == ET_DYN)
        kind = "ELF shared object";
    return failure_create(FAILURE_NOT_A_CORE,
                          "%s: not an ELF core but an %s (e_type %u); pass the core file first "
                          "and the executable second",
                          core->path, kind, type);
}

static struct failure *read_file_header(struct core_file *file, Elf *elf, GElf_Ehdr *header)
{
    struct core *core = &file->core;
    if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, header))
        return failure_create(FAILURE_NOT_A_CORE,
                              "%s: its ELF header is damaged or cut (%llu bytes: %s); copy the "
                              "core again",
                              core->path, (unsigned long long)core->size, elf_errmsg(-1));
    if (header->e_type != ET_CORE)
        return explain_kind_of_elf(core, header->e_type);
    core->machine = header->e_machine;
    core->format.word_size = header->e_ident[EI_CLASS] == ELFCLASS64 ? 8 : 4;
    core->format.big_endian = header->e_ident[EI_DATA] == ELFDATA2MSB;
    if (core->machine == EM_X86_64 && core->format.word_size == 4)
        return failure_create(FAILURE_UNSUPPORTED,
                              "%s: a core of an x32 process (32-bit ELF class on x86-64), which "
                              "is not supported; run the program as x86-64 or i386",
                              core->path);
    const struct machine *machine = find_machine(core->machine, core->format.word_size);
    snprintf(file->machine_name, sizeof(file->machine_name), "machine %u", core->machine);
    core->architecture = machine ? machine->name : file->machine_name;
    return NULL;
}

static void add_missing(struct core *core, uint64_t missing)
{
    if (__builtin_add_overflow(core->bytes_missing, missing, &core->bytes_missing))
        core->bytes_missing = UINT64_MAX;
}

// libelf cuts the number of headers to what the file holds without a word, so it is compared with
// what the file itself says: e_phnum, or with PN_XNUM the first section header (ELF specification).
static struct failure *count_headers(struct core *core, Elf *elf, const GElf_Ehdr *header,
                                     size_t *count)
{
    uint64_t promised = header->e_phnum;
    if (promised == PN_XNUM) {
        GElf_Shdr first;
        if (gelf_getshdr(elf_getscn(elf, 0), &first))
            promised = first.sh_info;
        else // The kernel writes it behind the data: a cut core has lost it, and the excess.
            add_missing(core, header->e_shentsize);
    }
    if (elf_getphdrnum(elf, count) < 0)
        *count = 0;
    if (promised > 0 && header->e_phentsize != gelf_fsize(elf, ELF_T_PHDR, 1, EV_CURRENT))
        *count = 0;
    if (*count < promised)
        return failure_create(FAILURE_NOT_A_CORE,
                              "%s: its header table is damaged or cut: %llu program headers of %u "
                              "bytes at offset %llu promised, %zu there in %llu bytes; copy the "
                              "core again",
                              core->path, (unsigned long long)promised, header->e_phentsize,
                              (unsigned long long)header->e_phoff, *count,
                              (unsigned long long)core->size);
    if (*count == 0)
        return failure_create(FAILURE_NOT_A_CORE,
                              "%s: an ELF core without program headers; copy the core again",
                              core->path);
    return NULL;
}

// How much of [offset, offset + size) the file has.
static uint64_t clip_to_file(const struct core *core, uint64_t offset, uint64_t size)
{
    if (offset >= core->size)
        return 0;
    return size < core->size - offset ? size : core->size - offset;
}

static void read_segment(struct core *core, const GElf_Phdr *header)
{
    struct core_segment *segment = &core->segments[core->segment_count++];
    uint64_t saved = clip_to_file(core, header->p_offset, header->p_filesz);
    *segment = (struct core_segment){
        .start = header->p_vaddr,
        .memory_size = header->p_memsz > header->p_filesz ? header->p_memsz : header->p_filesz,
        .saved_size = saved,
        .missing = header->p_filesz - saved,
        .bytes = saved ? core->map + header->p_offset : NULL,
        .flags = header->p_flags,
    };
    add_missing(core, segment->missing);
}

// ---- Notes

// The array with room for one more element, NULL when memory is short.
static void *reserve(void *array, size_t count, size_t element_size)
{
    if (count & (count - 1)) // grows at powers of two, and from nothing
        return array;
    return reallocarray(array, count ? count * 2 : 1, element_size);
}

static uint64_t note_word(const struct core *core, struct note note, size_t index)
{
    return format_word(core->format, note.bytes + index * core->format.word_size);
}

static bool read_prstatus(struct core *core, struct note note)
{
    const struct prstatus_layout *layout = prstatus_layouts;
    while (layout->word_size != core->format.word_size)
        layout++;
    if (note.size < layout->pid + 4u)
        return true;
    struct core_thread *threads = reserve(core->threads, core->thread_count, sizeof(*threads));
    if (!threads)
        return false;
    core->threads = threads;
    const struct machine *machine = find_machine(core->machine, core->format.word_size);
    size_t size = machine ? machine->registers_size : 0;
    bool whole = size > 0 && note.size >= layout->registers + size;
    core->threads[core->thread_count++] = (struct core_thread){
        .tid = (uint32_t)format_uint(core->format, note.bytes + layout->pid, 4),
        .signal = (int)format_int(core->format, note.bytes + PRSTATUS_CURSIG, 2),
        .registers = whole ? note.bytes + layout->registers : NULL,
        .registers_size = whole ? size : 0,
    };
    return true;
}

// The largest that the note has room for, as it may be padded; NULL: none.
static const struct prpsinfo_layout *find_prpsinfo_layout(const struct core *core, struct note note)
{
    for (size_t i = 0; i < sizeof(prpsinfo_layouts) / sizeof(prpsinfo_layouts[0]); i++)
        if (prpsinfo_layouts[i].word_size == core->format.word_size &&
            prpsinfo_layouts[i].size <= note.size)
            return &prpsinfo_layouts[i];
    return NULL;
}

static bool read_prpsinfo(struct core *core, struct note note)
{
    const struct prpsinfo_layout *layout = find_prpsinfo_layout(core, note);
    if (core->has_prpsinfo || !layout)
        return true;
    const char *text = (const char *)note.bytes + layout->psargs;
    size_t length = strnlen(text, PSARGS_SIZE);
    while (length > 0 && text[length - 1] == ' ') // the kernel turns each argument's NUL into one
        length--;
    if (length == 0) {
        text = (const char *)note.bytes + layout->fname;
        length = strnlen(text, FNAME_SIZE);
    }
    char *command = strndup(text, length);
    if (!command)
        return false;
    for (char *at = command; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    size_t names = command_names_length(command);
    core->arguments = command + names + strspn(command + names, " ");
    command[names] = '\0';
    free(core->command);
    core->command = command;
    core->pid = (uint32_t)format_uint(core->format, note.bytes + layout->pid, 4);
    core->has_prpsinfo = true;
    return true;
}

static bool read_auxv(struct core *core, struct note note)
{
    size_t words = note.size / core->format.word_size;
    for (size_t i = 0; i + 1 < words && note_word(core, note, i) != AT_NULL; i += 2) {
        struct core_auxv *auxv = reserve(core->auxv, core->auxv_count, sizeof(*auxv));
        if (!auxv)
            return false;
        core->auxv = auxv;
        core->auxv[core->auxv_count++] =
            (struct core_auxv){note_word(core, note, i), note_word(core, note, i + 1)};
    }
    return true;
}

// NT_FILE (Linux, fs/binfmt_elf.c, fill_files_note): count, page size, count lines of start, end
// and offset in pages, then count strings. What the note is too short for is left out.
static bool read_files(struct core *core, struct note note)
{
    const size_t word_size = core->format.word_size;
    if (note.size < 2 * word_size)
        return true;
    uint64_t count = note_word(core, note, 0);
    uint64_t page_size = note_word(core, note, 1);
    if (page_size == 0 || count > (note.size / word_size - 2) / 3)
        return true;
    const char *path = (const char *)note.bytes + (2 + 3 * count) * word_size;
    const char *end = (const char *)note.bytes + note.size;
    for (size_t i = 0; i < count; i++) {
        size_t length = strnlen(path, (size_t)(end - path));
        if (length == (size_t)(end - path))
            return true; // the string has no end within the note
        struct core_mapping line = {note_word(core, note, 2 + 3 * i),
                                    note_word(core, note, 3 + 3 * i), 0, path};
        path += length + 1;
        if (line.start >= line.end ||
            __builtin_mul_overflow(note_word(core, note, 4 + 3 * i), page_size, &line.file_offset))
            continue; // nonsense
        struct core_mapping *lines = reserve(core->mappings, core->mapping_count, sizeof(*lines));
        if (!lines)
            return false;
        core->mappings = lines;
        core->mappings[core->mapping_count++] = line;
    }
    return true;
}

// Notes of the owner "LINUX" follow the prstatus of their thread (Linux, fs/binfmt_elf.c,
// write_note_info).
static void read_linux_note(struct core *core, unsigned type, struct note note)
{
    if (core->thread_count == 0 || (type != NT_ARM_TLS && type != NT_386_TLS))
        return;
    struct core_thread *thread = &core->threads[core->thread_count - 1];
    thread->tls = note.bytes;
    thread->tls_size = note.size;
}

static bool read_note(struct core *core, unsigned type, struct note note)
{
    switch (type) {
    case NT_PRSTATUS:
        return read_prstatus(core, note);
    case NT_PRPSINFO:
        return read_prpsinfo(core, note);
    case NT_SIGINFO:
        if (note.size >= 4 && core->signal == 0)
            core->signal = (int)format_int(core->format, note.bytes, 4);
        return true;
    case NT_AUXV:
        return read_auxv(core, note);
    case NT_FILE:
        return read_files(core, note);
    default:
        return true;
    }
}

// Reads the notes that the file has whole; a note that its end cuts off is lost. `budget` is what
// all note segments together may still have: more than the file is a lie (the same notes again and
// again), and would take forever.
static struct failure *read_note_segment(struct core *core, Elf *elf, const GElf_Phdr *header,
                                         uint64_t *budget)
{
    uint64_t saved = clip_to_file(core, header->p_offset, header->p_filesz);
    add_missing(core, header->p_filesz - saved);
    if (__builtin_add_overflow(core->notes_missing, header->p_filesz - saved, &core->notes_missing))
        core->notes_missing = UINT64_MAX;
    if (saved == 0 || saved > *budget)
        return NULL;
    *budget -= saved;
    Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)header->p_offset, saved,
                                          header->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
    if (!data)
        return failure_no_memory();
    GElf_Nhdr note;
    size_t name, contents, next;
    for (size_t at = 0; (next = gelf_getnote(data, at, &note, &name, &contents)) > 0; at = next) {
        // Other owners have types of the same numbers ("FreeBSD").
        const uint8_t *bytes = core->map + header->p_offset;
        struct note body = {bytes + contents, note.n_descsz};
        if (note.n_namesz == 6 && !memcmp(bytes + name, "LINUX", 6))
            read_linux_note(core, note.n_type, body);
        if (note.n_namesz < 4 || note.n_namesz > 5 || memcmp(bytes + name, "CORE", 4))
            continue;
        if (!read_note(core, note.n_type, body))
            return failure_no_memory();
    }
    return NULL;
}

// ---- All of it

static struct failure *read_segments(struct core *core, Elf *elf, const GElf_Ehdr *file_header)
{
    size_t count;
    uint64_t note_budget = core->size;
    struct failure *failure = count_headers(core, elf, file_header, &count);
    if (failure)
        return failure;
    core->segments = calloc(count, sizeof(*core->segments));
    if (!core->segments)
        return failure_no_memory();
    for (size_t i = 0; i < count && !failure; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(elf, (int)i, &header))
            return failure_create(FAILURE_NOT_A_CORE,
                                  "%s: program header %zu of %zu cannot be read: %s; copy the core "
                                  "again",
                                  core->path, i, count, elf_errmsg(-1));
        if (header.p_type == PT_LOAD)
            read_segment(core, &header);
        else if (header.p_type == PT_NOTE)
            failure = read_note_segment(core, elf, &header, &note_budget);
    }
    return failure;
}

static struct failure *read_core(struct core_file *file)
{
    struct core *core = &file->core;
    if (core->size < SELFMAG || memcmp(core->map, ELFMAG, SELFMAG))
        return explain_no_elf(core);
    elf_version(EV_CURRENT);
    // libelf looks at our mapping, which ends where the file ended when it was opened.
    Elf *elf = elf_memory((char *)core->map, core->size);
    GElf_Ehdr header;
    struct failure *failure = read_file_header(file, elf, &header);
    if (!failure)
        failure = read_segments(core, elf, &header);
    elf_end(elf);
    if (failure)
        return failure;
    if (core->signal == 0 && core->thread_count > 0)
        core->signal = core->threads[0].signal;
    bool damaged = core->unpacked && core->unpacked->damage;
    core->lines_contradict = core_lines_contradict(core);
    if (core->lines_contradict) // then it goes by what memory says of the files
        core->mapping_count = 0;
    failure = core_overlap_count(core, &core->bytes_overlapping);
    core->complete = core->bytes_missing == 0 && core->bytes_overlapping == 0 &&
                     core->thread_count > 0 && !damaged && !core->lines_contradict;
    return failure;
}

struct failure *core_open(const char *path, struct core **core)
{
    return core_open_with(path, NULL, core);
}

struct failure *core_open_with(const char *path, const struct unpack_options *options,
                               struct core **core)
{
    struct core_file *file = calloc(1, sizeof(*file));
    if (!file)
        return failure_no_memory();
    file->core.fd = -1;
    file->core.path = strdup(path);
    file->core.command = strdup("");
    file->core.arguments = "";
    struct failure *failure = NULL;
    if (!file->core.path || !file->core.command)
        failure = failure_no_memory();
    if (!failure)
        failure = map_file(&file->core, options);
    if (!failure)
        failure = unpacked_explain(file->core.unpacked, read_core(file));
    if (failure)
        core_close(&file->core);
    else
        *core = &file->core;
    return failure;
}

void core_close(struct core *core)
{
    if (!core)
        return;
    readahead_stop(core->readahead);
    if (core->map)
        munmap((void *)core->map, core->size);
    if (core->fd >= 0)
        close(core->fd);
    unpacked_destroy(core->unpacked);
    free(core->path);
    free(core->command);
    free(core->segments);
    free(core->mappings);
    free(core->threads);
    free(core->auxv);
    free((struct core_file *)core);
}

void core_read_ahead(struct core *core)
{
    if (!core->readahead)
        core->readahead = readahead_start(core->fd, core->map, core->size, readahead_limit());
}

bool core_find_auxv(const struct core *core, uint64_t type, uint64_t *value)
{
    for (size_t i = 0; i < core->auxv_count; i++) {
        if (core->auxv[i].type == type) {
            *value = core->auxv[i].value;
            return true;
        }
    }
    return false;
}

bool core_has_holes(const struct core *core)
{
    off_t hole = lseek(core->fd, 0, SEEK_HOLE);
    return hole >= 0 && (uint64_t)hole < core->size;
}

bool core_is_sparse(const struct core *core)
{
    struct stat stat;
    return fstat(core->fd, &stat) == 0 &&
           (uint64_t)stat.st_blocks * 512 + SPARSE_LEAST <= core->size;
}

bool core_find_data(const struct core *core, const uint8_t *bytes, uint64_t size, uint64_t *from,
                    uint64_t *data_size)
{
    uint64_t start = (uint64_t)(bytes - core->map), end = start + size;
    if (*from >= size)
        return false;
    off_t data = lseek(core->fd, (off_t)(start + *from), SEEK_DATA);
    if (data < 0 && errno != ENXIO) // a file system that does not know holes
        data = (off_t)(start + *from);
    if (data < 0 || (uint64_t)data >= end)
        return false;
    off_t hole = lseek(core->fd, data, SEEK_HOLE);
    uint64_t data_end = hole > data && (uint64_t)hole < end ? (uint64_t)hole : end;
    *from = (uint64_t)data - start;
    *data_size = data_end - (uint64_t)data;
    return true;
}

bool core_has_bytes(const struct core *core, const uint8_t *bytes)
{
    return bytes >= core->map && bytes < core->map + core->size;
}

const char *core_signal_name(int signal)
{
    // Linux generic numbers (asm-generic/signal.h), whatever this program runs on.
    static const char *const names[] = {
        NULL,        "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
        "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
        "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
        "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS",
    };
    if (signal < 0 || (size_t)signal >= sizeof(names) / sizeof(names[0]))
        return NULL;
    return names[signal];
}
