#include "row_model.h"

#include "architecture.h"
#include "models.h"

#include <ggml-cpp.h>
#include <gguf.h>
#include <llama.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <stdexcept>

namespace overfill::test {

namespace {

void add_vocabulary(gguf_context * gguf, uint32_t n_vocab) {
    std::vector<std::string> tokens = { "<unk>", "<s>", "</s>" };
    std::vector<int32_t> types = { 2, 3, 3 };
    for (int byte = 0; byte < 256; byte++) {
        char name[8];
        std::snprintf(name, sizeof name, "<0x%02X>", byte);
        tokens.push_back(name);
        types.push_back(6);
    }
    for (uint32_t i = 0; tokens.size() < n_vocab; i++) {
        tokens.push_back("\xe2\x96\x81w" + std::to_string(i));
        types.push_back(1);
    }
    std::vector<const char *> texts;
    std::vector<float> scores;
    for (const std::string & token : tokens) {
        scores.push_back(-(float) texts.size());
        texts.push_back(token.c_str());
    }
    gguf_set_val_str(gguf, "tokenizer.ggml.model", "llama");
    gguf_set_arr_str(gguf, "tokenizer.ggml.tokens", texts.data(), texts.size());
    gguf_set_arr_data(gguf, "tokenizer.ggml.scores", GGUF_TYPE_FLOAT32, scores.data(), scores.size());
    gguf_set_arr_data(gguf, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, types.data(), types.size());
    gguf_set_val_u32(gguf, "tokenizer.ggml.bos_token_id", 1);
    gguf_set_val_u32(gguf, "tokenizer.ggml.eos_token_id", 2);
}

void add_shape(gguf_context * gguf, const row_model & model) {
    const auto key = [&](const char * name) { return model.architecture + "." + name; };
    const auto number = [&](const char * name, uint32_t value) { gguf_set_val_u32(gguf, key(name).c_str(), value); };
    const auto real = [&](const char * name, float value) { gguf_set_val_f32(gguf, key(name).c_str(), value); };
    gguf_set_val_str(gguf, "general.architecture", model.architecture.c_str());
    gguf_set_val_str(gguf, "general.name", "tiny");
    gguf_set_val_str(gguf, "general.size_label", "7B");
    number("block_count", model.n_layer);
    number("context_length", 4096);
    number("embedding_length", model.n_embd);
    number("feed_forward_length", model.n_ff);
    number("attention.head_count", model.n_head);
    number("attention.head_count_kv", model.n_head_kv);
    if (model.explicit_head_size) {
        number("attention.key_length", model.head_size);
        number("attention.value_length", model.head_size);
    }
    real("attention.layer_norm_rms_epsilon", model.norm_eps);
    real("rope.freq_base", 10000);
    if (model.sliding_window) number("attention.sliding_window", model.sliding_window);
    if (model.architecture == "granite") {
        real("logit_scale", 8);
        real("residual_scale", 0.22f);
        real("embedding_scale", 12);
        real("attention.scale", 0.2f);
    }
    if (model.architecture == "gemma2") {
        real("attn_logit_softcapping", 50);
        real("final_logit_softcapping", 30);
    }
    if (model.architecture == "glm4") number("rope.dimension_count", model.head_size / 2);
}

class row_writer {
  public:
    explicit row_writer(const row_model & model)
        : model_(model), row_(*find_architecture(model.architecture)), random_(model.seed),
          ctx_(ggml_init({ (size_t) 512 << 20, nullptr, false })) {
        const int64_t n_embd = model.n_embd, n_ff = model.n_ff, n_q = model.n_head * model.head_size,
                      n_kv = model.n_head_kv * model.head_size;
        matrix("token_embd.weight", n_embd, model.n_vocab);
        norm("output_norm.weight", n_embd);
        if (!model.tied && !row_.tied_output) matrix("output.weight", n_embd, model.n_vocab);
        if (model.rope_freqs) norm("rope_freqs.weight", model.head_size / 2);
        if (model.long_factors) norm("rope_factors_long.weight", model.head_size / 2);
        if (model.long_factors) norm("rope_factors_short.weight", model.head_size / 2);
        for (uint32_t il = 0; il < model.n_layer; il++) {
            const std::string block = "blk." + std::to_string(il) + ".";
            if (row_.norms != norm_place::after) {
                norm(block + "attn_norm.weight", n_embd);
                norm(block + row_.ffn_norm + ".weight", n_embd);
            }
            if (row_.norms != norm_place::before) {
                norm(block + "post_attention_norm.weight", n_embd);
                norm(block + "post_ffw_norm.weight", n_embd);
            }
            if (row_.qk != qk_norm::none) {
                const bool all = row_.qk == qk_norm::all_heads;
                norm(block + "attn_q_norm.weight", all ? n_q : model.head_size);
                norm(block + "attn_k_norm.weight", all ? n_kv : model.head_size);
            }
            if (model.fused_qkv) {
                matrix(block + "attn_qkv.weight", n_embd, n_q + 2 * n_kv);
                if (model.biases) bias(block + "attn_qkv.bias", n_q + 2 * n_kv);
            } else {
                matrix(block + "attn_q.weight", n_embd, n_q);
                matrix(block + "attn_k.weight", n_embd, n_kv);
                matrix(block + "attn_v.weight", n_embd, n_kv);
                if (model.biases) bias(block + "attn_q.bias", n_q);
                if (model.biases) bias(block + "attn_k.bias", n_kv);
                if (model.biases) bias(block + "attn_v.bias", n_kv);
            }
            matrix(block + "attn_output.weight", n_q, n_embd);
            if (!row_.fused_gate_up) matrix(block + "ffn_gate.weight", n_embd, n_ff);
            matrix(block + "ffn_up.weight", n_embd, row_.fused_gate_up ? 2 * n_ff : n_ff);
            matrix(block + "ffn_down.weight", n_ff, n_embd);
            if (model.biases && model.architecture == "llama") {
                bias(block + "attn_output.bias", n_embd);
                bias(block + "ffn_gate.bias", n_ff);
                bias(block + "ffn_up.bias", n_ff);
                bias(block + "ffn_down.bias", n_embd);
            }
        }
    }

    const std::vector<ggml_tensor *> & tensors() const { return tensors_; }

  private:
    void matrix(const std::string & name, int64_t n_in, int64_t n_out) {
        add(name, model_.type, n_in, n_out, 0, 1.0f / std::sqrt((float) n_in));
    }
    void norm(const std::string & name, int64_t n) { add(name, GGML_TYPE_F32, n, 1, 1, 0.2f); }
    void bias(const std::string & name, int64_t n) { add(name, GGML_TYPE_F32, n, 1, 0, 0.3f); }

    void add(const std::string & name, ggml_type type, int64_t n_in, int64_t n_out, float center, float spread) {
        std::normal_distribution<float> normal(center, spread);
        std::vector<float> values((size_t) (n_in * n_out));
        for (float & value : values) value = normal(random_);
        if (model_.change) model_.change(name, values, n_in, n_out);
        ggml_tensor * tensor =
            n_out == 1 ? ggml_new_tensor_1d(ctx_.get(), type, n_in) : ggml_new_tensor_2d(ctx_.get(), type, n_in, n_out);
        ggml_set_name(tensor, name.c_str());
        if (type == GGML_TYPE_F32)
            std::memcpy(tensor->data, values.data(), values.size() * sizeof(float));
        else
            ggml_quantize_chunk(type, values.data(), tensor->data, 0, n_out, n_in, nullptr);
        tensors_.push_back(tensor);
    }

    const row_model & model_;
    const architecture & row_;
    std::mt19937 random_;
    ggml_context_ptr ctx_;
    std::vector<ggml_tensor *> tensors_;
};

}  // namespace

void write_row_model(const row_model & model, const std::string & path) {
    const gguf_context_ptr gguf(gguf_init_empty());
    add_shape(gguf.get(), model);
    add_vocabulary(gguf.get(), model.n_vocab);
    const row_writer weights(model);
    for (const ggml_tensor * tensor : weights.tensors()) gguf_add_tensor(gguf.get(), tensor);
    gguf_write_to_file(gguf.get(), path.c_str(), false);
}

std::vector<std::string> write_split_row_model(const row_model & model, const std::string & prefix,
                                               size_t tensors_per_part) {
    const row_writer weights(model);
    const size_t n = weights.tensors().size(), n_parts = (n + tensors_per_part - 1) / tensors_per_part;
    std::vector<std::string> paths;
    std::vector<char> buffer(prefix.size() + 32);
    for (size_t part = 0; part < n_parts; part++) {
        const gguf_context_ptr gguf(gguf_init_empty());
        if (part == 0) {
            add_shape(gguf.get(), model);
            add_vocabulary(gguf.get(), model.n_vocab);
        }
        gguf_set_val_u16(gguf.get(), "split.no", (uint16_t) part);
        gguf_set_val_u16(gguf.get(), "split.count", (uint16_t) n_parts);
        gguf_set_val_i32(gguf.get(), "split.tensors.count", (int32_t) n);
        for (size_t i = part * tensors_per_part; i < std::min(n, (part + 1) * tensors_per_part); i++)
            gguf_add_tensor(gguf.get(), weights.tensors()[i]);
        llama_split_path(buffer.data(), buffer.size(), prefix.c_str(), (int) part, (int) n_parts);
        paths.push_back(buffer.data());
        gguf_write_to_file(gguf.get(), paths.back().c_str(), false);
    }
    return paths;
}

std::vector<float> logits_of(const std::string & path, const std::vector<int32_t> & tokens) {
    const model_ptr model = load_model({ path, 0 }, load_depth::weights, [](float) { return true; });
    llama_context_params params = llama_context_default_params();
    params.n_ctx = 64;
    params.n_batch = params.n_ubatch = 64;
    params.type_k = params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.n_threads = params.n_threads_batch = 1;
    const context_ptr ctx(llama_init_from_model(model.get(), params));
    llama_batch batch = llama_batch_init((int32_t) tokens.size(), 0, 1);
    for (size_t i = 0; i < tokens.size(); i++) {
        batch.token[i] = tokens[i];
        batch.pos[i] = (llama_pos) i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = 1;
    }
    batch.n_tokens = (int32_t) tokens.size();
    const int status = ctx ? llama_decode(ctx.get(), batch) : -1;
    llama_batch_free(batch);
    if (status != 0) throw std::runtime_error("llama_decode failed for " + path);
    const size_t n = tokens.size() * (size_t) llama_vocab_n_tokens(llama_model_get_vocab(model.get()));
    const float * logits = llama_get_logits(ctx.get());
    return { logits, logits + n };
}

double relative_difference(const std::vector<float> & actual, const std::vector<float> & expected) {
    if (actual.size() != expected.size()) return INFINITY;
    double largest = 0, difference = 0;
    for (size_t i = 0; i < actual.size(); i++) {
        if (!std::isfinite(actual[i])) return INFINITY;
        largest = std::max(largest, (double) std::fabs(expected[i]));
        difference = std::max(difference, (double) std::fabs(actual[i] - expected[i]));
    }
    return difference / largest;
}

}  // namespace overfill::test
