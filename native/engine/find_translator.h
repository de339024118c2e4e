// Where a pair's translator comes from: a file or a layer map that the caller names, or what the decode model's own
// metadata says ("overfill.translator", a file beside it; "overfill.layer_map", a list of layers).
#pragma once

#include "model_traits.h"
#include "options.h"
#include "translator.h"

namespace overfill {

// An empty translator if there is nothing to be found. Throws ERR_TRANSLATOR_INVALID, ERR_TRANSLATOR_MISMATCH if the
// file is not for this pair, ERR_INVALID_ARGUMENT for a layer map that does not fit.
translator find_translator(const pair_options & options, const model_traits & prefill, const model_traits & decode);

}  // namespace overfill
