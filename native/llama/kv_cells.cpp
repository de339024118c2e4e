#include "kv_cells.h"

#include "cache_access.h"
#include "cache_cells.h"
#include "cache_sharing.h"
#include "failure.h"
#include "llama-model.h"

#include <algorithm>

namespace overfill {

uint32_t stream_of(const llama_context * ctx, size_t cache, llama_seq_id sequence) {
    return stream_in(*caches_of(ctx)[cache], sequence);
}

std::vector<kv_cell> cells_of(const llama_context * ctx, size_t cache, llama_seq_id sequence, llama_pos from) {
    return cells_in(*caches_of(ctx)[cache], sequence, from);
}

std::vector<uint32_t> take_cells(llama_context * ctx, size_t cache, llama_seq_id sequence,
                                 const std::vector<llama_pos> & positions) {
    return take_cells_in(ctx, *caches_of(ctx)[cache], sequence, positions);
}

uint32_t stream_in(const llama_kv_cache & cache, llama_seq_id sequence) {
    return cache.get_n_stream() > 1 ? (uint32_t) sequence : 0;
}

std::vector<kv_cell> cells_in(const llama_kv_cache & cache, llama_seq_id sequence, llama_pos from) {
    const llama_kv_cells & cells = cache.get_cells(sequence);
    std::vector<kv_cell> out;
    const uint32_t end = cells.used_max_p1();
    for (uint32_t i = 0; i < end; i++)
        if (!cells.is_empty(i) && cells.seq_has(i, sequence) && cells.pos_get(i) >= from)
            out.push_back({ i, cells.pos_get(i) });
    const auto earlier = [](const kv_cell & a, const kv_cell & b) { return a.position < b.position; };
    if (!std::is_sorted(out.begin(), out.end(), earlier)) std::sort(out.begin(), out.end(), earlier);
    return out;
}

std::vector<uint32_t> take_cells_in(llama_context * ctx, llama_kv_cache & target, llama_seq_id sequence,
                                    const std::vector<llama_pos> & positions, const llama_token * tokens) {
    if (positions.empty()) return {};
    align_write_position(ctx, sequence);
    const uint32_t n = (uint32_t) positions.size();
    const uint32_t n_pos = ctx->get_model().hparams.n_pos_per_embd();

    // Several positions a token exist for images only; a text token has the same in all of them.
    std::vector<llama_pos> pos;
    for (uint32_t i = 0; i < n_pos; i++) pos.insert(pos.end(), positions.begin(), positions.end());
    std::vector<int32_t> n_seq_id(n, 1);
    std::vector<llama_seq_id *> seq_id(n, &sequence);
    std::vector<int8_t> output(n, 0);
    std::vector<llama_token> token;
    if (tokens) token.assign(tokens, tokens + n);

    llama_ubatch batch{};
    batch.b_equal_seqs = 1;
    batch.n_tokens = n;
    batch.n_seq_tokens = n;
    batch.n_seqs = batch.n_seqs_unq = 1;
    batch.n_pos = n_pos;
    batch.token = tokens ? token.data() : nullptr;
    batch.pos = pos.data();
    batch.n_seq_id = n_seq_id.data();
    batch.seq_id = seq_id.data();
    batch.seq_id_unq = &sequence;
    batch.output = output.data();

    llama_kv_cache::slot_info slot;
    if (n <= target.get_size()) slot = target.find_slot(batch, false);
    if (slot.empty())
        throw failure(error_code::context_overflow,
                      "the KV cache has no room for " + std::to_string(n) + " more tokens",
                      { { "contextSize", target.get_size() } });
    target.apply_ubatch(slot, batch);
    return slot.idxs[0];
}

}  // namespace overfill
