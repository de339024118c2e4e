#include "tiny_adapter.h"

#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>

namespace overfill::test {

namespace {

// A file with all its tensors.
struct whole_file {
    explicit whole_file(const std::string & path) {
        ggml_context * read = nullptr;
        gguf.reset(gguf_init_from_file(path.c_str(), { /*no_alloc*/ false, &read }));
        ctx.reset(read);
        if (!gguf) throw std::runtime_error("cannot read " + path);
    }
    gguf_context_ptr gguf;
    ggml_context_ptr ctx;
};

bool is_target(const std::string & name, const tiny_adapter & adapter) {
    if (adapter.weights.empty()) return name.find("norm") == std::string::npos && name != "token_embd.weight";
    for (const std::string & end : adapter.weights)
        if (name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0) return true;
    return false;
}

void write(const std::string & path, gguf_context * gguf, const std::vector<ggml_tensor *> & tensors) {
    for (const ggml_tensor * tensor : tensors) gguf_add_tensor(gguf, tensor);
    if (!gguf_write_to_file(gguf, path.c_str(), false)) throw std::runtime_error("cannot write " + path);
}

}  // namespace

void write_adapter(const std::string & path, const std::string & model_path, const tiny_adapter & adapter) {
    const whole_file model(model_path);
    const ggml_context_ptr ctx(ggml_init({ (size_t) 32 << 20, nullptr, false }));
    std::mt19937 random(adapter.seed);
    std::vector<ggml_tensor *> tensors;
    const auto add = [&](const std::string & name, int64_t n_in, int64_t n_out, int64_t n_experts) {
        ggml_tensor * tensor = ggml_new_tensor_3d(ctx.get(), adapter.type, n_in, n_out, n_experts);
        std::normal_distribution<float> normal(0.0f, 1.0f / std::sqrt((float) n_in));
        std::vector<float> values((size_t) ggml_nelements(tensor));
        for (float & value : values) value = normal(random);
        if (adapter.type == GGML_TYPE_F32)
            std::memcpy(tensor->data, values.data(), values.size() * sizeof(float));
        else
            ggml_quantize_chunk(adapter.type, values.data(), tensor->data, 0, n_out * n_experts, n_in, nullptr);
        ggml_set_name(tensor, name.c_str());
        tensors.push_back(tensor);
    };
    for (int64_t i = 0; i < gguf_get_n_tensors(model.gguf.get()); i++) {
        const std::string name = gguf_get_tensor_name(model.gguf.get(), i);
        const ggml_tensor * weight = ggml_get_tensor(model.ctx.get(), name.c_str());
        if (!is_target(name, adapter)) continue;
        const bool looked_up = name == "token_embd.weight";
        add(name + ".lora_a", looked_up ? adapter.rank : weight->ne[0], looked_up ? weight->ne[1] : adapter.rank,
            weight->ne[2]);
        add(name + ".lora_b", adapter.rank, looked_up ? weight->ne[0] : weight->ne[1], weight->ne[2]);
    }
    const gguf_context_ptr out(gguf_init_empty());
    const int64_t architecture = gguf_find_key(model.gguf.get(), "general.architecture");
    gguf_set_val_str(out.get(), "general.architecture", gguf_get_val_str(model.gguf.get(), architecture));
    gguf_set_val_str(out.get(), "general.type", "adapter");
    gguf_set_val_str(out.get(), "adapter.type", "lora");
    gguf_set_val_f32(out.get(), "adapter.lora.alpha", adapter.alpha);
    if (adapter.edit) adapter.edit(out.get());
    if (adapter.edit_tensors) adapter.edit_tensors(ctx.get(), tensors);
    write(path, out.get(), tensors);
}

void write_merged(const std::string & path, const std::string & model_path, const std::string & adapter_path,
                  float scale) {
    const whole_file model(model_path), adapter(adapter_path);
    const int64_t key = gguf_find_key(adapter.gguf.get(), "adapter.lora.alpha");
    const float alpha = gguf_get_val_f32(adapter.gguf.get(), key);
    std::vector<ggml_tensor *> tensors;
    for (int64_t i = 0; i < gguf_get_n_tensors(model.gguf.get()); i++) {
        const std::string name = gguf_get_tensor_name(model.gguf.get(), i);
        ggml_tensor * weight = ggml_get_tensor(model.ctx.get(), name.c_str());
        tensors.push_back(weight);
        const ggml_tensor * a = ggml_get_tensor(adapter.ctx.get(), (name + ".lora_a").c_str());
        const ggml_tensor * b = ggml_get_tensor(adapter.ctx.get(), (name + ".lora_b").c_str());
        if (!a || !b) continue;
        const int64_t rank = b->ne[0], n_in = weight->ne[0], n_out = weight->ne[1];
        const auto * av = static_cast<const float *>(a->data);
        const auto * bv = static_cast<const float *>(b->data);
        const bool looked_up = name == "token_embd.weight";
        for (int64_t row = 0; row < n_out; row++)
            for (int64_t column = 0; column < n_in; column++) {
                double sum = 0;
                for (int64_t k = 0; k < rank; k++)
                    sum += looked_up ? (double) av[row * rank + k] * bv[column * rank + k]
                                     : (double) bv[row * rank + k] * av[k * n_in + column];
                static_cast<float *>(weight->data)[row * n_in + column] +=
                    (float) (scale * alpha / (double) rank * sum);
            }
    }
    const gguf_context_ptr out(gguf_init_empty());
    gguf_set_kv(out.get(), model.gguf.get());
    write(path, out.get(), tensors);
}

}  // namespace overfill::test
