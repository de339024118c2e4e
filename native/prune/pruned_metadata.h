// The metadata of a rewritten model: the parent's, with the sizes and what follows from them changed, and the
// overfill.* keys that say where it comes from. docs/prune.md lists these keys.
#pragma once

#include "cut_layout.h"
#include "rewrite.h"

#include <ggml-cpp.h>

#include <vector>

namespace overfill {

// `sliding`: which of the parent's layers have sliding-window attention. `n_params`: of the new model.
gguf_context_ptr pruned_metadata(const parent_model & parent, const cut_layout & layout, const kept_parts & kept,
                                 const kept_counts & counts, const rewrite_options & options,
                                 const std::vector<bool> & sliding, uint64_t n_params);

}  // namespace overfill
