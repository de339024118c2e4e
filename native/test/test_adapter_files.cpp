// Adapter files that llama.cpp would assert on, or run as something else than they are: each is refused with a code.
#include "adapter_file.h"
#include "check.h"
#include "engine_driver.h"
#include "pair.h"
#include "tiny_adapter.h"
#include "tiny_architectures.h"

#include <array>
#include <cstring>
#include <filesystem>
#include <limits>

using namespace overfill;
using namespace overfill::test;

namespace {

pair_options options_of(const adapted_model & f) { return options_for(f.model.str(), f.model.str()); }

std::unique_ptr<pair> open(const pair_options & options) {
    return std::make_unique<pair>(options, nullptr, nullptr, [](float) { return true; });
}

// What an adapter's file is refused with.
std::string refusal(error_code code, const tiny_adapter & recipe, const tiny_model & shape = {}) {
    const adapted_model f(recipe, shape);
    pair_options options = options_of(f);
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

TEST("a file that is no adapter, and one of another kind, are unsupported") {
    const adapted_model f;
    pair_options options = options_of(f);
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
    // No names for the four: what they name cannot be captured.
    for (const auto & shape : std::vector<std::array<int64_t, 4>>{
             { 32, 4, 4, 256 }, { 64, 4, 4, 128 }, { 64, 4, 8, 256 }, { 4, 64, 4, 256 } })
        CHECK(contains(refusal(foreign, with([=](ggml_context * ctx, list & t) {
                                   replace(ctx, t[0], GGML_TYPE_F32, shape[0], shape[1]);
                                   replace(ctx, t[1], GGML_TYPE_F32, shape[2], shape[3]);
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
    const adapted_model f;
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
    const adapted_model f;
    pair_options options = options_of(f);
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
