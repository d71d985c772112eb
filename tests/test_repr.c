// Values in a few words, in every layout. What all of them look like, the interpreter says itself
// (test_real_values.c).
#include "common.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fakelayout.h"
#include "repr.h"
#include "scene_types.h"

#define WORLDS(name) WORLD_TEST(repr, name, close_types)

static void expect(vaddr object, const char *expected, const char *where)
{
    char words[REPR_SIZE];
    open_types();
    repr_write(&types, object, words);
    cr_assert_str_eq(words, expected, "%s: %s, not %s", where, words, expected);
}

static const char *plain(const char *type, vaddr object)
{
    static char text[64];
    snprintf(text, sizeof(text), "<%s at 0x%" PRIx64 ">", type, object);
    return text;
}

WORLDS(values_of_all_layouts)
{
    vaddr list = fakeheap_list(&fake), dict = fakeheap_dict(&fake);
    expect(fakeheap_str_of(&fake, "a\0\x1b'", 4), "\"a\\x00\\x1b'\"", world);
    expect(fakeheap_str_of(&fake, "\n\xff\\", 3), "'\\n\\xff\\\\'", world);
    expect(fakeheap_str(&fake, ""), "''", world);
    expect(fakeheap_int(&fake, -7), "-7", world);
    expect(fake.none, "None", world);
    expect(list, "<list, 0 items>", world);
    fakeheap_dict_set_name(&fake, dict, "x", list);
    expect(dict, "<dict, 1 item>", world);
}

WORLDS(what_is_cut_says_so)
{
    char words[REPR_SIZE], text[100];
    memset(text, 'x', sizeof(text));
    for (size_t length = 50; length < sizeof(text); length++) {
        vaddr str = fakeheap_str_of(&fake, text, length);
        open_types();
        repr_write(&types, str, words);
        bool cut = strstr(words, "'...");
        cr_assert(cut ? strlen(words) == REPR_MAX : strlen(words) == length + 2, "%s: %zu", world,
                  length);
        cr_assert(cut || length < 60, "%s: %zu", world, length);
    }
}

WORLDS(damage)
{
    vaddr str = fakeheap_str(&fake, "hidden away"), number = fakeheap_int(&fake, 5);
    vaddr unicode = fakeheap_unicode(&fake, 3), list = fakeheap_list(&fake);
    fakeheap_hide(&fake, str + layout_offset(&fake.layout, LAYOUT_PyStringObject_ob_sval), 4,
                  MEMORY_NOT_SAVED);
    fakeheap_hide(&fake, number + layout_offset(&fake.layout, LAYOUT_PyIntObject_ob_ival), 4,
                  MEMORY_NOT_SAVED);
    fakeheap_set(&fake, unicode, LAYOUT_PyUnicodeObject_str, 0x12345678);
    fakeheap_set(&fake, list, LAYOUT_PyVarObject_ob_size, UINT64_MAX);
    expect(str, plain("str", str), world);
    expect(number, plain("int", number), world);
    expect(unicode, plain("unicode", unicode), world);
    expect(list, plain("list", list), world);
    expect(0x12345678, plain("<unreadable type>", 0x12345678), world);
    expect(0, plain("<unreadable type>", 0), world);
    fakeheap_show_all(&fake);
}
