#include "score_task.h"

#include "failure.h"
#include "text.h"

#include <string>

namespace overfill {

score_task::score_task(slot_ptr slot, pair & models, score_input input, completion<score_result> end)
    : slot_(std::move(slot)), pair_(models), input_(std::move(input)), end_(std::move(end)) {}

score_request score_task::request() const {
    const llama_vocab * vocab = pair_.vocab();
    const auto * prompt = std::get_if<std::string>(&input_.prompt);
    score_request made;
    made.rows = input_.rows;
    made.prompt = prompt ? tokenize_beginning(vocab, *prompt, input_.parse_special)
                         : std::get<std::vector<llama_token>>(input_.prompt);
    for (const prompt_input & response : input_.responses) {
        const auto * text = std::get_if<std::string>(&response);
        if (!text) {
            made.responses.push_back(std::get<std::vector<llama_token>>(response));
        } else if (!prompt) {
            made.responses.push_back(tokenize(vocab, *text, false, input_.parse_special));
        } else {
            text_parts parts = split_text(vocab, *prompt, *text, input_.parse_special);
            // A token that spans the border: the prompt is then one that all responses have in common.
            if (parts.before != made.prompt) parts.after = tokenize(vocab, *text, false, input_.parse_special);
            made.responses.push_back(std::move(parts.after));
        }
    }
    return made;
}

task::turn score_task::step() {
    if (aborted()) throw failure(error_code::aborted, "aborted");
    if (!scorer_) {
        if (slot_->state.stats().stage != session_stage::empty)
            throw failure(error_code::stage_order, "scoring needs a session that has read nothing",
                          { { "stage", session_stage_name(slot_->state.stats().stage) } });
        scorer_.emplace(pair_, slot_->state.sequence(), request());
    }
    if (!scorer_->done() && !scorer_->step()) throw failure(error_code::aborted, "aborted");
    if (!scorer_->done()) return turn::again;
    const score_result result = scorer_->take_result();
    scorer_.reset();
    slot_->busy = false;
    end_.done(result);
    return turn::done;
}

void score_task::fail(const failure & error) noexcept {
    scorer_.reset();
    slot_->busy = false;
    end_.failed(error);
}

}  // namespace overfill
