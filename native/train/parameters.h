// A model's weights as tensors on a device, under their GGUF names, and sums of gradients of the same shapes. What is
// trained is f32.
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

// Low-rank adaptation (LoRA, arXiv 2106.09685): a matrix W [n_in, n_out] counts as W + factor * B A, with A [n_in,
// rank] drawn and B [rank, n_out] zero at the start. Only the factors are trained.
struct low_rank {
    uint32_t rank = 0;  // 0: none
    float factor = 1;
    parameter_filter targets;  // of the matrices of layers; null: all of them
    uint64_t seed = 1;
};

// A parameter beside those of the model's file: a matrix, or a vector where n_out is 0.
struct added_parameter {
    std::string name;
    int64_t n_in = 0, n_out = 0;
    const std::vector<float> * values = nullptr;  // [n_out][n_in]
    bool trained = true;
};

using parameter_list = std::vector<ggml_tensor *>;

// How matrices that are not trained lie in memory: as f32, to be changed or written, or as the file has them, of which
// products on the CPU make values by the row. Other devices have f32.
enum class frozen_weights { as_f32, as_stored };

class parameter_set {
  public:
    // All tensors of a GGUF file, whatever type they are stored in. Tables of RoPE factors are never trained; of the
    // others those that `trained` says (null: all). Throws ERR_MODEL_INVALID, ERR_FILE_READ_FAILED, ERR_OUT_OF_MEMORY.
    // With low-rank factors, `trained` may keep matrices out of the targets. Throws ERR_INVALID_ARGUMENT
    // (options.lora.targets) if there is no target. What is `added` says itself whether it is trained.
    parameter_set(const std::string & path, const compute_device & device, const parameter_filter & trained = nullptr,
                  const low_rank & lora = {}, const std::vector<added_parameter> & added = {},
                  frozen_weights frozen = frozen_weights::as_f32);

    const std::vector<ggml_tensor *> & all() const { return all_; }      // in the file's order, nothing beside it
    const std::vector<ggml_tensor *> & added() const { return added_; }  // as they were given
    const std::vector<ggml_tensor *> & trained() const { return trained_; }
    // The tensors of the file whose values training changes; with low-rank factors, once these are merged.
    const std::vector<ggml_tensor *> & changed() const { return changed_; }
    ggml_tensor * find(const std::string & name) const;  // null if there is none
    uint64_t n_trained() const;                          // values
    uint64_t n_bytes() const { return ggml_backend_buffer_get_size(buffer_.get()); }

    struct factors {
        ggml_tensor * a = nullptr;
        ggml_tensor * b = nullptr;
        float factor = 0;
    };
    factors factors_of(const ggml_tensor * weight) const;  // null tensors for a matrix without
    // Adds the products to their matrices, and makes B zero again, so that the model computes what it did.
    void merge_factors();

  private:
    void add_factors(const low_rank & lora, const parameter_filter & trained);
    void draw_factors(uint64_t seed);

    ggml_context_ptr ctx_;
    ggml_backend_buffer_ptr buffer_;
    std::vector<ggml_tensor *> all_, added_, trained_, changed_;
    std::unordered_map<std::string, ggml_tensor *> by_name_;
    std::unordered_map<const ggml_tensor *, factors> factors_;
};

// A tensor for each trained parameter: sums of gradients, or an optimiser's moments. Begins as zero.
class parameter_sums {
  public:
    // Throws ERR_OUT_OF_MEMORY.
    parameter_sums(const parameter_list & trained, const compute_device & device);
    parameter_sums(const parameter_set & parameters, const compute_device & device)
        : parameter_sums(parameters.trained(), device) {}

    const parameter_list & all() const { return all_; }     // in the order of those that are trained
    ggml_tensor * of(const ggml_tensor * parameter) const;  // null for one that is not trained

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
