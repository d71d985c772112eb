// The emulator on real cores: what every object's own tp_traverse visits, run as machine code,
// equals gc.get_referents, whatever the type. Only where the program is built with Unicorn.
#include "common.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "emulator.h"
#include "interpreter.h"
#include "object.h"
#include "process.h"
#include "real.h"
#include "registers.h"

// A type by its name, and how its objects fared.
struct kind {
    const char *name;
    size_t objects;
    size_t different;
    size_t ended[EMULATOR_STATUS_COUNT];
};

// A core opened, with the interpreter's own listing of its heap at hand.
struct subject {
    struct real_core made;
    struct core *core;
    struct process *process;
    struct interpreter *interpreter;
    struct object_types types;
    struct emulator *emulator;
    vaddr *found;
    size_t count;
    size_t capacity;
    struct kind *kinds;
    size_t kind_count;
};

static void need(struct subject *subject, struct failure *failure)
{
    cr_assert_null(failure, "%s: %s", subject->made.name, failure_text(failure));
}

static void open_subject(struct subject *subject, const char *interpreter, const char *kind,
                         const char *command)
{
    vaddr tls_base = 0;
    *subject = (struct subject){.made = real_make_core(interpreter, kind, command)};
    struct process_options options = {.executable = subject->made.interpreter,
                                      .sysroot = subject->made.sysroot};
    need(subject, core_open(subject->made.path, &subject->core));
    need(subject, process_open(subject->core, &options, &subject->process));
    need(subject, interpreter_open(subject->process, &(struct debug_file_options){0},
                                   &subject->interpreter));
    need(subject, object_types_init(&subject->types, &subject->interpreter->runtime,
                                    &subject->interpreter->source));
    // gdb leaves it out on i386, qemu everywhere.
    bool has_tls = registers_find_tls(subject->core, &tls_base);
    cr_assert_eq(has_tls,
                 subject->core->machine == EM_X86_64 ||
                     (subject->core->machine == EM_386 && strcmp(kind, "kernel") == 0),
                 "%s: %#llx", subject->made.name, (unsigned long long)tls_base);
    need(subject, emulator_create(&subject->process->memory, subject->core->machine, tls_base,
                                  &subject->emulator));
}

static void close_subject(struct subject *subject)
{
    emulator_destroy(subject->emulator);
    object_types_deinit(&subject->types);
    interpreter_close(subject->interpreter);
    process_close(subject->process);
    core_close(subject->core);
    for (size_t i = 0; i < subject->kind_count; i++)
        free((char *)subject->kinds[i].name);
    free(subject->kinds);
    free(subject->found);
}

static void take(void *context, vaddr target)
{
    struct subject *subject = context;
    if (subject->count == subject->capacity) {
        subject->capacity = 2 * subject->capacity + 1024;
        subject->found = realloc(subject->found, subject->capacity * sizeof(*subject->found));
        cr_assert_not_null(subject->found);
    }
    subject->found[subject->count++] = target;
}

static struct kind *find_kind(struct subject *subject, const char *name)
{
    for (size_t i = 0; i < subject->kind_count; i++)
        if (strcmp(subject->kinds[i].name, name) == 0)
            return &subject->kinds[i];
    size_t size = (subject->kind_count + 1) * sizeof(*subject->kinds);
    subject->kinds = realloc(subject->kinds, size);
    cr_assert_not_null(subject->kinds);
    subject->kinds[subject->kind_count] = (struct kind){.name = strdup(name)};
    return &subject->kinds[subject->kind_count++];
}

static bool equals(const struct subject *subject, const json_t *refs)
{
    if (json_array_size(refs) != subject->count)
        return false;
    for (size_t i = 0; i < subject->count; i++)
        if (real_address(json_string_value(json_array_get(refs, i))) != subject->found[i])
            return false;
    return true;
}

static void compare_object(struct subject *subject, const json_t *line)
{
    vaddr object = real_address(json_string_value(json_object_get(line, "address")));
    struct kind *kind = find_kind(subject, json_string_value(json_object_get(line, "type")));
    uint32_t index;
    cr_assert_eq(object_find_type(&subject->types, object, &index), MEMORY_OK, "%s: %#llx",
                 subject->made.name, (unsigned long long)object);
    subject->count = 0;
    enum emulator_status status = emulator_traverse(
        subject->emulator, subject->types.types[index].tp_traverse, object, take, subject);
    kind->objects++;
    kind->ended[status]++;
    kind->different += status == EMULATOR_OK && !equals(subject, json_object_get(line, "refs"));
}

static void compare_objects(struct subject *subject)
{
    char *line = NULL;
    size_t size = 0;
    const char *path = real_format("%s/graph.jsonl", subject->made.directory);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    while (getline(&line, &size, file) > 0) {
        json_t *object = json_loads(line, 0, NULL);
        cr_assert_not_null(object, "%s: not JSON: %s", path, line);
        if (json_object_get(object, "address"))
            compare_object(subject, object);
        json_decref(object);
    }
    free(line);
    fclose(file);
}

static void expect_kind(const struct subject *subject, const struct kind *kind)
{
    cr_expect_eq(kind->different, 0, "%s: %s: %zu of %zu objects differ", subject->made.name,
                 kind->name, kind->different, kind->objects);
    for (int i = EMULATOR_OK + 1; i < EMULATOR_STATUS_COUNT; i++)
        cr_expect_eq(kind->ended[i], 0, "%s: %s: the traversal of %zu of %zu objects %s",
                     subject->made.name, kind->name, kind->ended[i], kind->objects,
                     emulator_status_text(i));
}

// All that the program names has been there: types of extension modules, and some of each kind of
// built-in ones.
static void expect_kinds(struct subject *subject)
{
    static const char *const built_in[] = {"dict", "list",  "set",      "frozenset", "tuple",
                                           "cell", "frame", "function", "generator", "type"};
    json_t *extension = json_object_get(subject->made.truth, "tracked_extension_types");
    for (size_t i = 0; i < json_array_size(extension); i++) {
        const char *name = json_string_value(json_array_get(extension, i));
        cr_expect_gt(find_kind(subject, name)->objects, 0, "%s: no %s", subject->made.name, name);
    }
    for (size_t i = 0; i < LENGTH(built_in); i++)
        cr_expect_gt(find_kind(subject, built_in[i])->objects, 0, "%s: no %s", subject->made.name,
                     built_in[i]);
}

static void equality(const char *interpreter, const char *kind, const char *command)
{
    struct subject subject;
    open_subject(&subject, interpreter, kind, command);
    compare_objects(&subject);
    expect_kinds(&subject);
    for (size_t i = 0; i < subject.kind_count; i++)
        expect_kind(&subject, &subject.kinds[i]);
    cr_expect_geq(emulator_count(subject.emulator, EMULATOR_OK), 20000, "%s: few objects",
                  subject.made.name);
    close_subject(&subject);
}

Test(emulator_equality, shared_kernel)
{
    equality("shared", "kernel", "wide_heap.py");
}

Test(emulator_equality, debian_kernel)
{
    equality("debian", "kernel", "wide_heap.py");
}

Test(emulator_equality, debian_gcore)
{
    equality("debian", "gcore", "wide_heap.py");
}

Test(emulator_equality, i386_kernel)
{
    equality("debian-i386", "kernel", "wide_heap.py");
}

Test(emulator_equality, i386_gcore)
{
    equality("debian-i386", "gcore", "wide_heap.py");
}

Test(emulator_equality, arm64)
{
    equality("debian-arm64", "qemu", "wide_heap.py");
}

Test(emulator_equality, armhf)
{
    equality("debian-armhf", "qemu", "wide_heap.py");
}

Test(emulator_equality, path)
{
    if (real_find_interpreter("path"))
        equality("path", "kernel", "wide_heap.py");
}

Test(emulator_equality, awkward_shared)
{
    equality("shared", "kernel", "awkward_heap.py");
}

Test(emulator_equality, awkward_gcore)
{
    equality("shared", "gcore", "awkward_heap.py");
}

Test(emulator_equality, awkward_debian)
{
    equality("debian", "kernel", "awkward_heap.py");
}

// Where libc's memcpy has instructions that the emulator lacks, the objects are counted and told,
// and none is wrong.
Test(emulator_equality, hopeless)
{
    struct subject subject;
    open_subject(&subject, "shared", "kernel", "awkward_heap.py --hopeless");
    compare_objects(&subject);
    expect_kinds(&subject);
    for (size_t i = 0; i < subject.kind_count; i++) {
        struct kind *kind = &subject.kinds[i];
        if (strcmp(kind->name, "awkward.Copier") == 0)
            kind->ended[EMULATOR_UNKNOWN_INSTRUCTION] = 0;
        expect_kind(&subject, kind);
    }
    close_subject(&subject);
}
