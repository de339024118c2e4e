#include "fingerprint.h"

#include "failure.h"
#include "file_reader.h"
#include "gguf_metadata.h"
#include "input_file.h"
#include "split_parts.h"
#include "xxh3.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <vector>

namespace overfill {

namespace {

// FNV-1a with 64 bits: models are many, but nobody makes them collide on purpose.
class hash {
  public:
    void add(const void * data, size_t n_bytes) {
        for (size_t i = 0; i < n_bytes; i++) state_ = (state_ ^ static_cast<const uint8_t *>(data)[i]) * 0x100000001b3u;
    }
    void add(const std::string & text) {
        add(text.data(), text.size() + 1);  // with its zero, so that two texts in a row are told from their joining
    }
    void add(double number) { add(&number, sizeof number); }
    uint64_t value() const { return state_; }

  private:
    uint64_t state_ = 0xcbf29ce484222325u;
};

// What a file leaves out has a default, and tools that rewrite files write it down or not.
void add_shape(hash & out, const gguf_metadata & meta, const std::string & architecture) {
    const auto key = [&](const char * name) { return architecture + "." + name; };
    const auto add = [&](const char * name, double fallback) {
        std::vector<double> values = meta.numbers(key(name));
        if (values.empty()) values.push_back(fallback);
        out.add(std::string(name));
        for (const double value : values) out.add(value);
    };
    const double width = meta.number(key("embedding_length")).value_or(0);
    const std::vector<double> heads = meta.numbers(key("attention.head_count"));
    const double n_head = heads.empty() ? 0 : heads[0];
    const double head_size = n_head > 0 ? width / n_head : 0;
    const double size_k = meta.number(key("attention.key_length")).value_or(head_size);
    add("block_count", 0);
    add("embedding_length", 0);
    add("feed_forward_length", 0);
    add("expert_count", 0);
    add("attention.head_count", 0);
    add("attention.head_count_kv", n_head);
    add("attention.key_length", head_size);
    add("attention.value_length", head_size);
    add("attention.sliding_window", 0);
    add("rope.dimension_count", size_k);
    add("rope.freq_base", 10000);
    add("rope.scaling.factor", 1);
    out.add(meta.text(key("rope.scaling.type")).value_or("none"));
    out.add((double) meta.array_length("tokenizer.ggml.tokens"));
}

bool is_vector(const gguf_context * gguf, int64_t tensor) {
    const std::string name = gguf_get_tensor_name(gguf, tensor);
    const int64_t * ne = gguf_get_tensor_ne(gguf, tensor);
    const bool named = name.find("norm") != std::string::npos || name.find(".bias") != std::string::npos ||
                       name.find("rope_") != std::string::npos;
    return named && ne[1] == 1 && ne[2] == 1 && gguf_get_tensor_type(gguf, tensor) == GGML_TYPE_F32;
}

}  // namespace

std::string digits_of(uint64_t hash) {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", (unsigned long long) hash);
    return digits;
}

std::string model_fingerprint(const std::string & path) {
    check_input_file(path, model_codes);
    const gguf_metadata first(path);
    const std::string architecture = first.text("general.architecture").value_or("");
    hash all;
    all.add(architecture);
    add_shape(all, first, architecture);

    // By name, so that a split model and its merged file are one.
    std::map<std::string, uint64_t> vectors;
    for (const std::string & part : split_parts(path, first)) {
        check_input_file(part, model_codes);
        const gguf_metadata meta(part);
        for (int64_t i = 0; i < gguf_get_n_tensors(meta.get()); i++) {
            if (!is_vector(meta.get(), i)) continue;
            const std::vector<uint8_t> bytes = meta.tensor_bytes(i);
            const std::string name = gguf_get_tensor_name(meta.get(), i);
            if (bytes.empty())
                throw failure(error_code::model_invalid,
                              part + " is truncated: tensor " + name + " extends past the end of the file",
                              { { "path", part } });
            hash values;
            values.add(bytes.data(), bytes.size());
            vectors[name] = values.value();
        }
    }
    for (const auto & [name, value] : vectors) {
        all.add(name);
        all.add(&value, sizeof value);
    }
    return architecture + "-" + digits_of(all.value());
}

std::string weights_fingerprint(const std::string & path) {
    constexpr uint64_t n_sampled = 64;
    check_input_file(path, model_codes);
    const gguf_metadata first(path);
    xxh3 all;
    for (const std::string & part : split_parts(path, first)) {
        const uint64_t n_file = check_input_file(part, model_codes);
        const gguf_metadata meta(part);
        const file_reader file(part);
        for (int64_t i = 0; i < gguf_get_n_tensors(meta.get()); i++) {
            const std::string name = gguf_get_tensor_name(meta.get(), i);
            const ggml_type type = gguf_get_tensor_type(meta.get(), i);
            all.add(name.data(), name.size() + 1);
            all.add(&type, sizeof type);
            all.add(gguf_get_tensor_ne(meta.get(), i), 4 * sizeof(int64_t));
            const uint64_t size = gguf_get_tensor_size(meta.get(), i), n = std::min(size, n_sampled);
            const uint64_t begin = gguf_get_data_offset(meta.get()) + gguf_get_tensor_offset(meta.get(), i);
            if (begin > n_file || size > n_file - begin)
                throw failure(error_code::model_invalid,
                              part + " is truncated: tensor " + name + " extends past the end of the file",
                              { { "path", part } });
            uint8_t bytes[n_sampled];
            file.read(begin + (size - n) / 2, bytes, n);
            all.add(bytes, n);
        }
    }
    return digits_of(all.value());
}

}  // namespace overfill
