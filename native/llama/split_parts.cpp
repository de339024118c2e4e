#include "split_parts.h"

#include "failure.h"
#include "whole_number.h"

#include <llama.h>

namespace overfill {

static constexpr int64_t most_parts = 99999;  // as many digits as the names have

std::vector<std::string> split_parts(const std::string & path, const gguf_metadata & metadata) {
    const double count = metadata.number("split.count").value_or(1);
    const auto n_parts = whole_number(count, 0, most_parts);
    const auto refuse = [&](const std::string & what) {
        throw failure(error_code::model_invalid, path + " " + what, { { "path", path } });
    };
    if (!n_parts) refuse("has split.count = " + number_text(count));
    if (*n_parts <= 1) return { path };
    std::vector<char> buffer(path.size() + 32);
    if (llama_split_prefix(buffer.data(), buffer.size(), path.c_str(), 0, (int) *n_parts) <= 0)
        refuse("is one part of a split model; name its first part");
    const std::string prefix = buffer.data();
    std::vector<std::string> parts;
    for (int i = 0; i < (int) *n_parts; i++) {
        llama_split_path(buffer.data(), buffer.size(), prefix.c_str(), i, (int) *n_parts);
        parts.push_back(buffer.data());
    }
    return parts;
}

std::vector<std::vector<size_t>> divide_into_parts(const std::vector<uint64_t> & tensor_bytes, uint64_t max_bytes) {
    std::vector<std::vector<size_t>> parts(1);
    uint64_t n_bytes = 0;
    for (size_t i = 0; i < tensor_bytes.size(); i++) {
        if (max_bytes > 0 && !parts.back().empty() && n_bytes + tensor_bytes[i] > max_bytes) {
            parts.emplace_back();
            n_bytes = 0;
        }
        parts.back().push_back(i);
        n_bytes += tensor_bytes[i];
    }
    return parts;
}

std::vector<std::string> part_paths(const std::string & path, size_t n_parts) {
    if (n_parts == 1) return { path };
    const std::string ending = ".gguf";
    std::string prefix = path;
    if (prefix.size() > ending.size() && prefix.compare(prefix.size() - ending.size(), ending.size(), ending) == 0)
        prefix.resize(prefix.size() - ending.size());
    std::vector<std::string> paths;
    std::vector<char> buffer(prefix.size() + 32);
    for (size_t i = 0; i < n_parts; i++) {
        llama_split_path(buffer.data(), buffer.size(), prefix.c_str(), (int) i, (int) n_parts);
        paths.push_back(buffer.data());
    }
    return paths;
}

void add_split_keys(gguf_context * gguf, size_t part, size_t n_parts, size_t n_tensors) {
    if (n_parts < 2) return;
    gguf_set_val_u16(gguf, "split.no", (uint16_t) part);
    gguf_set_val_u16(gguf, "split.count", (uint16_t) n_parts);
    gguf_set_val_i32(gguf, "split.tensors.count", (int32_t) n_tensors);
}

}  // namespace overfill
