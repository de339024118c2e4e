// The values of a cache row: from and to the nine cache types. Formats as in ggml-common.h; the quantisers are ggml's
// reference formulas, so that a plain conversion gives ggml's bytes.
//
//   q8_0    d  q[32]                        x = d q          q = round(x / d), d = max |x| / 127
//   q4_0    d  nibbles[16]                  x = d (q - 8)    d = x of largest size / -8
//   q4_1    d  m  nibbles[16]               x = d q + m      d = (max - min) / 15, m = min
//   q5_0    d  fifth bits[4]  nibbles[16]   x = d (q - 16)   d = x of largest size / -16
//   q5_1    d  m  fifth bits  nibbles       x = d q + m      d = (max - min) / 31, m = min
//   iq4_nl  d  nibbles[16]                  x = d value[q]   value: 16 levels, denser about zero
//
// d and m are f16. Byte j of the nibbles holds value j in its low half and value j + 16 in its high half; bit j of the
// fifth bits belongs to value j.
#pragma once

#include "kernel_platform.h"

namespace overfill {

OVERFILL_FUNCTION float bf16_to_float(uint32_t bits) { return float_of(bits << 16); }
OVERFILL_FUNCTION uint32_t float_to_bf16(float x) {
    const uint32_t bits = bits_of(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (bits >> 16) | 64u;
    return (bits + (0x7fffu + ((bits >> 16) & 1u))) >> 16;
}

// -127 -104 -83 -65 | -49 -35 -22 -10 | 1 13 25 38 | 53 69 89 113, a byte each.
OVERFILL_FUNCTION int32_t iq4_nl_value(uint32_t i) {
    const uint32_t four = i < 8 ? (i < 4 ? 0xbfad9881u : 0xf6eaddcfu) : (i < 12 ? 0x26190d01u : 0x71594535u);
    const int32_t byte = int32_t((four >> (8 * (i & 3))) & 0xffu);
    return byte < 128 ? byte : byte - 256;
}
OVERFILL_FUNCTION uint32_t iq4_nl_nearest(float x) {
    uint32_t nearest = 0;
    OVERFILL_UNROLL
    for (uint32_t i = 0; i < 15; i++) {
        if (x - float(iq4_nl_value(i)) >= float(iq4_nl_value(i + 1)) - x) nearest = i + 1;
    }
    return nearest;
}

// Halfwords of a block of 32 values.
OVERFILL_FUNCTION uint32_t block_halfwords(uint32_t type) {
    switch (type) {
    case kernel_q8_0: return 17;
    case kernel_q4_1: return 10;
    case kernel_q5_0: return 11;
    case kernel_q5_1: return 12;
    default: return 9;  // q4_0, iq4_nl
    }
}
OVERFILL_FUNCTION bool is_quantised(uint32_t type) {
    return type != kernel_f32 && type != kernel_f16 && type != kernel_bf16;
}
OVERFILL_FUNCTION uint32_t value_bytes(uint32_t type) { return type == kernel_f32 ? 4 : 2; }

// One value of a type that is not quantised.
OVERFILL_FUNCTION float load_value(uint32_t type, OVERFILL_DEVICE const uint8_t * p) {
    if (type == kernel_f32) return float_of(load_32(p));
    return type == kernel_f16 ? half_to_float(load_16(p)) : bf16_to_float(load_16(p));
}
OVERFILL_FUNCTION void store_value(uint32_t type, OVERFILL_DEVICE uint8_t * p, float x) {
    if (type == kernel_f32)
        store_32(p, bits_of(x));
    else
        store_16(p, type == kernel_f16 ? float_to_half(x) : float_to_bf16(x));
}

// Values first to first + 7 of a row; first is a multiple of 8.
OVERFILL_FUNCTION void load_8_values(uint32_t type, OVERFILL_DEVICE const uint8_t * row, uint32_t first,
                                     OVERFILL_THREAD float * v) {
    if (type == kernel_f32) {
        const kernel_words a = load_128(row + 4 * first), b = load_128(row + 4 * first + 16);
        OVERFILL_UNROLL
        for (uint32_t j = 0; j < 4; j++) {
            v[j] = float_of(a.at[j]);
            v[j + 4] = float_of(b.at[j]);
        }
        return;
    }
    if (type == kernel_f16 || type == kernel_bf16) {
        const kernel_words a = load_128(row + 2 * first);
        OVERFILL_UNROLL
        for (uint32_t j = 0; j < 8; j++) {
            const uint32_t bits = (a.at[j / 2] >> (16 * (j & 1))) & 0xffffu;
            v[j] = type == kernel_f16 ? half_to_float(bits) : bf16_to_float(bits);
        }
        return;
    }
    OVERFILL_DEVICE const uint8_t * block = row + uint64_t(first / 32) * (2 * block_halfwords(type));
    const uint32_t at = first % 32;
    const float d = half_to_float(load_16(block));
    if (type == kernel_q8_0) {
        OVERFILL_UNROLL
        for (uint32_t j = 0; j < 8; j++) {
            const int32_t byte = int32_t((load_16(block + 2 + at + (j & ~1u)) >> (8 * (j & 1))) & 0xffu);
            v[j] = d * float(byte < 128 ? byte : byte - 256);
        }
        return;
    }
    const bool has_minimum = type == kernel_q4_1 || type == kernel_q5_1;
    const bool has_fifth = type == kernel_q5_0 || type == kernel_q5_1;
    const float minimum = has_minimum ? half_to_float(load_16(block + 2)) : 0.0f;
    OVERFILL_DEVICE const uint8_t * p = block + (has_minimum ? 4 : 2);
    uint32_t fifth = 0;
    if (has_fifth) {
        fifth = (load_16(p) | (load_16(p + 2) << 16)) >> at;
        p += 4;
    }
    p += at % 16;
    const uint32_t half_byte = at < 16 ? 0 : 4;
    OVERFILL_UNROLL
    for (uint32_t j = 0; j < 8; j++) {
        uint32_t q = (load_16(p + (j & ~1u)) >> (8 * (j & 1) + half_byte)) & 15u;
        if (has_fifth) q |= ((fifth >> j) & 1u) << 4;
        if (type == kernel_iq4_nl)
            v[j] = d * float(iq4_nl_value(q));
        else if (has_minimum)
            v[j] = d * float(q) + minimum;
        else
            v[j] = d * (float(q) - (has_fifth ? 16.0f : 8.0f));
    }
}

OVERFILL_FUNCTION void store_8_values(uint32_t type, OVERFILL_DEVICE uint8_t * row, uint32_t first,
                                      OVERFILL_THREAD const float * v) {
    kernel_words a, b;
    if (type == kernel_f32) {
        OVERFILL_UNROLL
        for (uint32_t j = 0; j < 4; j++) {
            a.at[j] = bits_of(v[j]);
            b.at[j] = bits_of(v[j + 4]);
        }
        store_128(row + 4 * first, a);
        store_128(row + 4 * first + 16, b);
        return;
    }
    OVERFILL_UNROLL
    for (uint32_t j = 0; j < 4; j++) {
        if (type == kernel_f16)
            a.at[j] = float_to_half(v[2 * j]) | (float_to_half(v[2 * j + 1]) << 16);
        else
            a.at[j] = float_to_bf16(v[2 * j]) | (float_to_bf16(v[2 * j + 1]) << 16);
    }
    store_128(row + 2 * first, a);
}

// The whole number below x within 0 to n; a NaN becomes 0.
OVERFILL_FUNCTION uint32_t level_of(float x, float n) { return uint32_t(smaller(larger(x, 0.0f), n)); }

// The block is written over its own values, halfword after halfword.
OVERFILL_FUNCTION void put_halfword(OVERFILL_SHARED uint32_t * words, uint32_t at, uint32_t x) {
    if (at & 1)
        words[at / 2] |= x << 16;
    else
        words[at / 2] = x;
}

// 32 floats in `words` become a block in place. It is at most 34 bytes long.
OVERFILL_FUNCTION void quantise_block(uint32_t type, OVERFILL_SHARED uint32_t * words) {
    float v[32];
    float low = float_of(words[0]), high = low, size = 0.0f, largest = 0.0f;
    OVERFILL_UNROLL
    for (uint32_t j = 0; j < 32; j++) {
        v[j] = float_of(words[j]);
        if (v[j] < low) low = v[j];
        if (v[j] > high) high = v[j];
        if (size < size_of(v[j])) {
            size = size_of(v[j]);
            largest = v[j];
        }
    }
    if (type == kernel_q8_0) {
        const float d = size / 127.0f;
        const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
        put_halfword(words, 0, float_to_half(d));
        OVERFILL_UNROLL
        for (uint32_t j = 0; j < 32; j += 2) {
            const int32_t a = int32_t(smaller(larger(round_away(v[j] * inverse), -127.0f), 127.0f));
            const int32_t b = int32_t(smaller(larger(round_away(v[j + 1] * inverse), -127.0f), 127.0f));
            put_halfword(words, 1 + j / 2, (uint32_t(a) & 0xffu) | ((uint32_t(b) & 0xffu) << 8));
        }
        return;
    }
    const bool has_minimum = type == kernel_q4_1 || type == kernel_q5_1;
    const bool has_fifth = type == kernel_q5_0 || type == kernel_q5_1;
    const float n = has_fifth ? 31.0f : 15.0f;
    // What is added before rounding down: a half, and the offset of the signed types.
    const float offset = has_minimum ? 0.5f : has_fifth ? 16.5f : 8.5f;
    float d = has_minimum ? (high - low) / n : largest / (has_fifth ? -16.0f : -8.0f);
    if (type == kernel_iq4_nl) d = size < 1e-15f ? 0.0f : largest / -127.0f;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    const float origin = has_minimum ? low : 0.0f;

    uint32_t fifth = 0, nibbles[4];
    float product = 0.0f, square = 0.0f;
    OVERFILL_UNROLL
    for (uint32_t j = 0; j < 4; j++) nibbles[j] = 0;
    OVERFILL_UNROLL
    for (uint32_t j = 0; j < 32; j++) {
        uint32_t q;
        if (type == kernel_iq4_nl) {
            // An empty block has no levels: ggml leaves zeros.
            q = d != 0.0f ? iq4_nl_nearest(inverse * v[j]) : 0;
            const float level = float(iq4_nl_value(q)), weight = v[j] * v[j];
            product += weight * level * v[j];
            square += weight * level * level;
        } else {
            q = level_of((v[j] - origin) * inverse + offset, n);
        }
        fifth |= (q >> 4) << j;
        nibbles[(j % 16) / 4] |= (q & 15u) << (8 * (j % 4) + 4 * (j / 16));
    }
    if (type == kernel_iq4_nl) d = square > 0.0f ? product / square : 0.0f;

    uint32_t at = 0;
    put_halfword(words, at++, float_to_half(d));
    if (has_minimum) put_halfword(words, at++, float_to_half(low));
    if (has_fifth) {
        put_halfword(words, at++, fifth & 0xffffu);
        put_halfword(words, at++, fifth >> 16);
    }
    OVERFILL_UNROLL
    for (uint32_t j = 0; j < 4; j++) {
        put_halfword(words, at++, nibbles[j] & 0xffffu);
        put_halfword(words, at++, nibbles[j] >> 16);
    }
}

}  // namespace overfill
