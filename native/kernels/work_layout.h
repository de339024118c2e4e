// Where everything lies in the memory that a product works in, and how its rows are shared out.
#pragma once

#include "leaf.h"

#include <cstddef>
#include <cstdint>

namespace overfill::kernels {

constexpr std::size_t up_to_line(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

inline std::uint8_t * aligned(void * memory) {
    return reinterpret_cast<std::uint8_t *>(up_to_line(reinterpret_cast<std::uintptr_t>(memory)));
}

struct work_layout {
    weight_format format;
    // Elements of a column, filled up to whole chunks.
    std::size_t padded;
    std::size_t scales, corrections, sums, scratch, scratch_each, end;

    work_layout(const leaf & by, weight_type type, std::size_t elements, std::size_t columns, std::size_t threads)
        : format(format_of(type)), padded((elements + chunk_elements - 1) / chunk_elements * chunk_elements) {
        const std::size_t all = padded * columns;
        if (format.is_float) {
            scales = corrections = sums = scratch = up_to_line(all * sizeof(float));
        } else {
            scales = up_to_line(all);
            corrections = scales + up_to_line(all / format.activation_block * sizeof(float));
            sums = corrections + up_to_line(all / format.group * sizeof(std::int32_t));
            scratch = sums + (format.has_minimum ? up_to_line(all / format.group * sizeof(float)) : 0);
        }
        scratch_each = up_to_line(by.scratch_bytes + columns * by.panel_rows * sizeof(float));
        end = scratch + threads * scratch_each + 64;
    }

    // `count` columns behind `first` ones, as a whole of their own.
    activations activations_at(std::uint8_t * base, int elements, int count, int first = 0) const {
        const std::size_t before = padded * first;
        activations x;
        x.columns = count;
        x.elements = elements;
        if (format.is_float) {
            x.values = reinterpret_cast<float *>(base) + before;
            return x;
        }
        x.q = reinterpret_cast<std::int8_t *>(base) + before;
        x.scales = reinterpret_cast<float *>(base + scales) + before / format.activation_block;
        x.corrections = reinterpret_cast<std::int32_t *>(base + corrections) + before / format.group;
        x.sums = reinterpret_cast<float *>(base + sums) + before / format.group;
        return x;
    }
};

// Rows that a thread takes at a time: few, so that all end together.
inline int grain_of(const leaf & by, std::size_t row_stride) {
    constexpr std::size_t enough = 1 << 15;  // bytes
    const std::size_t panel = by.panel_rows * row_stride;
    return by.panel_rows * int(panel < enough ? enough / panel : 1);
}

}  // namespace overfill::kernels
