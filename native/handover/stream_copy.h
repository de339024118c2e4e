// Copies into memory that will not be read soon, past the caches: a cache that is written by ordinary stores is read
// first, which makes a third of the traffic. Other threads may read it after stream_fence().
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define OVERFILL_HAS_STREAM_STORES
#endif

namespace overfill {

inline void stream_copy(void * to, const void * from, size_t n_bytes) {
#ifdef OVERFILL_HAS_STREAM_STORES
    if (((uintptr_t) to & 15) == 0) {
        __m128i * out = (__m128i *) to;
        const __m128i * in = (const __m128i *) from;
        const size_t n_whole = n_bytes / 64;
        for (size_t i = 0; i < n_whole; i++, in += 4, out += 4) {
            const __m128i a = _mm_loadu_si128(in), b = _mm_loadu_si128(in + 1), c = _mm_loadu_si128(in + 2),
                          d = _mm_loadu_si128(in + 3);
            _mm_stream_si128(out, a);
            _mm_stream_si128(out + 1, b);
            _mm_stream_si128(out + 2, c);
            _mm_stream_si128(out + 3, d);
        }
        std::memcpy(out, in, n_bytes % 64);
        return;
    }
#endif
    std::memcpy(to, from, n_bytes);
}

inline void stream_fence() {
#ifdef OVERFILL_HAS_STREAM_STORES
    _mm_sfence();
#endif
}

}  // namespace overfill
