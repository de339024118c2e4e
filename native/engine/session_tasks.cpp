#include "session_tasks.h"

#include "clock.h"
#include "no_room.h"
#include "text.h"

#include <iterator>
#include <new>
#include <utility>

namespace overfill {

static failure aborted() { return failure(error_code::aborted, "aborted"); }

task::turn run_in_pool(const slot_ptr & slot, const task & by, bool needs_cells,
                       const std::function<task::turn()> & step) {
    if (!slot->pool) return step();
    return slot->pool->run({ slot, &slot->in_pool }, by.arrived(), needs_cells, step);
}

// --- prefill ---

prefill_task::prefill_task(slot_ptr slot, const llama_vocab * vocab, prompt_input input,
                           const prefill_options & options, std::function<void(uint32_t, uint32_t)> on_progress,
                           completion<prefill_result> end)
    : slot_(std::move(slot)), vocab_(vocab), input_(std::move(input)), options_(options),
      on_progress_(std::move(on_progress)), end_(std::move(end)) {}

task::turn prefill_task::step() {
    return run_in_pool(slot_, *this, !aborted(), [this] { return read(); });
}

task::turn prefill_task::read() {
    if (aborted()) {
        if (run_) run_->roll_back();
        throw overfill::aborted();
    }
    if (!run_) {
        static const std::vector<llama_token> nothing;
        const std::vector<llama_token> & before = options_.replace ? nothing : slot_->state.tokens();
        auto * text = std::get_if<std::string>(&input_);
        if (text && !before.empty() && before.size() == slot_->n_before_space) text->insert(0, " ");
        ends_in_space_ =
            text && !text->empty() && (text->back() == ' ' || text->back() == '\n') && drops_last_space(vocab_);
        std::vector<llama_token> prompt = tokens_of(std::move(input_), vocab_, before, options_.parse_special);
        run_.emplace(slot_->state, std::move(prompt), options_);
    }
    try {
        if (!run_->step()) throw overfill::aborted();
    } catch (const no_room &) {
        throw;
    } catch (...) {
        run_->roll_back();
        throw;
    }
    if (on_progress_ && !run_->waits()) on_progress_(run_->n_done(), run_->n_total());
    if (!run_->done()) return run_->waits() ? turn::parked : turn::again;
    slot_->n_before_space = ends_in_space_ ? slot_->state.tokens().size() : 0;
    slot_->asked = asked_;
    slot_->busy = false;
    end_.done(run_->result());
    return turn::done;
}

task::wish prefill_task::next() const noexcept {
    wish out;
    if (!aborted() && !options_.elsewhere) out.is = wish::kind::piece;
    out.priority = options_.priority;
    return out;
}

void prefill_task::fail(const failure & error) noexcept {
    slot_->busy = false;
    end_.failed(error);
}

// --- switch ---

task::turn switch_task::step() {
    return run_in_pool(slot_, *this, !aborted(), [this] {
        if (aborted()) throw overfill::aborted();
        const handover_report report = slot_->state.hand_over(writer_);
        slot_->busy = false;
        end_.done(report);
        return turn::done;
    });
}

void switch_task::fail(const failure & error) noexcept {
    slot_->busy = false;
    end_.failed(error);
}

// --- shorten ---

task::turn shorten_task::step() {
    // What was put aside can be cut where it is. The pool knows of it before the caller does.
    run_in_pool(slot_, *this, /*needs_cells*/ false, [this] {
        (slot_->state.*how_)(n_tokens_);
        return turn::done;
    });
    slot_->busy = false;
    end_.done(true);
    return turn::done;
}

void shorten_task::fail(const failure & error) noexcept {
    slot_->busy = false;
    end_.failed(error);
}

// --- fork ---

task::turn fork_task::step() {
    return run_in_pool(from_, *this, !aborted(), [this] {
        if (aborted()) throw overfill::aborted();
        try {
            if (to_->pool) to_->pool->add({ to_, &to_->in_pool });
            to_->state.fork_from(from_->state);
        } catch (...) {
            to_->state.clear();
            throw;
        }
        to_->n_before_space = from_->n_before_space;
        from_->busy = to_->busy = false;
        end_.done(true);
        return turn::done;
    });
}

void fork_task::fail(const failure & error) noexcept {
    from_->busy = to_->busy = false;
    end_.failed(error);
}

// --- release ---

task::turn release_task::step() {
    if (slot_->busy) return turn::again;
    slot_->state.clear();
    if (slot_->pool) slot_->pool->forget(slot_->in_pool);
    done_();
    return turn::done;
}

void release_task::fail(const failure &) noexcept { done_(); }

}  // namespace overfill
