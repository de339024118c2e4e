// ggml's own conversions of rows, the vector ones of the loaded CPU back end where it gives them.
#pragma once

#include <ggml.h>

#include <cstdint>

namespace overfill {

struct row_conversion {
    // n values, a multiple of the type's block size
    void (*to_float)(const void * from, float * to, int64_t n);
    void (*from_float)(const float * from, void * to, int64_t n);
};

// For the types that a KV cache may have.
row_conversion conversion_of(ggml_type type);

}  // namespace overfill
