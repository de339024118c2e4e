#include "output_types.h"

#include "failure.h"
#include "quantization.h"
#include "whole_number.h"

namespace overfill {

static failure bad_type(const std::string & message) {
    return failure(error_code::invalid_argument, message, { { "parameter", "options.quantize" } });
}

// The parent's type, where it can be had: copied, or made again from numbers.
static ggml_type same_type(const tensor_cut & tensor) {
    const ggml_type type = tensor.source->type;
    if (tensor.rows_as_they_are() || !ggml_is_quantized(type)) return type;
    const bool fits = tensor.ne[0] % ggml_blck_size(type) == 0;
    return fits && !ggml_quantize_requires_imatrix(type) ? type : GGML_TYPE_F16;
}

static void choose_quantized(cut_layout & layout, const parent_model & parent, const kept_counts & counts,
                             const std::string & type) {
    // llama.cpp falls back to f16 for such rows; that is not what was asked for.
    for (const auto & [width, what] : { std::pair(counts.n_embd, "hidden"), std::pair(counts.n_ff, "FFN") })
        if (width % 32 != 0)
            throw bad_type(std::string("a ") + what + " width of " + std::to_string(width) +
                           " cannot be quantised as " + type + ": it is not a multiple of 32");
    const model_shape & shape = parent.shape();
    const quantized_shape target = { layout.target->name, counts.n_embd,    counts.n_ff,       counts.n_layer,
                                     counts.n_head,       counts.n_head_kv, shape.head_size_k, shape.head_size_v };
    std::vector<tensor_choice> choices;
    for (const tensor_cut & tensor : layout.tensors) {
        // What is not quantised: vectors, as they are, and matrices of a single row.
        const ggml_type plain = tensor.axes.vector() ? tensor.source->type : GGML_TYPE_F32;
        choices.push_back({ tensor.name, { tensor.ne[0], tensor.ne[1] }, plain });
    }
    choose_types(target, layout.file_type, choices);
    for (size_t i = 0; i < choices.size(); i++) {
        if (needs_importance_matrix(choices[i], layout.file_type))
            throw bad_type("the type " + type +
                           " needs an importance matrix; use one of 3 bits or more, such as q3_k_m");
        layout.tensors[i].type = choices[i].type;
    }
}

void choose_output_types(cut_layout & layout, const parent_model & parent, const kept_counts & counts,
                         const std::string & type) {
    if (type == "same") {
        layout.file_type = (int) whole_number(parent.metadata().number("general.file_type").value_or(-1), 0, INT32_MAX)
                               .value_or(*find_file_type("f16"));
        for (tensor_cut & tensor : layout.tensors) tensor.type = same_type(tensor);
        return;
    }
    const std::optional<int> file_type = find_file_type(type);
    if (!file_type) throw bad_type("the type " + type + " is unknown; expected same, " + file_type_names());
    layout.file_type = *file_type;
    const ggml_type plain = type == "f32"    ? GGML_TYPE_F32
                            : type == "f16"  ? GGML_TYPE_F16
                            : type == "bf16" ? GGML_TYPE_BF16
                                             : GGML_TYPE_COUNT;
    if (plain == GGML_TYPE_COUNT) return choose_quantized(layout, parent, counts, type);
    for (tensor_cut & tensor : layout.tensors) tensor.type = tensor.axes.vector() ? tensor.source->type : plain;
}

}  // namespace overfill
