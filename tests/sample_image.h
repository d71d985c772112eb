// ELF files for the tests of images: the test program itself, copies of it made by tools, and a
// small library that the compiler makes while the tests run.
//
// A file that does not open ends the test, one that the tools of this machine cannot make skips it.
// Images are the caller's to close.
#ifndef TESTS_SAMPLE_IMAGE_H
#define TESTS_SAMPLE_IMAGE_H

#include <stdbool.h>

#include "image.h"

struct image *open_file(const char *path);
struct image *open_self(void);

// Runs a tool on this program ("self") and on what the test wrote; the test is skipped without it.
void run_tool(const char *command);

// A library of two units, one.c and two.c, with a struct of the same name ("twice", whose member
// "where" lies at 8 and is 4 wide, or lies at 16 and is 8 wide), and with a static object of the
// same name ("both").
struct image *compile_units(const char *flags);

// Where this program has the address, as its file says it.
vaddr own_address(const struct image *image, const void *address);

void assert_symbol(const struct image *image, const char *name, vaddr expected,
                   bool expected_ambiguous);

#endif
