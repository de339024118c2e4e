// A trained model as a GGUF file: the student's own file with its trained weights in place of the old ones.
#pragma once

#include "atomic_file.h"
#include "parameters.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace overfill {

// `type`: f32, f16, bf16 or q8_0 for the matrices, or same (each tensor's own in `from`); vectors stay f32. Tensors
// that were not trained keep their bytes if they keep their type. `notes`: metadata to add, as strings under complete
// keys; an empty text takes the key away. The file is written atomically. Returns its size. Throws ERR_INVALID_ARGUMENT
// (parameter options.type) for a type that the rows or values cannot have, ERR_MODEL_UNSUPPORTED for a split file,
// error_code::aborted, ERR_FILE_READ_FAILED, ERR_FILE_WRITE_FAILED.
uint64_t export_model(const std::string & from, const parameter_set & parameters, const std::string & type,
                      const std::vector<std::pair<std::string, std::string>> & notes, const std::string & out_path,
                      const std::atomic<bool> & stop);

// The same, but for the commit.
std::unique_ptr<atomic_file> prepare_export(const std::string & from, const parameter_set & parameters,
                                            const std::string & type,
                                            const std::vector<std::pair<std::string, std::string>> & notes,
                                            const std::string & out_path, const std::atomic<bool> & stop);

// Throws what export_model would throw for this file and type, before a training is spent on them.
void check_export(const std::string & from, const parameter_set & parameters, const std::string & type);

}  // namespace overfill
