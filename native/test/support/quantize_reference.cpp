#include "quantize_reference.h"

#include "gguf_metadata.h"
#include "importance_matrix.h"
#include "llama_log.h"
#include "model_file.h"
#include "quantization.h"
#include "stored_tensors.h"
#include "type_decisions.h"

#include <llama.h>

#include <cstring>
#include <filesystem>
#include <random>
#include <vector>

namespace overfill::test {

namespace {

// As tools/quantize/quantize.cpp does it, but with names in place of paths.
llama_model_kv_override text_override(const char * key, const std::string & path) {
    llama_model_kv_override out = {};
    std::strncpy(out.key, key, sizeof out.key - 1);
    out.tag = LLAMA_KV_OVERRIDE_TYPE_STR;
    std::strncpy(out.val_str, std::filesystem::path(path).filename().string().c_str(), sizeof out.val_str - 1);
    return out;
}

llama_model_kv_override number_override(const char * key, int64_t value) {
    llama_model_kv_override out = {};
    std::strncpy(out.key, key, sizeof out.key - 1);
    out.tag = LLAMA_KV_OVERRIDE_TYPE_INT;
    out.val_i64 = value;
    return out;
}

}  // namespace

bool reference_quantize(const quantize_options & options, const std::string & out_path) {
    const log_capture log;
    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.nthread = 1;
    params.only_copy = options.type == "copy";
    params.ftype = params.only_copy ? LLAMA_FTYPE_ALL_F32 : (llama_ftype) find_file_type(options.type).value();
    params.pure = options.pure;
    params.quantize_output_tensor = !options.keep_output;
    params.allow_requantize = options.allow_requantize;
    params.output_tensor_type = find_tensor_type(options.output_type);
    params.token_embedding_type = find_tensor_type(options.embedding_type);

    std::vector<llama_model_tensor_override> types;
    for (const tensor_type_rule & rule : options.tensor_types)
        types.push_back({ rule.pattern.c_str(), find_tensor_type(rule.type) });
    types.push_back({ nullptr, GGML_TYPE_COUNT });
    if (types.size() > 1) params.tt_overrides = types.data();

    std::vector<llama_model_imatrix_data> values;
    std::vector<std::vector<float>> means;
    std::vector<llama_model_kv_override> overrides;
    importance_matrix matrix;
    if (!options.importance_path.empty()) {
        matrix = read_importance_matrix(options.importance_path);
        for (const auto & [name, entry] : matrix.entries) means.push_back(mean_squares(entry));
        size_t i = 0;
        for (const auto & [name, entry] : matrix.entries) {
            values.push_back({ name.c_str(), means[i].data(), means[i].size() });
            i++;
        }
        values.push_back({ nullptr, nullptr, 0 });
        params.imatrix = values.data();
        overrides.push_back(text_override("quantize.imatrix.file", options.importance_path));
        overrides.push_back(text_override("quantize.imatrix.dataset", matrix.texts.at(0)));
        overrides.push_back(number_override("quantize.imatrix.entries_count", (int64_t) matrix.entries.size()));
        overrides.push_back(number_override("quantize.imatrix.chunks_count", (int64_t) matrix.n_samples));
        overrides.emplace_back();
        overrides.back().key[0] = 0;
        params.kv_overrides = overrides.data();
    }
    return llama_model_quantize(options.model_path.c_str(), out_path.c_str(), &params) == 0;
}

quantize_result quantize_now(const quantize_options & options) {
    return quantize(
        options, [](const quantize_progress &) {}, false);
}

void write_some_importance(const std::string & path, const std::string & model_path) {
    const gguf_metadata metadata(model_path);
    const stored_tensors model(model_path, metadata);
    std::mt19937 random(3);
    std::exponential_distribution<float> positive(0.01f);
    importance_matrix matrix;
    for (const stored_tensor & tensor : model.all()) {
        if (tensor.name.compare(0, 4, "blk.") != 0 || tensor.ne[1] == 1) continue;
        importance_entry & entry = matrix.entries[tensor.name];
        for (int64_t i = 0; i < tensor.ne[0] * tensor.ne[2]; i++) entry.sums.push_back(positive(random));
        // An expert that no token came to has no values.
        for (int64_t i = 0; i < tensor.ne[2]; i++) entry.counts.push_back(tensor.ne[2] > 1 && i == 1 ? 0 : 100);
    }
    matrix.texts = { "folder/some.txt" };
    matrix.n_samples = 7;
    matrix.window = 512;
    write_importance_matrix(path, matrix);
}

bool can_be_quantized_to(ggml_type type) {
    return ggml_blck_size(type) > 0 && type != GGML_TYPE_Q8_1 && type != GGML_TYPE_Q8_K && type != GGML_TYPE_I8 &&
           type != GGML_TYPE_I16 && type != GGML_TYPE_I32 && type != GGML_TYPE_I64 && type != GGML_TYPE_F64;
}

}  // namespace overfill::test
