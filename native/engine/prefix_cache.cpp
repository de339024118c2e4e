#include "prefix_cache.h"

#include <algorithm>
#include <utility>

namespace overfill {

struct prefix_cache::block {
    block * before = nullptr;  // null: a root, which has no tokens
    std::vector<llama_token> tokens;
    shared_bytes rows;
    kept_state state;
    reading how = reading::any;
    std::vector<std::unique_ptr<block>> after;
    order::iterator used;
    std::string scope;  // of a root

    size_t n_bytes() const {
        return rows.size() + (state ? state->size() : 0) + tokens.size() * sizeof(llama_token) + sizeof(block);
    }
};

prefix_cache::prefix_cache(size_t max_bytes, size_t token_bytes, bool can_cut)
    : max_bytes_(max_bytes), token_bytes_(token_bytes), can_cut_(can_cut) {}

prefix_cache::~prefix_cache() = default;

uint32_t prefix_cache::max_tokens() const {
    const size_t of_block = block_size * (token_bytes_ + sizeof(llama_token)) + sizeof(block);
    return (uint32_t) std::min<size_t>(UINT32_MAX, max_bytes_ / of_block * block_size);
}

static uint32_t n_alike(const std::vector<llama_token> & tokens, const llama_token * text, uint32_t n) {
    const size_t most = std::min<size_t>(tokens.size(), n);
    return (uint32_t) (std::mismatch(tokens.begin(), tokens.begin() + (std::ptrdiff_t) most, text).first -
                       tokens.begin());
}

prefix_cache::block * prefix_cache::next_of(const block & after, const llama_token * next) {
    for (const auto & one : after.after)
        if (one->tokens.size() == block_size && n_alike(one->tokens, next, block_size) == block_size) return one.get();
    return nullptr;
}

prefix_cache::block * prefix_cache::walk(const std::string & scope, const llama_token * text, uint32_t end) {
    const auto root = roots_.find(scope);
    block * at = root == roots_.end() ? nullptr : root->second.get();
    for (uint32_t i = 0; at && i + block_size <= end; i += block_size) at = next_of(*at, text + i);
    return at;
}

prefix_cache::match prefix_cache::find(const std::string & scope, const llama_token * text, uint32_t n, uint32_t from,
                                       reading how) {
    match out;
    const auto root = roots_.find(scope);
    if (root == roots_.end()) return out;
    const auto read_so = [&](const block & b) { return how == reading::any || b.how == reading::whole; };
    std::vector<block *> path;
    block * last = nullptr;  // where the text is left, after n_before of the path
    uint32_t n_of_last = 0;
    size_t n_before = 0;
    for (block * at = root->second.get(); at;) {
        const uint32_t begin = (uint32_t) path.size() * block_size;
        block * next = nullptr;
        for (const auto & one : at->after) {
            const uint32_t n_same = n_alike(one->tokens, text + begin, n - begin);
            if (n_same == 0 || !read_so(*one)) continue;
            const bool all = n_same == one->tokens.size();
            if (all && n_same == block_size) next = one.get();
            if ((!can_cut_ && !(all && one->state)) || begin + n_same <= out.end) continue;
            out.end = begin + n_same;
            last = one.get();
            n_of_last = n_same;
            n_before = path.size();
        }
        if (next) path.push_back(next);
        at = next;
    }
    if (out.end <= from) return {};

    bool whole = true;
    const auto take = [&](const block & b, uint32_t begin, uint32_t n_used) {
        whole = whole && b.how == reading::whole;
        if (whole) out.n_whole = begin + n_used;
        if (begin + n_used <= from) return;
        const uint32_t first = from > begin ? from - begin : 0;
        out.pieces.push_back({ b.rows, (uint32_t) b.tokens.size(), first, n_used - first });
    };
    for (size_t i = 0; i < n_before; i++) take(*path[i], (uint32_t) i * block_size, block_size);
    take(*last, (uint32_t) n_before * block_size, n_of_last);
    if (!can_cut_) out.state = last->state;
    touch(last);
    return out;
}

uint32_t prefix_cache::find_missing(const std::string & scope, const llama_token * text, uint32_t n, uint32_t n_whole) {
    const auto root = roots_.find(scope);
    if (root == roots_.end()) return 0;
    block * at = root->second.get();
    for (uint32_t begin = 0; begin < n; begin += block_size) {
        const uint32_t size = std::min(block_size, n - begin);
        at = size == block_size ? next_of(*at, text + begin) : find_end(*at, text + begin, size);
        if (!at || (begin + size <= n_whole && at->how != reading::whole)) return begin;
    }
    return n;
}

prefix_cache::block * prefix_cache::find_end(const block & after, const llama_token * next, uint32_t n) const {
    for (const auto & one : after.after)
        if ((can_cut_ ? one->tokens.size() >= n : one->tokens.size() == n) && n_alike(one->tokens, next, n) == n)
            return one.get();
    return nullptr;
}

bool prefix_cache::has_state(const std::string & scope, const llama_token * text, uint32_t n) {
    const uint32_t begin = (n - 1) / block_size * block_size;
    const block * at = walk(scope, text, begin);
    const block * end = at ? find_end(*at, text + begin, n - begin) : nullptr;
    return end && end->state;
}

std::optional<shared_bytes> prefix_cache::add(const std::string & scope, const llama_token * text, uint32_t end,
                                              reading how, const std::function<void(uint8_t *)> & fill,
                                              kept_state state) {
    const auto filled = [&] {
        shared_bytes rows(((end - 1) % block_size + 1) * token_bytes_);
        fill(rows.data());
        return rows;
    };
    return add_rows(scope, text, end, how, filled, std::move(state));
}

std::optional<shared_bytes> prefix_cache::add(const std::string & scope, const llama_token * text, uint32_t end,
                                              reading how, const shared_bytes & rows, kept_state state) {
    return add_rows(
        scope, text, end, how, [&] { return rows; }, std::move(state));
}

std::optional<shared_bytes> prefix_cache::add_rows(const std::string & scope, const llama_token * text, uint32_t end,
                                                   reading how, const rows_source & rows, kept_state state) {
    std::optional<shared_bytes> added;
    const uint32_t begin = (end - 1) / block_size * block_size, n = end - begin;
    if (begin == 0 && roots_.count(scope) == 0) {
        auto root = std::make_unique<block>();
        root->scope = scope;
        roots_.emplace(scope, std::move(root));
    }
    block * before = walk(scope, text, begin);
    if (!before) return added;
    block * held = find_end(*before, text + begin, n);
    if (held && how == reading::whole && held->how != how) {
        // Of a longer one, the end stays as it was.
        if (held->tokens.size() == n) {
            held->rows = rows();
            held->how = how;
            // It followed the others.
            if (held->state) n_bytes_ -= held->state->size();
            held->state = nullptr;
            added = held->rows;
        }
    } else if (!held) {
        auto made = std::make_unique<block>();
        made->before = before;
        made->tokens.assign(text + begin, text + end);
        made->rows = rows();
        made->how = how;
        // What it begins like has nothing of its own any more.
        if (can_cut_)
            for (size_t i = 0; i < before->after.size(); i++)
                if (const auto & begun = before->after[i]->tokens;
                    begun.size() < n && n_alike(begun, text + begin, n) == begun.size())
                    drop(*before->after[i--]);
        held = made.get();
        held->used = by_use_.insert(by_use_.begin(), held);
        try {
            before->after.push_back(std::move(made));
        } catch (...) {
            by_use_.erase(held->used);
            throw;
        }
        n_bytes_ += held->n_bytes();
        n_blocks_++;
        added = held->rows;
    }
    if (state && !held->state) {
        n_bytes_ += state->size();
        held->state = std::move(state);
    }
    touch(held);
    make_room();
    return added;
}

void prefix_cache::touch(block * last) {
    for (; last->before; last = last->before) by_use_.splice(by_use_.begin(), by_use_, last->used);
}

void prefix_cache::make_room() {
    while (n_bytes_ > max_bytes_ && !by_use_.empty()) drop_last_used();
}

void prefix_cache::drop_last_used() {
    block & which = *by_use_.back();
    block & before = *which.before;
    drop(which);
    if (!before.before && before.after.empty()) roots_.erase(std::string(before.scope));
}

// None may follow it.
void prefix_cache::drop(block & which) {
    n_bytes_ -= which.n_bytes();
    n_blocks_--;
    by_use_.erase(which.used);
    block & before = *which.before;
    const auto it = std::find_if(before.after.begin(), before.after.end(),
                                 [&](const std::unique_ptr<block> & one) { return one.get() == &which; });
    before.after.erase(it);
}

void prefix_cache::clear() {
    while (!by_use_.empty()) drop_last_used();
}

}  // namespace overfill
