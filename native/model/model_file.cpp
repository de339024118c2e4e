#include "model_file.h"

#include "architectures.h"
#include "failure.h"
#include "file_reader.h"
#include "gguf_metadata.h"
#include "input_file.h"
#include "whole_number.h"

#include <ggml.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <unordered_set>

namespace overfill {

bool is_weight_type(ggml_type type) {
    switch (type) {
    case GGML_TYPE_I8:
    case GGML_TYPE_I16:
    case GGML_TYPE_I32:
    case GGML_TYPE_I64:
    case GGML_TYPE_F64:
    case GGML_TYPE_Q8_1:
    case GGML_TYPE_Q8_K: return false;
    default: return true;
    }
}

// llama.cpp's own bounds, beyond which it aborts.
static constexpr double max_layers = 512;
static constexpr double max_experts = 1024;

// Architectures whose graphs assert that RoPE turns all of a head's dimensions, and K and V heads are of one size.
static bool rotates_whole_heads(const std::string & architecture) {
    static const std::unordered_set<std::string> names = {
        "apertus",    "arcee",    "arctic",    "baichuan",   "codeshell",      "cogvlm",  "dbrx",     "deci",
        "deepseek",   "dots1",    "dream",     "ernie4_5",   "exaone",         "exaone4", "falcon",   "granite",
        "granitemoe", "grok",     "internlm2", "llada",      "llama",          "llama4",  "mistral3", "nemotron",
        "olmo",       "olmo2",    "olmoe",     "orion",      "pangu-embedded", "qwen2",   "qwen2moe", "qwen3",
        "qwen3moe",   "seed_oss", "smollm3",   "starcoder2", "xverse",
    };
    return names.count(architecture) > 0;
}

namespace {

// One look at one file; every method throws the coded error of what it finds wrong.
class inspection {
  public:
    explicit inspection(const std::string & path) : path_(path) {}

    uint64_t check_file() const {
        const uint64_t n_bytes = check_input_file(path_, model_codes);
        if (n_bytes == 0) refuse("is empty");
        char head[8] = {};
        with_codes(model_codes,
                   [&] { file_reader(path_).read(0, head, (size_t) std::min<uint64_t>(n_bytes, sizeof head)); });
        if (std::memcmp(head, "GGUF", 4) != 0) refuse("is not a GGUF file");
        uint32_t version = 0;
        std::memcpy(&version, head + 4, sizeof version);
        if (version < 2 || version > 3)
            refuse("has GGUF version " + std::to_string(version) + "; 2 and 3 are supported");
        return n_bytes;
    }

    std::string architecture_of(const gguf_metadata & meta) const {
        check_first_part(meta);
        const auto architecture = meta.text("general.architecture");
        if (!architecture) refuse("does not name its architecture");
        return *architecture;
    }

    std::string check_structure(const gguf_metadata & meta, uint64_t n_bytes) const {
        const std::string architecture = architecture_of(meta);
        if (!known_architecture(architecture))
            unsupported("has the unknown architecture " + architecture, architecture);
        if (architecture == "clip") unsupported("is an image encoder", architecture);
        if (meta.text("general.type") == "adapter") unsupported("is an adapter, not a model", architecture);
        if (gguf_get_n_tensors(meta.get()) == 0) unsupported("contains only a vocabulary", architecture);
        // llama.cpp asserts that tensors in a mapped file lie as its own do.
        if (const size_t alignment = gguf_get_alignment(meta.get()); alignment < GGUF_DEFAULT_ALIGNMENT)
            unsupported("has tensors aligned to " + std::to_string(alignment) + " bytes; llama.cpp needs " +
                            std::to_string(GGUF_DEFAULT_ALIGNMENT),
                        architecture);
        check_tensors(meta, n_bytes);
        return architecture;
    }

    // What llama.cpp asserts, divides by or waits for ever on.
    void check_shape(const gguf_metadata & meta, const std::string & architecture) const {
        const auto key = [&](const char * name) { return architecture + "." + name; };
        const auto within = [&](const char * name, double low, double high) {
            for (const double value : meta.numbers(key(name)))
                if (!(value >= low && value <= high))
                    refuse("has " + key(name) + " = " + number_text(value) + ", expected " + number_text(low) + " to " +
                           number_text(high));
        };
        const double many = 1 << 24, finite = 3e38, blocks = meta.number(key("block_count")).value_or(0);
        within("block_count", 1, max_layers);
        within("embedding_length", 1, many);
        within("context_length", 1, 1 << 30);
        within("feed_forward_length", 0, many);
        within("attention.head_count", 0, many);
        within("attention.head_count_kv", 0, many);
        within("attention.key_length", 1, many);
        within("attention.value_length", 1, many);
        within("nextn_predict_layers", 0, blocks);
        for (const char * name : { "attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon",
                                   "rope.scaling.factor", "rope.scale_linear", "rope.scaling.attn_factor" })
            within(name, 0, finite);
        for (const char * name : { "rope.freq_base", "rope.freq_base_swa", "rope.scaling.original_context_length" })
            if (const auto value = meta.number(key(name)); value && !(*value > 0 && *value <= finite))
                refuse("has " + key(name) + " = " + number_text(*value));
        const auto scaling = meta.text(key("rope.scaling.type"));
        if (scaling && *scaling != "none" && *scaling != "linear" && *scaling != "yarn" && *scaling != "longrope")
            refuse("has the unknown RoPE scaling " + *scaling);

        check_experts(meta, architecture);
        check_heads(meta, architecture);
        check_shared_layers(meta, architecture);
    }

    void check_vocabulary(const gguf_metadata & meta, const std::string & architecture) const {
        const auto model = meta.text("tokenizer.ggml.model");
        if (!model) refuse("has no tokenizer");
        if (*model == "no_vocab" || *model == "none") unsupported("has no vocabulary of its own", architecture);
        const int64_t n_tokens = meta.array_length("tokenizer.ggml.tokens");
        const int64_t embedding = gguf_find_tensor(meta.get(), "token_embd.weight");
        if (n_tokens == 0) refuse("has an empty vocabulary");
        if (n_tokens > 0 && embedding >= 0 && gguf_get_tensor_ne(meta.get(), embedding)[1] != n_tokens)
            refuse("has " + std::to_string(n_tokens) + " tokens but " +
                   std::to_string(gguf_get_tensor_ne(meta.get(), embedding)[1]) + " embeddings");
        for (const char * key : { "tokenizer.ggml.scores", "tokenizer.ggml.token_type" }) {
            const int64_t n = meta.array_length(key);
            if (n >= 0 && n_tokens >= 0 && n < n_tokens)
                refuse("has " + std::to_string(n_tokens) + " tokens but only " + std::to_string(n) + " values in " +
                       key);
        }
        std::unordered_set<std::string_view> seen;
        for (const std::string_view token : meta.texts("tokenizer.ggml.tokens"))
            if (!seen.insert(token).second) refuse("has the token '" + std::string(token) + "' twice");
    }

  private:
    [[noreturn]] void refuse(const std::string & what) const {
        throw failure(error_code::model_invalid, path_ + " " + what, { { "path", path_ } });
    }
    [[noreturn]] void unsupported(const std::string & what, const std::string & architecture) const {
        throw failure(error_code::model_unsupported, path_ + " " + what,
                      { { "path", path_ }, { "architecture", architecture } });
    }

    // llama.cpp finds the other parts by the name of the first one, which alone has the model's metadata.
    void check_first_part(const gguf_metadata & meta) const {
        const std::string architecture = meta.text("general.architecture").value_or("");
        const double n_parts = meta.number("split.count").value_or(0);
        if (!(n_parts > 1)) return;
        char ending[32];
        std::snprintf(ending, sizeof ending, "-00001-of-%05d.gguf", (int) std::min(n_parts, 99999.0));
        const std::string expected = ending;
        if (path_.size() < expected.size() ||
            path_.compare(path_.size() - expected.size(), expected.size(), expected) != 0)
            unsupported("is one part of a split model; name its first part, whose name ends in " + expected,
                        architecture);
    }

    void check_tensors(const gguf_metadata & meta, uint64_t n_bytes) const {
        const gguf_context * gguf = meta.get();
        const uint64_t data = gguf_get_data_offset(gguf);
        for (int64_t i = 0; i < gguf_get_n_tensors(gguf); i++) {
            const std::string name = std::string("tensor ") + gguf_get_tensor_name(gguf, i);
            const uint64_t begin = data + gguf_get_tensor_offset(gguf, i), size = gguf_get_tensor_size(gguf, i);
            if (begin > n_bytes || size > n_bytes - begin)
                refuse("is truncated: " + name + " extends past the end of the file");
            const int64_t * ne = gguf_get_tensor_ne(gguf, i);
            for (int d = 0; d < GGML_MAX_DIMS; d++)
                if (ne[d] <= 0) refuse("has an empty " + name);
            // Vectors are added and multiplied as f32 only; matrices need a type that has a dot product.
            const enum ggml_type type = gguf_get_tensor_type(gguf, i);
            if (ne[1] == 1 && ne[2] == 1 && ne[0] > 1 && type != GGML_TYPE_F32 && !is_matrix_of_one_row(gguf, i))
                refuse("has the vector " + name + " as " + ggml_type_name(type) + ", expected f32");
            if (!is_weight_type(type))
                refuse("has " + name + " as " + ggml_type_name(type) + ", which is not a type for weights");
        }
    }

    // A matrix for a single KV channel, say, is no vector although gguf.h shows it as one. Vectors are the norms, the
    // biases and the RoPE factors.
    static bool is_matrix_of_one_row(const gguf_context * gguf, int64_t tensor) {
        const std::string name = gguf_get_tensor_name(gguf, tensor);
        return name.find("norm") == std::string::npos && name.find(".bias") == std::string::npos &&
               name.find("rope_") == std::string::npos;
    }

    void check_experts(const gguf_metadata & meta, const std::string & architecture) const {
        const double experts = meta.number(architecture + ".expert_count").value_or(0);
        const double groups = meta.number(architecture + ".expert_group_count").value_or(0);
        const double groups_used = meta.number(architecture + ".expert_group_used_count").value_or(0);
        double used = 0;
        for (const double n : meta.numbers(architecture + ".expert_used_count")) used = std::max(used, n);
        const bool fits =
            experts <= 0
                ? used == 0 && groups == 0
                : experts <= max_experts && used > 0 && used <= experts && groups < experts &&
                      (groups <= 1 || (std::fmod(experts, groups) == 0 && groups_used > 0 && groups_used < groups));
        if (!fits)
            refuse("has an impossible choice of experts (" + number_text(used) + " of " + number_text(experts) +
                   " in " + number_text(groups) + " groups)");
    }

    // The last layers may read the cache of earlier ones: of the second last before them if they slide, else of the
    // last.
    void check_shared_layers(const gguf_metadata & meta, const std::string & architecture) const {
        if (architecture != "gemma4") return;
        const double blocks = meta.number(architecture + ".block_count").value_or(0);
        const double shared = meta.number(architecture + ".attention.shared_kv_layers").value_or(0);
        if (!(shared >= 0 && shared <= blocks - 2))
            refuse("has " + std::to_string((int64_t) shared) + " layers of " + std::to_string((int64_t) blocks) +
                   " that use the KV cache of others; two must have their own");
        const std::vector<double> sliding = meta.numbers(architecture + ".attention.sliding_window_pattern");
        if (shared == 0 || sliding.size() < (size_t) blocks) return;
        const size_t first = (size_t) (blocks - shared);
        for (size_t i = first; i < (size_t) blocks; i++)
            if ((sliding[i] != 0) != (sliding[first - (sliding[i] != 0 ? 2 : 1)] != 0))
                refuse("has layer " + std::to_string(i) + " use the KV cache of a layer with another attention");
    }

    void check_heads(const gguf_metadata & meta, const std::string & architecture) const {
        const auto key = [&](const char * name) { return architecture + "." + name; };
        const auto heads = meta.numbers(key("attention.head_count")),
                   heads_kv = meta.numbers(key("attention.head_count_kv"));
        for (size_t i = 0; i < std::max(heads.size(), heads_kv.size()) && !heads.empty() && !heads_kv.empty(); i++) {
            const double n = heads[std::min(i, heads.size() - 1)], n_kv = heads_kv[std::min(i, heads_kv.size() - 1)];
            if (n_kv == 0 && n > 0 && !hybrid_architecture(architecture))
                refuse("has a layer with heads but without KV heads");
            if (n_kv > 0 && std::fmod(n, n_kv) != 0)
                refuse("has " + number_text(n) + " heads, which is not a multiple of its " + number_text(n_kv) +
                       " KV heads");
        }
        // Without explicit head sizes llama.cpp divides the width by the number of heads and drops the rest.
        const auto width = meta.number(key("embedding_length"));
        const auto key_size = meta.number(key("attention.key_length")),
                   value_size = meta.number(key("attention.value_length"));
        if (!width || heads.empty() || heads[0] <= 0) return;
        if (!key_size && std::fmod(*width, heads[0]) != 0)
            refuse("has a width of " + number_text(*width) + ", which is not a multiple of its " +
                   number_text(heads[0]) + " heads");

        const double head_size = key_size.value_or(*width / heads[0]);
        const bool latent = meta.has(key("attention.kv_lora_rank"));
        if (value_size.value_or(head_size) != head_size && rotates_whole_heads(architecture) && !latent)
            refuse("has heads of size " + number_text(head_size) + " for K and " + number_text(*value_size) + " for V");
        const double rotated = meta.number(key("rope.dimension_count")).value_or(head_size);
        if (meta.has(key("rope.freq_base")) || meta.has(key("rope.dimension_count"))) {
            if (rotated < 2 || std::fmod(rotated, 2) != 0 || (rotated > head_size && !latent) ||
                (rotated != head_size && rotates_whole_heads(architecture) && !latent))
                refuse("rotates " + number_text(rotated) + " dimensions of heads of size " + number_text(head_size));
        } else if (rotates_whole_heads(architecture) && std::fmod(head_size, 2) != 0) {
            refuse("has heads of an odd size, " + number_text(head_size));
        }
    }

    const std::string & path_;
};

}  // namespace

model_file check_model_file(const std::string & path) {
    const inspection look(path);
    const uint64_t n_bytes = look.check_file();
    const gguf_metadata meta(path);
    const std::string architecture = look.check_structure(meta, n_bytes);
    look.check_shape(meta, architecture);
    look.check_vocabulary(meta, architecture);
    model_file file{ path, n_bytes, architecture, {}, false, false };
    // Parts of a model that is split over files may be elsewhere.
    file.has_head_matrices = meta.has(architecture + ".attention.key_length_mla");
    for (int64_t i = 0; i < gguf_get_n_tensors(meta.get()); i++) {
        const ggml_type type = gguf_get_tensor_type(meta.get(), i);
        if (std::find(file.types.begin(), file.types.end(), type) == file.types.end()) file.types.push_back(type);
        const std::string name = gguf_get_tensor_name(meta.get(), i);
        file.has_experts = file.has_experts || name.find("_exps") != std::string::npos;
        file.has_head_matrices = file.has_head_matrices || name.find("attn_k_b.") != std::string::npos;
    }
    return file;
}

uint64_t check_gguf_file(const std::string & path) { return inspection(path).check_file(); }

void check_tokenizer_file(const std::string & path) {
    const inspection look(path);
    look.check_file();
    const gguf_metadata meta(path);
    if (gguf_get_n_tensors(meta.get()) > 0)
        check_model_file(path);
    else
        look.check_vocabulary(meta, look.architecture_of(meta));
}

}  // namespace overfill
