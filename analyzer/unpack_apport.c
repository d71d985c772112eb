// The CoreDump of a report that apport wrote (apport, problem_report.py, ProblemReport.write):
// lines of "Key: value", where longer values go on in lines that begin with a space. The core is
//
//     CoreDump: base64
//      H4sICAAAAAAC/0NvcmVEdW1wAA==
//      7L0HeFzFtTg+u5KttSzbaww2Jc5cG8...
//
// each line the base64, with its own padding, of a piece of one compressed stream.
#include <stdlib.h>
#include <string.h>

#include <nettle/base64.h>

#include "unpack_stage.h"

#define KEY "CoreDump: base64"

struct apport_stage {
    struct stage stage;
    enum stage_status end; // what comes after the bytes that are there; STAGE_MORE: not known yet
    const uint8_t *input;
    size_t input_size;
    char start[sizeof(KEY)]; // of the line, as much as tells it apart
    size_t column;           // in the line; may lag behind, but is not 0 inside of it
    bool inside;             // the core's value
    bool value;              // a line of it
    uint64_t line;
    struct base64_decode_ctx base64;
    uint8_t buffer[STAGE_BUFFER];
};

static bool feed(struct apport_stage *apport)
{
    struct stage *stage = &apport->stage;
    if (apport->input_size)
        return true;
    apport->end = stage_next(stage->below, &apport->input, &apport->input_size);
    if (apport->end == STAGE_MORE)
        return true;
    apport->input_size = 0;
    if (apport->end != STAGE_END)
        stage_say(stage, apport->end, "%s", stage->below->reason);
    else if (!apport->inside)
        apport->end = stage_say(stage, STAGE_REFUSED, "an apport report without a CoreDump");
    return false;
}

static void take(struct apport_stage *apport, size_t size)
{
    apport->input += size;
    apport->input_size -= size;
    apport->stage.used += size;
}

static void say_no_base64(struct apport_stage *apport)
{
    apport->end = stage_say(&apport->stage, STAGE_DAMAGED, "line %llu is no base64",
                            (unsigned long long)apport->line + 1);
}

// A line that does not belong to the core, or the rest of one.
static void skip_text(struct apport_stage *apport)
{
    const uint8_t *newline = memchr(apport->input, '\n', apport->input_size);
    size_t size = newline ? (size_t)(newline - apport->input) : apport->input_size;
    size_t room = sizeof(apport->start) - apport->column;
    memcpy(apport->start + apport->column, apport->input, size < room ? size : room);
    apport->column += size < room ? size : room;
    take(apport, size + (newline != NULL));
    if (!newline)
        return;
    apport->line++;
    apport->inside =
        apport->column == strlen(KEY) && memcmp(apport->start, KEY, apport->column) == 0;
    apport->column = 0;
}

// The first character tells whether the value goes on.
static void begin_line(struct apport_stage *apport)
{
    if (apport->input[0] != ' ') {
        apport->end = STAGE_END;
        return;
    }
    take(apport, 1);
    apport->value = true;
    base64_decode_init(&apport->base64);
}

// Decodes up to the first character that is none of base64; gives how many there are before it.
static size_t decode_good(struct apport_stage *apport, size_t size, uint8_t *output,
                          size_t *decoded)
{
    struct base64_decode_ctx before = apport->base64;
    const char *text = (const char *)apport->input;
    size_t at = 0;
    int count;
    if (base64_decode_update(&apport->base64, decoded, output, size, text))
        return size;
    apport->base64 = before;
    for (*decoded = 0; at < size; at++) {
        count = base64_decode_single(&apport->base64, output + *decoded, text[at]);
        if (count < 0)
            break;
        *decoded += (size_t)count;
    }
    return at;
}

// A line of the core, or as much of it as there is. Gives how many bytes it has decoded.
static size_t decode(struct apport_stage *apport, uint8_t *output, size_t room)
{
    size_t size = room / 3 * 4, decoded = 0; // more room than BASE64_DECODE_LENGTH wants
    if (size > apport->input_size)
        size = apport->input_size;
    const uint8_t *newline = memchr(apport->input, '\n', size);
    if (newline)
        size = (size_t)(newline - apport->input);
    size_t good = decode_good(apport, size, output, &decoded);
    take(apport, good);
    if (good < size || (newline && !base64_decode_final(&apport->base64))) {
        say_no_base64(apport);
    } else if (newline) {
        take(apport, 1);
        apport->value = false;
        apport->line++;
    }
    return decoded;
}

static enum stage_status apport_next(struct stage *stage, const uint8_t **bytes, size_t *size)
{
    struct apport_stage *apport = (struct apport_stage *)stage;
    size_t filled = 0;
    while (filled < sizeof(apport->buffer) - 8 && apport->end == STAGE_MORE && feed(apport)) {
        if (!apport->inside)
            skip_text(apport);
        else if (!apport->value)
            begin_line(apport);
        else
            filled += decode(apport, apport->buffer + filled, sizeof(apport->buffer) - filled - 4);
    }
    *bytes = apport->buffer;
    *size = filled;
    return filled ? STAGE_MORE : apport->end;
}

static void apport_close(struct stage *stage)
{
    free((struct apport_stage *)stage);
}

struct stage *stage_open_apport(struct stage *below)
{
    struct apport_stage *apport = calloc(1, sizeof(*apport));
    if (!apport)
        return NULL;
    apport->stage = (struct stage){
        .name = "apport", .below = below, .next = apport_next, .close = apport_close};
    return &apport->stage;
}
