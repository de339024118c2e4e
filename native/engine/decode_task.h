// An answer, as a task of the scheduler: refreshes, steps of the writer, drafts and their checks, token by token.
#pragma once

#include "answer_text.h"
#include "refresh_budget.h"
#include "sampler.h"
#include "scheduler.h"
#include "session_slot.h"
#include "token_stream.h"
#include "verified_decoding.h"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace overfill {

class decode_task final : public task {
  public:
    decode_task(slot_ptr slot, pair & models, decode_options options, std::shared_ptr<token_stream> stream);
    turn step() override;
    wish next() const noexcept override;
    void got_row(const read_row & row) override;
    void fail(const failure & error) noexcept override;

  private:
    bool begin();
    turn write();
    std::optional<llama_token> unless_it_ends(std::optional<llama_token> token);
    turn generate();
    turn generate_verified(const std::function<turn(finish_reason)> & end);
    std::optional<finish_reason> take(llama_token token, const float * logits);
    turn give_turn();
    bool refresh_is_due() const;
    turn refresh(const std::function<turn(finish_reason)> & end);
    // Of the newest tokens, as the next one's logits are so unsure; 0: none.
    uint32_t n_to_refresh(const float * logits);
    void leave_refresh() noexcept;
    bool needs_piece() const;
    bool is_over() const;
    bool is_behind_reader() const;
    uint32_t n_left() const;
    void book_verification() noexcept;
    turn finish(finish_reason reason);
    bool give();
    void end_early() noexcept;

    slot_ptr slot_;
    pair & pair_;
    decode_options options_;
    std::shared_ptr<token_stream> stream_;
    std::optional<sampler> sampler_;
    std::optional<answer_text> text_;
    decode_chunk piece_;                                  // reused
    std::vector<std::vector<token_log_prob>> log_probs_;  // of the tokens not given yet
    uint32_t n_tokens_ = 0;
    answer_clock clock_;
    bool refreshing_ = false;
    refresh_step refreshed_;                // the one that is going on, so far
    double others_ms_ = 0;                  // of the batches that it was in, what others' rows took
    std::optional<refresh_budget> budget_;  // where there is one
    bool is_unsure_ = false;                // the refresh is the budget's, and no token came of it yet
    std::optional<read_row> given_;         // of a row that was read with others'
    std::optional<verified_decoding> verified_;
    decode_result result_;
};

}  // namespace overfill
