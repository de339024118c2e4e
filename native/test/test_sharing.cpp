// The share handover on llama.cpp contexts directly: a lent memory, and a cache shared through a layer map, against a
// copied one, bit for bit.
#include "cache_sharing.h"
#include "check.h"
#include "engine_driver.h"
#include "kv_view.h"
#include "memory_lending.h"
#include "models.h"
#include "tiny_model.h"
#include "translate_handover.h"

#include <cstring>

using namespace overfill;
using namespace overfill::test;

namespace {

struct setting {
    ggml_type type_k, type_v;
    llama_flash_attn_type attention;
    uint32_t n_seq;
    uint32_t n_ubatch;
};

context_ptr make(llama_model * model, const setting & s, uint32_t n_ctx) {
    llama_context_params params = llama_context_default_params();
    params.n_ctx = n_ctx * s.n_seq;
    params.n_seq_max = s.n_seq;
    params.n_batch = params.n_ubatch = s.n_ubatch;
    params.n_threads = params.n_threads_batch = 1;
    params.type_k = s.type_k;
    params.type_v = s.type_v;
    params.flash_attn_type = s.attention;
    return context_ptr(llama_init_from_model(model, params));
}

void feed(llama_context * ctx, const std::vector<llama_token> & tokens, llama_pos at, llama_seq_id sequence,
          uint32_t n_ubatch) {
    for (size_t from = 0; from < tokens.size(); from += n_ubatch) {
        const size_t n = std::min<size_t>(n_ubatch, tokens.size() - from);
        llama_batch batch = llama_batch_init((int32_t) n, 0, 1);
        batch.n_tokens = (int32_t) n;
        for (size_t i = 0; i < n; i++) {
            batch.token[i] = tokens[from + i];
            batch.pos[i] = at + (llama_pos) (from + i);
            batch.n_seq_id[i] = 1;
            batch.seq_id[i][0] = sequence;
            batch.logits[i] = i + 1 == n;
        }
        CHECK_EQUAL(llama_decode(ctx, batch), 0);
        llama_batch_free(batch);
    }
}

std::vector<float> logits_of(llama_context * ctx, const llama_model * model) {
    const float * logits = llama_get_logits_ith(ctx, -1);
    return { logits, logits + llama_vocab_n_tokens(llama_model_get_vocab(model)) };
}

bool same_bits(const std::vector<float> & a, const std::vector<float> & b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

enum class means { lend, layer_map };

void compare_shared_with_copied(const setting & s, means by) {
    tiny_model full_shape, pruned_shape;
    pruned_shape.seed = 2;
    pruned_shape.n_embd = 32;
    pruned_shape.n_ff = 64;
    const model_path full_path(full_shape), pruned_path(pruned_shape);
    const auto any = [](float) { return true; };
    const model_ptr full = load_model({ full_path.str(), 0 }, load_depth::weights, any);
    const model_ptr pruned = load_model({ pruned_path.str(), 0 }, load_depth::weights, any);
    const context_ptr owner = make(full.get(), s, 512), copied = make(pruned.get(), s, 512),
                      borrower = make(pruned.get(), s, 256);
    CHECK(owner && copied && borrower);
    if (by == means::lend)
        lend_memory(owner.get(), borrower.get());
    else
        share_kv_cache(owner.get(), borrower.get(), { 0, 1 });
    CHECK(shares_memory(owner.get(), borrower.get()) == (by == means::lend));
    CHECK(!shares_memory(owner.get(), copied.get()));
    CHECK(view_kv(borrower.get())[0].layers[1].k->data == view_kv(owner.get())[0].layers[1].k->data);
    CHECK_EQUAL(llama_n_ctx_seq(borrower.get()), llama_n_ctx_seq(owner.get()));
    CHECK_EQUAL(memory_bytes(borrower.get()), 0u);

    translate_handover copy(owner.get(), copied.get(), resolve_translation(owner.get(), copied.get(), {}),
                            implementation_options());
    for (llama_seq_id sequence = 0; sequence < (llama_seq_id) s.n_seq; sequence++) {
        const llama_pos n_prompt = 100 + 13 * sequence;
        feed(owner.get(), some_tokens((uint32_t) n_prompt, (uint32_t) sequence), 0, sequence, s.n_ubatch);
        CHECK_EQUAL(copy.run(sequence).n_tokens, (uint32_t) n_prompt);
        bool equal = true;
        for (llama_pos i = 0; i < 64; i++) {
            const llama_token token = 5 + (i * 31) % 300;
            feed(copied.get(), { token }, n_prompt + i, sequence, s.n_ubatch);
            feed(borrower.get(), { token }, n_prompt + i, sequence, s.n_ubatch);
            equal = equal && same_bits(logits_of(copied.get(), pruned.get()), logits_of(borrower.get(), pruned.get()));
        }
        CHECK(equal);
        // Both see one set of cells, and either may take tokens away.
        llama_memory_t memory = llama_get_memory(owner.get());
        CHECK_EQUAL(llama_memory_seq_pos_max(memory, sequence), n_prompt + 63);
        llama_memory_seq_rm(memory, sequence, n_prompt, -1);
        CHECK_EQUAL(llama_memory_seq_pos_max(llama_get_memory(borrower.get()), sequence), n_prompt - 1);
        if (by == means::layer_map) align_write_position(owner.get(), sequence);
        feed(owner.get(), { 7, 8 }, n_prompt, sequence, s.n_ubatch);
        if (by == means::layer_map) align_write_position(borrower.get(), sequence);
        feed(borrower.get(), { 9 }, n_prompt + 2, sequence, s.n_ubatch);
        CHECK_EQUAL(llama_memory_seq_pos_max(memory, sequence), n_prompt + 2);
        CHECK_EQUAL(kv_cells_used(owner.get(), sequence), (uint32_t) n_prompt + 3);
    }
}

}  // namespace

TEST("a shared cache gives the logits of a copied one, bit for bit") {
    for (const means by : { means::lend, means::layer_map }) {
        compare_shared_with_copied({ GGML_TYPE_F16, GGML_TYPE_F16, LLAMA_FLASH_ATTN_TYPE_ENABLED, 1, 512 }, by);
        compare_shared_with_copied({ GGML_TYPE_F32, GGML_TYPE_F32, LLAMA_FLASH_ATTN_TYPE_DISABLED, 1, 512 }, by);
    }
}

TEST("also with quantised caches and their rotation, and with transposed V") {
    for (const means by : { means::lend, means::layer_map }) {
        compare_shared_with_copied({ GGML_TYPE_Q8_0, GGML_TYPE_Q8_0, LLAMA_FLASH_ATTN_TYPE_ENABLED, 1, 512 }, by);
        compare_shared_with_copied({ GGML_TYPE_Q4_0, GGML_TYPE_F16, LLAMA_FLASH_ATTN_TYPE_DISABLED, 1, 512 }, by);
    }
}

TEST("also with several sequences and small micro-batches") {
    for (const means by : { means::lend, means::layer_map })
        compare_shared_with_copied({ GGML_TYPE_F16, GGML_TYPE_F16, LLAMA_FLASH_ATTN_TYPE_ENABLED, 4, 32 }, by);
}

TEST("the view of a cache tells its types, layout and size") {
    const model_path path{ tiny_model() };
    const model_ptr model = load_model({ path.str(), 0 }, load_depth::weights, [](float) { return true; });
    const context_ptr ctx =
        make(model.get(), { GGML_TYPE_Q8_0, GGML_TYPE_F16, LLAMA_FLASH_ATTN_TYPE_ENABLED, 2, 64 }, 256);
    const auto flash = view_kv(ctx.get());
    CHECK_EQUAL(flash.size(), 1u);
    CHECK_EQUAL(flash[0].layers.size(), 2u);
    CHECK_EQUAL(flash[0].n_cells, 256u);
    CHECK_EQUAL(flash[0].n_stream, 2u);
    CHECK(flash[0].type_k == GGML_TYPE_Q8_0 && flash[0].type_v == GGML_TYPE_F16);
    CHECK(!flash[0].v_transposed && flash[0].k_hadamard == 64 && flash[0].v_hadamard == 0);
    // 2 layers of 2 heads of 64: K as 34 bytes for 32 values, V as 2 bytes a value
    CHECK_EQUAL(kv_bytes_per_token(flash), (size_t) 2 * (128 / 32 * 34 + 128 * 2));
    const context_ptr plain =
        make(model.get(), { GGML_TYPE_F16, GGML_TYPE_F16, LLAMA_FLASH_ATTN_TYPE_DISABLED, 1, 64 }, 256);
    CHECK(view_kv(plain.get())[0].v_transposed);
}
