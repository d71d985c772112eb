// Headers and notes of a core; the input is the core.
#include "fuzz.h"

#include "core.h"
#include "failure.h"
#include "process.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct process_options options = {.sysroot = "/nonexistent"};
    struct core *core;
    struct process *process;
    struct failure *failure = core_open(fuzz_file(bytes, size), &core);
    if (failure) {
        failure_destroy(failure);
        return 0;
    }
    failure = process_open(core, &options, &process);
    if (failure)
        failure_destroy(failure);
    else
        process_close(process);
    core_close(core);
    return 0;
}
