// Writes a tiny llama whose feed-forward networks are experts, four of which two are used: tensors of three dimensions.
#pragma once

#include "tiny_model.h"

#include <ggml-cpp.h>
#include <ggml.h>
#include <gguf.h>

#include <random>
#include <string>

namespace overfill::test {

inline void write_tiny_experts(const tiny_model & shape, const std::string & path) {
    constexpr int64_t n_experts = 4;
    const model_path dense(shape);
    ggml_context * tensors = nullptr;
    const gguf_context_ptr from(gguf_init_from_file(dense.str().c_str(), { /*no_alloc*/ false, &tensors }));
    const ggml_context_ptr owner(tensors);
    const ggml_context_ptr added(ggml_init({ (size_t) 64 << 20, nullptr, false }));
    const gguf_context_ptr out(gguf_init_empty());
    gguf_set_kv(out.get(), from.get());
    gguf_set_val_u32(out.get(), "llama.expert_count", n_experts);
    gguf_set_val_u32(out.get(), "llama.expert_used_count", 2);
    for (int64_t i = 0; i < gguf_get_n_tensors(from.get()); i++) {
        const std::string name = gguf_get_tensor_name(from.get(), i);
        const bool is_norm = name.find("ffn_norm") != std::string::npos;
        if (is_norm || name.find("ffn_") == std::string::npos)
            gguf_add_tensor(out.get(), ggml_get_tensor(tensors, name.c_str()));
    }
    std::mt19937 random(9);
    const auto add = [&](const std::string & name, int64_t n_in, int64_t n_out, int64_t n) {
        ggml_tensor * tensor = ggml_new_tensor_3d(added.get(), GGML_TYPE_F32, n_in, n_out, n);
        ggml_set_name(tensor, name.c_str());
        std::normal_distribution<float> normal(0, 0.06f);
        for (int64_t i = 0; i < ggml_nelements(tensor); i++) static_cast<float *>(tensor->data)[i] = normal(random);
        gguf_add_tensor(out.get(), tensor);
    };
    for (uint32_t layer = 0; layer < shape.n_layer; layer++) {
        const std::string block = "blk." + std::to_string(layer) + ".ffn_";
        add(block + "gate_inp.weight", shape.n_embd, n_experts, 1);
        add(block + "gate_exps.weight", shape.n_embd, shape.n_ff, n_experts);
        add(block + "up_exps.weight", shape.n_embd, shape.n_ff, n_experts);
        add(block + "down_exps.weight", shape.n_ff, shape.n_embd, n_experts);
    }
    gguf_write_to_file(out.get(), path.c_str(), false);
}

}  // namespace overfill::test
