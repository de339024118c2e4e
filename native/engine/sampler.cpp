#include "sampler.h"

#include "failure.h"
#include "grammar_check.h"
#include "llama_log.h"
#include "log_softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace overfill {

llama_token argmax(const float * values, int32_t n) {
    // Eight running maxima keep the loop free of a dependency and let the compiler use vector instructions.
    constexpr int32_t lanes = 8;
    float best[lanes];
    std::fill(best, best + lanes, -std::numeric_limits<float>::infinity());
    int32_t i = 0;
    for (; i + lanes <= n; i += lanes)
        for (int32_t j = 0; j < lanes; j++) best[j] = values[i + j] > best[j] ? values[i + j] : best[j];
    for (; i < n; i++) best[0] = values[i] > best[0] ? values[i] : best[0];
    const float largest = *std::max_element(best, best + lanes);
    if (!std::isfinite(largest))
        throw failure(error_code::inference_failed, "the model's logits hold no finite number; its weights are broken");
    return (llama_token) (std::find(values, values + n, largest) - values);
}

[[noreturn]] static void refuse_all() {
    throw failure(error_code::inference_failed, "the logit bias and the grammar together allow no token here");
}

static uint32_t random_seed() {
    std::random_device device;
    const uint32_t seed = device();
    return seed == LLAMA_DEFAULT_SEED ? 0 : seed;  // llama.cpp takes that value for "choose one"
}

sampler::sampler(const llama_vocab * vocab, const sampling_options & options, int32_t n_context)
    : vocab_(vocab), n_vocab_(llama_vocab_n_tokens(vocab)), seed_(options.has_seed ? options.seed : random_seed()) {
    std::vector<llama_logit_bias> bias;
    for (const auto & [token, value] : options.logit_bias) {
        if (token < 0 || token >= n_vocab_)
            throw failure(error_code::invalid_argument,
                          "logitBias names token " + std::to_string(token) + ", but the vocabulary has " +
                              std::to_string(n_vocab_) + " tokens",
                          { { "parameter", "logitBias" }, { "actual", std::to_string(token) } });
        bias.push_back({ token, value });
    }
    int32_t n_suppressed = 0;
    const llama_token * suppressed = llama_vocab_get_suppress_tokens(vocab, &n_suppressed);
    for (int32_t i = 0; i < n_suppressed; i++) bias.push_back({ suppressed[i], -INFINITY });
    if (options.ignore_eos)
        for (llama_token token = 0; token < n_vocab_; token++)
            if (llama_vocab_is_eog(vocab, token)) bias.push_back({ token, -INFINITY });

    for (const llama_logit_bias & entry : bias)
        if (entry.bias == -INFINITY) forbidden_.push_back(entry.token);
    std::sort(forbidden_.begin(), forbidden_.end());

    const bool greedy = options.temperature <= 0.0f;
    const int32_t n_last = options.repeat_last_n < 0 ? n_context : options.repeat_last_n;
    const bool penalties = n_last != 0 && (options.repeat_penalty != 1.0f || options.presence_penalty != 0.0f ||
                                           options.frequency_penalty != 0.0f);
    plain_greedy_ = greedy && !penalties && bias.empty();
    n_observed_ = penalties ? n_last : 0;

    llama_sampler_chain_params params = llama_sampler_chain_default_params();
    params.no_perf = true;
    chain_.reset(llama_sampler_chain_init(params));
    if (!bias.empty()) add(llama_sampler_init_logit_bias(n_vocab_, (int32_t) bias.size(), bias.data()));
    if (penalties)
        add(llama_sampler_init_penalties(n_vocab_, n_last, options.repeat_penalty, options.frequency_penalty,
                                         options.presence_penalty));
    if (greedy) {
        add(llama_sampler_init_greedy());
    } else {
        add(llama_sampler_init_top_k(options.top_k));
        add(llama_sampler_init_typical(options.typical_p, 0));
        add(llama_sampler_init_top_p(options.top_p, 0));
        add(llama_sampler_init_min_p(options.min_p, 0));
        add(llama_sampler_init_temp(options.temperature));
        add(llama_sampler_init_dist(seed_));
    }

    if (!options.grammar.empty()) {
        check_grammar(options.grammar);
        const log_capture log;
        grammar_.reset(llama_sampler_init_grammar(vocab, options.grammar.c_str(), "root"));
        if (!grammar_)
            throw failure(error_code::grammar_invalid, "the GBNF grammar could not be parsed: " + log.errors(),
                          { { "parameter", "grammar" } });
    }
    if (!plain_greedy_ || grammar_) candidates_.resize((size_t) n_vocab_);
}

void sampler::add(llama_sampler * step) {
    if (!step) throw failure(error_code::out_of_memory, "no memory for a sampler");
    llama_sampler_chain_add(chain_.get(), step);
}

void sampler::observe(const std::vector<llama_token> & tokens) {
    const size_t n = std::min(tokens.size(), (size_t) n_observed_);
    for (size_t i = tokens.size() - n; i < tokens.size(); i++) llama_sampler_accept(chain_.get(), tokens[i]);
}

llama_token_data_array sampler::fill(const float * logits) {
    for (int32_t i = 0; i < n_vocab_; i++) candidates_[(size_t) i] = { i, logits[i], 0.0f };
    return { candidates_.data(), candidates_.size(), -1, false };
}

bool sampler::grammar_accepts(llama_token token) const {
    llama_token_data single = { token, 1.0f, 0.0f };
    llama_token_data_array one = { &single, 1, -1, false };
    llama_sampler_apply(grammar_.get(), &one);
    return single.logit != -INFINITY;
}

llama_token sampler::choose(llama_token_data_array & candidates) {
    llama_sampler_apply(chain_.get(), &candidates);
    return candidates.data[candidates.selected].id;
}

llama_token sampler::sample(const float * logits) {
    // The argmax refuses logits without a finite number, on which the chain would assert.
    llama_token token = argmax(logits, n_vocab_);
    if (!plain_greedy_) {
        llama_token_data_array all = fill(logits);
        token = choose(all);
    }
    if (grammar_ && !grammar_accepts(token)) {
        llama_token_data_array all = fill(logits);
        llama_sampler_apply(grammar_.get(), &all);
        token = choose(all);
        if (!grammar_accepts(token)) refuse_all();
    }
    // The chain chooses among impossible tokens where there are no others.
    if (std::binary_search(forbidden_.begin(), forbidden_.end(), token)) refuse_all();
    return token;
}

void sampler::accept(llama_token token) {
    llama_sampler_accept(chain_.get(), token);
    if (grammar_) llama_sampler_accept(grammar_.get(), token);
}

std::vector<token_log_prob> sampler::log_probs(const float * logits, llama_token token, int32_t n) const {
    const double log_sum = log_sum_exp(logits, (size_t) n_vocab_);

    std::vector<token_log_prob> out = { { token, (float) (logits[token] - log_sum) } };
    const size_t k = (size_t) std::min(std::max(n, 0), n_vocab_);
    std::vector<llama_token> order((size_t) n_vocab_);
    if (k == 0) return out;
    for (int32_t i = 0; i < n_vocab_; i++) order[(size_t) i] = i;
    std::partial_sort(order.begin(), order.begin() + (long) k, order.end(), [logits](llama_token a, llama_token b) {
        return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
    });
    for (size_t i = 0; i < k; i++) out.push_back({ order[i], (float) (logits[order[i]] - log_sum) });
    return out;
}

}  // namespace overfill
