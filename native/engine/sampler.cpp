#include "sampler.h"

#include "failure.h"
#include "log_softmax.h"
#include "text.h"

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

[[noreturn]] static void refuse_all(bool by_grammar) {
    throw failure(error_code::inference_failed,
                  by_grammar ? "the grammar allows none of the vocabulary's tokens here, or only those that the logit "
                               "bias or ignoreEos forbids"
                             : "the logit bias forbids every token");
}

static uint32_t random_seed() {
    std::random_device device;
    const uint32_t seed = device();
    return seed == LLAMA_DEFAULT_SEED ? 0 : seed;  // llama.cpp takes that value for "choose one"
}

sampler::sampler(const llama_vocab * vocab, const sampling_options & options, int32_t n_context,
                 std::shared_ptr<token_pieces> pieces, std::function<bool()> stopped)
    : vocab_(vocab), n_vocab_(llama_vocab_n_tokens(vocab)), seed_(options.has_seed ? options.seed : random_seed()),
      greedy_(options.temperature <= 0.0f), temperature_(options.temperature), lazy_(options.grammar_lazy) {
    const auto add_bias = [this](llama_token token, float value) {
        if (bias_.empty()) bias_.resize((size_t) n_vocab_);
        // What is forbidden stays so, whatever is added.
        float & sum = bias_[(size_t) token];
        sum = sum == -INFINITY || value == -INFINITY ? -INFINITY : sum + value;
    };
    for (const auto & [token, value] : options.logit_bias) {
        if (token < 0 || token >= n_vocab_)
            throw failure(error_code::invalid_argument,
                          "logitBias names token " + std::to_string(token) + ", but the vocabulary has " +
                              std::to_string(n_vocab_) + " tokens",
                          { { "parameter", "logitBias" }, { "actual", std::to_string(token) } });
        add_bias(token, value);
    }
    int32_t n_suppressed = 0;
    const llama_token * suppressed = llama_vocab_get_suppress_tokens(vocab, &n_suppressed);
    for (int32_t i = 0; i < n_suppressed; i++) add_bias(suppressed[i], -INFINITY);
    if (options.ignore_eos)
        for (llama_token token = 0; token < n_vocab_; token++)
            if (llama_vocab_is_eog(vocab, token)) add_bias(token, -INFINITY);

    const int32_t n_last = options.repeat_last_n < 0 ? n_context : options.repeat_last_n;
    const bool penalties = n_last != 0 && (options.repeat_penalty != 1.0f || options.presence_penalty != 0.0f ||
                                           options.frequency_penalty != 0.0f);
    plain_greedy_ = greedy_ && !penalties && bias_.empty();
    n_observed_ = penalties ? n_last : 0;

    if (penalties) {
        penalties_ = new_chain();
        add(penalties_, llama_sampler_init_penalties(n_vocab_, n_last, options.repeat_penalty,
                                                     options.frequency_penalty, options.presence_penalty));
    }
    chain_ = new_chain();
    if (greedy_) {
        add(chain_, llama_sampler_init_greedy());
    } else {
        add(chain_, llama_sampler_init_top_k(options.top_k));
        add(chain_, llama_sampler_init_typical(options.typical_p, 0));
        add(chain_, llama_sampler_init_top_p(options.top_p, 0));
        add(chain_, llama_sampler_init_min_p(options.min_p, 0));
        add(chain_, llama_sampler_init_temp(options.temperature));
        add(chain_, llama_sampler_init_dist(seed_));
    }

    if (!options.grammar.empty()) {
        if (!pieces) pieces = std::make_shared<token_pieces>(vocab);
        grammar_ = std::make_unique<answer_grammar>(options, vocab, std::move(pieces), std::move(stopped));
    }
    if (options.reasoning) begin_reasoning(*options.reasoning);
    if (!options.generation_prompt.empty()) read_generation_prompt(options.generation_prompt);
    if (!plain_greedy_ || grammar_) candidates_.resize((size_t) n_vocab_);
}

sampler::sampler_ptr sampler::new_chain() {
    llama_sampler_chain_params params = llama_sampler_chain_default_params();
    params.no_perf = true;
    return sampler_ptr(llama_sampler_chain_init(params));
}

void sampler::add(sampler_ptr & chain, llama_sampler * step) {
    if (!chain || !step) throw failure(error_code::out_of_memory, "not enough memory for a sampler");
    llama_sampler_chain_add(chain.get(), step);
}

static std::vector<llama_token> tokens_of_tag(const llama_vocab * vocab, const std::string & text) {
    return tokenize(vocab, text, text_place::continuation, /*parse_special*/ true, unwritable::leave_out);
}

void sampler::begin_reasoning(const reasoning_options & options) {
    std::vector<std::vector<llama_token>> start, end;
    for (const std::string & tag : options.start_tags) start.push_back(tokens_of_tag(vocab_, tag));
    for (const std::string & tag : options.end_tags) end.push_back(tokens_of_tag(vocab_, tag));
    if (end.empty() || end[0].empty())
        throw failure(error_code::invalid_argument, "a budget for reasoning needs a tag that ends it",
                      { { "parameter", "reasoningBudget" } });
    std::vector<llama_token> forced = tokens_of_tag(vocab_, options.message);
    forced.insert(forced.end(), end[0].begin(), end[0].end());
    reasoning_ = std::make_unique<reasoning_budget>(vocab_, start, end, forced, options.budget, options.inside);
}

void sampler::read_generation_prompt(const std::string & text) {
    for (const llama_token token : tokens_of_tag(vocab_, text)) {
        if (reasoning_) reasoning_->accept(token);
        if (!grammar_ || lazy_) continue;
        if (!grammar_->allows(token))
            throw failure(error_code::grammar_invalid, "the grammar does not begin with the prompt's end",
                          { { "parameter", "grammar" } });
        grammar_->accept(token);
    }
}

void sampler::observe(const std::vector<llama_token> & tokens) {
    if (!penalties_) return;
    const size_t n = std::min(tokens.size(), (size_t) n_observed_);
    for (size_t i = tokens.size() - n; i < tokens.size(); i++) llama_sampler_accept(penalties_.get(), tokens[i]);
}

void sampler::resume(const std::vector<llama_token> & followed, size_t n_drawn) {
    for (const llama_token token : followed) follow(token);
    // With one candidate the distribution draws a number as well.
    for (size_t i = 0; i < n_drawn; i++) {
        llama_token_data single = { 0, 0.0f, 0.0f };
        llama_token_data_array one = { &single, 1, -1, false };
        llama_sampler_apply(chain_.get(), &one);
    }
}

// The candidates that the logit bias does not forbid; those that it forces, if there are any, and no others.
size_t sampler::fill(const float * logits, const std::vector<uint8_t> * allowed) {
    size_t n = 0;
    bool forced = false;
    for (int32_t token = 0; token < n_vocab_; token++) {
        if ((allowed && !(*allowed)[(size_t) token]) || logits[token] == -INFINITY) continue;
        const float bias = bias_.empty() ? 0.0f : bias_[(size_t) token];
        if (bias == -INFINITY || (forced && bias != INFINITY)) continue;
        if (bias == INFINITY && !forced) {
            forced = true;
            n = 0;
        }
        candidates_[n++] = { token, bias == INFINITY ? logits[token] : logits[token] + bias, 0.0f };
    }
    return n;
}

// With a large bias the others' probability is 0 in any arithmetic, but llama.cpp sorts by fixed ranges of logits and
// loses such values. So what has no chance goes first, and the rest is counted from the largest.
size_t sampler::drop_hopeless(size_t n) {
    // exp of less than this is no float; a temperature above 1 brings the logits closer together.
    const float least = -104.0f * std::max(1.0f, temperature_);
    float largest = -INFINITY;
    for (size_t i = 0; i < n; i++) largest = std::max(largest, candidates_[i].logit);
    size_t n_kept = 0;
    for (size_t i = 0; i < n; i++) {
        const float logit = candidates_[i].logit - largest;
        if (logit >= least) candidates_[n_kept++] = { candidates_[i].id, logit, 0.0f };
    }
    return n_kept;
}

llama_token sampler::choose(size_t n) {
    if (penalties_) {
        llama_token_data_array all = { candidates_.data(), n, -1, false };
        llama_sampler_apply(penalties_.get(), &all);
    }
    if (!greedy_ && !bias_.empty()) n = drop_hopeless(n);
    llama_token_data_array left = { candidates_.data(), n, -1, false };
    llama_sampler_apply(chain_.get(), &left);
    n_drawn_ += !greedy_;
    return left.data[left.selected].id;
}

std::optional<llama_token> sampler::sample(const float * logits) {
    n_drawn_ = 0;
    // The argmax refuses logits without a finite number, on which the chain would assert.
    llama_token token = argmax(logits, n_vocab_);
    if (const auto forced = reasoning_ ? reasoning_->forced() : std::nullopt) {
        if (!bound() || grammar_->allows(*forced)) return forced;
        throw failure(error_code::inference_failed, "the grammar forbids the end of the reasoning, which is due here");
    }
    if (!plain_greedy_) {
        const size_t n = fill(logits, nullptr);
        if (n == 0) {
            if (bound() && grammar_->may_end()) return std::nullopt;
            refuse_all(false);
        }
        token = choose(n);
    }
    if (!bound() || grammar_->allows(token)) return token;
    const size_t n = fill(logits, &grammar_->allowed());
    if (n > 0) return choose(n);
    if (grammar_->may_end()) return std::nullopt;
    refuse_all(true);
}

// As common_sampler_accept: a grammar that did not read the reasoning gets the tag that ended it, which may wake it.
void sampler::follow(llama_token token) {
    const bool read = reads();
    if (reasoning_) {
        reasoning_->accept(token);
        const std::vector<llama_token> * end = grammar_ && !read ? reasoning_->ended_by() : nullptr;
        if (end)
            for (const llama_token of_end : *end) grammar_->accept(of_end);
    }
    if (read) grammar_->accept(token);
}

void sampler::accept(llama_token token) {
    if (penalties_) llama_sampler_accept(penalties_.get(), token);
    follow(token);
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
