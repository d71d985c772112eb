// A stub for what runs the code of the process of a test.
#ifndef TESTS_SCENE_CODE_H
#define TESTS_SCENE_CODE_H

#include "runtime.h"
#include "scene.h"

// How it says that a run ended.
enum {
    LOST = 1,
    ENDLESS,
};

static inline struct failure *stub_open(void *context, struct memory *memory, void **runner)
{
    (void)context;
    *runner = memory;
    return NULL;
}

static inline struct failure *stub_open_fails(void *context, struct memory *memory, void **runner)
{
    (void)context;
    (void)memory;
    (void)runner;
    return failure_create(FAILURE_UNSUPPORTED, "no such machine");
}

static inline void stub_close(void *runner)
{
    (void)runner;
}

static inline const char *stub_text(unsigned ending)
{
    return ending == LOST ? "is lost" : "does not end";
}

// The test sets `run`, the runner is a memory.
static struct runtime_code code = {
    .open = stub_open, .close = stub_close, .ending_text = stub_text, .endless = ENDLESS};

// A type that no table mirrors; its objects are cells.
static inline vaddr coded_type(const char *name)
{
    fake.source.code = &code;
    return fakeheap_type(
        &fake, &(struct fakeheap_type){
                   .name = name, .structure = "PyCellObject", .gc = true, .in_module = true});
}

#endif
