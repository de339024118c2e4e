// Random numbers whose whole state is one number, so that a checkpoint can hold it: SplitMix64 (Steele, Lea and Flood,
// "Fast splittable pseudorandom number generators", 2014). The same on every platform, unlike std's distributions.
#pragma once

#include <cstdint>

namespace overfill {

struct random_state {
    uint64_t value = 0;

    uint64_t next() {
        uint64_t z = value += 0x9e3779b97f4a7c15ull;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        return z ^ (z >> 31);
    }

    // 0 to n - 1. Without bias: draws that would favour the small ones are drawn again.
    uint64_t below(uint64_t n) {
        const uint64_t reject = (0 - n) % n;
        uint64_t drawn = next();
        while (drawn < reject) drawn = next();
        return drawn % n;
    }

    // 0 to below 1.
    double uniform() { return (double) (next() >> 11) * 0x1p-53; }
};

}  // namespace overfill
