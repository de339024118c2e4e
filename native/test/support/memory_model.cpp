#include "memory_model.h"

#include "model_writing.h"

#include <gguf.h>

#include <algorithm>
#include <filesystem>
#include <memory>

namespace overfill::test {

namespace {

constexpr uint32_t n_ff = 96, n_head = 4, head_size = 16, n_extra_tokens = 100;
// Of Mamba's steps, and of DeepSeek's queries.
constexpr uint32_t rank = 8;
// Of latent attention: the rotated part of K, and the heads that K and V are unfolded to.
constexpr uint32_t n_rot = 8, mla_head_size = 24;

class writing {
  public:
    writing(gguf_context * gguf, const memory_model & model)
        : gguf_(gguf), model_(model), write_(gguf, model.seed, model.type) {}

    void run() {
        static const char * names[] = { "mamba", "lfm2", "deepseek2", "gemma4" };
        architecture_ = names[(size_t) model_.keeps];
        gguf_set_val_str(gguf_, "general.architecture", architecture_.c_str());
        number("block_count", model_.n_layer);
        number("context_length", 4096);
        number("embedding_length", model_.n_embd);
        number("feed_forward_length", n_ff);
        real("attention.layer_norm_rms_epsilon", 1e-5f);
        add_vocabulary(gguf_, n_extra_tokens, "");
        write_.matrix("token_embd.weight", model_.n_embd, 259 + n_extra_tokens);
        norm(model_.keeps == memory_model::kind::hybrid ? "token_embd_norm.weight" : "output_norm.weight");
        switch (model_.keeps) {
        case memory_model::kind::recurrent: return add_recurrent();
        case memory_model::kind::hybrid: return add_hybrid();
        case memory_model::kind::latent: return add_latent();
        case memory_model::kind::reusing: return add_reusing();
        }
    }

  private:
    std::string key(const char * name) const { return architecture_ + "." + name; }
    void number(const char * name, uint32_t value) { gguf_set_val_u32(gguf_, key(name).c_str(), value); }
    void real(const char * name, float value) { gguf_set_val_f32(gguf_, key(name).c_str(), value); }
    void numbers(const char * name, const std::vector<uint32_t> & values) {
        gguf_set_arr_data(gguf_, key(name).c_str(), GGUF_TYPE_UINT32, values.data(), values.size());
    }

    bool is_other(uint32_t il) const {
        const auto & others = model_.every_other;
        if (others.empty()) return il % 2 == (model_.keeps == memory_model::kind::hybrid ? 0 : 1);
        return std::find(others.begin(), others.end(), il) != others.end();
    }

    // Tensors of layer `il_`.
    std::string block(const char * name) const { return "blk." + std::to_string(il_) + "." + name; }
    void norm(const std::string & name, uint32_t n = 0) { write_.vector(name, n ? n : model_.n_embd, 1.0f, 0.1f); }
    void matrix(const char * name, uint32_t n_in, uint32_t n_out) { write_.matrix(block(name), n_in, n_out); }

    void add_ffn() {
        norm(block("ffn_norm.weight"));
        matrix("ffn_gate.weight", model_.n_embd, n_ff);
        matrix("ffn_up.weight", model_.n_embd, n_ff);
        matrix("ffn_down.weight", n_ff, model_.n_embd);
    }

    void add_attention(bool with_kv = true) {
        const uint32_t n_kv = model_.n_head_kv * head_size;
        matrix("attn_q.weight", model_.n_embd, n_head * head_size);
        matrix("attn_output.weight", n_head * head_size, model_.n_embd);
        norm(block("attn_q_norm.weight"), head_size);
        if (!with_kv) return;
        matrix("attn_k.weight", model_.n_embd, n_kv);
        matrix("attn_v.weight", model_.n_embd, n_kv);
        norm(block("attn_k_norm.weight"), head_size);
    }

    void add_recurrent() {
        const uint32_t n_inner = 2 * model_.n_embd, n_state = model_.state_size;
        write_.matrix("output.weight", model_.n_embd, 259 + n_extra_tokens, 3);
        number("attention.head_count", 0);
        number("ssm.conv_kernel", model_.convolution);
        number("ssm.inner_size", n_inner);
        number("ssm.state_size", n_state);
        number("ssm.time_step_rank", rank);
        for (il_ = 0; il_ < model_.n_layer; il_++) {
            norm(block("attn_norm.weight"));
            matrix("ssm_in.weight", model_.n_embd, 2 * n_inner);
            write_.filter(block("ssm_conv1d.weight"), model_.convolution, n_inner);
            write_.vector(block("ssm_conv1d.bias"), n_inner, 0.0f, 0.1f);
            matrix("ssm_x.weight", n_inner, rank + 2 * n_state);
            matrix("ssm_dt.weight", rank, n_inner);
            write_.vector(block("ssm_dt.bias"), n_inner, 0.0f, 0.1f);
            write_.decay(block("ssm_a"), n_state, n_inner);
            write_.vector(block("ssm_d"), n_inner, 1.0f, 0.1f);
            matrix("ssm_out.weight", n_inner, model_.n_embd);
        }
    }

    void add_hybrid() {
        std::vector<uint32_t> heads, heads_kv;
        for (uint32_t il = 0; il < model_.n_layer; il++) {
            heads.push_back(is_other(il) ? n_head : 0);
            heads_kv.push_back(is_other(il) ? model_.n_head_kv : 0);
        }
        numbers("attention.head_count", heads);
        numbers("attention.head_count_kv", heads_kv);
        number("attention.key_length", head_size);
        number("attention.value_length", head_size);
        number("rope.dimension_count", head_size);
        real("rope.freq_base", model_.rope_base);
        number("shortconv.l_cache", model_.convolution);
        for (il_ = 0; il_ < model_.n_layer; il_++) {
            norm(block("attn_norm.weight"));
            add_ffn();
            if (is_other(il_)) {
                add_attention();
                continue;
            }
            write_.filter(block("shortconv.conv.weight"), model_.convolution, model_.n_embd);
            matrix("shortconv.in_proj.weight", model_.n_embd, 3 * model_.n_embd);
            matrix("shortconv.out_proj.weight", model_.n_embd, model_.n_embd);
        }
    }

    // K of all heads is one row: the latent values, and a part that is rotated.
    void add_latent() {
        const uint32_t latent = model_.latent_width, n_plain = mla_head_size - n_rot;
        number("attention.head_count", n_head);
        number("attention.head_count_kv", 1);
        number("attention.key_length", latent + n_rot);
        number("attention.value_length", latent);
        number("attention.key_length_mla", mla_head_size);
        number("attention.value_length_mla", mla_head_size);
        number("attention.q_lora_rank", rank);
        number("attention.kv_lora_rank", latent);
        number("rope.dimension_count", n_rot);
        real("rope.freq_base", model_.rope_base);
        number("leading_dense_block_count", model_.n_layer);
        number("expert_feed_forward_length", n_ff);
        number("expert_shared_count", 0);
        for (il_ = 0; il_ < model_.n_layer; il_++) {
            norm(block("attn_norm.weight"));
            norm(block("attn_q_a_norm.weight"), rank);
            norm(block("attn_kv_a_norm.weight"), latent);
            matrix("attn_q_a.weight", model_.n_embd, rank);
            matrix("attn_q_b.weight", rank, n_head * mla_head_size);
            matrix("attn_kv_a_mqa.weight", model_.n_embd, latent + n_rot);
            write_.filter(block("attn_k_b.weight"), n_plain, latent, n_head);
            write_.filter(block("attn_v_b.weight"), latent, mla_head_size, n_head);
            matrix("attn_output.weight", n_head * mla_head_size, model_.n_embd);
            add_ffn();
        }
    }

    void add_reusing() {
        std::unique_ptr<bool[]> slides(new bool[model_.n_layer]);
        for (uint32_t il = 0; il < model_.n_layer; il++) slides[il] = !is_other(il);
        gguf_set_arr_data(gguf_, key("attention.sliding_window_pattern").c_str(), GGUF_TYPE_BOOL, slides.get(),
                          model_.n_layer);
        number("attention.head_count", n_head);
        number("attention.head_count_kv", model_.n_head_kv);
        for (const char * name : { "attention.key_length", "attention.value_length", "attention.key_length_swa",
                                   "attention.value_length_swa", "rope.dimension_count", "rope.dimension_count_swa" })
            number(name, head_size);
        real("rope.freq_base", model_.rope_base);
        number("attention.shared_kv_layers", model_.n_reusing);
        number("attention.sliding_window", 64);
        number("embedding_length_per_layer_input", 0);
        for (il_ = 0; il_ < model_.n_layer; il_++) {
            norm(block("attn_norm.weight"));
            add_attention(il_ + model_.n_reusing < model_.n_layer);
            norm(block("post_attention_norm.weight"));
            if (!has_factors_ && is_other(il_)) write_.vector("rope_freqs.weight", head_size / 2, 1.0f, 0.0f);
            has_factors_ = has_factors_ || is_other(il_);
            add_ffn();
            norm(block("post_ffw_norm.weight"));
        }
    }

    gguf_context * gguf_;
    const memory_model & model_;
    tensor_writer write_;
    std::string architecture_;
    uint32_t il_ = 0;
    bool has_factors_ = false;
};

}  // namespace

memory_model_path::memory_model_path(const memory_model & model) : path_(new_model_path()) {
    const std::unique_ptr<gguf_context, void (*)(gguf_context *)> gguf(gguf_init_empty(), gguf_free);
    writing written(gguf.get(), model);  // holds the tensors until they are in the file
    written.run();
    gguf_write_to_file(gguf.get(), path_.c_str(), false);
}

memory_model_path::~memory_model_path() {
    std::error_code error;
    std::filesystem::remove(path_, error);
}

}  // namespace overfill::test
