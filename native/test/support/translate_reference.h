// A slow, obviously right translate: one cell at a time, one formula a stage, everything in double precision. It shares
// with the implementations only the description of a step and the frequencies of a rotation.
#pragma once

#include "translation.h"

#include <cstdint>
#include <vector>

namespace overfill::test {

// The values of a cell as they are stored, dequantised; a Hadamard or position rotation is still on them.
std::vector<double> read_row(const kv_storage & storage, const uint8_t * stream_data, uint32_t cell);

// For every move the row that the target should hold: n_embd values, with the target's rotations, before the rounding
// to its type.
std::vector<std::vector<double>> reference_translate(const translate_step & step, const uint8_t * from_stream_data,
                                                     const std::vector<cell_move> & moves);

// How far a value read back from the target may lie from the reference's, for each value of a row. It follows from the
// type and from float32 arithmetic alone:
//
//   f32, f16, bf16   half a step between neighbouring numbers of the type at that value (f16: 2^-11 of it, bf16: 2^-8,
//                    f32: 2^-24; in f16 at least half the smallest number, 2^-25)
//   q8_0 ... q5_1    half the block's step d, a whole one where the formula has no level for the block's other end
//                    (q4_0, q5_0: a value as large as the largest, of the other sign); and the rounding of d and m to
//                    f16
//   iq4_nl           what the format's own formula errs in double precision, whichever level a value in the middle
//   takes
//
// `accumulated` is the float32 part: the error that the values carry before they are rounded, in absolute terms.
std::vector<double> tolerances(ggml_type type, const std::vector<double> & row, double accumulated);

// A bound of the float32 arithmetic of a step for one row, as an absolute error of any value: counted roundings of
// 2^-24 times the norm of a head (a sum of n products: n roundings).
double accumulated_error(const translate_step & step, const std::vector<double> & from_row,
                         const std::vector<double> & to_row);

}  // namespace overfill::test
