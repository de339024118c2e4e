#include "score_task.h"

#include "failure.h"
#include "text.h"

#include <limits>
#include <string>

namespace overfill {

score_task::score_task(slot_ptr slot, pair & models, score_input input, completion<score_result> end)
    : slot_(std::move(slot)), pair_(models), input_(std::move(input)), end_(std::move(end)) {}

score_request score_task::request() const {
    const llama_vocab * vocab = pair_.vocab();
    const auto * prompt = std::get_if<std::string>(&input_.prompt);
    score_request made;
    made.writer = input_.writer;
    made.rows = input_.rows;
    made.prompt = tokens_of(input_.prompt, vocab, {}, input_.parse_special);
    for (const prompt_input & response : input_.responses) {
        const auto * text = std::get_if<std::string>(&response);
        std::vector<llama_token> tokens = tokens_of(response, vocab, made.prompt, input_.parse_special);
        if (prompt && text) {
            text_parts parts = split_text(vocab, *prompt, *text, input_.parse_special);
            // Where a token spans the border, the prompt stays the one that all responses have in common.
            if (parts.before == made.prompt) tokens = std::move(parts.after);
        }
        made.responses.push_back(std::move(tokens));
    }
    return made;
}

task::turn score_task::step() {
    return run_in_pool(slot_, *this, !aborted(), [this] { return read(); });
}

void score_task::end() noexcept {
    if (!other_caches_.empty()) slot_->in_pool.caches.swap(other_caches_);
    other_caches_.clear();
    scorer_.reset();
    slot_->busy = false;
}

task::turn score_task::read() {
    if (aborted()) throw failure(error_code::aborted, "aborted");
    if (!scorer_) {
        if (slot_->state.stats().stage != session_stage::empty)
            throw failure(error_code::stage_order, "scoring needs a session that has read nothing",
                          { { "stage", session_stage_name(slot_->state.stats().stage) } });
        scorer_.emplace(pair_, slot_->state.sequence(), request());
        other_caches_ = scorer_->caches();
        slot_->in_pool.caches.swap(other_caches_);
    }
    if (!scorer_->done() && !scorer_->step()) throw failure(error_code::aborted, "aborted");
    if (!scorer_->done()) return turn::again;
    const score_result result = scorer_->take_result();
    end();
    end_.done(result);
    return turn::done;
}

task::wish score_task::next() const noexcept {
    wish out;
    if (aborted()) return out;
    out.is = wish::kind::piece;
    // It may go on for hours, and nobody reads along.
    out.priority = std::numeric_limits<int32_t>::min();
    return out;
}

void score_task::fail(const failure & error) noexcept {
    end();
    end_.failed(error);
}

}  // namespace overfill
