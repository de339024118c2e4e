// llama.cpp's samplers, beside chains that are put together by hand; what a continued answer knows of them.
#include "answer_trace.h"
#include "check.h"
#include "models.h"
#include "sampler.h"
#include "tiny_model.h"

#include <cmath>
#include <functional>
#include <random>

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

using maker = std::function<llama_sampler *(const llama_vocab *, int32_t n_vocab)>;

struct chain_case {
    const char * name;
    std::function<void(sampling_options &)> change;
    std::vector<maker> steps;
};

constexpr uint32_t chain_seed = 11;

std::vector<chain_case> chain_cases() {
    const auto top_k = [](const llama_vocab *, int32_t) { return llama_sampler_init_top_k(40); };
    const auto top_p = [](const llama_vocab *, int32_t) { return llama_sampler_init_top_p(0.95f, 0); };
    const auto min_p = [](const llama_vocab *, int32_t) { return llama_sampler_init_min_p(0.05f, 0); };
    const auto temp = [](const llama_vocab *, int32_t) { return llama_sampler_init_temp(1.5f); };
    const auto dist = [](const llama_vocab *, int32_t) { return llama_sampler_init_dist(chain_seed); };
    const auto penalties = [](const llama_vocab *, int32_t n) {
        return llama_sampler_init_penalties(n, 64, 1.3f, 0.5f, 0.0f);
    };
    const auto dry = [](const llama_vocab * vocab, int32_t) {
        const char * breakers[] = { "\n", ":", "\"", "*" };
        return llama_sampler_init_dry(vocab, 5.0f, 1.75f, 1, 64, breakers, 4);
    };
    return {
        { "default", [](sampling_options &) {}, { top_k, top_p, min_p, temp, dist } },
        { "penalties",
          [](sampling_options & o) {
              o.repeat_penalty = 1.3f;
              o.frequency_penalty = 0.5f;
          },
          { penalties, top_k, top_p, min_p, temp, dist } },
        { "dry",
          [](sampling_options & o) {
              o.dry_multiplier = 5.0f;
              o.dry_allowed_length = 1;
          },
          { dry, top_k, top_p, min_p, temp, dist } },
        { "top-n-sigma",
          [](sampling_options & o) { o.top_n_sigma = 1.0f; },
          { [](const llama_vocab *, int32_t) { return llama_sampler_init_top_n_sigma(1.0f); }, top_k, top_p, min_p,
            temp, dist } },
        { "xtc",
          [](sampling_options & o) {
              o.xtc_probability = 0.5f;
              o.xtc_threshold = 0.05f;
          },
          { top_k, top_p, min_p,
            [](const llama_vocab *, int32_t) { return llama_sampler_init_xtc(0.5f, 0.05f, 0, chain_seed); }, temp,
            dist } },
        { "dynamic temperature",
          [](sampling_options & o) {
              o.dynatemp_range = 1.2f;
              o.dynatemp_exponent = 2.0f;
          },
          { top_k, top_p, min_p,
            [](const llama_vocab *, int32_t) { return llama_sampler_init_temp_ext(1.5f, 1.2f, 2.0f); }, dist } },
        { "mirostat 1",
          [](sampling_options & o) {
              o.mirostat = 1;
              o.mirostat_tau = 2.0f;
          },
          { temp, [](const llama_vocab *,
                     int32_t n) { return llama_sampler_init_mirostat(n, chain_seed, 2.0f, 0.1f, 100); } } },
        { "mirostat 2",
          [](sampling_options & o) {
              o.mirostat = 2;
              o.mirostat_tau = 2.0f;
          },
          { temp,
            [](const llama_vocab *, int32_t) { return llama_sampler_init_mirostat_v2(chain_seed, 2.0f, 0.1f); } } },
        { "another order",
          [](sampling_options & o) {
              o.samplers = { "temperature", "top_k", "dry", "penalties" };
              o.repeat_penalty = 1.3f;
              o.frequency_penalty = 0.5f;
              o.dry_multiplier = 5.0f;
              o.dry_allowed_length = 1;
          },
          { temp, top_k, dry, penalties, dist } },
    };
}

sampling_options chain_options_of(const chain_case & one) {
    sampling_options options;
    options.temperature = 1.5f;
    options.has_seed = true;
    options.seed = chain_seed;
    one.change(options);
    return options;
}

constexpr int n_chain_tokens = 60;

// Few tokens are likely, so that they repeat.
std::vector<float> chain_logits(const fixture & f, int i) {
    std::vector<float> logits = f.random_logits(100 + (unsigned) i);
    for (int token = 50; token < 56; token++) logits[(size_t) token] += 9.0f;
    return logits;
}

}  // namespace

TEST("every sampler chooses what llama.cpp's chain of them chooses") {
    const fixture f;
    for (const chain_case & one : chain_cases()) {
        sampler ours(f.model.get(), chain_options_of(one), 1024);
        llama_sampler_ptr theirs(llama_sampler_chain_init(llama_sampler_chain_default_params()));
        for (const maker & make : one.steps) llama_sampler_chain_add(theirs.get(), make(f.vocab, f.n_vocab));
        for (int i = 0; i < n_chain_tokens; i++) {
            const std::vector<float> logits = chain_logits(f, i);
            std::vector<llama_token_data> all;
            for (int32_t token = 0; token < f.n_vocab; token++) all.push_back({ token, logits[(size_t) token], 0.0f });
            llama_token_data_array array = { all.data(), all.size(), -1, false };
            llama_sampler_apply(theirs.get(), &array);
            const llama_token expected = array.data[array.selected].id, found = ours.sample(logits.data()).value();
            if (found != expected) {
                CHECK_EQUAL(std::string(one.name), "the same at token " + std::to_string(i));
                break;
            }
            llama_sampler_accept(theirs.get(), expected);
            ours.accept(found);
        }
    }
    CHECK(true);
}

TEST("every sampler changes the answer, and a continued answer draws and learns as the whole one") {
    const fixture f;
    std::vector<llama_token> plain;
    for (const chain_case & one : chain_cases()) {
        std::vector<std::vector<llama_token>> answers;
        for (const int cut : { 0, 1, 7, 30, 59 }) {
            answer_trace trace;
            std::vector<llama_token> out;
            std::unique_ptr<sampler> s;
            for (int i = 0; i < n_chain_tokens; i++) {
                if (i == 0 || i == cut) {
                    sampling_options options = chain_options_of(one);
                    const answer_trace::beginning from = trace.begin(options, out.size());
                    s = std::make_unique<sampler>(f.model.get(), options, 1024);
                    s->observe(out);
                    s->resume({}, from.drawn, from.mirostat);
                    trace.set_seed(options.seed);
                }
                out.push_back(s->sample(chain_logits(f, i).data()).value());
                s->accept(out.back());
                trace.add(s->drawn(), s->mirostat());
            }
            answers.push_back(out);
            if (answers[0] != out) CHECK_EQUAL(std::string(one.name), "the same cut at " + std::to_string(cut));
        }
        if (plain.empty())
            plain = answers[0];
        else if (answers[0] == plain)
            CHECK_EQUAL(std::string(one.name), "another answer");
    }
    CHECK(!plain.empty());
}

TEST("taken back tokens take back what mirostat learnt from them") {
    answer_trace trace;
    sampling_options options;
    options.has_seed = true;
    options.mirostat = 2;
    trace.begin(options, 0);
    std::vector<mirostat_state> states;
    for (int i = 0; i < 4; i++) {
        states.emplace_back(llama_sampler_init_mirostat_v2(1, 5.0f, 0.1f), free_llama_sampler());
        trace.add({ 1, 0 }, states.back());
    }
    CHECK(trace.begin(options, 3).mirostat == states[2]);
    sampling_options other = options;
    other.mirostat_tau = 4.0f;
    CHECK(trace.begin(other, 3).mirostat == nullptr);
}

TEST("greedily, only what changes the likeliest token counts") {
    const fixture f;
    const auto logits = f.random_logits(12);
    const llama_token best = argmax(logits.data(), f.n_vocab);
    sampling_options options;
    options.temperature = 0;
    options.mirostat = 1;
    options.top_n_sigma = 0.5f;
    CHECK_EQUAL(sampler(f.model.get(), options, 1024).sample(logits.data()).value(), best);
    options.dry_multiplier = 100.0f;
    sampler repeating(f.model.get(), options, 1024);
    repeating.observe({ 70, 71, best, 72, 70, 71 });
    CHECK(repeating.sample(logits.data()).value() != best);
    // Not across a sequence breaker.
    options.dry_sequence_breakers = { "D" };  // 71
    sampler broken(f.model.get(), options, 1024);
    broken.observe({ 70, 71, best, 72, 70, 71 });
    CHECK_EQUAL(broken.sample(logits.data()).value(), best);
}

TEST("no option makes a sampler fail on few candidates, large biases or equal logits") {
    const fixture f;
    std::vector<float> flat((size_t) f.n_vocab, 0.0f);
    for (const chain_case & one : chain_cases())
        for (const float bias : { 0.0f, 1e6f, 3e38f, INFINITY }) {
            sampling_options options = chain_options_of(one);
            options.logit_bias = { { 60, bias }, { 61, -bias } };
            sampler s(f.model.get(), options, 1024);
            for (int i = 0; i < 5; i++) {
                const llama_token token = s.sample(i % 2 ? flat.data() : f.random_logits(13).data()).value();
                CHECK(bias == 0.0f || token == 60);
                s.accept(token);
            }
        }
}
