// What the writers of tiny models have in common: a vocabulary, and tensors of random values.
#pragma once

#include <ggml-cpp.h>
#include <ggml.h>
#include <gguf.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace overfill::test {

// Of a file that is not there, in the folder for temporary ones.
std::string new_model_path();

// A byte-level SPM vocabulary: three special tokens, 256 bytes, and some words. `odd_token`, if not empty, replaces the
// text of token 300.
void add_vocabulary(gguf_context * gguf, uint32_t n_extra_tokens, const std::string & odd_token);

class tensor_writer {
  public:
    // `type`: of the matrices.
    tensor_writer(gguf_context * gguf, uint32_t seed, ggml_type type);

    // [n_in, n_out], weights drawn with 1 / sqrt(n_in); the first rows may be zero
    void matrix(const std::string & name, uint32_t n_in, uint32_t n_out, uint32_t n_zero_rows = 0);
    // [n]
    void vector(const std::string & name, uint32_t n, float center, float spread);
    // [n_in, n_out, n], in f32 whatever the type of the others
    void filter(const std::string & name, uint32_t n_in, uint32_t n_out, uint32_t n = 1);
    // [n_in, n_out], in f32 and below 0: the rates at which a state fades. With others it grows until it overflows.
    void decay(const std::string & name, uint32_t n_in, uint32_t n_out);

  private:
    void add(const std::string & name, ggml_type type, uint32_t n_in, uint32_t n_out, uint32_t n,
             const std::vector<float> & values);

    gguf_context * gguf_;
    ggml_type type_;
    std::mt19937 random_;
    ggml_context_ptr ctx_;
};

}  // namespace overfill::test
