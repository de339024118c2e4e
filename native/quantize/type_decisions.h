// What llama.cpp would make of each tensor: the log of a dry run of llama_model_quantize, read. There is no other way
// to learn it of all models: the functions that it exports know neither experts nor whether there is an importance
// matrix, by which it chooses.
#pragma once

#include <ggml.h>
#include <llama.h>

#include <optional>
#include <string>
#include <vector>

namespace overfill {

struct type_decision {
    std::string name;
    ggml_type type;
    std::optional<ggml_type> wished;  // where the shape does not allow it
};

// The type of that name, in any case; COUNT if there is none.
ggml_type find_tensor_type(const std::string & name);

// A line of the log, such as "[   1/  21] output.weight - [ 256, 320, 1, 1], type = f32, size = 0.31 MiB -> 0.06 MiB
// (q6_K)", or the same without what comes behind the first size for a tensor that stays as it is.
std::optional<type_decision> read_decision(const std::string & line);
// "warning: blk.0.attn_q.weight - ncols 64 not divisible by 256 (required for type q4_K) -> falling back to q5_0", as
// the tensor's name and the type required.
std::optional<type_decision> read_fallback(const std::string & line);

// In the order in which llama.cpp writes the tensors. Throws ERR_MODEL_UNSUPPORTED with llama.cpp's reason. What it
// would abort the process for must have been looked for.
std::vector<type_decision> decide_types(const std::string & path, llama_model_quantize_params params);

}  // namespace overfill
