#include "model_writing.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace overfill::test {

std::string new_model_path() {
    std::random_device device;
    const std::string name = "overfill-test-" + std::to_string(device()) + ".gguf";
    return (std::filesystem::temp_directory_path() / name).string();
}

void add_vocabulary(gguf_context * gguf, uint32_t n_extra_tokens, const std::string & odd_token) {
    std::vector<std::string> tokens = { "<unk>", "<s>", "</s>" };
    std::vector<int32_t> types = { 2, 3, 3 };
    for (int byte = 0; byte < 256; byte++) {
        char name[8];
        std::snprintf(name, sizeof name, "<0x%02X>", byte);
        tokens.push_back(name);
        types.push_back(6);
    }
    for (uint32_t i = 0; i < n_extra_tokens; i++) {
        tokens.push_back("\xe2\x96\x81w" + std::to_string(i));
        types.push_back(1);
    }
    if (!odd_token.empty()) tokens.at(300) = odd_token;
    std::vector<float> scores(tokens.size(), 0.0f);
    std::vector<const char *> texts;
    for (size_t i = 0; i < tokens.size(); i++) {
        texts.push_back(tokens[i].c_str());
        scores[i] = -(float) i;
    }
    gguf_set_val_str(gguf, "tokenizer.ggml.model", "llama");
    gguf_set_arr_str(gguf, "tokenizer.ggml.tokens", texts.data(), texts.size());
    gguf_set_arr_data(gguf, "tokenizer.ggml.scores", GGUF_TYPE_FLOAT32, scores.data(), scores.size());
    gguf_set_arr_data(gguf, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, types.data(), types.size());
    gguf_set_val_u32(gguf, "tokenizer.ggml.bos_token_id", 1);
    gguf_set_val_u32(gguf, "tokenizer.ggml.eos_token_id", 2);
    gguf_set_val_u32(gguf, "tokenizer.ggml.unknown_token_id", 0);
}

tensor_writer::tensor_writer(gguf_context * gguf, uint32_t seed, ggml_type type)
    : gguf_(gguf), type_(type), random_(seed), ctx_(ggml_init({ (size_t) 64 * 1024 * 1024, nullptr, false })) {}

void tensor_writer::matrix(const std::string & name, uint32_t n_in, uint32_t n_out, uint32_t n_zero_rows) {
    std::normal_distribution<float> normal(0.0f, 1.0f / std::sqrt((float) n_in));
    std::vector<float> values((size_t) n_in * n_out);
    for (float & value : values) value = normal(random_);
    std::fill(values.begin(), values.begin() + (long) n_zero_rows * n_in, 0.0f);
    add(name, type_, n_in, n_out, 1, values);
}

void tensor_writer::vector(const std::string & name, uint32_t n, float center, float spread) {
    std::normal_distribution<float> normal(center, spread);
    std::vector<float> values(n);
    for (float & value : values) value = normal(random_);
    add(name, GGML_TYPE_F32, n, 1, 1, values);
}

void tensor_writer::filter(const std::string & name, uint32_t n_in, uint32_t n_out, uint32_t n) {
    std::normal_distribution<float> normal(0.0f, 1.0f / std::sqrt((float) n_in));
    std::vector<float> values((size_t) n_in * n_out * n);
    for (float & value : values) value = normal(random_);
    add(name, GGML_TYPE_F32, n_in, n_out, n, values);
}

void tensor_writer::decay(const std::string & name, uint32_t n_in, uint32_t n_out) {
    std::normal_distribution<float> normal(0.0f, 1.0f / std::sqrt((float) n_in));
    std::vector<float> values((size_t) n_in * n_out);
    for (float & value : values) value = -std::abs(normal(random_));
    add(name, GGML_TYPE_F32, n_in, n_out, 1, values);
}

void tensor_writer::add(const std::string & name, ggml_type type, uint32_t n_in, uint32_t n_out, uint32_t n,
                        const std::vector<float> & values) {
    ggml_tensor * tensor = n > 1       ? ggml_new_tensor_3d(ctx_.get(), type, n_in, n_out, n)
                           : n_out > 1 ? ggml_new_tensor_2d(ctx_.get(), type, n_in, n_out)
                                       : ggml_new_tensor_1d(ctx_.get(), type, n_in);
    ggml_set_name(tensor, name.c_str());
    if (type == GGML_TYPE_F32) {
        std::memcpy(tensor->data, values.data(), values.size() * sizeof(float));
    } else {
        const std::vector<float> alike(n_in, 1.0f);
        ggml_quantize_chunk(type, values.data(), tensor->data, 0, (int64_t) n_out * n, n_in,
                            ggml_quantize_requires_imatrix(type) ? alike.data() : nullptr);
    }
    gguf_add_tensor(gguf_, tensor);
}

}  // namespace overfill::test
