#include "emulator_space.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    // Between the stack and anything else, so that running over its ends is noticed.
    GUARD = 64 << 10,
    // A process has nothing below (vm.mmap_min_addr), and NULL with an offset must stay unmapped.
    LOWEST = 1 << 20,
};

static vaddr page_down(vaddr at)
{
    return at & ~(vaddr)(EMULATOR_PAGE - 1);
}

static vaddr page_up(vaddr at)
{
    return page_down(at + EMULATOR_PAGE - 1);
}

// ---- The stack and the page of code

// The highest page-aligned place for `size` bytes that no span touches; 0: none.
static vaddr find_gap(const struct memory *memory, vaddr limit, uint64_t size)
{
    vaddr end = limit;
    for (size_t i = memory->count; i-- > 0;) {
        const struct memory_span *span = &memory->spans[i];
        if (span->start >= end)
            continue;
        vaddr span_end = page_up(span->start + span->size);
        if (span_end < end && end - span_end >= size)
            return end - size;
        end = page_down(span->start);
    }
    return end >= LOWEST + size ? end - size : 0;
}

struct failure *emulator_space_init(struct emulator_space *space, struct memory *memory,
                                    const struct emulator_machine *machine, uint64_t stack_size)
{
    *space = (struct emulator_space){.memory = memory, .machine = machine};
    vaddr start =
        find_gap(memory, (vaddr)1 << machine->address_bits, stack_size + EMULATOR_PAGE + 3 * GUARD);
    if (!start)
        return failure_create(FAILURE_UNSUPPORTED,
                              "the process left no room for the emulator's stack");
    // Only what is used of it is ever allocated.
    uint8_t *bytes = mmap(NULL, stack_size + EMULATOR_PAGE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED)
        return failure_no_memory();
    space->stack = (struct emulator_stack){start + GUARD, stack_size, bytes};
    space->code = start + GUARD + stack_size + GUARD;
    space->code_bytes = bytes + stack_size;
    return NULL;
}

void emulator_space_deinit(struct emulator_space *space)
{
    emulator_space_forget_copies(space);
    if (space->stack.bytes)
        munmap(space->stack.bytes, space->stack.size + EMULATOR_PAGE);
}

// ---- Regions

static bool add_region(struct emulator_space *space, vaddr start, uint64_t size,
                       const uint8_t *bytes, uint32_t rights)
{
    if (uc_mem_map_ptr(space->engine, start, size, rights, (void *)bytes) != UC_ERR_OK)
        return false;
    space->regions++;
    return true;
}

static bool add_copy(struct emulator_space *space, const struct emulator_copy *copy)
{
    return add_region(space, copy->page, EMULATOR_PAGE, copy->bytes, UC_PROT_ALL);
}

bool emulator_space_enter(struct emulator_space *space, uc_engine *engine)
{
    space->engine = engine;
    space->regions = 0;
    for (size_t i = 0; i < space->copy_count; i++)
        if (!add_copy(space, &space->copies[i]))
            return false;
    return add_region(space, space->stack.start, space->stack.size, space->stack.bytes,
                      UC_PROT_READ | UC_PROT_WRITE) &&
           add_region(space, space->code, EMULATOR_PAGE, space->code_bytes,
                      UC_PROT_READ | UC_PROT_EXEC);
}

bool emulator_space_is_full(const struct emulator_space *space)
{
    return space->regions >= EMULATOR_REGIONS_MAX;
}

static bool has_copy(const struct emulator_space *space, vaddr page)
{
    for (size_t i = 0; i < space->copy_count; i++)
        if (space->copies[i].page == page)
            return true;
    return false;
}

// Narrows [*start, *end), which holds `page`, to what has no copy.
static void leave_out_copies(const struct emulator_space *space, vaddr page, vaddr *start,
                             vaddr *end)
{
    for (size_t i = 0; i < space->copy_count; i++) {
        vaddr copy = space->copies[i].page;
        if (copy < page && copy + EMULATOR_PAGE > *start)
            *start = copy + EMULATOR_PAGE;
        if (copy > page && copy < *end)
            *end = copy;
    }
}

// The span's whole pages around that one. False: the page is not one of them.
static bool add_span(struct emulator_space *space, vaddr page)
{
    const struct memory_span *span = memory_find(space->memory, page);
    if (!span || !span->bytes)
        return false;
    vaddr start = page_up(span->start), end = page_down(span->start + span->size);
    if (page < start || page >= end)
        return false;
    leave_out_copies(space, page, &start, &end);
    return add_region(space, start, end - start, span->bytes + (start - span->start),
                      UC_PROT_READ | UC_PROT_EXEC);
}

bool emulator_space_map(struct emulator_space *space, vaddr at)
{
    vaddr page = page_down(at);
    // What lies above would be another address to Unicorn, which has physical ones only.
    if (at >> space->machine->address_bits)
        return false;
    if (has_copy(space, page))
        return false;
    if (add_span(space, page))
        return true;
    // A page in several spans can be had as a copy.
    return emulator_space_copy(space, at) && add_copy(space, &space->copies[space->copy_count - 1]);
}

// ---- Copies

bool emulator_space_copy(struct emulator_space *space, vaddr at)
{
    vaddr page = page_down(at);
    enum memory_status status;
    if (space->copy_count == EMULATOR_COPIES_MAX || has_copy(space, page))
        return false;
    const uint8_t *bytes = memory_view(space->memory, page, EMULATOR_PAGE, &status);
    uint8_t *copy = bytes ? malloc(2 * EMULATOR_PAGE) : NULL;
    if (!copy)
        return false;
    memcpy(copy, bytes, EMULATOR_PAGE);
    memcpy(copy + EMULATOR_PAGE, bytes, EMULATOR_PAGE);
    space->copies[space->copy_count++] = (struct emulator_copy){page, copy};
    return true;
}

void emulator_space_restore(struct emulator_space *space)
{
    for (size_t i = 0; i < space->copy_count; i++)
        memcpy(space->copies[i].bytes, space->copies[i].bytes + EMULATOR_PAGE, EMULATOR_PAGE);
}

void emulator_space_forget_copies(struct emulator_space *space)
{
    for (size_t i = 0; i < space->copy_count; i++)
        free(space->copies[i].bytes);
    space->copy_count = 0;
}
