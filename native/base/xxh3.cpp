#include "xxh3.h"

#include "xxh3_avx2.h"

#define XXH_INLINE_ALL
#include <hash/xxhash/xxhash.h>

namespace overfill {

struct xxh3::state {
    XXH3_state_t of;
};

xxh3::xxh3() : state_(std::make_unique<state>()) { XXH3_64bits_reset(&state_->of); }

xxh3::~xxh3() = default;

void xxh3::add(const void * data, size_t n_bytes) {
    if (has_xxh3_avx2())
        add_to_xxh3_avx2(&state_->of, data, n_bytes);
    else
        XXH3_64bits_update(&state_->of, data, n_bytes);
}

uint64_t xxh3::value() const { return XXH3_64bits_digest(&state_->of); }

uint64_t xxh3::of(const void * data, size_t n_bytes) { return XXH3_64bits(data, n_bytes); }

std::array<uint64_t, 2> xxh3::of128(const void * data, size_t n_bytes) {
    const XXH128_hash_t hash = XXH3_128bits(data, n_bytes);
    return { hash.high64, hash.low64 };
}

}  // namespace overfill
