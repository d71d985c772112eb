// What the threads of Python were doing.
#include <inttypes.h>

#include "report_sentences.h"

void put_thread_head(const struct stack *stack, FILE *file)
{
    char others[NUMBER_MAX];
    fprintf(file, "Thread 0x%" PRIx64, stack->thread_id);
    if (stack->alike > 1)
        fprintf(file, " and %s other%s", grouped(stack->alike - 1, others),
                plural(stack->alike - 1));
    fprintf(file, "%s%s", stack->current ? ", which held the interpreter lock" : "",
            stack->depth ? ", innermost call first:" : ": no Python code");
}

void put_frames(const struct stack *stack, FILE *file)
{
    char count[NUMBER_MAX];
    for (size_t i = 0; i < stack->frame_count; i++) {
        fputs("    ", file);
        put_name(file, stack->frames[i].function);
        fputs(", ", file);
        put_place(file, stack->frames[i].file, stack->frames[i].line);
        fputc('\n', file);
    }
    uint64_t more = stack->depth - stack->frame_count;
    if (more)
        fprintf(file, "    ... %s more call%s (--limit)\n", grouped(more, count), plural(more));
}
