// Whether our matrix kernels are right and faster than ggml's own on this processor: tried on weights of each type,
// once in a process.
#pragma once

#include <ggml.h>

#include <vector>

namespace overfill {

// How many times as fast as ggml's own kernels ours are, one thread each: with one column (a token), a few (a batch of
// tokens, a check of a draft) and many (a prompt).
struct product_trial {
    ggml_type type = GGML_TYPE_COUNT;
    double one = 0, few = 0, many = 0;
    // Whether they gave the numbers that they should; if not, nothing was timed.
    bool is_right = true;

    // All or none: a column has the same bits in any batch only if the kernels compute all batches. The bounds are far
    // from what is measured where the kernels are of use, so that a busy machine does not decide otherwise.
    bool is_won() const;
};

// Of those types that there are kernels for. The CPU back end must be loaded, and cpu_products() available.
std::vector<product_trial> try_products(const std::vector<ggml_type> & types);

}  // namespace overfill
