#include "learned.h"

#include <elf.h>
#include <stdlib.h>

#include "path_finder.h"
#include "paths.h"

enum {
    ADDRESS_BITS = 47, // of x86-64
};

struct function {
    vaddr address;
    struct paths paths;
    uint64_t objects; // emulated
    uint64_t by_path;
    uint64_t followed;
    uint64_t pathless; // of these
    bool given_up;
};

struct learned {
    struct memory *memory;
    unsigned elf_machine;
    vaddr tls_base;
    struct emulator *emulator;
    struct emulator *followed; // NULL: not needed yet, or it cannot be had
    struct path_finder *finder;
    bool has_no_finder; // and will not get one
    struct path_walker *walker;
    struct function functions[LEARNED_FUNCTIONS_MAX];
    unsigned function_count;
    unsigned last; // that was asked for
    struct learned_counts counts;
    bool erred;
};

// --- following

static bool make_finder(struct learned *learned)
{
    if (learned->finder || learned->has_no_finder)
        return learned->finder;
    learned->has_no_finder = true;
    struct failure *failure = emulator_create(learned->memory, learned->elf_machine,
                                              learned->tls_base, &learned->followed);
    failure_destroy(failure);
    if (!failure)
        learned->finder = path_finder_create(learned->followed, learned->walker, learned->tls_base);
    return learned->finder;
}

static void take_nothing(void *context, vaddr target)
{
    (void)context;
    (void)target;
}

// Adds the object's path, if it has one.
static void follow(struct learned *learned, struct function *function, vaddr object)
{
    const struct path *path;
    if (!make_finder(learned)) {
        function->given_up = true;
        return;
    }
    function->followed++;
    learned->counts.followed++;
    bool ended = emulator_traverse(learned->followed, function->address, object, take_nothing,
                                   NULL) == EMULATOR_OK;
    path = ended ? path_finder_path(learned->finder) : NULL;
    enum paths_outcome outcome = path ? paths_add(&function->paths, path) : PATHS_FULL;
    function->pathless += outcome == PATHS_FULL;
    if (outcome == PATHS_CONTRADICTION)
        function->given_up = learned->erred = true;
}

static bool may_follow(const struct function *function)
{
    uint64_t more = function->by_path / LEARNED_OBJECTS_FOLLOWED;
    return function->objects >= LEARNED_OBJECTS_BEFORE &&
           function->followed < LEARNED_FOLLOWED_FIRST + more &&
           function->pathless < LEARNED_PATHLESS_FIRST + more;
}

// --- reading

// NULL: there are too many.
static struct function *find_function(struct learned *learned, vaddr address)
{
    if (learned->last < learned->function_count &&
        learned->functions[learned->last].address == address)
        return &learned->functions[learned->last];
    unsigned at = 0;
    while (at < learned->function_count && learned->functions[at].address != address)
        at++;
    if (at == LEARNED_FUNCTIONS_MAX)
        return NULL;
    if (at == learned->function_count)
        learned->functions[learned->function_count++] = (struct function){.address = address};
    learned->last = at;
    return &learned->functions[at];
}

// Emulation, and what a path has said.
struct comparison {
    const struct path_walker *walker;
    size_t count;
    bool different;
    void (*take)(void *context, vaddr target);
    void *context;
};

static void compare_visit(void *context, vaddr target)
{
    struct comparison *comparison = context;
    size_t at = comparison->count++;
    if (at >= comparison->walker->visit_count || comparison->walker->visits[at] != target)
        comparison->different = true;
    comparison->take(comparison->context, target);
}

// The walker is at the end of the object's path.
static enum emulator_status compare(struct learned *learned, struct function *function,
                                    vaddr object, void (*take)(void *context, vaddr target),
                                    void *context)
{
    struct comparison comparison = {.walker = learned->walker, .take = take, .context = context};
    enum emulator_status status =
        emulator_traverse(learned->emulator, function->address, object, compare_visit, &comparison);
    learned->counts.emulated++;
    learned->counts.compared++;
    if (status != EMULATOR_OK || comparison.different ||
        comparison.count != learned->walker->visit_count)
        function->given_up = learned->erred = true;
    return status;
}

static enum emulator_status emulate(struct learned *learned, struct function *function,
                                    vaddr object, void (*take)(void *context, vaddr target),
                                    void *context)
{
    // Followed first: what the path then says is compared at once.
    if (!function->given_up && may_follow(function)) {
        follow(learned, function, object);
        if (!function->given_up && paths_walk(&function->paths, learned->walker, object))
            return compare(learned, function, object, take, context);
    }
    function->objects++;
    learned->counts.emulated++;
    return emulator_traverse(learned->emulator, function->address, object, take, context);
}

enum emulator_status learned_traverse(struct learned *learned, vaddr function, vaddr object,
                                      void (*take)(void *context, vaddr target), void *context)
{
    struct function *known = find_function(learned, function);
    if (!known || !learned->walker) {
        learned->counts.emulated++;
        return emulator_traverse(learned->emulator, function, object, take, context);
    }
    if (known->given_up || !paths_walk(&known->paths, learned->walker, object))
        return emulate(learned, known, object, take, context);
    known->by_path++;
    if (vaddr_hash(object) % LEARNED_OBJECTS_COMPARED == 0)
        return compare(learned, known, object, take, context);
    learned->counts.by_path++;
    for (size_t i = 0; i < learned->walker->visit_count; i++)
        take(context, learned->walker->visits[i]);
    return EMULATOR_OK;
}

bool learned_has_erred(const struct learned *learned)
{
    return learned->erred;
}

struct emulator *learned_emulator(struct learned *learned)
{
    return learned->emulator;
}

struct learned_counts learned_count(const struct learned *learned)
{
    return learned->counts;
}

// --- lifetime

struct failure *learned_create(struct memory *memory, unsigned elf_machine, vaddr tls_base,
                               struct learned **learned)
{
    struct learned *made = calloc(1, sizeof(*made));
    if (!made)
        return failure_no_memory();
    made->memory = memory;
    made->elf_machine = elf_machine;
    made->tls_base = tls_base;
    struct failure *failure = emulator_create(memory, elf_machine, tls_base, &made->emulator);
    if (failure) {
        free(made);
        return failure;
    }
    // (Without a walker all is emulated.)
    made->walker = elf_machine == EM_X86_64 ? malloc(sizeof(*made->walker)) : NULL;
    if (made->walker)
        path_walker_init(made->walker, memory, ADDRESS_BITS);
    *learned = made;
    return NULL;
}

void learned_destroy(struct learned *learned)
{
    if (!learned)
        return;
    for (unsigned i = 0; i < learned->function_count; i++)
        paths_deinit(&learned->functions[i].paths);
    path_finder_destroy(learned->finder);
    emulator_destroy(learned->followed);
    emulator_destroy(learned->emulator);
    free(learned->walker);
    free(learned);
}
