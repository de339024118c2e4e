#include "tiny_model.h"

#include <ggml-cpp.h>
#include <gguf.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>

namespace overfill::test {

namespace {

// A byte-level SPM vocabulary: three special tokens, 256 bytes, and some words.
void add_vocabulary(gguf_context * gguf, const tiny_model & model) {
    std::vector<std::string> tokens = { "<unk>", "<s>", "</s>" };
    std::vector<int32_t> types = { 2, 3, 3 };
    for (int byte = 0; byte < 256; byte++) {
        char name[8];
        std::snprintf(name, sizeof name, "<0x%02X>", byte);
        tokens.push_back(name);
        types.push_back(6);
    }
    for (uint32_t i = 0; i < model.n_extra_tokens; i++) {
        tokens.push_back("\xe2\x96\x81w" + std::to_string(i));
        types.push_back(1);
    }
    if (!model.odd_token.empty()) tokens.at(300) = model.odd_token;
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

void add_shape(gguf_context * gguf, const tiny_model & model) {
    gguf_set_val_str(gguf, "general.architecture", "llama");
    gguf_set_val_u32(gguf, "llama.block_count", model.n_layer);
    gguf_set_val_u32(gguf, "llama.context_length", model.n_ctx_train);
    gguf_set_val_u32(gguf, "llama.embedding_length", model.n_embd);
    gguf_set_val_u32(gguf, "llama.feed_forward_length", model.n_ff);
    gguf_set_val_u32(gguf, "llama.attention.head_count", model.n_head);
    gguf_set_val_u32(gguf, "llama.attention.head_count_kv", model.n_head_kv);
    gguf_set_val_u32(gguf, "llama.attention.key_length", model.head_size);
    gguf_set_val_u32(gguf, "llama.attention.value_length", model.head_size);
    gguf_set_val_u32(gguf, "llama.rope.dimension_count", model.head_size);
    gguf_set_val_f32(gguf, "llama.rope.freq_base", model.rope_base);
    gguf_set_val_f32(gguf, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    if (model.rope_factor != 0.0f) {
        gguf_set_val_str(gguf, "llama.rope.scaling.type", "linear");
        gguf_set_val_f32(gguf, "llama.rope.scaling.factor", model.rope_factor);
    }
}

class tensor_writer {
  public:
    tensor_writer(gguf_context * gguf, const tiny_model & model)
        : gguf_(gguf), model_(model), random_(model.seed),
          ctx_(ggml_init({ (size_t) 64 * 1024 * 1024, nullptr, false })) {}

    // [n_in, n_out], weights drawn with 1 / sqrt(n_in); the first rows may be zero
    void matrix(const std::string & name, uint32_t n_in, uint32_t n_out, uint32_t n_zero_rows = 0) {
        std::normal_distribution<float> normal(0.0f, 1.0f / std::sqrt((float) n_in));
        std::vector<float> values((size_t) n_in * n_out);
        for (float & value : values) value = normal(random_);
        std::fill(values.begin(), values.begin() + (long) n_zero_rows * n_in, 0.0f);
        add(name, model_.type, n_in, n_out, values);
    }

    void vector(const std::string & name, uint32_t n, float center, float spread) {
        std::normal_distribution<float> normal(center, spread);
        std::vector<float> values(n);
        for (float & value : values) value = normal(random_);
        add(name, GGML_TYPE_F32, n, 1, values);
    }

  private:
    void add(const std::string & name, ggml_type type, uint32_t n_in, uint32_t n_out,
             const std::vector<float> & values) {
        ggml_tensor * tensor =
            n_out == 1 ? ggml_new_tensor_1d(ctx_.get(), type, n_in) : ggml_new_tensor_2d(ctx_.get(), type, n_in, n_out);
        ggml_set_name(tensor, name.c_str());
        if (type == GGML_TYPE_F32) {
            std::memcpy(tensor->data, values.data(), values.size() * sizeof(float));
        } else {
            const std::vector<float> alike(n_in, 1.0f);
            ggml_quantize_chunk(type, values.data(), tensor->data, 0, n_out, n_in,
                                ggml_quantize_requires_imatrix(type) ? alike.data() : nullptr);
        }
        gguf_add_tensor(gguf_, tensor);
    }

    gguf_context * gguf_;
    const tiny_model & model_;
    std::mt19937 random_;
    ggml_context_ptr ctx_;
};

}  // namespace

model_path::model_path(const tiny_model & model) {
    std::random_device device;
    path_ = (std::filesystem::temp_directory_path() / ("overfill-test-" + std::to_string(device()) + ".gguf")).string();

    const std::unique_ptr<gguf_context, void (*)(gguf_context *)> gguf(gguf_init_empty(), gguf_free);
    add_shape(gguf.get(), model);
    add_vocabulary(gguf.get(), model);

    tensor_writer write(gguf.get(), model);
    const uint32_t n_vocab = 259 + model.n_extra_tokens, n_q = model.n_head * model.head_size,
                   n_kv = model.n_head_kv * model.head_size;
    write.matrix("token_embd.weight", model.n_embd, n_vocab);
    write.vector("output_norm.weight", model.n_embd, 1.0f, 0.1f);
    // Logits of zero for the special tokens: random weights shall not end an answer.
    write.matrix("output.weight", model.n_embd, n_vocab, 3);
    if (model.rope_freqs) write.vector("rope_freqs.weight", model.head_size / 2, 2.0f, 0.2f);
    for (uint32_t il = 0; il < model.n_layer; il++) {
        const std::string block = "blk." + std::to_string(il) + ".";
        write.vector(block + "attn_norm.weight", model.n_embd, 1.0f, 0.1f);
        write.matrix(block + "attn_q.weight", model.n_embd, n_q);
        write.matrix(block + "attn_k.weight", model.n_embd, n_kv);
        write.matrix(block + "attn_v.weight", model.n_embd, n_kv);
        write.matrix(block + "attn_output.weight", n_q, model.n_embd);
        write.vector(block + "ffn_norm.weight", model.n_embd, 1.0f, 0.1f);
        write.matrix(block + "ffn_gate.weight", model.n_embd, model.n_ff);
        write.matrix(block + "ffn_up.weight", model.n_embd, model.n_ff);
        write.matrix(block + "ffn_down.weight", model.n_ff, model.n_embd);
    }
    gguf_write_to_file(gguf.get(), path_.c_str(), false);
}

model_path::~model_path() {
    std::error_code error;
    std::filesystem::remove(path_, error);
}

}  // namespace overfill::test
