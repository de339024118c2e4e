// What a prefill takes over of what was read before, in memory and on disk, and what it keeps: session::prefill_run.
#include "session.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

namespace overfill {

// Bytes that are copied in one turn, so that answers do not wait for a long prompt's.
static constexpr size_t most_bytes_a_turn = 64u << 20;

prefix_cache * session::prefill_run::usable_prefixes() const {
    // What others wrote, or what is behind it, is not what the prefill model would have.
    const session & s = session_;
    return s.cache_.size() == position() && s.n_clean() == s.cache_.size() ? s.pair_.prefixes() : nullptr;
}

// To what was read in whole micro-batches.
static void cut_to_batches(prefix_cache::match & found, uint32_t batch) {
    uint32_t n_more = found.end % batch;
    found.end -= n_more;
    found.n_whole = std::min(found.n_whole, found.end);
    for (; n_more > 0 && !found.pieces.empty(); found.pieces.pop_back()) {
        const uint32_t n = std::min(n_more, found.pieces.back().n);
        found.pieces.back().n -= n;
        n_more -= n;
        if (found.pieces.back().n > 0) break;
    }
}

uint32_t session::prefill_run::end_of_turn() const {
    // The last token is read in any case: its logits are wanted.
    const uint32_t end = (uint32_t) text_.size() - 1;
    const pair & models = session_.pair_;
    if (!models.can_cut()) return end;
    const size_t most = most_bytes_a_turn / std::max<size_t>(models.prefix_bytes_per_token(), 1);
    return (uint32_t) std::min<size_t>(end, position() + std::max<size_t>(most, models.batch_size(pair_side::prefill)));
}

uint32_t session::prefill_run::take_over() {
    prefix_cache * prefixes = usable_prefixes();
    if (!prefixes) return 0;
    session & s = session_;
    const uint32_t at = position(), batch = s.pair_.batch_size(pair_side::prefill);
    // Those that go on behind what was read otherwise would be read in other micro-batches.
    if (deterministic_ && (at % batch != 0 || s.cache_.n_whole() != at)) return 0;
    const uint32_t end = end_of_turn();
    if (const uint32_t n = share(end)) return n;
    const reading how = deterministic_ ? reading::whole : reading::any;
    prefix_cache::match found = prefixes->find(s.scope_, text_.data(), end, at, how);
    if (deterministic_ && found.end % batch != 0)
        found = prefixes->find(s.scope_, text_.data(), found.end / batch * batch, at, how);
    if (found.end <= at || (deterministic_ && found.end % batch != 0)) return 0;
    s.cache_.take_over(text_.data(), found);
    prefixes->count_cached(found.end - at);
    return found.end - at;
}

bool session::prefill_run::take_over_owed() {
    session & s = session_;
    prefix_cache * prefixes = usable_prefixes();
    if (!prefixes || deterministic_) return false;
    const uint32_t at = s.cache_.size() - s.cache_.n_owed();
    const prefix_cache::match found =
        prefixes->find(s.scope_, text_.data(), std::min(position(), (uint32_t) text_.size() - 1), at, reading::any);
    if (found.end <= at) return false;
    s.cache_.take_over(text_.data(), found);
    prefixes->count_cached(found.end - at);
    return true;
}

uint32_t session::prefill_run::share(uint32_t end) {
    session & s = session_;
    if (!s.pair_.has_pool() || !s.pair_.can_cut()) return 0;
    const uint32_t at = position(), batch = s.pair_.batch_size(pair_side::prefill);
    const session * best = nullptr;
    uint32_t n_best = at;
    for (const std::weak_ptr<session *> & one : s.pair_.sharers()) {
        const std::shared_ptr<session *> held = one.lock();
        const session * other = held ? *held : nullptr;
        if (!other || other == &s || other->scope_ != s.scope_ || !other->cache_.holds_cells() ||
            other->cache_.n_foreign() > 0)
            continue;
        uint32_t n = std::min({ end, other->n_clean(), (uint32_t) other->tokens_.size() });
        n = (uint32_t) (std::mismatch(text_.begin(), text_.begin() + n, other->tokens_.begin()).first - text_.begin());
        if (deterministic_) n = std::min(n, other->cache_.n_whole()) / batch * batch;
        if (n <= n_best) continue;
        best = other;
        n_best = n;
    }
    if (!best) return 0;
    s.cache_.share(best->cache_, n_best);
    s.pair_.prefixes()->count_cached(n_best - at);
    return n_best - at;
}

uint32_t session::prefill_run::next_checkpoint() const {
    const uint32_t end = (uint32_t) text_.size(), at = position();
    if (session_.pair_.can_cut() || deterministic_ || !usable_prefixes()) return end;
    const uint32_t stride = session_.pair_.checkpoint_stride();
    // The last one that lets the same text be read again, and those of texts that begin like it.
    const uint32_t last = (end - 1) / prefix_cache::block_size * prefix_cache::block_size;
    const uint32_t next = (at / stride + 1) * stride;
    return std::min(next, last > at ? last : end);
}

void session::prefill_run::give() {
    prefix_cache * prefixes = usable_prefixes();
    session & s = session_;
    if (!prefixes || s.cache_.n_foreign() > 0) return;
    constexpr uint32_t block = prefix_cache::block_size;
    const uint32_t at = position(), n_whole = s.cache_.n_whole();
    const bool ends = at == text_.size();
    // Of a text that would not fit, its beginning is what others are likeliest to want.
    const uint32_t end = std::min(ends ? at : at / block * block, prefixes->max_tokens());
    prefix_files * files = s.pair_.prefix_files();
    const auto add = [&](uint32_t to, kept_state state) {
        const uint32_t begin = (to - 1) / block * block;
        const reading how = to <= n_whole ? reading::whole : reading::any;
        const std::optional<shared_bytes> added = prefixes->add(
            s.scope_, text_.data(), to, how, [&](uint8_t * out) { s.cache_.give_rows(begin, to, out); }, state);
        if (!files || to % block != 0) return;
        if (added) files->write_rows(place_of(begin), text_.data() + begin, how, *added);
        if (state) files->write_state(place_of(begin), text_.data() + begin, how, std::move(state));
    };
    try {
        for (uint32_t begin = prefixes->find_missing(s.scope_, text_.data(), end, n_whole); begin < end; begin += block)
            add(std::min(begin + block, end), nullptr);
        if (files && s.pair_.can_cut()) give_files(end);
        const bool is_checkpoint =
            ends || (at % block == 0 && (at + block >= text_.size() || at % s.pair_.checkpoint_stride() == 0));
        if (!s.pair_.can_cut() && at == end && is_checkpoint && !prefixes->has_state(s.scope_, text_.data(), at))
            add(at, s.cache_.give_state());
    } catch (const std::bad_alloc &) {
        // Nothing is lost but the chance to have it sooner.
        prefixes->clear();
    }
}

void session::prefill_run::give_files(uint32_t from) {
    constexpr uint32_t block = prefix_cache::block_size;
    session & s = session_;
    prefix_files & files = *s.pair_.prefix_files();
    for (n_given_ = std::max(n_given_, from / block * block); n_given_ + block <= position(); n_given_ += block) {
        const prefix_place & place = place_of(n_given_);
        const reading how = n_given_ + block <= s.cache_.n_whole() ? reading::whole : reading::any;
        // What was read in whole micro-batches is good for more, and takes the other's place.
        if (how != reading::whole && files.has(place, prefix_part::rows)) continue;
        shared_bytes rows(block * s.pair_.prefix_bytes_per_token());
        s.cache_.give_rows(n_given_, n_given_ + block, rows.data());
        files.write_rows(place, text_.data() + n_given_, how, std::move(rows));
    }
}

// --- what was read before and is on disk ---

const prefix_place & session::prefill_run::place_of(uint32_t begin) {
    constexpr uint32_t block = prefix_cache::block_size;
    while (places_.size() <= begin / block) {
        const llama_token * tokens = text_.data() + places_.size() * block;
        places_.push_back(places_.empty() ? session_.pair_.prefix_files()->first(session_.scope_, tokens)
                                          : prefix_files::next(places_.back().key, tokens));
    }
    return places_[begin / block];
}

uint32_t session::prefill_run::find_stored() {
    constexpr uint32_t block = prefix_cache::block_size;
    session & s = session_;
    const prefix_files & files = *s.pair_.prefix_files();
    prefix_cache & prefixes = *s.pair_.prefixes();
    const uint32_t end = std::min(prefixes.max_tokens(), ((uint32_t) text_.size() - 1) / block * block);
    uint32_t last = 0;
    uint32_t begin = prefixes.find_missing(s.scope_, text_.data(), end, deterministic_ ? end : 0);
    for (; begin < end && files.has(place_of(begin), prefix_part::rows); begin += block)
        if (files.has(place_of(begin), prefix_part::state)) last = begin + block;
    return last;
}

// Straight into the cells: a text longer than the memory that may be kept is found as well.
uint32_t session::prefill_run::take_stored() {
    constexpr uint32_t block = prefix_cache::block_size;
    session & s = session_;
    prefix_cache * prefixes = usable_prefixes();
    prefix_files * files = s.pair_.prefix_files();
    const uint32_t at = position(), batch = s.pair_.batch_size(pair_side::prefill);
    if (!prefixes || !files || !s.pair_.can_cut() || nothing_stored_ || at + 1 >= text_.size()) return 0;
    if (deterministic_ && (at % batch != 0 || s.cache_.n_whole() != at)) return 0;
    const uint32_t end = end_of_turn();
    prefix_cache::match found;
    size_t n_bytes = 0;
    bool whole = true, ends = false;
    // Less than a micro-batch would be of no use where only whole ones are.
    const auto is_enough = [&](uint32_t begin) {
        return n_bytes >= most_bytes_a_turn && (!deterministic_ || begin >= at + batch);
    };
    try {
        for (uint32_t begin = at / block * block; begin < end && !is_enough(begin); begin += block) {
            if (begin + block > text_.size()) break;
            const llama_token * tokens = text_.data() + begin;
            auto rows = files->read_rows(place_of(begin), tokens);
            ends = !rows || (deterministic_ && rows->how != reading::whole);
            if (ends) break;
            n_bytes += rows->bytes.size();
            if (begin + block <= prefixes->max_tokens())
                prefixes->add(s.scope_, text_.data(), begin + block, rows->how, rows->bytes);
            whole = whole && rows->how == reading::whole;
            const uint32_t first = std::max(at, begin) - begin, stop = std::min(begin + block, end);
            found.pieces.push_back({ std::move(rows->bytes), block, first, stop - begin - first });
            found.end = stop;
            if (whole) found.n_whole = stop;
        }
    } catch (const std::bad_alloc &) {
        prefixes->clear();
        ends = true;
    }
    if (deterministic_) cut_to_batches(found, batch);
    if (found.end <= at) {
        nothing_stored_ = true;
        return 0;
    }
    s.cache_.take_over(text_.data(), found);
    // Where there was no room for it, it is looked for again.
    nothing_stored_ = ends;
    n_given_ = std::max(n_given_, found.end / block * block);
    prefixes->count_cached(found.end - at);
    return found.end - at;
}

bool session::prefill_run::load_stored() {
    constexpr uint32_t block = prefix_cache::block_size;
    session & s = session_;
    prefix_cache * prefixes = usable_prefixes();
    prefix_files * files = s.pair_.prefix_files();
    const uint32_t at = position();
    if (!prefixes || !files || s.pair_.can_cut() || at + 1 >= text_.size()) return false;
    if (deterministic_ && (at % s.pair_.batch_size(pair_side::prefill) != 0 || s.cache_.n_whole() != at)) return false;
    try {
        if (!stored_end_) stored_end_ = find_stored();
        const uint32_t end = std::min(*stored_end_, (end_of_turn() + block - 1) / block * block);
        if (end <= at) return false;
        uint32_t begin = prefixes->find_missing(s.scope_, text_.data(), end, deterministic_ ? end : 0);
        // What others use has taken its room, or that of what the session itself has: then it is read.
        if (begin < n_loaded_ || begin + block <= at) stored_end_ = 0;
        size_t n_bytes = 0;
        const uint32_t begun = begin;
        for (; begin < std::min(end, *stored_end_) && n_bytes < most_bytes_a_turn; begin += block) {
            const llama_token * tokens = text_.data() + begin;
            const auto rows = files->read_rows(place_of(begin), tokens);
            if (!rows || (deterministic_ && rows->how != reading::whole)) {
                stored_end_ = begin;
                break;
            }
            reading how = rows->how;
            kept_state state;
            if (files->has(place_of(begin), prefix_part::state))
                if (auto found = files->read_state(place_of(begin), tokens);
                    found && (!deterministic_ || found->how == reading::whole)) {
                    if (found->how != reading::whole) how = reading::any;
                    state = std::move(found->state);
                }
            n_bytes += rows->bytes.size() + (state ? state->size() : 0);
            prefixes->add(s.scope_, text_.data(), begin + block, how, rows->bytes, std::move(state));
            n_loaded_ = begin + block;
        }
        return begin > begun;
    } catch (const std::bad_alloc &) {
        prefixes->clear();
        stored_end_ = 0;
        return false;
    }
}

}  // namespace overfill
