// A pair of models loaded together: the weights, the two contexts, the one KV cache they share (or two, when the
// handover copies), and the plan that says why. Touched by the engine thread only.
#pragma once

#include "adapters.h"
#include "batch_costs.h"
#include "cache_ledger.h"
#include "clock.h"
#include "compute_pool.h"
#include "models.h"
#include "options.h"
#include "pair_meters.h"
#include "piece_size.h"
#include "token_pieces.h"

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

namespace overfill {

// Loads both models and their adapters as far as `depth` says and compares them. Throws what load_model and
// load_adapters throw.
struct compared_models {
    std::shared_ptr<llama_model> prefill;
    std::shared_ptr<llama_model> decode;  // null: a pair of one; the prefill model itself where both are one file
    model_traits prefill_traits;
    model_traits decode_traits;
    pair_plan plan;
    translator how;  // empty: nothing but what the models tell
    // Loaded as far as the models are; they go before the models.
    adapter_list prefill_adapters;
    adapter_list decode_adapters;  // of a pair of one: those of the prefill model
};
compared_models load_and_compare(const pair_options & options, load_depth depth,
                                 const std::function<bool(float)> & on_progress);

// Of how many tokens a read's logits can be asked for. llama.cpp keeps a row of the vocabulary for each.
constexpr uint32_t most_logits = 32;

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
    bool one_cache() const { return info_.plan.kind == handover_kind::share; }

    // Whether the token ends an answer for either model.
    bool ends_answer(llama_token token) const;

    const llama_model * prefill_model() const { return models_.prefill.get(); }

    llama_context * prefill_context() const { return prefill_.get(); }
    llama_context * decode_context() const { return decode_ ? decode_.get() : prefill_.get(); }

    llama_context * context(pair_side side) const {
        return side == pair_side::prefill ? prefill_context() : decode_context();
    }

    // Tokens that a side can read at once: for an answer, the decode model needs no more than one at a time.
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

    // Reads n tokens at the positions from `position` on, at most batch_size() of the side; the logits of the
    // last n_logits are wanted. Returns false if it was aborted; throws ERR_INFERENCE_FAILED or ERR_OUT_OF_MEMORY. Some
    // of the positions may be in the cache even so: the caller takes them away.
    bool read(pair_side by, const llama_token * tokens, uint32_t n, llama_pos position, llama_seq_id sequence,
              uint32_t n_logits);

    // The same for the decode model and one token of each of several sequences, with the logits of all. Row i is read
    // at `positions[i]` of `sequences[i]`.
    bool read_rows(const std::vector<llama_token> & tokens, const std::vector<llama_pos> & positions,
                   const std::vector<llama_seq_id> & sequences);

    // The switch: makes the sequence readable for the decode model. Its first n_kept tokens are there already. Throws
    // what translate_handover::run throws; the decode side then holds those n_kept.
    handover_report hand_over(llama_seq_id sequence, uint32_t n_tokens, uint32_t n_kept);

    // The way back, for a turn that keeps what the decode model wrote from a position on. Throws
    // ERR_HANDOVER_UNAVAILABLE where the handover has no inverse, and what translate_handover::run throws.
    void hand_back(llama_seq_id sequence, llama_pos from);

    // Any thread.
    pair_metrics metrics() const;
    pair_meters & meters() const { return *meters_; }

    batch_costs & costs() { return costs_; }

    // Nothing is to be read for now: lets the threads sleep.
    void rest() { pool_->rest(); }

    // Makes a sequence of the context's memory a copy of another.
    void copy(llama_context * ctx, llama_seq_id from, llama_seq_id to);

    // Removes the positions from `from` on, in the given context. Throws ERR_INTERNAL if its memory cannot.
    static void forget(llama_context * ctx, llama_seq_id sequence, llama_pos from);

  private:
    bool run_batch(pair_side by);
    void make_contexts(const pair_options & options, ggml_abort_callback should_abort, void * abort_data);
    bool share_memory(llama_context_params params);
    void make_decode_context(const pair_options & options, llama_context_params params);

    // Freed from the bottom up: the batch, the handovers, the decode context (its cache refers to the prefill
    // context's), the prefill context, the thread pool both use, the adapters, the models.
    compared_models models_;
    std::shared_ptr<token_pieces> pieces_;
    std::unique_ptr<compute_pool> pool_;
    context_ptr prefill_;
    context_ptr decode_;
    std::unique_ptr<translate_handover> over_;
    std::unique_ptr<translate_handover> back_;  // made when it is first needed
    implementation_options implementation_;
    llama_batch batch_{};
    llama_context * last_read_ = nullptr;  // the context that computed last
    bool can_cut_ = true;
    batch_costs costs_;
    piece_size beside_answers_;
    uint32_t most_now_ = UINT32_MAX;
    stopwatch piece_watch_;
    uint64_t n_before_piece_ = 0;  // tokens read
    // Counted on the engine thread, read on any.
    std::atomic<uint64_t> n_tokens_[2] = {}, n_batches_[2] = {};  // by side
    std::unique_ptr<pair_meters> meters_ = std::make_unique<pair_meters>();
    pair_info info_;
};

}  // namespace overfill
