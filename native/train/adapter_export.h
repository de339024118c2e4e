// Trained low-rank factors as an adapter: a GGUF file that llama.cpp applies to the model that they were trained
// beside, of whatever type its weights are (adapter_file.h reads it).
//
//   general.type = adapter, adapter.type = lora, general.architecture     the model's
//   adapter.lora.alpha                                                    f32: a product counts alpha / rank
//   NAME.lora_a [n_in, rank], NAME.lora_b [rank, n_out]                   for each weight NAME that has them
#pragma once

#include "atomic_file.h"
#include "parameters.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace overfill {

// `type`: f32, f16, bf16 or q8_0, or same (f32). `notes` as for export_model. The file is not committed. Throws
// ERR_INVALID_ARGUMENT (parameter options.type) for a type that the rows or values cannot have, ERR_FILE_WRITE_FAILED.
std::unique_ptr<atomic_file> prepare_adapter(const parameter_set & parameters, const std::string & architecture,
                                             const std::string & type,
                                             const std::vector<std::pair<std::string, std::string>> & notes,
                                             const std::string & out_path);

// Throws what prepare_adapter would throw for this type's rows, before a training is spent on them.
void check_adapter_type(const parameter_set & parameters, const std::string & type);

}  // namespace overfill
