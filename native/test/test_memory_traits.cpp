// What a model keeps, told before anything is allocated, against what llama.cpp's contexts allocate.
#include "check.h"
#include "engine_driver.h"
#include "kv_view.h"
#include "llama_log.h"
#include "memory_lending.h"
#include "memory_model.h"
#include "memory_size.h"
#include "models.h"
#include "pair_plan.h"
#include "tiny_model.h"

#include <memory>
#include <string>
#include <vector>

using namespace overfill;
using namespace overfill::test;
using kind = memory_model::kind;

namespace {

model_traits traits_at(const std::string & path, load_depth depth = load_depth::metadata) {
    return traits_of(load_model({ path, 0 }, depth, [](float) { return true; }).get());
}

memory_model keeping(kind keeps) {
    memory_model model;
    model.keeps = keeps;
    return model;
}

void compare_with_contexts(const std::string & path) {
    const model_ptr model = load_model({ path, 0 }, load_depth::weights, [](float) { return true; });
    const model_traits traits = traits_at(path);
    for (const bool flash : { true, false })
        for (const uint32_t n_sequences : { 1u, 2u })
            for (const ggml_type type : { GGML_TYPE_F16, GGML_TYPE_F32 }) {
                llama_context_params params = llama_context_default_params();
                params.n_ctx = 512 * n_sequences;
                params.n_batch = params.n_ubatch = 32;
                params.n_seq_max = n_sequences;
                params.swa_full = true;
                params.type_k = params.type_v = type;
                params.flash_attn_type = flash ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
                const context_ptr ctx(llama_init_from_model(model.get(), params));
                CHECK(ctx != nullptr);
                cache_traits cache;
                cache.type_k = cache.type_v = type;
                cache.v_transposed = !flash;
                CHECK_EQUAL(memory_bytes(traits, cache, 512, n_sequences), (uint64_t) memory_bytes(ctx.get()));
            }
}

}  // namespace

TEST("the reckoned memory is what llama.cpp allocates, of whatever kind it is") {
    compare_with_contexts(model_path(tiny_model()).str());
    for (const kind keeps : { kind::recurrent, kind::hybrid, kind::latent, kind::reusing })
        compare_with_contexts(memory_model_path(keeping(keeps)).str());
}

TEST("a model that is only looked at logs no memory that nobody will use") {
    struct all_lines : log_listener {
        std::vector<std::string> lines;
        void on_line(log_level, const std::string & line) noexcept override { lines.push_back(line); }
    };
    const memory_model_path path{ keeping(kind::reusing) };
    const model_ptr model = load_model({ path.str(), 0 }, load_depth::metadata, [](float) { return true; });
    const log_capture log;
    const auto listener = std::make_shared<all_lines>();
    add_log_listener(listener);
    traits_of(model.get());
    remove_log_listener(listener.get());
    for (const std::string & line : listener->lines) CHECK_EQUAL(line, std::string());
    CHECK(listener->lines.empty());
}

TEST("a plain model keeps K and V of every layer, which can be translated and cut") {
    const model_path path{ tiny_model() };
    const model_traits traits = traits_at(path.str());
    CHECK_EQUAL(traits.memory.name(), std::string("KV cache"));
    CHECK(traits.memory.can_be_translated() && traits.memory.can_be_cut());
    CHECK_EQUAL(traits.memory.layers.size(), (size_t) 2);
    CHECK_EQUAL(traits.layers[1].kv_layer, 1);
    CHECK_EQUAL(state_bytes_per_session(traits), (uint64_t) 0);
    CHECK_EQUAL(kv_bytes_per_token(traits, {}), (uint64_t) 2 * 2 * (2 * 64) * 2);
}

TEST("a recurrent state does not grow with the tokens, and is kept twice to go back") {
    const memory_model_path path{ keeping(kind::recurrent) };
    const model_traits traits = traits_at(path.str());
    CHECK_EQUAL(traits.memory.name(), std::string("recurrent state"));
    CHECK(!traits.memory.can_be_translated() && !traits.memory.can_be_cut());
    CHECK_EQUAL(traits.layers[0].n_head_kv, 0u);
    CHECK_EQUAL(kv_bytes_per_token(traits, {}), (uint64_t) 0);
    // A convolution's state leaves out the token it is at; Mamba's inner width is twice the model's.
    const uint64_t values = 4 * (3 * 128 + 16 * 128);
    CHECK_EQUAL(state_bytes_per_session(traits), 2 * values * sizeof(float));
}

TEST("of a hybrid's layers each has either K and V or a state") {
    const memory_model_path path{ keeping(kind::hybrid) };
    const model_traits traits = traits_at(path.str());
    CHECK_EQUAL(traits.memory.name(), std::string("hybrid (KV cache and recurrent state)"));
    for (uint32_t il = 0; il < 4; il++) {
        const bool attends = il % 2 == 0;
        CHECK_EQUAL(traits.layers[il].kv_layer, attends ? (int32_t) il : -1);
        CHECK_EQUAL(traits.memory.part(il, memory_part_kind::k) != nullptr, attends);
        CHECK_EQUAL(traits.memory.part(il, memory_part_kind::conv_state) != nullptr, !attends);
    }
    CHECK_EQUAL(traits.n_head_kv, 2u);
    CHECK_EQUAL(kv_bytes_per_token(traits, {}), (uint64_t) 2 * 2 * (2 * 16) * 2);
    CHECK_EQUAL(state_bytes_per_session(traits), (uint64_t) 2 * 2 * 3 * 64 * sizeof(float));
}

TEST("latent K has no V beside it") {
    const memory_model_path path{ keeping(kind::latent) };
    const model_traits traits = traits_at(path.str());
    CHECK_EQUAL(traits.memory.name(), std::string("latent KV cache (MLA)"));
    CHECK(!traits.memory.can_be_translated() && traits.memory.can_be_cut());
    CHECK_EQUAL(traits.layers[0].latent_width, 32u);
    CHECK_EQUAL(kv_bytes_per_token(traits, {}), (uint64_t) 4 * (32 + 8) * 2);
}

TEST("only K and V of single tokens are viewed, whatever the kind of cache they lie in") {
    for (const kind keeps : { kind::recurrent, kind::hybrid, kind::latent, kind::reusing }) {
        const memory_model_path path{ keeping(keeps) };
        const model_ptr model = load_model({ path.str(), 0 }, load_depth::weights, [](float) { return true; });
        llama_context_params params = llama_context_default_params();
        params.n_ctx = 256;
        const context_ptr ctx(llama_init_from_model(model.get(), params));
        const bool plain = keeps == kind::reusing;
        CHECK(kv_memory_kind(ctx.get()) == (plain ? memory_kind::sliding_window : memory_kind::other));
        CHECK_EQUAL(view_kv(ctx.get()).size(), (size_t) (plain ? 2 : 0));
        CHECK_EQUAL(view_kv_count(ctx.get()), (size_t) (plain ? 2 : 0));
    }
}

TEST("layers that use another layer's K and V are told, and take no memory") {
    const memory_model_path path{ keeping(kind::reusing) };
    for (const load_depth depth : { load_depth::metadata, load_depth::weights }) {
        const model_traits traits = traits_at(path.str(), depth);
        CHECK_EQUAL(traits.memory.name(), std::string("sliding-window KV cache"));
        const int32_t expected[] = { 0, 1, 0, 1 };
        for (uint32_t il = 0; il < 4; il++) {
            CHECK_EQUAL(traits.layers[il].kv_layer, expected[il]);
            CHECK_EQUAL(traits.layers[il].n_head_kv, il < 2 ? 2u : 0u);
        }
        CHECK_EQUAL(kv_bytes_per_token(traits, {}), (uint64_t) 2 * 2 * (2 * 16) * 2);
    }
}
