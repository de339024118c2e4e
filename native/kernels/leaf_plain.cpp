// The leaf in plain C++, without a processor's own vectors: what the others are compared with.
#include "extent.h"
#include "float_template.h"
#include "leaf_template.h"
#include "leaves.h"

#include <cmath>

namespace overfill::kernels {
namespace {

struct plain_convert {
    static float of(half_bits value) {
        const int exponent = value >> 10 & 31;
        const int fraction = value & 1023;
        float magnitude = std::ldexp(float(fraction), -24);
        if (exponent == 31)
            magnitude = fraction ? NAN : INFINITY;
        else if (exponent > 0)
            magnitude = std::ldexp(float(fraction + 1024), exponent - 25);
        return value & 0x8000 ? -magnitude : magnitude;
    }
    // To the nearest, ties to even.
    static half_bits to_half(float value) {
        const half_bits sign = std::signbit(value) ? 0x8000 : 0;
        const float magnitude = std::fabs(value);
        if (std::isnan(value)) return sign | 0x7e00;
        if (magnitude >= 65520.0f) return sign | 0x7c00;
        // Numbers below 2^-14 have the exponent of those above it.
        int exponent = 0;
        std::frexp(magnitude, &exponent);
        exponent = exponent < -13 ? -13 : exponent;
        const auto fraction = int(std::nearbyint(std::ldexp(magnitude, 11 - exponent)));
        // 2048 carries over into the exponent by itself.
        return half_bits(sign | (((exponent + 13) << 10) + fraction));
    }
    static void split_16(const std::uint8_t * nibbles, std::uint8_t * low, std::uint8_t * high) {
        for (int i = 0; i < 16; i++) low[i] = nibbles[i] & 15;
        for (int i = 0; i < 16; i++) high[i] = nibbles[i] >> 4;
    }
    struct bytes_32 {
        std::uint8_t at[32];
    };
    static bytes_32 load_32(const std::uint8_t * from) {
        bytes_32 made;
        std::memcpy(made.at, from, 32);
        return made;
    }
    static void store_32(std::uint8_t * to, const bytes_32 & value) { std::memcpy(to, value.at, 32); }
    static bytes_32 either(bytes_32 a, const bytes_32 & b) {
        for (int i = 0; i < 32; i++) a.at[i] |= b.at[i];
        return a;
    }
    static bytes_32 bits(bytes_32 from, int shift, int mask, int up) {
        for (std::uint8_t & byte : from.at) byte = std::uint8_t((byte >> shift & mask) << up);
        return from;
    }
    static void look_up(const std::uint8_t * table, const std::uint8_t * nibbles, std::uint8_t * to) {
        for (int i = 0; i < 16; i++) to[i] = table[nibbles[i] & 15];
        for (int i = 0; i < 16; i++) to[16 + i] = table[nibbles[i] >> 4];
    }
};

struct plain {
    static constexpr int lanes = 4;
    static constexpr int row_vectors = 2;
    static constexpr int columns = 2;
    static constexpr int float_columns = 2;
    struct ints {
        std::int32_t at[4];
    };
    struct floats {
        float at[4];
    };
    using convert = plain_convert;

    template <typename Value, typename Of> static Value each(Of of) {
        Value made;
        for (int i = 0; i < 4; i++) made.at[i] = of(i);
        return made;
    }
    static floats zero() { return broadcast(0.0f); }
    static floats load(const float * from) {
        return each<floats>([&](int i) { return from[i]; });
    }
    static void store(float * to, const floats & value) {
        for (int i = 0; i < 4; i++) to[i] = value.at[i];
    }
    static floats broadcast(float value) {
        return each<floats>([&](int) { return value; });
    }
    static ints broadcast(std::int32_t value) {
        return each<ints>([&](int) { return value; });
    }
    static ints load_bytes(const std::uint8_t * from) {
        ints made;
        std::memcpy(&made, from, sizeof made);
        return made;
    }
    static ints broadcast_bytes(const std::int8_t * from) {
        std::int32_t four;
        std::memcpy(&four, from, 4);
        return broadcast(four);
    }
    static ints dot(const ints & sum, const ints & w, const ints & x) {
        std::uint8_t unsigned_bytes[16];
        std::int8_t signed_bytes[16];
        std::memcpy(unsigned_bytes, &w, 16);
        std::memcpy(signed_bytes, &x, 16);
        return each<ints>([&](int i) {
            std::int32_t total = sum.at[i];
            for (int b = 4 * i; b < 4 * i + 4; b++) total += unsigned_bytes[b] * signed_bytes[b];
            return total;
        });
    }
    static floats to_floats(const ints & value) {
        return each<floats>([&](int i) { return float(value.at[i]); });
    }
    static floats multiply(const floats & a, const floats & b) {
        return each<floats>([&](int i) { return a.at[i] * b.at[i]; });
    }
    static floats multiply_add(const floats & a, const floats & b, const floats & sum) {
        return each<floats>([&](int i) { return std::fma(a.at[i], b.at[i], sum.at[i]); });
    }
    static floats subtract_product(const floats & a, const floats & b, const floats & from) {
        return each<floats>([&](int i) { return std::fma(-a.at[i], b.at[i], from.at[i]); });
    }
    template <weight_type type>
    static void widen(const std::uint8_t * const * rows, int at, float * to, int to_stride) {
        for (int r = 0; r < lanes; r++)
            for (int i = 0; i < 2 * lanes; i++) {
                half_bits half;
                std::memcpy(&half, rows[r] + at + i * int(sizeof half), sizeof half);
                const std::uint32_t bits = std::uint32_t(half) << 16;
                if (type == weight_type::bf16)
                    std::memcpy(to + i * to_stride + r, &bits, sizeof bits);
                else
                    to[i * to_stride + r] = convert::of(half);
            }
    }
    static void prefetch(const std::uint8_t *) {}
    static void transpose(const std::uint8_t * from, int stride, std::uint8_t * to, int to_stride) {
        for (int quad = 0; quad < lanes; quad++)
            for (int r = 0; r < lanes; r++) std::memcpy(to + quad * to_stride + 4 * r, from + r * stride + 4 * quad, 4);
    }

    static found_extent extent_of(const float * x, int count) {
        float most = 0;
        float least = 0;
        float finite = 0;
        for (int i = 0; i < count; i++) {
            most = x[i] > most ? x[i] : most;
            least = x[i] < least ? x[i] : least;
            finite += x[i] * 0.0f;
        }
        return extent_from(most, least, finite, x, count);
    }
    static void store_rounded(std::int8_t * to, const float * x, float inverse) {
        for (int i = 0; i < lanes; i++) {
            const float rounded = std::nearbyint(x[i] * inverse);
            to[i] = std::int8_t(rounded > 127 ? 127 : rounded > -128 ? rounded : -128);
        }
    }
};

}  // namespace

const leaf & plain_leaf() {
    static const leaf made = [] {
        leaf all = leaf_of<plain>("plain");
        add_floats<plain>(all);
        return all;
    }();
    return made;
}

}  // namespace overfill::kernels
