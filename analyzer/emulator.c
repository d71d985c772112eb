// Unicorn runs the function until it comes to one of two addresses of ours, each with a hook on
// that one address: visit, and where the function returns to. A third hook counts basic blocks, so
// that nothing runs forever. All of them together cost less than counting instructions
// would: 1.5 us an object on a heap of all types, 3.5 us with Unicorn's own instruction limit. Most
// of what is left is Unicorn 2.0's way with stores, a tenth of a microsecond each.
//
// Missing pages are laid in as they are met. A write to one of the process's pages ends the run:
// the page gets a copy, and the object is begun again. Translated code stays, object after object,
// as long as the engine.
#include "emulator.h"

static const char *const status_texts[] = {
    [EMULATOR_OK] = "ends well",
    [EMULATOR_INSTRUCTION_LIMIT] = "does not end",
    [EMULATOR_UNMAPPED_READ] = "reads memory that is in neither the core nor a file",
    [EMULATOR_UNMAPPED_CALL] = "calls code that is in neither the core nor a file",
    [EMULATOR_BAD_WRITE] = "writes where it cannot",
    [EMULATOR_UNKNOWN_INSTRUCTION] = "has an instruction that the emulator does not know",
    [EMULATOR_SYSTEM_CALL] = "calls the system",
    [EMULATOR_ENGINE_ERROR] = "ends in an exception",
};

const char *emulator_status_text(enum emulator_status status)
{
    return status_texts[status];
}

#ifdef HAVE_UNICORN

#    include <stdlib.h>

#    include "emulator_guard.h"
#    include "emulator_loop.h"
#    include "emulator_machines.h"
#    include "emulator_space.h"

enum {
    // In the page of code.
    VISIT = 0,
    RETURN = 2048,
    // Left above the stack pointer, for code that looks at its caller's frame.
    STACK_ABOVE = 1024,
    VISITS_FIRST = 1024,
};

// Why a run stopped, when not by Unicorn's own error.
enum stop {
    STOP_NONE,
    STOP_RETURNED,
    STOP_LIMIT,
    STOP_NO_MEMORY,
    STOP_SYSTEM_CALL,
    STOP_READ, // of a page that cannot be had
    STOP_CALL, // the same
    STOP_FULL, // it could, but not in this engine
    STOP_WRITE,
    STOP_WANTED, // a read that is looked for
    STOP_FOLLOWER,
};

// Says which reads end a run.
struct watch {
    bool (*wanted)(void *context, vaddr address, unsigned width);
    void *context;
};

struct emulator {
    const struct emulator_machine *machine;
    vaddr tls_base;
    struct emulator_space space;
    uc_engine *engine;   // NULL: none could be had
    uc_context *context; // the processor as it was at first

    // Of the object at hand.
    vaddr next; // where to begin or go on
    uc_err error;
    enum stop stop;
    vaddr stopped_at;
    uint64_t blocks; // still allowed, over all its runs
    vaddr *visits;
    size_t visit_count;
    size_t visit_capacity;

    struct emulator_loop loop;
    const struct watch *watch; // NULL: reads are not looked at
    const struct emulator_follower *follower;
    size_t visit_limit;
    uint64_t counts[EMULATOR_STATUS_COUNT];
};

// ---- Hooks

// The first reason counts: Unicorn goes on to the end of the block.
static void stop_run(struct emulator *emulator, enum stop stop, vaddr at)
{
    if (emulator->stop == STOP_NONE) {
        emulator->stop = stop;
        emulator->stopped_at = at;
    }
    uc_emu_stop(emulator->engine);
}

static bool reserve_visit(struct emulator *emulator)
{
    if (emulator->visit_count < emulator->visit_capacity)
        return true;
    size_t capacity = emulator->visit_capacity ? emulator->visit_capacity * 2 : VISITS_FIRST;
    vaddr *visits = realloc(emulator->visits, capacity * sizeof(*visits));
    if (!visits)
        return false;
    emulator->visits = visits;
    emulator->visit_capacity = capacity;
    return true;
}

// A word of the emulated stack, `index` words above the stack pointer; 0 where there is no stack.
static vaddr read_stack(struct emulator *emulator, unsigned index)
{
    const struct emulator_machine *machine = emulator->machine;
    const struct emulator_stack *stack = &emulator->space.stack;
    uint64_t pointer = 0;
    uc_reg_read(emulator->engine, machine->stack_pointer, &pointer);
    uint64_t offset = pointer + index * machine->word_size - stack->start;
    if (offset >= stack->size || stack->size - offset < machine->word_size)
        return 0;
    return format_word(emulator->space.memory->format, stack->bytes + offset);
}

static bool visits_in_a_circle(struct emulator *emulator, vaddr target)
{
    uint64_t pointer = 0;
    uc_reg_read(emulator->engine, emulator->machine->stack_pointer, &pointer);
    return emulator_loop_is_closed(&emulator->loop, &emulator->space, emulator->visit_count, target,
                                   pointer);
}

static void on_visit(uc_engine *engine, uint64_t at, uint32_t size, void *context)
{
    struct emulator *emulator = context;
    uint64_t target = 0; // Unicorn writes no more than the register's size
    (void)at;
    (void)size;
    if (emulator->visit_count == emulator->visit_limit) {
        stop_run(emulator, STOP_LIMIT, 0);
        return;
    }
    if (!reserve_visit(emulator)) {
        stop_run(emulator, STOP_NO_MEMORY, 0);
        return;
    }
    if (emulator->machine->arguments[0])
        uc_reg_read(engine, emulator->machine->arguments[0], &target);
    else
        target = read_stack(emulator, 1);
    if (emulator->visit_count >= EMULATOR_LOOP_VISITS && visits_in_a_circle(emulator, target)) {
        stop_run(emulator, STOP_LIMIT, 0);
        return;
    }
    emulator->visits[emulator->visit_count++] = target;
    emulator->blocks += EMULATOR_BLOCKS_PER_VISIT;
    const struct emulator_follower *follower = emulator->follower;
    if (follower && !follower->visit(follower->context))
        stop_run(emulator, STOP_FOLLOWER, 0);
}

static void on_step(uc_engine *engine, uint64_t at, uint32_t size, void *context)
{
    struct emulator *emulator = context;
    const struct emulator_follower *follower = emulator->follower;
    (void)engine;
    if (emulator->stop == STOP_NONE && !follower->step(follower->context, at, size))
        stop_run(emulator, STOP_FOLLOWER, at);
}

static void on_return(uc_engine *engine, uint64_t at, uint32_t size, void *context)
{
    (void)engine;
    (void)at;
    (void)size;
    stop_run(context, STOP_RETURNED, 0);
}

static void on_block(uc_engine *engine, uint64_t at, uint32_t size, void *context)
{
    struct emulator *emulator = context;
    uint64_t cost = 1 + size / EMULATOR_BLOCK_SIZE;
    (void)engine;
    (void)at;
    if (emulator->blocks < cost)
        stop_run(emulator, STOP_LIMIT, 0);
    else
        emulator->blocks -= cost;
}

static void on_system_call(uc_engine *engine, void *context)
{
    (void)engine;
    stop_run(context, STOP_SYSTEM_CALL, 0);
}

// True: the page is there now.
static bool on_missing(uc_engine *engine, uc_mem_type type, uint64_t at, int size, int64_t value,
                       void *context)
{
    struct emulator *emulator = context;
    (void)engine;
    (void)size;
    (void)value;
    if (emulator->stop != STOP_NONE)
        return false;
    if (emulator_space_is_full(&emulator->space))
        stop_run(emulator, STOP_FULL, at);
    else if (emulator_space_map(&emulator->space, at))
        return true;
    else
        stop_run(emulator, type == UC_MEM_FETCH_UNMAPPED ? STOP_CALL : STOP_READ, at);
    return false;
}

static bool on_write(uc_engine *engine, uc_mem_type type, uint64_t at, int size, int64_t value,
                     void *context)
{
    (void)engine;
    (void)type;
    (void)size;
    (void)value;
    stop_run(context, STOP_WRITE, at);
    return false;
}

static void on_read(uc_engine *engine, uc_mem_type type, uint64_t at, int size, int64_t value,
                    void *context)
{
    struct emulator *emulator = context;
    (void)engine;
    (void)type;
    (void)value;
    if (emulator->stop == STOP_NONE &&
        emulator->watch->wanted(emulator->watch->context, at, (unsigned)size))
        stop_run(emulator, STOP_WANTED, at);
}

// ---- Engines

// Unicorn takes callbacks of all kinds as object pointers, which ISO C has no conversion for.
typedef void (*any_function)(void);

static void *callback_pointer(any_function function)
{
    union {
        any_function function;
        void *pointer;
    } callback = {function};
    return callback.pointer;
}

static bool add_hook(struct emulator *emulator, int type, any_function function, vaddr first,
                     vaddr last)
{
    uc_hook hook;
    return uc_hook_add(emulator->engine, &hook, type, callback_pointer(function), emulator, first,
                       last) == UC_ERR_OK;
}

static bool add_system_call_hooks(struct emulator *emulator)
{
    uc_hook hook;
    void *callback = callback_pointer((any_function)on_system_call);
    for (size_t i = 0; i < 2; i++) {
        int instruction = emulator->machine->system_calls[i];
        if (instruction && uc_hook_add(emulator->engine, &hook, UC_HOOK_INSN, callback, emulator,
                                       (uint64_t)1, (uint64_t)0, instruction) != UC_ERR_OK)
            return false;
    }
    return true;
}

// A range that ends before it begins is everything.
static bool add_hooks(struct emulator *emulator)
{
    vaddr visit = emulator->space.code + VISIT, returns_to = emulator->space.code + RETURN;
    return add_hook(emulator, UC_HOOK_CODE, (any_function)on_visit, visit, visit) &&
           add_hook(emulator, UC_HOOK_CODE, (any_function)on_return, returns_to, returns_to) &&
           add_hook(emulator, UC_HOOK_BLOCK, (any_function)on_block, 1, 0) &&
           add_hook(emulator, UC_HOOK_MEM_READ_UNMAPPED | UC_HOOK_MEM_FETCH_UNMAPPED,
                    (any_function)on_missing, 1, 0) &&
           add_hook(emulator, UC_HOOK_MEM_WRITE_UNMAPPED | UC_HOOK_MEM_WRITE_PROT,
                    (any_function)on_write, 1, 0) &&
           (!emulator->watch ||
            add_hook(emulator, UC_HOOK_MEM_READ, (any_function)on_read, 1, 0)) &&
           (!emulator->follower || add_hook(emulator, UC_HOOK_CODE, (any_function)on_step, 1, 0)) &&
           add_system_call_hooks(emulator);
}

static bool set_thread_pointer(struct emulator *emulator)
{
    const struct emulator_machine *machine = emulator->machine;
    if (machine->thread_pointer)
        return uc_reg_write(emulator->engine, machine->thread_pointer, &emulator->tls_base) ==
               UC_ERR_OK;
    if (machine->thread_msr) {
        uc_x86_msr msr = {.rid = machine->thread_msr, .value = emulator->tls_base};
        return uc_reg_write(emulator->engine, UC_X86_REG_MSR, &msr) == UC_ERR_OK;
    }
    return true;
}

static void close_guarded(void *context)
{
    uc_close(context);
}

static void close_engine(struct emulator *emulator)
{
    emulator_loop_deinit(&emulator->loop);
    if (emulator->context)
        uc_context_free(emulator->context);
    // One that has aborted may well do so again; what it has is then lost.
    if (emulator->engine)
        emulator_guard_run(close_guarded, emulator->engine);
    emulator->context = NULL;
    emulator->engine = NULL;
}

static bool open_engine(struct emulator *emulator)
{
    const struct emulator_machine *machine = emulator->machine;
    if (uc_open(machine->arch, machine->mode, &emulator->engine) != UC_ERR_OK) {
        emulator->engine = NULL;
        return false;
    }
    // No address ends a run by itself: else NULL would, by the argument `until` of uc_emu_start.
    if (uc_ctl_exits_enable(emulator->engine) == UC_ERR_OK &&
        emulator_space_enter(&emulator->space, emulator->engine) && add_hooks(emulator) &&
        set_thread_pointer(emulator) &&
        uc_context_alloc(emulator->engine, &emulator->context) == UC_ERR_OK &&
        uc_context_save(emulator->engine, emulator->context) == UC_ERR_OK)
        return true;
    close_engine(emulator);
    return false;
}

// ---- Running

// The calling convention: arguments, return address, stack pointer.
static bool set_call(struct emulator *emulator, vaddr object)
{
    const struct emulator_machine *machine = emulator->machine;
    struct emulator_space *space = &emulator->space;
    uint64_t returns_to = space->code + RETURN;
    uint64_t words[1 + EMULATOR_ARGUMENTS] = {returns_to, object, space->code + VISIT, 0};
    uint64_t pointer = space->stack.start + space->stack.size - STACK_ABOVE;
    int registers[2 + EMULATOR_ARGUMENTS] = {machine->stack_pointer};
    void *values[2 + EMULATOR_ARGUMENTS] = {&pointer};
    int count = 1;
    if (machine->return_address) {
        registers[count] = machine->return_address;
        values[count++] = &returns_to;
    } else {
        // As a call leaves it: aligned but for the return address.
        pointer -= machine->word_size;
        for (unsigned i = 0; i < 1 + EMULATOR_ARGUMENTS; i++)
            memcpy(space->stack.bytes + (pointer - space->stack.start) + i * machine->word_size,
                   &words[i], machine->word_size);
    }
    for (unsigned i = 0; i < EMULATOR_ARGUMENTS && machine->arguments[i]; i++) {
        registers[count] = machine->arguments[i];
        values[count++] = &words[1 + i];
    }
    return uc_reg_write_batch(emulator->engine, registers, values, count) == UC_ERR_OK;
}

static enum emulator_status explain(const struct emulator *emulator)
{
    switch (emulator->stop) {
    case STOP_RETURNED:
        return EMULATOR_OK;
    case STOP_LIMIT:
        return EMULATOR_INSTRUCTION_LIMIT;
    case STOP_SYSTEM_CALL:
        return EMULATOR_SYSTEM_CALL;
    case STOP_READ:
        return EMULATOR_UNMAPPED_READ;
    case STOP_CALL:
        return EMULATOR_UNMAPPED_CALL;
    case STOP_WRITE:
        return EMULATOR_BAD_WRITE;
    case STOP_NONE:
    case STOP_NO_MEMORY:
    case STOP_FULL:
    case STOP_WANTED:
    case STOP_FOLLOWER:
        break;
    }
    return emulator->error == UC_ERR_INSN_INVALID ? EMULATOR_UNKNOWN_INSTRUCTION
                                                  : EMULATOR_ENGINE_ERROR;
}

// What the engine has just refused, done by hand; the address to go on from, or 0.
static vaddr step(struct emulator *emulator)
{
    const struct emulator_machine *machine = emulator->machine;
    enum memory_status status;
    uint64_t counter;
    if (!machine->step || emulator->follower ||
        uc_reg_read(emulator->engine, machine->program_counter, &counter) != UC_ERR_OK)
        return 0;
    const uint8_t *code =
        memory_view(emulator->space.memory, counter, EMULATOR_INSTRUCTION_MAX, &status);
    return code ? machine->step(emulator->engine, &emulator->space.stack, code) : 0;
}

static void run_guarded(void *context)
{
    struct emulator *emulator = context;
    do {
        emulator->error = uc_emu_start(emulator->engine, emulator->next, 0, 0, 0);
        emulator->next = emulator->error == UC_ERR_INSN_INVALID && emulator->stop == STOP_NONE
                             ? step(emulator)
                             : 0;
    } while (emulator->next);
}

static enum emulator_status run(struct emulator *emulator, vaddr function, vaddr object)
{
    emulator->stop = STOP_NONE;
    emulator->visit_count = 0;
    emulator->next = function;
    if (!set_call(emulator, object))
        return EMULATOR_ENGINE_ERROR;
    if (emulator->follower)
        emulator->follower->begin(emulator->follower->context);
    if (!emulator_guard_run(run_guarded, emulator)) {
        close_engine(emulator);
        emulator->stop = STOP_NONE;
        emulator->error = UC_ERR_EXCEPTION;
    }
    enum emulator_status status = explain(emulator);
    // Code that was broken off may have left anything in the registers, such as a set direction
    // flag; what returned has kept the calling convention.
    if (status != EMULATOR_OK && emulator->engine)
        uc_context_restore(emulator->engine, emulator->context);
    emulator_space_restore(&emulator->space);
    return status;
}

// What has been done once for an object and would do no good again.
struct remedies {
    bool forgot_copies;
    bool emptied;
};

// Makes room for copies, when there is none for want of those that other objects needed.
static bool forget_copies(struct emulator *emulator, struct remedies *tried)
{
    struct emulator_space *space = &emulator->space;
    if (space->copy_count < EMULATOR_COPIES_MAX || tried->forgot_copies)
        return false;
    tried->forgot_copies = true;
    close_engine(emulator);
    emulator_space_forget_copies(space);
    return true;
}

// Makes what the run stopped for possible, in a new engine. False: it is not.
static bool mend(struct emulator *emulator, struct remedies *tried)
{
    switch (emulator->stop) {
    case STOP_WRITE:
        forget_copies(emulator, tried);
        if (!emulator_space_copy(&emulator->space, emulator->stopped_at))
            return false;
        break;
    case STOP_READ: // a page in two spans takes a copy too
    case STOP_CALL:
        return forget_copies(emulator, tried);
    case STOP_FULL:
        if (tried->emptied)
            return false;
        tried->emptied = true;
        break;
    default:
        return false;
    }
    close_engine(emulator);
    return true;
}

// Again and again, until nothing more can be done about it.
static enum emulator_status run_mended(struct emulator *emulator, vaddr function, vaddr object,
                                       uint64_t blocks)
{
    struct remedies tried = {0};
    enum emulator_status status;
    emulator->blocks = blocks;
    do {
        if (!emulator->engine && !open_engine(emulator))
            return EMULATOR_ENGINE_ERROR;
        status = run(emulator, function, object);
    } while (status != EMULATOR_OK && mend(emulator, &tried));
    return status;
}

enum emulator_status emulator_traverse(struct emulator *emulator, vaddr function, vaddr object,
                                       void (*take)(void *context, vaddr target), void *context)
{
    enum emulator_status status = run_mended(emulator, function, object, EMULATOR_BLOCKS_MAX);
    emulator->counts[status]++;
    if (status == EMULATOR_OK)
        for (size_t i = 0; i < emulator->visit_count; i++)
            take(context, emulator->visits[i]);
    return status;
}

bool emulator_find_read(struct emulator *emulator, vaddr function,
                        bool (*wanted)(void *context, vaddr address, unsigned width), void *context,
                        vaddr *address)
{
    struct watch watch = {wanted, context};
    // What is translated without the hook stays without it.
    close_engine(emulator);
    emulator->watch = &watch;
    run_mended(emulator, function, 0, EMULATOR_BLOCKS_TO_READ);
    close_engine(emulator);
    emulator->watch = NULL;
    if (emulator->stop != STOP_WANTED)
        return false;
    *address = emulator->stopped_at;
    return true;
}

void emulator_set_follower(struct emulator *emulator, const struct emulator_follower *follower)
{
    // What is translated without the hook stays without it.
    close_engine(emulator);
    emulator->follower = follower;
}

uint64_t emulator_read_register(const struct emulator *emulator, int number)
{
    uint64_t value = 0;
    uc_reg_read(emulator->engine, number, &value);
    return value;
}

bool emulator_read(const struct emulator *emulator, vaddr at, void *bytes, size_t size)
{
    return uc_mem_read(emulator->engine, at, bytes, size) == UC_ERR_OK;
}

uint64_t emulator_count(const struct emulator *emulator, enum emulator_status status)
{
    return emulator->counts[status];
}

// ---- Lifetime

static size_t find_visit_limit(const struct memory *memory)
{
    uint64_t words = 0;
    for (size_t i = 0; i < memory->count; i++)
        if (memory->spans[i].bytes)
            words += memory->spans[i].size / memory->format.word_size;
    return words < EMULATOR_VISITS_MAX ? (size_t)words : EMULATOR_VISITS_MAX;
}

static const struct emulator_machine *find_machine(const struct memory *memory,
                                                   unsigned elf_machine)
{
    const struct emulator_machine *machine = emulator_machine_find(elf_machine);
    bool fits =
        machine && machine->word_size == memory->format.word_size && !memory->format.big_endian;
    return fits ? machine : NULL;
}

struct failure *emulator_create(struct memory *memory, unsigned elf_machine, vaddr tls_base,
                                struct emulator **emulator)
{
    const struct emulator_machine *machine = find_machine(memory, elf_machine);
    if (!machine)
        return failure_create(FAILURE_UNSUPPORTED,
                              "code of ELF machine %u cannot be emulated by this program",
                              elf_machine);
    struct emulator *made = calloc(1, sizeof(*made));
    if (!made)
        return failure_no_memory();
    made->machine = machine;
    made->tls_base = tls_base;
    made->visit_limit = find_visit_limit(memory);
    struct failure *failure =
        emulator_space_init(&made->space, memory, machine, EMULATOR_STACK_SIZE);
    if (!failure) {
        memcpy(made->space.code_bytes + VISIT, machine->visit_code, sizeof(machine->visit_code));
        if (!open_engine(made))
            failure = failure_create(FAILURE_UNSUPPORTED, "Unicorn cannot emulate ELF machine %u",
                                     elf_machine);
    }
    if (failure)
        emulator_destroy(made);
    else
        *emulator = made;
    return failure;
}

void emulator_destroy(struct emulator *emulator)
{
    if (!emulator)
        return;
    close_engine(emulator);
    emulator_space_deinit(&emulator->space);
    free(emulator->visits);
    free(emulator);
}

#endif

bool emulator_is_built_in(void)
{
#ifdef HAVE_UNICORN
    return true;
#else
    return false;
#endif
}
