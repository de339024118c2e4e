// The scoring of responses as a task of the scheduler, on a session that has read nothing.
#pragma once

#include "completion.h"
#include "score.h"
#include "session_tasks.h"

#include <optional>
#include <vector>

namespace overfill {

struct score_input {
    prompt_input prompt;
    std::vector<prompt_input> responses;  // as text, they are tokenised together with a prompt that is text, too
    std::vector<score_row> rows;
    bool parse_special = true;
    pair_side writer = pair_side::decode;
};

class score_task final : public task {
  public:
    score_task(slot_ptr slot, pair & models, score_input input, completion<score_result> end);
    turn step() override;
    wish next() const noexcept override;
    void fail(const failure & error) noexcept override;

  private:
    score_request request() const;
    turn read();
    void end() noexcept;

    slot_ptr slot_;
    pair & pair_;
    score_input input_;
    completion<score_result> end_;
    std::optional<scorer> scorer_;
    std::vector<cached_sequence *> other_caches_;  // the session's own, while the scorer's are in the pool
};

}  // namespace overfill
