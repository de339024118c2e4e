#include "cache_sharing.h"

#include "cache_access.h"
#include "failure.h"
#include "llama-model.h"
#include "private_members.h"

namespace overfill {

static bool v_transposed(const llama_kv_cache & cache) { return cache.*get(reach::cache_v_trans()); }

static void own(llama_kv_cache & cache) { cache.*get(reach::cache_other()) = nullptr; }

void share_kv_cache(llama_context * owner, llama_context * borrower, const std::vector<int32_t> & layer_map) {
    const llama_model & model = borrower->get_model();
    const llama_hparams & hparams = model.hparams;
    follow_memory_size(borrower, owner);
    const llama_cparams & cparams = borrower->get_cparams();

    const auto share = [&layer_map](int32_t layer) { return layer_map[(size_t) layer]; };

    std::unique_ptr<llama_memory_i> memory;
    llama_memory_i * theirs = memory_of(owner);
    const cache_types types = types_of(caches_of(owner));
    if (auto * both = dynamic_cast<llama_kv_cache_iswa *>(theirs)) {
        const llama_kv_cache & base = *both->get_base();
        auto view = std::make_unique<llama_kv_cache_iswa>(
            model, types.k, types.v, v_transposed(base), cparams.offload_kqv, /*swa_full*/ true, cparams.kv_unified,
            base.get_size(), cparams.n_seq_max, owner->get_cparams().n_ubatch,
            /*n_pad*/ 1, both, nullptr, nullptr, share);
        own(*view->get_base());
        own(*view->get_swa());
        memory = std::move(view);
    } else if (auto * one = dynamic_cast<llama_kv_cache *>(theirs)) {
        auto view =
            std::make_unique<llama_kv_cache>(model, hparams, types.k, types.v, v_transposed(*one), cparams.offload_kqv,
                                             cparams.kv_unified, one->get_size(), cparams.n_seq_max, /*n_pad*/ 1,
                                             hparams.n_swa, hparams.swa_type, one, nullptr, nullptr, share);
        own(*view);
        memory = std::move(view);
    } else {
        throw failure(error_code::internal, "only attention caches can be shared");
    }

    use_memory(borrower, std::move(memory));
}

static void align(llama_kv_cache & cache, llama_seq_id sequence) {
    auto & heads = cache.*get(reach::cache_heads());
    const size_t stream = heads.size() > 1 ? (size_t) sequence : 0;
    const uint32_t end = cache.get_cells(sequence).used_max_p1();
    // A full cache has no cell behind the last; llama.cpp then finds that out by itself.
    heads[stream] = end < cache.get_size() ? end : 0;
}

void align_write_position(llama_context * ctx, llama_seq_id sequence) {
    llama_memory_i * memory = memory_of(ctx);
    if (auto * both = dynamic_cast<llama_kv_cache_iswa *>(memory)) {
        align(*both->get_base(), sequence);
        align(*both->get_swa(), sequence);
    } else if (auto * one = dynamic_cast<llama_kv_cache *>(memory)) {
        align(*one, sequence);
    }
}

}  // namespace overfill
