// A GGUF model as the pruner sees it: its shape, its metadata, and its tensors by name, over all parts of a split file.
// Tensor data is read from the disk row by row; nothing is kept.
#pragma once

#include "architecture.h"
#include "gguf_metadata.h"
#include "stored_tensors.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace overfill {

struct model_shape {
    uint32_t n_embd = 0, n_ff = 0, n_head = 0, n_head_kv = 0, n_layer = 0, n_vocab = 0;
    uint32_t head_size_k = 0, head_size_v = 0;
    float norm_eps = 0;
};

class parent_model {
  public:
    // Throws the codes of check_model_file; ERR_PRUNE_UNSUPPORTED for an architecture without a row, a mixture of
    // experts, layers of different widths or head counts, or a tensor whose axes are not known; each names what it is.
    explicit parent_model(const std::string & path);
    ~parent_model();

    const std::string & path() const;
    const std::vector<std::string> & paths() const;  // of all parts
    const overfill::architecture & arch() const;
    const model_shape & shape() const;
    const gguf_metadata & metadata() const;  // of the first part
    const std::vector<stored_tensor> & tensors() const;
    const stored_tensor * find(const std::string & name) const;
    uint64_t n_params() const;
    uint64_t n_bytes() const;  // of all tensors
    bool is_pruned() const;    // made by overfill: has overfill.prune keys

    // Reads `n` bytes of a tensor's data from `offset` on. Thread-safe. Throws ERR_FILE_READ_FAILED.
    void read(const stored_tensor & tensor, uint64_t offset, void * data, size_t n) const;

  private:
    struct files;
    std::unique_ptr<files> files_;
};

}  // namespace overfill
