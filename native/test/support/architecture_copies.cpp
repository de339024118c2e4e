#include "architecture_copies.h"

#include "failure.h"
#include "gguf_metadata.h"
#include "prune.h"
#include "tensor_axes.h"

#include <ggml.h>
#include <gguf.h>
#include <llama.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <stdexcept>

namespace overfill::test {

namespace {

struct free_gguf {
    void operator()(gguf_context * file) const { gguf_free(file); }
};
struct free_tensors {
    void operator()(ggml_context * tensors) const { ggml_free(tensors); }
};
using gguf_ptr = std::unique_ptr<gguf_context, free_gguf>;

std::string in(const std::string & folder, const char * name) {
    return (std::filesystem::path(folder) / name).string();
}

// The file with the tensors that the pruner knows.
std::string known_copy(const std::string & path, const architecture & row, const std::string & folder) {
    ggml_context * read = nullptr;
    const gguf_ptr from(gguf_init_from_file(path.c_str(), { false, &read })), to(gguf_init_empty());
    const std::unique_ptr<ggml_context, free_tensors> tensors(read);
    if (!from) throw std::runtime_error("cannot read " + path);
    gguf_set_kv(to.get(), from.get());
    for (int64_t i = 0; i < gguf_get_n_tensors(from.get()); i++) {
        const char * name = gguf_get_tensor_name(from.get(), i);
        if (axes_of(row, name)) gguf_add_tensor(to.get(), ggml_get_tensor(tensors.get(), name));
    }
    const std::string copy = in(folder, "known.gguf");
    if (!gguf_write_to_file(to.get(), copy.c_str(), false)) throw std::runtime_error("cannot write " + copy);
    return copy;
}

void prune_quietly(const prune_options & options) {
    const std::atomic<bool> stop{ false };
    prune(
        options, [](const prune_progress &) {}, stop);
}

}  // namespace

std::string quantised_copy(const std::string & path, const std::string & folder, llama_ftype type) {
    const std::string copy = in(folder, "quantised.gguf");
    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.ftype = type;
    params.nthread = 1;
    // Of these norms llama.cpp does not know that they are norms, and its CPU back end cannot add quantised ones.
    const llama_model_tensor_override kept[] = { { "ple_norm_.*", GGML_TYPE_F32 }, { nullptr, GGML_TYPE_COUNT } };
    params.tt_overrides = kept;
    if (llama_model_quantize(path.c_str(), copy.c_str(), &params) != 0)
        throw std::runtime_error("llama.cpp cannot quantise the model");
    return copy;
}

pruned_model pruned_copy(const std::string & path, const std::string & folder) {
    const architecture * row = find_architecture(gguf_metadata(path).text("general.architecture").value_or(""));
    if (!row) return {};
    prune_options options;
    options.model.path = known_copy(path, *row, folder);
    options.measure = false;
    options.request.order = selection_order::random;
    options.request.hidden = options.request.ffn = { size_wish::kind::ratio, 0.5 };
    options.output.out_path = in(folder, "pruned.gguf");
    try {
        prune_quietly(options);
        return { options.output.out_path, false };
    } catch (const failure & error) {
        if (error.code() != error_code::prune_unsupported) throw;
    }
    options.request.hidden = {};
    prune_quietly(options);
    return { options.output.out_path, true };
}

}  // namespace overfill::test
