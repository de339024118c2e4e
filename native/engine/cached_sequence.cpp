#include "cached_sequence.h"

#include "failure.h"
#include "no_room.h"

#include <algorithm>
#include <utility>

namespace overfill {

cached_sequence::cached_sequence(pair & models, pair_side cache, llama_seq_id sequence)
    : pair_(models), cache_(models.context(cache)), sequence_(sequence) {}

bool cached_sequence::read(pair_side by, const llama_token * tokens, uint32_t n, uint32_t n_logits) {
    // Or the tokens would be read at the wrong positions.
    if (n_owed() > 0) throw failure(error_code::internal, "a sequence was to be read on before what it owes");
    return read_next(by, tokens, n, n_logits);
}

bool cached_sequence::read_next(pair_side by, const llama_token * tokens, uint32_t n, uint32_t n_logits) {
    const uint32_t at = held_.size();
    if (aside_) throw failure(error_code::internal, "a sequence was to be read on while it was put aside");
    make_room();
    try {
        if (!pair_.read(by, tokens, n, (llama_pos) at, sequence_, n_logits)) {
            go_back(at);
            return false;
        }
    } catch (const no_room &) {
        throw;  // nothing was read
    } catch (...) {
        go_back(at);
        throw;
    }
    const uint32_t batch = pair_.batch_size(by);
    const bool whole = by == pair_side::prefill && at == n_whole() && at % batch == 0 && n == batch;
    took(n, by);
    if (whole) n_whole_ = at + n;
    return true;
}

// Before cells are taken: where memory is missing for the notes on them, they would be there and nobody would know.
void cached_sequence::make_room() {
    held_.make_room();
    wanted_.make_room();
}

void cached_sequence::took(uint32_t n, pair_side by) {
    n_whole_ = n_whole();
    n_foreign_ = n_foreign();
    held_.append(n, by);
    if (held_.size() > wanted_.size()) wanted_.append(n, by);
}

void cached_sequence::take_over(const llama_token * text, const prefix_cache::match & found) {
    const uint32_t at = held_.size();
    if (aside_ || (n_owed() > 0 && found.end > wanted_.size()))
        throw failure(error_code::internal, "a sequence was to take something over before what it owes");
    const bool was_whole = n_whole() == at;
    make_room();
    uint32_t end = at;
    try {
        for (const prefix_cache::piece & piece : found.pieces) {
            pair_.write_rows(sequence_, (llama_pos) end, text + end, piece.n, { piece.rows.data(), piece.n_stored },
                             piece.first);
            end += piece.n;
        }
    } catch (...) {
        pair_.forget(cache_, sequence_, (llama_pos) at);
        throw;
    }
    if (found.state && !pair_.restore_uncuttable(cache_, sequence_, *found.state)) {
        go_back(at);
        throw failure(error_code::internal, "a state that was kept could not be restored");
    }
    took(end - at, pair_side::prefill);
    if (was_whole) n_whole_ = std::max(at, std::min(found.n_whole, end));
}

void cached_sequence::share(const cached_sequence & other, uint32_t n) {
    const uint32_t at = held_.size();
    if (aside_ || other.aside_ || n_owed() > 0)
        throw failure(error_code::internal, "cells were to be shared of or with a sequence that is not there");
    const bool was_whole = n_whole() == at;
    make_room();
    pair_.settle(cache_);
    llama_memory_seq_cp(llama_get_memory(cache_), other.sequence_, sequence_, (llama_pos) at, (llama_pos) n);
    took(n - at, pair_side::prefill);
    if (was_whole) n_whole_ = std::max(at, std::min(other.n_whole(), n));
    distrusted_ = distrusted_ || other.distrusted_;
}

void cached_sequence::give_rows(uint32_t begin, uint32_t end, uint8_t * out) const {
    pair_.give_rows(sequence_, (llama_pos) begin, end - begin, out);
}

kept_state cached_sequence::give_state() const {
    return std::make_shared<const std::vector<uint8_t>>(pair_.save_uncuttable(cache_, sequence_));
}

bool cached_sequence::read_rows(pair & models, const std::vector<batch_row> & rows, uint32_t n_each) {
    std::vector<pair::row> all;
    for (const batch_row & row : rows) row.cache->make_room();
    for (const batch_row & row : rows)
        all.push_back(
            { row.tokens, row.n, std::max(row.n, n_each), (llama_pos) row.cache->held_.size(), row.cache->sequence_ });
    const auto go_back = [&] {
        for (const batch_row & row : rows) row.cache->go_back(row.cache->held_.size());
    };
    try {
        if (!models.read_rows(rows[0].by, all)) {
            go_back();
            return false;
        }
    } catch (const no_room &) {
        throw;  // nothing was read
    } catch (...) {
        go_back();
        throw;
    }
    for (const batch_row & row : rows) {
        row.cache->took(row.n, row.by);
        if (row.n < n_each) row.cache->go_back(row.cache->held_.size());
    }
    return true;
}

std::optional<uint32_t> cached_sequence::catch_up(const llama_token * text, uint32_t most) {
    const uint32_t at = held_.size();
    const cache_ledger::run & run = wanted_.run_of(at);
    const uint32_t n = std::min({ run.end - at, pair_.batch_size(run.by), most });
    if (!read_next(run.by, text + at, n, 0)) return std::nullopt;
    return n;
}

void cached_sequence::cut(uint32_t n) {
    wanted_.truncate(n);
    if (held_.size() <= n) return;
    if (aside_)
        cut_aside(n);
    else
        go_back(n);
}

void cached_sequence::copy(const cached_sequence & from) {
    // Notes without cells can be taken back, cells without notes cannot.
    wanted_ = from.wanted_;
    held_ = from.held_;
    marked_ = from.marked_;
    pair_.copy(cache_, from.sequence_, sequence_);
    if (!pair_.can_cut()) pair_.copy(cache_, pair_.spare_of(from.sequence_), pair_.spare_of(sequence_));
    n_whole_ = from.n_whole_;
    n_foreign_ = from.n_foreign_;
    distrusted_ = from.distrusted_;
}

void cached_sequence::mark() {
    if (pair_.can_cut() || marked_ == held_) return;
    cache_ledger next = held_;
    pair_.settle(cache_);
    const llama_memory_t memory = llama_get_memory(cache_);
    const llama_seq_id spare = pair_.spare_of(sequence_);
    forget(spare, 0);
    llama_memory_seq_cp(memory, sequence_, spare, -1, -1);
    marked_ = std::move(next);
}

void cached_sequence::forget(llama_seq_id which, uint32_t from) {
    if (distrusted_) pair_.wipe(cache_, which, (llama_pos) from);
    pair_.forget(cache_, which, (llama_pos) from);
}

void cached_sequence::go_back(uint32_t n) {
    pair_.settle(cache_);
    if (pair_.can_cut()) {
        forget(sequence_, n);
        held_.truncate(n);
    } else {
        const llama_memory_t memory = llama_get_memory(cache_);
        const llama_seq_id spare = pair_.spare_of(sequence_);
        if (marked_.size() > n) {
            forget(spare, 0);
            marked_ = {};
        }
        forget(sequence_, 0);
        if (marked_.size() > 0) llama_memory_seq_cp(memory, spare, sequence_, -1, -1);
        held_ = marked_;
    }
    if (held_.size() == 0) distrusted_ = false;
}

cached_sequence::stored cached_sequence::store(std::shared_ptr<const gradual_state> * values) const {
    stored made{ {}, {}, held_, marked_ };
    if (values) {
        *values = pair_.save_gradually(cache_, sequence_);
        made.state = (*values)->described();
    } else {
        made.state = pair_.save(cache_, sequence_, state_part::all);
    }
    // Of the mark the cells are among those of the sequence.
    if (marked_.size() > 0) made.mark = pair_.save(cache_, pair_.spare_of(sequence_), state_part::uncuttable);
    return made;
}

void cached_sequence::put_aside() {
    if (!holds_cells()) return;
    stored made = store();
    if (!pair_.can_cut()) forget(pair_.spare_of(sequence_), 0);
    forget(sequence_, 0);
    aside_ = std::move(made);
}

cached_sequence::image cached_sequence::take_image(bool gradual) const {
    image out{ wanted_, held_, aside_, nullptr };
    if (!aside_ && held_.size() > 0) out.cells = store(gradual ? &out.values : nullptr);
    return out;
}

// What is put aside has its values in the order in which the cells lay.
void cached_sequence::give_values(const gradual_state & of, size_t at, uint8_t * to, size_t n) const {
    if (aside_)
        aside_->state.values.read(at, to, n);
    else
        pair_.give_values(cache_, of, at, to, n);
}

void cached_sequence::adopt(image of) {
    wanted_ = std::move(of.wanted);
    held_ = std::move(of.held);
    aside_ = std::move(of.cells);
    n_whole_ = 0;  // the micro-batches may have been of another size
    marked_ = aside_ && aside_->marked.size() <= held_.size() ? aside_->marked : cache_ledger();
}

// What go_back would leave, of what is put aside.
void cached_sequence::cut_aside(uint32_t n) {
    if (pair_.can_cut()) {
        held_.truncate(n);
    } else {
        if (marked_.size() > n) marked_ = {};
        held_ = marked_;
    }
    if (held_.size() == 0) aside_.reset();
}

bool cached_sequence::bring_back() {
    if (!aside_) return true;
    if (!pair_.restore(cache_, sequence_, aside_->state, state_part::all)) return false;
    if (const uint32_t n = aside_->marked.size()) {
        const llama_seq_id spare = pair_.spare_of(sequence_);
        try {
            // The mark has the same cells again, and a state of its own.
            llama_memory_seq_cp(llama_get_memory(cache_), sequence_, spare, -1, -1);
            if (!pair_.restore(cache_, spare, aside_->mark, state_part::uncuttable))
                throw failure(error_code::internal, "a session's mark could not be restored");
            pair_.forget(cache_, spare, (llama_pos) n);
        } catch (...) {
            for (const llama_seq_id which : { spare, sequence_ }) pair_.forget(cache_, which, 0);
            throw;
        }
    }
    const uint32_t n = held_.size();
    held_ = std::move(aside_->held);
    marked_ = std::move(aside_->marked);
    aside_.reset();
    if (n < held_.size()) go_back(n);
    return true;
}

}  // namespace overfill
