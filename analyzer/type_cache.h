// What a thread last learned about types, from the table that the threads share.
//
// The table is asked seldom and under a lock; an entry is a copy, since the table may move.
#ifndef ANALYZER_TYPE_CACHE_H
#define ANALYZER_TYPE_CACHE_H

#include <pthread.h>

#include "object.h"

enum {
    TYPE_CACHE_SIZE = 256,
    TYPE_CACHE_NONE = -1
};

struct type_cache_entry {
    vaddr address;
    int32_t index;    // in the table, or TYPE_CACHE_NONE: no type
    bool collectable; // a type whose objects can be tracked, and are not the end of the collector
    struct object_type type;
};

struct type_cache {
    struct object_types *types; // shared
    pthread_mutex_t *lock;      // over these and the memory they are read through
    struct type_cache_entry entries[TYPE_CACHE_SIZE];
};

// Both must outlive the cache.
void type_cache_init(struct type_cache *cache, struct object_types *types, pthread_mutex_t *lock);

// The rare half of type_cache_find: another type than the last one in its place.
void type_cache_fill(struct type_cache *cache, struct type_cache_entry *entry, vaddr address);

// The entry is good until the next call.
static inline const struct type_cache_entry *type_cache_find(struct type_cache *cache,
                                                             vaddr address)
{
    struct type_cache_entry *entry = &cache->entries[vaddr_hash(address) % TYPE_CACHE_SIZE];
    if (entry->address != address)
        type_cache_fill(cache, entry, address);
    return entry;
}

#endif
