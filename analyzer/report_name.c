// Names out of a core: bytes of a stranger that end up on terminals and in tickets.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

// The length of the well-formed UTF-8 sequence at `text` (RFC 3629), 0 when there is none.
static size_t decode(const unsigned char *text, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = text[0] < 0x80       ? 1
                    : text[0] >> 5 == 6  ? 2
                    : text[0] >> 4 == 14 ? 3
                    : text[0] >> 3 == 30 ? 4
                                         : 0;
    if (length < 2) {
        *code = text[0];
        return length;
    }
    *code = text[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (text[i] & 0x3f);
    }
    bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
    return *code < smallest[length] || *code > 0x10ffff || surrogate ? 0 : length;
}

struct code_range {
    uint32_t first, last;
};

// Control characters; what changes the direction of the text around it, or ends its line; what is
// not seen (Default_Ignorable_Code_Point, Unicode 15) or is no character; and what the report draws
// its arrows and marks with: ─ ▶ ◀.
static const struct code_range harmful[] = {
    {0x0, 0x1f},      {0x7f, 0x9f},       {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},
    {0x115f, 0x1160}, {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},
    {0x2060, 0x206f}, {0x2500, 0x2500},   {0x25b6, 0x25b6},   {0x25c0, 0x25c0},   {0x2800, 0x2800},
    {0x3164, 0x3164}, {0xfdd0, 0xfdef},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
    {0xfff0, 0xffff}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

static bool is_harmless(uint32_t code)
{
    for (size_t i = 0; i < sizeof(harmful) / sizeof(harmful[0]); i++)
        if (code >= harmful[i].first && code <= harmful[i].last)
            return false;
    return (code & 0xfffe) != 0xfffe;
}

// A space at an end is not seen either, and markup takes it away.
static bool is_at_end(const unsigned char *at, const char *name)
{
    return at == (const unsigned char *)name || at[1] == '\0';
}

char *report_clean_name(const char *name)
{
    char *clean = malloc(strlen(name) * 4 + 1), *end = clean;
    if (!clean) {
        failure_note_no_memory();
        return NULL;
    }
    for (const unsigned char *at = (const unsigned char *)name; *at;) {
        uint32_t code;
        size_t length = decode(at, &code);
        if (length && is_harmless(code) && !(code == ' ' && is_at_end(at, name))) {
            memcpy(end, at, length);
            end += length;
            at += length;
        } else {
            end += sprintf(end, "\\x%02x", *at++);
        }
    }
    *end = '\0';
    return clean;
}
