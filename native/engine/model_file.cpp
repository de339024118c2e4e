#include "model_file.h"

#include "architectures.h"
#include "failure.h"
#include "gguf_metadata.h"

#include <ggml.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace overfill {

namespace fs = std::filesystem;

// llama.cpp's own bounds, beyond which it aborts.
static constexpr double max_layers  = 512;
static constexpr double max_experts = 1024;

namespace {

// One look at one file; every method throws the coded error of what it finds wrong.
class inspection {
  public:
    explicit inspection(const std::string & path) : path_(path) {}

    uint64_t check_file() const {
        std::error_code error;
        const fs::path  path = fs::u8path(path_);
        if (!fs::exists(path, error))
            throw failure(error_code::model_not_found, path_ + " does not exist", { { "path", path_ } });
        if (!fs::is_regular_file(path, error))
            throw failure(error_code::model_not_a_file, path_ + " is not a file", { { "path", path_ } });
        const uint64_t n_bytes = fs::file_size(path, error);
        std::ifstream  file(path, std::ios::binary);
        if (error || !file)
            throw failure(error_code::model_load_failed, path_ + " cannot be read", { { "path", path_ } });

        char     magic[4] = {};
        uint32_t version  = 0;
        file.read(magic, sizeof magic);
        file.read(reinterpret_cast<char *>(&version), sizeof version);
        if (n_bytes == 0) refuse("is empty");
        if (std::memcmp(magic, "GGUF", 4) != 0) refuse("is not a GGUF file");
        if (version < 2 || version > 3) refuse("has GGUF version " + std::to_string(version) + "; 2 and 3 are supported");
        return n_bytes;
    }

    std::string check_structure(const gguf_metadata & meta, uint64_t n_bytes) const {
        const auto architecture = meta.text("general.architecture");
        if (!architecture) refuse("names no architecture");
        if (!known_architecture(*architecture)) unsupported("has the unknown architecture " + *architecture, *architecture);
        if (gguf_get_n_tensors(meta.get()) == 0) unsupported("holds a vocabulary only", *architecture);

        const uint64_t data = gguf_get_data_offset(meta.get());
        for (int64_t i = 0; i < gguf_get_n_tensors(meta.get()); i++) {
            const uint64_t begin = data + gguf_get_tensor_offset(meta.get(), i), size = gguf_get_tensor_size(meta.get(), i);
            if (begin > n_bytes || size > n_bytes - begin)
                refuse("is truncated: tensor " + std::string(gguf_get_tensor_name(meta.get(), i)) + " ends behind the file");
            const int64_t * ne = gguf_get_tensor_ne(meta.get(), i);
            for (int d = 0; d < GGML_MAX_DIMS; d++)
                if (ne[d] <= 0) refuse("has an empty tensor " + std::string(gguf_get_tensor_name(meta.get(), i)));
        }
        return *architecture;
    }

    // What llama.cpp asserts or divides by.
    void check_shape(const gguf_metadata & meta, const std::string & architecture) const {
        const auto key    = [&](const char * name) { return architecture + "." + name; };
        const auto within = [&](const char * name, double low, double high) {
            for (const double value : meta.numbers(key(name)))
                if (!(value >= low && value <= high))
                    refuse("has " + key(name) + " = " + std::to_string((int64_t) value) + ", expected " +
                           std::to_string((int64_t) low) + " to " + std::to_string((int64_t) high));
        };
        const double many = 1 << 24;
        within("block_count", 1, max_layers);
        within("embedding_length", 1, many);
        within("context_length", 1, 1 << 30);
        within("feed_forward_length", 0, many);
        within("attention.head_count", 0, many);
        within("attention.head_count_kv", 0, many);
        within("attention.key_length", 1, many);
        within("attention.value_length", 1, many);
        within("rope.dimension_count", 0, many);
        within("nextn_predict_layers", 0, meta.number(key("block_count")).value_or(0));
        within("expert_count", 0, max_experts);
        within("expert_used_count", 0, meta.number(key("expert_count")).value_or(0));
        positive(meta, key("rope.freq_base"));
        positive(meta, key("rope.scaling.original_context_length"));

        const auto heads = meta.numbers(key("attention.head_count")), heads_kv = meta.numbers(key("attention.head_count_kv"));
        for (size_t i = 0; i < std::max(heads.size(), heads_kv.size()) && !heads.empty() && !heads_kv.empty(); i++) {
            const double n = heads[std::min(i, heads.size() - 1)], n_kv = heads_kv[std::min(i, heads_kv.size() - 1)];
            if (n_kv > 0 && std::fmod(n, n_kv) != 0)
                refuse("has " + std::to_string((int64_t) n) + " heads, no multiple of its " + std::to_string((int64_t) n_kv) +
                       " KV heads");
        }
        // Without explicit head sizes llama.cpp divides the width by the number of heads and drops the rest.
        const auto width = meta.number(key("embedding_length"));
        if (width && !heads.empty() && heads[0] > 0 && !meta.has(key("attention.key_length")) && std::fmod(*width, heads[0]) != 0)
            refuse("has a width of " + std::to_string((int64_t) *width) + ", no multiple of its " +
                   std::to_string((int64_t) heads[0]) + " heads");

        const auto scaling = meta.text(key("rope.scaling.type"));
        if (scaling && *scaling != "none" && *scaling != "linear" && *scaling != "yarn" && *scaling != "longrope")
            refuse("has the unknown RoPE scaling " + *scaling);
    }

    void check_vocabulary(const gguf_metadata & meta) const {
        if (!meta.text("tokenizer.ggml.model")) refuse("holds no tokenizer");
        const int64_t n_tokens  = meta.array_length("tokenizer.ggml.tokens");
        const int64_t embedding = gguf_find_tensor(meta.get(), "token_embd.weight");
        if (n_tokens == 0) refuse("has an empty vocabulary");
        if (n_tokens > 0 && embedding >= 0 && gguf_get_tensor_ne(meta.get(), embedding)[1] != n_tokens)
            refuse("has " + std::to_string(n_tokens) + " tokens but " +
                   std::to_string(gguf_get_tensor_ne(meta.get(), embedding)[1]) + " embeddings");
        for (const char * key : { "tokenizer.ggml.scores", "tokenizer.ggml.token_type" }) {
            const int64_t n = meta.array_length(key);
            if (n >= 0 && n_tokens >= 0 && n < n_tokens)
                refuse("has " + std::to_string(n_tokens) + " tokens but only " + std::to_string(n) + " values in " + key);
        }
    }

  private:
    [[noreturn]] void refuse(const std::string & what) const {
        throw failure(error_code::model_invalid, path_ + " " + what, { { "path", path_ } });
    }
    [[noreturn]] void unsupported(const std::string & what, const std::string & architecture) const {
        throw failure(error_code::model_unsupported, path_ + " " + what,
                      { { "path", path_ }, { "architecture", architecture } });
    }
    void positive(const gguf_metadata & meta, const std::string & key) const {
        const auto value = meta.number(key);
        if (value && !(*value > 0 && std::isfinite(*value))) refuse("has " + key + " = " + std::to_string(*value));
    }

    const std::string & path_;
};

}  // namespace

model_file check_model_file(const std::string & path) {
    const inspection    look(path);
    const uint64_t      n_bytes = look.check_file();
    const gguf_metadata meta(path);
    const std::string   architecture = look.check_structure(meta, n_bytes);
    look.check_shape(meta, architecture);
    look.check_vocabulary(meta);
    return { path, n_bytes, architecture };
}

bool same_file(const std::string & a, const std::string & b) {
    std::error_code error;
    return fs::equivalent(fs::u8path(a), fs::u8path(b), error);
}

}  // namespace overfill
