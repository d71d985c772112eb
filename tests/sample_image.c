#include "sample_image.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scratch.h"

struct image *open_file(const char *path)
{
    struct image *image = NULL;
    struct failure *failure = image_open(path, &image);
    cr_assert_null(failure, "%s", failure ? failure_text(failure) : "");
    return image;
}

struct image *open_self(void)
{
    char path[4096] = "";
    cr_assert_gt(readlink("/proc/self/exe", path, sizeof(path) - 1), 0);
    return open_file(path);
}

void run_tool(const char *command)
{
    char path[4096] = "";
    cr_assert_gt(readlink("/proc/self/exe", path, sizeof(path) - 1), 0);
    if (access("self", F_OK) < 0)
        cr_assert_eq(symlink(path, "self"), 0);
    char quiet[512];
    snprintf(quiet, sizeof(quiet), "%s 2>tool.err", command);
    if (system(quiet) != 0)
        cr_skip_test("this does not work here: %s", command);
}

vaddr own_address(const struct image *image, const void *address)
{
    Dl_info info;
    cr_assert_neq(dladdr((void *)(uintptr_t)address, &info), 0);
    return (vaddr)(uintptr_t)address -
           (image->position_independent ? (vaddr)(uintptr_t)info.dli_fbase : 0);
}

void assert_symbol(const struct image *image, const char *name, vaddr expected,
                   bool expected_ambiguous)
{
    vaddr value;
    bool ambiguous = !expected_ambiguous;
    cr_assert(image_find_symbol(image, name, &value, NULL, &ambiguous), "%s", name);
    cr_assert_eq(value, expected, "%s", name);
    cr_assert_eq(ambiguous, expected_ambiguous, "%s", name);
}

static const char unit_one[] = "struct twice { char skip[8]; int where; };\n"
                               "__attribute__((used)) static struct twice both = {{0}, 1};\n"
                               "__attribute__((noipa)) int one(void) { return both.where++; }\n";
static const char unit_two[] = "struct twice { char skip[16]; long where; };\n"
                               "__attribute__((used)) static struct twice both = {{0}, 2};\n"
                               "struct elsewhere { int skip, where; };\n"
                               "__attribute__((used)) static struct elsewhere third;\n"
                               "int one(void);\n"
                               "int two(void) { return both.where++ + one(); }\n";

struct image *compile_units(const char *flags)
{
    char command[256];
    write_text("one.c", unit_one);
    write_text("two.c", unit_two);
    snprintf(command, sizeof(command), "gcc -shared -fPIC -g %s -o x.so one.c two.c", flags);
    run_tool(command);
    return open_file("x.so");
}
