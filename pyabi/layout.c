#include "layout.h"

#define LAYOUT_ROW(type, name, path, unit) {#type, path, unit},
const struct layout_row layout_rows[LAYOUT_MEMBER_COUNT] = {LAYOUT_MEMBERS(LAYOUT_ROW)};
#undef LAYOUT_ROW

void layout_init(struct layout *layout, const struct layout_column *column)
{
    *layout = (struct layout){.column = column};
    memcpy(layout->values, column->values, sizeof(layout->values));
}

void layout_overlay(struct layout *layout, enum layout_member member, struct layout_value value)
{
    struct layout_value old = layout->values[member];
    layout->values[member] = value;
    layout->dwarf_values += !layout->from_dwarf[member];
    layout->dwarf_added += !layout->from_dwarf[member] && old.offset == LAYOUT_ABSENT;
    layout->from_dwarf[member] = true;
    if (old.offset == LAYOUT_ABSENT || (old.offset == value.offset && old.width == value.width))
        return;
    layout->dwarf_differences += !layout->differs[member];
    layout->differs[member] = true;
    layout->replaced[member] = old;
}

enum memory_status layout_read(const struct layout *layout, struct memory *memory, vaddr object,
                               enum layout_member member, uint64_t *value)
{
    struct layout_value where = layout->values[member];
    if (where.offset == LAYOUT_ABSENT)
        return MEMORY_NONSENSE;
    enum memory_status status;
    const uint8_t *bytes = memory_view(memory, object + where.offset, where.width, &status);
    if (bytes)
        *value = format_uint(memory->format, bytes, where.width);
    return status;
}

enum memory_status layout_read_int(const struct layout *layout, struct memory *memory, vaddr object,
                                   enum layout_member member, int64_t *value)
{
    uint64_t word;
    enum memory_status status = layout_read(layout, memory, object, member, &word);
    unsigned shift = 64 - 8 * layout->values[member].width;
    if (status == MEMORY_OK)
        *value = (int64_t)(word << shift) >> shift;
    return status;
}
