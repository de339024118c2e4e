// The tensors of a GGUF model by name, over all parts of a split file. Their data is read from the disk when it is
// asked for; nothing is kept.
#pragma once

#include "gguf_metadata.h"

#include <ggml.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace overfill {

class file_reader;

struct stored_tensor {
    std::string name;
    ggml_type type;
    int64_t ne[4];
    size_t part;      // which file
    uint64_t offset;  // of its data in that file
    uint64_t n_bytes;
};

class stored_tensors {
  public:
    // `first`: the metadata of the file at `path`, of which check_model_file has seen to the rest. Throws
    // ERR_MODEL_INVALID for a tensor that is there twice or extends past its file's end, and the codes of
    // check_input_file for a part.
    stored_tensors(const std::string & path, const gguf_metadata & first);
    ~stored_tensors();

    const std::vector<std::string> & paths() const { return paths_; }  // of all parts
    const std::vector<stored_tensor> & all() const { return tensors_; }
    const stored_tensor * find(const std::string & name) const;
    uint64_t n_params() const { return n_params_; }
    uint64_t n_bytes() const { return n_bytes_; }

    // Reads `n` bytes of a tensor's data from `offset` on. Thread-safe. Throws ERR_FILE_READ_FAILED.
    void read(const stored_tensor & tensor, uint64_t offset, void * data, size_t n) const;

  private:
    void add_part(const gguf_metadata & meta, size_t part, uint64_t n_file);

    std::vector<std::string> paths_;
    std::vector<stored_tensor> tensors_;
    std::unordered_map<std::string, size_t> by_name_;
    std::vector<std::unique_ptr<file_reader>> readers_;
    uint64_t n_bytes_ = 0, n_params_ = 0;
};

}  // namespace overfill
