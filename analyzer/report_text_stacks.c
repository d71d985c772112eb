// The text report's last part: what the threads of Python were doing.
#include <inttypes.h>

#include "report_words.h"

static void put_frames(const struct stack *stack, FILE *file)
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

void put_stacks(const struct report *report, FILE *file)
{
    const struct stacks *stacks = report->stacks;
    char count[NUMBER_MAX];
    size_t shown = stacks->count;
    if (report->limit && shown > report->limit)
        shown = report->limit;
    for (size_t i = 0; i < shown; i++) {
        const struct stack *stack = &stacks->items[i];
        fprintf(file, "\nThread 0x%" PRIx64 "%s%s\n", stack->thread_id,
                stack->current ? ", which held the interpreter lock" : "",
                stack->depth ? ", innermost call first:" : ": no Python code");
        put_frames(stack, file);
    }
    if (shown < stacks->count)
        fprintf(file, "\n%s more thread%s not shown (--limit).\n",
                grouped(stacks->count - shown, count), plural(stacks->count - shown));
    if (!stacks->complete)
        fputs("\nNot all threads or calls could be read.\n", file);
}
