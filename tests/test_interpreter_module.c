// Which file of a process is its interpreter, and which sentence tells why none is.
#include "common.h"

#include <stdio.h>

#include "interpreter_module.h"
#include "scene_process.h"

TestSuite(interpreter_module, .init = init_process, .fini = close_process);

static const vaddr BELOW = 0x7f1100000000, ABOVE = 0x7f1400000000;

static const char *const dead_python2[] = {"PyType_Type", "PyGC_Collect", "_PyGC_generation0",
                                           "PyDict_Type", NULL};
static const char *const python3[] = {
    "PyType_Type", "PyGC_Collect",      "PyUnicode_Type",    "PyBytes_Type",
    "PyDict_Type", "_PyGC_generation0", "PyBaseObject_Type", NULL};
static const char *const python37[] = {"PyType_Type", "PyGC_Collect", "_PyRuntime", NULL};
static const char *const launcher[] = {"PyCFunction_Type", NULL};

// A library of the process that never ran Python: its lists are empty.
static struct module *add_dead(unsigned number, const char *path, vaddr start)
{
    struct module *module = add_library(number, path, start, dead_python2);
    const vaddr variable = LINKED_DATA + 2 * 0x200, heads = LINKED_DATA + 0x1000;
    linked_put(&linked[number], variable, start + heads, 8);
    for (unsigned i = 0; i < 3; i++) {
        linked_put(&linked[number], heads + 48 * i, start + heads + 48 * i, 8);
        linked_put(&linked[number], heads + 48 * i + 8, start + heads + 48 * i, 8);
        linked_put(&linked[number], heads + 48 * i + 16, 0, 8);
        linked_put(&linked[number], heads + 48 * i + 32, i ? 10 : 700, 8);
        linked_put(&linked[number], heads + 48 * i + 40, 0, 8);
    }
    return module;
}

static void expect_module(const struct module *expected)
{
    open_interpreter();
    cr_assert_eq(interpreter->module, expected, "%s", interpreter_file(interpreter));
    cr_expect_eq(interpreter->runtime.types[RUNTIME_TYPE_type], fake.type);
    cr_expect_eq(interpreter->runtime.types[RUNTIME_TYPE_dict], fakeheap_find_type(&fake, "dict"));
    cr_expect_eq(interpreter->runtime.generations[0].head, fake.heads[0]);
    cr_expect_eq(interpreter->runtime.interp, fake.interp);
    cr_expect_str_eq(interpreter_file(interpreter), "python2");
}

// ---- Chosen by symbols

Test(interpreter_module, among_other_files)
{
    add_library(0, "libz.so", BELOW, (const char *const[]){"deflate", NULL});
    struct module *python = add_python("/usr/bin/python2.7");
    add_module("/usr/lib/libc.so", ABOVE, NULL);
    expect_module(python);
}

// The name of a file that is here is of no matter.
Test(interpreter_module, of_any_name)
{
    expect_module(add_python("/opt/app/bin/python3.8"));
}

// A launcher has copies of libpython's variables, and none of its code.
Test(interpreter_module, library_of_a_launcher)
{
    struct module *main = add_library(0, "python2.7", BELOW, launcher);
    main->is_main = true;
    struct module *python = add_python("/usr/lib/libpython2.7.so.1.0");
    expect_module(python);
    cr_expect_eq(interpreter->runtime.types[RUNTIME_TYPE_builtin], BELOW + LINKED_DATA,
                 "the launcher's copy counts");
}

// ---- Two of them

// An extension linked to libpython brings it into a process whose python has all of it.
Test(interpreter_module, main_program_before_a_library)
{
    add_dead(0, "libpython2.7.so.1.0", BELOW);
    struct module *python = add_python("/usr/bin/python2.7");
    python->is_main = true;
    expect_module(python);
}

Test(interpreter_module, library_above_the_main_program)
{
    struct module *python = add_python("/usr/bin/python2.7");
    python->is_main = true;
    add_dead(0, "libpython2.7.so.1.0", ABOVE);
    expect_module(python);
}

Test(interpreter_module, library_that_ran)
{
    add_dead(0, "libpython2.6.so.1.0", BELOW);
    struct module *python = add_python("/usr/lib/libpython2.7.so.1.0");
    add_dead(1, "libpython2.5.so.1.0", ABOVE);
    expect_module(python);
}

// A main program that has an interpreter, and never started it.
Test(interpreter_module, library_that_ran_beside_the_main_program)
{
    add_dead(0, "uwsgi", BELOW)->is_main = true;
    expect_module(add_python("/usr/lib/libpython2.7.so.1.0"));
}

// Of those that cannot be told apart the main program, which the linker looks at first.
Test(interpreter_module, none_that_ran)
{
    add_dead(0, "libpython2.6.so.1.0", BELOW);
    struct module *main = add_dead(1, "uwsgi", ABOVE);
    const struct module *found = NULL;
    main->is_main = true;
    open_memory();
    cr_assert_null(interpreter_module_find(&process, &found));
    cr_expect_eq(found, main);
}

// ---- Python 3

static void expect_python3(const char *version, const char *path)
{
    char text[512];
    snprintf(text, sizeof(text),
             "the process ran Python %s (%s); since PEP 442 (Python 3.4) the collector frees "
             "cycles with __del__, so this leak does not exist there; look for what still refers "
             "to the objects instead",
             version, path);
    open_memory();
    expect_failure(FAILURE_UNSUPPORTED, text);
}

Test(interpreter_module, python3)
{
    add_library(0, "libpython3.6m.so.1.0", BELOW, python3);
    expect_python3("3.6", "libpython3.6m.so.1.0");
}

Test(interpreter_module, python3_by_its_runtime)
{
    add_library(0, "python3.11", BELOW, python37);
    expect_python3("3.11", "python3.11");
}

Test(interpreter_module, python3_within_a_program)
{
    add_library(0, "blender", BELOW, python37);
    expect_python3("3", "blender");
}

Test(interpreter_module, python3_in_a_plugin)
{
    add_library(0, "python38_plugin.so", BELOW, python37);
    expect_python3("3", "python38_plugin.so");
}

// The library of the stable ABI has nothing but this name.
Test(interpreter_module, python3_without_a_minor_version)
{
    add_module("/usr/lib/libpython3.so", BELOW, NULL);
    expect_python3("3", "/usr/lib/libpython3.so");
}

Test(interpreter_module, python3_whose_file_is_not_here)
{
    add_module("/usr/bin/python3.10 (deleted)", BELOW, NULL);
    expect_python3("3.10", "/usr/bin/python3.10 (deleted)");
}

// Before 3.4 they leaked as in Python 2.
Test(interpreter_module, python3_that_leaks)
{
    static const char *const versions[] = {"3.0", "3.1", "3.2", "3.3"};
    open_memory();
    for (size_t i = 0; i < LENGTH(versions); i++) {
        char path[64], text[512];
        snprintf(path, sizeof(path), "/usr/lib/libpython%smu.so.1.0", versions[i]);
        snprintf(text, sizeof(text),
                 "the process ran Python %s (%s), whose collector keeps cycles with __del__ as "
                 "that of Python 2 does, but only Python 2 can be read here; look at gc.garbage in "
                 "the process, or run it with Python 3.4 or later, which frees them (PEP 442)",
                 versions[i], path);
        process.module_count = 0;
        add_module(path, BELOW, NULL);
        expect_failure(FAILURE_UNSUPPORTED, text);
    }
}

// An editor may have loaded both, one below the other.
Test(interpreter_module, python3_beside_python2)
{
    add_library(0, "libpython3.6m.so.1.0", BELOW, python3);
    expect_module(add_python("/usr/lib/libpython2.7.so.1.0"));
}

Test(interpreter_module, python3_above_python2)
{
    struct module *python = add_python("/usr/lib/libpython2.7.so.1.0");
    add_library(0, "libpython3.6m.so.1.0", ABOVE, python3);
    expect_module(python);
}

// No program is an interpreter of its own and has its variables from another.
Test(interpreter_module, python3_that_loads_python2)
{
    add_library(0, "python3.6", BELOW, python3)->is_main = true;
    expect_module(add_python("/usr/lib/libpython2.7.so.1.0"));
}

// ---- No file has it

// The core alone shows it.
static void expect_recognized(const struct module *expected)
{
    open_interpreter();
    cr_assert_not_null(interpreter->recognition);
    cr_expect_eq(interpreter->module, expected, "%s", interpreter_file(interpreter));
    cr_expect_eq(interpreter->runtime.interp, fake.interp);
}

Test(interpreter_module, recognized)
{
    fakeprocess_write(&fake, &(struct fakeprocess){EM_X86_64, false}, ".");
    struct module *python = add_module("/usr/bin/python2.7", fake.source.image.start, NULL);
    python->end = fake.source.image.end;
    expect_recognized(python);
}

// A Python 3 whose file is not here, either, is not the one.
Test(interpreter_module, recognized_beside_python3)
{
    add_module("/usr/lib/libpython3.6m.so.1.0", BELOW, NULL);
    struct module *python =
        add_module("/usr/lib/libpython2.7.so.1.0", fake.source.image.start, NULL);
    python->end = fake.source.image.end;
    expect_recognized(python);
}

Test(interpreter_module, recognized_beside_python3_that_is_here)
{
    add_library(0, "libpython3.6m.so.1.0", BELOW, python3);
    struct module *python =
        add_module("/usr/lib/libpython2.7.so.1.0", fake.source.image.start, NULL);
    python->end = fake.source.image.end;
    expect_recognized(python);
}

// Files that have to do with Python are not Python.
Test(interpreter_module, recognized_beside_what_is_called_alike)
{
    static const char *const names[] = {
        "/usr/lib/libboost_python38.so.1.71", "/usr/lib/uwsgi/python3_plugin.so",
        "/usr/lib/libpeas/libpython3loader.so",
        "/usr/lib/python3/foo.cpython-38-x86_64-linux-gnu.so", "/var/cache/python3-docs.index"};
    for (size_t i = 0; i < LENGTH(names); i++)
        add_module(names[i], BELOW + i * 0x100000, NULL);
    struct module *python = add_module("/opt/app/bin/app", fake.source.image.start, NULL);
    python->end = fake.source.image.end;
    expect_recognized(python);
}

// ---- And the core alone does not show it

static void expect_explained(const char *expected)
{
    struct failure *failure = interpreter_module_explain(&process, "it is not round");
    cr_expect_str_eq(failure_text(failure), expected, "%s", failure_text(failure));
    cr_expect_eq(failure_kind(failure), FAILURE_MISMATCH);
    failure_destroy(failure);
}

#define NOT_HERE(path, id)                                                                         \
    "the interpreter of the process, " path " (build-id " id "), is not on this machine, and the " \
    "core alone does not show it (it is not round); pass it as EXECUTABLE, or its directory by "   \
    "--library-path=DIR or --sysroot=DIR"

Test(interpreter_module, explains_the_file_that_is_not_here)
{
    add_module("/usr/lib/libboost_python27.so.1.67", BELOW, NULL);
    struct module *python = add_module("/usr/lib/libpython2.7.so.1.0", ABOVE, NULL);
    process.main_absent = true;
    expect_explained(NOT_HERE("/usr/lib/libpython2.7.so.1.0", "none"));
    python->core_build_id = (struct build_id){.bytes = {0xde, 0xad}, .size = 2};
    expect_explained(NOT_HERE("/usr/lib/libpython2.7.so.1.0", "dead"));
    python->other_build = (struct build_id){.bytes = {0xbe, 0xef}, .size = 2};
    expect_explained(
        "the interpreter of the process, /usr/lib/libpython2.7.so.1.0 (build-id dead), is not on "
        "this machine, where the file of that name is of another build (build-id beef), and the "
        "core alone does not show it (it is not round); pass it as EXECUTABLE, or its directory by "
        "--library-path=DIR or --sysroot=DIR");
}

Test(interpreter_module, explains_every_name_of_python2)
{
    static const char *const names[] = {"/usr/bin/python2", "/usr/bin/python2.7-dbg",
                                        "python2.7 (deleted)", "/usr/lib/libpython2.3.so",
                                        "/usr/lib/libpython2.7_d.so.1.0"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        char text[512];
        process.module_count = 0;
        add_module(names[i], BELOW, NULL);
        snprintf(text, sizeof(text), NOT_HERE("%s", "none"), names[i]);
        expect_explained(text);
    }
}

Test(interpreter_module, explains_the_main_program)
{
    add_module("/usr/lib/libboost_python27.so.1.67", BELOW, NULL);
    add_module("/opt/app/bin/app", ABOVE, NULL)->is_main = true;
    process.main_absent = true;
    expect_explained("the main program of the process is not on this machine, no other file of it "
                     "has a Python interpreter, and the core alone does not show one (it is not "
                     "round); pass the executable as second argument");
}

Test(interpreter_module, explains_lost_notes)
{
    core.bytes_missing = 1;
    process.main_absent = true;
    expect_explained("the core was cut and has lost the notes that name its files; no file at hand "
                     "is an interpreter that its memory points to, and the core alone does not "
                     "show one (it is not round); pass the file that has the interpreter itself as "
                     "EXECUTABLE (libpython2.7.so.1.0, where python2.7 only loads it)");
    // Notes that are there are no such reason.
    core.mapping_count = 1;
    expect_explained("the main program of the process is not on this machine, no other file of it "
                     "has a Python interpreter, and the core alone does not show one (it is not "
                     "round); pass the executable as second argument");
}

#define NO_PYTHON                                                                                  \
    "no file of the process has a Python 2 interpreter (looked for the symbols PyType_Type and "   \
    "PyGC_Collect in 1 files of \"python2.7 leak.py\"), and nothing in its memory looks like one " \
    "("

Test(interpreter_module, explains_another_program)
{
    add_library(0, "shell", BELOW, launcher);
    expect_explained(NO_PYTHON "it is not round); is this the core of a Python process?");
}

// A file that is here, and has been stripped of all symbols, need not be looked for.
Test(interpreter_module, explains_a_python_without_symbols)
{
    add_library(0, "python2.7", BELOW, launcher);
    expect_explained(NO_PYTHON "it is not round); is this the core of a Python process?");
}

// The sentence of one who looks for an interpreter has what the core alone shows.
Test(interpreter_module, nothing_like_python)
{
    add_library(0, "shell", BELOW, launcher);
    struct failure *failure = try_interpreter();
    cr_assert_not_null(failure);
    cr_expect_eq(strncmp(failure_text(failure), NO_PYTHON, strlen(NO_PYTHON)), 0, "%s",
                 failure_text(failure));
    cr_expect_not_null(strstr(failure_text(failure), "2.7.18-x86_64"), "%s", failure_text(failure));
    cr_expect_eq(failure_kind(failure), FAILURE_MISMATCH);
    failure_destroy(failure);
}
