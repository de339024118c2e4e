// LoRA adapters as llama.cpp's graphs see them: which of a model's tensors they change, and their use by a context.
#pragma once

#include <llama.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace overfill {

// One of a model's tensors, also of a model that was loaded without its weights.
struct tensor_facts {
    std::array<int64_t, 4> ne;
    ggml_type type;
};
std::optional<tensor_facts> find_tensor(const llama_model * model, const std::string & name);

// By llama.cpp's name.
std::string architecture_of(const llama_model * model);

// Whether the embedding matrix is multiplied as well as looked up in: llama.cpp reads an adapter of it for one of the
// two only, and asserts at the other.
bool has_tied_output(const llama_model * model);

struct free_adapter {
    void operator()(llama_adapter_lora * adapter) const { llama_adapter_lora_free(adapter); }
};
using adapter_ptr = std::unique_ptr<llama_adapter_lora, free_adapter>;

struct adapter_in_use {
    std::string path;
    llama_adapter_lora * adapter;
    float scale;
};

// Has the context compute with the adapters, and reserves its graph for them. They must outlive the context. Throws
// ERR_MODEL_UNSUPPORTED for a tensor that the graph would compute without, and for more adapters than a graph has room
// for, where llama.cpp would abort; ERR_OUT_OF_MEMORY if the graph cannot be reserved.
void use_adapters(llama_context * ctx, const std::vector<adapter_in_use> & adapters);

}  // namespace overfill
