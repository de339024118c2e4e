#include "cache_sharing.h"

#include "cache_access.h"
#include "failure.h"
#include "kv_view.h"
#include "llama-model.h"
#include "private_members.h"

namespace overfill {

static bool v_transposed(const llama_kv_cache & cache) { return cache.*get(reach::cache_v_trans()); }

static void own(llama_kv_cache & cache) { cache.*get(reach::cache_other()) = nullptr; }

void share_kv_cache(llama_context * owner, llama_context * borrower, const std::vector<int32_t> & layer_map) {
    const llama_model & model = borrower->get_model();
    const llama_hparams & hparams = model.hparams;
    llama_cparams & cparams = borrower->*get(reach::context_cparams());
    const llama_cparams & source = owner->get_cparams();

    // The borrower was created with a tiny cache. What depends on the context size (the choice of RoPE factors, the
    // worst-case graph) must follow the cache it really uses.
    cparams.n_ctx = source.n_ctx;
    cparams.n_ctx_seq = source.n_ctx_seq;
    cparams.n_seq_max = source.n_seq_max;
    cparams.kv_unified = source.kv_unified;

    const auto share = [&layer_map](int32_t layer) { return layer_map.empty() ? layer : layer_map[(size_t) layer]; };

    // As llama_model::create_memory has it: the last layers of these architectures have no K and V of their own.
    const auto reuse = [&hparams](int32_t layer) {
        const int32_t first = hparams.n_layer_kv_from_start;
        return layer < first ? -1 : first - (hparams.is_swa((uint32_t) layer) ? 2 : 1);
    };
    llama_memory_i::layer_reuse_cb reused = nullptr;
    if (model.arch == LLM_ARCH_GEMMA3N || model.arch == LLM_ARCH_GEMMA4) reused = reuse;

    std::unique_ptr<llama_memory_i> memory;
    llama_memory_i * theirs = owner->get_memory();
    const cache_types types = types_of(caches_of(owner));
    if (auto * both = dynamic_cast<llama_kv_cache_iswa *>(theirs)) {
        const llama_kv_cache & base = *both->get_base();
        auto view = std::make_unique<llama_kv_cache_iswa>(model, types.k, types.v, v_transposed(base),
                                                          cparams.offload_kqv, /*swa_full*/ true, cparams.kv_unified,
                                                          base.get_size(), cparams.n_seq_max, source.n_ubatch,
                                                          /*n_pad*/ 1, both, nullptr, reused, share);
        own(*view->get_base());
        own(*view->get_swa());
        memory = std::move(view);
    } else if (auto * one = dynamic_cast<llama_kv_cache *>(theirs)) {
        auto view =
            std::make_unique<llama_kv_cache>(model, hparams, types.k, types.v, v_transposed(*one), cparams.offload_kqv,
                                             cparams.kv_unified, one->get_size(), cparams.n_seq_max, /*n_pad*/ 1,
                                             hparams.n_swa, hparams.swa_type, one, nullptr, reused, share);
        own(*view);
        memory = std::move(view);
    } else {
        throw failure(error_code::internal, "only attention caches can be shared");
    }

    (borrower->*get(reach::context_memory())) = std::move(memory);
    (borrower->*get(reach::context_need_reserve())) = true;
    try {
        borrower->sched_reserve();
    } catch (const std::exception & error) {
        throw failure(error_code::out_of_memory,
                      std::string("not enough memory for the decode model's compute buffers: ") + error.what());
    }
}

static void align(llama_kv_cache & cache, llama_seq_id sequence) {
    auto & heads = cache.*get(reach::cache_heads());
    const size_t stream = heads.size() > 1 ? (size_t) sequence : 0;
    const uint32_t end = cache.get_cells(sequence).used_max_p1();
    // A full cache has no cell behind the last; llama.cpp then finds that out by itself.
    heads[stream] = end < cache.get_size() ? end : 0;
}

void align_write_position(llama_context * ctx, llama_seq_id sequence) {
    llama_memory_i * memory = ctx->get_memory();
    if (auto * both = dynamic_cast<llama_kv_cache_iswa *>(memory)) {
        align(*both->get_base(), sequence);
        align(*both->get_swa(), sequence);
    } else if (auto * one = dynamic_cast<llama_kv_cache *>(memory)) {
        align(*one, sequence);
    }
}

bool shares_kv_cache(const llama_context * a, const llama_context * b) {
    const auto of_a = view_kv(a), of_b = view_kv(b);
    if (of_a.size() != of_b.size()) return false;
    bool shares = false;
    for (size_t i = 0; i < of_a.size(); i++) {
        if (of_a[i].layers.empty() != of_b[i].layers.empty()) return false;
        if (of_a[i].layers.empty()) continue;
        if (of_a[i].layers[0].k->data != of_b[i].layers[0].k->data) return false;
        shares = true;
    }
    return shares;
}

}  // namespace overfill
