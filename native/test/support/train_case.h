// What the tests of training have in common: tiny models of every architecture, a model with everything around it, and
// a batch of two texts.
#pragma once

#include "tiny_model.h"
#include "training_graph.h"

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace overfill::test {

// A tiny llama made into another architecture, or given tensors that llama may have as well.
struct variant {
    const char * title;
    const char * architecture = "llama";
    bool qkv_biases = false, other_biases = false, head_norms = false, wide_norms = false, post_norms = false;
    bool pre_norms = true, tied = false, fused = false, gate_in_up = false;
    uint32_t sliding_window = 0;
    bool yarn = false, scales = false;
    const char * ffn_norm = "ffn_norm";
    tiny_model base = {};
};

std::vector<variant> all_variants();

// Whether there is a row for the variant's architecture. The table grows: what it does not have yet is not tested.
bool known(const variant & v);

class variant_file {
  public:
    explicit variant_file(const variant & v);
    ~variant_file();
    const std::string & str() const { return path_; }

  private:
    model_path llama_;
    std::string path_;
};

// A model with everything around it.
struct student {
    explicit student(const std::string & path, int32_t n_threads = 1, const parameter_filter & trained = nullptr)
        : device(n_threads), shape(training_shape_of(path, 256)), parameters(path, device, trained),
          gradients(parameters, device), model(shape, parameters, device) {}
    std::unique_ptr<training_graph> graph(const batch_shape & batch, bool train = true, distillation distil = {}) {
        return std::make_unique<training_graph>(shape, model, device, batch, distil, parameters,
                                                train ? &gradients : nullptr);
    }
    compute_device device;
    training_shape shape;
    parameter_set parameters;
    parameter_sums gradients;
    decoder model;
};

// Two sequences of different lengths; the tokens before them are a prefix, if one is asked for.
struct two_texts {
    two_texts(uint32_t n_vocab, bool with_prefix, uint32_t seed = 5);
    std::mt19937 random;
    batch_shape shape;
    train_batch batch;
    std::vector<std::vector<llama_token>> before, rest;
};

// As a cache would have it.
cached_prefix random_prefix(const training_shape & shape, uint32_t n, std::mt19937 & random);

std::vector<float> random_values(size_t n, float spread, std::mt19937 & random);
std::vector<float> values_of(const ggml_tensor * tensor);

}  // namespace overfill::test
