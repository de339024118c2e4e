#include "adapter_export.h"

#include "failure.h"
#include "model_writer.h"
#include "quantization.h"

#include <ggml-cpp.h>
#include <gguf.h>

namespace overfill {

[[noreturn]] static void refuse_type(const std::string & why) {
    throw failure(error_code::invalid_argument, "options.type: " + why, { { "parameter", "options.type" } });
}

static ggml_type factor_type(const std::string & type) {
    if (type == "same" || type == "f32") return GGML_TYPE_F32;
    if (type == "f16") return GGML_TYPE_F16;
    if (type == "bf16") return GGML_TYPE_BF16;
    if (type == "q8_0") return GGML_TYPE_Q8_0;
    refuse_type("expected f32, f16, bf16, q8_0 or same, got " + type);
}

// In the file's order.
static parameter_list factors_in(const parameter_set & parameters) {
    parameter_list out;
    for (const ggml_tensor * weight : parameters.changed())
        if (const auto found = parameters.factors_of(weight); found.a) {
            out.push_back(found.a);
            out.push_back(found.b);
        }
    return out;
}

void check_adapter_type(const parameter_set & parameters, const std::string & type) {
    const ggml_type stored = factor_type(type);
    for (const ggml_tensor * factor : factors_in(parameters))
        if (factor->ne[0] % ggml_blck_size(stored) != 0)
            refuse_type("rows of " + std::to_string(factor->ne[0]) + " values (" + factor->name +
                        ") cannot be stored as " + ggml_type_name(stored) + ", only multiples of " +
                        std::to_string(ggml_blck_size(stored)));
}

// factor = alpha / rank
static float alpha_of(const parameter_set & parameters) {
    const auto found = parameters.factors_of(parameters.changed().at(0));
    return found.factor * (float) found.a->ne[1];
}

std::unique_ptr<atomic_file> prepare_adapter(const parameter_set & parameters, const std::string & architecture,
                                             const std::string & type,
                                             const std::vector<std::pair<std::string, std::string>> & notes,
                                             const std::string & out_path) {
    check_adapter_type(parameters, type);
    const ggml_type stored = factor_type(type);
    const gguf_context_ptr head(gguf_init_empty());
    gguf_set_val_str(head.get(), "general.architecture", architecture.c_str());
    gguf_set_val_str(head.get(), "general.type", "adapter");
    gguf_set_val_str(head.get(), "adapter.type", "lora");
    gguf_set_val_f32(head.get(), "adapter.lora.alpha", alpha_of(parameters));
    for (const auto & [key, text] : notes) gguf_set_val_str(head.get(), key.c_str(), text.c_str());
    const parameter_list factors = factors_in(parameters);
    for (const ggml_tensor * factor : factors) add_tensor_info(head.get(), factor->name, stored, factor->ne);

    model_writer out(head.get(), out_path);
    std::vector<float> values;
    for (const ggml_tensor * factor : factors) {
        values.resize((size_t) ggml_nelements(factor));
        ggml_backend_tensor_get(factor, values.data(), 0, values.size() * sizeof(float));
        if (!out.add_values(values.data(), factor->ne[1], factor->ne[0], stored))
            refuse_type(std::string(factor->name) + " has a value that " + ggml_type_name(stored) + " cannot hold");
        out.end_tensor();
    }
    return out.release();
}

}  // namespace overfill
