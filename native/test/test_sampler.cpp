// The sampler: exact argmax, llama.cpp's chain, grammar, log-probabilities.
#include "answer_trace.h"
#include "check.h"
#include "logits.h"
#include "models.h"
#include "sampler.h"
#include "tiny_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>

using namespace overfill;
using namespace overfill::test;

namespace {

struct fixture {
    model_path path{ tiny_model() };
    model_ptr model = load_model({ path.str(), 0 }, load_depth::metadata, [](float) { return true; });
    const llama_vocab * vocab = llama_model_get_vocab(model.get());
    int32_t n_vocab = llama_vocab_n_tokens(vocab);

    std::vector<float> random_logits(unsigned seed) const {
        std::mt19937 random(seed);
        std::normal_distribution<float> normal(0, 3);
        std::vector<float> logits((size_t) n_vocab);
        for (float & l : logits) l = normal(random);
        return logits;
    }
};

sampling_options greedy() {
    sampling_options options;
    options.temperature = 0;
    return options;
}

}  // namespace

TEST("argmax finds the first of the largest at every length and place") {
    for (int32_t n = 1; n < 40; n++)
        for (int32_t at = 0; at < n; at++) {
            std::vector<float> values((size_t) n, -1.0f);
            for (int32_t i = at; i < n; i++) values[(size_t) i] = 2.0f;
            if (argmax(values.data(), n) != at) CHECK_EQUAL(argmax(values.data(), n), at);
        }
    const float infinite = std::numeric_limits<float>::infinity();
    const std::vector<float> forbidden = { -infinite, -5.0f, -infinite };
    CHECK_EQUAL(argmax(forbidden.data(), 3), 1);
}

TEST("logits without a finite number are refused") {
    const float nan = std::nanf("");
    const std::vector<float> broken(20, nan), hopeless(20, -INFINITY);
    CHECK_FAILURE(error_code::inference_failed, argmax(broken.data(), 20));
    CHECK_FAILURE(error_code::inference_failed, argmax(hopeless.data(), 20));
}

TEST("temperature 0 is the argmax, with and without other options in the chain") {
    const fixture f;
    sampling_options with_bias = greedy();
    with_bias.logit_bias = { { 5, 0.0f } };
    for (unsigned seed = 0; seed < 50; seed++) {
        const auto logits = f.random_logits(seed);
        CHECK_EQUAL(sampler(f.model.get(), greedy(), 1024).sample(logits.data()).value(),
                    argmax(logits.data(), f.n_vocab));
        CHECK_EQUAL(sampler(f.model.get(), with_bias, 1024).sample(logits.data()).value(),
                    argmax(logits.data(), f.n_vocab));
    }
}

TEST("one seed gives one sequence, another seed another") {
    const fixture f;
    const auto draw = [&](uint32_t seed) {
        sampling_options options;
        options.temperature = 2.0f;
        options.has_seed = true;
        options.seed = seed;
        sampler s(f.model.get(), options, 1024);
        std::vector<llama_token> out;
        for (unsigned i = 0; i < 30; i++) {
            const auto logits = f.random_logits(i);
            out.push_back(s.sample(logits.data()).value());
            s.accept(out.back());
        }
        return out;
    };
    CHECK(draw(1) == draw(1));
    CHECK(draw(1) != draw(2));
}

TEST("a bias forces or forbids a token, and one outside the vocabulary is refused") {
    const fixture f;
    const auto logits = f.random_logits(1);
    sampling_options options = greedy();
    options.logit_bias = { { 42, 1000.0f } };
    CHECK_EQUAL(sampler(f.model.get(), options, 1024).sample(logits.data()).value(), 42);
    const llama_token best = argmax(logits.data(), f.n_vocab);
    options.logit_bias = { { best, -INFINITY } };
    CHECK(sampler(f.model.get(), options, 1024).sample(logits.data()).value() != best);
    options.logit_bias = { { f.n_vocab, 1.0f } };
    CHECK_FAILURE(error_code::invalid_argument, sampler(f.model.get(), options, 1024));
}

TEST("a bias counts whatever its size and whatever the other options are") {
    const fixture f;
    const auto logits = f.random_logits(7);
    const llama_token worst = (llama_token) (std::min_element(logits.begin(), logits.end()) - logits.begin());
    for (const float bias : { 100.0f, 1e6f, 1e10f, 1e30f, 3e38f, INFINITY })
        for (const int32_t top_k : { 0, 1, 40, 200 })
            for (const float temperature : { 0.0f, 0.8f }) {
                sampling_options options;
                options.temperature = temperature;
                options.top_k = top_k;
                options.repeat_penalty = 1.3f;
                options.has_seed = true;
                options.logit_bias = { { worst, bias } };
                sampler s(f.model.get(), options, 1024);
                s.observe({ worst });
                CHECK_EQUAL(s.sample(logits.data()).value(), worst);
                options.logit_bias = { { worst, bias }, { worst, -INFINITY } };
                CHECK(sampler(f.model.get(), options, 1024).sample(logits.data()).value() != worst);
            }
}

TEST("greedily, the token with the largest sum of logit and bias comes, whether the biases raise or lower") {
    const fixture f;
    std::mt19937 random(5);
    std::uniform_int_distribution<llama_token> some(0, f.n_vocab - 1);
    std::uniform_real_distribution<float> size(0, 6);
    for (const bool raises : { false, true })
        for (unsigned seed = 0; seed < 200; seed++) {
            const std::vector<float> logits = f.random_logits(seed);
            sampling_options options = greedy();
            std::vector<float> sums = logits;
            // The likeliest ones too, whose bias counts the most.
            for (int i = 0; i < 12; i++) {
                const llama_token token = i < 3 ? argmax(sums.data(), f.n_vocab) : some(random);
                const float bias = i % 4 == 0 ? -INFINITY : (raises && i % 2 ? 1 : -1) * size(random);
                options.logit_bias.push_back({ token, bias });
                sums[(size_t) token] += bias;
            }
            sampler s(f.model.get(), options, 64);
            CHECK_EQUAL(s.sample(logits.data()).value(), argmax(sums.data(), f.n_vocab));
        }
}

TEST("two forced tokens share the answer as their own logits say") {
    const fixture f;
    const auto logits = f.random_logits(8);
    const llama_token better = logits[50] > logits[60] ? 50 : 60;
    sampling_options options = greedy();
    options.logit_bias = { { 50, INFINITY }, { 60, INFINITY } };
    CHECK_EQUAL(sampler(f.model.get(), options, 1024).sample(logits.data()).value(), better);
}

TEST("a small bias leaves every distribution as it would be with none") {
    const fixture f;
    sampling_options options;
    options.temperature = 1.5f;
    options.top_k = 0;
    options.has_seed = true;
    sampling_options biased = options;
    biased.logit_bias = { { 17, 0.0f } };
    sampler a(f.model.get(), options, 1024), b(f.model.get(), biased, 1024);
    for (unsigned seed = 0; seed < 50; seed++) {
        const auto logits = f.random_logits(seed);
        CHECK_EQUAL(a.sample(logits.data()).value(), b.sample(logits.data()).value());
    }
}

TEST("a complete grammar ends the answer where the end token is forbidden") {
    const fixture f;
    sampling_options options = greedy();
    options.ignore_eos = true;
    options.grammar = "root ::= \"a\"";
    sampler s(f.model.get(), options, 1024);
    CHECK(!s.over());
    const auto logits = f.random_logits(9);
    s.accept(s.sample(logits.data()).value());
    CHECK(s.over());
    CHECK(!s.sample(logits.data()).has_value());
}

TEST("logits that are NaN or infinite are refused with the side and the place, forbidden ones are not") {
    std::vector<float> logits(300, 1.0f);
    logits[5] = -INFINITY;
    check_logits(logits.data(), 300, "decode", 7);
    for (const float broken : { std::nanf(""), (float) INFINITY }) {
        logits[299] = broken;
        const std::string message =
            CHECK_FAILURE(error_code::inference_failed, check_logits(logits.data(), 300, "decode", 7));
        CHECK(message.find("decode model") != std::string::npos && message.find("7 tokens") != std::string::npos);
    }
}

TEST("an answer goes on with its grammar and its random numbers, and a new seed begins its own") {
    answer_trace trace;
    sampling_options first;
    first.grammar = "root ::= [a-z]+";
    first.has_seed = true;
    first.seed = 5;
    CHECK_EQUAL(trace.begin(first, 0).drawn.choices, 0u);
    trace.set_seed(5);
    for (const size_t n : { 1, 2, 1 }) trace.add({ n, n - 1 });
    sampling_options next = first;
    next.has_seed = false;
    // The third token was taken back.
    const answer_trace::beginning on = trace.begin(next, 2);
    CHECK_EQUAL(on.drawn.choices, 3u);
    CHECK_EQUAL(on.drawn.xtc, 1u);
    CHECK_EQUAL(on.n_before_rules, 0u);
    CHECK(next.has_seed && next.seed == 5u);
    next.seed = 6;
    next.grammar = "root ::= [0-9]+";
    const answer_trace::beginning anew = trace.begin(next, 2);
    CHECK_EQUAL(anew.drawn.choices, 0u);
    CHECK_EQUAL(anew.n_before_rules, 2u);
}

TEST("ignore_eos never gives an end token") {
    const fixture f;
    auto logits = f.random_logits(3);
    logits[2] = 100.0f;
    CHECK_EQUAL(sampler(f.model.get(), greedy(), 1024).sample(logits.data()).value(), 2);
    sampling_options options = greedy();
    options.ignore_eos = true;
    CHECK(sampler(f.model.get(), options, 1024).sample(logits.data()).value() != 2);
}

TEST("a grammar allows only what it says, and a broken one is refused") {
    const fixture f;
    sampling_options options = greedy();
    options.grammar = "root ::= [0-9]+";
    sampler s(f.model.get(), options, 1024);
    for (unsigned seed = 0; seed < 10; seed++) {
        const auto logits = f.random_logits(seed);
        const llama_token token = s.sample(logits.data()).value();
        const int byte = token - 3;
        CHECK((byte >= '0' && byte <= '9') || llama_vocab_is_eog(f.vocab, token));
        if (llama_vocab_is_eog(f.vocab, token)) break;
        s.accept(token);
    }
    for (const char * broken : { "root ::= (", "no root at all", "root ::= missing" }) {
        options.grammar = broken;
        CHECK_FAILURE(error_code::grammar_invalid, sampler(f.model.get(), options, 1024));
    }
}

TEST("a grammar that would not end the parser's work is refused before it begins") {
    const fixture f;
    sampling_options options = greedy();
    const std::string deep(5000, '('), back(5000, ')');
    std::string chain = "root ::= r0\n";
    for (int i = 0; i < 20000; i++) chain += "r" + std::to_string(i) + " ::= r" + std::to_string(i + 1) + "\n";
    for (const std::string & hostile :
         { std::string("root ::= \"a\"{3,1}"), "root ::= " + deep + "\"a\"" + back, chain,
           std::string("root ::= \"a\"{99999999999999999999}"), std::string(2 << 20, ' ') }) {
        options.grammar = hostile;
        CHECK_FAILURE(error_code::grammar_invalid, sampler(f.model.get(), options, 1024));
    }
    for (const char * fine :
         { "root ::= \"(((({3,1}\" [({] # ({3,1}", "root ::= \"a\"{2,}", "root ::= (\"a\" | \"b\"){0,3}",
           "root ::= (((\"a\"{2000}){2000}){2000}){2000}", "root ::= x{2,5}\nx ::= [a-z]" }) {
        options.grammar = fine;
        sampler(f.model.get(), options, 1024);
    }
    CHECK(true);
}

TEST("where no token is allowed there is an error, not a token") {
    const fixture f;
    const auto logits = f.random_logits(6);
    sampling_options options = greedy();
    for (llama_token token = 0; token < f.n_vocab; token++) options.logit_bias.push_back({ token, -INFINITY });
    CHECK_FAILURE(error_code::inference_failed, sampler(f.model.get(), options, 1024).sample(logits.data()));
    options.temperature = 1.0f;
    CHECK_FAILURE(error_code::inference_failed, sampler(f.model.get(), options, 1024).sample(logits.data()));
}

TEST("a repeat_last_n of -1 looks back over the whole context") {
    const fixture f;
    const auto logits = f.random_logits(4);
    const auto best = argmax(logits.data(), f.n_vocab);
    sampling_options options = greedy();
    options.presence_penalty = 100.0f;
    std::vector<llama_token> seen(500, (best + 1) % f.n_vocab);
    seen[0] = best;
    sampler near(f.model.get(), options, 1024);
    near.observe(seen);
    CHECK_EQUAL(near.sample(logits.data()).value(), best);
    options.repeat_last_n = -1;
    sampler far(f.model.get(), options, 1024);
    far.observe(seen);
    CHECK(far.sample(logits.data()).value() != best);
}

TEST("penalties count what is in the context") {
    const fixture f;
    const auto logits = f.random_logits(4);
    const auto best = argmax(logits.data(), f.n_vocab);
    sampling_options options = greedy();
    options.presence_penalty = 100.0f;
    sampler s(f.model.get(), options, 1024);
    CHECK_EQUAL(s.sample(logits.data()).value(), best);
    s.observe({ best });
    CHECK(s.sample(logits.data()).value() != best);
}

TEST("log-probabilities are those of a softmax, likeliest first") {
    const fixture f;
    const auto logits = f.random_logits(5);
    double sum = 0;
    for (const float l : logits) sum += std::exp((double) l);
    const auto rows = sampler(f.model.get(), greedy(), 1024).log_probs(logits.data(), 17, f.n_vocab);
    CHECK_EQUAL(rows.size(), (size_t) f.n_vocab + 1);
    CHECK(rows[0].token == 17 && std::abs(rows[0].log_prob - (logits[17] - std::log(sum))) < 1e-4);
    double total = 0;
    std::set<llama_token> seen;
    for (size_t i = 1; i < rows.size(); i++) {
        total += std::exp(rows[i].log_prob);
        seen.insert(rows[i].token);
        if (i > 1) CHECK(rows[i].log_prob <= rows[i - 1].log_prob);
    }
    CHECK(std::abs(total - 1) < 1e-4);
    CHECK_EQUAL(seen.size(), (size_t) f.n_vocab);
    CHECK_EQUAL(sampler(f.model.get(), greedy(), 1024).log_probs(logits.data(), 17, 0).size(), 1u);
}
