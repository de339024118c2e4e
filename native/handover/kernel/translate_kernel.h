// The arithmetic of a translate handover on devices: one body for CUDA, Metal, and the tests on the CPU. One launch
// does all steps; a group of threads takes a tile of it: some cells of one step, and a piece of each cell's row that no
// rotation, Hadamard block or quantised block crosses.
//
//   without a map  the piece is read, dequantised, freed of the source's rotations, given the target's, and written
//   with a map     the source's row is read chunk by chunk into the tile, each chunk freed of its rotations and
//                  multiplied into 4 x 4 results (cells x outputs) that every lane keeps in registers; the results
//                  replace the last chunk and go on as without a map
//   raw            bytes from memory to memory
//
// The tile lies in shared memory, as the bits of floats: cell c's value i at c pitch + i + i / 32.
#pragma once

#include "kernel_platform.h"
#include "kernel_values.h"

namespace overfill {

// The cells and values of one tile.
struct kernel_tile {
    OVERFILL_DEVICE const kernel_move * moves;
    uint32_t n_cells;    // in use
    uint32_t cell_mask;  // the group's cells, a power of two, less one
    uint32_t cell_bits;
    uint32_t first;  // value of the row
    uint32_t n;      // values
    uint32_t pitch;
};

OVERFILL_FUNCTION uint32_t tile_pitch(uint32_t n) { return (n + n / 32) | 1u; }
OVERFILL_FUNCTION uint32_t tile_at(uint32_t pitch, uint32_t cell, uint32_t i) { return cell * pitch + i + i / 32; }

OVERFILL_FUNCTION void load_tile(OVERFILL_DEVICE const kernel_side & side, kernel_tile t,
                                 OVERFILL_SHARED uint32_t * tile, uint32_t lane) {
    if (side.transposed) {
        // Neighbouring lanes take neighbouring cells of one channel.
        const uint32_t bytes = value_bytes(side.type);
        for (uint32_t k = lane; k < (t.n << t.cell_bits); k += kernel_lanes) {
            const uint32_t cell = k & t.cell_mask, i = k >> t.cell_bits;
            if (cell >= t.n_cells) continue;
            OVERFILL_DEVICE const uint8_t * channel = side.data + (t.first + i) * side.stride;
            tile[tile_at(t.pitch, cell, i)] =
                bits_of(load_value(side.type, channel + uint64_t(t.moves[cell].from) * bytes));
        }
        return;
    }
    if (side.wide) {
        const uint32_t n_eights = t.n / 8;
        for (uint32_t k = lane; k < n_eights * t.n_cells; k += kernel_lanes) {
            const uint32_t cell = k / n_eights, i = 8 * (k % n_eights);
            float v[8];
            load_8_values(side.type, side.data + t.moves[cell].from * side.stride, t.first + i, v);
            OVERFILL_SHARED uint32_t * to = tile + tile_at(t.pitch, cell, i);
            OVERFILL_UNROLL
            for (uint32_t j = 0; j < 8; j++) to[j] = bits_of(v[j]);
        }
        return;
    }
    const uint32_t bytes = value_bytes(side.type);
    for (uint32_t k = lane; k < t.n * t.n_cells; k += kernel_lanes) {
        const uint32_t cell = k / t.n, i = k % t.n;
        OVERFILL_DEVICE const uint8_t * row = side.data + t.moves[cell].from * side.stride;
        tile[tile_at(t.pitch, cell, i)] = bits_of(load_value(side.type, row + (t.first + i) * bytes));
    }
}

// A lane takes one pair of one cell, in every head of the piece.
OVERFILL_FUNCTION void rotate_tile(OVERFILL_DEVICE const kernel_rope & rope, OVERFILL_DEVICE const float * angles,
                                   bool undo, kernel_tile t, OVERFILL_SHARED uint32_t * tile, uint32_t lane) {
    for (uint32_t k = lane; k < rope.n_pairs * t.n_cells; k += kernel_lanes) {
        const uint32_t cell = k / rope.n_pairs, i = k % rope.n_pairs;
        const uint32_t position = uint32_t(t.moves[cell].position);
        OVERFILL_DEVICE const float * fine = angles + rope.fine + 2 * ((position % kernel_fine) * rope.n_pairs + i);
        OVERFILL_DEVICE const float * coarse = angles + rope.coarse + 2 * ((position / kernel_fine) * rope.n_pairs + i);
        const float cosine = (fine[0] * coarse[0] - fine[1] * coarse[1]) * rope.magnitude;
        const float turned = (fine[1] * coarse[0] + fine[0] * coarse[1]) * rope.magnitude;
        const float sine = undo ? -turned : turned;
        const uint32_t a = rope.adjacent ? 2 * i : i, b = rope.adjacent ? 2 * i + 1 : i + rope.n_pairs;
        for (uint32_t head = 0; head < t.n; head += rope.head_size) {
            OVERFILL_SHARED uint32_t & x = tile[tile_at(t.pitch, cell, head + a)];
            OVERFILL_SHARED uint32_t & y = tile[tile_at(t.pitch, cell, head + b)];
            const float u = float_of(x), v = float_of(y);
            x = bits_of(u * cosine - v * sine);
            y = bits_of(u * sine + v * cosine);
        }
    }
}

// One pass of the fast Walsh-Hadamard transform: butterflies over `radix` values that lie `stride` apart, in registers.
template <uint32_t radix>
OVERFILL_FUNCTION void hadamard_pass(uint32_t stride, float scale, kernel_tile t, OVERFILL_SHARED uint32_t * tile,
                                     uint32_t lane) {
    const uint32_t n_tasks = t.n / radix;
    for (uint32_t k = lane; k < n_tasks * t.n_cells; k += kernel_lanes) {
        const uint32_t cell = k / n_tasks, task = k % n_tasks;
        const uint32_t first = task / stride * (stride * radix) + task % stride;
        float v[radix];
        OVERFILL_UNROLL
        for (uint32_t j = 0; j < radix; j++) v[j] = float_of(tile[tile_at(t.pitch, cell, first + j * stride)]);
        OVERFILL_UNROLL
        for (uint32_t half_width = 1; half_width < radix; half_width *= 2) {
            OVERFILL_UNROLL
            for (uint32_t j = 0; j < radix; j++) {
                if (j & half_width) continue;
                const float x = v[j], y = v[j + half_width];
                v[j] = x + y;
                v[j + half_width] = x - y;
            }
        }
        OVERFILL_UNROLL
        for (uint32_t j = 0; j < radix; j++) tile[tile_at(t.pitch, cell, first + j * stride)] = bits_of(v[j] * scale);
    }
}

OVERFILL_FUNCTION void hadamard_stage(OVERFILL_DEVICE const kernel_side & side, uint32_t stride, uint32_t radix,
                                      kernel_tile t, OVERFILL_SHARED uint32_t * tile, uint32_t lane) {
    const float scale = stride * radix == side.hadamard ? side.hadamard_scale : 1.0f;
    switch (radix) {
    case 16: return hadamard_pass<16>(stride, scale, t, tile, lane);
    case 8: return hadamard_pass<8>(stride, scale, t, tile, lane);
    case 4: return hadamard_pass<4>(stride, scale, t, tile, lane);
    default: return hadamard_pass<2>(stride, scale, t, tile, lane);
    }
}

// Adds a chunk of the source's row to a lane's results: 4 cells x 4 outputs. Lanes of a warp share their cells, so the
// tile is read by broadcast and the weights side by side.
OVERFILL_FUNCTION void map_chunk(OVERFILL_DEVICE const kernel_step & step, OVERFILL_DEVICE const float * weights,
                                 uint32_t output, uint32_t n_outputs, kernel_tile t,
                                 OVERFILL_SHARED const uint32_t * tile, OVERFILL_THREAD float * results,
                                 uint32_t lane) {
    const uint32_t n_fours = (n_outputs + 3) / 4;
    const uint32_t four = lane % n_fours, cell = 4 * (lane / n_fours);
    if (cell > t.cell_mask) return;
    const uint32_t pitch = step.weight_pitch;
    OVERFILL_DEVICE const uint8_t * w =
        (OVERFILL_DEVICE const uint8_t *) (weights + step.weights + uint64_t(t.first) * pitch + output + 4 * four);
    for (uint32_t i = 0; i < t.n; i++) {
        const kernel_words four_weights = load_128(w + uint64_t(i) * pitch * 4);
        OVERFILL_UNROLL
        for (uint32_t c = 0; c < 4; c++) {
            const float x = float_of(tile[tile_at(t.pitch, cell + c, i)]);
            OVERFILL_UNROLL
            for (uint32_t o = 0; o < 4; o++) results[4 * c + o] += float_of(four_weights.at[o]) * x;
        }
    }
}

OVERFILL_FUNCTION void clear_results(OVERFILL_THREAD float * results) {
    OVERFILL_UNROLL
    for (uint32_t j = 0; j < 16; j++) results[j] = 0.0f;
}

OVERFILL_FUNCTION void place_results(OVERFILL_DEVICE const kernel_step & step, OVERFILL_DEVICE const float * weights,
                                     kernel_tile t, OVERFILL_SHARED uint32_t * tile,
                                     OVERFILL_THREAD const float * results, uint32_t lane) {
    const uint32_t n_fours = (t.n + 3) / 4;
    const uint32_t four = lane % n_fours, cell = 4 * (lane / n_fours);
    OVERFILL_UNROLL
    for (uint32_t c = 0; c < 4; c++) {
        OVERFILL_UNROLL
        for (uint32_t o = 0; o < 4; o++) {
            const uint32_t i = 4 * four + o;
            if (cell + c < t.n_cells && i < t.n)
                tile[tile_at(t.pitch, cell + c, i)] = bits_of(results[4 * c + o] + weights[step.bias + t.first + i]);
        }
    }
}

OVERFILL_FUNCTION void quantise_tile(OVERFILL_DEVICE const kernel_side & side, kernel_tile t,
                                     OVERFILL_SHARED uint32_t * tile, uint32_t lane) {
    const uint32_t n_blocks = t.n / 32;
    for (uint32_t k = lane; k < n_blocks * t.n_cells; k += kernel_lanes)
        quantise_block(side.type, tile + tile_at(t.pitch, k / n_blocks, 32 * (k % n_blocks)));
}

// Halfword `at` of a cell's quantised piece, whose blocks lie where their values were.
OVERFILL_FUNCTION uint32_t packed_halfword(OVERFILL_SHARED const uint32_t * cell, uint32_t at, uint32_t per_block,
                                           uint32_t reciprocal) {
    const uint32_t block = (at * reciprocal) >> 16, rest = at - block * per_block;
    return (cell[block * 33 + rest / 2] >> (16 * (rest & 1))) & 0xffffu;
}

OVERFILL_FUNCTION void store_blocks(OVERFILL_DEVICE const kernel_side & side, kernel_tile t,
                                    OVERFILL_SHARED const uint32_t * tile, uint32_t lane) {
    const uint32_t per_block = block_halfwords(side.type);
    const uint32_t n_halfwords = t.n / 32 * per_block;
    // Division by multiplication, exact up to 2^16 / per_block > 128 blocks' halfwords.
    const uint32_t reciprocal = 65536u / per_block + 1;
    const uint32_t first = t.first / 32 * per_block * 2;
    const uint32_t n_units = side.wide ? n_halfwords / 2 : n_halfwords;
    for (uint32_t k = lane; k < n_units * t.n_cells; k += kernel_lanes) {
        const uint32_t cell = k / n_units, unit = k % n_units;
        OVERFILL_DEVICE uint8_t * row = side.data + t.moves[cell].to * side.stride + first;
        OVERFILL_SHARED const uint32_t * packed = tile + cell * t.pitch;
        if (side.wide) {
            const uint32_t low = packed_halfword(packed, 2 * unit, per_block, reciprocal);
            store_32(row + 4 * unit, low | (packed_halfword(packed, 2 * unit + 1, per_block, reciprocal) << 16));
        } else {
            store_16(row + 2 * unit, packed_halfword(packed, unit, per_block, reciprocal));
        }
    }
}

OVERFILL_FUNCTION void store_tile(OVERFILL_DEVICE const kernel_side & side, kernel_tile t,
                                  OVERFILL_SHARED const uint32_t * tile, uint32_t lane) {
    if (is_quantised(side.type)) return store_blocks(side, t, tile, lane);
    const uint32_t bytes = value_bytes(side.type);
    if (side.transposed) {
        for (uint32_t k = lane; k < (t.n << t.cell_bits); k += kernel_lanes) {
            const uint32_t cell = k & t.cell_mask, i = k >> t.cell_bits;
            if (cell >= t.n_cells) continue;
            OVERFILL_DEVICE uint8_t * channel = side.data + (t.first + i) * side.stride;
            store_value(side.type, channel + uint64_t(t.moves[cell].to) * bytes,
                        float_of(tile[tile_at(t.pitch, cell, i)]));
        }
        return;
    }
    if (side.wide) {
        const uint32_t n_eights = t.n / 8;
        for (uint32_t k = lane; k < n_eights * t.n_cells; k += kernel_lanes) {
            const uint32_t cell = k / n_eights, i = 8 * (k % n_eights);
            OVERFILL_SHARED const uint32_t * from = tile + tile_at(t.pitch, cell, i);
            float v[8];
            OVERFILL_UNROLL
            for (uint32_t j = 0; j < 8; j++) v[j] = float_of(from[j]);
            store_8_values(side.type, side.data + t.moves[cell].to * side.stride, t.first + i, v);
        }
        return;
    }
    for (uint32_t k = lane; k < t.n * t.n_cells; k += kernel_lanes) {
        const uint32_t cell = k / t.n, i = k % t.n;
        OVERFILL_DEVICE uint8_t * row = side.data + t.moves[cell].to * side.stride;
        store_value(side.type, row + (t.first + i) * bytes, float_of(tile[tile_at(t.pitch, cell, i)]));
    }
}

// Rows of bytes. Four loads go out before the first store, so that enough of them are under way.
OVERFILL_FUNCTION void copy_rows(OVERFILL_DEVICE const kernel_step & step, kernel_tile t, uint32_t lane) {
    const uint32_t width = step.from.wide && step.to.wide ? 16 : 2;
    const uint32_t n_units = step.raw_bytes / width, n = n_units * t.n_cells;
    if (width == 2) {
        for (uint32_t k = lane; k < n; k += kernel_lanes) {
            const kernel_move move = t.moves[k / n_units];
            const uint32_t at = 2 * (k % n_units);
            store_16(step.to.data + move.to * step.to.stride + at,
                     load_16(step.from.data + move.from * step.from.stride + at));
        }
        return;
    }
    for (uint32_t start = lane; start < n; start += 4 * kernel_lanes) {
        kernel_words words[4];
        OVERFILL_UNROLL
        for (uint32_t j = 0; j < 4; j++) {
            const uint32_t k = start + j * kernel_lanes;
            if (k < n)
                words[j] = load_128(step.from.data + t.moves[k / n_units].from * step.from.stride + 16 * (k % n_units));
        }
        OVERFILL_UNROLL
        for (uint32_t j = 0; j < 4; j++) {
            const uint32_t k = start + j * kernel_lanes;
            if (k < n)
                store_128(step.to.data + t.moves[k / n_units].to * step.to.stride + 16 * (k % n_units), words[j]);
        }
    }
}

// Channels of bytes: eight cells at once where both sides hold them side by side on a boundary of 16 bytes.
OVERFILL_FUNCTION void copy_channels(OVERFILL_DEVICE const kernel_step & step, kernel_tile t, uint32_t lane) {
    const uint32_t bytes = value_bytes(step.from.type), per_unit = 16 / bytes;
    const uint32_t n_units = (t.n_cells + per_unit - 1) / per_unit;
    const bool wide = step.from.wide && step.to.wide;
    for (uint32_t k = lane; k < n_units * t.n; k += kernel_lanes) {
        const uint32_t i = k / n_units, cell = k % n_units * per_unit;
        OVERFILL_DEVICE const uint8_t * from = step.from.data + (t.first + i) * step.from.stride;
        OVERFILL_DEVICE uint8_t * to = step.to.data + (t.first + i) * step.to.stride;
        const kernel_move head = t.moves[cell];
        const uint32_t n = t.n_cells - cell < per_unit ? t.n_cells - cell : per_unit;
        bool together = wide && n == per_unit && head.from % per_unit == 0 && head.to % per_unit == 0;
        for (uint32_t c = 1; c < n && together; c++)
            together = t.moves[cell + c].from == head.from + c && t.moves[cell + c].to == head.to + c;
        if (together) {
            store_128(to + uint64_t(head.to) * bytes, load_128(from + uint64_t(head.from) * bytes));
            continue;
        }
        for (uint32_t c = 0; c < n; c++) {
            const kernel_move move = t.moves[cell + c];
            if (bytes == 4)
                store_32(to + uint64_t(move.to) * 4, load_32(from + uint64_t(move.from) * 4));
            else
                store_16(to + uint64_t(move.to) * 2, load_16(from + uint64_t(move.from) * 2));
        }
    }
}

// The step whose groups include this one.
OVERFILL_FUNCTION uint32_t step_of_group(OVERFILL_DEVICE const kernel_step * steps, uint32_t n_steps, uint32_t group) {
    uint32_t low = 0, high = n_steps;
    while (high - low > 1) {
        const uint32_t middle = (low + high) / 2;
        if (steps[middle].first_group <= group)
            low = middle;
        else
            high = middle;
    }
    return low;
}

// What one group does; `tile` has kernel_tile_words words. Conditions here are the same for all lanes of a group.
template <bool with_maps>
OVERFILL_FUNCTION void translate_group(OVERFILL_DEVICE const kernel_step * steps, uint32_t n_steps,
                                       OVERFILL_DEVICE const kernel_move * moves, OVERFILL_DEVICE const float * angles,
                                       OVERFILL_DEVICE const float * weights, OVERFILL_SHARED uint32_t * tile,
                                       uint32_t group OVERFILL_LANE_PARAMETER) {
    OVERFILL_DEVICE const kernel_step & step = steps[step_of_group(steps, n_steps, group)];
    const uint32_t local = group - step.first_group;
    const uint32_t piece = local % step.n_pieces, first_cell = local / step.n_pieces * step.n_cells;

    kernel_tile t;
    t.moves = moves + step.first_move + first_cell;
    t.n_cells = step.n_moves - first_cell < step.n_cells ? step.n_moves - first_cell : step.n_cells;
    t.cell_mask = step.n_cells - 1;
    t.cell_bits = 0;
    while ((1u << t.cell_bits) < step.n_cells) t.cell_bits++;
    t.first = piece * step.piece;
    t.n = step.to.n_values - t.first < step.piece ? step.to.n_values - t.first : step.piece;
    t.pitch = tile_pitch(t.n);

    if (step.raw) {
        if (step.from.transposed)
            OVERFILL_PHASE(copy_channels(step, t, lane))
        else
            OVERFILL_PHASE(copy_rows(step, t, lane))
        return;
    }

    OVERFILL_REGISTERS(results, 16);
    kernel_tile source = t;
    const bool mapped = with_maps && step.weight_pitch > 0;
    if (mapped) {
        source.first = 0;
        OVERFILL_PHASE(clear_results(OVERFILL_OF_LANE(results)))
    }
    for (;;) {
        if (mapped) {
            source.n = step.from.n_values - source.first;
            if (source.n > step.chunk) source.n = step.chunk;
            source.pitch = tile_pitch(source.n);
        }
        OVERFILL_PHASE(load_tile(step.from, source, tile, lane))
        for (uint32_t stride = 1; stride < step.from.hadamard;) {
            const uint32_t radix = step.from.hadamard / stride < 16 ? step.from.hadamard / stride : 16;
            OVERFILL_PHASE(hadamard_stage(step.from, stride, radix, source, tile, lane))
            stride *= radix;
        }
        if (step.from.rope.n_pairs > 0) OVERFILL_PHASE(rotate_tile(step.from.rope, angles, true, source, tile, lane))
        if (!mapped) break;
        OVERFILL_PHASE(map_chunk(step, weights, t.first, t.n, source, tile, OVERFILL_OF_LANE(results), lane))
        source.first += source.n;
        if (source.first == step.from.n_values) break;
    }
    if (mapped) OVERFILL_PHASE(place_results(step, weights, t, tile, OVERFILL_OF_LANE(results), lane))

    if (step.to.rope.n_pairs > 0) OVERFILL_PHASE(rotate_tile(step.to.rope, angles, false, t, tile, lane))
    for (uint32_t stride = 1; stride < step.to.hadamard;) {
        const uint32_t radix = step.to.hadamard / stride < 16 ? step.to.hadamard / stride : 16;
        OVERFILL_PHASE(hadamard_stage(step.to, stride, radix, t, tile, lane))
        stride *= radix;
    }
    if (is_quantised(step.to.type)) OVERFILL_PHASE(quantise_tile(step.to, t, tile, lane))
    OVERFILL_PHASE(store_tile(step.to, t, tile, lane))
}

}  // namespace overfill
