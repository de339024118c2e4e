// One conversation: one sequence in the pair's caches, and the tokens it stands for. The stages run here, step by step;
// the tasks of session_tasks.h call them on the engine thread.
//
//   tokens_      the whole text so far, as tokens
//   cache_       what the prefill model's cache holds of them; decode models that share it read into it, too
//   own_caches_  what the caches of those that do not share hold of them
//
// One model writes at a time. Another may take over whenever no answer runs: what it does not have then is handed over
// from the prefill model's cache, and what that does not have either it reads itself.
//
// A sampled token is part of the text at once and reaches the cache one step later. Within an answer the prefill model
// may read again what it has not read itself (a refresh); the token after that is the prefill model's once more.
#pragma once

#include "answer_trace.h"
#include "cached_sequence.h"
#include "cell_source.h"
#include "options.h"
#include "pair.h"

#include <llama.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace overfill {

struct session_image;

class session {
  public:
    // `writer`: who writes where nobody is named.
    session(pair & models, llama_seq_id sequence, pair_side writer = pair_side::decode);

    llama_seq_id sequence() const { return sequence_; }
    session_stats stats() const;

    // prefill, in steps of a micro-batch
    class prefill_run;

    // switch; without a writer to the session's own
    handover_report hand_over(std::optional<pair_side> writer = std::nullopt);
    // Who writes, or wrote last.
    pair_side writer() const { return writer_; }

    // Right after a switch: the cells of n tokens as the writer has them, for one on another machine. Throws
    // ERR_STAGE_ORDER, ERR_INVALID_ARGUMENT, and what pair::give_rows throws.
    given_cells give_cells(uint32_t from, uint32_t n, bool with_logits);

    // decode
    // Hands over to another writer, if one is named. Throws ERR_STAGE_ORDER unless a switch, or a decode that was cut
    // short, came before, and what pair::hand_over throws; the writer before can then still go on.
    void begin_decode(std::optional<pair_side> writer = std::nullopt);
    // What was read in a scope is found again in that scope only.
    void set_scope(std::string scope) { scope_ = std::move(scope); }
    // Whether what is read is read in whole micro-batches even while other answers are written.
    void set_deterministic(bool on) { deterministic_ = on; }
    // Whether `interval` tokens of the answer or more were written since it began or was refreshed last; 0: never.
    bool refresh_is_due(uint32_t interval) const;
    // Lets the prefill model read a micro-batch of them again, and hands the cache over after the last. Throws what
    // hand_over throws. After an abort or a failure the answer can go on all the same, and the refresh is still due.
    refresh_step refresh_some();
    // The tokens behind the last that the prefill model has read.
    uint32_t n_unread() const;
    // Whether it can read the newest of them again and leave the others as they are.
    bool refreshes_in_part() const {
        return pair_.shares(writer_) && pair_.can_cut() && pair_.serves(writer_, pair_side::prefill);
    }
    // The refresh that follows is of the newest n tokens, or of all where it cannot be in part.
    void begin_newest(uint32_t n);
    // Takes it back, done or not, where no token was chosen since: who goes on with the answer may not want it.
    void take_back_newest();
    // Of a token among many that the prefill model reads; 0: not known.
    double prompt_token_ms() const;
    // The logits of the next token, from the prefill model right after a switch or a refresh, else from the writer
    // after it has read what it has not yet: the last token, or more after a refresh that was cut short and where
    // another wrote before. Null if the step was aborted. Valid until the pair's next step. `n_steps`: tokens that the
    // writer read. Throws what check_logits throws. `given`: the logits, where next_row() was read.
    const float * next_logits(uint32_t & n_steps, const float * given = nullptr);
    // The one token that the writer has to read before next_logits, if it is one.
    std::optional<batch_row> next_row();
    void append(llama_token token);

    // verified decoding (session_verify.cpp), in which the writer drafts
    // Whether the prefill model has read the whole text, but for its last token at most: the rest is for that. If not,
    // refresh_some comes first.
    bool is_verified() const { return n_clean() + 1 >= tokens_.size(); }
    // Whether the prefill model's logits of the next token are kept.
    bool has_kept_logits() const {
        return tokens_.size() == n_before_answer_ || (n_before_refreshed_ > 0 && tokens_.size() == n_before_refreshed_);
    }
    // These logits, or null. Throws what check_logits throws.
    const float * kept_logits() const;
    // What a check reads, once it has begun: the text's last token and the draft, if there is one. And the last of
    // n_drafted + 1 tokens as a row of the writer's: null for the text's own.
    std::optional<batch_row> next_check(const std::vector<llama_token> & tokens);
    std::optional<batch_row> next_draft_row(size_t n_drafted, const llama_token * last);
    // Whether a draft can begin with its first row.
    bool drafts_at_once() const { return pair_.shares(writer_) && pair_.can_cut(); }
    // Lets the writer go on from what the prefill model has read. Throws what hand_over throws.
    void begin_draft();
    // The writer reads a token behind the draft so far; the logits, or null if it was aborted.
    const float * read_draft(llama_token token);
    // Throws what check_logits throws.
    void check_draft_logits(const float * logits);
    // Takes the draft's cells back, for the prefill model to read the text's last token and the draft in their place.
    void begin_check();
    // It does. False: it was aborted.
    bool verify(const std::vector<llama_token> & tokens);
    // By llama.cpp's number. Valid until the pair's next step. Throws what check_logits throws.
    const float * verified_logits(int32_t i);
    // What was read behind the text, or behind its last token but one, is given up.
    void give_up_behind_text() { forget_from((uint32_t) tokens_.size()); }
    void end_verify() { forget_from((uint32_t) tokens_.size() - 1); }
    // `unfinished_text` are the bytes of a character that the answer was cut in; the next decode begins with them.
    void end_decode(const decode_result & result, size_t n_tokens_dropped, std::string unfinished_text);
    const std::string & unfinished_text() const { return unfinished_text_; }
    // Takes the last n tokens of the answer back: a reader who stopped early has not seen them. The answer can go on
    // from there. Throws ERR_STAGE_ORDER unless a decode came last, ERR_INVALID_ARGUMENT if it wrote fewer tokens.
    void retract(uint32_t n);
    // Keeps the first n tokens of the text. An answer whose beginning stays can go on, or be begun again; where less
    // stays, a prefill has to follow. Throws ERR_INVALID_ARGUMENT if there are fewer.
    void truncate(uint32_t n);
    bool context_full() const { return tokens_.size() >= pair_.info().context_size; }
    // Reads a micro-batch of what the caches owe after they had to go back further than was asked for; see
    // cached_sequence. False: it was aborted. Before anything else is read, nothing may be owed.
    bool catch_up();
    bool owes() const { return cache_.n_owed() > 0; }
    const std::vector<llama_token> & tokens() const { return tokens_; }
    uint32_t n_before_answer() const { return n_before_answer_; }
    answer_trace & trace() { return trace_; }

    // Those that it reads into.
    std::vector<cached_sequence *> caches();

    void clear();

    // Becomes what the other, whose stage is over, is now. The totals are its own, from here on.
    void fork_from(const session & other);

    // What it consists of now, its stage being over; see session_image.h, and cached_sequence::take_image. Throws what
    // pair::save throws.
    session_image take_image(bool gradual) const;
    // Of one of its caches, the values that are not in it.
    void give_values(const session_image & image, size_t cache, size_t at, uint8_t * to, size_t n);
    // Becomes that, with its caches put aside. It is empty now, and the image is sound. The totals begin at 0.
    void adopt(session_image image);

  private:
    friend class prefill_run;

    // The cache that a model reads into.
    cached_sequence & cache_of(pair_side by) { return pair_.shares(by) ? cache_ : own_caches_[decode_index(by)]; }
    const cached_sequence & writers_cache() const {
        return pair_.shares(writer_) ? cache_ : own_caches_[decode_index(writer_)];
    }
    uint32_t piece_of(pair_side side) const { return deterministic_ ? pair_.batch_size(side) : pair_.piece_of(side); }
    uint32_t n_clean() const { return cache_.ledger().n_clean(); }
    // The tokens at the beginning of the prefill model's cache that a model can go on from.
    uint32_t n_usable(pair_side by) const;
    void set_stage(session_stage stage);
    // Takes what stands behind the first n tokens from all caches.
    void forget_from(uint32_t n);
    // Takes what stands behind the first n tokens from the text as well; a prefill has to follow.
    void cut(uint32_t n);
    handover_report switch_caches(pair_side to);
    // What was moved to the writer's cache, and how long that took.
    struct handed {
        uint64_t n_bytes = 0;
        double milliseconds = 0;
    };
    // Moves what the prefill model has read, where there is enough of it; see pair::handed_ahead. Throws what
    // pair::hand_over throws.
    handed hand_ahead();
    // Where the answer began, was refreshed last, or up to where it was checked.
    uint32_t refreshed_at() const {
        return std::max(refreshes_.empty() ? n_before_answer_ : refreshes_.back(), n_checked_);
    }
    // Forgets the refreshes that no token of the first n came of, but for those that were there before the last decode;
    // whether there were any. The cells are the caller's.
    bool drop_refreshes(uint32_t n);
    void remember_logits(std::vector<float> & logits);
    void distrust_caches();
    pair & pair_;
    llama_seq_id sequence_;
    std::vector<llama_token> tokens_;
    pair_side own_writer_;  // who writes where nobody is named
    pair_side writer_;      // who writes, or wrote last
    cached_sequence cache_;
    std::vector<cached_sequence> own_caches_;  // by decode model; of those that share, unused
    handed ahead_;                             // since the last switch, by prefills
    std::vector<float> first_logits_;          // [n_vocab], of the token after the last one read by the prefill model
    uint32_t n_before_answer_ = 0;             // the tokens that first_logits_ follow
    std::vector<uint32_t> refreshes_;          // tokens there were at each refresh of this answer
    bool refresh_begun_ = false;               // one that is not done has read something
    bool reads_newest_ = false;                // it is of the newest tokens only
    uint32_t n_checked_ = 0;                   // tokens up to the last that a check of a draft has read
    std::vector<float> refreshed_logits_;      // of the token after the last refresh
    uint32_t n_before_refreshed_ = 0;          // the tokens that they follow; 0: none
    std::string unfinished_text_;
    std::string unfinished_text_before_;  // as it was when the last decode began, at n_before_decode_ tokens
    size_t n_before_decode_ = 0, n_refreshes_before_decode_ = 0;
    bool deterministic_ = false;
    std::string scope_;
    answer_trace trace_;

    // While it holds something that others may share; see pair::sharers.
    std::shared_ptr<session *> shares_;

    mutable std::mutex stats_mutex_;  // stats_ is read by other threads
    session_stats stats_;
};

// The prefill of one prompt, with the refresh that may come before it.
class session::prefill_run {
  public:
    // Checks; changes nothing yet. Throws ERR_INVALID_ARGUMENT for an empty prompt or a token outside the
    // vocabulary, ERR_CONTEXT_OVERFLOW if it does not fit.
    prefill_run(session & target, std::vector<llama_token> prompt, const prefill_options & options);

    uint32_t n_total() const { return (uint32_t) todo_.size(); }
    uint32_t n_done() const { return n_done_; }
    bool done() const { return n_done_ == todo_.size(); }
    // What comes next has not come yet: somebody else reads.
    bool waits() const { return waits_; }

    // Reads one micro-batch. False: it was aborted, and the session is rolled back.
    bool step();

    // As if it had never begun; where the refresh had already replaced something, or tokens had to go, the next prefill
    // goes on from there.
    void roll_back();

    prefill_result result() const { return result_; }

  private:
    void start();
    void finish();
    void end_turn(double milliseconds, bool last);
    // Takes what somebody else has read, if it is there. Throws ERR_REMOTE_ANSWER_INVALID for what cannot be it.
    void take_given();
    // Between two pieces: gives the writer what was read. Whether there was enough of it.
    bool hand_ahead();
    // Where in the text the next token is.
    uint32_t position() const { return (uint32_t) text_.size() - n_total() + n_done_; }
    // The prefix cache, if what comes next may be found there; null otherwise.
    prefix_cache * usable_prefixes() const;
    // Takes over what was read before; the number of tokens.
    uint32_t take_over();
    // The same of what is owed.
    bool take_over_owed();
    // Takes over some of what others may have left on disk, where the memory can be cut; the number of tokens.
    uint32_t take_stored();
    // Brings some of it into the prefix cache where it cannot be cut; false: nothing.
    bool load_stored();
    // How far: up to a state.
    uint32_t find_stored();
    // Of the text's full block that begins at `begin`.
    const prefix_place & place_of(uint32_t begin);
    // Where the next piece ends that is taken over.
    uint32_t end_of_turn() const;
    // Those up to `end` that another session of the pool holds, whose cells are then shared.
    uint32_t share(uint32_t end);
    // Where the memory's state is to be kept: at the end of a piece, if it reaches so far.
    uint32_t next_checkpoint() const;
    // Keeps what was read.
    void give();
    // On disk, what lies behind `from` and does not fit into memory.
    void give_files(uint32_t from);

    session & session_;
    std::vector<llama_token> prompt_;
    std::vector<llama_token> text_;       // all that the session will hold
    std::vector<llama_token> todo_;       // its end, which has to be read
    std::vector<prefix_place> places_;    // of its first blocks
    std::optional<uint32_t> stored_end_;  // see find_stored, once that was asked
    uint32_t n_loaded_ = 0;               // tokens of it that came from the disk
    bool nothing_stored_ = false;         // of what comes next
    uint32_t n_given_ = 0;                // see give_files
    bool refresh_, deterministic_;
    std::shared_ptr<cell_source> elsewhere_;
    bool waits_ = false;
    uint32_t n_kept_;   // of the session's tokens
    bool cut_ = false;  // there were more
    bool started_ = false;
    uint32_t n_done_ = 0;
    session_stage stage_before_;
    uint32_t n_cached_before_ = 0;
    handed ahead_before_;
    bool hands_ahead_ = true;
    std::optional<uint32_t> n_before_hand_back_;  // of the prefill model's cache; none: nothing was handed back
    prefill_result result_;
};

}  // namespace overfill
