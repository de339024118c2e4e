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

std::optional<batch_row> session::next_row_by_prefill() {
    if (owes() || cache_.size() + 1 != tokens_.size()) return std::nullopt;
    return batch_row{ &cache_, tokens_.back(), pair_side::prefill };
}

std::optional<batch_row> session::next_draft_row(size_t n_drafted, llama_token last) {
    cached_sequence & cache = cache_of(writer_);
    if (owes() || cache.n_owed() > 0 || cache.size() + 1 != tokens_.size() + n_drafted) return std::nullopt;
    return batch_row{ &cache, last, writer_ };
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

bool session::verify(const std::vector<llama_token> & draft) {
    const uint32_t n_read = (uint32_t) tokens_.size() - 1;
    forget_from(n_read);
    std::vector<llama_token> row = { tokens_.back() };
    row.insert(row.end(), draft.begin(), draft.end());
    const uint32_t n = (uint32_t) row.size();
    if (n > 1) cache_.mark();
    return cache_.read(pair_side::prefill, row.data(), n, n);
}

const float * session::verified_logits(uint32_t i) {
    const float * logits = llama_get_logits_ith(pair_.prefill_context(), (int32_t) i);
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
