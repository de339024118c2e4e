// What differs between the compilers of the shared kernel: address spaces, barriers, bits, and wide loads and stores.
//
// A kernel is a sequence of phases. In a phase every lane (thread of a group) runs the same statement on its own; a
// phase ends at a barrier. CUDA and Metal run the lanes side by side; on the CPU, where the kernel is tested, a phase
// is a loop over the lanes, and what a lane keeps in registers from phase to phase is an array with one row a lane.
#pragma once

#include "kernel_tables.h"

#if defined(__METAL_VERSION__)

#define OVERFILL_FUNCTION inline
#define OVERFILL_SHARED threadgroup
#define OVERFILL_THREAD thread
#define OVERFILL_UNROLL _Pragma("unroll")

#elif defined(__CUDACC__)

#include <cuda_fp16.h>
#define OVERFILL_FUNCTION static __device__ __forceinline__
#define OVERFILL_SHARED
#define OVERFILL_THREAD
#define OVERFILL_UNROLL _Pragma("unroll")

#else

#include <ggml.h>

#include <cmath>
#include <cstring>
#define OVERFILL_FUNCTION inline
#define OVERFILL_SHARED
#define OVERFILL_THREAD
#define OVERFILL_UNROLL

#endif

#if defined(__METAL_VERSION__) || defined(__CUDACC__)
#define OVERFILL_LANE_PARAMETER , uint32_t lane
#define OVERFILL_REGISTERS(name, n) float name[n]
#define OVERFILL_OF_LANE(name) name
#define OVERFILL_PHASE(...)                                                                                            \
    {                                                                                                                  \
        __VA_ARGS__;                                                                                                   \
        kernel_barrier();                                                                                              \
    }
#else
#define OVERFILL_LANE_PARAMETER
#define OVERFILL_REGISTERS(name, n) float name[kernel_lanes][n]
#define OVERFILL_OF_LANE(name) name[lane]
#define OVERFILL_PHASE(...)                                                                                            \
    for (uint32_t lane = 0; lane < kernel_lanes; lane++) {                                                             \
        __VA_ARGS__;                                                                                                   \
    }
#endif

namespace overfill {

struct kernel_words {
    uint32_t at[4];
};

#if defined(__METAL_VERSION__)

OVERFILL_FUNCTION void kernel_barrier() { metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup); }
OVERFILL_FUNCTION float float_of(uint32_t bits) { return as_type<float>(bits); }
OVERFILL_FUNCTION uint32_t bits_of(float x) { return as_type<uint32_t>(x); }
OVERFILL_FUNCTION float half_to_float(uint32_t bits) { return float(as_type<half>(uint16_t(bits))); }
OVERFILL_FUNCTION uint32_t float_to_half(float x) { return as_type<uint16_t>(half(x)); }
OVERFILL_FUNCTION float size_of(float x) { return metal::fabs(x); }
OVERFILL_FUNCTION float smaller(float a, float b) { return metal::fmin(a, b); }
OVERFILL_FUNCTION float larger(float a, float b) { return metal::fmax(a, b); }
OVERFILL_FUNCTION float round_away(float x) { return metal::round(x); }

OVERFILL_FUNCTION uint32_t load_16(OVERFILL_DEVICE const uint8_t * p) { return *(device const uint16_t *) p; }
OVERFILL_FUNCTION uint32_t load_32(OVERFILL_DEVICE const uint8_t * p) { return *(device const uint32_t *) p; }
OVERFILL_FUNCTION kernel_words load_128(OVERFILL_DEVICE const uint8_t * p) {
    const metal::uint4 v = *(device const metal::uint4 *) p;
    return { { v.x, v.y, v.z, v.w } };
}
OVERFILL_FUNCTION void store_16(OVERFILL_DEVICE uint8_t * p, uint32_t x) { *(device uint16_t *) p = uint16_t(x); }
OVERFILL_FUNCTION void store_32(OVERFILL_DEVICE uint8_t * p, uint32_t x) { *(device uint32_t *) p = x; }
OVERFILL_FUNCTION void store_128(OVERFILL_DEVICE uint8_t * p, kernel_words x) {
    *(device metal::uint4 *) p = metal::uint4(x.at[0], x.at[1], x.at[2], x.at[3]);
}

#elif defined(__CUDACC__)

OVERFILL_FUNCTION void kernel_barrier() { __syncthreads(); }
OVERFILL_FUNCTION float float_of(uint32_t bits) { return __uint_as_float(bits); }
OVERFILL_FUNCTION uint32_t bits_of(float x) { return __float_as_uint(x); }
OVERFILL_FUNCTION float half_to_float(uint32_t bits) { return __half2float(__ushort_as_half((unsigned short) bits)); }
OVERFILL_FUNCTION uint32_t float_to_half(float x) { return __half_as_ushort(__float2half_rn(x)); }
OVERFILL_FUNCTION float size_of(float x) { return fabsf(x); }
OVERFILL_FUNCTION float smaller(float a, float b) { return fminf(a, b); }
OVERFILL_FUNCTION float larger(float a, float b) { return fmaxf(a, b); }
OVERFILL_FUNCTION float round_away(float x) { return roundf(x); }

OVERFILL_FUNCTION uint32_t load_16(const uint8_t * p) { return *reinterpret_cast<const uint16_t *>(p); }
OVERFILL_FUNCTION uint32_t load_32(const uint8_t * p) { return *reinterpret_cast<const uint32_t *>(p); }
OVERFILL_FUNCTION kernel_words load_128(const uint8_t * p) {
    const uint4 v = *reinterpret_cast<const uint4 *>(p);
    return { { v.x, v.y, v.z, v.w } };
}
OVERFILL_FUNCTION void store_16(uint8_t * p, uint32_t x) { *reinterpret_cast<uint16_t *>(p) = (uint16_t) x; }
OVERFILL_FUNCTION void store_32(uint8_t * p, uint32_t x) { *reinterpret_cast<uint32_t *>(p) = x; }
OVERFILL_FUNCTION void store_128(uint8_t * p, kernel_words x) {
    *reinterpret_cast<uint4 *>(p) = make_uint4(x.at[0], x.at[1], x.at[2], x.at[3]);
}

#else

OVERFILL_FUNCTION float float_of(uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}
OVERFILL_FUNCTION uint32_t bits_of(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}
OVERFILL_FUNCTION float half_to_float(uint32_t bits) { return ggml_fp16_to_fp32((ggml_fp16_t) bits); }
OVERFILL_FUNCTION uint32_t float_to_half(float x) { return ggml_fp32_to_fp16(x); }
OVERFILL_FUNCTION float size_of(float x) { return std::fabs(x); }
OVERFILL_FUNCTION float smaller(float a, float b) { return std::fmin(a, b); }
OVERFILL_FUNCTION float larger(float a, float b) { return std::fmax(a, b); }
OVERFILL_FUNCTION float round_away(float x) { return std::round(x); }

OVERFILL_FUNCTION uint32_t load_16(const uint8_t * p) {
    uint16_t x;
    std::memcpy(&x, p, sizeof x);
    return x;
}
OVERFILL_FUNCTION uint32_t load_32(const uint8_t * p) {
    uint32_t x;
    std::memcpy(&x, p, sizeof x);
    return x;
}
OVERFILL_FUNCTION kernel_words load_128(const uint8_t * p) {
    kernel_words x;
    std::memcpy(&x, p, sizeof x);
    return x;
}
OVERFILL_FUNCTION void store_16(uint8_t * p, uint32_t x) {
    const uint16_t narrow = (uint16_t) x;
    std::memcpy(p, &narrow, sizeof narrow);
}
OVERFILL_FUNCTION void store_32(uint8_t * p, uint32_t x) { std::memcpy(p, &x, sizeof x); }
OVERFILL_FUNCTION void store_128(uint8_t * p, kernel_words x) { std::memcpy(p, &x, sizeof x); }

#endif

}  // namespace overfill
