#include "score.h"

#include "failure.h"
#include "log_softmax.h"
#include "logits.h"
#include "prompt.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace overfill {

// Floats of logits that are kept of a piece, of the full model and of the row that is compared with it: 64 MiB each.
static constexpr size_t piece_values = (size_t) 1 << 24;
scorer::scorer(pair & models, llama_seq_id sequence, score_request request)
    : pair_(models), sequence_(sequence),
      request_(std::move(request)), held_{ { models, pair_side::prefill, sequence }, {} }, held_by_decode_{
          { models, request_.writer, sequence }, {}
      } {
    check_tokens(request_.prompt, pair_.vocab(), "the prompt", "prompt");
    size_t longest = 0;
    for (const auto & response : request_.responses) {
        check_tokens(response, pair_.vocab(), "a response", "responses");
        longest = std::max(longest, response.size());
    }
    // The last token of a response is asked for, not read.
    const size_t n_needed = request_.prompt.size() + longest, n_context = pair_.info().context_size;
    if (n_needed > n_context)
        throw failure(error_code::context_overflow,
                      "a prompt of " + std::to_string(request_.prompt.size()) + " tokens and a response of " +
                          std::to_string(longest) + " do not fit in the context's " + std::to_string(n_context),
                      { { "promptTokens", request_.prompt.size() },
                        { "responseTokens", longest },
                        { "contextSize", n_context } });
    result_.scores.resize(request_.responses.size(), std::vector<row_scores>(request_.rows.size()));
}

scorer::~scorer() {
    held_.cache.cut(0);
    held_by_decode_.cache.cut(0);
}

std::vector<cached_sequence *> scorer::caches() {
    if (pair_.shares(request_.writer)) return { &held_.cache };
    return { &held_.cache, &held_by_decode_.cache };
}

score_result scorer::take_result() {
    result_.prompt = std::move(request_.prompt);
    result_.responses = std::move(request_.responses);
    return std::move(result_);
}

size_t scorer::piece_size() const {
    return std::max((size_t) most_logits, piece_values / (size_t) llama_vocab_n_tokens(pair_.vocab()));
}

// --- what the caches hold ---

// Keeps at most the first n tokens of the cache that `by` reads into. Where that cannot be cut it may be fewer: whoever
// reads on begins at what there is.
void scorer::forget_from(pair_side by, size_t n) {
    held_tokens & held = held_of(by);
    held.cache.cut((uint32_t) n);
    // What is owed is found missing like everything else.
    held.cache.write_off();
    held.tokens.resize(held.cache.size());
}

scorer::held_tokens & scorer::held_of(pair_side by) { return pair_.shares(by) ? held_ : held_by_decode_; }

// How many tokens of a cache are as wanted: the first n_prefill read by the prefill model, the others by the decode
// model.
size_t scorer::n_alike(const held_tokens & held, size_t n_prefill, size_t n) const {
    cache_ledger wanted;
    wanted.append((uint32_t) n_prefill, pair_side::prefill);
    wanted.append((uint32_t) (n - n_prefill), request_.writer);
    const auto end = held.tokens.begin() + (std::ptrdiff_t) wanted.n_alike(held.cache.ledger());
    return (size_t) (std::mismatch(held.tokens.begin(), end, tokens_.begin()).first - held.tokens.begin());
}

// Reads on to `end`. The distributions behind the tokens from `first` on go to `out`.
scorer::progress scorer::read_on(pair_side by, size_t end, size_t first, distributions * out) {
    held_tokens & held = held_of(by);
    const size_t n_vocab = (size_t) llama_vocab_n_tokens(pair_.vocab());
    while (held.tokens.size() < end) {
        if (turn_taken_) return progress::more;
        turn_taken_ = true;
        const size_t at = held.tokens.size();
        const size_t n =
            std::min({ (size_t) pair_.batch_size(by), end - at, std::max(first, at) + (size_t) most_logits - at });
        const size_t n_silent = std::min(n, first > at ? first - at : 0);
        if (!held.cache.read(by, &tokens_[at], (uint32_t) n, (uint32_t) (n - n_silent))) return progress::aborted;
        held.tokens.insert(held.tokens.end(), &tokens_[at], &tokens_[at] + n);
        for (size_t i = n_silent; i < n; i++) {
            const float * logits = llama_get_logits_ith(pair_.context(by), (int32_t) i);
            if (!logits) throw failure(error_code::inference_failed, "a step gave no logits");
            try {
                check_logits(logits, (int32_t) n_vocab, by == pair_side::prefill ? "prefill" : "decode", at + i + 1);
            } catch (...) {
                for (cached_sequence * cache : caches()) cache->distrust();
                throw;
            }
            out->add(logits, n_vocab);
        }
    }
    return progress::done;
}

// Makes the cache of who reads next hold the first n tokens and no more, n_prefill of them read by the prefill model
// and handed over, the others by the decode model.
scorer::progress scorer::hold(size_t n_prefill, size_t n, pair_side next) {
    const size_t n_prompt = request_.prompt.size();
    if (pair_.shares(request_.writer) || next == pair_side::prefill) {
        forget_from(pair_side::prefill, n_alike(held_, n_prefill, n));
        progress read = read_on(pair_side::prefill, n_prefill, n_prefill, nullptr);
        // Here other rows come back to.
        const bool branches = next == request_.writer || n_prefill == n_prompt;
        if (read == progress::done && branches && held_.tokens.size() == n_prefill) held_.cache.mark();
        if (read != progress::done || next == pair_side::prefill) return read;
        read = read_on(request_.writer, n, n, nullptr);
        if (read == progress::done && n_prefill == 0 && held_.tokens.size() == n_prompt) held_.cache.mark();
        return read;
    }
    size_t n_kept = n_alike(held_by_decode_, n_prefill, n);
    if (n_kept < n_prefill) {
        const progress read = hold(n_prefill, n_prefill, pair_side::prefill);
        if (read != progress::done) return read;
        if (turn_taken_) return progress::more;
        turn_taken_ = true;
        forget_from(request_.writer, n_kept);
        pair_.hand_over(sequence_, (uint32_t) n_prefill, (uint32_t) n_kept, request_.writer);
        held_by_decode_.cache.adopt(held_.cache.ledger());
        held_by_decode_.tokens = held_.tokens;
        n_kept = n_prefill;
    }
    forget_from(request_.writer, n_kept);
    return read_on(request_.writer, n, n, nullptr);
}

// --- distributions ---

void scorer::distributions::add(const float * row, size_t n_vocab) {
    const float * largest = std::max_element(row, row + n_vocab);
    logits.insert(logits.end(), row, row + n_vocab);
    log_sums.push_back(log_sum_exp(row, n_vocab));
    likeliest.push_back((llama_token) (largest - row));
}

// The distribution right behind the prompt, which every row by this reader has in common.
scorer::progress scorer::add_first(pair_side by, distributions & out) {
    std::vector<float> & first = first_logits_[by != pair_side::prefill];
    if (first.empty()) {
        const size_t n = request_.prompt.size(), n_prefill = by == pair_side::prefill ? n : 0;
        // Its last token is read anew if it has been read without logits.
        forget_from(by, std::min(n - 1, n_alike(held_of(by), n_prefill, n)));
        distributions made;
        const progress read = read_on(by, n, n - 1, &made);
        if (read != progress::done) return read;
        first = std::move(made.logits);
    }
    out.add(first.data(), first.size());
    return progress::done;
}

// What one reader by itself makes of the tokens [begin, end) of the response.
scorer::progress scorer::read_alone(pair_side by, size_t begin, size_t end, distributions & out) {
    const size_t n_prompt = request_.prompt.size();
    if (begin == 0) {
        const progress read = add_first(by, out);
        if (read != progress::done) return read;
        begin = 1;
    }
    if (begin >= end) return progress::done;
    const size_t n = n_prompt + begin - 1;
    const progress read = hold(by == pair_side::prefill ? n : 0, n, by);
    return read != progress::done ? read : read_on(by, n_prompt + end - 1, n, &out);
}

scorer::progress scorer::read_two_stage(size_t interval, size_t begin, size_t end, distributions & out) {
    const size_t n_prompt = request_.prompt.size();
    for (size_t i = begin; i < end;) {
        const size_t refreshed = interval > 0 ? i / interval * interval : 0, n_clean = n_prompt + refreshed;
        progress read;
        size_t next = i + 1;
        if (i == 0) {
            read = add_first(pair_side::prefill, out);
        } else if (i == refreshed) {
            // As generation has it: what was written since the last refresh is read at once.
            if (!refreshing_)
                forget_from(pair_side::prefill, std::min(n_clean - interval, n_alike(held_, n_clean, n_clean)));
            refreshing_ = true;
            read = read_on(pair_side::prefill, n_clean, n_clean - 1, &out);
            refreshing_ = read != progress::done;
        } else {
            next = interval > 0 ? std::min(end, refreshed + interval) : end;
            const size_t n = n_prompt + i - 1;
            read = hold(n_clean, n, request_.writer);
            if (read == progress::done) read = read_on(request_.writer, n_prompt + next - 1, n, &out);
        }
        if (read != progress::done) return read;
        i = next;
    }
    return progress::done;
}

scorer::progress scorer::read_row(const score_row & row, size_t begin, size_t end, distributions & out) {
    switch (row.reader) {
    case score_reader::prefill: return read_alone(pair_side::prefill, begin, end, out);
    case score_reader::decode: return read_alone(request_.writer, begin, end, out);
    case score_reader::two_stage: return read_two_stage(row.refresh_interval, begin, end, out);
    }
    return progress::done;
}

// --- scores ---

void scorer::compare(const distributions & row, size_t first, row_scores & out) const {
    const size_t n_vocab = (size_t) llama_vocab_n_tokens(pair_.vocab());
    const std::vector<llama_token> & response = request_.responses[response_];
    for (size_t i = 0; i < row.size(); i++) {
        const float *own = &row.logits[i * n_vocab], *full = &full_.logits[(first + i) * n_vocab];
        const double own_sum = row.log_sums[i], full_sum = full_.log_sums[first + i];
        double divergence = 0;
        for (size_t t = 0; t < n_vocab && &row != &full_; t++) {
            const double log_p = (double) full[t] - full_sum, log_q = (double) own[t] - own_sum;
            // Where p is 0 its logarithm may be infinite.
            if (const double p = std::exp(log_p); p > 0) divergence += p * (log_p - log_q);
        }
        out.log_probs.push_back((double) own[response[begin_ + first + i]] - own_sum);
        out.agrees.push_back(row.likeliest[i] == full_.likeliest[first + i]);
        out.divergences.push_back(std::max(divergence, 0.0));
    }
}

void scorer::next_row() {
    if (++row_ < request_.rows.size()) return;
    const size_t n = request_.responses[response_].size();
    row_ = 0;
    begin_ = std::min(n, begin_ + piece_size());
    full_ = {};
    if (begin_ < n) return;
    begin_ = 0;
    response_++;
}

bool scorer::step() {
    turn_taken_ = false;
    const std::vector<llama_token> & response = request_.responses[response_];
    const size_t end = std::min(response.size(), begin_ + piece_size());
    if (full_.size() < end - begin_) {
        if (full_.logits.empty()) {
            tokens_ = request_.prompt;
            tokens_.insert(tokens_.end(), response.begin(), response.end());
            // Room for all of a piece at once: a vector that grows may take twice as much.
            full_.logits.reserve((end - begin_) * (size_t) llama_vocab_n_tokens(pair_.vocab()));
        }
        return read_row({}, begin_ + full_.size(), end, full_) != progress::aborted;
    }
    const score_row & row = request_.rows[row_];
    row_scores & out = result_.scores[response_][row_];
    if (row.reader == score_reader::prefill) {
        compare(full_, 0, out);
    } else {
        distributions own;
        const size_t begin = out.log_probs.size();
        const progress read = read_row(row, begin, end, own);
        compare(own, begin - begin_, out);
        if (read == progress::aborted) return false;
    }
    if (out.log_probs.size() == end) next_row();
    return true;
}

}  // namespace overfill
