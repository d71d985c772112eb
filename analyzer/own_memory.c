#include "own_memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct own_memory {
    int statm;
};

struct own_memory *own_memory_open(void)
{
    struct own_memory *memory = malloc(sizeof(*memory));
    if (!memory)
        return NULL;
    memory->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (memory->statm >= 0)
        return memory;
    free(memory);
    return NULL;
}

void own_memory_close(struct own_memory *memory)
{
    if (memory)
        close(memory->statm);
    free(memory);
}

uint64_t own_memory_read(const struct own_memory *memory)
{
    char text[256];
    uint64_t resident, shared;
    ssize_t size = memory ? pread(memory->statm, text, sizeof(text) - 1, 0) : 0;
    if (size <= 0)
        return 0;
    text[size] = '\0';
    // size resident shared ...; in pages, and shared is RssFile + RssShmem (fs/proc/task_mmu.c,
    // task_statm).
    if (sscanf(text, "%*u %" SCNu64 " %" SCNu64, &resident, &shared) != 2 || shared > resident)
        return 0;
    return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}
