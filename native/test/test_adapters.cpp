// LoRA adapters at load: against llama.h alone bit for bit, against models that the adapter was merged into, one set of
// weights for both contexts, and every file that llama.cpp would assert on or run as something else.
#include "adapter_file.h"
#include "adapters.h"
#include "check.h"
#include "engine_driver.h"
#include "model_traits.h"
#include "pair.h"
#include "temp_folder.h"
#include "tiny_adapter.h"
#include "tiny_architectures.h"
#include "tiny_model.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

using namespace overfill;
using namespace overfill::test;

namespace {

constexpr uint32_t n_prompt = 60, n_written = 24;

// A model and an adapter of it.
struct fixture {
    explicit fixture(const tiny_adapter & recipe = {}, const tiny_model & shape = {}) : model(shape) {
        write_adapter(adapter, model.str(), recipe);
    }
    pair_options options() const { return options_for(model.str(), model.str()); }

    model_path model;
    temp_folder folder;
    std::string adapter = folder.file("adapter.gguf");
};

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
    CHECK(p->read(p->prefill_context(), prompt.data(), n_prompt, 0, 0, 1));
    out.push_back(last_logits(p->prefill_context()));
    p->hand_over(0, n_prompt, 0);
    for (uint32_t i = 0; i < n_written; i++) {
        const llama_token token = written(i);
        CHECK(p->read(p->decode_context(), &token, 1, (llama_pos) (n_prompt + i), 0, 1));
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

// What an adapter's file is refused with.
std::string refusal(error_code code, const tiny_adapter & recipe, const tiny_model & shape = {}) {
    const fixture f(recipe, shape);
    pair_options options = f.options();
    options.decode_adapters = { { f.adapter, 1 } };
    std::string message;
    // With the weights and by metadata alone.
    CHECK_FAILURE(code, load_and_compare(options, load_depth::metadata, [](float) { return true; }));
    try {
        open(options);
    } catch (const failure & error) {
        CHECK(error.code() == code);
        CHECK(error.details()[0].first == "path" && *error.details()[0].second.text() == f.adapter);
        return error.what();
    }
    CHECK(!"it was not refused");
    return "";
}

bool contains(const std::string & text, const std::string & part) { return text.find(part) != std::string::npos; }

ggml_tensor * replace(ggml_context * ctx, ggml_tensor *& tensor, ggml_type type, int64_t n_in, int64_t n_out) {
    ggml_tensor * made = ggml_new_tensor_2d(ctx, type, n_in, n_out);
    std::memset(made->data, 0, ggml_nbytes(made));
    ggml_set_name(made, ggml_get_name(tensor));
    return tensor = made;
}

}  // namespace

TEST("a base that reads and the base with an adapter that writes give what llama.h alone gives, bit for bit") {
    const fixture f;
    pair_options options = f.options();
    options.decode_adapters = { { f.adapter, 0.5f } };
    oracle alone(f.model.str(), options);
    const steps pair = run(options);
    CHECK(same_bits(pair, alone.run({}, { { f.adapter, 0.5f } })));
    CHECK(distance(pair, alone.run({}, {})) > 0.05);
    // A copy of the cache instead of the cache itself, and the other way round.
    options.handover = handover_choice::translate;
    CHECK(same_bits(pair, run(options)));
    options = f.options();
    options.prefill_adapters = { { f.adapter, -2 } };
    CHECK(same_bits(run(options), alone.run({ { f.adapter, -2 } }, {})));
}

TEST("a pair of one may have an adapter, and one with two factors is two contexts") {
    const fixture f;
    pair_options options = options_for(f.model.str());
    options.prefill_adapters = { { f.adapter, 1 } };
    oracle alone(f.model.str(), options);
    const steps adapted = alone.run({ { f.adapter, 1 } }, { { f.adapter, 1 } });
    CHECK(same_bits(run(options), adapted));
    options = f.options();
    options.prefill_adapters = options.decode_adapters = { { f.adapter, 1 } };
    CHECK(open(options)->info().plan.one_model);
    CHECK(same_bits(run(options), adapted));
    options.decode_adapters[0].scale = 2;
    CHECK(!open(options)->info().plan.one_model);
    CHECK(same_bits(run(options), alone.run({ { f.adapter, 1 } }, { { f.adapter, 2 } })));
}

TEST("an adapter gives what the model gives that it was merged into") {
    for (const ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0 }) {
        tiny_adapter recipe;
        recipe.rank = 32;
        recipe.type = type;
        const fixture f(recipe);
        pair_options options = f.options();
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
    const fixture f(recipe);
    const std::string merged = f.folder.file("merged.gguf");
    write_merged(merged, f.model.str(), f.adapter, 1);
    pair_options options = f.options(), plain = options_for(merged);
    in_f32(options);
    in_f32(plain);
    options.prefill_adapters = options.decode_adapters = { { f.adapter, 1 } };
    CHECK(distance(run(options), run(plain)) < 5e-5);
}

TEST("several adapters add up, and one of factor zero does nothing") {
    const fixture f;
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
    const fixture f;
    const std::string link = f.folder.file("link.gguf"), copy = f.folder.file("copy.gguf"),
                      symbolic = f.folder.file("symbolic.gguf");
    std::filesystem::create_hard_link(f.model.str(), link);
    std::filesystem::create_symlink(f.model.str(), symbolic);
    std::filesystem::copy_file(f.model.str(), copy);
    const auto models = [](const pair_options & options) {
        const auto p = open(options);
        CHECK(p->prefill_context() != p->decode_context());
        CHECK(!p->info().plan.one_model);
        const bool one = llama_get_model(p->prefill_context()) == llama_get_model(p->decode_context());
        CHECK_EQUAL(p->info().plan.one_file, one);
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
    options = f.options();
    options.decode.n_gpu_layers = 1;
    CHECK_EQUAL(models(options), 2);
}

TEST("a pair of one file with two kinds of cache writes what two loaded files write") {
    const fixture f;
    const std::string copy = f.folder.file("copy.gguf");
    std::filesystem::copy_file(f.model.str(), copy);
    for (const bool other_types : { false, true }) {
        pair_options once = f.options();
        once.handover = other_types ? handover_choice::automatic : handover_choice::translate;
        if (other_types) once.decode_cache_type_k = GGML_TYPE_Q8_0;
        pair_options twice = once;
        twice.decode.path = copy;
        CHECK(same_bits(run(once), run(twice)));
    }
}

TEST("an adapter that both sides have is loaded once for one model, and for each of two") {
    const fixture f;
    const auto loaded_once = [](const pair_options & options) {
        const compared_models models = load_and_compare(options, load_depth::weights, [](float) { return true; });
        return models.prefill_adapters.at(0).loaded == models.decode_adapters.at(0).loaded;
    };
    pair_options options = f.options();
    options.prefill_adapters = { { f.adapter, 1 } };
    options.decode_adapters = { { f.adapter, 2 } };
    CHECK(loaded_once(options));
    const std::string copy = f.folder.file("copy.gguf");
    std::filesystem::copy_file(f.model.str(), copy);
    options.decode.path = copy;
    CHECK(!loaded_once(options));
}

TEST("sessions with an adapter refresh, go on and take back as without") {
    const fixture f;
    pair_options options = f.options();
    options.decode_adapters = { { f.adapter, 1 } };
    const auto pair = load(options);
    const auto s = pair->create_session();
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

TEST("a file that is no adapter, and one of another kind, are unsupported") {
    const fixture f;
    pair_options options = f.options();
    options.decode_adapters = { { f.model.str(), 1 } };
    CHECK(contains(CHECK_FAILURE(error_code::model_unsupported, open(options)), "is a model, not an adapter"));
    const auto with = [](const std::function<void(gguf_context *)> & edit) {
        tiny_adapter recipe;
        recipe.edit = edit;
        return recipe;
    };
    const auto kind = with([](gguf_context * g) { gguf_set_val_str(g, "adapter.type", "control"); });
    CHECK(contains(refusal(error_code::model_unsupported, kind), "of the kind control"));
    const auto number = with([](gguf_context * g) { gguf_set_val_u32(g, "adapter.type", 3); });
    CHECK(contains(refusal(error_code::model_unsupported, number), "(none)"));
    refusal(error_code::model_unsupported, with([](gguf_context * g) { gguf_set_val_u32(g, "general.type", 3); }));
    const auto split = with([](gguf_context * g) { gguf_set_val_u16(g, "split.count", 2); });
    CHECK(contains(refusal(error_code::model_unsupported, split), "split"));
    const auto activated = with([](gguf_context * g) {
        const uint32_t tokens[] = { 5, 6 };
        gguf_set_arr_data(g, "adapter.alora.invocation_tokens", GGUF_TYPE_UINT32, tokens, 2);
    });
    CHECK(contains(refusal(error_code::model_unsupported, activated), "aLoRA"));
}

TEST("broken metadata is refused before llama.cpp asserts its types") {
    const auto with = [](const std::function<void(gguf_context *)> & edit) {
        tiny_adapter recipe;
        recipe.edit = edit;
        return recipe;
    };
    const char * alpha = "adapter.lora.alpha";
    for (const auto & edit : std::vector<std::function<void(gguf_context *)>>{
             [=](gguf_context * g) { gguf_set_val_u32(g, alpha, 8); },
             [=](gguf_context * g) { gguf_set_val_f64(g, alpha, 8); },
             [=](gguf_context * g) { gguf_set_val_str(g, alpha, "8"); },
             [=](gguf_context * g) { gguf_set_val_f32(g, alpha, -1); },
             [=](gguf_context * g) { gguf_set_val_f32(g, alpha, std::numeric_limits<float>::infinity()); },
             [=](gguf_context * g) { gguf_set_val_f32(g, alpha, std::numeric_limits<float>::quiet_NaN()); } })
        CHECK(contains(refusal(error_code::model_invalid, with(edit)), alpha));
    const char * architecture = "general.architecture";
    refusal(error_code::model_invalid, with([=](gguf_context * g) { gguf_set_val_u32(g, architecture, 1); }));
    refusal(error_code::model_invalid, with([=](gguf_context * g) { gguf_remove_key(g, architecture); }));
    CHECK(contains(refusal(error_code::adapter_mismatch,
                           with([=](gguf_context * g) { gguf_set_val_str(g, architecture, "qwen2"); })),
                   "its architecture is qwen2, the model's llama"));
    // Without an alpha the factors are the change as they are.
    const fixture f(with([=](gguf_context * g) { gguf_remove_key(g, alpha); }));
    pair_options options = f.options();
    options.decode_adapters = { { f.adapter, 0.5f } };
    CHECK(same_bits(run(options), oracle(f.model.str(), options).run({}, { { f.adapter, 0.5f } })));
}

TEST("tensors that do not fit the model are refused before a graph asserts it") {
    const auto with = [](const std::function<void(ggml_context *, std::vector<ggml_tensor *> &)> & edit) {
        tiny_adapter recipe;
        recipe.weights = { "attn_q.weight" };  // [64, 256], rank 4: A is [64, 4], B is [4, 256]
        recipe.edit_tensors = edit;
        return recipe;
    };
    using list = std::vector<ggml_tensor *>;
    const error_code broken = error_code::model_invalid, foreign = error_code::adapter_mismatch;
    refusal(broken, with([](ggml_context *, list & t) { t.clear(); }));
    CHECK(contains(refusal(broken, with([](ggml_context *, list & t) { t.erase(t.begin()); })), "has no blk.0"));
    CHECK(contains(refusal(broken, with([](ggml_context *, list & t) { t.erase(t.begin() + 1); })), ".lora_b"));
    CHECK(
        contains(refusal(broken, with([](ggml_context *, list & t) { ggml_set_name(t[0], "blk.0.odd"); })), "no part"));
    CHECK(contains(refusal(foreign, with([](ggml_context *, list & t) {
                               ggml_set_name(t[0], "blk.7.attn_q.weight.lora_a");
                               ggml_set_name(t[1], "blk.7.attn_q.weight.lora_b");
                           })),
                   "which the model does not have"));
    for (const auto & [a_in, a_out, b_in, b_out] : std::vector<std::array<int64_t, 4>>{
             { 32, 4, 4, 256 }, { 64, 4, 4, 128 }, { 64, 4, 8, 256 }, { 4, 64, 4, 256 } })
        CHECK(contains(refusal(foreign, with([=](ggml_context * ctx, list & t) {
                                   replace(ctx, t[0], GGML_TYPE_F32, a_in, a_out);
                                   replace(ctx, t[1], GGML_TYPE_F32, b_in, b_out);
                               })),
                       "the model's matrix is 64 x 256"));
    // A matrix for each of two experts, where the model has one matrix.
    refusal(foreign, with([](ggml_context * ctx, list & t) {
                for (size_t i = 0; i < 2; i++) {
                    ggml_tensor * made = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, t[i]->ne[0], t[i]->ne[1], 2);
                    std::memset(made->data, 0, ggml_nbytes(made));
                    ggml_set_name(made, ggml_get_name(t[i]));
                    t[i] = made;
                }
            }));
    CHECK(contains(refusal(error_code::model_unsupported,
                           with([](ggml_context * ctx, list & t) { replace(ctx, t[0], GGML_TYPE_I32, 64, 4); })),
                   "as i32"));
    CHECK(contains(refusal(error_code::model_unsupported, with([](ggml_context * ctx, list & t) {
                               t.push_back(t[0]);
                               ggml_tensor *& norm = t.back();
                               replace(ctx, norm, GGML_TYPE_F32, 64, 1);
                               ggml_set_name(norm, "blk.0.attn_norm.weight");
                           })),
                   "also replaces blk.0.attn_norm.weight"));
}

TEST("an embedding's factors must have one rank, and an output of their own beside them") {
    tiny_adapter recipe;
    recipe.weights = { "token_embd.weight" };  // [64, 359]: A is [4, 359], B is [4, 64]
    recipe.edit_tensors = [](ggml_context * ctx, std::vector<ggml_tensor *> & t) {
        replace(ctx, t[1], GGML_TYPE_F32, 8, 64);
    };
    refusal(error_code::adapter_mismatch, recipe);

    recipe.edit_tensors = nullptr;
    tiny_variant tied{ tiny_model() };
    tied.remove("output.weight");
    const std::string path = tied.write("llama");
    const temp_folder folder;
    const std::string adapter = folder.file("adapter.gguf");
    write_adapter(adapter, path, recipe);
    pair_options options = options_for(path);
    options.prefill_adapters = { { adapter, 1 } };
    CHECK(contains(CHECK_FAILURE(error_code::model_unsupported, open(options)),
                   "which this model also makes its logits with"));
}

TEST("an adapter of a tensor that llama.cpp computes without adapters is refused, not left out") {
    // A bias is added, and a factor of its own rank fits its shape.
    tiny_variant biased{ tiny_model() };
    biased.add("attn_q.bias", 256, 0);
    const std::string path = biased.write("llama");
    tiny_adapter recipe;
    recipe.weights = { "attn_q.bias" };
    const temp_folder folder;
    const std::string adapter = folder.file("adapter.gguf");
    write_adapter(adapter, path, recipe);
    pair_options options = options_for(path, path);
    options.decode_adapters = { { adapter, 1 } };
    CHECK(contains(CHECK_FAILURE(error_code::model_unsupported, open(options)), "computes without adapters"));
}

TEST("cut and empty files are refused at any length") {
    const fixture f;
    const std::string bytes = bytes_of(f.adapter);
    const std::string path = f.folder.file("cut.gguf");
    const model_ptr model = load_model({ f.model.str(), 0 }, load_depth::metadata, [](float) { return true; });
    for (size_t n = 0; n + 32 < bytes.size(); n += 1 + bytes.size() / 61) {
        put_bytes(path, bytes.substr(0, n));
        CHECK_FAILURE(error_code::model_invalid, check_adapter_file(path, model.get()));
    }
    CHECK_EQUAL(check_adapter_file(f.adapter, model.get()).rank, 4u);
}

TEST("missing files, factors that are no numbers and one adapter twice are refused") {
    const fixture f;
    pair_options options = f.options();
    const auto refused = [&](error_code code, std::vector<adapter_options> adapters) {
        options.decode_adapters = adapters;
        options.prefill_adapters = {};
        CHECK_FAILURE(code, open(options));
        std::swap(options.decode_adapters, options.prefill_adapters);
        CHECK_FAILURE(code, open(options));
    };
    refused(error_code::model_not_found, { { f.folder.file("none.gguf"), 1 } });
    refused(error_code::model_not_a_file, { { f.folder.file(""), 1 } });
    refused(error_code::invalid_argument, { { f.adapter, std::numeric_limits<float>::quiet_NaN() } });
    refused(error_code::invalid_argument, { { f.adapter, std::numeric_limits<float>::infinity() } });
    const std::string link = f.folder.file("link.gguf");
    std::filesystem::create_hard_link(f.adapter, link);
    refused(error_code::invalid_argument, { { f.adapter, 1 }, { link, 2 } });
}
