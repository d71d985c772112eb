// Tests that are run in every process that fakeheap_init_world makes: all built-in layouts, and
// scrambled ones of either word size and byte order.
#ifndef TESTS_SCENE_H
#define TESTS_SCENE_H

#include <criterion/criterion.h>
#include <stddef.h>

#include "fakeheap.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct fakeheap fake; // the process of the test at hand
static const char *world;    // what it is called, for messages

// In those of a minor release (205 is 2.5) or later. `close` is called after each run, before the
// process goes.
static inline void each_world(void (*test)(void), void (*close)(void), unsigned first)
{
    struct layout_column column;
    for (unsigned i = 0; fakeheap_init_world(&fake, i, &column, &world); i++) {
        if (fake.version >> 8 >= 0x0200 + first % 100) {
            test();
            close();
        }
        fakeheap_deinit(&fake);
    }
}

#define WORLD_TEST(suite, name, close) WORLD_TEST_SINCE(203, suite, name, close)
#define WORLD_TEST_SINCE(first, suite, name, close)                                                \
    static void name(void);                                                                        \
    Test(suite, name)                                                                              \
    {                                                                                              \
        each_world(name, close, first);                                                            \
    }                                                                                              \
    static void name(void)

// For one process only: 2.7.18 on x86-64 unless the spec says something else.
static inline void init_world(const struct fakeheap_spec *spec)
{
    fakeheap_init(&fake, spec);
    world = fake.layout.column->name;
}

static inline void close_nothing(void)
{
}

#endif
