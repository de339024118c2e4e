// Matrix products as training needs them: either operand may be read along its rows or across them, so that the
// products of the backward pass need no transposed copies.
//
//   result[i, j] = sum over k of a[i, k] * b[j, k]        [m, n, planes...]
//
// An operand lies as [k, m] (shared_first, as ggml_mul_mat has it) or as [m, k] (shared_last). ggml's own choices for
// the latter are GGML_OP_OUT_PROD or a copy, both slow on the CPU; there a kernel of ours computes all four cases.
// The first operand may be a weight of any type that ggml reads: its rows are made into values a few at a time, and the
// result is that of a weight of those values.
// Every value is summed in an order that depends on k alone: the result is the same bits for any number of threads.
#pragma once

#include "product_kernel.h"

#include <ggml.h>

namespace overfill {

enum class operand_order { shared_first, shared_last };

struct operand {
    ggml_tensor * tensor;  // values of a row next to each other
    operand_order order = operand_order::shared_first;
};

// An operand's plane, of f32.
matrix plane_of(const ggml_tensor * x, operand_order order, int64_t plane);

// A node of a CPU graph; the planes (third and fourth dimensions) are equal in number.
ggml_tensor * product_on_cpu(ggml_context * ctx, const operand & a, const operand & b);

}  // namespace overfill
