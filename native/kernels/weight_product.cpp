#include "weight_product.h"

#include "work_layout.h"

#include <algorithm>

namespace overfill::kernels {

bool fits(weight_type type, std::int64_t elements) {
    const weight_format format = format_of(type);
    return elements > 0 && elements % std::max(format.block, format.activation_block) == 0;
}

std::size_t work_bytes(const leaf & by, weight_type type, std::int64_t elements, std::int64_t columns, int threads) {
    return work_layout(by, type, std::size_t(elements), std::size_t(columns), std::size_t(threads)).end;
}

void multiply(const leaf & by, const weight_product & product, const team_member & member, void * work) {
    const int type = int(product.type);
    const int columns = product.columns();
    const work_layout at(by, product.type, std::size_t(product.elements), std::size_t(columns),
                         std::size_t(member.size));
    auto * base = aligned(work);
    const activations x = at.activations_at(base, product.elements, columns);
    const int grain = grain_of(by, product.row_stride);
    const int turns = (product.rows + grain - 1) / grain;
    const auto rows_of = [&](int turn) {
        const int row = turn * grain;
        const int count = std::max(0, std::min(grain, product.rows - row));
        return stretch{ product.weights + std::size_t(row) * product.row_stride,
                        std::size_t(count) * product.row_stride };
    };
    // A thread's first rows are known beforehand; from then on it takes a turn while it still works on the one before,
    // so that the rows are fetched meanwhile.
    int turn = member.index;
    // Few columns are multiplied with rows in one stream, which is fetched as it goes: only its beginning is not.
    const auto few = by.has_few(product.type, columns) ? by.multiply_few[type] : nullptr;
    const auto to_fetch = [&](int of) {
        stretch bytes = rows_of(of);
        if (few) bytes.size = std::min(bytes.size, 4 * product.row_stride);
        return bytes;
    };
    by.fetch(to_fetch(turn));
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
            if (few) {
                by.fetch(to_fetch(next));
                few(range, x);
            } else {
                by.multiply[type](range, x, scratch);
            }
        }
        turn = next;
    }
}

}  // namespace overfill::kernels
