// The weights that this room multiplies, as they lie in a GGUF file: blocks of small integers with scales, or numbers
// of 16 bits. The layouts are ggml's, told again here so that the leaves need no header of ggml's; the tests compare
// the two.
#pragma once

#include <cstdint>

namespace overfill::kernels {

enum class weight_type { q8_0, q4_0, iq4_nl, q4_k, q5_k, q6_k, q3_k, q2_k, iq4_xs, f16, bf16 };
constexpr int weight_type_count = 11;

using half_bits = std::uint16_t;

struct q8_0_block {
    half_bits d;
    std::int8_t q[32];
};

// Also that of iq4_nl, whose nibbles are places in a table.
struct q4_0_block {
    half_bits d;
    std::uint8_t q[16];
};

struct q4_k_block {
    half_bits d, dmin;
    std::uint8_t scales[12];
    std::uint8_t q[128];
};

struct q5_k_block {
    half_bits d, dmin;
    std::uint8_t scales[12];
    std::uint8_t high[32];
    std::uint8_t q[128];
};

struct q6_k_block {
    std::uint8_t low[128];
    std::uint8_t high[64];
    std::int8_t scales[16];
    half_bits d;
};

struct q3_k_block {
    std::uint8_t high[32];
    std::uint8_t q[64];
    std::uint8_t scales[12];
    half_bits d;
};

struct q2_k_block {
    std::uint8_t scales[16];
    std::uint8_t q[64];
    half_bits d, dmin;
};

struct iq4_xs_block {
    half_bits d;
    std::uint16_t scales_high;
    std::uint8_t scales_low[4];
    std::uint8_t q[128];
};

// How a type is unpacked: weight = scale * (value - zero) - minimum, with a value of 0 to 255, a scale and perhaps a
// minimum for each `group` elements.
struct weight_format {
    // Elements and bytes of a block in the file.
    int block;
    int bytes;
    int group;
    int zero;
    bool has_minimum;
    // Elements of the activations that share a scale: those of q8_0 or of q8_K, as ggml has it for the type.
    int activation_block;
    // Numbers of 16 bits themselves, which are multiplied with activations as they are: all but `block` and `bytes`,
    // here 32 numbers, is of no meaning.
    bool is_float = false;
};

constexpr weight_format format_of(weight_type type) {
    switch (type) {
    case weight_type::q8_0: return { 32, sizeof(q8_0_block), 32, 128, false, 32 };
    case weight_type::q4_0: return { 32, sizeof(q4_0_block), 32, 8, false, 32 };
    case weight_type::iq4_nl: return { 32, sizeof(q4_0_block), 32, 128, false, 32 };
    case weight_type::q4_k: return { 256, sizeof(q4_k_block), 32, 0, true, 256 };
    case weight_type::q5_k: return { 256, sizeof(q5_k_block), 32, 0, true, 256 };
    case weight_type::q6_k: return { 256, sizeof(q6_k_block), 16, 32, false, 256 };
    case weight_type::q3_k: return { 256, sizeof(q3_k_block), 16, 4, false, 256 };
    case weight_type::q2_k: return { 256, sizeof(q2_k_block), 16, 0, true, 256 };
    case weight_type::iq4_xs: return { 256, sizeof(iq4_xs_block), 32, 128, false, 256 };
    case weight_type::f16:
    case weight_type::bf16: return { 32, 32 * sizeof(half_bits), 32, 0, false, 32, true };
    }
    return {};
}

// What the nibbles of iq4_nl and iq4_xs stand for, moved up by 128.
constexpr std::uint8_t iq4_values[16] = { 1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241 };

}  // namespace overfill::kernels
