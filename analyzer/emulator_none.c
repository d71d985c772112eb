// The emulator of a program that is built without Unicorn.
#include "emulator.h"

// Never made, so that the others are never called.
struct failure *emulator_create(struct memory *memory, unsigned elf_machine, vaddr tls_base,
                                struct emulator **emulator)
{
    (void)memory;
    (void)elf_machine;
    (void)tls_base;
    (void)emulator;
    return failure_create(FAILURE_UNSUPPORTED,
                          "this program was built without Unicorn (meson's -Demulator=enabled)");
}

void emulator_destroy(struct emulator *emulator)
{
    (void)emulator;
}

enum emulator_status emulator_traverse(struct emulator *emulator, vaddr function, vaddr object,
                                       void (*take)(void *context, vaddr target), void *context)
{
    (void)emulator;
    (void)function;
    (void)object;
    (void)take;
    (void)context;
    return EMULATOR_ENGINE_ERROR;
}

bool emulator_find_read(struct emulator *emulator, vaddr function,
                        bool (*wanted)(void *context, vaddr address, unsigned width), void *context,
                        vaddr *address)
{
    (void)emulator;
    (void)function;
    (void)wanted;
    (void)context;
    (void)address;
    return false;
}

void emulator_set_follower(struct emulator *emulator, const struct emulator_follower *follower)
{
    (void)emulator;
    (void)follower;
}

uint64_t emulator_read_register(const struct emulator *emulator, int number)
{
    (void)emulator;
    (void)number;
    return 0;
}

bool emulator_read(const struct emulator *emulator, vaddr at, void *bytes, size_t size)
{
    (void)emulator;
    (void)at;
    (void)bytes;
    (void)size;
    return false;
}

uint64_t emulator_count(const struct emulator *emulator, enum emulator_status status)
{
    (void)emulator;
    (void)status;
    return 0;
}
