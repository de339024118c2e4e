// The checksum of files: the library's, whatever the processor does it with.
#include "check.h"
#include "xxh3.h"

#include <algorithm>
#include <random>
#include <vector>

using namespace overfill;

TEST("the hash of nothing is XXH3's") {
    CHECK_EQUAL(xxh3::of(nullptr, 0), 0x2d06800538d394c2u);
    CHECK_EQUAL(xxh3().value(), 0x2d06800538d394c2u);
}

TEST("bytes that come in pieces have the hash that they have at once") {
    std::mt19937 random(1);
    std::vector<uint8_t> bytes(300000);
    for (uint8_t & byte : bytes) byte = (uint8_t) random();
    size_t n_wrong = 0;
    for (size_t i = 0; i < 300; i++) {
        const size_t size = i < 100 ? random() % 600 : random() % bytes.size();
        xxh3 hash;
        for (size_t at = 0, n = 0; at < size; at += n) {
            n = std::min<size_t>(size - at, random() % (i % 2 == 0 ? 700 : 100000));
            hash.add(bytes.data() + at, n);
        }
        n_wrong += hash.value() != xxh3::of(bytes.data(), size);
    }
    CHECK_EQUAL(n_wrong, 0u);
}
