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

// Not so are control characters, line and paragraph separators, what changes the direction or the
// look of the text around it, and what the report draws its arrows and marks with: ─ ▶ ◀.
static bool is_harmless(uint32_t code)
{
    return code >= 0x20 && !(code >= 0x7f && code < 0xa0) && code != 0xad &&
           !(code >= 0x200b && code <= 0x200f) && !(code >= 0x2028 && code <= 0x202e) &&
           !(code >= 0x2060 && code <= 0x206f) && code != 0x061c && code != 0xfeff &&
           code != 0x2500 && code != 0x25b6 && code != 0x25c0 &&
           !(code >= 0xfff0 && code <= 0xffff) && !(code >= 0xe0000 && code <= 0xe0fff);
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
        if (length && is_harmless(code)) {
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
