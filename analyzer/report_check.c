// What --check found.
#include <inttypes.h>
#include <string.h>

#include "report_values.h"
#include "report_words.h"

enum {
    FILTER_DEFAULT = 0x33,
    ABSENT_MAX = 20, // files told by name
};

static const struct {
    enum check_loss loss;
    const char *what;
    const char *advice;
} losses[] = {
    {CHECK_CUT, "the core was cut short",
     "what survives will be told, numbers will be lower bounds; copy it again if it was longer once, "
     "or see to its limits (ulimit -c unlimited, space on the disk)"},
    {CHECK_NO_THREADS, "the notes of the threads are missing",
     "what the threads did will not be told; copy the core again if it was longer once"},
    {CHECK_MEMORY_HOLES, "some private memory is not saved",
     "what lies there is lost, numbers will be lower bounds; look at coredump_filter and at limits "
     "of the dump"},
    {CHECK_FILES_ABSENT, "files of the process are not here",
     "get them by --sysroot=DIR or --library-path=DIR; objects of their types would be opaque"},
    {CHECK_FILE_DIFFERS, "a file is used though its build-id differs",
     "leave --force out and pass the right one"},
    {CHECK_COLLECTION, "a collection was in progress",
     "nothing to do: the report tells what it had set aside, as far as it is found"},
    {CHECK_STREAM_DAMAGED, "what the core was packed in is damaged",
     "what came before the damage is used; copy it again"},
    {CHECK_OVERLAP, "the core's headers are damaged: segments overlap",
     "one of them has another's bytes; copy the core again"},
    {CHECK_GARBAGE_UNREAD, "gc.garbage is not saved", "nothing to do: its items are lost"},
};

static const char *verdict(const struct check *check)
{
    return check->refusal ? "no" : check->losses ? "with losses" : "yes";
}

// --- text

static void put_core(const struct core *core, FILE *file)
{
    char size[NUMBER_MAX], missing[NUMBER_MAX];
    const char *signal = core_signal_name(core->signal);
    fputs("\nCore         ", file);
    put_name(file, core->path);
    fprintf(file, ", %s, %s, ", sized(core->size, size), core->architecture);
    if (core->bytes_missing)
        fprintf(file, "CUT: %s missing", sized(core->bytes_missing, missing));
    else
        fputs(core_state_words(core), file);
    if (core->unpacked)
        put_unpacked(core->unpacked, file);
    fputs("\nProcess      ", file);
    put_command(file, core, false);
    fprintf(file, ", pid %" PRIu32 ", %zu thread%s\nSignal       ", core->pid, core->thread_count,
            plural(core->thread_count));
    if (signal)
        fprintf(file, "%s%s\n", signal,
                strcmp(signal, "SIGSTOP") == 0 ? ", as gdb's gcore leaves in a living process"
                                               : "");
    else if (core->signal)
        fprintf(file, "%d\n", core->signal);
    else
        fputs("none: dumped while it ran\n", file);
}

static void put_saved(const struct check *check, FILE *file)
{
    static const char *const names[CHECK_MEMORIES] = {
        [CHECK_PRIVATE] = "private memory (heap, stacks)",
        [CHECK_WRITTEN] = "variables of files",
        [CHECK_SHARED] = "shared memory",
        [CHECK_READ_ONLY] = "code and constants of files",
        [CHECK_HEADERS] = "files by their first page (build-id)",
    };
    char saved[NUMBER_MAX], memory[NUMBER_MAX];
    const char *before = "Saved        ";
    for (enum check_memory kind = 0; kind < CHECK_MEMORIES; kind++) {
        const struct check_amount *amount = &check->memory[kind];
        if (!amount->segments)
            continue;
        fputs(before, file);
        fprintf(file, "%s of %s: %s\n", sized(amount->saved, saved), sized(amount->memory, memory),
                names[kind]);
        before = "             ";
    }
}

static bool is_default_filter(const struct check *check)
{
    return !(check->filter_yes & ~(unsigned)FILTER_DEFAULT) && !(check->filter_no & FILTER_DEFAULT);
}

static void put_filter(const struct check *check, FILE *file)
{
    if (!(check->filter_yes | check->filter_no))
        return;
    if (is_default_filter(check))
        fputs("             coredump_filter may have been 0x33, the default\n", file);
    else
        fprintf(file, "             coredump_filter had 0x%x and not 0x%x, by what is saved\n",
                check->filter_yes, check->filter_no);
}

static void put_files(const struct check *check, FILE *file)
{
    char id[2 * BUILD_ID_MAX + 1];
    if (!check->process)
        return;
    fprintf(file,
            "Files        %zu match by build-id, %zu could not be compared, %zu differ%s, "
            "%zu not here\n",
            check->matching, check->unchecked, check->forced, check->forced == 1 ? "s" : "",
            check->absent_count);
    for (size_t i = 0; i < check->absent_count && i < ABSENT_MAX; i++) {
        build_id_format(&check->absent[i]->core_build_id, id, sizeof(id));
        fputs("             not here: ", file);
        put_name(file, check->absent[i]->path);
        fprintf(file, " (build-id %s)\n", id);
        if (!check->absent[i]->other_build.size)
            continue;
        build_id_format(&check->absent[i]->other_build, id, sizeof(id));
        fprintf(file, "             the file of that name here is of another build (%s)\n", id);
    }
    if (check->absent_count > ABSENT_MAX)
        fprintf(file, "             and %zu more\n", check->absent_count - ABSENT_MAX);
}

static void put_found(const struct check *check, FILE *file)
{
    const struct interpreter *interpreter = check->interpreter;
    char count[NUMBER_MAX];
    if (!interpreter) {
        fputs("Interpreter  not found\n", file);
        return;
    }
    const struct runtime *runtime = &interpreter->runtime;
    fprintf(file, "Interpreter  CPython %s, UCS%d, ", *runtime->version ? runtime->version : "2.7",
            runtime->unicode_width);
    put_name(file, interpreter_file(interpreter));
    if (interpreter->recognition)
        fputs(" (not here; recognized in the core)", file);
    fprintf(file, "\nLayout       built-in column %s fits", runtime->layout.column->name);
    if (interpreter->has_dwarf)
        fprintf(file, ", the file's DWARF differs in %u of %u members",
                runtime->layout.dwarf_differences, runtime->layout.dwarf_values);
    fputs("\ngc.garbage   ", file);
    if (runtime->garbage && !(check->losses & CHECK_GARBAGE_UNREAD))
        fprintf(file, "%s item%s\n", grouped(check->garbage_length, count),
                plural(check->garbage_length));
    else if (runtime->garbage_source == GARBAGE_NONE_YET)
        fputs("not made yet: no collection ever ran\n", file);
    else
        fputs("no symbol or module leads to it; the heap will be searched for it\n", file);
}

void report_check_text(const struct check *check, FILE *file)
{
    put_missing(&check->missing, file);
    if (check->refusal) {
        fputs("Not usable: ", file);
        put_name(file, failure_text(check->refusal));
        fputc('\n', file);
    } else {
        fputs(check->losses ? "Usable, with losses.\n" : "Usable.\n", file);
    }
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
        if (!check->refusal && (check->losses & losses[i].loss))
            fprintf(file, "LOSS: %s; %s.\n", losses[i].what, losses[i].advice);
    put_core(check->core, file);
    put_saved(check, file);
    put_filter(check, file);
    put_files(check, file);
    put_found(check, file);
}

// --- JSON

static json_t *make_memory(const struct check *check)
{
    static const char *const names[CHECK_MEMORIES] = {
        [CHECK_PRIVATE] = "private",     [CHECK_WRITTEN] = "written", [CHECK_SHARED] = "shared",
        [CHECK_READ_ONLY] = "read_only", [CHECK_HEADERS] = "headers",
    };
    json_t *memory = json_object();
    for (enum check_memory kind = 0; kind < CHECK_MEMORIES; kind++)
        json_object_set_new(memory, names[kind],
                            json_pack("{s:o, s:o, s:o}", "segments",
                                      value_number(check->memory[kind].segments), "bytes",
                                      value_number(check->memory[kind].memory), "saved",
                                      value_number(check->memory[kind].saved)));
    return memory;
}

static json_t *make_files(const struct check *check)
{
    json_t *absent = json_array();
    for (size_t i = 0; i < check->absent_count && i < ABSENT_MAX; i++)
        json_array_append_new(absent, value_name(check->absent[i]->path));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "matching", value_number(check->matching),
                     "unchecked", value_number(check->unchecked), "differing",
                     value_number(check->forced), "absent_total", value_number(check->absent_count),
                     "absent", absent);
}

static json_t *make_losses(const struct check *check)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
        if (check->losses & losses[i].loss)
            json_array_append_new(list, json_string(losses[i].what));
    return list;
}

struct failure *report_check_json(const struct check *check, FILE *file)
{
    json_t *root = value_document();
    bool garbage = check->interpreter && check->interpreter->runtime.garbage &&
                   !(check->losses & CHECK_GARBAGE_UNREAD);
    json_object_set_new(root, "core", value_core(check->core, &check->missing, false));
    json_object_set_new(root, "interpreter",
                        check->interpreter ? value_interpreter(check->interpreter) : json_null());
    json_object_set_new(
        root, "check",
        json_pack("{s:s, s:o, s:o, s:o, s:{s:i, s:i}, s:o, s:o}", "usable", verdict(check),
                  "reason", value_name(check->refusal ? failure_text(check->refusal) : NULL),
                  "losses", make_losses(check), "memory", make_memory(check), "coredump_filter",
                  "set", (int)check->filter_yes, "not_set", (int)check->filter_no, "files",
                  check->process ? make_files(check) : json_null(), "garbage_length",
                  garbage ? value_number(check->garbage_length) : json_null()));
    return value_write(root, file);
}
