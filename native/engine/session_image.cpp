#include "session_image.h"

#include "session.h"

#include <algorithm>
#include <utility>

namespace overfill {

// --- out of a session, and into one ---

session_image session::take_image(bool gradual) const {
    session_image out;
    out.stage = stats().stage;
    out.tokens = tokens_;
    out.own_writer = own_writer_;
    out.writer = writer_;
    const auto add = [&](pair_side of, const cached_sequence & cache) {
        if (cache.size() > 0) out.caches.push_back({ of, cache.take_image(gradual) });
    };
    add(pair_side::prefill, cache_);
    for (size_t i = 0; i < own_caches_.size(); i++)
        if (!pair_.shares(decode_side(i))) add(decode_side(i), own_caches_[i]);
    out.n_before_answer = n_before_answer_;
    if (n_before_answer_ > 0) out.first_logits = first_logits_;
    out.refreshes = refreshes_;
    out.refresh_begun = refresh_begun_;
    out.n_before_refreshed = n_before_refreshed_;
    out.n_checked = n_checked_;
    if (n_before_refreshed_ > 0) out.refreshed_logits = refreshed_logits_;
    out.unfinished_text = unfinished_text_;
    out.unfinished_text_before = unfinished_text_before_;
    out.n_before_decode = n_before_decode_;
    out.exact = cache_.n_foreign() == 0;
    out.scope = scope_;
    out.trace = trace_;
    return out;
}

void session::give_values(const session_image & image, size_t cache, size_t at, uint8_t * to, size_t n) {
    const session_image::cache & from = image.caches.at(cache);
    cache_of(from.of).give_values(*from.held.values, at, to, n);
}

void session::adopt(session_image image) {
    for (session_image::cache & cache : image.caches) cache_of(cache.of).adopt(std::move(cache.held));
    // A rounded cache is this session's own affair.
    if (!image.exact) cache_.set_foreign();
    tokens_ = std::move(image.tokens);
    own_writer_ = image.own_writer;
    writer_ = image.writer;
    first_logits_ = std::move(image.first_logits);
    n_before_answer_ = image.n_before_answer;
    refreshes_ = std::move(image.refreshes);
    refresh_begun_ = image.refresh_begun;
    refreshed_logits_ = std::move(image.refreshed_logits);
    n_before_refreshed_ = image.n_before_refreshed;
    n_checked_ = image.n_checked;
    unfinished_text_ = std::move(image.unfinished_text);
    unfinished_text_before_ = std::move(image.unfinished_text_before);
    n_before_decode_ = (size_t) image.n_before_decode;
    n_refreshes_before_decode_ = (size_t) std::count_if(refreshes_.begin(), refreshes_.end(),
                                                        [this](uint32_t at) { return at <= n_before_decode_; });
    scope_ = std::move(image.scope);
    trace_ = std::move(image.trace);
    set_stage(image.stage);
}

// --- whether it can be one ---

namespace {

bool is_side(pair_side side, const pair & models) { return (size_t) side <= models.n_writers(); }

// What a run's writer wrote may stand in the cache: read into it, or handed over or back.
std::string defect_of(const cache_ledger & ledger, const pair & models, pair_side cache) {
    for (const cache_ledger::run & run : ledger.runs()) {
        if (!is_side(run.by, models)) return "a run of tokens is of no model";
        // Where a memory cannot be cut, tokens are read again by whoever read them.
        if (!models.can_cut() && !(cache == pair_side::prefill && models.shares(run.by)))
            return "a run of tokens is of a model with another cache";
    }
    return "";
}

bool begins_with(const cache_ledger & whole, const cache_ledger & part) {
    cache_ledger cut = whole;
    cut.truncate(part.size());
    return cut == part;
}

std::string defect_of(const session_image::cache & cache, const session_image & image, const pair & models,
                      llama_seq_id sequence) {
    if (!is_side(cache.of, models) || (cache.of != pair_side::prefill && models.shares(cache.of)))
        return "a cache is of no model";
    const cached_sequence::image & held = cache.held;
    if (held.wanted.size() > image.tokens.size()) return "a cache holds more tokens than there are";
    if (!begins_with(held.wanted, held.held)) return "a cache holds other tokens than it is to hold";
    for (const cache_ledger * each : { &held.wanted, &held.held })
        if (const std::string defect = defect_of(*each, models, cache.of); !defect.empty()) return defect;
    if (!held.cells) return held.held.size() == 0 ? "" : "the cells of a cache are missing";
    const cached_sequence::stored & cells = *held.cells;
    if (cells.held.size() > models.info().context_size || !begins_with(cells.held, held.held))
        return "the cells of a cache are of other tokens";
    if (const std::string defect = defect_of(cells.held, models, cache.of); !defect.empty()) return defect;
    const llama_context * ctx = models.context(cache.of);
    std::string defect = state_defect(ctx, sequence, cells.state, cells.held.size(), state_part::all);
    if (!defect.empty()) return defect;
    if (cells.marked.size() == 0) return "";
    if (models.can_cut() || !begins_with(cells.held, cells.marked)) return "a cache is marked where it cannot be";
    return state_defect(ctx, sequence, cells.mark, cells.marked.size(), state_part::uncuttable);
}

std::string defect_of_text(const session_image & image, const pair & models) {
    const size_t n = image.tokens.size(), n_vocab = (size_t) llama_vocab_n_tokens(models.vocab());
    if (n > models.info().context_size) return "there are more tokens than the context has";
    for (const llama_token token : image.tokens)
        if (token < 0 || (size_t) token >= n_vocab) return "a token is none of the vocabulary";
    if (!is_side(image.writer, models) || !is_side(image.own_writer, models)) return "the writer is no model";
    if (image.n_before_answer > n) return "the answer begins behind the text's end";
    if (image.n_checked > n) return "more was checked than there is";
    // An answer that ended at a stop string may have lost the tokens that were refreshed last.
    const size_t furthest = image.stage == session_stage::ended ? models.info().context_size : n;
    uint32_t last = image.n_before_answer;
    for (const uint32_t at : image.refreshes) {
        if (at < last || at > furthest) return "the refreshes are in no order";
        last = at;
    }
    if (image.n_before_refreshed > 0 && (image.refreshes.empty() || image.refreshes.back() != image.n_before_refreshed))
        return "the last refresh is none";
    if (image.first_logits.size() != (image.n_before_answer > 0 ? n_vocab : 0) ||
        image.refreshed_logits.size() != (image.n_before_refreshed > 0 ? n_vocab : 0))
        return "there are more or fewer logits than tokens in the vocabulary";
    // A character has four bytes at most, and what a vocabulary makes of them is not much longer.
    if (image.unfinished_text.size() > 64 || image.unfinished_text_before.size() > 64)
        return "the unfinished character is too long";
    return "";
}

}  // namespace

std::string image_defect(const session_image & image, const pair & models, llama_seq_id sequence) {
    if (const std::string defect = defect_of_text(image, models); !defect.empty()) return defect;
    const bool has_text = image.stage != session_stage::empty && image.stage != session_stage::interrupted;
    if (has_text && image.n_before_answer == 0) return "there is no prompt before the answer";
    if (image.stage == session_stage::empty && !image.tokens.empty()) return "an empty session has tokens";
    if ((image.stage == session_stage::prefilled || image.stage == session_stage::switched) &&
        image.n_before_answer != image.tokens.size())
        return "there is an answer before it began";
    for (size_t i = 0; i < image.caches.size(); i++) {
        for (size_t j = 0; j < i; j++)
            if (image.caches[j].of == image.caches[i].of) return "a cache is there twice";
        const std::string defect = defect_of(image.caches[i], image, models, sequence);
        if (!defect.empty()) return defect;
    }
    return "";
}

}  // namespace overfill
