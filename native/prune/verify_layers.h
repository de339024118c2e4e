// Checks that a rewritten model is to llama.cpp what its parent was: a rule of llama.cpp that goes by a layer's number
// or a width could else change a layer in silence.
#pragma once

#include "kept.h"
#include "model_traits.h"

#include <string>

namespace overfill {

// What stands in the way: the first layer that differs from the parent's, or the first size that is not as asked. Empty
// if there is nothing.
std::string layer_difference(const model_traits & parent, const model_traits & pruned, const kept_parts & kept,
                             const kept_counts & counts);

}  // namespace overfill
