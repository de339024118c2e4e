#include "sequence_state.h"

#include "cache_cells.h"
#include "cache_tensors.h"
#include "failure.h"
#include "llama-model.h"
#include "llama_log.h"
#include "memory_parts.h"
#include "private_members.h"
#include "recurrent_io.h"

#include <ggml-backend.h>

#include <memory>
#include <stdexcept>

namespace overfill {

namespace {

using cell_list = std::vector<uint32_t>;

cell_list cells_of(const llama_kv_cache & cache, llama_seq_id sequence) {
    const llama_kv_cells & cells = cache.get_cells(sequence);
    cell_list out;
    for (uint32_t i = 0; i < cells.used_max_p1(); i++)
        if (!cells.is_empty(i) && cells.seq_has(i, sequence)) out.push_back(i);
    return out;
}

sequence_state::cells describe(const llama_kv_cache & cache, llama_seq_id sequence, const cell_list & list) {
    const llama_kv_cells & cells = cache.get_cells(sequence);
    sequence_state::cells out;
    for (const uint32_t i : list) {
        out.positions.push_back(cells.pos_get(i));
        if (cache.has_cell_ext()) out.tokens.push_back(cells.ext_get(i).tok);
    }
    return out;
}

// Calls `move` with the tensor, the offset and the number of bytes of each block that the cells' values take.
template <class F>
void each_block(const llama_kv_cache & cache, llama_seq_id sequence, const cell_list & cells, const F & move) {
    struct run {
        size_t from, n;
    };
    std::vector<run> runs;
    for (const uint32_t cell : cells)
        if (!runs.empty() && runs.back().from + runs.back().n == cell)
            runs.back().n++;
        else
            runs.push_back({ cell, 1 });
    const uint32_t stream = stream_in(cache, sequence);
    const auto rows = [&](ggml_tensor * of) {
        for (const run & r : runs) move(of, stream * of->nb[2] + r.from * of->nb[1], r.n * of->nb[1]);
    };
    const auto columns = [&](ggml_tensor * of) {
        const size_t one = ggml_type_size(of->type), n_cells = (size_t) of->ne[1];
        for (size_t channel = 0; channel < (size_t) of->ne[0]; channel++)
            for (const run & r : runs) move(of, stream * of->nb[2] + (channel * n_cells + r.from) * one, r.n * one);
    };
    for (const cache_tensors & tensors : tensors_of(cache)) {
        rows(tensors.k);
        if (!tensors.v) continue;
        if (is_transposed(cache))
            columns(tensors.v);
        else
            rows(tensors.v);
    }
}

void forget(llama_context * ctx, llama_seq_id sequence) {
    llama_memory_seq_rm(llama_get_memory(ctx), sequence, -1, -1);
}

// False: too few are free. From where the cache itself would go on: where cells lie changes the last bits.
bool take_cells(llama_context * ctx, llama_kv_cache & cache, llama_seq_id sequence, const sequence_state::cells & from,
                llama_kv_cache::slot_info & slot, bool given) {
    const uint32_t n = (uint32_t) from.positions.size();
    const uint32_t n_pos = ctx->get_model().hparams.n_pos_per_embd();
    // Several positions a token exist for images only; a text token has the same in all of them.
    std::vector<llama_pos> pos;
    for (uint32_t i = 0; i < n_pos; i++) pos.insert(pos.end(), from.positions.begin(), from.positions.end());
    std::vector<int32_t> n_seq_id(n, 1);
    std::vector<llama_seq_id *> seq_id(n, &sequence);
    std::vector<llama_token> tokens = from.tokens;

    llama_ubatch batch{};
    batch.b_equal_seqs = 1;
    batch.n_tokens = batch.n_seq_tokens = n;
    batch.n_seqs = batch.n_seqs_unq = 1;
    batch.n_pos = n_pos;
    batch.token = tokens.empty() ? nullptr : tokens.data();
    batch.pos = pos.data();
    batch.n_seq_id = n_seq_id.data();
    batch.seq_id = seq_id.data();
    batch.seq_id_unq = &sequence;
    if (!given) {
        if (n > cache.get_size()) return false;
        slot = cache.find_slot(batch, false);
    }
    if (slot.empty()) return false;
    cache.apply_ubatch(slot, batch);
    return true;
}

}  // namespace

// --- out of a memory, and into it ---

sequence_state save_sequence(llama_context * ctx, llama_seq_id sequence, state_part part) {
    llama_synchronize(ctx);
    const memory_parts parts = parts_of(ctx);
    if (!parts.known) throw failure(error_code::internal, "a memory of this kind cannot be saved");
    sequence_state out;
    std::vector<cell_list> cells;
    size_t n_values = 0;
    if (part == state_part::all)
        for (const llama_kv_cache * cache : parts.caches) {
            cells.push_back(cells_of(*cache, sequence));
            out.caches.push_back(describe(*cache, sequence, cells.back()));
            n_values += cells.back().size() * bytes_per_cell(*cache);
        }
    if (parts.state) {
        std::vector<uint8_t> about;
        state_writer counted(about, nullptr);
        parts.state->state_write(counted, sequence, LLAMA_STATE_SEQ_FLAGS_NONE);
        n_values += counted.n_values();
    }
    const std::shared_ptr<uint8_t> values(new uint8_t[n_values], std::default_delete<uint8_t[]>());
    uint8_t * to = values.get();
    for (size_t i = 0; i < cells.size(); i++)
        each_block(*parts.caches[i], sequence, cells[i], [&](ggml_tensor * tensor, size_t offset, size_t n) {
            ggml_backend_tensor_get(tensor, to, offset, n);
            to += n;
        });
    if (parts.state) {
        state_writer written(out.recurrent, to);
        parts.state->state_write(written, sequence, LLAMA_STATE_SEQ_FLAGS_NONE);
    }
    out.values = { values, n_values };
    return out;
}

bool restore_sequence(llama_context * ctx, llama_seq_id sequence, const sequence_state & state, state_part part) {
    const log_capture log;
    llama_synchronize(ctx);
    const memory_parts parts = parts_of(ctx);
    const uint8_t * from = state.values.data.get();
    const uint8_t * end = from + state.values.size;
    if (part == state_part::all) {
        forget(ctx, sequence);
        llama_kv_cache::slot_info slot;
        for (size_t i = 0; i < parts.caches.size(); i++) {
            llama_kv_cache & cache = *parts.caches[i];
            if (state.caches[i].positions.empty()) continue;
            const bool given = parts.mirrors && i + 1 == parts.caches.size();
            if (!take_cells(ctx, cache, sequence, state.caches[i], slot, given)) {
                forget(ctx, sequence);
                return false;
            }
            each_block(cache, sequence, slot.idxs[0], [&](ggml_tensor * tensor, size_t offset, size_t n) {
                ggml_backend_tensor_set(tensor, from, offset, n);
                from += n;
            });
        }
    }
    if (!parts.state) return true;
    state_reader reader(state.recurrent, from, (size_t) (end - from));
    try {
        parts.state->state_read(reader, sequence, LLAMA_STATE_SEQ_FLAGS_NONE);
    } catch (const std::runtime_error &) {
        forget(ctx, sequence);
        return false;
    }
    return true;
}

std::vector<uint8_t> save_uncuttable(llama_context * ctx, llama_seq_id sequence) {
    const log_capture log;
    constexpr llama_state_seq_flags flags = LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY;
    std::vector<uint8_t> out(llama_state_seq_get_size_ext(ctx, sequence, flags));
    const size_t n = llama_state_seq_get_data_ext(ctx, out.data(), out.size(), sequence, flags);
    if (out.empty() || n != out.size())
        throw failure(error_code::internal, "a session's state could not be saved: " + log.errors());
    return out;
}

bool restore_uncuttable(llama_context * ctx, llama_seq_id sequence, const std::vector<uint8_t> & state) {
    const log_capture log;
    constexpr llama_state_seq_flags flags = LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY;
    return llama_state_seq_set_data_ext(ctx, state.data(), state.size(), sequence, flags) == state.size();
}

void set_sequence_size(llama_context * ctx, uint32_t n_tokens) {
    (ctx->*get(reach::context_cparams())).n_ctx_seq = n_tokens;
}

}  // namespace overfill
