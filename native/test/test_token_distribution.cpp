// Speculative sampling's rule, and what a sampler draws from: tested by counting.
#include "check.h"
#include "models.h"
#include "sampler.h"
#include "tiny_model.h"
#include "token_distribution.h"

#include <cmath>
#include <random>

using namespace overfill;
using namespace overfill::test;

namespace {

using entries = std::vector<token_distribution::entry>;

// Whether so many draws of each token are what p makes likely. The statistic has a mean of n - 1 and a variance of
// twice that; six deviations are exceeded once in many millions of runs.
bool fits(const std::vector<size_t> & seen, const token_distribution & p, size_t n_draws) {
    double sum = 0, rest_seen = 0, rest_wanted = 0;
    size_t n = 0;
    const auto add = [&](double got, double wanted) {
        sum += (got - wanted) * (got - wanted) / wanted;
        n++;
    };
    for (size_t token = 0; token < seen.size(); token++) {
        const double wanted = p.of((llama_token) token) * (double) n_draws;
        if (wanted == 0 && seen[token] > 0) return false;
        if (wanted >= 10) {
            add((double) seen[token], wanted);
            continue;
        }
        rest_seen += (double) seen[token];
        rest_wanted += wanted;
    }
    if (rest_wanted >= 10) add(rest_seen, rest_wanted);
    return n < 2 || sum < (double) (n - 1) + 6 * std::sqrt(2.0 * (double) (n - 1)) + 6;
}

token_distribution random_distribution(std::mt19937 & random, size_t n) {
    entries out;
    std::exponential_distribution<double> weight;
    for (size_t i = 0; i < n; i++)
        if (out.empty() || random() % 5 > 0) out.push_back({ (llama_token) i, weight(random) });
    std::shuffle(out.begin(), out.end(), random);
    return token_distribution(std::move(out));
}

// A token by the rule: drafted from q, judged by p.
llama_token by_rule(const token_distribution & p, const token_distribution & q, uint32_t seed, uint64_t i,
                    double favour) {
    const llama_token drafted = q.draw(uniform_at(seed, i, drawn_for::draft));
    if (uniform_at(seed, i, drawn_for::acceptance) * q.of(drafted) < p.of(drafted) * favour) return drafted;
    return token_distribution::residual(p, q).draw(uniform_at(seed, i, drawn_for::replacement));
}

struct fixture {
    model_path path{ tiny_model() };
    model_ptr model = load_model({ path.str(), 0 }, load_depth::metadata, [](float) { return true; });
    int32_t n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model.get()));
};

}  // namespace

TEST("what the rule gives is distributed as p, whatever q is") {
    std::mt19937 random(3);
    constexpr size_t n_draws = 100'000;
    size_t n_wrong = 0;
    for (uint32_t seed = 0; seed < 12; seed++) {
        const token_distribution p = random_distribution(random, 20), q = seed == 0 ? p
                                                                          : seed == 1
                                                                              ? token_distribution(p.entries()[0].token)
                                                                              : random_distribution(random, 20);
        // A rule that keeps a little too much.
        for (const double favour : { 1.0, 1.1 }) {
            std::vector<size_t> seen(20);
            for (size_t i = 0; i < n_draws; i++) seen[(size_t) by_rule(p, q, seed, i, favour)]++;
            if (favour == 1.0)
                CHECK(fits(seen, p, n_draws));
            else
                n_wrong += !fits(seen, p, n_draws);
        }
    }
    CHECK(n_wrong > 6);
}

TEST("numbers of different positions and purposes are as if they were drawn one after the other") {
    for (const drawn_for purpose : { drawn_for::draft, drawn_for::acceptance, drawn_for::replacement }) {
        std::vector<size_t> seen(64);
        for (uint32_t seed = 0; seed < 40; seed++)
            for (uint64_t i = 0; i < 1000; i++) {
                const auto bin = [&](drawn_for what, uint64_t at) { return (size_t) (uniform_at(seed, at, what) * 8); };
                seen[bin(purpose, i) * 8 + bin(drawn_for::acceptance, i + (purpose == drawn_for::acceptance))]++;
            }
        entries even;
        for (llama_token i = 0; i < 64; i++) even.push_back({ i, 1.0 });
        CHECK(fits(seen, token_distribution(even), 40'000));
    }
}

TEST("a sampler draws from the distribution that it tells") {
    const fixture f;
    std::vector<sampling_options> all(7);
    all[1].temperature = 1.5f;
    all[1].top_k = 0;
    all[1].top_p = 1;
    all[1].min_p = 0;
    all[2].grammar = "root ::= [a-f]+ | \" \" [x-z]+";
    all[3] = all[2];
    all[3].top_k = 0;
    all[3].top_p = 1;
    all[3].min_p = 0;
    all[4].repeat_penalty = 1.4f;
    all[4].logit_bias = { { 3, 2.0f }, { 7, -INFINITY } };
    all[5].typical_p = 0.7f;
    all[5].dynatemp_range = 0.5f;
    all[6].top_n_sigma = 2.5f;
    all[6].min_p = 0;
    constexpr size_t n_draws = 20'000;
    for (size_t which = 0; which < all.size(); which++) {
        sampling_options & options = all[which];
        options.has_seed = true;
        options.seed = (uint32_t) which;
        std::mt19937 random(options.seed);
        std::normal_distribution<float> normal(0, 2);
        std::vector<float> logits((size_t) f.n_vocab);
        for (float & l : logits) l = normal(random);
        sampler chooser(f.model.get(), options, 1024);
        if (options.grammar.empty()) chooser.observe({ 3, 4, 5, 6 });
        const token_distribution p = chooser.distribution(logits.data()).value();
        std::vector<size_t> seen((size_t) f.n_vocab);
        for (size_t i = 0; i < n_draws; i++) seen[(size_t) chooser.sample(logits.data()).value()]++;
        CHECK(fits(seen, p, n_draws));
        CHECK(p.entries().size() > 1);
    }
}

TEST("what a draft tells the sampler is taken back") {
    const fixture f;
    sampling_options options;
    options.has_seed = true;
    options.ignore_eos = true;
    options.repeat_penalty = 1.8f;
    options.xtc_probability = 0.5f;
    options.grammar = "root ::= ([a-c] [d-f] [g-i])+";
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 2);
    const auto row = [&] {
        std::vector<float> logits((size_t) f.n_vocab);
        for (float & l : logits) l = normal(random);
        return logits;
    };
    sampler drafting(f.model.get(), options, 1024), other(f.model.get(), options, 1024);
    for (int i = 0; i < 12; i++) {
        drafting.begin_draft();
        for (int k = 0; k < i % 4; k++) {
            const auto logits = row();
            drafting.accept(drafting.sample(logits.data()).value());
        }
        drafting.end_draft();
        CHECK(!drafting.is_drafting());
        const auto logits = row();
        const llama_token token = other.sample(logits.data()).value();
        CHECK_EQUAL(drafting.sample(logits.data()).value(), token);
        drafting.accept(token);
        other.accept(token);
    }
}
