#include "proof.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// One write of less than a page: lines of tests that run at the same time do not mix.
static void write_line(const char *line)
{
    const char *cores = getenv("CORES");
    cr_assert_not_null(cores, "CORES is not set: run this by meson test");
    const char *path = real_format("%s/../proofs.tsv", cores);
    const char *whole = real_format("%s::%s\t%s\n", criterion_current_suite->name,
                                    criterion_current_test->name, line);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(write(fd, whole, strlen(whole)), (ssize_t)strlen(whole), "%s", path);
    close(fd);
}

static bool has_flag(const json_t *report, const char *path)
{
    return json_is_true(real_json(report, path));
}

// What the interpreter is a part of.
static const char *build_of(const struct real_core *core, const json_t *report)
{
    // (Cores of emulators name no files.)
    const json_t *file = real_json(report, "interpreter.file_in_core");
    const char *path = json_is_string(file) ? json_string_value(file) : core->interpreter;
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    bool library = strncmp(name, "libpython", 9) == 0;
    if (has_flag(report, "interpreter.debug_build"))
        return "pydebug";
    if (strstr(core->interpreter, "/appserver"))
        return library ? "embedded, shared" : "embedded, static";
    return library ? "shared" : "static";
}

static const char *symbols_of(const json_t *report)
{
    return strcmp(real_string(report, "interpreter.layout_source"), "dwarf") == 0 ? "DWARF"
                                                                                  : "stripped";
}

static void write_note(const json_t *report, const char *byte_order, const char *build,
                       const char *file, const char *kind, const char *check)
{
    write_line(real_format("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s",
                           real_string(report, "interpreter.version"),
                           real_string(report, "core.architecture"), byte_order, build, file,
                           strcmp(file, "file") == 0 ? symbols_of(report) : "-", kind, check));
}

static const char *file_of(const json_t *report)
{
    bool bare = strcmp(real_string(report, "interpreter.recognized_from"), "core") == 0;
    return bare ? "none" : "file";
}

// The second word of a core's name ("debian kernel seed_leak.py 5").
static const char *kind_of(const struct real_core *core)
{
    const char *kind = strchr(core->name, ' ') + 1;
    return real_format("%.*s", (int)strcspn(kind, " "), kind);
}

void proof_note(const struct real_core *core, const json_t *report, const char *check)
{
    write_note(report, "little", build_of(core, report), file_of(report), kind_of(core), check);
}

void proof_note_synthetic(const json_t *report, const char *byte_order, const char *check)
{
    const char *build = has_flag(report, "interpreter.trace_refs") ? "pydebug" : "static";
    write_note(report, byte_order, build, file_of(report), "synthetic", check);
}

void proof_note_wrong_file(const struct real_core *core, const json_t *report)
{
    write_note(report, "little", build_of(core, report), "wrong", kind_of(core), "refused");
}

void proof_note_refusal(const char *what, const char *machine, const char *advice)
{
    write_line(real_format("%s\t%s\t-\t-\tany\t-\t-\t%s", what, machine, advice));
}
