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

sampler::sampler(const llama_model * model, const sampling_options & options, int32_t n_context,
                 std::shared_ptr<token_pieces> pieces, std::function<bool()> stopped)
    : vocab_(llama_model_get_vocab(model)), n_vocab_(llama_vocab_n_tokens(vocab_)),
      seed_(options.has_seed ? options.seed : random_seed()), greedy_(options.is_greedy()),
      temperature_(options.temperature + options.dynatemp_range),
      steps_(make_sampler_steps(model, options, seed_, n_context)), lazy_(options.grammar_lazy) {
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
    const llama_token * suppressed = llama_vocab_get_suppress_tokens(vocab_, &n_suppressed);
    for (int32_t i = 0; i < n_suppressed; i++) add_bias(suppressed[i], -INFINITY);
    if (options.ignore_eos)
        for (llama_token token = 0; token < n_vocab_; token++)
            if (llama_vocab_is_eog(vocab_, token)) add_bias(token, -INFINITY);

    plain_greedy_ = greedy_ && steps_.size() == 1 && bias_.empty();
    greedy_unless_biased_ =
        greedy_ && steps_.size() == 1 && std::none_of(bias_.begin(), bias_.end(), [](float bias) { return bias > 0; });
    penalties_later_ = has_step("penalties") && steps_[0].name != "penalties";
    mirostat_ = has_step("mirostat") || has_step("mirostat-v2");
    for (const auto & [name, n_last] :
         { std::pair("penalties", options.repeat_last_n), std::pair("dry", options.dry_penalty_last_n) })
        if (has_step(name)) n_observed_ = std::max(n_observed_, n_last < 0 ? n_context : n_last);

    if (!options.grammar.empty()) {
        if (!pieces) pieces = std::make_shared<token_pieces>(vocab_);
        grammar_ = std::make_unique<answer_grammar>(options, vocab_, std::move(pieces), std::move(stopped));
    }
    if (options.reasoning) begin_reasoning(*options.reasoning);
    if (!options.generation_prompt.empty()) read_generation_prompt(options.generation_prompt);
    if (!plain_greedy_ || grammar_) candidates_.resize((size_t) n_vocab_);
}

bool sampler::has_step(const char * name) const {
    return std::any_of(steps_.begin(), steps_.end(), [name](const sampler_step & step) { return step.name == name; });
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
    const size_t n = std::min(tokens.size(), (size_t) n_observed_);
    for (const sampler_step & step : steps_)
        for (size_t i = tokens.size() - n; i < tokens.size(); i++) llama_sampler_accept(step.sampler.get(), tokens[i]);
}

// So that a sampler draws as many numbers as it did.
static void draw(const llama_sampler_ptr & sampler, size_t n_drawn, size_t n_candidates) {
    for (size_t i = 0; i < n_drawn; i++) {
        llama_token_data two[] = { { 0, 0.0f, 0.0f }, { 1, 0.0f, 0.0f } };
        llama_token_data_array candidates = { two, n_candidates, -1, false };
        llama_sampler_apply(sampler.get(), &candidates);
    }
}

void sampler::resume(const std::vector<llama_token> & followed, const random_draws & drawn,
                     const mirostat_state & mirostat) {
    for (const llama_token token : followed) follow(token);
    if (greedy_ || mirostat_) {
        if (mirostat_ && mirostat) steps_.back().sampler.reset(llama_sampler_clone(mirostat.get()));
    } else {
        // With one candidate the distribution draws a number as well.
        draw(steps_.back().sampler, drawn.choices, 1);
    }
    for (const sampler_step & step : steps_)
        if (step.name == "xtc") draw(step.sampler, drawn.xtc, 2);
}

mirostat_state sampler::mirostat() const {
    return mirostat_ ? mirostat_state(llama_sampler_clone(steps_.back().sampler.get()), free_llama_sampler()) : nullptr;
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
// loses such values. So what has no chance goes first, and the rest is counted from the largest. Mirostat divides by
// probabilities.
void sampler::drop_hopeless(llama_token_data_array & left) const {
    // exp of less than this is no float; a temperature above 1 brings the logits closer together.
    const float least = -104.0f * std::max(1.0f, temperature_);
    float largest = -INFINITY;
    for (size_t i = 0; i < left.size; i++) largest = std::max(largest, left.data[i].logit);
    // A repeat penalty asks on which side of 0 a logit is.
    const float moved_by = penalties_later_ && std::abs(largest) < 1e5f ? 0.0f : largest;
    size_t n_kept = 0;
    for (size_t i = 0; i < left.size; i++) {
        const float logit = left.data[i].logit - largest;
        if (logit >= least) left.data[n_kept++] = { left.data[i].id, left.data[i].logit - moved_by, 0.0f };
    }
    left.size = n_kept;
    left.sorted = false;
}

// What a sampler gave no chance, unless that is all there is: those that follow compute with logits.
static void drop_forbidden(llama_token_data_array & left) {
    size_t n_kept = 0;
    for (size_t i = 0; i < left.size; i++)
        if (left.data[i].logit != -INFINITY) left.data[n_kept++] = left.data[i];
    if (n_kept > 0) left.size = n_kept;
}

// Goes through all steps but the last, which chooses.
llama_token_data_array sampler::narrow(size_t n) {
    llama_token_data_array left = { candidates_.data(), n, -1, false };
    bool dropped = greedy_ || (bias_.empty() && !mirostat_);
    for (const sampler_step & step : steps_) {
        const bool last = &step == &steps_.back();
        if (!dropped && step.name != "penalties") {
            drop_hopeless(left);
            dropped = true;
        }
        if (last) break;
        if (step.name == "xtc") drawn_.xtc += left.size > 1;
        llama_sampler_apply(step.sampler.get(), &left);
        if (step.name == "top-n-sigma" || step.name == "dry") drop_forbidden(left);
    }
    return left;
}

llama_token sampler::choose(size_t n) {
    llama_token_data_array left = narrow(n);
    // From a single candidate the first mirostat estimates nothing.
    if (steps_.back().name == "mirostat" && left.size == 1) return left.data[0].id;
    llama_sampler_apply(steps_.back().sampler.get(), &left);
    drawn_.choices += !greedy_;
    return left.data[left.selected].id;
}

// As llama.cpp's last step has them, before it normalizes them.
std::vector<token_distribution::entry> sampler::weigh(size_t n) {
    const llama_token_data_array left = narrow(n);
    float largest = -INFINITY;
    for (size_t i = 0; i < left.size; i++) largest = std::max(largest, left.data[i].logit);
    std::vector<token_distribution::entry> out;
    for (size_t i = 0; i < left.size; i++)
        if (const float weight = expf(left.data[i].logit - largest); weight > 0)
            out.push_back({ left.data[i].id, weight });
    return out;
}

std::optional<llama_token> sampler::sample(const float * logits) {
    drawn_ = {};
    // The argmax refuses logits without a finite number, on which the chain would assert.
    llama_token token = argmax(logits, n_vocab_);
    if (const auto forced = forced_token()) return forced;
    if (!plain_greedy_ && !(greedy_unless_biased_ && bias_[(size_t) token] == 0)) {
        const size_t n = fill(logits, nullptr);
        if (!may_choose(n, false)) return std::nullopt;
        token = choose(n);
    }
    if (!bound() || grammar_->allows(token)) return token;
    const size_t n = fill(logits, &grammar_->allowed());
    return may_choose(n, true) ? std::optional<llama_token>(choose(n)) : std::nullopt;
}

// False: the answer ends here, as the grammar says it may.
bool sampler::may_choose(size_t n_candidates, bool by_grammar) const {
    if (n_candidates > 0) return true;
    if (bound() && grammar_->may_end()) return false;
    refuse_all(by_grammar);
}

// A token that the grammar refuses is drawn anew among those that it allows: so these share what the others had.
std::optional<token_distribution> sampler::distribution(const float * logits) {
    drawn_ = {};
    argmax(logits, n_vocab_);  // refuses logits without a finite number
    if (const auto forced = forced_token()) return token_distribution(*forced);
    size_t n = fill(logits, nullptr);
    if (!may_choose(n, false)) return std::nullopt;
    token_distribution all(weigh(n));
    if (!bound()) return all;

    // To ask for each token costs more than to ask for the vocabulary, where they are many.
    const std::vector<uint8_t> * allowed = all.entries().size() > 256 ? &grammar_->allowed() : nullptr;
    std::vector<token_distribution::entry> mixed;
    double sum = 0;
    for (const auto & one : all.entries()) {
        if (!(allowed ? (*allowed)[(size_t) one.token] : grammar_->allows(one.token))) continue;
        mixed.push_back(one);
        sum += one.p;
    }
    if (mixed.size() == all.entries().size()) return all;
    n = fill(logits, &grammar_->allowed());
    if (!may_choose(n, true)) return std::nullopt;
    std::vector<double> weights((size_t) n_vocab_);
    for (const auto & one : mixed) weights[(size_t) one.token] = one.p;
    const token_distribution anew(weigh(n));
    for (const auto & one : anew.entries()) weights[(size_t) one.token] += std::max(0.0, 1 - sum) * one.p;
    mixed.clear();
    for (llama_token token = 0; token < n_vocab_; token++)
        if (weights[(size_t) token] > 0) mixed.push_back({ token, weights[(size_t) token] });
    return token_distribution(std::move(mixed));
}

std::optional<llama_token> sampler::forced_token() {
    const auto forced = reasoning_ ? reasoning_->forced() : std::nullopt;
    if (!forced || !bound() || grammar_->allows(*forced)) return forced;
    throw failure(error_code::inference_failed, "the grammar forbids the end of the reasoning, which is due here");
}

bool sampler::allows(llama_token token) {
    drawn_ = {};
    if (const auto forced = forced_token()) return token == *forced;
    const float bias = bias_.empty() ? 0.0f : bias_[(size_t) token];
    const bool others_forced = bias != INFINITY && std::find(bias_.begin(), bias_.end(), INFINITY) != bias_.end();
    return bias != -INFINITY && !others_forced && (!bound() || grammar_->allows(token));
}

void sampler::begin_draft() {
    saved_state saved;
    for (const sampler_step & step : steps_) saved.steps.emplace_back(llama_sampler_clone(step.sampler.get()));
    if (reasoning_) saved.reasoning = std::make_unique<reasoning_budget>(reasoning_->copy());
    if (grammar_) grammar_->begin_draft();
    before_draft_ = std::move(saved);
}

void sampler::end_draft() {
    if (!before_draft_) return;
    for (size_t i = 0; i < steps_.size(); i++) steps_[i].sampler = std::move(before_draft_->steps[i]);
    if (reasoning_) reasoning_ = std::move(before_draft_->reasoning);
    if (grammar_) grammar_->end_draft();
    before_draft_.reset();
}

// As common_sampler_accept: a grammar that did not read the reasoning gets the tag that ended it, which may wake it.
void sampler::follow(llama_token token) {
    const bool read = reads();
    const auto give = [this](llama_token to_grammar) {
        if (!is_drafting() || !grammar_->sleeps()) grammar_->accept(to_grammar);
    };
    if (reasoning_) {
        reasoning_->accept(token);
        const std::vector<llama_token> * end = grammar_ && !read ? reasoning_->ended_by() : nullptr;
        if (end)
            for (const llama_token of_end : *end) give(of_end);
    }
    if (read) give(token);
}

void sampler::accept(llama_token token) {
    for (const sampler_step & step : steps_) llama_sampler_accept(step.sampler.get(), token);
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
