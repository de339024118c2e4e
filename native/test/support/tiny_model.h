// Writes tiny random llama-architecture models, so that every native test makes its own.
#pragma once

#include <ggml.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace overfill::test {

// f32, or what the variable OVERFILL_TEST_WEIGHTS of the environment names, for models whose rows it fits: so a program
// runs on quantised weights.
ggml_type usual_weight_type();

struct tiny_model {
    uint32_t seed = 1;
    uint32_t n_layer = 2;
    uint32_t n_embd = 64;
    uint32_t n_ff = 96;
    uint32_t n_head = 4;
    uint32_t n_head_kv = 2;
    uint32_t head_size = 64;  // 64 is where quantised caches turn the Hadamard rotation on
    uint32_t n_ctx_train = 4096;
    float rope_base = 10000.0f;
    float rope_factor = 0.0f;  // linear scaling if not 0
    bool rope_freqs = false;
    ggml_type type = usual_weight_type();
    std::string odd_token;  // replaces the text of token 300
    uint32_t n_extra_tokens = 100;
};

// A file that is removed with this object.
class model_path {
  public:
    explicit model_path(const tiny_model & model);
    ~model_path();
    model_path(const model_path &) = delete;
    model_path & operator=(const model_path &) = delete;

    const std::string & str() const { return path_; }

  private:
    std::string path_;
};

}  // namespace overfill::test
