#include "session.h"

#include "clock.h"
#include "failure.h"
#include "logits.h"
#include "text.h"
#include "token_pieces.h"
#include "xxh3.h"

#include <algorithm>
#include <utility>

namespace overfill {

static failure wrong_stage(const std::string & what, session_stage stage) {
    return failure(error_code::stage_order, what, { { "stage", session_stage_name(stage) } });
}

session::session(pair & models, llama_seq_id sequence, pair_side writer)
    : pair_(models), sequence_(sequence), own_writer_(writer), writer_(writer),
      cache_(models, pair_side::prefill, sequence) {
    for (size_t i = 0; i < models.n_writers(); i++) own_caches_.emplace_back(models, decode_side(i), sequence);
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

std::vector<cached_sequence *> session::caches() {
    std::vector<cached_sequence *> out = { &cache_ };
    for (size_t i = 0; i < own_caches_.size(); i++)
        if (!pair_.shares(decode_side(i))) out.push_back(&own_caches_[i]);
    return out;
}

void session::clear() {
    shares_.reset();
    forget_from(0);
    tokens_.clear();
    ahead_ = {};
    n_before_answer_ = n_before_refreshed_ = 0;
    refreshes_.clear();
    refresh_begun_ = false;
    n_checked_ = 0;
    unfinished_text_.clear();
    set_stage(session_stage::empty);
}

void session::fork_from(const session & other) {
    clear();
    cache_.copy(other.cache_);
    for (size_t i = 0; i < own_caches_.size(); i++)
        if (other.own_caches_[i].size() > 0) own_caches_[i].copy(other.own_caches_[i]);
    own_writer_ = other.own_writer_;
    writer_ = other.writer_;
    tokens_ = other.tokens_;
    ahead_ = other.ahead_;
    first_logits_ = other.first_logits_;
    n_before_answer_ = other.n_before_answer_;
    refreshes_ = other.refreshes_;
    refresh_begun_ = other.refresh_begun_;
    n_checked_ = other.n_checked_;
    refreshed_logits_ = other.refreshed_logits_;
    n_before_refreshed_ = other.n_before_refreshed_;
    unfinished_text_ = other.unfinished_text_;
    unfinished_text_before_ = other.unfinished_text_before_;
    n_before_decode_ = other.n_before_decode_;
    n_refreshes_before_decode_ = other.n_refreshes_before_decode_;
    scope_ = other.scope_;
    trace_ = other.trace_;
    trace_.part_ways();
    set_stage(other.stats().stage);
}

void session::forget_from(uint32_t n) {
    cache_.cut(n);
    for (size_t i = 0; i < own_caches_.size(); i++)
        if (!pair_.shares(decode_side(i))) own_caches_[i].cut(n);
}

bool session::catch_up() {
    const stopwatch watch;
    const std::optional<uint32_t> n = cache_.catch_up(tokens_.data(), piece_of(pair_side::prefill));
    const std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.n_restored_tokens += n.value_or(0);
    stats_.restore_ms += watch.milliseconds();
    return n.has_value();
}

void session::cut(uint32_t n) {
    tokens_.resize(n);
    forget_from(n);
    n_before_answer_ = std::min(n_before_answer_, n);
    n_before_refreshed_ = 0;
    refreshes_.clear();
    refresh_begun_ = false;
    n_checked_ = 0;
    unfinished_text_.clear();
    set_stage(session_stage::interrupted);
}

void session::remember_logits(std::vector<float> & logits) {
    const float * last = llama_get_logits_ith(pair_.prefill_context(), -1);
    if (!last) throw failure(error_code::internal, "the prefill gave no logits");
    const int32_t n = llama_vocab_n_tokens(pair_.vocab());
    logits.assign(last, last + n);
    // Whoever wants a token of them will be told; the cells are a matter of others, too.
    if (!are_logits(last, n)) distrust_caches();
}

void session::distrust_caches() {
    for (cached_sequence * cache : caches()) cache->distrust();
}

// --- switch ---

handover_report session::hand_over(std::optional<pair_side> writer) {
    const session_stage stage = stats().stage;
    if (stage != session_stage::prefilled)
        throw wrong_stage(stage == session_stage::switched ? "the session has switched already; decode comes next"
                                                           : "switch comes right after prefill",
                          stage);
    const handover_report report = switch_caches(writer.value_or(own_writer_));
    cache_.mark();
    set_stage(session_stage::switched);
    return report;
}

given_cells session::give_cells(uint32_t from, uint32_t n, bool with_logits) {
    const session_stage stage = stats().stage;
    if (stage != session_stage::switched) throw wrong_stage("cells are given right after a switch", stage);
    if (n == 0 || from > tokens_.size() || n > tokens_.size() - from)
        throw failure(error_code::invalid_argument, "the session has no such tokens", { { "parameter", "from" } });
    given_cells out;
    out.n_tokens = n;
    out.rows = shared_bytes(n * pair_.bytes_per_token(writer_));
    pair_.give_rows(sequence_, (llama_pos) from, n, out.rows.data(), writer_);
    out.hash = xxh3::of(out.rows.data(), out.rows.size());
    if (with_logits) out.logits = first_logits_;
    return out;
}

uint32_t session::n_usable(pair_side by) const {
    uint32_t n = 0;
    for (const cache_ledger::run & run : cache_.ledger().runs()) {
        if (!pair_.serves(run.by, by)) break;
        n = run.end;
    }
    return n;
}

handover_report session::switch_caches(pair_side to) {
    cache_.cut(n_usable(to));
    cached_sequence & cache = cache_of(to);
    // What the writer has of what the prefill model's cache holds. Where that is all, it keeps what it has beyond.
    const uint32_t n_kept = cache_.ledger().n_alike(cache.ledger());
    const bool hands = n_kept < cache_.size();
    if (hands) cache.cut(n_kept);  // where a failure leaves it
    handover_report report = pair_.hand_over(sequence_, cache_.size(), n_kept, to);
    if (hands) cache.adopt(cache_.ledger());
    const handed ahead = std::exchange(ahead_, {});
    report.n_bytes += ahead.n_bytes;
    report.milliseconds_ahead = ahead.milliseconds;
    writer_ = to;
    const std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.switch_ms += report.milliseconds;
    return report;
}

session::handed session::hand_ahead() {
    const uint32_t n_least = pair_.handed_ahead(own_writer_);
    if (n_least == 0) return {};
    cached_sequence & cache = cache_of(own_writer_);
    const uint32_t n_kept = cache_.ledger().n_alike(cache.ledger());
    if (cache_.size() - n_kept < n_least) return {};
    cache.cut(n_kept);  // where a failure leaves it
    const handover_report report = pair_.hand_over(sequence_, cache_.size(), n_kept, own_writer_);
    cache.adopt(cache_.ledger());
    ahead_ = { ahead_.n_bytes + report.n_bytes, ahead_.milliseconds + report.milliseconds };
    return { report.n_bytes, report.milliseconds };
}

// --- decode ---

void session::begin_decode(std::optional<pair_side> writer) {
    switch (stats().stage) {
    case session_stage::switched:
    case session_stage::paused:
        // After an answer that was checked, the writer has not been handed all that the prefill model has read.
        if ((writer && *writer != writer_) || cache_.ledger().n_alike(writers_cache().ledger()) < cache_.size())
            switch_caches(writer.value_or(writer_));
        // Truncated in what was read, the text has no logits of its end.
        if (writers_cache().size() == tokens_.size() && !has_kept_logits())
            cache_of(writer_).cut((uint32_t) tokens_.size() - 1);
        n_before_decode_ = tokens_.size();
        n_refreshes_before_decode_ = refreshes_.size();
        unfinished_text_before_ = unfinished_text_;
        return;
    case session_stage::prefilled: throw wrong_stage("decode comes after switch", session_stage::prefilled);
    case session_stage::ended:
        throw wrong_stage("the answer has ended; prefill the next turn first", session_stage::ended);
    case session_stage::interrupted:
        throw wrong_stage("the last prefill was aborted, or the session truncated; prefill first",
                          session_stage::interrupted);
    case session_stage::empty: throw wrong_stage("decode comes after prefill and switch", session_stage::empty);
    }
}

const float * session::next_logits(uint32_t & n_steps, const float * given) {
    const stopwatch watch;
    n_steps = 0;
    cached_sequence & cache = cache_of(writer_);
    while (cache.size() < tokens_.size()) {
        const uint32_t from = cache.size(), n_left = (uint32_t) tokens_.size() - from;
        const uint32_t n = std::min(n_left, pair_.batch_size(writer_));
        if (!cache.read(writer_, &tokens_[from], n, n == n_left ? 1 : 0)) return nullptr;
        n_steps += n;
    }
    if (!given && n_steps == 0 && !has_kept_logits())
        throw failure(error_code::internal, "no logits for the next token");
    const std::vector<float> & prefilled = tokens_.size() == n_before_answer_ ? first_logits_ : refreshed_logits_;
    const bool read = given || n_steps > 0;
    const float * logits = given ? given : read ? llama_get_logits_ith(pair_.context(writer_), -1) : prefilled.data();
    if (!logits) throw failure(error_code::inference_failed, "the decode step gave no logits");
    if (n_steps == 1) pair_.costs(writer_).saw(1, watch.milliseconds());
    const bool by_prefill = !read || writer_ == pair_side::prefill;
    try {
        check_logits(logits, llama_vocab_n_tokens(pair_.vocab()), by_prefill ? "prefill" : "decode", tokens_.size());
    } catch (...) {
        distrust_caches();
        throw;
    }
    return logits;
}

std::optional<batch_row> session::next_row() {
    cached_sequence & cache = cache_of(writer_);
    if (cache.n_owed() > 0 || cache.size() + 1 != tokens_.size()) return std::nullopt;
    return batch_row{ &cache, &tokens_.back(), 1, writer_ };
}

void session::append(llama_token token) { tokens_.push_back(token); }

void session::end_decode(const decode_result & result, size_t n_tokens_dropped, std::string unfinished_text) {
    unfinished_text_ = std::move(unfinished_text);
    tokens_.resize(tokens_.size() - n_tokens_dropped);
    const bool goes_on = result.reason != finish_reason::eos && result.reason != finish_reason::stop;
    // An abort or a failure may have come between the reading of the last token and the choice of the next, and a draft
    // is read before it is known how much of it is wanted. The token counts as not read, as after every other end, and
    // who goes on reads it.
    forget_from((uint32_t) tokens_.size() - (goes_on && !has_kept_logits() ? 1 : 0));
    if (result.verification) n_checked_ = std::min(n_clean(), (uint32_t) tokens_.size());
    // Before its first token an answer can still be begun again; after it, it goes on from the token not read yet.
    const bool nothing_written = result.n_tokens == 0 && stats().stage == session_stage::switched;
    set_stage(!goes_on ? session_stage::ended : nothing_written ? session_stage::switched : session_stage::paused);
    const std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.n_decode_tokens += result.n_tokens;
    stats_.n_decode_steps += result.n_decode_steps;
    stats_.decode_ms += result.milliseconds - result.refresh_ms;
}

void session::retract(uint32_t n) {
    const session_stage stage = stats().stage;
    if (stage != session_stage::paused && stage != session_stage::ended)
        throw wrong_stage("there is no answer to take back", stage);
    if (n > tokens_.size() - n_before_answer_)
        throw failure(error_code::invalid_argument, "the answer has fewer than " + std::to_string(n) + " tokens",
                      { { "parameter", "tokens" } });
    // An answer that ended before its first token is taken back as well: it can be begun again.
    if (n == 0 && (stage != session_stage::ended || tokens_.size() > n_before_answer_)) return;
    tokens_.resize(tokens_.size() - n);
    // Where the last decode began, the answer may have been cut inside a character.
    unfinished_text_ = tokens_.size() == n_before_decode_ ? unfinished_text_before_ : "";
    const uint32_t n_left = (uint32_t) tokens_.size();
    const bool all_gone = n_left == n_before_answer_, undo_refresh = drop_refreshes(n_left);
    const bool has_logits = has_kept_logits();
    n_checked_ = std::min(n_checked_, has_logits ? n_left : n_left - 1);
    // The answer begins again from the prefill's logits, or goes on from those of the last refresh, or when the decode
    // model has read its last token anew.
    forget_from(undo_refresh ? refreshed_at() : has_logits ? n_left : n_left - 1);
    set_stage(all_gone ? session_stage::switched : session_stage::paused);
    const std::lock_guard<std::mutex> lock(stats_mutex_);
    stats_.n_decode_tokens -= n;
}

// The first bytes of a character that a text of tokens ends inside of.
static std::string begun_character(const llama_vocab * vocab, const std::vector<llama_token> & tokens, size_t from) {
    std::string end;
    for (size_t i = tokens.size(); i > from && end.size() < 4; i--) end.insert(0, piece_of(vocab, tokens[i - 1]));
    return end.substr(whole_utf8_prefix(end));
}

void session::truncate(uint32_t n) {
    if (n > tokens_.size())
        throw failure(error_code::invalid_argument,
                      "nTokens: expected at most the session's " + std::to_string(tokens_.size()) + " tokens; got " +
                          std::to_string(n),
                      { { "parameter", "nTokens" },
                        { "expected", "expected at most the session's " + std::to_string(tokens_.size()) + " tokens" },
                        { "actual", std::to_string(n) } });
    if (n == tokens_.size()) return;
    if (n == 0) return clear();
    const session_stage stage = stats().stage;
    const bool is_answer = stage == session_stage::paused || stage == session_stage::ended;
    if (!is_answer || n < n_before_answer_) return cut(n);
    tokens_.resize(n);
    forget_from(n);
    unfinished_text_ = begun_character(pair_.vocab(), tokens_, n_before_answer_);
    // What the prefill model has read again stays so. A reader who leaves early must not take that back, so it counts
    // as a refresh; the last token is read anew by the writer.
    while (!refreshes_.empty() && refreshes_.back() > n) refreshes_.pop_back();
    if (n_before_refreshed_ > n) n_before_refreshed_ = 0;
    n_checked_ = std::min(n_checked_, n - 1);
    refresh_begun_ = false;
    const uint32_t n_read = std::min(n_clean(), n - 1);
    if (n_read > refreshed_at()) {
        refreshes_.push_back(n_read);
        n_before_refreshed_ = 0;  // of this one there are no logits
    }
    set_stage(n == n_before_answer_ ? session_stage::switched : session_stage::paused);
}

}  // namespace overfill
