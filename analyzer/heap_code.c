#include "heap_code.h"

// --- what does not end

static bool is_known_endless(const struct heap_code *code, vaddr function, vaddr object)
{
    bool known = false;
    for (unsigned i = 0; i < code->endless_count; i++)
        known =
            known || (code->endless[i].function == function && code->endless[i].object == object);
    return known;
}

// Objects without a number are read after all others.
static bool is_before(const struct heap_code_endless *endless, uint32_t number)
{
    return endless->number < number || number == HEAP_CODE_UNNUMBERED;
}

static bool is_given_up(const struct heap_code *code, vaddr function, uint32_t number)
{
    unsigned before = 0, same = 0;
    for (unsigned i = 0; i < code->endless_count; i++) {
        before += is_before(&code->endless[i], number);
        same += is_before(&code->endless[i], number) && code->endless[i].function == function;
    }
    return before == HEAP_CODE_ENDLESS_ALL || same >= HEAP_CODE_ENDLESS_MAX;
}

// Numbers come in growing order.
static void note_endless(struct heap_code *code, const struct heap_code_endless *endless)
{
    if (code->endless_count < HEAP_CODE_ENDLESS_ALL &&
        !is_given_up(code, endless->function, endless->number) &&
        !is_known_endless(code, endless->function, endless->object))
        code->endless[code->endless_count++] = *endless;
}

void heap_code_add_endless(struct heap_code *code, const struct heap_code *other)
{
    for (unsigned i = 0; i < other->endless_count; i++)
        note_endless(code, &other->endless[i]);
}

bool heap_code_gives_up(const struct heap_code *code)
{
    bool any = false;
    for (unsigned i = 0; i < code->endless_count; i++)
        any = any || is_given_up(code, code->endless[i].function, HEAP_CODE_UNNUMBERED);
    return any;
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
    code->runner = NULL;
    code->endless_count = 0;
}

static void take_visit(void *context, vaddr target)
{
    visitor_add_code(context, target);
}

static unsigned run(struct heap_code *code, struct visitor *visitor, vaddr function, vaddr object)
{
    failure_destroy(heap_code_open(code));
    if (!code->runner)
        return HEAP_CODE_NOT_RUN;
    if (is_given_up(code, function, code->number))
        return HEAP_CODE_NOT_TRIED;
    if (is_known_endless(code, function, object))
        return code->code->endless;
    bool learns = code->learns && code->code->run_learned;
    unsigned ending = (learns ? code->code->run_learned : code->code->run)(
        code->runner, function, object, take_visit, visitor);
    if (ending && ending == code->code->endless)
        note_endless(code, &(struct heap_code_endless){function, object, code->number});
    return ending;
}

bool heap_code_run(void *heap_code, struct visitor *visitor, vaddr function, vaddr object)
{
    struct heap_code *code = heap_code;
    code->ending = run(code, visitor, function, object);
    return code->ending == 0;
}

uint64_t heap_code_check(const struct heap_code *code, bool *erred)
{
    *erred = false;
    if (!code->runner || !code->learns || !code->code->check_learned)
        return 0;
    return code->code->check_learned(code->runner, erred);
}

const char *heap_code_ending_text(const struct heap_code *code, unsigned ending)
{
    if (ending == HEAP_CODE_NOT_TRIED)
        return "was not tried, after too many others that did not end";
    if (ending == HEAP_CODE_NOT_RUN || !code->code)
        return "cannot be run here";
    return code->code->ending_text(ending);
}
