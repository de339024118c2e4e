// The prefill of one prompt: session::prefill_run.
#include "clock.h"
#include "failure.h"
#include "logits.h"
#include "no_room.h"
#include "prompt.h"
#include "session.h"
#include "xxh3.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace overfill {

session::prefill_run::prefill_run(session & target, std::vector<llama_token> prompt, const prefill_options & options)
    : session_(target), prompt_(std::move(prompt)), refresh_(options.refresh), deterministic_(options.deterministic),
      elsewhere_(options.elsewhere), stage_before_(target.stats().stage) {
    check_tokens(prompt_, target.pair_.vocab(), "the prompt", "prompt");
    const std::vector<llama_token> & held = target.tokens_;
    n_kept_ = (uint32_t) held.size();
    if (options.replace) {
        const size_t n = std::min(held.size(), prompt_.size());
        // The last token is read in any case: its logits are wanted.
        n_kept_ = (uint32_t) std::min<std::ptrdiff_t>(
            std::mismatch(held.begin(), held.begin() + (std::ptrdiff_t) n, prompt_.begin()).first - held.begin(),
            (std::ptrdiff_t) prompt_.size() - 1);
        prompt_.erase(prompt_.begin(), prompt_.begin() + n_kept_);
        result_.n_kept_tokens = n_kept_;
    }
    const size_t n_needed = n_kept_ + prompt_.size(), n_context = target.pair_.info().context_size;
    if (n_needed > n_context)
        throw failure(
            error_code::context_overflow,
            "the prompt's " + std::to_string(prompt_.size()) + " tokens do not fit: " + std::to_string(n_kept_) +
                " of the context's " + std::to_string(n_context) + " tokens are taken",
            { { "promptTokens", prompt_.size() }, { "contextTokens", n_kept_ }, { "contextSize", n_context } });
    if (!refresh_ && target.n_usable(pair_side::prefill) < std::min(n_kept_, target.cache_.size()))
        throw failure(
            error_code::handover_unavailable,
            "what the decode model wrote is not in all layers of the prefill model's cache; have it read again "
            "(refresh: true)",
            { { "parameter", "refresh" } });

    // What is left to read of the text so far: what the decode model wrote, or only its last token.
    const uint32_t from =
        std::min(n_kept_, refresh_ ? target.n_clean() : std::max(target.cache_.size(), target.writers_cache().size()));
    todo_.assign(held.begin() + from, held.begin() + n_kept_);
    result_.n_refreshed_tokens = refresh_ ? (uint32_t) todo_.size() : 0;
    result_.n_prompt_tokens = (uint32_t) prompt_.size();
    todo_.insert(todo_.end(), prompt_.begin(), prompt_.end());
    text_.assign(held.begin(), held.begin() + n_kept_);
    text_.insert(text_.end(), prompt_.begin(), prompt_.end());
}

void session::prefill_run::start() {
    started_ = true;
    session & s = session_;
    ahead_before_ = s.ahead_;
    s.set_deterministic(deterministic_);
    if (n_kept_ < s.tokens_.size()) {
        s.cut(n_kept_);
        cut_ = true;
    }
    if (refresh_) {
        s.cache_.cut(s.n_clean());
    } else if (s.writers_cache().size() > s.cache_.size()) {
        n_before_hand_back_ = s.cache_.size();
        try {
            s.pair_.hand_back(s.sequence_, (llama_pos) s.cache_.size(), s.writer_);
        } catch (...) {
            started_ = false;  // nothing has changed; where there was no room, it begins again
            n_before_hand_back_.reset();
            throw;
        }
        s.cache_.adopt(s.writers_cache().ledger());
    }
    n_cached_before_ = s.cache_.size();
}

bool session::prefill_run::step() {
    const stopwatch watch;
    session & s = session_;
    if (!started_) start();

    if (s.owes() && take_over_owed()) return true;
    if (s.owes()) {
        const bool read = s.catch_up();
        if (!read) roll_back();
        result_.milliseconds += watch.milliseconds();
        return read;
    }

    uint32_t n_taken = take_over();
    if (n_taken == 0) n_taken = take_stored();
    if (n_taken > 0) {
        n_done_ += n_taken;
        result_.n_cached_tokens += n_taken;
        result_.milliseconds += watch.milliseconds();
        return true;
    }

    if (load_stored()) {
        result_.milliseconds += watch.milliseconds();
        return true;
    }

    if (elsewhere_) {
        take_given();
        end_turn(watch.milliseconds(), done());
        return true;
    }

    if (hand_ahead()) {
        result_.milliseconds += watch.milliseconds();
        return true;
    }

    const uint32_t n =
        std::min({ n_total() - n_done_, s.piece_of(pair_side::prefill), next_checkpoint() - position() });
    const bool last = n_done_ + n == todo_.size();
    if (!s.cache_.read(pair_side::prefill, todo_.data() + n_done_, n, last ? 1 : 0)) {
        roll_back();
        return false;
    }
    n_done_ += n;
    // The row is there in any case. Broken numbers are nobody else's to go on from.
    if (const float * logits = llama_get_logits_ith(s.pair_.prefill_context(), -1);
        logits && are_logits(logits, llama_vocab_n_tokens(s.pair_.vocab())))
        give();
    if (last) {
        s.remember_logits(s.first_logits_);
        finish();
    }
    end_turn(watch.milliseconds(), last);
    return true;
}

bool session::prefill_run::hand_ahead() {
    if (!hands_ahead_) return false;
    try {
        return session_.hand_ahead().n_bytes > 0;
    } catch (const failure & error) {
        if (error.code() != error_code::handover_unavailable) throw;
        hands_ahead_ = false;  // the switch tells it, if there is one
        return false;
    }
}

void session::prefill_run::end_turn(double milliseconds, bool last) {
    session & s = session_;
    result_.milliseconds += milliseconds;
    if (last) {
        const std::lock_guard<std::mutex> lock(s.stats_mutex_);
        s.stats_.n_prefill_tokens += n_total() - result_.n_cached_tokens;
        s.stats_.n_cached_tokens += result_.n_cached_tokens;
        s.stats_.n_refreshed_tokens += result_.n_refreshed_tokens;
        s.stats_.prefill_ms += result_.milliseconds;
    }
}

void session::prefill_run::take_given() {
    session & s = session_;
    const given_cells * given = elsewhere_->next(text_, position());
    waits_ = given == nullptr;
    if (waits_) return;
    const auto refuse = [](const std::string & reason) {
        throw failure(error_code::remote_answer_invalid, "what the prefill server sent cannot be used: " + reason,
                      { { "reason", reason } });
    };
    const uint32_t n = given->n_tokens, n_left = n_total() - n_done_;
    const size_t n_bytes = n * s.pair_.bytes_per_token(pair_side::prefill);
    if (n == 0 || n > n_left || given->rows.size() != n_bytes) refuse("cells of other tokens than were asked for");
    if (xxh3::of(given->rows.data(), n_bytes) != given->hash) refuse("cells that were damaged on the way");
    const bool last = n == n_left;
    const size_t n_vocab = (size_t) llama_vocab_n_tokens(s.pair_.vocab());
    if (given->logits.size() != (last ? n_vocab : 0)) refuse("other logits than were asked for");
    prefix_cache::match found;
    found.end = position() + n;
    found.pieces.push_back({ given->rows, n, 0, n });
    s.cache_.take_over(text_.data(), found);
    n_done_ += n;
    if (last) s.first_logits_ = given->logits;
    elsewhere_->drop();
    give();
    if (last) finish();
}

void session::prefill_run::finish() {
    session & s = session_;
    if (s.pair_.has_pool() && s.pair_.prefixes() && !s.shares_ && s.cache_.n_foreign() == 0) {
        auto & sharers = s.pair_.sharers();
        sharers.erase(std::remove_if(sharers.begin(), sharers.end(), [](const auto & one) { return one.expired(); }),
                      sharers.end());
        sharers.reserve(sharers.size() + 1);
        s.shares_ = std::make_shared<session *>(&s);
        sharers.push_back(s.shares_);
    }
    s.tokens_.insert(s.tokens_.end(), prompt_.begin(), prompt_.end());
    s.n_before_answer_ = (uint32_t) s.tokens_.size();
    s.n_before_refreshed_ = 0;
    s.refreshes_.clear();
    s.refresh_begun_ = false;
    s.n_checked_ = 0;
    s.unfinished_text_.clear();
    result_.n_context_tokens = (uint32_t) s.tokens_.size();
    s.set_stage(session_stage::prefilled);
}

void session::prefill_run::roll_back() {
    if (!started_) return;
    session & s = session_;
    // After a refresh the re-read part is the prefill model's and may stay; otherwise everything new goes.
    s.forget_from(refresh_ ? std::min(s.cache_.size(), (uint32_t) s.tokens_.size()) : n_cached_before_);
    // What was handed back would be gone on from by models that read it themselves otherwise.
    if (n_before_hand_back_) s.cache_.cut(*n_before_hand_back_);
    s.ahead_ = ahead_before_;

    const bool untouched = result_.n_refreshed_tokens == 0 && !cut_;
    s.set_stage(untouched ? stage_before_ : session_stage::interrupted);
}

}  // namespace overfill
