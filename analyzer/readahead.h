// Brings a file that is mapped into memory ahead of those who look at it.
//
// A thread of its own goes over the file from front to back and has the kernel read and map it in
// large windows: that takes a tenth of the time of as many page faults when the file is in memory,
// and when it is not, the disk works while others compute. Holes are passed over. It changes
// nothing of what is read, and where it cannot be had everything goes on by page faults.
#ifndef ANALYZER_READAHEAD_H
#define ANALYZER_READAHEAD_H

#include <stdint.h>

struct readahead;

// Starts on the first `limit` bytes of data (what is more would push out what it has just read) of
// a file of `size` bytes, mapped whole at `map`. Both must stay until readahead_stop; the position
// of `fd` is moved. NULL: it cannot be done.
struct readahead *readahead_start(int fd, const uint8_t *map, uint64_t size, uint64_t limit);
// Ends it, done or not, after the window it is at. NULL is let pass.
void readahead_stop(struct readahead *readahead);

// How much can be read without pushing out what others use: a part of MemAvailable of
// /proc/meminfo, in bytes; 0 when it is not known.
uint64_t readahead_limit(void);

#endif
