// Where a pair's translator comes from: a file or a layer map that the caller names, or what the decode model's own
// metadata says ("overfill.translator", a file beside it; "overfill.layer_map", a list of layers).
#pragma once

#include "model_traits.h"
#include "translator.h"
#include "translator_file.h"

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

// What the caller names: at most one of these.
struct translator_choice {
    std::string path;
    std::vector<int32_t> layers;
    std::string layer_rule;  // a name that named_layer_map knows
};

// The file that a decode model's metadata names; empty: none. Throws ERR_MODEL_INVALID, also where the name is not a
// plain one but leads to another folder.
std::string translator_named_by(const std::string & decode_path);

// An empty translator if there is nothing to be found; `info` tells of a file, where it comes from one. Throws
// ERR_TRANSLATOR_INVALID, ERR_TRANSLATOR_MISMATCH if the file is not for this pair, ERR_INVALID_ARGUMENT for a layer
// map that does not fit, ERR_MODEL_INVALID for metadata that name what cannot be.
translator find_translator(const translator_choice & choice, const std::string & prefill_path,
                           const model_traits & prefill, const std::string & decode_path, const model_traits & decode,
                           translator_file_info * info = nullptr);

}  // namespace overfill
