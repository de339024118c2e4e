// Memory that was freed between blocks that stay is no longer resident once it was given back. Tried with glibc.
#include "check.h"
#include "unused_memory.h"

#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

using namespace overfill;

#ifdef __GLIBC__

#include <unistd.h>

static size_t resident_bytes() {
    size_t total = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    return resident * (size_t) sysconf(_SC_PAGESIZE);
}

TEST("pages between blocks in use are given back") {
    // Too small for maps of their own.
    constexpr size_t block = size_t{ 64 } << 10, count = 512;
    std::vector<std::unique_ptr<char[]>> freed, kept;
    for (size_t i = 0; i < count; i++) {
        freed.push_back(std::make_unique<char[]>(block));
        std::memset(freed.back().get(), 1, block);
        kept.push_back(std::make_unique<char[]>(64));
    }
    freed.clear();
    const size_t before = resident_bytes();
    return_unused_memory();
    const size_t after = resident_bytes();
    // All of it but the pages at the blocks' ends.
    CHECK(before > after);
    CHECK(before - after > count * block * 8 / 10);
}
#else
TEST("elsewhere it may be asked for all the same") { return_unused_memory(); }
#endif
