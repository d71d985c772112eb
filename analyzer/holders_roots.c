#include "holders_roots.h"

#include <stdlib.h>

enum {
    THREADS_MAX = 1 << 16,
    FRAMES_MAX = 1 << 20, // of all threads; sys.setrecursionlimit can be set high
    NAME_MAX_BYTES = 4096
};

static bool add_root(struct holders_roots *roots, struct heap *heap, vaddr object,
                     struct holders_root root)
{
    if (!object || !heap_find(heap, object, &root.node))
        return true;
    if (roots->count == roots->capacity) {
        size_t capacity = roots->capacity ? roots->capacity * 2 : 256;
        struct holders_root *items = reallocarray(roots->items, capacity, sizeof(*items));
        if (!items)
            return false;
        roots->items = items;
        roots->capacity = capacity;
    }
    roots->items[roots->count++] = root;
    return true;
}

static bool add_modules(struct holders_roots *roots, struct heap *heap)
{
    struct dict_items items;
    enum memory_status status;
    vaddr key, value;
    if (!heap->runtime->modules ||
        dict_items_init(&items, heap->runtime, heap->runtime->modules) != MEMORY_OK)
        return true;
    while (dict_items_next(&items, &key, &value, &status))
        if (!add_root(roots, heap, value,
                      (struct holders_root){.kind = HOLDERS_MODULE, .named = key}))
            return false;
    return true;
}

// A frame of a thread, and those that called it.
static bool add_frames(struct holders_roots *roots, struct heap *heap, vaddr frame)
{
    uint32_t node;
    while (roots->frame_count < FRAMES_MAX && heap_find(heap, frame, &node)) {
        struct holders_root root = {
            .kind = HOLDERS_FRAME,
            .named = runtime_read_member(heap->runtime, frame, LAYOUT_PyFrameObject_f_code)};
        // Doubles, as others grow: by its own count.
        if ((roots->frame_count & (roots->frame_count - 1)) == 0) {
            size_t capacity = roots->frame_count ? roots->frame_count * 2 : 1;
            vaddr *frames = reallocarray(roots->frames, capacity, sizeof(*frames));
            if (!frames)
                return false;
            roots->frames = frames;
        }
        roots->frames[roots->frame_count++] = frame;
        if (!add_root(roots, heap, frame, root))
            return false;
        frame = runtime_read_member(heap->runtime, frame, LAYOUT_PyFrameObject_f_back);
    }
    return true;
}

static const struct {
    enum layout_member member;
    const char *name;
} thread_members[] =
    {
        {LAYOUT_PyThreadState_dict, "thread-local data"},
        {LAYOUT_PyThreadState_exc_type, "the exception being handled"},
        {LAYOUT_PyThreadState_exc_value, "the exception being handled"},
        {LAYOUT_PyThreadState_exc_traceback, "the traceback being handled"},
        {LAYOUT_PyThreadState_curexc_type, "the exception being raised"},
        {LAYOUT_PyThreadState_curexc_value, "the exception being raised"},
        {LAYOUT_PyThreadState_curexc_traceback, "the traceback being raised"},
        {LAYOUT_PyThreadState_async_exc, "the exception sent to the thread"},
        {LAYOUT_PyThreadState_c_profileobj, "the profile function"},
        {LAYOUT_PyThreadState_c_traceobj, "the trace function"},
},
  interp_members[] = {
      {LAYOUT_PyInterpreterState_sysdict, "sys"},
      {LAYOUT_PyInterpreterState_builtins, "__builtin__"},
      {LAYOUT_PyInterpreterState_modules, "sys.modules"},
      {LAYOUT_PyInterpreterState_codec_search_path, "the search functions of codecs"},
      {LAYOUT_PyInterpreterState_codec_search_cache, "the cache of codecs"},
      {LAYOUT_PyInterpreterState_codec_error_registry, "the error handlers of codecs"},
};

static bool add_thread(struct holders_roots *roots, struct heap *heap, vaddr thread)
{
    for (size_t i = 0; i < sizeof(thread_members) / sizeof(thread_members[0]); i++)
        if (!add_root(
                roots, heap, runtime_read_member(heap->runtime, thread, thread_members[i].member),
                (struct holders_root){.kind = HOLDERS_STATE, .member = thread_members[i].name}))
            return false;
    return true;
}

static bool add_interp(struct holders_roots *roots, struct heap *heap)
{
    vaddr interp = heap->runtime->interp;
    for (size_t i = 0; i < sizeof(interp_members) / sizeof(interp_members[0]); i++)
        if (!add_root(
                roots, heap, runtime_read_member(heap->runtime, interp, interp_members[i].member),
                (struct holders_root){.kind = HOLDERS_STATE, .member = interp_members[i].name}))
            return false;
    return true;
}

// Calls `add` for every thread, or its frame.
static bool add_threads(struct holders_roots *roots, struct heap *heap, bool frames)
{
    vaddr thread = runtime_read_member(heap->runtime, heap->runtime->interp,
                                       LAYOUT_PyInterpreterState_tstate_head);
    for (unsigned i = 0; thread && i < THREADS_MAX; i++) {
        if (frames ? !add_frames(
                         roots, heap,
                         runtime_read_member(heap->runtime, thread, LAYOUT_PyThreadState_frame))
                   : !add_thread(roots, heap, thread))
            return false;
        thread = runtime_read_member(heap->runtime, thread, LAYOUT_PyThreadState_next);
    }
    return true;
}

static int by_address(const void *a, const void *b)
{
    const vaddr *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

bool holders_roots_init(struct holders_roots *roots, struct heap *heap)
{
    *roots = (struct holders_roots){0};
    if (!heap->runtime->interp)
        return true;
    if (!add_modules(roots, heap) || !add_threads(roots, heap, true) ||
        !add_threads(roots, heap, false) || !add_interp(roots, heap))
        return false;
    if (roots->frame_count)
        qsort(roots->frames, roots->frame_count, sizeof(*roots->frames), by_address);
    return true;
}

void holders_roots_deinit(struct holders_roots *roots)
{
    free(roots->items);
    free(roots->frames);
    *roots = (struct holders_roots){0};
}

bool holders_is_running(const struct holders_roots *roots, vaddr frame)
{
    return roots->frame_count &&
           bsearch(&frame, roots->frames, roots->frame_count, sizeof(*roots->frames), by_address);
}

// --- names

static char *read_text(struct heap *heap, vaddr str)
{
    char text[NAME_MAX_BYTES];
    uint64_t length;
    return object_read_str(heap->runtime, str, text, sizeof(text), &length) == MEMORY_OK
               ? strdup(text)
               : NULL;
}

void holders_code_describe(struct heap *heap, vaddr code, struct holders_root_name *name)
{
    *name = (struct holders_root_name){0};
    if (!object_is_exact(heap->runtime, code, RUNTIME_TYPE_code))
        return;
    name->name =
        read_text(heap, runtime_read_member(heap->runtime, code, LAYOUT_PyCodeObject_co_name));
    name->file =
        read_text(heap, runtime_read_member(heap->runtime, code, LAYOUT_PyCodeObject_co_filename));
    name->line =
        (int32_t)runtime_read_member(heap->runtime, code, LAYOUT_PyCodeObject_co_firstlineno);
}

void holders_root_describe(struct heap *heap, const struct holders_root *root,
                           struct holders_root_name *name)
{
    *name = (struct holders_root_name){0};
    if (root->kind == HOLDERS_FRAME)
        holders_code_describe(heap, root->named, name);
    else if (root->kind == HOLDERS_MODULE)
        name->name = read_text(heap, root->named);
    else if (root->member)
        name->name = strdup(root->member);
}
