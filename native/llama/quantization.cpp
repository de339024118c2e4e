#include "quantization.h"

#include "llama-ext.h"
#include "llama-model.h"
#include "llama_log.h"

#include <algorithm>
#include <cstdio>
#include <memory>

namespace overfill {

namespace {

struct named_file_type {
    const char * name;
    llama_ftype type;
};

constexpr named_file_type file_types[] = {
    { "f32", LLAMA_FTYPE_ALL_F32 },
    { "f16", LLAMA_FTYPE_MOSTLY_F16 },
    { "bf16", LLAMA_FTYPE_MOSTLY_BF16 },
    { "q8_0", LLAMA_FTYPE_MOSTLY_Q8_0 },
    { "q1_0", LLAMA_FTYPE_MOSTLY_Q1_0 },
    { "q2_0", LLAMA_FTYPE_MOSTLY_Q2_0 },
    { "mxfp4_moe", LLAMA_FTYPE_MOSTLY_MXFP4_MOE },
    { "q4_0", LLAMA_FTYPE_MOSTLY_Q4_0 },
    { "q4_1", LLAMA_FTYPE_MOSTLY_Q4_1 },
    { "q5_0", LLAMA_FTYPE_MOSTLY_Q5_0 },
    { "q5_1", LLAMA_FTYPE_MOSTLY_Q5_1 },
    { "q2_k", LLAMA_FTYPE_MOSTLY_Q2_K },
    { "q2_k_s", LLAMA_FTYPE_MOSTLY_Q2_K_S },
    { "q3_k_s", LLAMA_FTYPE_MOSTLY_Q3_K_S },
    { "q3_k_m", LLAMA_FTYPE_MOSTLY_Q3_K_M },
    { "q3_k", LLAMA_FTYPE_MOSTLY_Q3_K_M },
    { "q3_k_l", LLAMA_FTYPE_MOSTLY_Q3_K_L },
    { "q4_k_s", LLAMA_FTYPE_MOSTLY_Q4_K_S },
    { "q4_k_m", LLAMA_FTYPE_MOSTLY_Q4_K_M },
    { "q4_k", LLAMA_FTYPE_MOSTLY_Q4_K_M },
    { "q5_k_s", LLAMA_FTYPE_MOSTLY_Q5_K_S },
    { "q5_k_m", LLAMA_FTYPE_MOSTLY_Q5_K_M },
    { "q5_k", LLAMA_FTYPE_MOSTLY_Q5_K_M },
    { "q6_k", LLAMA_FTYPE_MOSTLY_Q6_K },
    { "iq4_nl", LLAMA_FTYPE_MOSTLY_IQ4_NL },
    { "iq4_xs", LLAMA_FTYPE_MOSTLY_IQ4_XS },
    { "iq3_xxs", LLAMA_FTYPE_MOSTLY_IQ3_XXS },
    { "iq3_xs", LLAMA_FTYPE_MOSTLY_IQ3_XS },
    { "iq3_s", LLAMA_FTYPE_MOSTLY_IQ3_S },
    { "iq3_m", LLAMA_FTYPE_MOSTLY_IQ3_M },
    { "iq2_xxs", LLAMA_FTYPE_MOSTLY_IQ2_XXS },
    { "iq2_xs", LLAMA_FTYPE_MOSTLY_IQ2_XS },
    { "iq2_s", LLAMA_FTYPE_MOSTLY_IQ2_S },
    { "iq2_m", LLAMA_FTYPE_MOSTLY_IQ2_M },
    { "iq1_s", LLAMA_FTYPE_MOSTLY_IQ1_S },
    { "iq1_m", LLAMA_FTYPE_MOSTLY_IQ1_M },
    { "tq1_0", LLAMA_FTYPE_MOSTLY_TQ1_0 },
    { "tq2_0", LLAMA_FTYPE_MOSTLY_TQ2_0 },
};

struct free_state {
    void operator()(quantize_state_impl * state) const { llama_quant_free(state); }
};
struct free_mock {
    void operator()(llama_model * model) const { llama_model_free(model); }
};

int layer_of(const std::string & name) {
    int layer = -1;
    if (std::sscanf(name.c_str(), "blk.%d.", &layer) != 1) return -1;
    return layer;
}

}  // namespace

std::optional<int> find_file_type(const std::string & name) {
    for (const named_file_type & row : file_types)
        if (name == row.name) return row.type;
    return std::nullopt;
}

std::string file_type_names() {
    std::string names;
    for (const named_file_type & row : file_types) names += (names.empty() ? "" : ", ") + std::string(row.name);
    return names;
}

void choose_types(const quantized_shape & shape, int file_type, std::vector<tensor_choice> & tensors) {
    const log_capture log;
    const llama_quant_model_desc description = {
        shape.architecture.c_str(), shape.n_embd,     shape.n_ff, shape.n_layer, shape.n_head, shape.n_head_kv, 0,
        shape.head_size_k,          shape.head_size_v
    };
    const std::unique_ptr<llama_model, free_mock> model(llama_quant_model_from_metadata(&description));
    // What this function does not infer, although it matters as well: Qwen2 72B gets finer V.
    if (shape.architecture == "qwen2" && shape.n_layer == 80) model->type = LLM_TYPE_70B;
    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.ftype = (llama_ftype) file_type;
    const std::unique_ptr<quantize_state_impl, free_state> state(llama_quant_init(model.get(), &params));

    // The choice depends on how many tensors of a kind came before: llama.cpp goes by layer, then by name.
    std::vector<size_t> order(tensors.size());
    for (size_t i = 0; i < order.size(); i++) order[i] = i;
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        const int layer_a = layer_of(tensors[a].name), layer_b = layer_of(tensors[b].name);
        return layer_a != layer_b ? layer_a < layer_b : tensors[a].name < tensors[b].name;
    });

    std::vector<ggml_tensor> shown;
    std::vector<size_t> chosen;
    for (const size_t i : order) {
        ggml_tensor tensor = {};
        ggml_set_name(&tensor, tensors[i].name.c_str());
        tensor.type = tensors[i].type;
        tensor.ne[0] = tensors[i].ne[0];
        tensor.ne[1] = tensors[i].ne[1];
        tensor.ne[2] = tensor.ne[3] = 1;
        if (!llama_quant_tensor_allows_quantization(state.get(), &tensor)) continue;
        shown.push_back(tensor);
        chosen.push_back(i);
    }
    std::vector<ggml_tensor *> pointers;
    for (ggml_tensor & tensor : shown) pointers.push_back(&tensor);
    std::vector<ggml_type> types(shown.size());
    llama_quant_compute_types(state.get(), (llama_ftype) file_type, pointers.data(), types.data(), types.size());
    for (size_t i = 0; i < chosen.size(); i++) {
        tensors[chosen[i]].type = types[i];
        tensors[chosen[i]].quantized = true;
    }
}

bool needs_importance_matrix(const tensor_choice & tensor, int file_type) {
    if (ggml_quantize_requires_imatrix(tensor.type)) return true;
    // The rule of llama_model_quantize, which is not exported.
    if (!tensor.quantized) return false;
    for (const char * name : { "token_embd.weight", "per_layer_token_embd.weight", "output.weight" })
        if (tensor.name == name) return false;
    switch (tensor.type) {
    case GGML_TYPE_IQ3_XXS:
    case GGML_TYPE_IQ2_S:
    case GGML_TYPE_IQ1_M: return true;
    case GGML_TYPE_Q2_K: return file_type == LLAMA_FTYPE_MOSTLY_Q2_K_S;
    default: return false;
    }
}

}  // namespace overfill
