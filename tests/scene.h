// Tests that are run in every process that fakeheap_init_world makes: a real layout and scrambled
// ones of either word size and byte order.
#ifndef TESTS_SCENE_H
#define TESTS_SCENE_H

#include <criterion/criterion.h>
#include <stddef.h>

#include "fakeheap.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct fakeheap fake; // the process of the test at hand
static const char *world;    // what it is called, for messages

// `close` is called after each run, before the process goes.
static inline void each_world(void (*test)(void), void (*close)(void))
{
    struct layout_column column;
    for (unsigned i = 0; fakeheap_init_world(&fake, i, &column, &world); i++) {
        test();
        close();
        fakeheap_deinit(&fake);
    }
}

#define WORLD_TEST(suite, name, close)                                                             \
    static void name(void);                                                                        \
    Test(suite, name)                                                                              \
    {                                                                                              \
        each_world(name, close);                                                                   \
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
