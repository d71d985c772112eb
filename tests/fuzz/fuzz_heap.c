// A core that is damaged: the input is a byte that chooses the core, one of options, and patches
// (samples.h). What then follows is all that the program does: recognition and the choice of the
// layout, the heap, traversals, the collector, findings, holders, the census, and a report of one
// kind. With FUZZ_RECOGNITION defined it is --check, which ends with the recognition.
#include "fuzz.h"

#include "run.h"
#include "samples.h"
#include "text_stream.h"

enum {
    // Of the byte of options.
    WITHOUT_FILE = 1, // of the interpreter
    WITH_VALUES = 2,
    WITHOUT_LIMIT = 4,
    FORMAT_SHIFT = 3, // and from there on the format
};

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    (void)count;
    (void)arguments;
    samples_init();
    return 0;
}

// What is written is looked at by nobody.
static FILE *open_output(void)
{
    static char *text;
    static size_t size;
    free(text);
    text = NULL;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        abort();
    return file;
}

#ifdef FUZZ_RECOGNITION
static struct failure *look_at(struct run *run)
{
    const struct options *options = run->options;
    struct failure *failure = check_init(&run->check, options->core, &options->unpack);
    if (!failure)
        failure = check_look(&run->check, &options->process, &options->debug);
    if (failure)
        return failure;
    FILE *file = open_output();
    report_check_text(&run->check, file);
    failure = report_check_json(&run->check, file);
    fclose(file);
    return failure;
}
#else
static struct failure *write_text(const struct run *run, FILE *file)
{
    struct text_style style = {.ascii = true, .width = run->options->width};
    FILE *stream = text_stream_open(file, &style);
    if (!stream)
        abort();
    struct failure *failure = report_text(&run->report, stream);
    fclose(stream);
    return failure;
}

static struct failure *write_drawing(struct run *run, FILE *file)
{
    struct failure *failure = NULL;
    if (run->findings->count)
        failure = drawing_init(&run->drawing, run->heap, run->states, &run->findings->items[0],
                               run->options->limit, run->options->values);
    if (!failure)
        report_dot(&run->drawing, file);
    return failure;
}

static struct failure *write_stacks(struct run *run, FILE *file)
{
    struct failure *failure = flame_init(&run->flame, run->heap, run->states, run->findings);
    if (!failure)
        report_folded(&run->flame, run->findings, run->options->limit, file);
    return failure;
}

static struct failure *write_report(struct run *run, FILE *file)
{
    switch (run->options->format) {
    case FORMAT_JSON:
        return report_json(&run->report, file);
    case FORMAT_MARKDOWN:
        return report_markdown(&run->report, file);
    case FORMAT_DOT:
        return write_drawing(run, file);
    case FORMAT_FOLDED:
        return write_stacks(run, file);
    case FORMAT_HTML: // its pictures are Graphviz's work
        return report_graph(run->heap, run->states, file);
    case FORMAT_TEXT:
    case FORMAT_COUNT:
        break;
    }
    return write_text(run, file);
}

static struct failure *look_at(struct run *run)
{
    struct failure *failure = run_analyze(run);
    if (failure)
        return failure;
    run->report.garbage_objects = run->garbage_objects;
    FILE *file = open_output();
    failure = write_report(run, file);
    fclose(file);
    return failure;
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 0;
    const struct sample *sample = samples_find(bytes[0]);
    const unsigned wishes = bytes[1];
    const struct options options = {
        .core = sample->path,
        .process = {.sysroot = wishes & WITHOUT_FILE ? "/nonexistent" : NULL},
        .debug = {.path = ""},
        .format = (wishes >> FORMAT_SHIFT) % FORMAT_COUNT,
        .limit = wishes & WITHOUT_LIMIT ? 0 : 10,
        .max_size = 60000,
        .jobs = 1,
        .values = wishes & WITH_VALUES,
        .width = 100,
        .quiet = true,
    };
    struct run run = {.options = &options};
    sample_damage(sample, bytes + 2, size - 2);
    failure_destroy(look_at(&run));
    run_deinit(&run);
    sample_restore(sample, bytes + 2, size - 2);
    return 0;
}
