#include "ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "report_words.h"

void ledger_deinit(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++) {
        free(ledger->items[i].cycle);
        free(ledger->items[i].edge);
    }
    free(ledger->items);
    *ledger = (struct ledger){0};
}

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

// --- words

// A step of a cycle as both sources have it. Either name may be NULL.
struct step {
    const char *type;
    const char *edge;
};

// "MyApiClient.t", "tuple[0]", "function cell self".
static void put_step(const struct step *step, FILE *file)
{
    const char *edge = step->edge ? step->edge : "?";
    put_name(file, short_name(step->type ? step->type : "?"));
    if (*edge != '.' && *edge != '[')
        fputc(' ', file);
    put_name(file, edge);
}

// `count` is that of the whole cycle, of which the first `told` steps are at hand.
static char *describe_cycle(const struct step *steps, size_t told, size_t count)
{
    char *text = NULL;
    size_t size;
    FILE *file = told ? open_memstream(&text, &size) : NULL;
    if (!file)
        return NULL;
    for (size_t i = 0; i < told; i++) {
        put_step(&steps[i], file);
        fputs(" ─▶ ", file);
    }
    if (told < count)
        fprintf(file, "%zu more ─▶ ", count - told);
    put_name(file, short_name(steps[0].type ? steps[0].type : "?"));
    return fclose(file) == 0 ? text : NULL;
}

// `every`: of every object of the class, one is not enough. `count`: how many such are to be broken
// together.
static char *describe_edge(const struct step *step, bool every, size_t count)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return NULL;
    put_name(file, step->edge);
    fputs(every ? " of every " : " of ", file);
    put_name(file, short_name(step->type ? step->type : "?"));
    if (count > 1)
        fprintf(file, " and %zu more", count - 1);
    return fclose(file) == 0 ? text : NULL;
}

// --- entries

static struct ledger_entry *add_entry(struct ledger *ledger)
{
    if (ledger->count == ledger->capacity) {
        size_t capacity = ledger->capacity ? ledger->capacity * 2 : 64;
        struct ledger_entry *items = reallocarray(ledger->items, capacity, sizeof(*items));
        if (!items)
            return NULL;
        ledger->items = items;
        ledger->capacity = capacity;
    }
    struct ledger_entry *entry = &ledger->items[ledger->count++];
    *entry = (struct ledger_entry){.processes = 1};
    return entry;
}

// Until entries are folded, `processes` is the number of the report that they come from. The first
// of equal signatures is the one whose words are kept.
static int by_signature(const void *a, const void *b)
{
    const struct ledger_entry *left = a, *right = b;
    int order = strcmp(left->signature, right->signature);
    if (order)
        return order;
    if (left->processes != right->processes)
        return left->processes < right->processes ? -1 : 1;
    return left->bytes == right->bytes ? 0 : left->bytes > right->bytes ? -1 : 1;
}

static int by_bytes(const void *a, const void *b)
{
    const struct ledger_entry *left = a, *right = b;
    if (left->bytes != right->bytes)
        return left->bytes > right->bytes ? -1 : 1;
    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    return strcmp(left->signature, right->signature);
}

void ledger_fold(struct ledger *ledger)
{
    size_t kept = 0;
    uint64_t last = 0; // the report that was counted last
    if (ledger->count == 0)
        return;
    qsort(ledger->items, ledger->count, sizeof(*ledger->items), by_signature);
    for (size_t i = 0; i < ledger->count; i++) {
        struct ledger_entry *entry = &ledger->items[i], *into = &ledger->items[kept - (kept > 0)];
        uint64_t report = entry->processes;
        if (kept && strcmp(into->signature, entry->signature) == 0) {
            into->processes += report != last;
            into->count = add(into->count, entry->count);
            into->bytes = add(into->bytes, entry->bytes);
            free(entry->cycle);
            free(entry->edge);
        } else {
            ledger->items[kept] = *entry;
            ledger->items[kept++].processes = 1;
        }
        last = report;
    }
    ledger->count = kept;
    qsort(ledger->items, ledger->count, sizeof(*ledger->items), by_bytes);
}

// --- from findings

static bool add_finding(struct ledger *ledger, const struct finding *finding, const char *source)
{
    struct step steps[LEDGER_STEPS_MAX];
    struct ledger_entry *entry = add_entry(ledger);
    size_t told = 0;
    if (!entry)
        return false;
    for (; told < finding->step_count && told < LEDGER_STEPS_MAX; told++)
        steps[told] = (struct step){finding->steps[told].type, finding->steps[told].edge};
    memcpy(entry->signature, finding->signature, sizeof(entry->signature));
    entry->processes = ledger->processes;
    entry->count = finding->count;
    entry->bytes = add(finding->bytes, finding->held_bytes);
    entry->source = source;
    entry->cycle = describe_cycle(steps, told, finding->step_count);
    if (finding->set.count) {
        const struct finding_step *step = finding->set.items[0].step;
        entry->edge =
            describe_edge(&(struct step){step->type, step->edge}, true, finding->set.count);
    } else if (finding->break_count) {
        const struct finding_step *step = finding_find_step(finding, finding->breaks[0].step);
        entry->edge =
            describe_edge(&(struct step){step->type, step->edge}, finding->breaks[0].every, 1);
    }
    return true;
}

struct failure *ledger_add_findings(struct ledger *ledger, const struct findings *findings,
                                    bool complete, const char *source)
{
    ledger->processes++;
    ledger->incomplete += !complete;
    for (size_t i = 0; i < findings->count; i++)
        if (!add_finding(ledger, &findings->items[i], source))
            return failure_no_memory();
    return NULL;
}

// --- from JSON

static struct failure *explain(const char *path, const char *where, const char *what)
{
    return failure_create(FAILURE_MISMATCH,
                          "%s: not a JSON report of " PROGRAM_NAME ": %s%s%s; make one with "
                          "--format=json",
                          path, where, *where ? ": " : "", what);
}

static struct failure *explain_file(const char *path, int error)
{
    return failure_create(FAILURE_IO, "%s: cannot read the report: %s; check the name", path,
                          strerror(error));
}

// The whole file, of a size that is bounded.
static struct failure *read_bytes(const char *path, char **bytes, size_t *size)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return explain_file(path, errno);
    char *text = NULL;
    FILE *copy = open_memstream(&text, size);
    char block[1 << 16];
    size_t got, total = 0;
    while (copy && total <= LEDGER_FILE_MAX && (got = fread(block, 1, sizeof(block), file)) > 0)
        total += fwrite(block, 1, got, copy);
    int error = ferror(file) ? errno : 0;
    bool kept = copy && fclose(copy) == 0;
    fclose(file);
    struct failure *failure = error ? explain_file(path, error) : kept ? NULL : failure_no_memory();
    if (!failure && total > LEDGER_FILE_MAX)
        failure = explain(path, "", "larger than 64 MiB");
    if (failure)
        free(text);
    else
        *bytes = text;
    return failure;
}

// Every value but the first has a bracket or a comma in front of it, so this bounds what a parser
// allocates: three bytes of input can cost it a hundred and fifty.
static bool has_too_many_values(const char *bytes, size_t size)
{
    size_t values = 0;
    for (size_t i = 0; i < size; i++)
        values += bytes[i] == '[' || bytes[i] == '{' || bytes[i] == ',';
    return values > LEDGER_VALUES_MAX;
}

static struct failure *parse_file(const char *path, json_t **root)
{
    char *bytes;
    size_t size;
    struct failure *failure = read_bytes(path, &bytes, &size);
    if (failure)
        return failure;
    json_error_t error;
    if (has_too_many_values(bytes, size)) {
        failure = explain(path, "", "more than 4194304 values");
    } else {
        *root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
        if (!*root) {
            char where[64];
            char *clean = report_clean_name(error.text);
            snprintf(where, sizeof(where), "line %d", error.line);
            failure = clean ? explain(path, where, clean) : failure_no_memory();
            free(clean);
        }
    }
    free(bytes);
    return failure;
}

// Reads the members of a value, as json_unpack_ex does; "" or what is wrong.
#define UNPACK(value, error, ...)                                                                  \
    (json_unpack_ex(value, error, 0, __VA_ARGS__) ? (error)->text : "")

static bool is_signature(const char *text)
{
    return strlen(text) == SIGNATURE_SIZE - 1 &&
           strspn(text, "0123456789abcdef") == SIGNATURE_SIZE - 1;
}

// One finding while it is read.
struct reading {
    const char *signature;
    json_int_t count, bytes, held_bytes;
    json_int_t length; // of the cycle; 0: a release before this was told
    const json_t *cycle, *breaks, *changes;
    struct step steps[LEDGER_STEPS_MAX];
    size_t told;
    struct step edge; // to break
    int every;
    size_t together; // edges to break, of which that is the first
    json_error_t error;
};

static const char *read_step(const json_t *value, struct step *step, json_error_t *error)
{
    const json_t *type, *edge;
    const char *wrong = UNPACK((json_t *)value, error, "{s:o, s:o}", "type", &type, "edge", &edge);
    if (*wrong)
        return wrong;
    if (!(json_is_string(type) || json_is_null(type)) ||
        !(json_is_string(edge) || json_is_null(edge)))
        return "a step has a type or edge that is neither a string nor null";
    *step = (struct step){json_string_value(type), json_string_value(edge)};
    return "";
}

static const char *read_cycle(struct reading *reading)
{
    const char *wrong = "";
    if (!json_is_array(reading->cycle))
        return "its cycle is no array";
    for (size_t i = 0; i < json_array_size(reading->cycle) && !*wrong; i++) {
        struct step step;
        wrong = read_step(json_array_get(reading->cycle, i), &step, &reading->error);
        if (!*wrong && reading->told < LEDGER_STEPS_MAX)
            reading->steps[reading->told++] = step;
    }
    return wrong;
}

// Those that are to be broken together come before one that no program can change.
static const char *read_break(struct reading *reading)
{
    if (reading->breaks && !json_is_array(reading->breaks))
        return "its breaks are no array";
    if (reading->changes && !json_is_array(reading->changes))
        return "its break_set has changes that are no array";
    // A release before these were told has neither.
    reading->together = json_array_size(reading->changes);
    reading->every = reading->together > 0;
    json_t *first = json_array_get(reading->together ? reading->changes : reading->breaks, 0);
    if (!first)
        return "";
    const char *wrong = UNPACK(first, &reading->error, "{s?b}", "every", &reading->every);
    return *wrong ? wrong : read_step(first, &reading->edge, &reading->error);
}

static const char *read_finding(json_t *value, struct reading *reading)
{
    const char *wrong = UNPACK(
        value, &reading->error, "{s:s, s:I, s:I, s:I, s:o, s?I, s?o, s?{s?o}}", "signature",
        &reading->signature, "count", &reading->count, "bytes", &reading->bytes, "held_bytes",
        &reading->held_bytes, "cycle", &reading->cycle, "cycle_length", &reading->length, "breaks",
        &reading->breaks, "break_set", "changes", &reading->changes);
    if (*wrong)
        return wrong;
    if (!is_signature(reading->signature))
        return "its signature is not eight hexadecimal digits";
    if (reading->count < 0 || reading->bytes < 0 || reading->held_bytes < 0 || reading->length < 0)
        return "a number is negative";
    wrong = read_cycle(reading);
    return *wrong ? wrong : read_break(reading);
}

static struct failure *add_value(struct ledger *ledger, json_t *value, size_t number,
                                 const char *path)
{
    struct reading reading = {0};
    const char *wrong = read_finding(value, &reading);
    if (*wrong) {
        char where[64];
        snprintf(where, sizeof(where), "findings[%zu]", number);
        return explain(path, where, wrong);
    }
    struct ledger_entry *entry = add_entry(ledger);
    if (!entry)
        return failure_no_memory();
    memcpy(entry->signature, reading.signature, sizeof(entry->signature));
    entry->processes = ledger->processes;
    entry->count = (uint64_t)reading.count;
    entry->bytes = add((uint64_t)reading.bytes, (uint64_t)reading.held_bytes);
    entry->source = path;
    size_t length = json_array_size(reading.cycle);
    if ((json_int_t)length < reading.length)
        length = (size_t)reading.length;
    entry->cycle = describe_cycle(reading.steps, reading.told, length);
    if (reading.edge.edge)
        entry->edge = describe_edge(&reading.edge, reading.every, reading.together);
    return NULL;
}

static struct failure *add_root(struct ledger *ledger, json_t *root, const char *path)
{
    int version = 0, complete = 1;
    json_int_t total = 0;
    json_t *findings = NULL;
    json_error_t error;
    const char *wrong = UNPACK(root, &error, "{s:i}", "schema_version", &version);
    if (*wrong)
        return explain(path, "", wrong);
    if (version != 1)
        return explain(path, "", "its schema_version is not 1: it is of a later release");
    if (json_object_get(root, "verify"))
        return explain(path, "", "what --verify writes has no findings");
    wrong = UNPACK(root, &error, "{s:o, s?I, s?{s?b}}", "findings", &findings, "findings_total",
                   &total, "heap", "complete", &complete);
    if (*wrong)
        return explain(path, "", wrong);
    if (!json_is_array(findings))
        return explain(path, "", "its findings are no array");
    ledger->processes++;
    ledger->incomplete += !complete;
    ledger->cut += total > 0 && (uint64_t)total > json_array_size(findings);
    struct failure *failure = NULL;
    for (size_t i = 0; i < json_array_size(findings) && !failure; i++)
        failure = add_value(ledger, json_array_get(findings, i), i, path);
    return failure;
}

struct failure *ledger_add_file(struct ledger *ledger, const char *path)
{
    json_t *root;
    struct failure *failure = parse_file(path, &root);
    if (failure)
        return failure;
    failure = add_root(ledger, root, path);
    json_decref(root);
    return failure;
}

bool ledger_is_report(const char *path)
{
    struct stat there; // what a pipe gives is lost to those who read it later
    FILE *file = stat(path, &there) == 0 && S_ISREG(there.st_mode) ? fopen(path, "re") : NULL;
    int byte = file ? fgetc(file) : EOF;
    while (byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n')
        byte = fgetc(file);
    if (file)
        fclose(file);
    return byte == '{' || byte == '[';
}
