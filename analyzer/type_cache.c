#include "type_cache.h"

void type_cache_init(struct type_cache *cache, struct object_types *types, pthread_mutex_t *lock)
{
    *cache = (struct type_cache){.types = types, .lock = lock};
    // An empty entry says of the address 0 that it is no type.
    for (size_t i = 0; i < TYPE_CACHE_SIZE; i++)
        cache->entries[i].index = TYPE_CACHE_NONE;
}

void type_cache_fill(struct type_cache *cache, struct type_cache_entry *entry, vaddr address)
{
    uint32_t index;
    pthread_mutex_lock(cache->lock);
    entry->address = address;
    entry->index = TYPE_CACHE_NONE;
    entry->collectable = false;
    if (object_types_find(cache->types, address, &index) == MEMORY_OK) {
        entry->index = (int32_t)index;
        entry->type = cache->types->types[index];
        // The collector would jump to NULL for what is tracked and has no traversal.
        entry->collectable = entry->type.has_gc && entry->type.tp_traverse;
    }
    pthread_mutex_unlock(cache->lock);
}
