#include "weight_product.h"

#include <algorithm>

namespace overfill::kernels {

namespace {

constexpr std::size_t line = 64;
constexpr std::size_t up(std::size_t bytes) { return (bytes + line - 1) / line * line; }

// Where everything lies in the work memory.
struct layout {
    std::size_t scales, corrections, sums, scratch, scratch_each, end;

    layout(const leaf & by, weight_type type, std::size_t elements, std::size_t columns, std::size_t threads) {
        const weight_format format = format_of(type);
        const std::size_t chunks = (elements + chunk_elements - 1) / chunk_elements;
        const std::size_t padded = chunks * chunk_elements * columns;
        scales = up(padded);
        corrections = scales + up(padded / format.activation_block * sizeof(float));
        sums = corrections + up(padded / format.group * sizeof(std::int32_t));
        scratch = sums + (format.has_minimum ? up(padded / format.group * sizeof(float)) : 0);
        scratch_each = up(by.scratch_bytes + columns * by.panel_rows * sizeof(float));
        end = scratch + threads * scratch_each + line;
    }
};

// Rows that a thread takes at a time: few, so that all end together.
int grain_of(const leaf & by, const weight_product & product) {
    constexpr std::size_t enough = 1 << 15;  // bytes
    const std::size_t panel = by.panel_rows * product.row_stride;
    return by.panel_rows * int(panel < enough ? enough / panel : 1);
}

}  // namespace

bool fits(weight_type type, std::int64_t elements) {
    const weight_format format = format_of(type);
    return elements > 0 && elements % std::max(format.block, format.activation_block) == 0;
}

std::size_t work_bytes(const leaf & by, weight_type type, std::int64_t elements, std::int64_t columns, int threads) {
    return layout(by, type, std::size_t(elements), std::size_t(columns), std::size_t(threads)).end;
}

void multiply(const leaf & by, const weight_product & product, const team_member & member, void * work) {
    const int type = int(product.type);
    const int columns = product.columns();
    const layout at(by, product.type, std::size_t(product.elements), std::size_t(columns), std::size_t(member.size));
    auto * base = reinterpret_cast<std::uint8_t *>(up(reinterpret_cast<std::uintptr_t>(work)));
    activations x;
    x.columns = columns;
    x.elements = product.elements;
    x.q = reinterpret_cast<std::int8_t *>(base);
    x.scales = reinterpret_cast<float *>(base + at.scales);
    x.corrections = reinterpret_cast<std::int32_t *>(base + at.corrections);
    x.sums = reinterpret_cast<float *>(base + at.sums);
    const int grain = grain_of(by, product);
    const int turns = (product.rows + grain - 1) / grain;
    const auto rows_of = [&](int turn) {
        const int row = turn * grain;
        const int count = std::max(0, std::min(grain, product.rows - row));
        return stretch{ product.weights + std::size_t(row) * product.row_stride,
                        std::size_t(count) * product.row_stride };
    };
    // A thread's first rows are known beforehand; from then on it takes a turn while it still works on the one before, so
    // that the rows are fetched meanwhile.
    int turn = member.index;
    by.fetch(rows_of(turn));
    const int chunks = (product.elements + chunk_elements - 1) / chunk_elements;
    const int parts = columns < member.size ? std::min(chunks, member.size) : 1;
    for (int job = member.index; job < columns * parts; job += member.size) {
        const int part = job % parts;
        const int column = job / parts;
        by.quantize[type](product.column(column), column, chunks * part / parts, chunks * (part + 1) / parts, x);
    }
    if (member.index == 0) member.set_next(member.team, member.size);
    member.wait(member.team);

    std::uint8_t * scratch = base + at.scratch + at.scratch_each * std::size_t(member.index);
    while (turn < turns) {
        const int next = member.take_next(member.team);
        const int end = std::min(product.rows, (turn + 1) * grain);
        for (int row = turn * grain; row < end; row += by.panel_rows) {
            row_range range;
            range.rows = product.weights + std::size_t(row) * product.row_stride;
            range.row_stride = product.row_stride;
            range.count = std::min(by.panel_rows, end - row);
            range.out = product.out + row;
            range.out_stride = product.out_stride;
            const int behind = std::min(by.panel_rows, end - row - range.count);
            range.ahead = behind > 0 ? stretch{ range.rows + std::size_t(range.count) * product.row_stride,
                                                std::size_t(behind) * product.row_stride }
                                     : rows_of(next);
            by.multiply[type](range, x, scratch);
        }
        turn = next;
    }
}

}  // namespace overfill::kernels
