// Vectors of 128 bits on arm64: `Dot` multiplies unsigned with signed bytes and adds each four products to a sum. To be
// included where the instructions that `Dot` takes may be used.
#pragma once

#include "extent.h"
#include "leaf_template.h"

#include <arm_neon.h>
#include <cstring>

namespace overfill::kernels {
namespace {

struct arm_convert {
    static float of(half_bits value) {
        return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(value))), 0);
    }
    static half_bits to_half(float value) {
        return vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(value))), 0);
    }
    static void split_16(const std::uint8_t * nibbles, std::uint8_t * low, std::uint8_t * high) {
        const uint8x16_t both = vld1q_u8(nibbles);
        vst1q_u8(low, vandq_u8(both, vdupq_n_u8(15)));
        vst1q_u8(high, vshrq_n_u8(both, 4));
    }
    static uint8x16x2_t load_32(const std::uint8_t * from) { return { { vld1q_u8(from), vld1q_u8(from + 16) } }; }
    static void store_32(std::uint8_t * to, uint8x16x2_t value) {
        vst1q_u8(to, value.val[0]);
        vst1q_u8(to + 16, value.val[1]);
    }
    static uint8x16x2_t either(uint8x16x2_t a, uint8x16x2_t b) {
        return { { vorrq_u8(a.val[0], b.val[0]), vorrq_u8(a.val[1], b.val[1]) } };
    }
    // Of each byte the bits of `mask` behind `shift`, put at `up`.
    static uint8x16_t bits(uint8x16_t from, int shift, int mask, int up) {
        const uint8x16_t low = vshlq_u8(from, vdupq_n_s8(std::int8_t(-shift)));
        return vshlq_u8(vandq_u8(low, vdupq_n_u8(std::uint8_t(mask))), vdupq_n_s8(std::int8_t(up)));
    }
    static uint8x16x2_t bits(uint8x16x2_t from, int shift, int mask, int up) {
        return { { bits(from.val[0], shift, mask, up), bits(from.val[1], shift, mask, up) } };
    }
    // 16 bytes of two nibbles: the low ones first.
    static void look_up(const std::uint8_t * table, const std::uint8_t * nibbles, std::uint8_t * to) {
        const uint8x16_t values = vld1q_u8(table);
        const uint8x16_t both = vld1q_u8(nibbles);
        vst1q_u8(to, vqtbl1q_u8(values, vandq_u8(both, vdupq_n_u8(15))));
        vst1q_u8(to + 16, vqtbl1q_u8(values, vshrq_n_u8(both, 4)));
    }
};

template <typename Dot> struct vectors_128 {
    static constexpr int lanes = 4;
    static constexpr int row_vectors = 4;
    static constexpr int columns = 3;
    using ints = int32x4_t;
    using floats = float32x4_t;
    using convert = arm_convert;

    static floats zero() { return vdupq_n_f32(0); }
    static floats load(const float * from) { return vld1q_f32(from); }
    static void store(float * to, floats value) { vst1q_f32(to, value); }
    static floats broadcast(float value) { return vdupq_n_f32(value); }
    static ints broadcast(std::int32_t value) { return vdupq_n_s32(value); }
    static ints load_bytes(const std::uint8_t * from) { return vreinterpretq_s32_u8(vld1q_u8(from)); }
    static ints broadcast_bytes(const std::int8_t * from) {
        std::int32_t four;
        std::memcpy(&four, from, 4);
        return vdupq_n_s32(four);
    }
    static ints dot(ints sum, ints w, ints x) {
        return Dot::add(sum, vreinterpretq_u8_s32(w), vreinterpretq_s8_s32(x));
    }
    static floats to_floats(ints value) { return vcvtq_f32_s32(value); }
    static floats multiply(floats a, floats b) { return vmulq_f32(a, b); }
    static floats multiply_add(floats a, floats b, floats sum) { return vfmaq_f32(sum, a, b); }
    static floats subtract_product(floats a, floats b, floats from) { return vfmsq_f32(from, a, b); }
    static void prefetch(const std::uint8_t * at) { __builtin_prefetch(at, 0, 2); }

    static void transpose(const std::uint8_t * from, int stride, std::uint8_t * to, int to_stride) {
        uint32x4_t rows[4];
        for (int i = 0; i < 4; i++) rows[i] = vreinterpretq_u32_u8(vld1q_u8(from + i * stride));
        const uint64x2_t a = vreinterpretq_u64_u32(vzip1q_u32(rows[0], rows[1]));
        const uint64x2_t b = vreinterpretq_u64_u32(vzip1q_u32(rows[2], rows[3]));
        const uint64x2_t c = vreinterpretq_u64_u32(vzip2q_u32(rows[0], rows[1]));
        const uint64x2_t d = vreinterpretq_u64_u32(vzip2q_u32(rows[2], rows[3]));
        vst1q_u8(to, vreinterpretq_u8_u64(vzip1q_u64(a, b)));
        vst1q_u8(to + to_stride, vreinterpretq_u8_u64(vzip2q_u64(a, b)));
        vst1q_u8(to + 2 * to_stride, vreinterpretq_u8_u64(vzip1q_u64(c, d)));
        vst1q_u8(to + 3 * to_stride, vreinterpretq_u8_u64(vzip2q_u64(c, d)));
    }

    // Of a number and none the number is taken, as elsewhere; `finite` tells of it.
    static found_extent extent_of(const float * x, int count) {
        floats most = zero();
        floats least = zero();
        floats finite = zero();
        for (int i = 0; i < count; i += lanes) {
            const floats v = vld1q_f32(x + i);
            most = vmaxnmq_f32(most, v);
            least = vminnmq_f32(least, v);
            finite = vfmaq_f32(finite, v, zero());
        }
        return extent_from(vmaxnmvq_f32(most), vminnmvq_f32(least), vaddvq_f32(finite), x, count);
    }

    static void store_rounded(std::int8_t * to, const float * x, float inverse) {
        const int32x4_t rounded = vcvtnq_s32_f32(vmulq_f32(vld1q_f32(x), vdupq_n_f32(inverse)));
        const int16x4_t halves = vqmovn_s32(rounded);
        const int8x8_t bytes = vqmovn_s16(vcombine_s16(halves, halves));
        const std::int32_t four = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
        std::memcpy(to, &four, 4);
    }
};

}  // namespace
}  // namespace overfill::kernels
