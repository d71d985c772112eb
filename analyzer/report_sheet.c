#include "report_sheet.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/types.h>

struct sheet {
    FILE *file;  // the page
    FILE *words; // what is written to
    const struct sheet_style *style;
    bool in_name;
    bool opened; // the name has had a byte
};

static const struct sheet_style as_it_is = {.name_start = NULL};

static void put_or_nothing(const char *text, FILE *file)
{
    if (text)
        fputs(text, file);
}

static void put_byte(struct sheet *sheet, unsigned char byte)
{
    const struct sheet_style *style = sheet->style;
    const char *const *table = sheet->in_name ? style->names : style->words;
    if (sheet->in_name && !sheet->opened) {
        put_or_nothing(style->name_start, sheet->file);
        sheet->opened = true;
    }
    if (byte < SHEET_BYTES && table[byte])
        fputs(table[byte], sheet->file);
    else
        putc(byte, sheet->file);
}

static void end_name(struct sheet *sheet)
{
    if (sheet->opened)
        put_or_nothing(sheet->style->name_end, sheet->file);
    sheet->in_name = sheet->opened = false;
}

// Of fopencookie. The page's own FILE keeps the errors.
static ssize_t put_bytes(void *cookie, const char *bytes, size_t size)
{
    struct sheet *sheet = cookie;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == *NAME_START)
            sheet->in_name = true;
        else if (bytes[i] == *NAME_END)
            end_name(sheet);
        else
            put_byte(sheet, (unsigned char)bytes[i]);
    }
    return (ssize_t)size;
}

struct failure *sheet_create(FILE *file, struct sheet **sheet)
{
    struct sheet *made = malloc(sizeof(*made));
    if (!made)
        return failure_no_memory();
    *made = (struct sheet){.file = file, .style = &as_it_is};
    made->words = fopencookie(made, "w", (cookie_io_functions_t){.write = put_bytes});
    if (!made->words) {
        free(made);
        return failure_no_memory();
    }
    *sheet = made;
    return NULL;
}

void sheet_destroy(struct sheet *sheet)
{
    if (!sheet)
        return;
    fclose(sheet->words);
    free(sheet);
}

FILE *sheet_use(struct sheet *sheet, const struct sheet_style *style)
{
    fflush(sheet->words);
    sheet->style = style ? style : &as_it_is;
    return sheet->words;
}
