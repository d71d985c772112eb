#include "interpreter_module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VERSION_MAX = 32
};

bool interpreter_module_has(const struct module *module, const char *name)
{
    return module && module->image &&
           image_find_symbol(module->image, name, &(vaddr){0}, NULL, NULL);
}

// "3.11" out of ".../libpython3.11.so.1.0" or ".../python3.11"; "" when the path does not say, or
// is that of something else that has to do with Python (libboost_python27.so.1, python3_plugin.so).
static void version_in_path(const char *path, char *version)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    *version = '\0';
    base += strncmp(base, "lib", 3) == 0 ? 3 : 0;
    if (strncmp(base, "python", 6) != 0 || (base[6] != '2' && base[6] != '3') ||
        !strchr(". ", base[7]))
        return;
    size_t length = strspn(base + 6, "0123456789.");
    while (base[6 + length - 1] == '.')
        length--;
    snprintf(version, VERSION_MAX, "%.*s", (int)length, base + 6);
}

static struct failure *python3(const struct module *module)
{
    char version[VERSION_MAX];
    version_in_path(module->path, version);
    if (version[0] && version[1] == '.' && atoi(version + 2) < 4)
        return failure_create(
            FAILURE_UNSUPPORTED,
            "the process ran Python %s (%s), whose collector keeps cycles with __del__ as that of "
            "Python 2 does, but only Python 2 can be read here; look at gc.garbage in the process, "
            "or run it with Python 3.4 or later, which frees them (PEP 442)",
            version, module->path);
    return failure_create(
        FAILURE_UNSUPPORTED,
        "the process ran Python %s (%s); since PEP 442 (Python 3.4) the collector frees cycles "
        "with __del__, so this leak does not exist there; look for what still refers to the "
        "objects instead",
        *version ? version : "3", module->path);
}

// A module that is an interpreter by its name, though its file is not here: of Python 2, if there
// is one.
static const struct module *absent_python(const struct process *process, bool *is_python3)
{
    const struct module *found = NULL;
    for (size_t i = 0; i < process->module_count; i++) {
        const struct module *module = &process->modules[i];
        char version[VERSION_MAX];
        version_in_path(module->path, version);
        if (module->image || !*version || (found && *version == '3'))
            continue;
        found = module;
        *is_python3 = *version == '3';
        if (!*is_python3)
            break;
    }
    return found;
}

static bool is_python3(const struct module *module)
{
    return interpreter_module_has(module, "_PyRuntime") ||
           (interpreter_module_has(module, "PyUnicode_Type") &&
            interpreter_module_has(module, "PyBytes_Type"));
}

// A launcher linked to libpython may define PyType_Type by copy relocation; only the interpreter
// itself defines the collector's code.
static bool is_python2(const struct module *module)
{
    return interpreter_module_has(module, "PyType_Type") &&
           interpreter_module_has(module, "PyGC_Collect");
}

// Does any of its collector's lists lead out of the file? Those of an interpreter that never ran
// point to themselves.
static bool has_objects(struct process *process, const struct module *module)
{
    enum {
        WORDS = 18 // of three generations, at most
    };
    unsigned width = process->memory.format.word_size;
    vaddr value, head, to;
    if (!image_find_symbol(module->image, "_PyGC_generation0", &value, NULL, NULL) ||
        memory_read_word(&process->memory, module->bias + value, &head) != MEMORY_OK)
        return false;
    for (unsigned i = 0; i < WORDS; i++)
        if (memory_read_word(&process->memory, head + i * width, &to) == MEMORY_OK &&
            to - module->start >= module->data_end - module->start &&
            memory_is_mapped(&process->memory, to, width))
            return true;
    return false;
}

// The main program first. An extension linked to libpython may bring it into a process whose
// python has all of it: there it never runs.
static const struct module *find_python2(struct process *process, const struct module **other)
{
    const struct module *python = NULL;
    for (int others = 0; others < 2; others++)
        for (size_t i = 0; i < process->module_count; i++) {
            const struct module *module = &process->modules[i];
            if (module->is_main == others)
                continue;
            if (is_python3(module))
                *other = *other ? *other : module;
            else if (is_python2(module) &&
                     (!python || (!has_objects(process, python) && has_objects(process, module))))
                python = module;
        }
    return python;
}

struct failure *interpreter_module_find(struct process *process, const struct module **module)
{
    const struct module *other = NULL, *absent;
    bool is_python3 = false;
    *module = find_python2(process, &other);
    if (*module)
        return NULL;
    absent = absent_python(process, &is_python3);
    if (absent && !is_python3)
        return NULL;
    other = other ? other : absent;
    return other ? python3(other) : NULL;
}

struct failure *interpreter_module_explain(const struct process *process, const char *evidence)
{
    bool is_python3;
    char id[2 * BUILD_ID_MAX + 1];
    const struct module *absent = absent_python(process, &is_python3);
    if (absent) {
        build_id_format(&absent->core_build_id, id, sizeof(id));
        return failure_create(FAILURE_MISMATCH,
                              "the interpreter of the process, %s (build-id %s), is not on this "
                              "machine%s, and the core alone does not show it (%s); pass it as "
                              "EXECUTABLE, or its directory by --library-path=DIR or --sysroot=DIR",
                              absent->path, id, module_explain_other(absent).text, evidence);
    }
    if (process->core->bytes_missing && !process->core->mapping_count)
        return failure_create(
            FAILURE_MISMATCH,
            "the core was cut and has lost the notes that name its files; no file "
            "at hand is an interpreter that its memory points to, and the core "
            "alone does not show one (%s); pass the file that has the interpreter "
            "itself as EXECUTABLE (libpython2.7.so.1.0, where python2.7 only "
            "loads it)",
            evidence);
    if (process->main_absent)
        return failure_create(FAILURE_MISMATCH,
                              "the main program of the process is not on this machine, no other "
                              "file of it has a Python interpreter, and the core alone does not "
                              "show one (%s); pass the executable as second argument",
                              evidence);
    return failure_create(FAILURE_MISMATCH,
                          "no file of the process has a Python 2 interpreter (looked for the "
                          "symbols PyType_Type and PyGC_Collect in %zu files of \"%s\"), and "
                          "nothing in its memory looks like one (%s); is this the core of a Python "
                          "process?",
                          process->module_count, process->core->command, evidence);
}
