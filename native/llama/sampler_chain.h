// llama.cpp's samplers as libllama-common makes and orders them (common_sampler_init), one by one: who samples goes
// through them with logits of any origin, where libllama-common reads a context's.
#pragma once

#include <llama.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace overfill {

// Names and defaults are llama.cpp's.
struct chain_options {
    float temperature = 0.8f;
    float dynatemp_range = 0.0f;
    float dynatemp_exponent = 1.0f;
    int32_t top_k = 40;
    float top_p = 0.95f;
    float min_p = 0.05f;
    float typical_p = 1.0f;
    float top_n_sigma = -1.0f;
    float xtc_probability = 0.0f;
    float xtc_threshold = 0.1f;
    float repeat_penalty = 1.0f;
    float presence_penalty = 0.0f;
    float frequency_penalty = 0.0f;
    int32_t repeat_last_n = 64;  // -1: the whole context
    float dry_multiplier = 0.0f;
    float dry_base = 1.75f;
    int32_t dry_allowed_length = 2;
    int32_t dry_penalty_last_n = 64;  // -1: the whole context
    std::vector<std::string> dry_sequence_breakers = { "\n", ":", "\"", "*" };
    int32_t mirostat = 0;
    float mirostat_tau = 5.0f;
    float mirostat_eta = 0.1f;
    std::vector<std::string> samplers;  // in their order; empty: llama.cpp's

    // With dynamic temperature 0 is only the lowest.
    bool is_greedy() const { return temperature <= 0.0f && dynatemp_range <= 0.0f; }
};

struct free_llama_sampler {
    void operator()(llama_sampler * s) const { llama_sampler_free(s); }
};
using llama_sampler_ptr = std::unique_ptr<llama_sampler, free_llama_sampler>;

struct sampler_step {
    std::string name;  // llama.cpp's
    llama_sampler_ptr sampler;
};

// Without what does nothing, and without the tokens that the vocabulary suppresses. The last one chooses. A greedy
// chain has only what changes which token is the likeliest. Throws ERR_INVALID_ARGUMENT.
std::vector<sampler_step> make_sampler_steps(const llama_model * model, const chain_options & options, uint32_t seed,
                                             int32_t n_context);

}  // namespace overfill
