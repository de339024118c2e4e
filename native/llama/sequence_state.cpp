#include "sequence_state.h"

#include "cache_tensors.h"
#include "context_memory.h"
#include "failure.h"
#include "llama-io.h"
#include "llama-kv-cache-dsa-iswa.h"
#include "llama-kv-cache-dsa.h"
#include "llama-kv-cache-iswa.h"
#include "llama-kv-cache-msa.h"
#include "llama-memory-hybrid-idx.h"
#include "llama-memory-hybrid-iswa.h"
#include "llama-memory-hybrid.h"
#include "llama-memory-recurrent.h"
#include "llama-model.h"
#include "llama_log.h"
#include "private_members.h"

#include <ggml-backend.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace overfill {

namespace {

// --- what a memory is made of ---

struct memory_parts {
    std::vector<llama_kv_cache *> caches;
    bool mirrors = false;  // the last cache has the cells of the one before it
    llama_memory_recurrent * state = nullptr;
    bool known = true;
};

memory_parts parts_of(const llama_context * ctx) {
    llama_memory_i * memory = memory_of(ctx);
    memory_parts out;
    const auto add = [&](llama_kv_cache * cache) { out.caches.push_back(cache); };
    const auto add_both = [&](const llama_kv_cache_iswa & both) {
        add(both.get_base());
        add(both.get_swa());
    };
    if (auto * one = dynamic_cast<llama_kv_cache *>(memory)) {
        add(one);
    } else if (const auto * two = dynamic_cast<llama_kv_cache_iswa *>(memory)) {
        add_both(*two);
    } else if (const auto * sparse = dynamic_cast<llama_kv_cache_dsa *>(memory)) {
        add(sparse->get_mla());
        add(sparse->get_lid());
    } else if (const auto * windows = dynamic_cast<llama_kv_cache_dsa_iswa *>(memory)) {
        add(windows->get_dsa()->get_mla());
        add(windows->get_dsa()->get_lid());
        add(windows->get_swa());
    } else if (const auto * blocks = dynamic_cast<llama_kv_cache_msa *>(memory)) {
        add(blocks->get_base());
        add(blocks->get_idx());
    } else if (auto * state = dynamic_cast<llama_memory_recurrent *>(memory)) {
        out.state = state;
    } else if (const auto * both = dynamic_cast<llama_memory_hybrid *>(memory)) {
        add(both->get_mem_attn());
        out.state = both->get_mem_recr();
        const auto * chosen = dynamic_cast<const llama_memory_hybrid_idx *>(both);
        if (chosen && chosen->get_mem_idx()) {
            add(chosen->get_mem_idx());
            out.mirrors = true;
        }
    } else if (const auto * three = dynamic_cast<llama_memory_hybrid_iswa *>(memory)) {
        add_both(*three->get_mem_attn());
        out.state = three->get_mem_recr();
    } else {
        out.known = false;
    }
    return out;
}

bool is_transposed(const llama_kv_cache & cache) { return cache.*get(reach::cache_v_trans()); }

uint32_t stream_of(const llama_kv_cache & cache, llama_seq_id sequence) {
    return cache.get_n_stream() > 1 ? (uint32_t) sequence : 0;
}

// --- cells ---

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
    const uint32_t stream = stream_of(cache, sequence);
    const auto rows = [&](ggml_tensor * of) {
        for (const run & r : runs) move(of, stream * of->nb[2] + r.from * of->nb[1], r.n * of->nb[1]);
    };
    const auto columns = [&](ggml_tensor * of) {
        const size_t one = ggml_type_size(of->type), n_cells = (size_t) of->ne[1];
        for (size_t channel = 0; channel < (size_t) of->ne[0]; channel++)
            for (const run & r : runs)
                move(of, stream * of->nb[2] + (channel * n_cells + r.from) * one, r.n * one);
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

size_t bytes_per_cell(const llama_kv_cache & cache) {
    size_t n = 0;
    for (const cache_tensors & tensors : tensors_of(cache)) n += tensors.k->nb[1] + (tensors.v ? tensors.v->nb[1] : 0);
    return n;
}

// --- a recurrent state, by llama.cpp's own writer and reader ---

class state_writer final : public llama_io_write_i {
  public:
    // `to`: room for the values; null: they are counted.
    state_writer(std::vector<uint8_t> & about, uint8_t * to) : about_(about), to_(to) {}

    void write(const void * src, size_t size) override {
        const auto * from = static_cast<const uint8_t *>(src);
        about_.insert(about_.end(), from, from + size);
    }
    void write_tensor(ggml_tensor * tensor, size_t offset, size_t size) override {
        if (to_) ggml_backend_tensor_get(tensor, to_ + n_values_, offset, size);
        n_values_ += size;
    }
    size_t n_bytes() override { return about_.size() + n_values_; }
    size_t n_values() const { return n_values_; }

  private:
    std::vector<uint8_t> & about_;
    uint8_t * to_;
    size_t n_values_ = 0;
};

class state_reader final : public llama_io_read_i {
  public:
    state_reader(const std::vector<uint8_t> & about, const uint8_t * values, size_t n_values)
        : about_(about), values_(values), n_values_(n_values) {}

    void read(void * dst, size_t size) override {
        if (size > about_.size() - at_) throw std::runtime_error("a state ends too early");
        std::memcpy(dst, about_.data() + at_, size);
        at_ += size;
    }
    void read_tensor(ggml_tensor * tensor, size_t offset, size_t size) override {
        if (size > n_values_ - n_read_) throw std::runtime_error("a state's values end too early");
        ggml_backend_tensor_set(tensor, values_ + n_read_, offset, size);
        n_read_ += size;
    }
    size_t n_bytes() override { return at_ + n_read_; }
    bool at_end() const { return at_ == about_.size() && n_read_ == n_values_; }

  private:
    const std::vector<uint8_t> & about_;
    size_t at_ = 0;
    const uint8_t * values_;
    size_t n_values_, n_read_ = 0;
};

// What llama.cpp writes first of a state: the number of cells, then of each its position and of how many sequences it
// is (none are named, where one is saved).
struct state_head {
    uint32_t n_cells;
    llama_pos position;
    uint32_t n_sequences;
};

size_t values_of_state(const llama_memory_recurrent & state) {
    size_t n = 0;
    for (const auto * of_layers : { &state.r_l, &state.s_l, &state.p_l })
        for (const ggml_tensor * of : *of_layers)
            if (of) n += of->nb[1];
    return n;
}

void forget(llama_context * ctx, llama_seq_id sequence) {
    llama_memory_seq_rm(llama_get_memory(ctx), sequence, -1, -1);
}

// False: too few are free.
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

bool can_save_sequences(const llama_context * ctx) { return parts_of(ctx).known; }

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

std::vector<value_run> value_runs_of(const llama_context * ctx, const sequence_state & state) {
    const memory_parts parts = parts_of(ctx);
    const llama_memory_i * memory = memory_of(ctx);
    std::vector<value_run> out;
    if (!dynamic_cast<const llama_kv_cache *>(memory) && !dynamic_cast<const llama_kv_cache_iswa *>(memory)) return out;
    for (size_t i = 0; i < state.caches.size(); i++)
        for (const cache_tensors & tensors : tensors_of(*parts.caches[i])) {
            if (!tensors.v) return {};
            for (const ggml_tensor * of : { tensors.k, tensors.v })
                out.push_back({ of->type, (uint64_t) of->ne[0] * state.caches[i].positions.size() });
        }
    return out;
}

// --- what fits ---

static std::string type_of(const ggml_tensor * tensor) { return ggml_type_name(tensor->type); }

// By layer, neighbours that are alike together: "0-15 f16 64, 16 f16 128".
static std::string widths(const std::vector<cache_tensors> & layers, ggml_tensor * cache_tensors::* which) {
    std::string out;
    for (size_t begin = 0, end = 0; begin < layers.size(); begin = end) {
        const auto what = [&](size_t i) {
            const ggml_tensor * tensor = layers[i].*which;
            return tensor ? type_of(tensor) + " " + std::to_string(tensor->ne[0]) : std::string("none");
        };
        const std::string first = what(begin);
        while (end < layers.size() && what(end) == first && layers[end].layer == layers[begin].layer + (end - begin))
            end++;
        out += (out.empty() ? "" : ", ") + std::to_string(layers[begin].layer);
        if (end - begin > 1) out += "-" + std::to_string(layers[end - 1].layer);
        out += " " + first;
    }
    return out;
}

static std::string widths(const std::vector<ggml_tensor *> & layers) {
    std::string out;
    for (size_t layer = 0; layer < layers.size(); layer++)
        if (layers[layer])
            out += (out.empty() ? "" : ", ") + std::to_string(layer) + " " + type_of(layers[layer]) + " " +
                   std::to_string(layers[layer]->ne[0]);
    return out;
}

// Some models have two lists of RoPE factors and choose by the length of the context.
static bool has_long_factors(const llama_context * ctx) {
    const llama_model & model = ctx->get_model();
    const bool has_two = !model.layers.empty() && model.layers[0].rope_long != nullptr;
    return has_two && ctx->get_cparams().n_ctx_seq > model.hparams.n_ctx_orig_yarn;
}

state_layout state_layout_of(const llama_context * ctx) {
    const memory_parts parts = parts_of(ctx);
    state_layout out;
    const auto add = [&](const std::string & name, const std::string & value) { out.emplace_back(name, value); };
    for (size_t i = 0; i < parts.caches.size(); i++) {
        const llama_kv_cache & cache = *parts.caches[i];
        const std::string of = parts.caches.size() > 1 ? " of cache " + std::to_string(i) : "";
        const std::vector<cache_tensors> layers = tensors_of(cache);
        add("K" + of, widths(layers, &cache_tensors::k));
        add("V" + of, widths(layers, &cache_tensors::v));
        add("layout of V" + of, is_transposed(cache) ? "transposed" : "plain");
        add("rotation of K" + of, cache.*get(reach::cache_rot_k()) ? "Hadamard" : "none");
        add("rotation of V" + of, cache.*get(reach::cache_rot_v()) ? "Hadamard" : "none");
    }
    if (parts.state) {
        add("convolution state", widths(parts.state->r_l));
        add("recurrent state", widths(parts.state->s_l));
        add("embedding state", widths(parts.state->p_l));
    }
    add("RoPE factors", has_long_factors(ctx) ? "long" : "short");
    return out;
}

static std::string defect_of_cells(const llama_kv_cache & cache, const sequence_state::cells & cells,
                                   uint32_t n_tokens, int32_t n_vocab) {
    // A model whose layers are all sliding, or all full, has one cache without layers, and its cells all the same.
    if (cells.positions.size() != n_tokens) return "a cache holds other tokens than it is said to";
    if (n_tokens > cache.get_size()) return "there are more tokens than a cache has cells";
    std::vector<bool> seen(n_tokens, false);
    for (const llama_pos position : cells.positions) {
        if (position < 0 || (uint32_t) position >= n_tokens || seen[(size_t) position])
            return "a cell is at an impossible position";
        seen[(size_t) position] = true;
    }
    if (cells.tokens.size() != (cache.has_cell_ext() ? n_tokens : 0)) return "the cells' tokens are missing";
    for (const llama_token token : cells.tokens)
        if (token != LLAMA_TOKEN_NULL && (token < 0 || token >= n_vocab)) return "a cell's token is no token";
    return "";
}

// Types and widths, as llama.cpp writes them behind the heads of the cells, of which an empty sequence has none.
static std::vector<uint8_t> shape_of_state(const llama_memory_recurrent & state, llama_seq_id empty) {
    std::vector<uint8_t> about;
    state_writer counted(about, nullptr);
    state.state_write(counted, empty, LLAMA_STATE_SEQ_FLAGS_NONE);
    about.erase(about.begin(), about.begin() + sizeof(state_head::n_cells));
    return about;
}

std::string state_defect(const llama_context * ctx, llama_seq_id empty, const sequence_state & state, uint32_t n_tokens,
                         state_part part) {
    const memory_parts parts = parts_of(ctx);
    if (!parts.known) return "memories of this kind are not saved";
    const size_t n_caches = part == state_part::all ? parts.caches.size() : 0;
    if (state.caches.size() != n_caches) return "there are other caches than the memory has";
    const int32_t n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(&ctx->get_model()));
    size_t n_values = 0;
    for (size_t i = 0; i < n_caches; i++) {
        const llama_kv_cache & cache = *parts.caches[i];
        const std::string defect = defect_of_cells(cache, state.caches[i], n_tokens, n_vocab);
        if (!defect.empty()) return defect;
        n_values += n_tokens * bytes_per_cell(cache);
    }
    if (parts.mirrors && n_caches > 1 && state.caches[n_caches - 1].positions != state.caches[n_caches - 2].positions)
        return "two caches that mirror each other do not";
    if (parts.state) {
        state_head head{};
        if (state.recurrent.size() < sizeof head) return "the recurrent state is missing";
        std::memcpy(&head, state.recurrent.data(), sizeof head);
        if (head.n_cells != 1 || head.n_sequences != 0 || head.position != (llama_pos) n_tokens - 1)
            return "the recurrent state is of another position";
        const std::vector<uint8_t> shape = shape_of_state(*parts.state, empty);
        if (!std::equal(shape.begin(), shape.end(), state.recurrent.begin() + sizeof head, state.recurrent.end()))
            return "the recurrent state is of another shape";
        n_values += values_of_state(*parts.state);
    } else if (!state.recurrent.empty()) {
        return "there is a recurrent state, which the memory has not";
    }
    return state.values.size == n_values ? "" : "the values are more or fewer than the cells";
}

void set_sequence_size(llama_context * ctx, uint32_t n_tokens) {
    (ctx->*get(reach::context_cparams())).n_ctx_seq = n_tokens;
}

}  // namespace overfill
