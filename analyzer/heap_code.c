#include "heap_code.h"

static void take_visit(void *context, vaddr target)
{
    struct visitor *visitor = context;
    struct visit_place place = {.kind = VISIT_CODE};
    visitor_add(visitor, target, visitor->places ? &place : NULL);
}

bool heap_code_run(void *heap_code, struct visitor *visitor, vaddr function, vaddr object)
{
    struct heap_code *code = heap_code;
    if (!code->tried && code->code)
        code->runner = code->code->open(code->code->context, code->memory);
    code->tried = true;
    return code->runner && code->code->run(code->runner, function, object, take_visit, visitor);
}

void heap_code_deinit(struct heap_code *code)
{
    if (code->runner)
        code->code->close(code->runner);
    code->runner = NULL;
}
