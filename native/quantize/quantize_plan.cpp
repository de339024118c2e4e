#include "quantize_plan.h"

#include "failure.h"
#include "model_file.h"
#include "models.h"
#include "name_patterns.h"
#include "quantization.h"
#include "type_decisions.h"

#include <llama.h>

#include <algorithm>
#include <deque>
#include <utility>

namespace overfill {

namespace {

[[noreturn]] void refuse(const std::string & option, const std::string & why) {
    throw failure(error_code::invalid_argument, "options." + option + ": " + why,
                  { { "parameter", "options." + option } });
}

std::string shape_text(const stored_tensor & tensor) {
    std::string text = std::to_string(tensor.ne[0]);
    for (int i = 1; i < 4; i++)
        if (tensor.ne[i] > 1 || i == 1) text += " x " + std::to_string(tensor.ne[i]);
    return text;
}

bool is_embedding(const std::string & name) {
    return name == "token_embd.weight" || name == "per_layer_token_embd.weight";
}

// Those that ggml_quantize_chunk knows.
bool can_be_made(ggml_type type) { return type != GGML_TYPE_COUNT && is_weight_type(type); }

// The others take importance and do not look at it.
bool goes_by_importance(ggml_type type) {
    switch (type) {
    case GGML_TYPE_Q1_0:
    case GGML_TYPE_Q2_0:
    case GGML_TYPE_Q8_0:
    case GGML_TYPE_MXFP4:
    case GGML_TYPE_NVFP4:
    case GGML_TYPE_TQ1_0:
    case GGML_TYPE_TQ2_0: return false;
    default: return ggml_is_quantized(type);
    }
}

ggml_type type_of(const std::string & option, const std::string & name) {
    const ggml_type type = find_tensor_type(name);
    if (!can_be_made(type)) refuse(option, name + " is not a type that tensors can be quantised to");
    return type;
}

class planning {
  public:
    planning(const stored_tensors & model, const quantize_options & options, const tensor_importance * importance)
        : model_(model), options_(options), importance_(importance) {}

    quantize_plan run(const std::atomic<bool> & stop) {
        set_parameters();
        name_tensors(stop);
        check_named_types();
        const auto turn = wait_for_load_turn([&](float) { return !stop; });
        // What llama.cpp cannot load is told before hours of work; the dry run looks at little of a model.
        load_model({ model_.paths()[0], 0 }, load_depth::metadata, [&](float) { return !stop; });
        const std::vector<type_decision> decisions = decide_types(model_.paths()[0], params_);
        for (const type_decision & decision : decisions) add(decision);
        if (plan_.tensors.size() != model_.all().size())
            throw failure(error_code::internal, "llama.cpp told the types of " + std::to_string(plan_.tensors.size()) +
                                                    " tensors of " + std::to_string(model_.all().size()));
        check_requantizing();
        find_importance();
        return std::move(plan_);
    }

  private:
    void set_parameters() {
        const bool is_copy = options_.type == "copy";
        const std::optional<int> file_type = find_file_type(is_copy ? "f32" : options_.type);
        if (!file_type) refuse("type", options_.type + " is unknown; expected copy, " + file_type_names());
        plan_.file_type = *file_type;
        params_ = llama_model_quantize_default_params();
        params_.ftype = (llama_ftype) *file_type;
        params_.only_copy = is_copy;
        params_.pure = options_.pure;
        params_.quantize_output_tensor = !options_.keep_output;
        params_.allow_requantize = options_.allow_requantize;
        params_.nthread = 1;
        if (!options_.output_type.empty())
            params_.output_tensor_type = type_of("outputTensorType", options_.output_type);
        if (!options_.embedding_type.empty())
            params_.token_embedding_type = type_of("tokenEmbeddingType", options_.embedding_type);
        for (const tensor_type_rule & rule : options_.tensor_types) type_of("tensorTypes", rule.type);
        // Only whether there is one, and that all of it is finite, counts in a dry run.
        if (importance_) params_.imatrix = any_importance_;
    }

    void name_tensors(const std::atomic<bool> & stop) {
        if (options_.tensor_types.empty()) return;
        patterns_ = simple_patterns(options_.tensor_types, model_.all(), stop);
        for (const auto & [pattern, rule] : patterns_)
            overrides_.push_back({ pattern.c_str(), type_of("tensorTypes", options_.tensor_types[rule].type) });
        overrides_.push_back({ nullptr, GGML_TYPE_COUNT });
        params_.tt_overrides = overrides_.data();
    }

    // These two are taken without a look at the shape, and a row that does not fit aborts the process.
    void check_named_types() const {
        const auto fits = [&](const char * option, ggml_type type, const stored_tensor & tensor) {
            if (type == GGML_TYPE_COUNT || tensor.ne[0] % ggml_blck_size(type) == 0) return;
            refuse(option, tensor.name + " (" + shape_text(tensor) + ") cannot be " + ggml_type_name(type) +
                               ": its rows are not multiples of " + std::to_string(ggml_blck_size(type)));
        };
        for (const stored_tensor & tensor : model_.all()) {
            if (tensor.name == "output.weight") fits("outputTensorType", params_.output_tensor_type, tensor);
            if (is_embedding(tensor.name)) fits("tokenEmbeddingType", params_.token_embedding_type, tensor);
        }
    }

    void add(const type_decision & decision) {
        const stored_tensor * source = model_.find(decision.name);
        if (!source)
            throw failure(error_code::internal, "llama.cpp told the type of an unknown tensor, " + decision.name);
        quantized_tensor tensor = { source, decision.type, nullptr, decision.wished };
        const auto unsupported = [&](const std::string & why) {
            throw failure(error_code::model_unsupported,
                          model_.paths()[0] + " cannot be quantised: " + source->name + " (" + shape_text(*source) +
                              ") " + why,
                          { { "path", model_.paths()[0] }, { "tensor", source->name } });
        };
        if (!tensor.is_copy() && source->ne[3] > 1) unsupported("has four dimensions");
        if (!can_be_made(tensor.type) || source->ne[0] % ggml_blck_size(tensor.type) != 0)
            unsupported(std::string("cannot be ") + ggml_type_name(tensor.type));
        if (!tensor.is_copy() && ggml_is_quantized(source->type) && !ggml_get_type_traits(source->type)->to_float)
            unsupported(std::string("cannot be read as ") + ggml_type_name(source->type));
        plan_.tensors.push_back(tensor);
    }

    void check_requantizing() const {
        if (options_.allow_requantize) return;
        const auto again = [](const quantized_tensor & tensor) {
            return !tensor.is_copy() && ggml_is_quantized(tensor.source->type);
        };
        const auto n = std::count_if(plan_.tensors.begin(), plan_.tensors.end(), again);
        if (n == 0) return;
        const quantized_tensor & first = *std::find_if(plan_.tensors.begin(), plan_.tensors.end(), again);
        refuse("allowRequantize", std::to_string(n) + " of " + std::to_string(plan_.tensors.size()) +
                                      " tensors are quantised already (" + first.source->name + " is " +
                                      ggml_type_name(first.source->type) +
                                      "); quantising them again loses more than quantising the original, and must be "
                                      "asked for");
    }

    void find_importance() {
        size_t n_found = 0;
        for (quantized_tensor & tensor : plan_.tensors) {
            const std::string & name = tensor.source->name;
            if (importance_)
                if (const auto entry = importance_->find(name); entry != importance_->end()) {
                    n_found++;
                    tensor.importance = tensor.is_copy() ? nullptr : fitting(tensor, entry->second);
                    plan_.n_weighted += tensor.importance != nullptr && goes_by_importance(tensor.type);
                }
            if (!tensor.is_copy() && !tensor.importance) check_without_importance(tensor);
        }
        if (importance_ && n_found == 0) {
            const std::string first = importance_->begin()->first;
            throw failure(error_code::importance_mismatch,
                          options_.importance_path + " was measured on another model: this one has no " + first,
                          { { "path", options_.importance_path }, { "tensor", first } });
        }
    }

    const float * fitting(const quantized_tensor & tensor, const std::vector<float> & values) const {
        const stored_tensor & source = *tensor.source;
        const size_t expected = (size_t) (source.ne[0] * source.ne[2]);
        if (values.size() == expected) return values.data();
        // llama.cpp does without one here as well.
        if (is_embedding(source.name)) return nullptr;
        const std::string difference = std::to_string(values.size()) + " | " + std::to_string(expected);
        throw failure(error_code::importance_mismatch,
                      options_.importance_path + " was measured on another model: it has " +
                          std::to_string(values.size()) + " values for " + source.name + " (" + shape_text(source) +
                          "), which needs " + std::to_string(expected),
                      { { "path", options_.importance_path }, { source.name, difference } });
    }

    void check_without_importance(const quantized_tensor & tensor) const {
        const stored_tensor & source = *tensor.source;
        const tensor_choice choice = { source.name, { source.ne[0], source.ne[1] }, tensor.type, true };
        if (!needs_importance_matrix(choice, plan_.file_type)) return;
        const std::string what = source.name + " as " + ggml_type_name(tensor.type);
        if (!importance_)
            refuse("importance", options_.type + " needs an importance matrix here (" + what +
                                     "): measure one on a text of the kind that the model is for");
        throw failure(error_code::importance_mismatch,
                      options_.importance_path + " has nothing about a tensor that needs it: " + what,
                      { { "path", options_.importance_path }, { "tensor", source.name } });
    }

    const stored_tensors & model_;
    const quantize_options & options_;
    const tensor_importance * importance_;
    const float one_ = 1;
    const llama_model_imatrix_data any_importance_[2] = { { "", &one_, 1 }, { nullptr, nullptr, 0 } };
    llama_model_quantize_params params_{};
    std::deque<std::pair<std::string, size_t>> patterns_;
    std::vector<llama_model_tensor_override> overrides_;
    quantize_plan plan_;
};

}  // namespace

quantize_plan plan_quantization(const stored_tensors & model, const quantize_options & options,
                                const tensor_importance * importance, const std::atomic<bool> & stop) {
    return planning(model, options, importance).run(stop);
}

}  // namespace overfill
