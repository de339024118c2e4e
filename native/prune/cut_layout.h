// What a rewritten model consists of: for every tensor, which of the parent's rows and columns it takes, times what.
#pragma once

#include "kept.h"
#include "parent_model.h"
#include "rewrite.h"
#include "tensor_axes.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace overfill {

// Along one axis: the parent's index for each of ours, -1 for a zero.
struct axis_cut {
    bool whole = true;          // the axis as it is
    std::vector<int32_t> from;  // if not
    int64_t n = 0;              // our length
};
using axis_cut_ptr = std::shared_ptr<const axis_cut>;

struct tensor_cut {
    std::string name;
    const stored_tensor * source = nullptr;
    tensor_axes axes;            // of the source
    axis_cut_ptr columns, rows;  // ne[0] and ne[1]
    double scale = 1;
    int64_t n_scaled_rows = -1;        // the scale is for so many first rows only; of a vector: columns; -1: all
    ggml_type type = GGML_TYPE_COUNT;  // to be written
    int64_t ne[2] = {};

    // Rows are copied byte by byte as long as the type is the parent's.
    bool rows_as_they_are() const { return columns->whole && scale == 1; }
    uint64_t n_bytes() const { return (uint64_t) ggml_row_size(type, ne[0]) * (uint64_t) ne[1]; }
};

struct cut_layout {
    const architecture * target = nullptr;
    std::vector<tensor_cut> tensors;
    int file_type = 0;
    double norm_scale = 1;  // of the norms over the hidden axis
    double eps_scale = 1;
};

// The architecture that a model of these sizes is written as. Throws ERR_PRUNE_UNSUPPORTED.
const architecture & target_architecture(const parent_model & parent, const kept_counts & counts);

// Without the tensors' types. Throws ERR_PRUNE_UNSUPPORTED; ERR_INVALID_ARGUMENT (parameter "kept") for parts that do
// not fit the parent or each other.
cut_layout lay_out(const parent_model & parent, const kept_parts & kept, const kept_counts & counts, bool compensate);

// The first of everything: parts of these sizes, for a plan that knows no more than them.
kept_parts first_parts(const model_shape & shape, const kept_counts & counts);

}  // namespace overfill
