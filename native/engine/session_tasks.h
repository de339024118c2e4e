// The stages as tasks of the scheduler. Each owns the session while it runs (session_slot::busy) and ends by exactly
// one call of its completion, on the engine thread.
#pragma once

#include "completion.h"
#include "prompt.h"
#include "scheduler.h"
#include "session_slot.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace overfill {

// A step on a session whose cells may be those of a pool; see cache_pool::run.
task::turn run_in_pool(const slot_ptr & slot, const task & by, bool needs_cells,
                       const std::function<task::turn()> & step);

class prefill_task final : public task {
  public:
    prefill_task(slot_ptr slot, const llama_vocab * vocab, prompt_input input, const prefill_options & options,
                 std::function<void(uint32_t, uint32_t)> on_progress, completion<prefill_result> end);
    turn step() override;
    wish next() const noexcept override;
    void fail(const failure & error) noexcept override;

  private:
    turn read();

    slot_ptr slot_;
    const llama_vocab * vocab_;
    prompt_input input_;
    prefill_options options_;
    std::function<void(uint32_t, uint32_t)> on_progress_;
    completion<prefill_result> end_;
    std::optional<session::prefill_run> run_;
    const answer_clock::time asked_ = answer_clock::clock::now();
    bool ends_in_space_ = false;  // which the vocabulary makes nothing of
};

class switch_task final : public task {
  public:
    switch_task(slot_ptr slot, std::optional<pair_side> writer, completion<handover_report> end)
        : slot_(std::move(slot)), writer_(writer), end_(std::move(end)) {}
    turn step() override;
    void fail(const failure & error) noexcept override;

  private:
    slot_ptr slot_;
    std::optional<pair_side> writer_;
    completion<handover_report> end_;
};

// Takes tokens at the end of the text away: session::retract or session::truncate.
class shorten_task final : public task {
  public:
    using way = void (session::*)(uint32_t n_tokens);
    shorten_task(slot_ptr slot, way how, uint32_t n_tokens, completion<bool> end)
        : slot_(std::move(slot)), how_(how), n_tokens_(n_tokens), end_(std::move(end)) {}
    turn step() override;
    void fail(const failure & error) noexcept override;

  private:
    slot_ptr slot_;
    way how_;
    uint32_t n_tokens_;
    completion<bool> end_;
};

// Makes an empty session a copy of another.
class fork_task final : public task {
  public:
    fork_task(slot_ptr from, slot_ptr to, completion<bool> end)
        : from_(std::move(from)), to_(std::move(to)), end_(std::move(end)) {}
    turn step() override;
    void fail(const failure & error) noexcept override;

  private:
    slot_ptr from_, to_;
    completion<bool> end_;
};

// Frees the session's place in the caches once no stage runs any more.
class release_task final : public task {
  public:
    release_task(slot_ptr slot, std::function<void()> done) : slot_(std::move(slot)), done_(std::move(done)) {}
    turn step() override;
    void fail(const failure & error) noexcept override;

  private:
    slot_ptr slot_;
    std::function<void()> done_;
};

}  // namespace overfill
