// Finds the widths of a model that must not be larger than a target.
#pragma once

#include "kept.h"
#include "rewrite.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace overfill {

// The widths that may be chosen: the multiples up to n, and n itself, which asks for nothing.
std::vector<uint32_t> possible_widths(uint32_t n, uint32_t multiple);

struct target_search {
    kept_counts fixed;  // everything but the widths that are free; those at the parent's own
    // Ascending; the last one is the parent's width. Only one, if the width is not free.
    std::vector<uint32_t> hidden, ffn;
    uint64_t target = 0;
    bool of_params = true;  // else of bytes
    // Throws ERR_INVALID_ARGUMENT for widths that the type cannot hold; those are passed over.
    std::function<rewrite_plan(const kept_counts &)> plan;
};

struct found_size {
    kept_counts counts;
    uint64_t size = 0;      // parameters or bytes
    uint64_t smallest = 0;  // of all that were looked at
    bool fits = false;      // else `counts` and `size` mean nothing
};

// For each hidden width the FFN width whose share of the parent's is nearest (halves to the wider one); of those that
// fit, the one with the most parameters; and then the widest FFN that still fits beside that hidden width. Bytes need
// not grow with the widths (rows of odd widths are stored as a larger type), hence every one is looked at.
found_size find_size(const target_search & search);

}  // namespace overfill
