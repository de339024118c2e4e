// The translate handover between two contexts: where the cells lie, what is left out, and what a failure leaves behind.
#include "check.h"
#include "engine_driver.h"
#include "kv_cells.h"
#include "kv_view.h"
#include "models.h"
#include "tiny_model.h"
#include "translate_handover.h"

#include <algorithm>
#include <cmath>

using namespace overfill;
using namespace overfill::test;

namespace {

struct setting {
    uint32_t n_ctx = 512;
    uint32_t n_seq = 1;
    bool unified = false;
    ggml_type type = GGML_TYPE_F32;
    bool flash = false;
};

struct fixture {
    model_path path{ tiny_model() };
    model_ptr model = load_model({ path.str(), 0 }, load_depth::weights, [](float) { return true; });

    context_ptr context(const setting & s) const {
        llama_context_params params = llama_context_default_params();
        params.n_ctx = s.unified ? s.n_ctx : s.n_ctx * s.n_seq;
        params.n_seq_max = s.n_seq;
        params.kv_unified = s.unified;
        params.n_batch = params.n_ubatch = 512;
        params.n_threads = params.n_threads_batch = 1;
        params.type_k = params.type_v = s.type;
        params.flash_attn_type = s.flash ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
        context_ptr ctx(llama_init_from_model(model.get(), params));
        CHECK(!!ctx);
        return ctx;
    }
};

void feed(llama_context * ctx, const std::vector<llama_token> & tokens, llama_pos at, llama_seq_id sequence) {
    llama_batch batch = llama_batch_init((int32_t) tokens.size(), 0, 1);
    batch.n_tokens = (int32_t) tokens.size();
    for (size_t i = 0; i < tokens.size(); i++) {
        batch.token[i] = tokens[i];
        batch.pos[i] = at + (llama_pos) i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = sequence;
        batch.logits[i] = i + 1 == tokens.size();
    }
    CHECK_EQUAL(llama_decode(ctx, batch), 0);
    llama_batch_free(batch);
}

// The largest difference between the logits of one more token in both contexts, which is taken back again.
double apart(llama_context * a, llama_context * b, llama_pos at, llama_seq_id sequence) {
    const int n = llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(a)));
    std::vector<float> logits[2];
    llama_context * contexts[2] = { a, b };
    for (int i = 0; i < 2; i++) {
        feed(contexts[i], { 77 }, at, sequence);
        const float * values = llama_get_logits_ith(contexts[i], -1);
        logits[i].assign(values, values + n);
        llama_memory_seq_rm(llama_get_memory(contexts[i]), sequence, at, -1);
    }
    double most = 0;
    for (int i = 0; i < n; i++)
        most = std::max(most, (double) std::fabs(logits[0][(size_t) i] - logits[1][(size_t) i]));
    return most;
}

translate_handover between(llama_context * from, llama_context * to) {
    return translate_handover(from, to, resolve_translation(from, to, {}), implementation_options());
}

std::vector<llama_pos> positions_of(const llama_context * ctx, llama_seq_id sequence) {
    std::vector<llama_pos> out;
    for (const kv_cell & cell : cells_of(ctx, 0, sequence)) out.push_back(cell.position);
    return out;
}

constexpr double float_noise = 1e-3;

}  // namespace

TEST("positions are kept over holes, other context sizes, and unified or separate streams") {
    const fixture f;
    for (const bool from_unified : { false, true })
        for (const bool to_unified : { false, true }) {
            setting a, b;
            a.n_seq = b.n_seq = 3;
            a.unified = from_unified;
            b.unified = to_unified;
            b.n_ctx = 768;
            const context_ptr from = f.context(a), to = f.context(b);
            translate_handover over = between(from.get(), to.get());
            // Sequences that take turns, so that their cells lie between each other where there is one stream.
            for (llama_seq_id s = 0; s < 3; s++) feed(from.get(), some_tokens(40, (uint32_t) s), 0, s);
            for (llama_seq_id s = 0; s < 3; s++) feed(from.get(), some_tokens(30, 7 + (uint32_t) s), 40, s);
            llama_memory_seq_rm(llama_get_memory(from.get()), 1, 10, 25);
            llama_memory_seq_rm(llama_get_memory(from.get()), 2, 35, 36);
            for (const llama_seq_id s : { 2, 0, 1 }) {
                const handover_report report = over.run(s);
                CHECK_EQUAL(report.n_tokens, s == 0 ? 70u : s == 1 ? 55u : 69u);
                CHECK(positions_of(to.get(), s) == positions_of(from.get(), s));
            }
            for (llama_seq_id s = 0; s < 3; s++) CHECK(apart(from.get(), to.get(), 70, s) < float_noise);
        }
}

TEST("a second run replaces what is behind a position, and only that") {
    const fixture f;
    const context_ptr from = f.context({}), to = f.context({});
    translate_handover over = between(from.get(), to.get());
    feed(from.get(), some_tokens(50), 0, 0);
    over.run(0);
    // The other side writes, the source goes another way.
    feed(to.get(), some_tokens(5, 3), 50, 0);
    feed(from.get(), some_tokens(20, 4), 50, 0);
    const handover_report second = over.run(0, 50);
    CHECK_EQUAL(second.n_tokens, 20u);
    CHECK_EQUAL(second.n_bytes, (uint64_t) 20 * kv_bytes_per_token(view_kv(to.get())));
    CHECK(positions_of(to.get(), 0) == positions_of(from.get(), 0));
    CHECK(apart(from.get(), to.get(), 70, 0) < float_noise);
}

TEST("a switch that finds no room leaves the source as it was, the target empty, and can be tried again") {
    const fixture f;
    setting small;
    small.n_ctx = 256;
    const context_ptr from = f.context({}), to = f.context(small);
    translate_handover over = between(from.get(), to.get());
    feed(from.get(), some_tokens(300), 0, 0);
    const auto cells = positions_of(from.get(), 0);
    CHECK_FAILURE(error_code::context_overflow, over.run(0));
    CHECK(positions_of(to.get(), 0).empty());
    CHECK_EQUAL(kv_cells_used(to.get(), 0), 0u);
    CHECK(positions_of(from.get(), 0) == cells);
    llama_memory_seq_rm(llama_get_memory(from.get()), 0, 200, -1);
    CHECK_EQUAL(over.run(0).n_tokens, 200u);
    CHECK(apart(from.get(), to.get(), 200, 0) < float_noise);
}

TEST("what goes over and comes back is the same, bit for bit, where no type loses anything") {
    const fixture f;
    setting half, full;
    half.type = GGML_TYPE_F16;
    half.flash = true;
    const context_ptr first = f.context(half), middle = f.context(full), last = f.context(half);
    feed(first.get(), some_tokens(90), 0, 0);
    const translation plan = resolve_translation(first.get(), middle.get(), {});
    CHECK_EQUAL(inverse_of(plan, first.get()).steps.size(), plan.steps.size());
    between(first.get(), middle.get()).run(0);
    between(middle.get(), last.get()).run(0);
    CHECK_EQUAL(apart(first.get(), last.get(), 90, 0), 0.0);
}

TEST("a plan with a linear map, or one that leaves layers of the source out, has no inverse") {
    tiny_model deep;
    deep.n_layer = 4;
    const model_path path(deep);
    const model_ptr model = load_model({ path.str(), 0 }, load_depth::weights, [](float) { return true; });
    const fixture f;
    llama_context_params params = llama_context_default_params();
    params.n_ctx = 256;
    const context_ptr from(llama_init_from_model(model.get(), params)), to = f.context({});
    translator how;
    how.layers = { 1, 3 };
    CHECK(inverse_of(resolve_translation(from.get(), to.get(), how), from.get()).steps.empty());
    how.layers.clear();
    auto map = std::make_shared<linear_map>();
    map->n_in = map->n_out = 128;
    map->weight.assign(128 * 128, 0.0f);
    how.k = { map, map };
    how.v = { map, map };
    const context_ptr same = f.context({});
    CHECK(inverse_of(resolve_translation(same.get(), to.get(), how), same.get()).steps.empty());
    map->n_in = 64;
    CHECK_FAILURE(error_code::handover_unavailable, resolve_translation(same.get(), to.get(), how));
}
