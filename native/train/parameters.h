// A model's weights as f32 tensors on a device, under their GGUF names, and sums of gradients of the same shapes.
#pragma once

#include "compute_device.h"

#include <ggml.h>

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

namespace overfill {

// Whether a tensor of this name is trained.
using parameter_filter = std::function<bool(const std::string & name)>;

class parameter_set {
  public:
    // All tensors of a GGUF file, whatever type they are stored in. Tables of RoPE factors are never trained; of the
    // others those that `trained` says (null: all). Throws ERR_MODEL_INVALID, ERR_FILE_READ_FAILED, ERR_OUT_OF_MEMORY.
    parameter_set(const std::string & path, const compute_device & device, const parameter_filter & trained = nullptr);

    const std::vector<ggml_tensor *> & all() const { return all_; }  // in the file's order
    const std::vector<ggml_tensor *> & trained() const { return trained_; }
    ggml_tensor * find(const std::string & name) const;  // null if there is none
    uint64_t n_trained() const;                          // values

  private:
    ggml_context_ptr ctx_;
    ggml_backend_buffer_ptr buffer_;
    std::vector<ggml_tensor *> all_, trained_;
    std::unordered_map<std::string, ggml_tensor *> by_name_;
};

// A tensor for each trained parameter: sums of gradients, or an optimiser's moments. Begins as zero.
class parameter_sums {
  public:
    // Throws ERR_OUT_OF_MEMORY.
    parameter_sums(const parameter_set & parameters, const compute_device & device);

    const std::vector<ggml_tensor *> & all() const { return all_; }  // as parameter_set::trained()
    ggml_tensor * of(const ggml_tensor * parameter) const;           // null for one that is not trained

    void clear();
    // The Euclidean norm over all values, summed in float64 in a fixed order. Not finite if one of them is not.
    double norm() const;
    void multiply(float factor);

  private:
    ggml_context_ptr ctx_;
    ggml_backend_buffer_ptr buffer_;
    std::vector<ggml_tensor *> all_;
    std::unordered_map<const ggml_tensor *, ggml_tensor *> of_;
};

}  // namespace overfill
