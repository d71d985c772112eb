// How a run ends badly: kind and sentence, clauses added on the way up.
#include "common.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"

Test(failure, has_its_kind_and_its_sentence)
{
    struct failure *failure = failure_create(FAILURE_IO, "%s: %d bytes", "core.1", 7);
    cr_assert_eq(failure_kind(failure), FAILURE_IO);
    cr_assert_str_eq(failure_text(failure), "core.1: 7 bytes");
    failure_destroy(failure);
}

Test(failure, keeps_every_kind)
{
    for (int kind = FAILURE_USAGE; kind <= FAILURE_NO_MEMORY; kind++) {
        struct failure *failure = failure_create((enum failure_kind)kind, "x");
        failure = failure_prefix(failure, "y");
        cr_assert_eq(failure_kind(failure), (enum failure_kind)kind);
        failure_destroy(failure);
    }
}

Test(failure, gets_clauses_in_front)
{
    struct failure *failure = failure_create(FAILURE_DAMAGED, "the list has no end");
    failure = failure_prefix(failure, "generation %d", 2);
    failure = failure_prefix(failure, "%s", "core.1");
    cr_assert_str_eq(failure_text(failure), "core.1: generation 2: the list has no end");
    cr_assert_eq(failure_kind(failure), FAILURE_DAMAGED);
    failure_destroy(failure);
}

Test(failure, does_not_format_what_it_was_given_as_text)
{
    struct failure *failure = failure_create(FAILURE_IO, "%s", "100%s%n");
    failure = failure_prefix(failure, "%s", "%d");
    cr_assert_str_eq(failure_text(failure), "%d: 100%s%n");
    failure_destroy(failure);
}

Test(failure, takes_long_sentences)
{
    enum {
        LENGTH = 100000
    };
    char *text = malloc(LENGTH + 1);
    cr_assert_not_null(text);
    memset(text, 'x', LENGTH);
    text[LENGTH] = '\0';
    struct failure *failure = failure_create(FAILURE_USAGE, "%s", text);
    cr_assert_str_eq(failure_text(failure), text);
    failure_destroy(failure);
    free(text);
}

Test(failure, of_memory_needs_none)
{
    struct failure *failure = failure_no_memory();
    cr_assert_eq(failure_kind(failure), FAILURE_NO_MEMORY);
    cr_assert_str_eq(failure_text(failure), "out of memory");
    cr_assert_eq(failure_no_memory(), failure, "always the same one");
    failure_destroy(failure);
    cr_assert_str_eq(failure_text(failure_no_memory()), "out of memory",
                     "survives its destruction");
}

Test(failure, of_memory_takes_a_clause)
{
    struct failure *failure = failure_prefix(failure_no_memory(), "reading %s", "core.1");
    cr_assert_eq(failure_kind(failure), FAILURE_NO_MEMORY);
    cr_assert_str_eq(failure_text(failure), "reading core.1: out of memory");
    failure_destroy(failure);
}

Test(failure, none_can_be_destroyed)
{
    failure_destroy(NULL);
}
