#include "verified_decoding.h"

#include "clock.h"
#include "failure.h"
#include "repeated_text.h"

#include <algorithm>
#include <cmath>

namespace overfill {

// Where nothing may depend on measured times. A check of four tokens costs little more than one on most machines.
static constexpr uint32_t n_drafted_always = 3;

verified_decoding::verified_decoding(pair & models, session & target, const decode_options & options, uint32_t seed)
    : pair_(models), session_(target), quality_(options.quality),
      writes_alone_(models.context(target.writer()) == models.prefill_context()), seed_(seed),
      length_(options.deterministic ? n_drafted_always : options.quality.fixed_draft) {}

// A repetition may be just what the user's penalties are against. An exact answer's are judged with them.
bool verified_decoding::finds_drafts(const sampler & chooser) const {
    return quality_.finds_drafts && (quality_.is == quality_options::kind::exact || !chooser.has_preferences());
}

void verified_decoding::plan(const sampler & chooser, uint32_t most) {
    const size_t n_text = session_.tokens().size();
    n_before_ = (uint32_t) n_text;
    check_.clear();
    const uint32_t n_batch = std::min(pair_.batch_size(pair_side::prefill), most_logits);
    // A check gives one token more than it keeps, and reads one more.
    const uint32_t n_most = (uint32_t) std::min<size_t>(
        { most > 0 ? most - 1 : 0, most_drafted, pair_.info().context_size - n_text, n_batch - 1 });
    found_ = finds_drafts(chooser) ? find_repeated(session_.tokens(), n_most) : std::vector<llama_token>();
    if (found_.size() > n_most) found_.resize(n_most);
    if (const uint32_t n = length_.choose_given(costs(), (uint32_t) found_.size(), !writes_alone_)) {
        for (uint32_t i = 0; i < n; i++) draft_.push_back({ found_[i], std::nullopt });
        n_wanted_ = n;
        is_found_ = true;
        return complete_draft();
    }
    n_wanted_ = writes_alone_ ? 0 : length_.choose(costs(), n_most);
}

// The draft is all that it is going to be.
void verified_decoding::complete_draft() {
    check_ = { session_.tokens().back() };
    for (const drafted & one : draft_) check_.push_back(one.token);
    if (!session_.owes()) session_.begin_check();
}

std::optional<batch_row> verified_decoding::next_row() const {
    if (session_.has_kept_logits() || has_rows()) return std::nullopt;
    if (draft_.size() == n_wanted_) return session_.next_check(check_);
    if (!(begun_ || session_.drafts_at_once())) return std::nullopt;
    return session_.next_draft_row(draft_.size(), draft_.empty() ? nullptr : &draft_.back().token);
}

bool verified_decoding::read(sampler & chooser, const std::optional<read_row> & given) {
    book_check();
    i_row_ = n_rows_ = n_judged_now_ = n_kept_now_ = 0;
    first_row_ = session_.kept_logits();
    if (first_row_) {
        n_rows_ = 1;
        return true;
    }
    if (draft_.size() == n_wanted_) return verify(chooser, given);

    const stopwatch watch;
    if (!begun_) {
        session_.begin_draft();
        chooser.begin_draft();
        begun_ = true;
        draft_ms_ = 0;
    }
    const llama_token last = draft_.empty() ? session_.tokens().back() : draft_.back().token;
    const float * logits = given ? given->logits : session_.read_draft(last);
    if (!logits) return false;
    n_draft_steps_++;
    take_draft(chooser, logits);
    draft_ms_ += watch.milliseconds() + (given ? given->milliseconds * given->share : 0);
    if (draft_.size() == n_wanted_) complete_draft();
    return true;
}

void verified_decoding::take_draft(sampler & chooser, const float * logits) {
    session_.check_draft_logits(logits);
    std::optional<drafted> next;
    bool ends = false;
    try {
        if (chooser.has_distribution()) {
            if (auto from = chooser.distribution(logits)) {
                const llama_token token =
                    from->draw(uniform_at(seed_, position() + (uint32_t) draft_.size(), drawn_for::draft));
                next = { token, std::move(from) };
            }
        } else if (const auto token = chooser.sample(logits)) {
            next = { *token, std::nullopt };
        }
        // What ends an answer is no part of what a grammar reads.
        ends = !next || pair_.ends_answer(next->token, session_.writer());
        if (!ends) chooser.accept(next->token);
    } catch (const failure & error) {
        // A grammar's dead end, which the answer may never come to.
        if (error.code() == error_code::aborted) throw;
        next.reset();
        ends = true;
    }
    if (next) draft_.push_back(std::move(*next));
    if (ends || chooser.over()) n_wanted_ = (uint32_t) draft_.size();
}

bool verified_decoding::verify(sampler & chooser, const std::optional<read_row> & given) {
    chooser.end_draft();
    if (draft_.empty()) check_ = { session_.tokens().back() };
    const uint32_t n = (uint32_t) check_.size();
    if (given) {
        first_of_check_ = given->first;
        check_ms_ = given->milliseconds * given->share;
    } else {
        const stopwatch watch;
        if (!session_.verify(check_)) return false;
        first_of_check_ = 0;
        session_.verified_logits(0);  // waits for a device
        check_ms_ = watch.milliseconds();
        pair_.costs(pair_side::prefill).saw(n, check_ms_);
    }
    n_rows_ = n_checked_ = n;
    if (begun_ && !draft_.empty()) costs().saw_draft(draft_ms_ / (double) draft_.size());
    sums_.n_checks++;
    sums_.n_drafted_tokens += (uint32_t) draft_.size();
    if (is_found_) sums_.n_found_tokens += (uint32_t) draft_.size();
    return true;
}

void verified_decoding::book_check() {
    if (n_checked_ > 0) costs().saw_check(n_checked_, check_ms_);
    n_checked_ = 0;
}

void verified_decoding::drop_draft(sampler & chooser) {
    if (!begun_) return;
    chooser.end_draft();
    session_.end_verify();
    draft_.clear();
    check_.clear();
    begun_ = false;
    n_wanted_ = 0;
}

verified_decoding::chosen verified_decoding::choose(sampler & chooser) {
    const uint32_t i = i_row_++;
    const float * logits = first_row_ ? first_row_ : session_.verified_logits(first_of_check_ + (int32_t) i);
    if (first_row_ || i == draft_.size()) return { own_token(chooser, logits), logits };
    const std::optional<llama_token> token = judge(chooser, draft_[i], logits);
    const bool kept = token == draft_[i].token;
    n_judged_now_++;
    n_kept_now_ += kept;
    sums_.n_kept_tokens += kept;
    sums_.n_replaced_tokens += !kept;
    if (!kept) {
        // Its cell is not the replacement's, wherever the answer ends.
        session_.give_up_behind_text();
        i_row_ = n_rows_;
    }
    return { token, logits };
}

// The drafted token itself, or what comes in its place.
std::optional<llama_token> verified_decoding::judge(sampler & chooser, const drafted & one, const float * logits) {
    if (quality_.synthetic >= 0) {
        const std::optional<llama_token> own = own_token(chooser, logits);
        return uniform_at(seed_, position(), drawn_for::acceptance) < quality_.synthetic ? one.token : own;
    }
    if (quality_.is == quality_options::kind::near) {
        const llama_token likeliest = argmax(logits, llama_vocab_n_tokens(pair_.vocab()));
        const bool likely = logits[one.token] >= logits[likeliest] + std::log(quality_.acceptance);
        return likely && chooser.allows(one.token) ? one.token : own_token(chooser, logits);
    }
    if (!chooser.has_distribution()) return own_token(chooser, logits);
    const std::optional<token_distribution> p = chooser.distribution(logits);
    if (!p) return std::nullopt;
    const token_distribution q = one.from ? *one.from : token_distribution(one.token);
    const double u = uniform_at(seed_, position(), drawn_for::acceptance);
    if (u * q.of(one.token) < p->of(one.token)) return one.token;
    return token_distribution::residual(*p, q).draw(uniform_at(seed_, position(), drawn_for::replacement));
}

std::optional<llama_token> verified_decoding::own_token(sampler & chooser, const float * logits) {
    if (!chooser.has_distribution()) return chooser.sample(logits);
    const std::optional<token_distribution> p = chooser.distribution(logits);
    if (!p) return std::nullopt;
    return p->draw(uniform_at(seed_, position(), drawn_for::replacement));
}

void verified_decoding::end_rows(const sampler & chooser, uint32_t most) {
    const std::vector<llama_token> & text = session_.tokens();
    if (!first_row_) {
        if (is_found_)
            length_.saw_given(n_judged_now_, n_kept_now_);
        else
            length_.saw(n_judged_now_, n_kept_now_);
    }
    // What the text proposed is judged by what came, also where nobody followed it.
    if (!is_found_ && !found_.empty()) {
        const uint32_t n = (uint32_t) std::min<size_t>(found_.size(), text.size() - n_before_);
        uint32_t n_right = 0;
        while (n_right < n && found_[n_right] == text[n_before_ + n_right]) n_right++;
        length_.saw_given(n, n_right);
    }
    session_.end_verify();
    i_row_ = n_rows_ = 0;
    draft_.clear();
    is_found_ = begun_ = false;
    plan(chooser, most);
}

}  // namespace overfill
