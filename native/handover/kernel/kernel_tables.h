// The plain-data tables that the fused translate kernels read. Compiled by g++, nvcc and the Metal compiler, with one
// layout for all three. kernel_plan.h fills them; translate_kernel.h tells what is done with them.
#pragma once

#if defined(__METAL_VERSION__)
#include <metal_stdlib>
#define OVERFILL_DEVICE device
#else
#include <stdint.h>
#define OVERFILL_DEVICE
#endif

namespace overfill {

enum : uint32_t {
    kernel_lanes = 256,         // threads of a group
    kernel_tile_values = 4096,  // of a tile: cells x values of each
    kernel_max_cells = 64,      // of a tile
    kernel_fine = 256,          // positions in the fine part of an angle table
    kernel_max_mapped = 1024,   // values of a piece that a linear map writes: 4 x 4 results for each thread
    // A tile with its padding: one word after every 32 values, and one to make a row's length odd, so that the threads
    // of a group meet different banks whether they walk along a row or across the rows.
    kernel_tile_words = kernel_tile_values + kernel_tile_values / 32 + kernel_max_cells,
};

// The numbers are those of ggml_type.
enum : uint32_t {
    kernel_f32 = 0,
    kernel_f16 = 1,
    kernel_q4_0 = 2,
    kernel_q4_1 = 3,
    kernel_q5_0 = 6,
    kernel_q5_1 = 7,
    kernel_q8_0 = 8,
    kernel_iq4_nl = 20,
    kernel_bf16 = 30,
};

// One rotation by position. The table of its angles has two parts of (cosine, sine) pairs: `fine` for the positions 0
// to 255 and `coarse` for the multiples of 256; the angle of a position is the sum of one of each.
struct kernel_rope {
    uint32_t n_pairs;   // 0: none
    uint32_t adjacent;  // pairs (2i, 2i + 1), else (i, i + n_pairs)
    uint32_t fine;      // index of the first float, [256][n_pairs][2]
    uint32_t coarse;    // [positions / 256][n_pairs][2]
    float magnitude;    // factor of cosine and sine; its reciprocal where a rotation is undone
    uint32_t head_size;
};

// K or V of one layer on one side, of one stream.
struct kernel_side {
    OVERFILL_DEVICE uint8_t * data;
    uint64_t stride;  // bytes from a cell to the next; transposed: from a channel to the next
    uint32_t type;
    uint32_t transposed;
    uint32_t n_values;     // of a row
    uint32_t hadamard;     // block size of the rotation to undo or to do here; 0: none
    float hadamard_scale;  // 1 / sqrt(block size)
    uint32_t wide;         // rows may be read or written 16 bytes (quantised: 4 bytes) at a time
    kernel_rope rope;
};

struct kernel_step {
    kernel_side from;
    kernel_side to;
    uint64_t weights;       // index of the first float of the map, [n_in][weight_pitch]
    uint64_t bias;          // index of [weight_pitch] floats
    uint32_t weight_pitch;  // n_out rounded up to 4; 0: no map
    uint32_t raw;           // bytes move as they are
    uint32_t raw_bytes;     // of a row
    uint32_t piece;         // values of a target row that one group makes
    uint32_t n_pieces;
    uint32_t chunk;    // with a map: values of a source row that are read at once
    uint32_t n_cells;  // of one group, a power of two
    uint32_t first_group;
    uint32_t first_move;
    uint32_t n_moves;
};

struct kernel_move {
    uint32_t from;
    uint32_t to;
    int32_t position;
};

}  // namespace overfill
