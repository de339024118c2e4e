// Vectors of a processor as the compiler's own types: one template is compiled for each instruction set.
#pragma once

#include <cstdint>

#if defined(__GNUC__)
#define OVERFILL_INLINE inline __attribute__((always_inline))
#else
#define OVERFILL_INLINE inline
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#define OVERFILL_X86_VARIANTS
#define OVERFILL_AVX512 __attribute__((target("avx512f,avx512vl,fma")))
#define OVERFILL_AVX2 __attribute__((target("avx2,fma")))
#endif

namespace overfill {

#if defined(__GNUC__)
template <int lanes> struct lanes_of {
    typedef float type __attribute__((vector_size(lanes * sizeof(float)), aligned(4), may_alias));
    typedef int32_t bits __attribute__((vector_size(lanes * sizeof(float)), aligned(4), may_alias));
};
#endif

#if defined(OVERFILL_X86_VARIANTS)
inline bool runs_avx512() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
}
inline bool runs_avx2() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

}  // namespace overfill
