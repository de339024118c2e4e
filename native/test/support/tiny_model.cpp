#include "tiny_model.h"

#include "model_writing.h"

#include <gguf.h>

#include <filesystem>
#include <memory>

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

}  // namespace

model_path::model_path(const tiny_model & model) {
    path_ = new_model_path();

    const std::unique_ptr<gguf_context, void (*)(gguf_context *)> gguf(gguf_init_empty(), gguf_free);
    add_shape(gguf.get(), model);
    add_vocabulary(gguf.get(), model.n_extra_tokens, model.odd_token);

    tensor_writer write(gguf.get(), model.seed, model.type);
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
