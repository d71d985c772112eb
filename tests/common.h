// What every test binary includes, in exactly one of its files: sanitizer findings must end the
// test (Criterion 2.4.1 runs each test in a child and looks only at how it ended).
#ifndef TESTS_COMMON_H
#define TESTS_COMMON_H

#include <criterion/criterion.h>

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
    return "abort_on_error=1:detect_leaks=1";
}

const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:abort_on_error=1:print_stacktrace=1";
}

#endif
