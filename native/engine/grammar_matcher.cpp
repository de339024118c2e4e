#include "grammar_matcher.h"

#include "failure.h"

#include <algorithm>

namespace overfill {

using kind = grammar_element::kind;

// Of one call. A step is a look at a position or at a byte of a token; the largest vocabularies have two million bytes.
static constexpr size_t max_work = 1 << 24;
static constexpr size_t work_between_polls = 1 << 12;
static constexpr size_t max_nodes = 1 << 21, max_positions = 1 << 23;
// What is kept from one token to the next.
static constexpr size_t max_kept_nodes = 1 << 17, max_kept_positions = 1 << 20;

[[noreturn]] static void refuse_ambiguous() {
    throw failure(error_code::grammar_invalid,
                  "the GBNF grammar is too ambiguous: there are too many ways in which the answer can go on",
                  { { "parameter", "grammar" } });
}

grammar_matcher::grammar_matcher(grammar rules, const llama_vocab * vocab, std::shared_ptr<token_pieces> pieces,
                                 std::function<bool()> stopped)
    : rules_(std::move(rules)), vocab_(vocab), pieces_(std::move(pieces)), stopped_(std::move(stopped)) {
    begin_tables();
    std::vector<uint32_t> todo;
    for (const uint32_t begin : rules_.rules[rules_.root]) todo.push_back(push(begin, bottom));
    at_.state = state_of(std::move(todo));
}

void grammar_matcher::begin_tables() {
    nodes_.assign(1, { 0, bottom });
    node_ids_.clear();
    states_.clear();
    state_ids_.clear();
    next_.clear();
    seen_.assign(1, 0);
    search_ = 0;
    n_positions_ = 0;
    intern({}, false);
}

void grammar_matcher::spend(size_t work) {
    work_ += work;
    if (work_ > max_work || nodes_.size() > max_nodes || n_positions_ > max_positions) refuse_ambiguous();
    if (work_ - polled_ < work_between_polls) return;
    polled_ = work_;
    if (stopped_ && stopped_()) throw failure(error_code::aborted, "aborted");
}

// --- positions ---

// The end of a sequence leaves nothing on the stack.
uint32_t grammar_matcher::push(uint32_t element, uint32_t parent) {
    if (rules_.elements[element].is == kind::end) return parent;
    const auto [entry, is_new] = node_ids_.emplace((uint64_t) element << 32 | parent, (uint32_t) nodes_.size());
    if (is_new) {
        nodes_.push_back({ element, parent });
        seen_.push_back(0);
    }
    return entry->second;
}

// Enters the rules that the stacks begin with, until each begins with a character or a token.
uint32_t grammar_matcher::state_of(std::vector<uint32_t> todo) {
    search_++;
    std::vector<uint32_t> nodes;
    bool may_end = false;
    while (!todo.empty()) {
        const uint32_t id = todo.back();
        todo.pop_back();
        if (seen_[id] == search_) continue;
        seen_[id] = search_;
        spend(1);
        if (id == bottom) {
            may_end = true;
            continue;
        }
        const node stack = nodes_[id];
        const grammar_element & element = rules_.elements[stack.element];
        if (element.is != kind::rule) {
            nodes.push_back(id);
            continue;
        }
        const uint32_t after = push(stack.element + 1, stack.parent);
        for (const uint32_t begin : rules_.rules[element.value]) todo.push_back(push(begin, after));
        spend(rules_.rules[element.value].size());
    }
    std::sort(nodes.begin(), nodes.end());
    return intern(std::move(nodes), may_end);
}

uint32_t grammar_matcher::intern(std::vector<uint32_t> nodes, bool may_end) {
    uint64_t hash = may_end;
    for (const uint32_t id : nodes) hash = (hash ^ id) * 0x9E3779B97F4A7C15u + (hash >> 29);
    const auto [first, last] = state_ids_.equal_range(hash);
    for (auto it = first; it != last; ++it)
        if (states_[it->second].may_end == may_end && states_[it->second].nodes == nodes) return it->second;
    n_positions_ += nodes.size() + 1;
    states_.push_back({ std::move(nodes), may_end });
    state_ids_.emplace(hash, (uint32_t) states_.size() - 1);
    return (uint32_t) states_.size() - 1;
}

// Forgets what earlier tokens led to, once that is a lot.
void grammar_matcher::shrink_tables() {
    // A deep answer needs many nodes itself: the tables may double before they are gone through again.
    if (nodes_.size() <= std::max(max_kept_nodes, 2 * n_nodes_kept_) && n_positions_ <= max_kept_positions) return;
    const state now = states_[at_.state];
    const std::vector<node> old = std::move(nodes_);
    std::vector<uint32_t> moved(old.size(), UINT32_MAX);
    for (const uint32_t id : now.nodes)
        for (uint32_t i = id; i != bottom && moved[i] == UINT32_MAX; i = old[i].parent) moved[i] = 0;
    begin_tables();
    // A stack is made after what is below it.
    for (uint32_t i = 1; i < old.size(); i++)
        if (moved[i] == 0) moved[i] = push(old[i].element, old[i].parent == bottom ? bottom : moved[old[i].parent]);
    std::vector<uint32_t> nodes;
    for (const uint32_t id : now.nodes) nodes.push_back(moved[id]);
    std::sort(nodes.begin(), nodes.end());
    at_.state = intern(std::move(nodes), now.may_end);
    n_nodes_kept_ = nodes_.size();
}

// --- characters ---

uint32_t grammar_matcher::read(uint32_t from, uint32_t code_point) {
    const auto interval = std::upper_bound(rules_.intervals.begin(), rules_.intervals.end(), code_point);
    const uint64_t key = (uint64_t) from << 32 | (uint64_t) (interval - rules_.intervals.begin());
    const auto known = next_.find(key);
    if (known != next_.end()) return known->second;
    std::vector<uint32_t> todo;
    spend(states_[from].nodes.size());
    // By index: no reference to a state or a node outlives a push.
    for (size_t i = 0; i < states_[from].nodes.size(); i++) {
        const node stack = nodes_[states_[from].nodes[i]];
        const grammar_element & element = rules_.elements[stack.element];
        if (element.is == kind::characters && contains(rules_.classes[element.value], code_point))
            todo.push_back(push(stack.element + 1, stack.parent));
    }
    const uint32_t to = state_of(std::move(todo));
    next_.emplace(key, to);
    return to;
}

// False: the byte is not allowed.
bool grammar_matcher::read(place & at, unsigned char byte) {
    spend(1);
    partial_character & c = at.partial;
    if (c.n_left > 0) {
        if ((byte & 0xC0) != 0x80) return false;
        c.value = c.value << 6 | (byte & 0x3F);
        if (--c.n_left > 0) return true;
        const bool surrogate = first_surrogate <= c.value && c.value <= last_surrogate;
        if (c.value < c.least || c.value > last_code_point || surrogate) return false;
        at.state = read(at.state, c.value);
        c = {};
    } else if (byte < 0x80) {
        at.state = read(at.state, byte);
    } else {
        if (byte < 0xC2 || byte > 0xF4) return false;
        c.n_left = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
        c.least = c.n_left == 1 ? 0x80 : c.n_left == 2 ? 0x800 : 0x10000;
        c.value = byte & (0x3Fu >> c.n_left);
    }
    return at.state != dead;
}

// Whether some character that begins so is allowed. A half of a surrogate pair is no character, as in `read`: else
// bytes that only such halves go on from would be a dead end.
bool grammar_matcher::can_complete(const place & at) {
    if (at.partial.n_left == 0) return true;
    const uint32_t bits = 6 * at.partial.n_left;
    const uint32_t first = std::max(at.partial.value << bits, at.partial.least);
    const uint32_t last = std::min((at.partial.value << bits) | ((1u << bits) - 1), last_code_point);
    return allows_one_of(at.state, first, std::min(last, first_surrogate - 1)) ||
           allows_one_of(at.state, std::max(first, last_surrogate + 1), last);
}

bool grammar_matcher::allows_one_of(uint32_t state, uint32_t first, uint32_t last) {
    if (first > last) return false;
    for (const uint32_t id : states_[state].nodes) {
        const grammar_element & element = rules_.elements[nodes_[id].element];
        if (element.is != kind::characters) continue;
        spend(1);
        const character_class & ranges = rules_.classes[element.value];
        const auto range =
            std::lower_bound(ranges.begin(), ranges.end(), first,
                             [](const code_point_range & r, uint32_t code_point) { return r.last < code_point; });
        if (range != ranges.end() && range->first <= last) return true;
    }
    return false;
}

// --- tokens ---

bool grammar_matcher::matches_token(const grammar_element & element, llama_token token) const {
    if (element.is == kind::token) return element.value == (uint32_t) token;
    return element.is == kind::other_token && element.value != (uint32_t) token && !llama_vocab_is_eog(vocab_, token) &&
           !piece_of(vocab_, token).empty();
}

bool grammar_matcher::allows(llama_token token) {
    work_ = polled_ = 0;
    if (at_.partial.n_left == 0) {
        spend(states_[at_.state].nodes.size());
        for (const uint32_t id : states_[at_.state].nodes)
            if (matches_token(rules_.elements[nodes_[id].element], token)) return true;
    }
    if (llama_vocab_is_eog(vocab_, token)) return may_end();
    place at = at_;
    const std::string piece = piece_of(vocab_, token);
    if (piece.empty() || piece.find('\0') != std::string::npos) return false;
    for (const char byte : piece)
        if (!read(at, (unsigned char) byte)) return false;
    return can_complete(at);
}

const std::vector<uint8_t> & grammar_matcher::allowed() {
    work_ = polled_ = 0;
    const int32_t n_vocab = llama_vocab_n_tokens(vocab_);
    allowed_.assign((size_t) n_vocab, 0);
    if (may_end())
        for (llama_token token = 0; token < n_vocab; token++)
            allowed_[(size_t) token] = llama_vocab_is_eog(vocab_, token);

    bool other = false;
    spend(states_[at_.state].nodes.size());
    if (at_.partial.n_left == 0)
        for (const uint32_t id : states_[at_.state].nodes) {
            const grammar_element & element = rules_.elements[nodes_[id].element];
            if (element.is == kind::token) allowed_[element.value] = 1;
            other = other || element.is == kind::other_token;
        }

    const std::vector<token_piece> & pieces = pieces_->in_order();
    std::vector<place> path = { at_ };  // behind each byte of the piece, as far as it is allowed
    for (const token_piece & piece : pieces) {
        if (other && !allowed_[(size_t) piece.token])
            for (const uint32_t id : states_[at_.state].nodes)
                if (rules_.elements[nodes_[id].element].is == kind::other_token &&
                    rules_.elements[nodes_[id].element].value != (uint32_t) piece.token) {
                    allowed_[(size_t) piece.token] = 1;
                    break;
                }
        // What the pieces have in common has been refused already.
        if (piece.n_shared >= path.size()) continue;
        path.resize(piece.n_shared + 1);
        while (path.size() <= piece.bytes.size()) {
            place next = path.back();
            if (!read(next, (unsigned char) piece.bytes[path.size() - 1])) break;
            path.push_back(next);
        }
        if (path.size() > piece.bytes.size() && can_complete(path.back())) allowed_[(size_t) piece.token] = 1;
    }
    return allowed_;
}

void grammar_matcher::accept(llama_token token) {
    if (!follow(token, piece_of(vocab_, token), !llama_vocab_is_eog(vocab_, token)))
        throw failure(error_code::internal, "the grammar does not allow token " + std::to_string(token));
}

bool grammar_matcher::follow(llama_token token, const std::string & piece, bool characters) {
    work_ = polled_ = 0;
    std::vector<uint32_t> todo;
    if (at_.partial.n_left == 0)
        for (size_t i = 0; i < states_[at_.state].nodes.size(); i++) {
            const node stack = nodes_[states_[at_.state].nodes[i]];
            if (matches_token(rules_.elements[stack.element], token))
                todo.push_back(push(stack.element + 1, stack.parent));
        }
    place at = at_;
    for (size_t i = 0; characters && i < piece.size(); i++) characters = read(at, (unsigned char) piece[i]);
    if (characters && at.partial.n_left == 0 && !todo.empty()) {
        // As a whole token and by its characters: both ways go on.
        todo.insert(todo.end(), states_[at.state].nodes.begin(), states_[at.state].nodes.end());
        if (states_[at.state].may_end) todo.push_back(bottom);
    }
    if (!todo.empty())
        at = { state_of(std::move(todo)), {} };
    else if (!characters || !can_complete(at))
        return false;
    at_ = at;
    // Which would lose where the draft began.
    if (!before_draft_) shrink_tables();
    return true;
}

}  // namespace overfill
