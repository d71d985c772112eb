#include "text_stream.h"

#include <stdlib.h>
#include <string.h>

#include "failure.h"

#define MARK "◀ break here"

enum {
    LABEL_WIDTH = 13 // of the lines that begin with "Core", "Process" ...
};

struct text_stream {
    FILE *out;
    struct text_style style;
    char *line; // not yet ended
    size_t length;
    size_t capacity;
    bool is_first; // line of the report
};

// --- single characters

// The bytes of the character at `text`, at least one. The text is well-formed but for what a name
// may have cut; then a byte is a character.
static size_t character_size(const char *text, size_t left)
{
    unsigned char first = (unsigned char)*text;
    size_t size = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    return size <= left ? size : 1;
}

// What stands for a character in ASCII, NULL: it itself, or \xNN for each of its bytes.
static const char *ascii_word(const char *text, size_t size)
{
    static const struct {
        const char *text;
        const char *word;
    } words[] = {{"─", "--"}, {"▶", ">"}, {"◀", "<--"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (size == strlen(words[i].text) && memcmp(text, words[i].text, size) == 0)
            return words[i].word;
    return NULL;
}

static size_t character_columns(const struct text_stream *stream, const char *text, size_t size)
{
    bool plain = size == 1 && (unsigned char)*text < 0x80;
    if (!stream->style.ascii || plain)
        return 1;
    const char *word = ascii_word(text, size);
    return word ? strlen(word) : 4 * size;
}

static void put_character(const struct text_stream *stream, const char *text, size_t size)
{
    const char *word = stream->style.ascii ? ascii_word(text, size) : NULL;
    bool plain = size == 1 && (unsigned char)*text < 0x80;
    if (word)
        fputs(word, stream->out);
    else if (!stream->style.ascii || plain)
        fwrite(text, 1, size, stream->out);
    else
        for (size_t i = 0; i < size; i++)
            fprintf(stream->out, "\\x%02x", (unsigned char)text[i]);
}

// --- colour

static bool begins(const char *text, size_t left, const char *with)
{
    return left >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

// How many bytes from here on are to stand out, and how. 0: none.
static size_t find_accent(const char *text, size_t left, bool is_start, const char **color)
{
    static const struct {
        const char *text;
        const char *color;
        bool at_start; // of a line, after spaces
    } accents[] = {{MARK, "1;31", false}, {"LOSS:", "1;33", true}, {"DOUBT:", "1;33", true}};
    for (size_t i = 0; i < sizeof(accents) / sizeof(accents[0]); i++) {
        if ((accents[i].at_start && !is_start) || !begins(text, left, accents[i].text))
            continue;
        *color = accents[i].color;
        return strlen(accents[i].text);
    }
    return 0;
}

static void set_color(const struct text_stream *stream, const char *color)
{
    if (stream->style.color)
        fprintf(stream->out, "\33[%sm", color);
}

// A line or a part of one, without its newline.
static void put_part(const struct text_stream *stream, const char *text, size_t length)
{
    bool bold = stream->is_first && length;
    bool is_start = true;
    size_t accent = 0; // bytes left of one
    if (bold)
        set_color(stream, "1");
    for (size_t at = 0, size; at < length; at += size) {
        const char *color;
        size_t was = accent;
        if (!accent && !bold)
            accent = find_accent(text + at, length - at, is_start, &color);
        if (accent && !was)
            set_color(stream, color);
        size = character_size(text + at, length - at);
        put_character(stream, text + at, size);
        is_start = is_start && text[at] == ' ';
        if (accent && !(accent -= accent < size ? accent : size))
            set_color(stream, "0");
    }
    if (bold)
        set_color(stream, "0");
}

// --- lines

static size_t count_spaces(const char *text, size_t length)
{
    size_t count = 0;
    while (count < length && text[count] == ' ')
        count++;
    return count;
}

// Where the next lines of a long one begin: under the text of a label, else a little further in.
static size_t find_indent(const char *line, size_t length)
{
    size_t spaces = count_spaces(line, length);
    bool is_label = !spaces && length > LABEL_WIDTH && line[LABEL_WIDTH - 1] == ' ' &&
                    line[LABEL_WIDTH - 2] == ' ' && line[LABEL_WIDTH] != ' ';
    return is_label || spaces >= LABEL_WIDTH ? LABEL_WIDTH : spaces + 2;
}

// Is the space at `at` within the mark?
static bool is_in_mark(const char *text, size_t length, size_t at)
{
    size_t most = strlen(MARK);
    for (size_t back = 1; back < most && back <= at; back++)
        if (begins(text + at - back, length - (at - back), MARK))
            return true;
    return false;
}

// The bytes that fit into `width` columns: up to a space after something, if there is one, else up
// to the first space beyond, or all.
static size_t find_end(const struct text_stream *stream, const char *text, size_t length,
                       size_t width)
{
    size_t columns = 0, end = 0, skip = count_spaces(text, length);
    for (size_t at = 0, size; at < length; at += size) {
        size = character_size(text + at, length - at);
        if (text[at] == ' ' && at > skip && text[at - 1] != ' ' && !is_in_mark(text, length, at)) {
            if (columns > width && end)
                return end;
            end = at;
            if (columns > width)
                return end;
        }
        columns += character_columns(stream, text + at, size);
    }
    return columns > width && end ? end : length;
}

static void put_line(struct text_stream *stream)
{
    const char *text = stream->line;
    size_t left = stream->length, width = stream->style.width, indent = 0;
    size_t next_indent = find_indent(text, left);
    for (;;) {
        size_t end =
            width ? find_end(stream, text, left, width > indent ? width - indent : 1) : left;
        fprintf(stream->out, "%*s", (int)indent, "");
        put_part(stream, text, end);
        fputc('\n', stream->out);
        end += count_spaces(text + end, left - end);
        text += end;
        left -= end;
        if (!left)
            break;
        indent = next_indent;
    }
    stream->is_first = false;
    stream->length = 0;
}

static bool add(struct text_stream *stream, const char *text, size_t length)
{
    if (stream->capacity - stream->length < length) {
        size_t capacity = 2 * (stream->length + length);
        char *line = realloc(stream->line, capacity);
        if (!line)
            return failure_note_no_memory();
        stream->line = line;
        stream->capacity = capacity;
    }
    memcpy(stream->line + stream->length, text, length);
    stream->length += length;
    return true;
}

// --- as a FILE

static ssize_t stream_write(void *cookie, const char *text, size_t size)
{
    struct text_stream *stream = cookie;
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - text) - at : size - at;
        if (length && !add(stream, text + at, length))
            return 0; // glibc takes that for an error
        if (end)
            put_line(stream);
        at += length + (end != NULL);
    }
    return (ssize_t)size;
}

static int stream_close(void *cookie)
{
    struct text_stream *stream = cookie;
    if (stream->length)
        put_line(stream);
    free(stream->line);
    free(stream);
    return 0;
}

FILE *text_stream_open(FILE *out, const struct text_style *style)
{
    struct text_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return NULL;
    *stream = (struct text_stream){.out = out, .style = *style, .is_first = true};
    FILE *file = fopencookie(stream, "w",
                             (cookie_io_functions_t){.write = stream_write, .close = stream_close});
    if (!file)
        free(stream);
    return file;
}
