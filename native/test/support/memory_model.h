// Writes tiny random models that keep something else than K and V of every layer.
#pragma once

#include <ggml.h>

#include <cstdint>
#include <string>
#include <vector>

namespace overfill::test {

struct memory_model {
    enum class kind {
        recurrent,  // Mamba
        hybrid,     // LFM2: layers with a short convolution, and layers with attention
        latent,     // DeepSeek 2: MLA
        reusing,    // Gemma 4: the last layers use earlier ones' K and V
    };
    kind keeps = kind::recurrent;
    uint32_t seed = 1;
    ggml_type type = GGML_TYPE_F32;
    uint32_t n_layer = 4;
    uint32_t n_embd = 64;
    uint32_t n_head_kv = 2;
    uint32_t state_size = 16;    // recurrent: values of a channel's state
    uint32_t convolution = 4;    // recurrent, hybrid: tokens that a convolution sees
    uint32_t latent_width = 32;  // latent
    uint32_t n_reusing = 2;      // reusing: the last layers
    float rope_base = 10000.0f;
    // Hybrid: the layers with attention; reusing: those without a window. Empty: every other one, of a hybrid the
    // first.
    std::vector<uint32_t> every_other;
};

// A file that is removed with this object.
class memory_model_path {
  public:
    explicit memory_model_path(const memory_model & model);
    ~memory_model_path();
    memory_model_path(const memory_model_path &) = delete;
    memory_model_path & operator=(const memory_model_path &) = delete;

    const std::string & str() const { return path_; }

  private:
    std::string path_;
};

}  // namespace overfill::test
