// The type in which each tensor is written.
#pragma once

#include "cut_layout.h"

#include <string>

namespace overfill {

// Fills in the tensors' types and the file type. Throws ERR_INVALID_ARGUMENT (parameter options.quantize) for a type
// that is unknown, that needs an importance matrix, or that cannot hold rows of these sizes.
void choose_output_types(cut_layout & layout, const parent_model & parent, const kept_counts & counts,
                         const std::string & type);

}  // namespace overfill
