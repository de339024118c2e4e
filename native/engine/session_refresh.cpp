// A session's refreshes within an answer: the prefill model reads again what the writer wrote.
#include "clock.h"
#include "session.h"

#include <algorithm>
#include <utility>

namespace overfill {

bool session::refresh_is_due(uint32_t interval) const {
    // There is nothing that the prefill model has not read itself.
    if (writer_ == pair_side::prefill && n_clean() == cache_.size()) return false;
    return interval > 0 && tokens_.size() - refreshed_at() >= interval;
}

refresh_step session::refresh_some() {
    const stopwatch watch;
    if (!reads_newest_) cache_.cut(n_clean());
    refresh_step step;
    if (owes()) {
        step.aborted = !catch_up();
        step.milliseconds = watch.milliseconds();
        return step;
    }
    const uint32_t n_left = (uint32_t) tokens_.size() - cache_.size();
    const uint32_t n = std::min(n_left, piece_of(pair_side::prefill));
    const bool last = n == n_left;
    // Nothing is left where all was read, and then there was no room to hand it over.
    if (n_left == 0 || cache_.read(pair_side::prefill, &tokens_[cache_.size()], n, last ? 1 : 0)) {
        step.n_tokens = n;
        refresh_begun_ = true;
        // Where nothing is written yet, the prompt was read behind cells that are now the prefill model's.
        if (last && n_left > 0) remember_logits(tokens_.size() == n_before_answer_ ? first_logits_ : refreshed_logits_);
    } else {
        step.aborted = true;
    }
    {
        const std::lock_guard<std::mutex> lock(stats_mutex_);
        stats_.n_prefill_tokens += step.n_tokens;
        stats_.n_refreshed_tokens += step.n_tokens;
        stats_.prefill_ms += watch.milliseconds();
    }
    step.done = last && !step.aborted;
    if (step.done) {
        switch_caches(writer_);
        cache_.mark();
        refreshes_.push_back(cache_.size());
        refresh_begun_ = reads_newest_ = false;
        n_before_refreshed_ = cache_.size() == n_before_answer_ ? 0 : cache_.size();
    }
    step.milliseconds = watch.milliseconds();
    return step;
}

uint32_t session::n_unread() const {
    const auto & runs = cache_.ledger().runs();
    for (size_t i = runs.size(); i > 0; i--)
        if (runs[i - 1].by == pair_side::prefill) return (uint32_t) tokens_.size() - runs[i - 1].end;
    return (uint32_t) tokens_.size();
}

double session::prompt_token_ms() const {
    const session_stats so_far = stats();
    return so_far.n_prefill_tokens > 0 ? so_far.prefill_ms / so_far.n_prefill_tokens : 0;
}

void session::begin_newest(uint32_t n) {
    const uint32_t from = (uint32_t) tokens_.size() - n;
    cache_.cut(refreshes_in_part() ? std::max(n_clean(), std::min(from, n_usable(pair_side::prefill))) : n_clean());
    reads_newest_ = true;
}

bool session::drop_refreshes(uint32_t n) {
    bool dropped = std::exchange(refresh_begun_, false);
    reads_newest_ = false;
    const size_t n_before = n >= n_before_decode_ ? n_refreshes_before_decode_ : 0;
    for (; refreshes_.size() > n_before && refreshes_.back() >= n; dropped = true) refreshes_.pop_back();
    if (refreshes_.empty() || refreshes_.back() != n_before_refreshed_) n_before_refreshed_ = 0;
    return dropped;
}

void session::take_back_newest() {
    if (drop_refreshes((uint32_t) tokens_.size())) forget_from(refreshed_at());
}

}  // namespace overfill
