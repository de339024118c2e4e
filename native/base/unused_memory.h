// What the C library keeps of memory that was freed.
#pragma once

namespace overfill {

// Gives it back to the system. After a pair, with which most of a process's memory may go: glibc otherwise keeps whole
// pages between blocks that are still in use, and they stay resident until somebody wants memory of their size. Takes
// some milliseconds at most, in which other threads wait where they allocate. Does nothing with other C libraries.
void return_unused_memory();

}  // namespace overfill
