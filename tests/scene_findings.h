// The findings of the process of a test.
#ifndef TESTS_SCENE_FINDINGS_H
#define TESTS_SCENE_FINDINGS_H

#include <stdio.h>
#include <stdlib.h>

#include "collect.h"
#include "findings.h"
#include "scene_heap.h"

static struct findings *findings;
static struct collect_totals totals;

static inline void close_findings(void)
{
    findings_destroy(findings);
    findings = NULL;
    close_heap();
}

// From what was built so far to findings. False: there is no heap, or nothing on its lists can be
// read.
static inline bool try_analyse(void)
{
    close_findings();
    fakeheap_map(&fake);
    struct failure *failure = runtime_init(&fake.runtime, &fake.memory, &fake.layout, &fake.source);
    if (!failure)
        failure = heap_create(&fake.runtime, &fake.source, 1, NULL, &heap);
    if (failure) {
        failure_destroy(failure);
        return false;
    }
    uint8_t *states = malloc((size_t)heap->count + 1);
    uint32_t list = GRAPH_NONE;
    if (!fake.garbage || !heap_find(heap, fake.garbage, &list))
        list = GRAPH_NONE;
    collect_run(&heap->graph, heap->gc_refs, heap->finalizers, list, states, &totals);
    cr_assert_null(findings_create(heap, states, &findings), "%s", world);
    free(states);
    return true;
}

// The same of a process without damage.
static inline void analyse(void)
{
    cr_assert(try_analyse(), "%s", world);
    cr_assert_eq(totals.overdrawn, 0, "%s: more references than ob_refcnt says", world);
    cr_assert_eq(findings->unread_edges, 0, "%s", world);
}

// A cycle as one line: "app.C* .attribute > app.D [0] >", * for a finalizer.
static inline const char *cycle_text(const struct finding *finding)
{
    static char text[8192];
    size_t used = 0;
    for (size_t i = 0; i < finding->step_count && used < sizeof(text); i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s %s >", i ? " " : "",
                                 finding->steps[i].type, finding->steps[i].finalizer ? "*" : "",
                                 finding->steps[i].edge);
    return text;
}

// A class that its module holds; `base` 0 is object.
static inline vaddr make_class(const char *name, vaddr base, bool del)
{
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = name,
                                                                 .module = "app",
                                                                 .base = base,
                                                                 .del_file = del ? "app.py" : NULL,
                                                                 .del_line = 35});
    fakeheap_hold(&fake, class, 1);
    return class;
}

#endif
