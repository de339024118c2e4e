// One row's next elements, unpacked: values of a byte each, a scale (and a minimum) for each group. Plain loops, which
// each leaf has compiled for its own instructions: so all is in an unnamed namespace, and nothing of the standard
// library's inline functions is used, of which the linker would keep one leaf's copy for all.
#pragma once

#include "weight_format.h"

#include <cstring>

namespace overfill::kernels {
namespace {

// `Convert` is a leaf's way with halves of floats and with parts of bytes.
template <weight_type type, typename Convert> struct unpacker;

template <typename Convert> struct unpacker<weight_type::q8_0, Convert> {
    static void run(const std::uint8_t * __restrict row, int elements, std::uint8_t * __restrict values,
                    float * __restrict scales, float *) {
        const auto * blocks = reinterpret_cast<const q8_0_block *>(row);
        for (int b = 0; b < elements / 32; b++) {
            for (int i = 0; i < 32; i++) values[32 * b + i] = std::uint8_t(blocks[b].q[i]) ^ 0x80;
            scales[b] = Convert::of(blocks[b].d);
        }
    }
};

template <typename Convert> struct unpacker<weight_type::q4_0, Convert> {
    static void run(const std::uint8_t * __restrict row, int elements, std::uint8_t * __restrict values,
                    float * __restrict scales, float *) {
        const auto * blocks = reinterpret_cast<const q4_0_block *>(row);
        for (int b = 0; b < elements / 32; b++) {
            Convert::split_16(blocks[b].q, values + 32 * b, values + 32 * b + 16);
            scales[b] = Convert::of(blocks[b].d);
        }
    }
};

template <typename Convert> struct unpacker<weight_type::iq4_nl, Convert> {
    static void run(const std::uint8_t * __restrict row, int elements, std::uint8_t * __restrict values,
                    float * __restrict scales, float *) {
        const auto * blocks = reinterpret_cast<const q4_0_block *>(row);
        for (int b = 0; b < elements / 32; b++) {
            Convert::look_up(iq4_values, blocks[b].q, values + 32 * b);
            scales[b] = Convert::of(blocks[b].d);
        }
    }
};

// The eight scales and minimums of six bits of q4_K and q5_K.
template <typename Convert>
void k_scales(half_bits d, half_bits dmin, const std::uint8_t * __restrict packed, float * __restrict scales,
              float * __restrict minimums) {
    const float scale = Convert::of(d);
    const float minimum = Convert::of(dmin);
    // Four of six bits, then four whose low four bits and high two lie apart.
    std::uint32_t p[3];
    std::memcpy(p, packed, sizeof p);
    const std::uint32_t six = 0x3f3f3f3f;
    const std::uint32_t four = 0x0f0f0f0f;
    const std::uint32_t two = 0x03030303;
    const std::uint32_t both_scales[2] = { p[0] & six, (p[2] & four) | ((p[0] >> 6 & two) << 4) };
    const std::uint32_t both_minimums[2] = { p[1] & six, (p[2] >> 4 & four) | ((p[1] >> 6 & two) << 4) };
    std::uint8_t s[8];
    std::uint8_t m[8];
    std::memcpy(s, both_scales, sizeof s);
    std::memcpy(m, both_minimums, sizeof m);
    for (int i = 0; i < 8; i++) scales[i] = scale * float(s[i]);
    for (int i = 0; i < 8; i++) minimums[i] = minimum * float(m[i]);
}

template <typename Convert> struct unpacker<weight_type::q4_k, Convert> {
    static void run(const std::uint8_t * __restrict row, int, std::uint8_t * __restrict values,
                    float * __restrict scales, float * __restrict minimums) {
        const auto & block = *reinterpret_cast<const q4_k_block *>(row);
        for (int j = 0; j < 4; j++) {
            for (int i = 0; i < 32; i += 16)
                Convert::split_16(block.q + 32 * j + i, values + 64 * j + i, values + 64 * j + 32 + i);
        }
        k_scales<Convert>(block.d, block.dmin, block.scales, scales, minimums);
    }
};

template <typename Convert> struct unpacker<weight_type::q5_k, Convert> {
    static void run(const std::uint8_t * __restrict row, int, std::uint8_t * __restrict values,
                    float * __restrict scales, float * __restrict minimums) {
        const auto & block = *reinterpret_cast<const q5_k_block *>(row);
        for (int j = 0; j < 4; j++) {
            const auto q = Convert::load_32(block.q + 32 * j);
            const auto high = Convert::load_32(block.high);
            Convert::store_32(values + 64 * j,
                              Convert::either(Convert::bits(q, 0, 15, 0), Convert::bits(high, 2 * j, 1, 4)));
            Convert::store_32(values + 64 * j + 32,
                              Convert::either(Convert::bits(q, 4, 15, 0), Convert::bits(high, 2 * j + 1, 1, 4)));
        }
        k_scales<Convert>(block.d, block.dmin, block.scales, scales, minimums);
    }
};

template <typename Convert> struct unpacker<weight_type::q6_k, Convert> {
    static void run(const std::uint8_t * __restrict row, int, std::uint8_t * __restrict values,
                    float * __restrict scales, float *) {
        const auto & block = *reinterpret_cast<const q6_k_block *>(row);
        for (int half = 0; half < 2; half++) {
            const std::uint8_t * low = block.low + 64 * half;
            const std::uint8_t * high = block.high + 32 * half;
            std::uint8_t * out = values + 128 * half;
            for (int i = 0; i < 32; i++) out[i] = std::uint8_t((low[i] & 15) | ((high[i] & 3) << 4));
            for (int i = 0; i < 32; i++) out[32 + i] = std::uint8_t((low[32 + i] & 15) | (((high[i] >> 2) & 3) << 4));
            for (int i = 0; i < 32; i++) out[64 + i] = std::uint8_t((low[i] >> 4) | (((high[i] >> 4) & 3) << 4));
            for (int i = 0; i < 32; i++) out[96 + i] = std::uint8_t((low[32 + i] >> 4) | ((high[i] >> 6) << 4));
        }
        const float d = Convert::of(block.d);
        for (int i = 0; i < 16; i++) scales[i] = d * float(block.scales[i]);
    }
};

template <typename Convert> struct unpacker<weight_type::q3_k, Convert> {
    static void run(const std::uint8_t * __restrict row, int, std::uint8_t * __restrict values,
                    float * __restrict scales, float *) {
        const auto & block = *reinterpret_cast<const q3_k_block *>(row);
        for (int half = 0; half < 2; half++) {
            const std::uint8_t * q = block.q + 32 * half;
            for (int j = 0; j < 4; j++) {
                const auto low = Convert::bits(Convert::load_32(q), 2 * j, 3, 0);
                const auto high = Convert::bits(Convert::load_32(block.high), 4 * half + j, 1, 2);
                Convert::store_32(values + 128 * half + 32 * j, Convert::either(low, high));
            }
        }
        const float d = Convert::of(block.d);
        for (int i = 0; i < 16; i++) {
            const int low = i < 8 ? block.scales[i] & 15 : block.scales[i - 8] >> 4;
            const int high = (block.scales[8 + i % 4] >> (2 * (i / 4))) & 3;
            scales[i] = d * float((low | (high << 4)) - 32);
        }
    }
};

template <typename Convert> struct unpacker<weight_type::q2_k, Convert> {
    static void run(const std::uint8_t * __restrict row, int, std::uint8_t * __restrict values,
                    float * __restrict scales, float * __restrict minimums) {
        const auto & block = *reinterpret_cast<const q2_k_block *>(row);
        for (int half = 0; half < 2; half++) {
            const std::uint8_t * q = block.q + 32 * half;
            for (int j = 0; j < 4; j++) {
                Convert::store_32(values + 128 * half + 32 * j, Convert::bits(Convert::load_32(q), 2 * j, 3, 0));
            }
        }
        const float d = Convert::of(block.d);
        const float dmin = Convert::of(block.dmin);
        for (int i = 0; i < 16; i++) scales[i] = d * float(block.scales[i] & 15);
        for (int i = 0; i < 16; i++) minimums[i] = dmin * float(block.scales[i] >> 4);
    }
};

template <typename Convert> struct unpacker<weight_type::iq4_xs, Convert> {
    static void run(const std::uint8_t * __restrict row, int, std::uint8_t * __restrict values,
                    float * __restrict scales, float *) {
        const auto & block = *reinterpret_cast<const iq4_xs_block *>(row);
        const float d = Convert::of(block.d);
        for (int b = 0; b < 8; b++) {
            Convert::look_up(iq4_values, block.q + 16 * b, values + 32 * b);
            const int low = (block.scales_low[b / 2] >> (4 * (b % 2))) & 15;
            const int high = (block.scales_high >> (2 * b)) & 3;
            scales[b] = d * float((low | (high << 4)) - 32);
        }
    }
};

}  // namespace
}  // namespace overfill::kernels
