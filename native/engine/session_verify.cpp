// A session's part in verified decoding: the decode model drafts into cells behind those of the prefill model, which
// then reads the draft in their place.
#include "clock.h"
#include "failure.h"
#include "logits.h"
#include "session.h"

namespace overfill {

const float * session::kept_logits() const {
    if (!has_kept_logits()) return nullptr;
    const std::vector<float> & kept = tokens_.size() == n_before_answer_ ? first_logits_ : refreshed_logits_;
    check_logits(kept.data(), llama_vocab_n_tokens(pair_.vocab()), "prefill", tokens_.size());
    return kept.data();
}

std::optional<batch_row> session::next_check(const std::vector<llama_token> & tokens) {
    if (owes() || cache_.size() + 1 != tokens_.size()) return std::nullopt;
    // Of what cannot be cut, a check goes back to its mark.
    if (tokens.size() > 1 && !cache_.is_marked()) return std::nullopt;
    if (tokens.size() < 2) return batch_row{ &cache_, &tokens_.back(), 1, pair_side::prefill };
    return batch_row{ &cache_, tokens.data(), (uint32_t) tokens.size(), pair_side::prefill, batch_row::part::check };
}

std::optional<batch_row> session::next_draft_row(size_t n_drafted, const llama_token * last) {
    cached_sequence & cache = cache_of(writer_);
    if (owes() || cache.n_owed() > 0 || cache.size() + 1 != tokens_.size() + n_drafted) return std::nullopt;
    return batch_row{ &cache, last ? last : &tokens_.back(), 1, writer_, batch_row::part::draft };
}

void session::begin_draft() {
    if (!pair_.shares(writer_)) switch_caches(writer_);
    // Where the memory cannot be cut, a draft is taken back by going to here.
    cache_of(writer_).mark();
}

const float * session::read_draft(llama_token token) {
    const stopwatch watch;
    if (!cache_of(writer_).read(writer_, &token, 1, 1)) return nullptr;
    const float * logits = llama_get_logits_ith(pair_.context(writer_), -1);
    pair_.costs(writer_).saw(1, watch.milliseconds());
    return logits;
}

void session::check_draft_logits(const float * logits) {
    try {
        if (!logits) throw failure(error_code::inference_failed, "the decode step gave no logits");
        check_logits(logits, llama_vocab_n_tokens(pair_.vocab()), "decode", tokens_.size());
    } catch (...) {
        distrust_caches();
        throw;
    }
}

void session::begin_check() {
    end_verify();
    cache_.mark();
}

bool session::verify(const std::vector<llama_token> & tokens) {
    const uint32_t n = (uint32_t) tokens.size();
    if (n > 1)
        begin_check();
    else
        end_verify();
    return cache_.read(pair_side::prefill, tokens.data(), n, n);
}

const float * session::verified_logits(int32_t i) {
    const float * logits = llama_get_logits_ith(pair_.prefill_context(), i);
    try {
        if (!logits) throw failure(error_code::internal, "the check of a draft gave no logits");
        check_logits(logits, llama_vocab_n_tokens(pair_.vocab()), "prefill", tokens_.size());
    } catch (...) {
        distrust_caches();
        throw;
    }
    return logits;
}

}  // namespace overfill
