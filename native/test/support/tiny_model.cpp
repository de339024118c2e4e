#include "tiny_model.h"

#include "model_writing.h"

#include <gguf.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>

namespace overfill::test {

namespace {

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

// As asked for, or f32 in place of a usual type that the rows do not fit.
ggml_type type_of(const tiny_model & model) {
    const int64_t block = ggml_blck_size(model.type);
    const bool fits =
        model.n_embd % block == 0 && model.n_ff % block == 0 && model.n_head * model.head_size % block == 0;
    return fits || model.type != usual_weight_type() ? model.type : GGML_TYPE_F32;
}

}  // namespace

ggml_type usual_weight_type() {
    static const ggml_type type = [] {
        const char * wish = std::getenv("OVERFILL_TEST_WEIGHTS");
        if (!wish) return GGML_TYPE_F32;
        for (const ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0 })
            if (ggml_type_name(type) == std::string(wish)) return type;
        throw std::runtime_error(std::string("OVERFILL_TEST_WEIGHTS: no tiny model is of ") + wish);
    }();
    return type;
}

model_path::model_path(const tiny_model & model) {
    path_ = new_model_path();

    const std::unique_ptr<gguf_context, void (*)(gguf_context *)> gguf(gguf_init_empty(), gguf_free);
    add_shape(gguf.get(), model);
    add_vocabulary(gguf.get(), model.n_extra_tokens, model.odd_token);

    tensor_writer write(gguf.get(), model.seed, type_of(model));
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
