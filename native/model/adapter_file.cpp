#include "adapter_file.h"

#include "failure.h"
#include "gguf_metadata.h"
#include "lora_adapters.h"
#include "model_file.h"
#include "whole_number.h"

#include <cmath>
#include <map>
#include <optional>

namespace overfill {

namespace {

// The two factors of one weight's change, by their index in the file.
struct factors {
    int64_t a = -1;
    int64_t b = -1;
};

bool ends_with(const std::string & text, const std::string & end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string shape_text(const int64_t * ne) {
    std::string out;
    for (int d = 0; d < 3; d++)
        if (d < 2 || ne[d] > 1) out += (d ? " x " : "") + std::to_string(ne[d]);
    return out;
}

class inspection {
  public:
    inspection(const std::string & path, const llama_model * model)
        : path_(path), n_bytes_(check_gguf_file(path)), meta_(path), model_(model),
          architecture_(architecture_of(model)) {}

    adapter_file check() {
        check_kind();
        adapter_file out;
        out.alpha = alpha();
        for (const auto & [name, pair] : all_factors()) out.rank = std::max(out.rank, check_factors(name, pair));
        return out;
    }

  private:
    [[noreturn]] void refuse(const std::string & what) const {
        throw failure(error_code::model_invalid, path_ + " " + what, { { "path", path_ } });
    }
    [[noreturn]] void unsupported(const std::string & what, const std::string & tensor = "") const {
        error_details details = { { "path", path_ } };
        if (!tensor.empty()) details.push_back({ "tensor", tensor });
        throw failure(error_code::model_unsupported, path_ + " " + what, details);
    }
    [[noreturn]] void mismatch(const char * field, const std::string & ours, const std::string & theirs,
                               const std::string & what) const {
        throw failure(error_code::adapter_mismatch, path_ + " was made for another model: " + what,
                      { { "path", path_ }, { field, ours + " | " + theirs } });
    }

    // llama.cpp asserts that these are texts.
    void check_kind() const {
        const auto architecture = meta_.text("general.architecture");
        const auto type = meta_.text("general.type"), kind = meta_.text("adapter.type");
        if (type != "adapter") {
            const bool model = gguf_find_tensor(meta_.get(), "token_embd.weight") >= 0;
            unsupported(model ? "is a model, not an adapter" : "is not an adapter");
        }
        if (kind != "lora") unsupported("is an adapter of the kind " + kind.value_or("(none)") + ", expected lora");
        if (meta_.number("split.count").value_or(0) > 1)
            unsupported("is one part of a split adapter; llama.cpp reads an adapter from one file");
        if (!architecture) refuse("does not name its architecture");
        if (*architecture != architecture_)
            mismatch("architecture", architecture_, *architecture,
                     "its architecture is " + *architecture + ", the model's " + architecture_);
        if (meta_.has("adapter.alora.invocation_tokens"))
            unsupported(
                "is an activated LoRA (aLoRA), which acts from certain tokens on; only adapters that always act "
                "can be loaded");
        if (gguf_get_n_tensors(meta_.get()) == 0) refuse("has no tensors");
    }

    float alpha() const {
        const char * key = "adapter.lora.alpha";
        if (!meta_.has(key)) return 0;
        const auto value = meta_.number(key);
        if (!value || gguf_get_kv_type(meta_.get(), gguf_find_key(meta_.get(), key)) != GGUF_TYPE_FLOAT32)
            refuse(std::string("has ") + key + " as another type than f32");
        if (!(*value >= 0 && std::isfinite(*value)))
            refuse(std::string("has ") + key + " = " + number_text(*value) +
                   ", expected a finite number of at least 0");
        return (float) *value;
    }

    std::map<std::string, factors> all_factors() const {
        std::map<std::string, factors> out;
        const std::string a = ".lora_a", b = ".lora_b";
        for (int64_t i = 0; i < gguf_get_n_tensors(meta_.get()); i++) {
            const std::string name = gguf_get_tensor_name(meta_.get(), i);
            check_data(i, name);
            if (ends_with(name, a))
                out[name.substr(0, name.size() - a.size())].a = i;
            else if (ends_with(name, b))
                out[name.substr(0, name.size() - b.size())].b = i;
            else if (ends_with(name, "_norm.weight"))
                unsupported("also replaces " + name +
                                ", which llama.cpp would leave as it is; merge the adapter into "
                                "the model",
                            name);
            else
                refuse("has the tensor " + name + ", which is no part of a LoRA adapter");
        }
        return out;
    }

    void check_data(int64_t i, const std::string & name) const {
        const gguf_context * gguf = meta_.get();
        const uint64_t begin = gguf_get_data_offset(gguf) + gguf_get_tensor_offset(gguf, i),
                       size = gguf_get_tensor_size(gguf, i);
        if (begin > n_bytes_ || size > n_bytes_ - begin)
            refuse("is truncated: tensor " + name + " extends past the end of the file");
        const int64_t * ne = gguf_get_tensor_ne(gguf, i);
        for (int d = 0; d < GGML_MAX_DIMS; d++)
            if (ne[d] <= 0) refuse("has an empty tensor " + name);
        switch (const ggml_type type = gguf_get_tensor_type(gguf, i)) {
        case GGML_TYPE_F32:
        case GGML_TYPE_F16:
        case GGML_TYPE_BF16:
        case GGML_TYPE_Q8_0: break;
        default:
            unsupported("has the tensor " + name + " as " + ggml_type_name(type) + ", expected f32, f16, bf16 or q8_0",
                        name);
        }
    }

    // The rank.
    uint32_t check_factors(const std::string & name, const factors & pair) const {
        if (pair.a < 0 || pair.b < 0)
            refuse("has no " + name + (pair.a < 0 ? ".lora_a" : ".lora_b") + " beside its other factor");
        const auto weight = find_tensor(model_, name);
        if (!weight) mismatch("tensor", "none", name, "it changes " + name + ", which the model does not have");

        const int64_t *a = gguf_get_tensor_ne(meta_.get(), pair.a), *b = gguf_get_tensor_ne(meta_.get(), pair.b);
        const auto & w = weight->ne;
        // As llama.cpp tells them apart: this matrix is looked up in, and its A lies on its side.
        const bool looked_up = ends_with(name, "token_embd.weight");
        const int64_t rank = b[0];
        const bool fits =
            looked_up ? a[0] == rank && a[1] == w[1] && b[1] == w[0] : a[0] == w[0] && a[1] == rank && b[1] == w[1];
        if (!fits || a[2] != w[2] || b[2] != w[2] || a[3] != w[3] || b[3] != w[3])
            mismatch("shape", shape_text(w.data()), shape_text(a) + ", " + shape_text(b),
                     "its factors of " + name + " are " + shape_text(a) + " and " + shape_text(b) +
                         ", the model's matrix is " + shape_text(w.data()));
        if (looked_up && has_tied_output(model_))
            unsupported("changes " + name +
                            ", which this model also makes its logits with; llama.cpp cannot adapt "
                            "both; merge the adapter into the model",
                        name);
        // llama.cpp asserts this: the weight's own factor would come after the adapter's part.
        if (weight->type == GGML_TYPE_NVFP4 && name.find(".ffn_") != std::string::npos &&
            name.find("_exps.") == std::string::npos)
            unsupported("changes " + name + ", which is NVFP4 in this model; llama.cpp cannot adapt such a matrix",
                        name);
        return (uint32_t) rank;
    }

    const std::string & path_;
    uint64_t n_bytes_;
    gguf_metadata meta_;
    const llama_model * model_;
    std::string architecture_;
};

}  // namespace

adapter_file check_adapter_file(const std::string & path, const llama_model * model) {
    return inspection(path, model).check();
}

}  // namespace overfill
