// The arithmetic of matrix_product.h, once for each instruction set that the processor may have.
#pragma once

#include <cstdint>
#include <vector>

namespace overfill {

// One operand's plane: value (row, k) lies at row * row_stride + k * k_stride.
struct matrix {
    const float * data;
    int64_t row_stride, k_stride;
};

// Values of k that are summed before they are added to the result: a product that is cut there is the same, bit for
// bit.
constexpr int64_t product_depth = 256;

// Part of a result's plane: rows [a_begin, a_end) of a against rows [b_begin, b_end) of b.
struct product_part {
    matrix a, b;
    int64_t n_k, a_begin, a_end, b_begin, b_end;
    float * out;
    int64_t out_stride;
    bool adds = false;  // to what the result holds
};

struct product_kernel {
    const char * name;
    void (*run)(const product_part & part);
};

// Those that run here, the fastest first.
const std::vector<product_kernel> & product_kernels();

}  // namespace overfill
