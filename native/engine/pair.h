// A prefill model and its decode models loaded together: the weights, their contexts, the one KV cache they share (and
// one more for each decode model that is handed a copy), and the plans that say why. Touched by the engine thread only.
#pragma once

#include "batch_costs.h"
#include "cache_ledger.h"
#include "clock.h"
#include "compared_models.h"
#include "compute_pool.h"
#include "draft_length.h"
#include "kv_rows.h"
#include "options.h"
#include "pair_meters.h"
#include "piece_size.h"
#include "prefix_cache.h"
#include "prefix_files.h"
#include "refresh_budget.h"
#include "second_thread.h"
#include "sequence_state.h"
#include "token_pieces.h"

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

namespace overfill {

// Of how many tokens a read's logits can be asked for. llama.cpp keeps a row of the vocabulary for each.
constexpr uint32_t most_logits = 32;

class session;

class pair {
  public:
    // `should_abort` is llama.cpp's abort callback with its data. `on_progress` gets 0..1 and returns false to stop.
    // Throws the codes of load_model and load_adapters, ERR_MODEL_UNSUPPORTED, ERR_PAIR_INCOMPATIBLE,
    // ERR_HANDOVER_UNAVAILABLE, ERR_INVALID_ARGUMENT or ERR_OUT_OF_MEMORY; nothing stays loaded then.
    pair(const pair_options & options, ggml_abort_callback should_abort, void * abort_data,
         const std::function<bool(float)> & on_progress);
    ~pair();
    pair(const pair &) = delete;
    pair & operator=(const pair &) = delete;

    const pair_info & info() const { return info_; }
    const llama_vocab * vocab() const { return llama_model_get_vocab(models_.prefill.get()); }
    const std::shared_ptr<token_pieces> & pieces() const { return pieces_; }
    size_t n_writers() const { return writers_.size(); }
    // Whether a side uses the prefill model's cache.
    bool shares(pair_side side) const {
        return side == pair_side::prefill || plan_of(side).kind == handover_kind::share;
    }
    const std::string & name_of(pair_side side) const;
    // Whether what one model wrote into the prefill model's cache is all that another one needs to go on from it. A
    // writer that uses some of the layers only leaves the others as they were.
    bool serves(pair_side writer, pair_side reader) const;

    // Whether the token ends an answer, for the prefill model or for who writes it.
    bool ends_answer(llama_token token, pair_side writer) const;

    const llama_model * prefill_model() const { return models_.prefill.get(); }

    llama_context * prefill_context() const { return prefill_.get(); }
    // Of the first decode model.
    llama_context * decode_context() const { return context(pair_side::decode); }
    llama_context * context(pair_side side) const;

    // Whether a side can compute while the prefill model does: its layers lie on other devices, and it has a cache of
    // its own.
    bool runs_apart(pair_side side) const;
    // Whether some side can.
    bool runs_apart() const;

    // Where some side does: lets the prefill model compute on a second thread.
    void use_second_thread(second_thread how) { second_ = std::move(how); }
    // Waits until nothing computes in the context there. For whoever is about to touch its memory.
    void settle(const llama_context * ctx) const;

    // Tokens that a side can read at once: for an answer, a decode model needs no more than one at a time.
    uint32_t batch_size(pair_side side) const;
    // How many of them it is to read now: fewer while answers are written.
    uint32_t piece_of(pair_side side) const { return std::min(batch_size(side), most_now_); }

    // Around the reading of a piece of a text; see scheduler::hooks.
    void begin_piece(std::optional<double> answers_ms);
    void end_piece();

    // Whether a sequence can be cut behind any token. If not, each session has a spare sequence to go back to; see
    // cached_sequence.
    bool can_cut() const { return can_cut_; }
    llama_seq_id spare_of(llama_seq_id sequence) const { return sequence + (llama_seq_id) info_.max_sessions; }

    // Where the cells are a pool of all sessions' (pair_options::cache_tokens): called where a read or a handover finds
    // none free. It frees some, or throws; what it throws, the read throws.
    void on_no_room(std::function<void()> make_room) { make_room_ = std::move(make_room); }

    // Reads n tokens at the positions from `position` on, at most batch_size() of the side; the logits of the
    // last n_logits are wanted. Returns false if it was aborted; throws ERR_INFERENCE_FAILED or ERR_OUT_OF_MEMORY. Some
    // of the positions may be in the cache even so: the caller takes them away.
    bool read(pair_side by, const llama_token * tokens, uint32_t n, llama_pos position, llama_seq_id sequence,
              uint32_t n_logits);

    // The same for the next tokens of each of several sequences, with the logits of all. So many are read of each, the
    // last again and again where there are fewer: llama.cpp then makes one micro-batch of sequences in separate
    // streams, which it cannot of rows that are not of one length.
    struct row {
        const llama_token * tokens;
        uint32_t n, n_read;
        llama_pos position;
        llama_seq_id sequence;
    };
    bool read_rows(pair_side by, const std::vector<row> & rows);
    // What it can read at once there: tokens, and those of them whose logits are wanted.
    uint32_t most_in_rows() const { return std::max(info_.batch_size, info_.max_sessions); }
    uint32_t most_logits_of_rows() const { return std::max(most_logits, info_.max_sessions); }
    // Whether each sequence has its cells to itself.
    bool in_streams() const { return can_cut_ && !has_pool(); }

    // The switch: makes the sequence readable for a writer. Its first n_kept tokens are there already. Throws what
    // translate_handover::run throws; the writer's own cache then holds those n_kept.
    handover_report hand_over(llama_seq_id sequence, uint32_t n_tokens, uint32_t n_kept,
                              pair_side writer = pair_side::decode);

    // Of so many tokens or more, a prefill gives the writer a copy of what it has read before the switch asks for it;
    // 0: the switch moves all. Where the prefill model lies on another machine, so that the switch waits for the cells
    // of about one micro-batch; see decisions/0040.
    uint32_t handed_ahead(pair_side writer) const;

    // The way back, for a turn that keeps what a writer wrote into its own cache from a position on. Throws
    // ERR_HANDOVER_UNAVAILABLE where the handover has no inverse, and what translate_handover::run throws.
    void hand_back(llama_seq_id sequence, llama_pos from, pair_side writer);

    // Any thread.
    pair_metrics metrics() const;
    pair_meters & meters() const { return *meters_; }

    // Of the side's context.
    batch_costs & costs(pair_side side);

    // Of drafts by a side for the prefill model, or of no drafts where that side is the prefill model.
    draft_costs & costs_of_drafts(pair_side by) {
        return by == pair_side::prefill ? prefill_draft_costs_ : writer_of(by).drafts;
    }

    // Of refreshes of what a decode model wrote.
    refresh_costs & costs_of_refreshes(pair_side writer) { return writer_of(writer).refreshes; }
    // How much more the prefill model takes for one token than a decode model, as far as their sizes tell.
    double token_ratio(pair_side writer) const;

    // Nothing is to be read for now: lets the threads sleep.
    void rest();

    // Makes a sequence of the context's memory a copy of another.
    void copy(llama_context * ctx, llama_seq_id from, llama_seq_id to);

    // A sequence of the context's memory out of it, and back; see sequence_state.h.
    sequence_state save(llama_context * ctx, llama_seq_id sequence, state_part part);
    std::shared_ptr<const gradual_state> save_gradually(llama_context * ctx, llama_seq_id sequence);
    void give_values(llama_context * ctx, const gradual_state & of, size_t at, uint8_t * to, size_t n);
    bool restore(llama_context * ctx, llama_seq_id sequence, const sequence_state & state, state_part part);
    std::vector<uint8_t> save_uncuttable(llama_context * ctx, llama_seq_id sequence);
    bool restore_uncuttable(llama_context * ctx, llama_seq_id sequence, const std::vector<uint8_t> & state);

    // What the prefill model has read, for whoever reads it again; null: it is not kept.
    prefix_cache * prefixes() const { return prefixes_.get(); }
    // The same on disk; null as well.
    overfill::prefix_files * prefix_files() const { return prefix_files_.get(); }
    size_t prefix_bytes_per_token() const { return rows_->token_bytes(); }
    // Where the memory cannot be cut: after how many tokens its state is to be kept, so that states take about as much
    // memory as the rows of the tokens between them.
    uint32_t checkpoint_stride() const { return checkpoint_stride_; }
    // The rows of n tokens in a side's cache, and into the prefill model's; see kv_rows.h. Throws what that throws;
    // nothing has been written then.
    void give_rows(llama_seq_id sequence, llama_pos from, uint32_t n, uint8_t * out,
                   pair_side side = pair_side::prefill);
    void write_rows(llama_seq_id sequence, llama_pos position, const llama_token * tokens, uint32_t n,
                    const stored_tokens & from, uint32_t first);

    // Of such rows: their size, and what they depend on.
    size_t bytes_per_token(pair_side side);
    state_layout layout_of(pair_side side) const;

    // In a pool: the sessions whose cells may be shared by what begins like them, as long as they hold something.
    std::vector<std::weak_ptr<session *>> & sharers() { return sharers_; }
    bool has_pool() const { return make_room_ != nullptr; }

    // See cell_wiping.h.
    void wipe(llama_context * ctx, llama_seq_id sequence, llama_pos from);

    // Removes the positions from `from` on, in the given context. Throws ERR_INTERNAL if its memory cannot.
    void forget(llama_context * ctx, llama_seq_id sequence, llama_pos from);

  private:
    // What a decode model has beside its weights.
    struct writer {
        context_ptr context;  // null: the prefill context
        std::unique_ptr<translate_handover> over;
        std::unique_ptr<translate_handover> back;  // made when it is first needed
        batch_costs costs;
        draft_costs drafts;
        refresh_costs refreshes;
        bool apart = false;             // see runs_apart
        std::unique_ptr<kv_rows> rows;  // of the layers it uses; made when they are first asked for
    };

    llama_batch & batch_of(pair_side by) { return batches_[context(by) != prefill_.get()]; }
    bool run_batch(pair_side by, uint32_t n_tokens);
    int32_t compute(llama_context * ctx, const std::function<int32_t()> & decode);
    void synchronize(const llama_context * ctx) const;
    void with_room(const std::function<void()> & write);
    const pair_plan & plan_of(pair_side side) const { return models_.writers.at(decode_index(side)).plan; }
    writer & writer_of(pair_side side) { return writers_.at(decode_index(side)); }
    void make_contexts(const pair_options & options, ggml_abort_callback should_abort, void * abort_data);
    bool share_memory(size_t index, llama_context_params params);
    void make_writer(size_t index, const pair_options & options, const writer_options & asked,
                     llama_context_params params);
    void part(const pair_options & options);
    void set_info(const pair_options & options);
    const llama_context * rows_context(pair_side side) const;
    const std::vector<int32_t> & rows_map(pair_side side) const;
    const kv_rows & rows_of(pair_side side);
    void make_prefix_cache(const pair_options & options);
    void open_prefix_files(const pair_options & options);

    // Freed from the bottom up: the batches, the writers (each its handovers before its context, whose cache refers to
    // the prefill context's), the prefill context, the thread pools they use, the adapters, the models.
    compared_models models_;
    std::shared_ptr<token_pieces> pieces_;
    std::unique_ptr<compute_pool> pool_;
    std::unique_ptr<compute_pool> prefill_pool_;  // where the prefill model cannot use the one of all
    context_ptr prefill_;
    std::vector<writer> writers_;    // as models_.writers
    std::unique_ptr<kv_rows> rows_;  // of the prefill context; made when they are needed
    std::unique_ptr<prefix_cache> prefixes_;
    std::unique_ptr<overfill::prefix_files> prefix_files_;
    uint32_t checkpoint_stride_ = UINT32_MAX;
    std::vector<std::weak_ptr<session *>> sharers_;
    batch_costs prefill_costs_;
    draft_costs prefill_draft_costs_;
    implementation_options implementation_;
    llama_batch batches_[2] = {};          // of the prefill context, of all others
    llama_context * last_read_ = nullptr;  // the context that computed last on the engine's thread
    second_thread second_;
    bool is_computing_ = false;  // the prefill context, on the second thread
    bool can_cut_ = true;
    uint32_t handed_ahead_ = 0;
    bool has_image_tokens_ = false;  // see image_tokens.h
    std::function<void()> make_room_;
    piece_size beside_answers_;
    uint32_t most_now_ = UINT32_MAX;
    stopwatch piece_watch_;
    uint64_t n_before_piece_ = 0;  // tokens read
    bool maps_layers_ = false;     // some writer shares the prefill model's cache through a layer map
    // Counted on the engine thread, read on any.
    std::atomic<uint64_t> n_tokens_[2] = {}, n_batches_[2] = {};  // of the prefill model, of all others
    std::unique_ptr<pair_meters> meters_ = std::make_unique<pair_meters>();
    pair_info info_;
};

}  // namespace overfill
