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

}  // namespace overfill
