#include "sequence_state.h"

#include "cell_values.h"
#include "cell_wiping.h"
#include "failure.h"
#include "llama-model.h"
#include "llama_log.h"
#include "memory_parts.h"
#include "private_members.h"
#include "recurrent_io.h"

#include <ggml-backend.h>

#include <algorithm>
#include <cstring>
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

struct gradual_state::values {
    llama_context * ctx;
    cell_values of_cells;
    std::vector<uint8_t> behind_them;  // of the recurrent state
};

gradual_state::gradual_state(llama_context * ctx, llama_seq_id sequence, state_part part)
    : values_(std::make_unique<values>()) {
    llama_synchronize(ctx);
    const memory_parts parts = parts_of(ctx);
    if (!parts.known) throw failure(error_code::internal, "a memory of this kind cannot be saved");
    values_->ctx = ctx;
    if (part == state_part::all)
        for (const llama_kv_cache * cache : parts.caches) {
            const cell_list cells = cells_of(*cache, sequence);
            described_.caches.push_back(describe(*cache, sequence, cells));
            values_->of_cells.add(*cache, sequence, cells);
        }
    if (!parts.state) return;
    std::vector<uint8_t> about;
    state_writer counted(about, nullptr);
    parts.state->state_write(counted, sequence, LLAMA_STATE_SEQ_FLAGS_NONE);
    values_->behind_them.resize(counted.n_values());
    state_writer written(described_.recurrent, values_->behind_them.data());
    parts.state->state_write(written, sequence, LLAMA_STATE_SEQ_FLAGS_NONE);
}

gradual_state::~gradual_state() = default;

size_t gradual_state::size() const { return values_->of_cells.size() + values_->behind_them.size(); }

void gradual_state::read(size_t at, uint8_t * to, size_t n) const {
    llama_synchronize(values_->ctx);
    const size_t n_cells = values_->of_cells.size(), n_here = at < n_cells ? std::min(n, n_cells - at) : 0;
    values_->of_cells.each(at, n_here, [&](ggml_tensor * tensor, size_t offset, size_t n_piece) {
        ggml_backend_tensor_get(tensor, to, offset, n_piece);
        to += n_piece;
    });
    if (n > n_here) std::memcpy(to, values_->behind_them.data() + (at + n_here - n_cells), n - n_here);
}

sequence_state save_sequence(llama_context * ctx, llama_seq_id sequence, state_part part) {
    const gradual_state whole(ctx, sequence, part);
    sequence_state out = whole.described();
    const std::shared_ptr<uint8_t> values(new uint8_t[whole.size()], std::default_delete<uint8_t[]>());
    whole.read(0, values.get(), whole.size());
    out.values = { values, whole.size() };
    return out;
}

// What was put back already, and nobody has looked at: others in a pool would suffer from what is no number.
static void give_up(llama_context * ctx, llama_seq_id sequence) {
    wipe_cells(ctx, sequence, 0);
    forget(ctx, sequence);
}

static bool put_back(llama_context * ctx, llama_seq_id sequence, const sequence_state & state, state_part part) {
    const log_capture log;
    llama_synchronize(ctx);
    const memory_parts parts = parts_of(ctx);
    byte_pieces values(state.values);
    if (part == state_part::all) {
        forget(ctx, sequence);
        llama_kv_cache::slot_info slot;
        for (size_t i = 0; i < parts.caches.size(); i++) {
            llama_kv_cache & cache = *parts.caches[i];
            if (state.caches[i].positions.empty()) continue;
            const bool given = parts.mirrors && i + 1 == parts.caches.size();
            if (!take_cells(ctx, cache, sequence, state.caches[i], slot, given)) {
                give_up(ctx, sequence);
                return false;
            }
            cell_values taken;
            taken.add(cache, sequence, slot.idxs[0]);
            taken.each(0, taken.size(), [&](ggml_tensor * tensor, size_t offset, size_t n) {
                if (ggml_backend_buffer_is_host(tensor->buffer))
                    return values.copy_to(static_cast<uint8_t *>(tensor->data) + offset, n);
                values.take(n, [&](const uint8_t * from, size_t n_piece, size_t n_before) {
                    ggml_backend_tensor_set(tensor, from, offset + n_before, n_piece);
                });
            });
        }
    }
    std::vector<uint8_t> rest(values.n_left());
    values.copy_to(rest.data(), rest.size());
    values.finish();
    if (!parts.state) return true;
    state_reader reader(state.recurrent, rest.data(), rest.size());
    try {
        parts.state->state_read(reader, sequence, LLAMA_STATE_SEQ_FLAGS_NONE);
    } catch (const std::runtime_error &) {
        forget(ctx, sequence);
        return false;
    }
    return true;
}

bool restore_sequence(llama_context * ctx, llama_seq_id sequence, const sequence_state & state, state_part part) {
    try {
        return put_back(ctx, sequence, state, part);
    } catch (...) {
        give_up(ctx, sequence);
        throw;
    }
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
