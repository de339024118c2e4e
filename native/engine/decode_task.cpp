#include "decode_task.h"

#include "clock.h"
#include "logits.h"
#include "session_tasks.h"

#include <iterator>
#include <new>
#include <utility>

namespace overfill {

decode_task::decode_task(slot_ptr slot, pair & models, decode_options options, std::shared_ptr<token_stream> stream)
    : slot_(std::move(slot)), pair_(models), options_(std::move(options)), stream_(std::move(stream)) {}

// False: it was aborted.
bool decode_task::begin() {
    session & s = slot_->state;
    // Where there is no room for a handover, it is tried again.
    if (!aborted()) s.begin_decode(options_.writer);
    clock_ = answer_clock(std::exchange(slot_->asked, std::nullopt));
    if (aborted()) return false;
    result_.writer = pair_.name_of(s.writer());
    s.set_deterministic(options_.deterministic);
    answer_trace trace = s.trace();
    const size_t n_before = s.n_before_answer();
    const answer_trace::beginning from = trace.begin(options_.sampling, s.tokens().size() - n_before);
    try {
        sampler made(pair_.prefill_model(), options_.sampling, (int32_t) pair_.info().context_size, pair_.pieces(),
                     [this] { return aborted(); });
        made.observe(s.tokens());
        made.resume({ s.tokens().begin() + (long) (n_before + from.n_before_rules), s.tokens().end() }, from.drawn,
                    from.mirostat);
        text_.emplace(pair_.vocab(), options_.stop, options_.special, s.unfinished_text(), options_.preserved_tokens);
        sampler_.emplace(std::move(made));
    } catch (const failure & error) {
        if (error.code() != error_code::aborted) throw;
        return false;
    }
    trace.set_seed(sampler_->seed());
    s.trace() = std::move(trace);
    result_.seed = sampler_->seed();
    if (options_.quality.verifies()) verified_.emplace(pair_, s, options_, sampler_->seed());
    if (options_.refresh_budget.share > 0 && pair_.context(s.writer()) != pair_.prefill_context() && !verified_)
        budget_.emplace(options_.refresh_budget);
    return true;
}

task::turn decode_task::step() {
    // Woken by something else than its reader, it would take cells back only to wait with them.
    if (is_behind_reader()) return turn::parked;
    slot_->in_pool.waits_for_reader = false;
    // The logits of a row take no cells, and would not be valid any more after a wait for some.
    return run_in_pool(slot_, *this, !aborted() && !given_, [this] { return write(); });
}

task::turn decode_task::write() {
    if (!sampler_) {
        if (!begin()) {
            slot_->busy = false;
            result_.reason = finish_reason::abort;
            stream_->finish(result_);
            return turn::done;
        }
        // An answer that goes on reads its first token with those of the others.
        if (next().row) return turn::again;
    }
    const stopwatch watch;
    const turn next = generate();
    // The last turn's time is booked by finish(), before the result goes out.
    if (next != turn::done) result_.milliseconds += watch.milliseconds();
    return next;
}

task::wish decode_task::next() const noexcept {
    wish out;
    out.is = wish::kind::token;
    const session & s = slot_->state;
    const bool reads_again = needs_piece();
    // What was put aside comes back first, to the prefill model's cache as well; and another writer is handed it.
    const bool changes_writer = !sampler_ && options_.writer && *options_.writer != s.writer();
    const bool by_itself = !reads_again && !options_.quality.verifies();
    out.beside = by_itself && pair_.runs_apart(s.writer()) && !slot_->in_pool.aside && !slot_->in_pool.alone_next &&
                 !changes_writer;
    if (!sampler_ || aborted() || is_over() || s.context_full()) return out;
    if (reads_again) {
        out.is = wish::kind::piece;
        out.within_answer = true;
    } else if (!options_.deterministic && !slot_->in_pool.aside && !is_behind_reader()) {
        out.row = verified_ ? verified_->next_row() : slot_->state.next_row();
    }
    return out;
}

// It would not take its turn with the logits of a row, and these do not outlive the round.
bool decode_task::is_behind_reader() const {
    return !given_ && slot_->in_pool.waits_for_reader && !aborted() && stream_->is_full();
}

// A draft may be complete where the answer is not.
bool decode_task::is_over() const { return !sampler_->is_drafting() && sampler_->over(); }

bool decode_task::needs_piece() const {
    const session & s = slot_->state;
    return refreshing_ || s.owes() || refresh_is_due();
}

bool decode_task::refresh_is_due() const {
    const session & s = slot_->state;
    return s.refresh_is_due(options_.refresh_interval) || (verified_ && !s.is_verified());
}

task::turn decode_task::refresh(const std::function<turn(finish_reason)> & end) {
    session & s = slot_->state;
    const refresh_step step = s.refresh_some();
    result_.n_refreshed_tokens += step.n_tokens;
    result_.n_refreshes += step.done;
    result_.refresh_ms += step.milliseconds;
    refreshed_.n_tokens += step.n_tokens;
    refreshed_.milliseconds += step.milliseconds;
    if (step.aborted) return end(finish_reason::abort);
    if (!step.done) return turn::again;
    if (s.writer() != pair_side::prefill && refreshed_.n_tokens > 0)
        pair_.costs_of_refreshes(s.writer()).saw(refreshed_.n_tokens, refreshed_.milliseconds);
    refreshed_ = {};
    refreshing_ = false;
    return turn::again;
}

uint32_t decode_task::n_to_refresh(const float * logits) {
    const session & s = slot_->state;
    const uint32_t n_unread = s.n_unread();
    if (!budget_ || n_unread == 0) return 0;
    const double writing_ms = result_.milliseconds - result_.refresh_ms - others_ms_;
    const refresh_budget::spent so_far{ n_tokens_, writing_ms, result_.n_refreshes, result_.refresh_ms };
    const double token_ms = n_tokens_ > 0 ? writing_ms / n_tokens_ : 0;
    const refresh_costs::guess otherwise{ token_ms * pair_.token_ratio(s.writer()), s.prompt_token_ms() };
    return budget_->choose(doubt_of(logits, llama_vocab_n_tokens(pair_.vocab())), n_unread, s.refreshes_in_part(),
                           so_far, pair_.costs_of_refreshes(s.writer()), otherwise);
}

// It came of what was known here; whoever goes on with the answer does not know it.
void decode_task::leave_refresh() noexcept {
    if (std::exchange(is_unsure_, false)) slot_->state.take_back_newest();
}

void decode_task::got_row(const read_row & row) {
    given_ = row;
    result_.n_decode_steps++;
    result_.milliseconds += row.milliseconds;
    others_ms_ += row.milliseconds * (1 - row.share);
}

// Nothing if the answer ends here.
std::optional<llama_token> decode_task::unless_it_ends(std::optional<llama_token> token) {
    if (!token || !pair_.ends_answer(*token, verified_ ? pair_side::prefill : slot_->state.writer()) ||
        options_.sampling.ignore_eos)
        return token;
    text_->append_end(*token);
    return std::nullopt;
}

task::turn decode_task::generate() {
    const stopwatch watch;
    const auto end = [&](finish_reason reason) {
        result_.milliseconds += watch.milliseconds();
        return finish(reason);
    };
    session & s = slot_->state;
    if (aborted()) return end(finish_reason::abort);
    if (is_over()) return end(finish_reason::eos);
    if (s.context_full()) return end(finish_reason::context);

    refreshing_ = refreshing_ || refresh_is_due();
    if (refreshing_) return refresh(end);

    if (verified_ && s.owes()) verified_->drop_draft(*sampler_);
    if (s.owes()) {
        const stopwatch reading;
        if (!s.catch_up()) return end(finish_reason::abort);
        if (verified_) verified_->saw_catch_up(reading.milliseconds());
        return turn::again;
    }
    if (verified_) return generate_verified(end);

    uint32_t n_steps = 0;
    const std::optional<read_row> given = std::exchange(given_, std::nullopt);
    const float * logits = s.next_logits(n_steps, given ? given->logits : nullptr);
    result_.n_decode_steps += n_steps;
    if (!logits) return end(finish_reason::abort);
    if (const uint32_t n = n_to_refresh(logits)) {
        s.begin_newest(n);
        refreshing_ = is_unsure_ = true;
        return turn::again;
    }

    std::optional<finish_reason> ends;
    try {
        const std::optional<llama_token> chosen = sampler_->sample(logits);
        is_unsure_ = false;
        const std::optional<llama_token> token = unless_it_ends(chosen);
        if (!token) return end(text_->stop().empty() ? finish_reason::eos : finish_reason::stop);
        ends = take(*token, logits);
    } catch (const failure & error) {
        if (error.code() != error_code::aborted) throw;
        return end(finish_reason::abort);
    }
    return ends ? end(*ends) : give_turn();
}

// One read of a draft or its check, and all tokens that come of it.
task::turn decode_task::generate_verified(const std::function<turn(finish_reason)> & end) {
    session & s = slot_->state;
    try {
        if (!verified_->has_rows()) {
            if (!verified_->read(*sampler_, std::exchange(given_, std::nullopt))) return end(finish_reason::abort);
            if (!verified_->has_rows()) return turn::again;
        }
        while (verified_->has_rows() && !sampler_->over() && !s.context_full()) {
            const verified_decoding::chosen next = verified_->choose(*sampler_);
            const std::optional<llama_token> token = unless_it_ends(next.token);
            if (!token) return end(text_->stop().empty() ? finish_reason::eos : finish_reason::stop);
            if (const auto ends = take(*token, next.logits)) return end(*ends);
        }
    } catch (const failure & error) {
        if (error.code() != error_code::aborted) throw;
        return end(finish_reason::abort);
    }
    verified_->end_rows(*sampler_, n_left());
    return give_turn();
}

void decode_task::book_verification() noexcept {
    if (!verified_) return;
    result_.verification = verified_->sums();
    result_.n_decode_steps = verified_->n_draft_steps();
}

uint32_t decode_task::n_left() const { return options_.max_tokens == 0 ? UINT32_MAX : options_.max_tokens - n_tokens_; }

// A token that was chosen from these logits becomes part of the answer; what ends there, if it does.
std::optional<finish_reason> decode_task::take(llama_token token, const float * logits) {
    session & s = slot_->state;
    if (options_.sampling.n_log_probs >= 0)
        log_probs_.push_back(sampler_->log_probs(logits, token, options_.sampling.n_log_probs));
    sampler_->accept(token);
    s.append(token);
    s.trace().add(sampler_->drawn(), sampler_->mirostat());
    n_tokens_++;
    clock_.wrote_token(pair_.meters());
    if (text_->append(token)) return finish_reason::stop;
    if (n_tokens_ == options_.max_tokens) return finish_reason::length;
    return std::nullopt;
}

task::turn decode_task::give_turn() {
    text_->release(piece_.text, piece_.tokens);
    if (give()) return turn::again;
    clock_.waits_for_reader();
    slot_->in_pool.waits_for_reader = slot_->pool != nullptr;
    return turn::parked;
}

bool decode_task::give() {
    if (piece_.empty()) return true;
    if (!log_probs_.empty()) {
        const auto end = log_probs_.begin() + (long) piece_.tokens.size();
        piece_.log_probs.assign(std::make_move_iterator(log_probs_.begin()), std::make_move_iterator(end));
        log_probs_.erase(log_probs_.begin(), end);
    }
    return stream_->write(piece_);
}

task::turn decode_task::finish(finish_reason reason) {
    const size_t n_dropped = text_->n_tokens_after_stop();
    text_->release_all(piece_.text, piece_.tokens, reason != finish_reason::eos);
    give();
    result_.reason = reason;
    result_.stop = text_->stop();
    result_.n_tokens = n_tokens_ - (uint32_t) n_dropped;
    book_verification();
    leave_refresh();
    slot_->state.end_decode(result_, n_dropped, text_->take_unfinished());
    slot_->busy = false;
    stream_->finish(result_);
    return turn::done;
}

// What was written before a failure is part of the session; the reader gets to see it, where there is memory for it.
void decode_task::end_early() noexcept {
    result_.reason = finish_reason::abort;
    result_.n_tokens = n_tokens_;
    book_verification();
    leave_refresh();
    try {
        text_->release_all(piece_.text, piece_.tokens, true);
        give();
    } catch (const std::bad_alloc &) {
        piece_.clear();
    }
    slot_->state.end_decode(result_, 0, text_->take_unfinished());
}

void decode_task::fail(const failure & error) noexcept {
    if (sampler_) end_early();
    slot_->busy = false;
    stream_->fail(error);
}

}  // namespace overfill
