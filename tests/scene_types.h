// The types of the process of a test.
#ifndef TESTS_SCENE_TYPES_H
#define TESTS_SCENE_TYPES_H

#include "object.h"
#include "scene.h"

static struct object_types types;

static inline void close_types(void)
{
    object_types_deinit(&types);
}

// What was built so far can be looked at.
static inline void open_types(void)
{
    close_types();
    fakeheap_open(&fake);
    cr_assert_null(object_types_init(&types, &fake.runtime, &fake.source));
}

#endif
