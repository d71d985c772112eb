// A core that is damaged: the input is a list of patches, of 12 bytes each, to the core that
// FUZZ_CORE names. What then follows is all that is done for a report, up to it: recognition and
// the choice of the layout, the heap, traversals, the collector, findings and names. With
// FUZZ_RECOGNITION defined it ends with the recognition.
//
// A patch: place (4 bytes, in words, modulo the size of the core), kind (1), an operand (7).
#include "fuzz.h"

#include <string.h>

#include "collect.h"
#include "core.h"
#include "failure.h"
#include "findings.h"
#include "heap.h"
#include "interpreter.h"
#include "process.h"
#include "stacks.h"

enum {
    PATCH_SIZE = 12,
    PATCHES_MAX = 64,
    KIND_WORD = 0, // the operand, sign-extended
    KIND_FLIP,     // of the bit
    KIND_COPY,     // of the word at that place
    KIND_ADD,      // a small number
    KIND_COUNT,
};

static uint8_t *whole, *damaged;
static size_t whole_size;

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    const char *path = getenv("FUZZ_CORE");
    FILE *file = path ? fopen(path, "rb") : NULL;
    (void)count;
    (void)arguments;
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        fprintf(stderr, "FUZZ_CORE must name a core\n");
        exit(64);
    }
    whole_size = (size_t)ftell(file) & ~(size_t)7;
    rewind(file);
    whole = malloc(whole_size);
    damaged = malloc(whole_size);
    if (!whole || !damaged || whole_size < 64 || fread(whole, 1, whole_size, file) != whole_size)
        abort();
    fclose(file);
    return 0;
}

static void apply(const uint8_t *patch)
{
    uint32_t place;
    uint64_t operand = 0, word;
    memcpy(&place, patch, 4);
    memcpy(&operand, patch + 5, 7);
    size_t at = (size_t)place * 8 % whole_size;
    memcpy(&word, damaged + at, 8);
    switch (patch[4] % KIND_COUNT) {
    case KIND_WORD:
        word = (uint64_t)((int64_t)(operand << 8) >> 8);
        break;
    case KIND_FLIP:
        word ^= UINT64_C(1) << (operand & 63);
        break;
    case KIND_COPY:
        memcpy(&word, whole + operand * 8 % whole_size, 8);
        break;
    case KIND_ADD:
        word += (uint64_t)(int8_t)operand;
        break;
    }
    memcpy(damaged + at, &word, 8);
}

#ifdef FUZZ_RECOGNITION
static struct failure *look_at_heap(const struct interpreter *interpreter)
{
    (void)interpreter;
    return NULL;
}
#else
static struct failure *look_at_findings(struct heap *heap, const uint8_t *states)
{
    struct findings *findings = NULL;
    struct stacks stacks = {0};
    struct failure *failure = findings_create(heap, states, &findings);
    if (!failure)
        failure = findings_find_origins(findings, heap, 10);
    if (!failure)
        failure = stacks_read(heap->runtime, 100, &stacks);
    stacks_deinit(&stacks);
    findings_destroy(findings);
    return failure;
}

static struct failure *look_at_heap(const struct interpreter *interpreter)
{
    struct heap *heap;
    struct collect_totals totals;
    struct failure *failure =
        heap_create(&interpreter->runtime, &interpreter->source, 1, NULL, &heap);
    if (failure)
        return failure;
    uint8_t *states = malloc((size_t)heap->count + 1);
    uint32_t list = GRAPH_NONE;
    if (!states)
        abort();
    heap_find(heap, interpreter->runtime.garbage, &list);
    collect_run(&heap->graph, heap->gc_refs, heap->finalizers, list, states, &totals);
    heap_release_refcounts(heap);
    failure = look_at_findings(heap, states);
    free(states);
    heap_destroy(heap);
    return failure;
}
#endif

static struct failure *look_at_process(struct process *process)
{
    static const struct debug_file_options debug = {.path = ""};
    struct interpreter *interpreter;
    struct failure *failure = interpreter_open(process, &debug, &interpreter);
    if (failure)
        return failure;
    failure = look_at_heap(interpreter);
    interpreter_close(interpreter);
    return failure;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct process_options options = {.sysroot = "/nonexistent"};
    struct core *core;
    struct process *process;
    memcpy(damaged, whole, whole_size);
    for (size_t i = 0; i < PATCHES_MAX && (i + 1) * PATCH_SIZE <= size; i++)
        apply(bytes + i * PATCH_SIZE);
    struct failure *failure = core_open(fuzz_file(damaged, whole_size), &core);
    if (failure) {
        failure_destroy(failure);
        return 0;
    }
    failure = process_open(core, &options, &process);
    if (!failure) {
        failure = look_at_process(process);
        process_close(process);
    }
    failure_destroy(failure);
    core_close(core);
    return 0;
}
