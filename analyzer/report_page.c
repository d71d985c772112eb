// All sections but the findings are made first, each with at most its share of the room; what they
// leave is for the findings.
#include "report_page.h"

#include <stdlib.h>

#include "report_sentences.h"

enum {
    FRAME_MAX = 1024, // bytes of a section that are not its items
    MISSES_MAX = 8,   // items that did not fit, after which no smaller one is looked for
    REST_MAX = 128
};

static const struct {
    const char *noun;
    unsigned share; // this part of the whole at most; 0: what is left
} sections[PAGE_SECTIONS] = {
    [PAGE_FINDINGS] = {"finding", 0}, [PAGE_LISTED] = {"way", 8}, [PAGE_CYCLES] = {"way", 8},
    [PAGE_EVIDENCE] = {"row", 8},     [PAGE_FACTS] = {"fact", 4}, [PAGE_THREADS] = {"stack", 8},
};

static enum holders_list holders_list_of(enum page_section section)
{
    return section == PAGE_LISTED   ? HOLDERS_LISTED
           : section == PAGE_CYCLES ? HOLDERS_CYCLES
                                    : HOLDERS_EVIDENCE;
}

static bool has_section(const struct report *report, enum page_section section)
{
    switch (section) {
    case PAGE_FINDINGS:
        return report->findings->count || report->findings->shared_objects;
    case PAGE_LISTED:
    case PAGE_CYCLES:
    case PAGE_EVIDENCE:
        return has_holders(report, holders_list_of(section));
    case PAGE_THREADS:
        return report->stacks->count || !report->stacks->complete;
    case PAGE_FACTS:
    case PAGE_SECTIONS:
        break;
    }
    return true;
}

static uint64_t count_items(const struct report *report, enum page_section section)
{
    switch (section) {
    case PAGE_FINDINGS:
        return report->findings->count;
    case PAGE_LISTED:
    case PAGE_CYCLES:
    case PAGE_EVIDENCE:
        return count_holders(report, holders_list_of(section));
    case PAGE_THREADS:
        return report->stacks->distinct;
    case PAGE_FACTS:
    case PAGE_SECTIONS:
        break;
    }
    return FACTS;
}

// --- pieces made in memory, to see how large they are

struct piece {
    FILE *file;
    struct sheet *sheet;
    char *text;
    size_t size;
};

static struct failure *piece_begin(struct piece *piece)
{
    *piece = (struct piece){0};
    piece->file = open_memstream(&piece->text, &piece->size);
    if (!piece->file)
        return failure_no_memory();
    struct failure *failure = sheet_create(piece->file, &piece->sheet);
    if (failure)
        fclose(piece->file);
    return failure;
}

// Makes text and size whole. The text is the caller's to free even if this failed.
static struct failure *piece_end(struct piece *piece)
{
    sheet_destroy(piece->sheet);
    bool failed = ferror(piece->file);
    return fclose(piece->file) != 0 || failed ? failure_no_memory() : NULL;
}

// --- sections

struct page {
    const struct report *report;
    const struct page_format *format;
    uint64_t room; // bytes that may still be written; UINT64_MAX: no limit
};

static struct failure *put_item(const struct page *page, enum page_section section, size_t i,
                                uint64_t *room, struct sheet *sheet, bool *fits)
{
    struct piece piece;
    struct failure *failure = piece_begin(&piece);
    if (failure)
        return failure;
    failure = page->format->put_item(page->report, section, i, piece.sheet);
    struct failure *ending = piece_end(&piece);
    *fits = !failure && !ending && piece.size <= *room;
    if (*fits) {
        fwrite(piece.text, 1, piece.size, sheet_use(sheet, NULL));
        *room -= *room == UINT64_MAX ? 0 : piece.size;
    }
    free(piece.text);
    if (failure)
        failure_destroy(ending);
    return failure ? failure : ending;
}

// "3 more findings not shown (--limit)".
static void tell_rest(enum page_section section, uint64_t rest, bool by_limit, bool by_size,
                      char words[REST_MAX])
{
    FILE *file = fmemopen(words, REST_MAX, "w");
    *words = '\0';
    if (!file)
        return;
    put_rest(rest, sections[section].noun,
             by_limit && by_size ? "--limit, --max-size"
             : by_size           ? "--max-size"
                                 : "--limit",
             file);
    fclose(file);
}

static struct failure *put_section(const struct page *page, enum page_section section,
                                   uint64_t room, struct sheet *sheet)
{
    uint64_t count = count_items(page->report, section), told = 0, misses = 0;
    uint64_t most = section == PAGE_FACTS ? count : limited(page->report, count);
    char rest[REST_MAX];
    struct failure *failure = NULL;
    if (room != UINT64_MAX)
        room -= room < FRAME_MAX ? room : FRAME_MAX;
    page->format->put_head(page->report, section, sheet);
    for (size_t i = 0; i < most && misses < MISSES_MAX && !failure; i++) {
        bool fits = false;
        failure = put_item(page, section, i, &room, sheet, &fits);
        told += fits;
        misses += !fits;
    }
    if (told < count)
        tell_rest(section, count - told, most < count, told < most, rest);
    page->format->put_tail(page->report, section, told < count ? rest : NULL, sheet);
    return failure;
}

// A piece that is empty when there is no such section. Its text is the caller's.
static struct failure *make_section(struct page *page, enum page_section section,
                                    struct piece *piece)
{
    unsigned share = sections[section].share;
    uint64_t max_size = page->report->max_size;
    if (!has_section(page->report, section))
        return NULL;
    struct failure *failure = piece_begin(piece);
    if (failure)
        return failure;
    failure = put_section(page, section, max_size ? max_size / share : UINT64_MAX, piece->sheet);
    struct failure *ending = piece_end(piece);
    if (failure)
        failure_destroy(ending);
    else
        failure = ending;
    if (max_size)
        page->room -= page->room < piece->size ? page->room : piece->size;
    return failure;
}

static struct failure *make_frame(struct page *page,
                                  void (*put)(const struct report *, struct sheet *),
                                  struct piece *piece)
{
    struct failure *failure = piece_begin(piece);
    if (failure)
        return failure;
    put(page->report, piece->sheet);
    failure = piece_end(piece);
    if (page->report->max_size)
        page->room -= page->room < piece->size ? page->room : piece->size;
    return failure;
}

static void put_piece(const struct piece *piece, struct sheet *sheet)
{
    if (piece->text)
        fwrite(piece->text, 1, piece->size, sheet_use(sheet, NULL));
}

static struct failure *put_pieces(const struct page *page, const struct piece *top,
                                  const struct piece pieces[PAGE_SECTIONS],
                                  const struct piece *bottom, FILE *file)
{
    struct sheet *sheet;
    struct failure *failure = sheet_create(file, &sheet);
    if (failure)
        return failure;
    put_piece(top, sheet);
    if (has_section(page->report, PAGE_FINDINGS))
        failure = put_section(page, PAGE_FINDINGS, page->room, sheet);
    for (enum page_section section = PAGE_FINDINGS + 1; section < PAGE_SECTIONS; section++)
        put_piece(&pieces[section], sheet);
    put_piece(bottom, sheet);
    sheet_destroy(sheet);
    return failure;
}

struct failure *page_write(const struct report *report, const struct page_format *format,
                           FILE *file)
{
    struct page page = {.report = report,
                        .format = format,
                        .room = report->max_size ? report->max_size : UINT64_MAX};
    struct piece top = {0}, bottom = {0}, pieces[PAGE_SECTIONS] = {{0}};
    struct failure *failure = make_frame(&page, format->put_top, &top);
    if (!failure)
        failure = make_frame(&page, format->put_bottom, &bottom);
    for (enum page_section section = PAGE_FINDINGS + 1; section < PAGE_SECTIONS && !failure;
         section++)
        failure = make_section(&page, section, &pieces[section]);
    if (!failure)
        failure = put_pieces(&page, &top, pieces, &bottom, file);
    free(top.text);
    free(bottom.text);
    for (enum page_section section = 0; section < PAGE_SECTIONS; section++)
        free(pieces[section].text);
    return failure;
}
