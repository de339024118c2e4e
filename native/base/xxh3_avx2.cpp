#include "xxh3_avx2.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(_MSC_VER)

// What the library includes comes first: it is not to be compiled for other processors.
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif
#define XXH_VECTOR 2  // XXH_AVX2
#define XXH_INLINE_ALL
#include <hash/xxhash/xxhash.h>
static_assert(XXH_VECTOR == XXH_AVX2, "the library numbers its vectors otherwise");

namespace overfill {

void add_to_xxh3_avx2(void * state, const void * data, size_t n_bytes) {
    XXH3_64bits_update(static_cast<XXH3_state_t *>(state), data, n_bytes);
}

}  // namespace overfill

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace overfill {

bool has_xxh3_avx2() {
    static const bool has = __builtin_cpu_supports("avx2");
    return has;
}

}  // namespace overfill

#else

namespace overfill {

bool has_xxh3_avx2() { return false; }
void add_to_xxh3_avx2(void *, const void *, size_t) {}

}  // namespace overfill

#endif
