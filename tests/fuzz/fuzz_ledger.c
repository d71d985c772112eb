// The JSON reports that --compare and --merge read; the input is one.
#include "fuzz.h"

#include "failure.h"
#include "ledger.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct ledger ledger = {0};
    struct failure *failure = ledger_add_file(&ledger, fuzz_file(bytes, size));
    if (!failure)
        ledger_fold(&ledger);
    failure_destroy(failure);
    ledger_deinit(&ledger);
    return 0;
}
