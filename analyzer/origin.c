// A class dictionary holds functions, and things made of functions: staticmethod, property,
// decorators that wrap one in a closure or keep one in their __dict__. All of these are opened, a
// few levels deep, until code objects come out; each of those is searched for a store.
#include "origin.h"

#include <stdio.h>
#include <stdlib.h>

#include "class.h"
#include "code.h"

enum {
    PENDING_MAX = 256, // things still to be opened
    FOUND_MAX = 64,    // references of one of them, at a time
    // What an honest program does not come near to, so that one dictionary or tuple that many
    // things share is not gone through for each of them.
    SLOTS_MAX = 1 << 24,      // of dictionaries
    REFERENCES_MAX = 1 << 26, // of other things
};

struct search {
    struct heap *heap;
    const struct runtime *runtime;
    const char *attribute;
    const char *owner; // name of the class whose dictionary is looked through; NULL: a module's
    struct origins *origins;
    vaddr pending[PENDING_MAX];
    size_t pending_count;
    unsigned codes;
    uint64_t slots_left, references_left;
    bool no_memory;
};

// Each once: functions refer to themselves by their closures.
static void push(struct search *search, vaddr object)
{
    for (size_t i = 0; i < search->pending_count; i++)
        if (search->pending[i] == object)
            return;
    if (search->pending_count < PENDING_MAX)
        search->pending[search->pending_count++] = object;
}

// --- what is found

static bool is_known(const struct origins *origins, const struct origin *origin)
{
    for (size_t i = 0; i < origins->count; i++) {
        const struct origin *known = &origins->items[i];
        if (known->line == origin->line && strcmp(known->function, origin->function) == 0 &&
            strcmp(known->file ? known->file : "", origin->file ? origin->file : "") == 0)
            return true;
    }
    return false;
}

// Takes the place's strings.
static void add_origin(struct search *search, struct code_place *place)
{
    struct origins *origins = search->origins;
    struct origin origin = {.file = place->file, .line = place->line};
    const char *name = place->function ? place->function : "?";
    if (search->owner ? asprintf(&origin.function, "%s.%s", search->owner, name) < 0
                      : !(origin.function = strdup(name))) {
        origin.function = NULL;
        search->no_memory = true;
    }
    free(place->function);
    bool known = !origin.function || is_known(origins, &origin);
    if (!known && origins->count < ORIGINS_MAX) {
        origins->items[origins->count++] = origin;
        return;
    }
    origins->more = origins->more || !known;
    free(origin.function);
    free(origin.file);
}

// --- opening things

static void search_code(struct search *search, vaddr code)
{
    struct code_place place;
    int64_t instruction;
    if (search->codes++ >= ORIGIN_CODES_MAX)
        return;
    if (code_find_store(search->runtime, code, search->attribute, &instruction) &&
        code_find_place(search->runtime, code, instruction, &place) == MEMORY_OK)
        add_origin(search, &place);
}

// Goes through the references of one thing.
struct opening {
    struct visitor visitor; // must come first
    struct search *search;
    enum runtime_type wanted;
};

static void push_found(struct visitor *visitor)
{
    struct opening *opening = (struct opening *)visitor;
    struct search *search = opening->search;
    for (size_t i = 0; i < visitor->count && search->pending_count < PENDING_MAX; i++) {
        vaddr found = visitor->found[i];
        if (object_is_exact(search->runtime, found, RUNTIME_TYPE_function) ||
            object_is_exact(search->runtime, found, RUNTIME_TYPE_code) ||
            object_is_exact(search->runtime, found, opening->wanted))
            push(search, found);
    }
    search->references_left -=
        visitor->count < search->references_left ? visitor->count : search->references_left;
    visitor->count = 0;
}

// Gives the references of a thing that are functions, code, or (`wanted`) of another type.
static void push_references(struct search *search, vaddr object, enum runtime_type wanted)
{
    struct object_types *types = &search->heap->types;
    vaddr found[FOUND_MAX];
    struct opening opening = {
        .visitor = {.found = found, .capacity = FOUND_MAX, .full = push_found},
        .search = search,
        .wanted = wanted};
    uint32_t type;
    if (!search->references_left || object_find_type(types, object, &type) != MEMORY_OK)
        return;
    traverse_object(types, &types->types[type], object, &opening.visitor);
    push_found(&opening.visitor);
}

// False: it cannot be read, or too much was gone through.
static bool open_dict(struct search *search, vaddr dict, struct dict_items *items)
{
    if (dict_items_init(items, search->runtime, dict) != MEMORY_OK ||
        items->mask >= search->slots_left)
        return false;
    search->slots_left -= items->mask + 1;
    return true;
}

static void push_values(struct search *search, vaddr dict)
{
    struct dict_items items;
    enum memory_status status;
    vaddr key, value;
    if (!open_dict(search, dict, &items))
        return;
    while (dict_items_next(&items, &key, &value, &status))
        if (object_is_exact(search->runtime, value, RUNTIME_TYPE_function))
            push(search, value);
}

// Opens a value of a class's or module's dictionary, and what comes out of it.
static void search_value(struct search *search, vaddr value)
{
    const struct runtime *runtime = search->runtime;
    search->pending_count = 0;
    push(search, value);
    for (size_t i = 0; i < search->pending_count; i++) {
        vaddr object = search->pending[i];
        if (object_is_exact(runtime, object, RUNTIME_TYPE_code)) {
            search_code(search, object);
            push_references(
                search, runtime_read_member(search->runtime, object, LAYOUT_PyCodeObject_co_consts),
                RUNTIME_TYPE_code);
        } else if (object_is_exact(runtime, object, RUNTIME_TYPE_function)) {
            push(search,
                 runtime_read_member(search->runtime, object, LAYOUT_PyFunctionObject_func_code));
            push_references(
                search,
                runtime_read_member(search->runtime, object, LAYOUT_PyFunctionObject_func_closure),
                RUNTIME_TYPE_cell);
        } else if (object_is_exact(runtime, object, RUNTIME_TYPE_dict)) {
            push_values(search, object);
        } else {
            push_references(search, object, RUNTIME_TYPE_dict);
        }
    }
}

static bool is_class(const struct search *search, vaddr value)
{
    uint32_t type;
    return object_is_exact(search->runtime, value, RUNTIME_TYPE_classobj) ||
           (object_find_type(&search->heap->types, value, &type) == MEMORY_OK &&
            search->heap->types.types[type].is_metatype);
}

// Values that lead out of the class or the module again are not opened.
static bool is_openable(const struct search *search, vaddr value)
{
    static const enum runtime_type closed[] = {RUNTIME_TYPE_dict,  RUNTIME_TYPE_list,
                                               RUNTIME_TYPE_tuple, RUNTIME_TYPE_module,
                                               RUNTIME_TYPE_frame, RUNTIME_TYPE_generator};
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
        if (object_is_exact(search->runtime, value, closed[i]))
            return false;
    return !is_class(search, value);
}

static void search_namespace(struct search *search, vaddr dict)
{
    struct dict_items items;
    enum memory_status status;
    vaddr key, value;
    if (!open_dict(search, dict, &items))
        return;
    while (!search->no_memory && search->codes < ORIGIN_CODES_MAX &&
           dict_items_next(&items, &key, &value, &status))
        if (is_openable(search, value))
            search_value(search, value);
}

// --- where to look

// NULL: memory is short, or it is no class that can be read.
static char *short_class_name(struct search *search, vaddr class)
{
    uint32_t type;
    char *name;
    if (object_is_exact(search->runtime, class, RUNTIME_TYPE_classobj))
        name = object_classic_name(search->runtime, class);
    else if (object_types_find(&search->heap->types, class, &type) == MEMORY_OK)
        name = strdup(search->heap->types.types[type].name);
    else
        return NULL;
    char *dot = name ? strrchr(name, '.') : NULL;
    if (dot)
        memmove(name, dot + 1, strlen(dot));
    search->no_memory = search->no_memory || !name;
    return name;
}

static void search_class(struct search *search, vaddr class, vaddr dict)
{
    char *name = short_class_name(search, class);
    search->owner = name;
    if (name)
        search_namespace(search, dict);
    search->owner = NULL;
    free(name);
}

static void search_lineage(struct search *search, vaddr class)
{
    struct class_cursor cursor;
    vaddr base, dict;
    class_cursor_init(&cursor, search->runtime, class);
    while (!search->no_memory && class_next(&cursor, &base, &dict))
        search_class(search, base, dict);
}

// The functions of the module that the class says it is of, and the methods of its other classes.
static void search_module(struct search *search, vaddr class)
{
    const struct runtime *runtime = search->runtime;
    char name[256];
    uint64_t length;
    vaddr text, where, module, dict, key, value;
    struct dict_items items;
    enum memory_status status;
    if (class_find(runtime, class, "__module__", &text, &where) != MEMORY_OK ||
        object_read_str(runtime, text, name, sizeof(name), &length) != MEMORY_OK ||
        object_dict_find(runtime, runtime->modules, name, &module) != MEMORY_OK ||
        !object_is_exact(runtime, module, RUNTIME_TYPE_module))
        return;
    dict = runtime_read_member(search->runtime, module, LAYOUT_PyModuleObject_md_dict);
    search_namespace(search, dict);
    if (!open_dict(search, dict, &items))
        return;
    while (!search->no_memory && dict_items_next(&items, &key, &value, &status)) {
        struct class_cursor cursor;
        if (!is_class(search, value))
            continue;
        class_cursor_init(&cursor, runtime, value);
        if (class_next(&cursor, &where, &dict))
            search_class(search, where, dict);
    }
}

// A descriptor under the attribute's name whose class was made by Python code.
static bool search_descriptor(struct search *search, vaddr class)
{
    const struct runtime *runtime = search->runtime;
    vaddr descriptor, where, get;
    struct code_place place;
    if (class_find(runtime, class, search->attribute, &descriptor, &where) != MEMORY_OK ||
        class_find(runtime, class_of(runtime, descriptor), "__get__", &get, &where) != MEMORY_OK ||
        !object_is_exact(runtime, get, RUNTIME_TYPE_function) ||
        code_find_place(
            runtime, runtime_read_member(search->runtime, get, LAYOUT_PyFunctionObject_func_code),
            CODE_FIRST_LINE, &place) != MEMORY_OK)
        return false;
    char *name = short_class_name(search, where);
    search->owner = name;
    add_origin(search, &place);
    search->owner = NULL;
    free(name);
    return true;
}

struct failure *origins_find(struct heap *heap, vaddr object, const char *attribute,
                             struct origins *origins)
{
    struct search search = {.heap = heap,
                            .runtime = heap->runtime,
                            .attribute = attribute,
                            .origins = origins,
                            .slots_left = SLOTS_MAX,
                            .references_left = REFERENCES_MAX};
    vaddr class = class_of(heap->runtime, object);
    *origins = (struct origins){0};
    if (!search_descriptor(&search, class))
        search_lineage(&search, class);
    if (!search.no_memory && !origins->count)
        search_module(&search, class);
    if (!search.no_memory)
        return NULL;
    origins_deinit(origins);
    return failure_no_memory();
}

void origins_deinit(struct origins *origins)
{
    for (size_t i = 0; i < origins->count; i++) {
        free(origins->items[i].function);
        free(origins->items[i].file);
    }
    *origins = (struct origins){0};
}
