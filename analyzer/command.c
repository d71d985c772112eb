#include "command.h"

#include <stdbool.h>
#include <string.h>

// "python2.7-dbg", "pypy"; but not the title that a program gave itself ("python: serving bob").
static bool is_python(const char *program, size_t length)
{
    static const char *const names[] = {"python", "pypy"};
    const char *slash = memrchr(program, '/', length);
    const char *base = slash ? slash + 1 : program;
    length -= (size_t)(base - program);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t common = strlen(names[i]);
        if (length >= common && memcmp(base, names[i], common) == 0)
            return strspn(base + common, "0123456789.-_dbgmu") >= length - common;
    }
    return false;
}

// The option of a cluster of Python's options ("-Ec") that takes an argument; 0: none does.
// *inside: the argument is in the same word. (BASE_OPTS, Modules/main.c)
static char find_option(const char *word, size_t length, bool *inside)
{
    for (size_t i = 1; i < length; i++) {
        if (!memchr("cmWQ", word[i], 4))
            continue;
        *inside = i + 1 < length;
        return word[i];
    }
    return 0;
}

static const char *skip_spaces(const char *at)
{
    return at + strspn(at, " ");
}

size_t command_names_length(const char *command)
{
    const char *end = command + strcspn(command, " ");
    if (!is_python(command, (size_t)(end - command)))
        return (size_t)(end - command);
    for (;;) {
        const char *word = skip_spaces(end);
        const char *after = word + strcspn(word, " ");
        bool inside = false;
        if (after == word)
            return (size_t)(end - command);
        if (*word != '-')
            return (size_t)(after - command); // the script
        if (after == word + 1 || word[1] == '-')
            return (size_t)(end - command); // standard input, or no script at all
        char option = find_option(word, (size_t)(after - word), &inside);
        if (option == 'c')
            return (size_t)(end - command);
        if (option && !inside) {
            word = skip_spaces(after);
            after = word + strcspn(word, " ");
        }
        end = after;
        if (option == 'm')
            return (size_t)(end - command);
    }
}
