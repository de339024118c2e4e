#include "prefix_scenario.h"

#include "engine_driver.h"
#include "model_traits.h"
#include "models.h"
#include "pair_driver.h"
#include "prefix_cache.h"

#include <algorithm>
#include <cstring>

namespace overfill::test {

namespace {

using tokens = std::vector<llama_token>;

constexpr uint32_t n_written = 4;

uint32_t n_positions_of(const std::string & path) {
    return traits_of(load_model({ path, 0 }, load_depth::metadata, [](float) { return true; }).get()).n_positions;
}

pair_options options_with(const std::string & path, uint64_t prefix_cache_bytes) {
    pair_options options = options_for(path, "");
    options.context_size = n_positions_of(path) ? 0 : 512;
    options.batch_size = 1;
    options.prefix_cache_bytes = prefix_cache_bytes;
    return options;
}

tokens drawn(uint32_t n, uint32_t salt, uint32_t n_vocab) {
    tokens out = some_tokens(n, salt);
    for (llama_token & token : out) token = (llama_token) ((uint32_t) token % n_vocab);
    return out;
}

std::vector<logits_row> rows_after(pair_driver & driver, const tokens & prompt, const tokens & written) {
    driver.clear();
    driver.prefill(prompt);
    driver.hand_over();
    return driver.decode(written);
}

bool same_bits(const std::vector<logits_row> & a, const std::vector<logits_row> & b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); i++)
        if (a[i].size() != b[i].size() || std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0)
            return false;
    return true;
}

}  // namespace

prefix_outcome run_prefix_scenario(const std::string & path) {
    pair_driver keeping(options_with(path, 64u << 20)), forgetful(options_with(path, 0));
    prefix_outcome out;
    out.keeps = keeping.info().prefix_cache_bytes > 0;
    const uint32_t n_prompt = std::min(prefix_cache::block_size + 40, keeping.info().context_size - n_written),
                   n_alike = n_prompt - 20;
    const uint32_t n_vocab = keeping.info().prefill.n_vocab;
    const tokens first = drawn(n_prompt, 1, n_vocab), written = drawn(n_written, 2, n_vocab);
    tokens second(first.begin(), first.begin() + n_alike);
    for (const llama_token token : drawn(n_prompt - n_alike, 3, n_vocab)) second.push_back(token);

    const auto compare = [&](const char * what, const tokens & prompt, bool cached) {
        const uint32_t before = keeping.stats().n_cached_tokens;
        const bool same = same_bits(rows_after(keeping, prompt, written), rows_after(forgetful, prompt, written));
        const uint32_t n = keeping.stats().n_cached_tokens - before;
        // Where the memory cannot be cut, up to the last state, which is at a block's end.
        if (out.fault.empty() && !same) out.fault = std::string(what) + " gives other logits";
        if (out.fault.empty() && out.keeps && (n >= std::min(prefix_cache::block_size, n_alike)) != cached)
            out.fault = std::string(what) + " takes over " + std::to_string(n) + " tokens";
    };
    compare("a prompt", first, false);
    compare("the same prompt again", first, true);
    compare("a prompt that begins like it", second, true);
    return out;
}

}  // namespace overfill::test
