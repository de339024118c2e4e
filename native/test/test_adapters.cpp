// LoRA adapters at load: against llama.h alone bit for bit, against models that the adapter was merged into, and one
// set of weights for both contexts.
#include "adapters.h"
#include "check.h"
#include "engine_driver.h"
#include "pair.h"
#include "temp_folder.h"
#include "tiny_adapter.h"
#include "tiny_model.h"

#include <cmath>
#include <cstring>
#include <filesystem>

using namespace overfill;
using namespace overfill::test;

namespace {

constexpr uint32_t n_prompt = 60, n_written = 24;

pair_options options_of(const adapted_model & f) { return options_for(f.model.str(), f.model.str()); }

std::unique_ptr<pair> open(const pair_options & options) {
    return std::make_unique<pair>(options, nullptr, nullptr, [](float) { return true; });
}

std::vector<float> last_logits(llama_context * ctx) {
    const float * logits = llama_get_logits_ith(ctx, -1);
    return { logits, logits + llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(ctx))) };
}

// The tokens that are written whatever the model says, so that models can be compared step by step.
llama_token written(uint32_t i) { return 5 + (llama_token) (i * 31) % 300; }

using steps = std::vector<std::vector<float>>;

// The logits after the prompt and after every token that the decode model reads.
steps run(const pair_options & options) {
    const auto p = open(options);
    const std::vector<llama_token> prompt = some_tokens(n_prompt);
    steps out;
    CHECK(p->read(pair_side::prefill, prompt.data(), n_prompt, 0, 0, 1));
    out.push_back(last_logits(p->prefill_context()));
    p->hand_over(0, n_prompt, 0);
    for (uint32_t i = 0; i < n_written; i++) {
        const llama_token token = written(i);
        CHECK(p->read(pair_side::decode, &token, 1, (llama_pos) (n_prompt + i), 0, 1));
        out.push_back(last_logits(p->decode_context()));
    }
    return out;
}

// The same by llama.h alone: one model, two contexts, and the first one's state given to the second.
class oracle {
  public:
    explicit oracle(const std::string & path, const pair_options & options) : options_(options) {
        llama_model_params params = llama_model_default_params();
        params.n_gpu_layers = 0;
        model_.reset(llama_model_load_from_file(path.c_str(), params));
    }
    context_ptr context(const std::vector<std::pair<std::string, float>> & adapters) {
        llama_context_params params = llama_context_default_params();
        params.n_ctx = options_.context_size;
        params.n_batch = params.n_ubatch = options_.batch_size;
        params.n_threads = params.n_threads_batch = 1;
        params.type_k = options_.cache_type_k;
        params.type_v = options_.cache_type_v;
        context_ptr ctx(llama_init_from_model(model_.get(), params));
        std::vector<llama_adapter_lora *> loaded;
        std::vector<float> scales;
        for (const auto & [path, scale] : adapters) {
            loaded.push_back(llama_adapter_lora_init(model_.get(), path.c_str()));
            scales.push_back(scale);
        }
        llama_set_adapters_lora(ctx.get(), loaded.data(), loaded.size(), scales.data());
        return ctx;
    }
    steps run(const std::vector<std::pair<std::string, float>> & reads,
              const std::vector<std::pair<std::string, float>> & writes) {
        const context_ptr reader = context(reads), writer = context(writes);
        std::vector<llama_token> prompt = some_tokens(n_prompt);
        steps out;
        CHECK_EQUAL(llama_decode(reader.get(), llama_batch_get_one(prompt.data(), n_prompt)), 0);
        out.push_back(last_logits(reader.get()));
        std::vector<uint8_t> state(llama_state_seq_get_size(reader.get(), 0));
        CHECK(llama_state_seq_get_data(reader.get(), state.data(), state.size(), 0) > 0);
        CHECK(llama_state_seq_set_data(writer.get(), state.data(), state.size(), 0) > 0);
        for (uint32_t i = 0; i < n_written; i++) {
            llama_token token = written(i);
            CHECK_EQUAL(llama_decode(writer.get(), llama_batch_get_one(&token, 1)), 0);
            out.push_back(last_logits(writer.get()));
        }
        return out;
    }

  private:
    pair_options options_;
    model_ptr model_;
};

bool same_bits(const steps & a, const steps & b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); i++)
        if (a[i].size() != b[i].size() || std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0)
            return false;
    return true;
}

// The largest difference of two logits, relative to the largest logit.
double distance(const steps & a, const steps & b) {
    double most = 0, scale = 0;
    for (size_t i = 0; i < a.size(); i++)
        for (size_t j = 0; j < a[i].size(); j++) {
            most = std::max(most, (double) std::fabs(a[i][j] - b[i][j]));
            scale = std::max(scale, (double) std::fabs(a[i][j]));
        }
    return most / scale;
}

// Nothing is rounded but by f32 itself: flash attention would round to f16.
void in_f32(pair_options & options) {
    options.cache_type_k = options.cache_type_v = GGML_TYPE_F32;
    options.attention = flash_attention::off;
}

}  // namespace

TEST("a base that reads and the base with an adapter that writes give what llama.h alone gives, bit for bit") {
    const adapted_model f;
    pair_options options = options_of(f);
    options.decode_adapters = { { f.adapter, 0.5f } };
    oracle alone(f.model.str(), options);
    const steps pair = run(options);
    CHECK(same_bits(pair, alone.run({}, { { f.adapter, 0.5f } })));
    CHECK(distance(pair, alone.run({}, {})) > 0.05);
    // A copy of the cache instead of the cache itself, and the other way round.
    options.handover = handover_choice::translate;
    CHECK(same_bits(pair, run(options)));
    options = options_of(f);
    options.prefill_adapters = { { f.adapter, -2 } };
    CHECK(same_bits(run(options), alone.run({ { f.adapter, -2 } }, {})));
}

TEST("a pair of one may have an adapter, and one with two factors is two contexts") {
    const adapted_model f;
    pair_options options = options_for(f.model.str());
    options.prefill_adapters = { { f.adapter, 1 } };
    oracle alone(f.model.str(), options);
    const steps adapted = alone.run({ { f.adapter, 1 } }, { { f.adapter, 1 } });
    CHECK(same_bits(run(options), adapted));
    options = options_of(f);
    options.prefill_adapters = options.decode_adapters = { { f.adapter, 1 } };
    CHECK(open(options)->info().writers[0].plan.one_model);
    CHECK(same_bits(run(options), adapted));
    options.decode_adapters[0].scale = 2;
    CHECK(!open(options)->info().writers[0].plan.one_model);
    CHECK(same_bits(run(options), alone.run({ { f.adapter, 1 } }, { { f.adapter, 2 } })));
}

TEST("an adapter gives what the model gives that it was merged into") {
    for (const ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0 }) {
        tiny_adapter recipe;
        recipe.rank = 32;
        recipe.type = type;
        const adapted_model f(recipe);
        pair_options options = options_of(f);
        in_f32(options);
        options.prefill_adapters = options.decode_adapters = { { f.adapter, 0.75f } };
        // The same values as f32 before they were rounded.
        recipe.type = GGML_TYPE_F32;
        const std::string exact = f.folder.file("exact.gguf"), merged = f.folder.file("merged.gguf");
        write_adapter(exact, f.model.str(), recipe);
        write_merged(merged, f.model.str(), exact, 0.75f);
        pair_options plain = options;
        plain.prefill.path = plain.decode.path = merged;
        plain.prefill_adapters = plain.decode_adapters = {};
        CHECK(distance(run(options), run(plain)) < (type == GGML_TYPE_F32 ? 1e-5 : 0.05));
    }
}

TEST("the embedding is adapted where the model has an output matrix of its own") {
    tiny_adapter recipe;
    recipe.weights = { "token_embd.weight", "output.weight" };
    const adapted_model f(recipe);
    const std::string merged = f.folder.file("merged.gguf");
    write_merged(merged, f.model.str(), f.adapter, 1);
    pair_options options = options_of(f), plain = options_for(merged);
    in_f32(options);
    in_f32(plain);
    options.prefill_adapters = options.decode_adapters = { { f.adapter, 1 } };
    CHECK(distance(run(options), run(plain)) < 5e-5);
}

TEST("several adapters add up, and one of factor zero does nothing") {
    const adapted_model f;
    tiny_adapter second;
    second.seed = 2;
    second.alpha = 3;
    const std::string other = f.folder.file("other.gguf"), once = f.folder.file("once.gguf"),
                      twice = f.folder.file("twice.gguf");
    write_adapter(other, f.model.str(), second);
    write_merged(once, f.model.str(), f.adapter, 1);
    write_merged(twice, once, other, 0.5f);
    pair_options options = options_for(f.model.str()), plain = options_for(twice);
    in_f32(options);
    in_f32(plain);
    options.prefill_adapters = { { f.adapter, 1 }, { other, 0.5f } };
    CHECK(distance(run(options), run(plain)) < 5e-5);
    options.prefill_adapters = { { f.adapter, 0 } };
    plain.prefill.path = f.model.str();
    CHECK(same_bits(run(options), run(plain)));
}

TEST("one file is one set of weights, by whatever path and with whatever caches") {
    const adapted_model f;
    const std::string link = f.folder.file("link.gguf"), copy = f.folder.file("copy.gguf"),
                      symbolic = f.folder.file("symbolic.gguf");
    std::filesystem::create_hard_link(f.model.str(), link);
    std::filesystem::create_symlink(f.model.str(), symbolic);
    std::filesystem::copy_file(f.model.str(), copy);
    const auto models = [](const pair_options & options) {
        const auto p = open(options);
        CHECK(p->prefill_context() != p->decode_context());
        CHECK(!p->info().writers[0].plan.one_model);
        const bool one = llama_get_model(p->prefill_context()) == llama_get_model(p->decode_context());
        CHECK_EQUAL(p->info().writers[0].plan.one_file, one);
        return one ? 1 : 2;
    };
    for (const std::string & path : { f.model.str(), link, symbolic }) {
        pair_options options = options_for(f.model.str(), path);
        options.decode_adapters = { { f.adapter, 1 } };
        CHECK_EQUAL(models(options), 1);
        options.decode_adapters = {};
        options.handover = handover_choice::translate;
        CHECK_EQUAL(models(options), 1);
        options.handover = handover_choice::automatic;
        options.decode_cache_type_k = GGML_TYPE_Q8_0;
        CHECK_EQUAL(models(options), 1);
    }
    pair_options options = options_for(f.model.str(), copy);
    CHECK_EQUAL(models(options), 2);
    options = options_of(f);
    options.decode.n_gpu_layers = 1;
    CHECK_EQUAL(models(options), 2);
}

TEST("a pair of one file with two kinds of cache writes what two loaded files write") {
    const adapted_model f;
    const std::string copy = f.folder.file("copy.gguf");
    std::filesystem::copy_file(f.model.str(), copy);
    for (const bool other_types : { false, true }) {
        pair_options once = options_of(f);
        once.handover = other_types ? handover_choice::automatic : handover_choice::translate;
        if (other_types) once.decode_cache_type_k = GGML_TYPE_Q8_0;
        pair_options twice = once;
        twice.decode.path = copy;
        CHECK(same_bits(run(once), run(twice)));
    }
}

TEST("an adapter that both sides have is loaded once for one model, and for each of two") {
    const adapted_model f;
    const auto loaded_once = [](const pair_options & options) {
        const compared_models models = load_and_compare(options, load_depth::weights, [](float) { return true; });
        return models.prefill_adapters.at(0).loaded == models.writers[0].adapters.at(0).loaded;
    };
    pair_options options = options_of(f);
    options.prefill_adapters = { { f.adapter, 1 } };
    options.decode_adapters = { { f.adapter, 2 } };
    CHECK(loaded_once(options));
    const std::string copy = f.folder.file("copy.gguf");
    std::filesystem::copy_file(f.model.str(), copy);
    options.decode.path = copy;
    CHECK(!loaded_once(options));
}

TEST("sessions with an adapter refresh, go on and take back as without") {
    const adapted_model f;
    pair_options options = options_of(f);
    options.decode_adapters = { { f.adapter, 1 } };
    const auto pair = load(options);
    const auto s = create_session(*pair);
    prefill(*s, some_tokens(40));
    hand_over(*s);
    const answer first = decode(*s, greedy(16));
    retract(*s, 6);
    const answer tail = decode(*s, greedy(6));
    CHECK(std::equal(tail.tokens.begin(), tail.tokens.end(), first.tokens.begin() + 10));
    CHECK_EQUAL(prefill(*s, some_tokens(10, 1)).n_refreshed_tokens, 16u);
    hand_over(*s);
    CHECK_EQUAL(decode(*s, greedy(8)).tokens.size(), 8u);
}

TEST("without an alpha the factors are the change as they are") {
    tiny_adapter recipe;
    recipe.edit = [](gguf_context * g) { gguf_remove_key(g, "adapter.lora.alpha"); };
    const adapted_model f(recipe);
    pair_options options = options_of(f);
    options.decode_adapters = { { f.adapter, 0.5f } };
    CHECK(same_bits(run(options), oracle(f.model.str(), options).run({}, { { f.adapter, 0.5f } })));
}
