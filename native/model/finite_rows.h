// Whether rows of weights are finite numbers: what ggml_validate_row_data finds out, which writes to standard error
// where they are not.
#pragma once

#include <ggml.h>

#include <cstddef>

namespace overfill {

// `data`: whole rows, n_bytes of them.
bool are_finite_rows(ggml_type type, const void * data, size_t n_bytes);

}  // namespace overfill
