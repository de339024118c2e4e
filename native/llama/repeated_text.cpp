#include "repeated_text.h"

#include <algorithm>
#include <cstdint>
#include <ngram-map.h>

namespace overfill {

// Fewer match by chance, more are found late.
static constexpr uint16_t n_matched = 4;

std::vector<llama_token> find_repeated(const std::vector<llama_token> & text, size_t most) {
    if (text.empty() || most < n_matched) return {};
    const common_ngram_simple_config config{ n_matched, (uint16_t) std::min<size_t>(most, UINT16_MAX) };
    return common_ngram_simple_draft(config, { text.begin(), text.end() - 1 }, text.back());
}

}  // namespace overfill
