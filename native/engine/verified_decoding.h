// Verified decoding (speculative decoding, Leviathan et al., arXiv 2211.17192) on the one cache of a pair: the decode
// model drafts a few tokens behind what the prefill model has read, the prefill model reads them in one batch in their
// place, and keeps those that it agrees with; the token behind them is its own. So every token of the answer is in the
// cache as the prefill model reads it, and the next draft goes on from there.
//
// Drafts come from the decode model, or, without a model, from what followed the same words earlier in the text.
//
//   kept    an answer is always the prefill model's, or
//           (acceptance x) a drafted token stays where the prefill model gives it at least x times the probability of
//           the token that it finds likeliest
#pragma once

#include "draft_length.h"
#include "options.h"
#include "sampler.h"
#include "session.h"

#include <optional>
#include <vector>

namespace overfill {

class verified_decoding {
  public:
    verified_decoding(pair & models, session & target, const decode_options & options, uint32_t seed);

    // Something to choose from is there.
    bool has_rows() const { return i_row_ < n_rows_; }

    // What the next `read` would read, if it can be read along with others' rows.
    std::optional<batch_row> next_row() const;
    // Gets nearer to has_rows(), by one read at most. `given`: next_row() was read, and this is what it gave. False: it
    // was aborted. Throws what the reading throws; then nothing has changed.
    bool read(sampler & chooser, const std::optional<read_row> & given);

    // The next token, from these logits; nothing: the answer ends here. The sampler must accept it and the session
    // append it before the next call.
    struct chosen {
        std::optional<llama_token> token;
        const float * logits;
    };
    chosen choose(sampler & chooser);
    // Where the cells of a draft were lost: takes it back.
    void drop_draft(sampler & chooser);
    // What had to be read again for the last check, as its memory cannot be cut.
    void saw_catch_up(double ms) { check_ms_ += ms; }
    // After the last row, or where no more is chosen: takes back what was not kept. The answer may have `most` more
    // tokens.
    void end_rows(const sampler & chooser, uint32_t most);

    const verification_sums & sums() const { return sums_; }
    uint32_t n_draft_steps() const { return n_draft_steps_; }

  private:
    struct drafted {
        llama_token token;
        std::optional<token_distribution> from;  // none: it is the only one that could come
    };

    uint32_t position() const { return (uint32_t) (session_.tokens().size() - session_.n_before_answer()); }
    void plan(const sampler & chooser, uint32_t most);
    void take_draft(sampler & chooser, const float * logits);
    void complete_draft();
    bool verify(sampler & chooser, const std::optional<read_row> & given);
    void book_check();
    draft_costs & costs() { return pair_.costs_of_drafts(session_.writer()); }
    bool finds_drafts(const sampler & chooser) const;
    std::optional<llama_token> judge(sampler & chooser, const drafted & one, const float * logits);
    std::optional<llama_token> own_token(sampler & chooser, const float * logits);

    pair & pair_;
    session & session_;
    const quality_options quality_;
    const bool writes_alone_;  // there is no other model to draft
    const uint32_t seed_;
    draft_length length_;

    uint32_t n_wanted_ = 0;  // of the draft
    std::vector<drafted> draft_;
    std::vector<llama_token> check_;  // of a draft that is complete: what is read to check it
    bool is_found_ = false;           // it was found in the text
    bool begun_ = false;              // session and sampler know of the draft
    double draft_ms_ = 0;
    std::vector<llama_token> found_;  // what the text proposes, used or not
    uint32_t n_before_ = 0;           // tokens of the text when the draft was planned

    uint32_t i_row_ = 0, n_rows_ = 0;
    const float * first_row_ = nullptr;  // null: they are those of the check
    int32_t first_of_check_ = 0;         // llama.cpp's number of its first row
    uint32_t n_judged_now_ = 0, n_kept_now_ = 0;
    double check_ms_ = 0;     // what the last check took, not booked yet
    uint32_t n_checked_ = 0;  // the tokens that it read

    verification_sums sums_;
    uint32_t n_draft_steps_ = 0;
};

}  // namespace overfill
