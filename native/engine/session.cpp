#include "session.h"

#include "clock.h"
#include "failure.h"

#include <algorithm>

namespace overfill {

static failure wrong_stage(const std::string & what, session_stage stage) {
    return failure(error_code::stage_order, what, { { "stage", session_stage_name(stage) } });
}

session::session(pair & models, llama_seq_id sequence) : pair_(models), sequence_(sequence) {
    set_stage(session_stage::empty);
}

session_stats session::stats() const {
    const std::lock_guard<std::mutex> lock(stats_mutex_);
    return stats_;
}

void session::set_stage(session_stage stage) {
    const std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.stage = stage;
    stats_.n_context_tokens = (uint32_t) tokens_.size();
    stats_.context_size = pair_.info().context_size;
}

void session::clear() {
    pair::forget(pair_.prefill_context(), sequence_, 0);
    if (!pair_.one_cache()) pair::forget(pair_.decode_context(), sequence_, 0);
    tokens_.clear();
    n_cached_ = n_clean_ = n_decode_cached_ = n_handed_ = n_before_answer_ = 0;
    unfinished_text_.clear();
    set_stage(session_stage::empty);
}

// --- prefill ---

session::prefill_run::prefill_run(session & target, std::vector<llama_token> prompt, const prefill_options & options)
    : session_(target), prompt_(std::move(prompt)), refresh_(options.refresh), stage_before_(target.stats().stage) {
    const int32_t n_vocab = llama_vocab_n_tokens(target.pair_.vocab());
    if (prompt_.empty())
        throw failure(error_code::invalid_argument, "the prompt is empty", { { "parameter", "prompt" } });
    for (const llama_token token : prompt_)
        if (token < 0 || token >= n_vocab)
            throw failure(error_code::invalid_argument,
                          "the prompt holds token " + std::to_string(token) + ", but the vocabulary has " +
                              std::to_string(n_vocab) + " tokens",
                          { { "parameter", "prompt" }, { "actual", std::to_string(token) } });

    const size_t n_needed = target.tokens_.size() + prompt_.size(), n_context = target.pair_.info().context_size;
    if (n_needed > n_context)
        throw failure(error_code::context_overflow,
                      "the prompt's " + std::to_string(prompt_.size()) +
                          " tokens do not fit: " + std::to_string(target.tokens_.size()) + " of the context's " +
                          std::to_string(n_context) + " tokens are taken",
                      { { "promptTokens", std::to_string(prompt_.size()) },
                        { "contextTokens", std::to_string(target.tokens_.size()) },
                        { "contextSize", std::to_string(n_context) } });

    // What is left to read of the text so far: what the decode model wrote, or only its last token.
    const uint32_t from = refresh_ ? target.n_clean_ : std::max(target.n_cached_, target.n_decode_side());
    todo_.assign(target.tokens_.begin() + from, target.tokens_.end());
    result_.n_refreshed_tokens = refresh_ ? (uint32_t) todo_.size() : 0;
    result_.n_prompt_tokens = (uint32_t) prompt_.size();
    todo_.insert(todo_.end(), prompt_.begin(), prompt_.end());
}

void session::prefill_run::start() {
    started_ = true;
    session & s = session_;
    n_cached_before_ = s.n_cached_;
    if (refresh_) {
        if (s.n_cached_ > s.n_clean_) pair::forget(s.pair_.prefill_context(), s.sequence_, (llama_pos) s.n_clean_);
        s.n_cached_ = s.n_clean_;
        s.n_handed_ = std::min(s.n_handed_, s.n_clean_);
    } else if (!s.pair_.one_cache() && s.n_decode_cached_ > s.n_cached_) {
        s.pair_.hand_back(s.sequence_, (llama_pos) s.n_cached_);
        s.n_cached_ = s.n_handed_ = s.n_decode_cached_;
    }
    n_cached_before_ = s.n_cached_;
}

bool session::prefill_run::step() {
    const stopwatch watch;
    session & s = session_;
    if (!started_) start();

    const uint32_t n = std::min((uint32_t) todo_.size() - n_done_, s.pair_.info().batch_size);
    const bool last = n_done_ + n == todo_.size();
    if (!s.pair_.read(s.pair_.prefill_context(), todo_.data() + n_done_, n, (llama_pos) s.n_cached_, s.sequence_,
                      last)) {
        roll_back();
        return false;
    }
    s.n_cached_ += n;
    n_done_ += n;
    if (last) finish();
    result_.milliseconds += watch.milliseconds();
    if (last) {
        const std::lock_guard<std::mutex> lock(s.stats_mutex_);
        s.stats_.n_prefill_tokens += (uint32_t) todo_.size();
        s.stats_.n_refreshed_tokens += result_.n_refreshed_tokens;
        s.stats_.prefill_ms += result_.milliseconds;
    }
    return true;
}

void session::prefill_run::finish() {
    session & s = session_;
    const float * logits = llama_get_logits_ith(s.pair_.prefill_context(), -1);
    if (!logits) throw failure(error_code::internal, "the prefill gave no logits");
    s.first_logits_.assign(logits, logits + llama_vocab_n_tokens(s.pair_.vocab()));
    s.tokens_.insert(s.tokens_.end(), prompt_.begin(), prompt_.end());
    s.n_before_answer_ = (uint32_t) s.tokens_.size();
    s.unfinished_text_.clear();
    // Without a refresh the cells that the decode model wrote stay, and a later refresh must begin before them.
    if (refresh_ || n_cached_before_ == s.n_clean_) s.n_clean_ = s.n_cached_;
    result_.n_context_tokens = (uint32_t) s.tokens_.size();
    s.set_stage(session_stage::prefilled);
}

void session::prefill_run::roll_back() {
    if (!started_) return;
    session & s = session_;
    const uint32_t keep = std::min(s.n_cached_, (uint32_t) s.tokens_.size());
    // After a refresh the re-read part is the prefill model's and may stay; otherwise everything new goes.
    s.n_cached_ = refresh_ ? keep : n_cached_before_;
    pair::forget(s.pair_.prefill_context(), s.sequence_, (llama_pos) s.n_cached_);
    s.n_clean_ = std::min(s.n_clean_, s.n_cached_);
    if (refresh_) s.n_clean_ = s.n_cached_;
    s.n_decode_cached_ = std::min(s.n_decode_cached_, s.n_cached_);
    s.n_handed_ = std::min(s.n_handed_, s.n_decode_cached_);

    const bool untouched = result_.n_refreshed_tokens == 0;
    s.set_stage(untouched ? stage_before_ : session_stage::interrupted);
}

// --- switch ---

handover_report session::hand_over() {
    const session_stage stage = stats().stage;
    if (stage != session_stage::prefilled)
        throw wrong_stage(stage == session_stage::switched ? "the session has switched already; decode comes next"
                                                           : "switch comes right after prefill",
                          stage);
    n_decode_cached_ = n_handed_;  // where a failure leaves it
    const handover_report report = pair_.hand_over(sequence_, n_cached_, n_handed_);
    n_decode_cached_ = n_handed_ = n_cached_;
    set_stage(session_stage::switched);
    const std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.switch_ms += report.milliseconds;
    return report;
}

// --- decode ---

void session::begin_decode() {
    switch (stats().stage) {
    case session_stage::switched:
    case session_stage::paused:
        n_before_decode_ = tokens_.size();
        unfinished_text_before_ = unfinished_text_;
        return;
    case session_stage::prefilled: throw wrong_stage("decode comes after switch", session_stage::prefilled);
    case session_stage::ended:
        throw wrong_stage("the answer has ended; prefill the next turn first", session_stage::ended);
    case session_stage::interrupted:
        throw wrong_stage("the last prefill was aborted; prefill again first", session_stage::interrupted);
    case session_stage::empty: throw wrong_stage("decode comes after prefill and switch", session_stage::empty);
    }
}

const float * session::next_logits(bool & stepped) {
    const uint32_t n_read = n_decode_side();
    stepped = n_read < tokens_.size();
    if (!stepped) return first_logits_.data();
    llama_context * ctx = pair_.decode_context();
    if (!pair_.read(ctx, &tokens_[n_read], 1, (llama_pos) n_read, sequence_, true)) return nullptr;
    set_decode_side(n_read + 1);
    return llama_get_logits_ith(ctx, -1);
}

void session::append(llama_token token) { tokens_.push_back(token); }

void session::end_decode(const decode_result & result, size_t n_tokens_dropped, const std::string & unfinished_text) {
    unfinished_text_ = unfinished_text;
    tokens_.resize(tokens_.size() - n_tokens_dropped);
    if (n_decode_side() > tokens_.size()) {
        set_decode_side((uint32_t) tokens_.size());
        pair::forget(pair_.decode_context(), sequence_, (llama_pos) tokens_.size());
    }
    // Before its first token an answer can still be begun again; after it, it goes on from the token not read yet.
    const bool nothing_written = result.n_tokens == 0 && stats().stage == session_stage::switched;
    const bool goes_on = result.reason != finish_reason::eos && result.reason != finish_reason::stop;
    set_stage(!goes_on ? session_stage::ended : nothing_written ? session_stage::switched : session_stage::paused);
    const std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.n_decode_tokens += result.n_tokens;
    stats_.n_decode_steps += result.n_decode_steps;
    stats_.decode_ms += result.milliseconds;
}

void session::retract(uint32_t n) {
    const session_stage stage = stats().stage;
    if (stage != session_stage::paused && stage != session_stage::ended)
        throw wrong_stage("there is no answer to take back", stage);
    if (n > tokens_.size() - n_before_answer_)
        throw failure(error_code::invalid_argument, "the answer has fewer than " + std::to_string(n) + " tokens",
                      { { "parameter", "tokens" } });
    if (n == 0) return;
    tokens_.resize(tokens_.size() - n);
    // Where the last decode began, the answer may have been cut inside a character.
    unfinished_text_ = tokens_.size() == n_before_decode_ ? unfinished_text_before_ : "";
    // The answer begins again from the prefill's logits, or goes on when the decode model has read its last token anew.
    const bool all_gone = tokens_.size() == n_before_answer_;
    const uint32_t keep = std::min(n_decode_side(), (uint32_t) tokens_.size() - (all_gone ? 0 : 1));
    set_decode_side(keep);
    pair::forget(pair_.decode_context(), sequence_, (llama_pos) keep);
    set_stage(all_gone ? session_stage::switched : session_stage::paused);
    const std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.n_decode_tokens -= n;
}

// --- text ---

}  // namespace overfill
