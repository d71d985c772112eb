#include "failure.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct failure {
    enum failure_kind kind;
    char *text;
};

static struct failure no_memory = {FAILURE_NO_MEMORY, "out of memory"};

// Of the process, as memory is: it is met in the threads of every module, far from any context.
static atomic_bool was_short;

bool failure_note_no_memory(void)
{
    was_short = true;
    return false;
}

bool failure_memory_was_short(void)
{
    return was_short;
}

char *failure_copy_text(const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        failure_note_no_memory();
    return copy;
}

struct failure *failure_no_memory(void)
{
    failure_note_no_memory();
    return &no_memory;
}

static struct failure *create_from_list(enum failure_kind kind, const char *format, va_list list)
{
    struct failure *failure = malloc(sizeof(*failure));
    if (!failure)
        return failure_no_memory();
    failure->kind = kind;
    if (vasprintf(&failure->text, format, list) < 0) {
        free(failure);
        return failure_no_memory();
    }
    return failure;
}

struct failure *failure_create(enum failure_kind kind, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    struct failure *failure = create_from_list(kind, format, list);
    va_end(list);
    return failure;
}

void failure_destroy(struct failure *failure)
{
    if (!failure || failure == &no_memory)
        return;
    free(failure->text);
    free(failure);
}

struct failure *failure_prefix(struct failure *failure, const char *format, ...)
{
    va_list list;
    char *clause;
    va_start(list, format);
    int length = vasprintf(&clause, format, list);
    va_end(list);
    if (length < 0)
        return failure;
    struct failure *longer = failure_create(failure->kind, "%s: %s", clause, failure->text);
    free(clause);
    failure_destroy(failure);
    return longer;
}

enum failure_kind failure_kind(const struct failure *failure)
{
    return failure->kind;
}

const char *failure_text(const struct failure *failure)
{
    return failure->text;
}
