// K and V of a saved session in q8_0: 8 bits a value, and a scale for each 32 (34 bytes), instead of 16 or 32 bits.
#pragma once

#include "sequence_state.h"

#include <functional>
#include <string>
#include <vector>

namespace overfill {

// Throws error_code::aborted when `stopped` says so, std::bad_alloc.
using stop_check = std::function<bool()>;

// The values of these runs, one behind the other, in q8_0.
kept_bytes compress(const kept_bytes & values, const std::vector<value_run> & runs, const stop_check & stopped);

// The values again, in the types of the runs.
kept_bytes decompress(const kept_bytes & compressed, const std::vector<value_run> & runs, const stop_check & stopped);

// Why runs cannot be compressed so, or are none of compressed values of `n_bytes`; empty if they can be and are.
std::string runs_defect(const std::vector<value_run> & runs);
std::string runs_defect(const std::vector<value_run> & runs, size_t n_bytes);

}  // namespace overfill
