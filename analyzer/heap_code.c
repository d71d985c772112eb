#include "heap_code.h"

#include <stdlib.h>

// --- what does not end

static struct heap_code_endless *find_endless(const struct heap_code *code, vaddr function)
{
    for (size_t i = 0; i < code->endless_count; i++)
        if (code->endless[i].function == function)
            return &code->endless[i];
    return NULL;
}

// Numbers come in growing order, some of them again.
static bool note_endless(struct heap_code *code, vaddr function, uint32_t number)
{
    struct heap_code_endless *endless = find_endless(code, function);
    if (!endless) {
        size_t count = code->endless_count + 1;
        endless = reallocarray(code->endless, count, sizeof(*endless));
        if (!endless)
            return false;
        code->endless = endless;
        endless += code->endless_count++;
        *endless = (struct heap_code_endless){.function = function};
    }
    for (unsigned i = 0; i < endless->count; i++)
        if (endless->numbers[i] == number)
            return true;
    if (endless->count < HEAP_CODE_ENDLESS_MAX)
        endless->numbers[endless->count++] = number;
    return true;
}

bool heap_code_add_endless(struct heap_code *code, const struct heap_code *other)
{
    for (size_t i = 0; i < other->endless_count; i++)
        for (unsigned j = 0; j < other->endless[i].count; j++)
            if (!note_endless(code, other->endless[i].function, other->endless[i].numbers[j]))
                return false;
    return true;
}

bool heap_code_gives_up(const struct heap_code *code)
{
    for (size_t i = 0; i < code->endless_count; i++)
        if (code->endless[i].count == HEAP_CODE_ENDLESS_MAX)
            return true;
    return false;
}

static bool is_given_up(const struct heap_code *code, vaddr function)
{
    const struct heap_code_endless *endless = find_endless(code, function);
    return endless && endless->count == HEAP_CODE_ENDLESS_MAX &&
           code->number > endless->numbers[HEAP_CODE_ENDLESS_MAX - 1];
}

// --- running

struct failure *heap_code_open(struct heap_code *code)
{
    if (code->tried || !code->code)
        return NULL;
    code->tried = true;
    return code->code->open(code->code->context, code->memory, &code->runner);
}

void heap_code_deinit(struct heap_code *code)
{
    if (code->runner)
        code->code->close(code->runner);
    free(code->endless);
    code->runner = NULL;
    code->endless = NULL;
    code->endless_count = 0;
}

static void take_visit(void *context, vaddr target)
{
    struct visitor *visitor = context;
    struct visit_place place = {.kind = VISIT_CODE};
    visitor_add(visitor, target, visitor->places ? &place : NULL);
}

static unsigned run(struct heap_code *code, struct visitor *visitor, vaddr function, vaddr object)
{
    failure_destroy(heap_code_open(code));
    if (!code->runner)
        return HEAP_CODE_NOT_RUN;
    if (is_given_up(code, function))
        return HEAP_CODE_NOT_TRIED;
    unsigned ending = code->code->run(code->runner, function, object, take_visit, visitor);
    // Where it cannot be noted for want of memory, it only goes on to cost time.
    if (ending && ending == code->code->endless)
        note_endless(code, function, code->number);
    return ending;
}

bool heap_code_run(void *heap_code, struct visitor *visitor, vaddr function, vaddr object)
{
    struct heap_code *code = heap_code;
    code->ending = run(code, visitor, function, object);
    return code->ending == 0;
}

const char *heap_code_ending_text(const struct heap_code *code, unsigned ending)
{
    if (ending == HEAP_CODE_NOT_TRIED)
        return "was not tried, after others of the same function that did not end";
    if (ending == HEAP_CODE_NOT_RUN || !code->code)
        return "cannot be run here";
    return code->code->ending_text(ending);
}
