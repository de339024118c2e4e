// The tree of what was read against a list of all texts: rows are told by all tokens up to theirs.
#include "check.h"
#include "prefix_cache.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <set>

using namespace overfill;

namespace {

constexpr uint32_t block = prefix_cache::block_size;
constexpr size_t row = sizeof(uint64_t);
constexpr size_t unlimited = 1u << 30;

using text = std::vector<llama_token>;

// What a row stands for: the scope and the tokens before it.
std::vector<uint64_t> rows_of(const std::string & scope, const text & tokens) {
    std::vector<uint64_t> out;
    uint64_t hash = std::hash<std::string>()(scope) | 1;
    for (const llama_token token : tokens) out.push_back(hash = hash * 6364136223846793005u + (uint64_t) token + 1);
    return out;
}

kept_state state_at(const std::vector<uint64_t> & rows, uint32_t n) {
    const auto * bytes = (const uint8_t *) &rows[n - 1];
    return std::make_shared<const std::vector<uint8_t>>(bytes, bytes + row);
}

// Adds the first n tokens as a session does that has just read up to there.
void add(prefix_cache & cache, const std::string & scope, const text & tokens, uint32_t n, bool with_state = false,
         uint32_t n_whole = 0) {
    const std::vector<uint64_t> rows = rows_of(scope, tokens);
    const auto add_one = [&](uint32_t begin, kept_state state) {
        const uint32_t end = std::min(begin + block, n);
        cache.add(
            scope, tokens.data(), end, end <= n_whole ? reading::whole : reading::any,
            [&](uint8_t * out) { std::memcpy(out, &rows[begin], (end - begin) * row); }, std::move(state));
    };
    for (uint32_t begin = cache.find_missing(scope, tokens.data(), n, n_whole); begin < n; begin += block)
        add_one(begin, nullptr);
    if (with_state && !cache.has_state(scope, tokens.data(), n)) add_one((n - 1) / block * block, state_at(rows, n));
}

prefix_cache::match find(prefix_cache & cache, const std::string & scope, const text & tokens, uint32_t from = 0,
                         reading how = reading::any) {
    prefix_cache::match found = cache.find(scope, tokens.data(), (uint32_t) tokens.size(), from, how);
    const std::vector<uint64_t> rows = rows_of(scope, tokens);
    uint32_t at = from;
    for (const prefix_cache::piece & piece : found.pieces) {
        CHECK(piece.n > 0 && piece.first + piece.n <= piece.n_stored);
        CHECK_EQUAL(piece.rows.size(), piece.n_stored * row);
        CHECK(std::memcmp(piece.rows.data() + piece.first * row, &rows[at], piece.n * row) == 0);
        at += piece.n;
    }
    if (found.end > from) CHECK_EQUAL(at, found.end);
    if (found.state) CHECK(std::memcmp(found.state->data(), &rows[found.end - 1], row) == 0);
    return found;
}

uint32_t n_alike(const text & a, const text & b) {
    const size_t n = std::min(a.size(), b.size());
    return (uint32_t) (std::mismatch(a.begin(), a.begin() + (std::ptrdiff_t) n, b.begin()).first - a.begin());
}

text some_text(std::mt19937 & random, const std::vector<text> & before) {
    text out;
    if (!before.empty() && random() % 4 > 0) {
        out = before[random() % before.size()];
        out.resize(random() % (out.size() + 1));
    }
    const size_t n = 1 + random() % (3 * block);
    for (size_t i = 0; i < n; i++) out.push_back((llama_token) (random() % 3));
    return out;
}

text counting(uint32_t n, llama_token from = 0) {
    text out(n);
    for (uint32_t i = 0; i < n; i++) out[i] = from + (llama_token) i;
    return out;
}

}  // namespace

TEST("any texts are found as far as one of the same scope was added that begins like them") {
    for (uint32_t seed = 0; seed < 20; seed++) {
        std::mt19937 random(seed);
        prefix_cache cache(unlimited, row, true);
        std::map<std::string, std::vector<text>> added;
        for (int i = 0; i < 40; i++) {
            const std::string scope(1, (char) ('a' + random() % 2));
            const text tokens = some_text(random, added[scope]);
            uint32_t expected = 0;
            for (const text & one : added[scope]) expected = std::max(expected, n_alike(one, tokens));
            const uint32_t from = random() % 2 ? (uint32_t) (random() % tokens.size()) : 0;
            CHECK_EQUAL(find(cache, scope, tokens, from).end, expected > from ? expected : 0);
            const uint32_t n = 1 + (uint32_t) (random() % tokens.size());
            add(cache, scope, tokens, n);
            added[scope].emplace_back(tokens.begin(), tokens.begin() + n);
        }
    }
}

TEST("where a memory cannot be cut, texts are found up to a state") {
    for (uint32_t seed = 0; seed < 20; seed++) {
        std::mt19937 random(seed);
        prefix_cache cache(unlimited, row, false);
        std::vector<text> added;
        std::set<text> states;
        for (int i = 0; i < 40; i++) {
            const text tokens = some_text(random, added);
            uint32_t expected = 0;
            for (const text & one : states)
                if (n_alike(one, tokens) == one.size()) expected = std::max(expected, (uint32_t) one.size());
            const prefix_cache::match found = find(cache, "", tokens);
            CHECK_EQUAL(found.end, expected);
            CHECK_EQUAL(found.state != nullptr, expected > 0);
            const uint32_t n = 1 + (uint32_t) (random() % tokens.size());
            const bool with_state = random() % 2 > 0;
            add(cache, "", tokens, n, with_state);
            added.emplace_back(tokens.begin(), tokens.begin() + n);
            if (with_state) states.insert(added.back());
        }
    }
}

TEST("a text is kept once, however it came, and its shorter end goes when it grows") {
    prefix_cache cache(unlimited, row, true);
    const text tokens = counting(2 * block);
    for (uint32_t n = 1; n <= tokens.size(); n += 37) add(cache, "", tokens, n);
    add(cache, "", tokens, 2 * block);
    CHECK_EQUAL(cache.counts().n_blocks, (uint64_t) 2);
    const uint64_t n_bytes = cache.counts().n_bytes;
    add(cache, "", tokens, 100);
    add(cache, "", tokens, 2 * block);
    CHECK_EQUAL(cache.counts().n_bytes, n_bytes);
}

TEST("what was used longest ago goes first, and never what others follow") {
    const text a = counting(3 * block), b = counting(3 * block, 5000), c = counting(3 * block, 9000);
    prefix_cache probe(unlimited, row, true);
    add(probe, "", a, 3 * block);
    const size_t of_one = probe.counts().n_bytes;
    prefix_cache cache(2 * of_one, row, true);
    add(cache, "", a, 3 * block);
    add(cache, "", b, 3 * block);
    CHECK_EQUAL(find(cache, "", a).end, 3 * block);
    add(cache, "", c, 3 * block);
    CHECK_EQUAL(find(cache, "", a).end, 3 * block);
    CHECK_EQUAL(find(cache, "", b).end, 0u);
    CHECK_EQUAL(find(cache, "", c).end, 3 * block);
    CHECK(cache.counts().n_bytes <= 2 * of_one);
    // The end of a text goes before its beginning.
    add(cache, "", counting(block, 20000), block);
    CHECK_EQUAL(find(cache, "", a).end, 2 * block);
}

TEST("random texts in little room: never more bytes than allowed, and what is found is right") {
    for (uint32_t seed = 0; seed < 10; seed++) {
        std::mt19937 random(seed);
        const bool can_cut = seed % 2 > 0;
        prefix_cache cache(20000, row, can_cut);
        std::vector<text> added;
        for (int i = 0; i < 200; i++) {
            const text tokens = some_text(random, added);
            find(cache, "", tokens);
            add(cache, "", tokens, (uint32_t) tokens.size(), !can_cut && random() % 2);
            CHECK(cache.counts().n_bytes <= 20000);
            if (tokens.size() < 2000) added.push_back(tokens);
        }
        cache.clear();
        CHECK_EQUAL(cache.counts().n_bytes, (uint64_t) 0);
        CHECK_EQUAL(cache.counts().n_blocks, (uint64_t) 0);
    }
}

TEST("who wants what was read whole gets nothing else, and what is read whole later takes its place") {
    prefix_cache cache(unlimited, row, true);
    const text tokens = counting(3 * block);
    add(cache, "", tokens, 2 * block);
    CHECK_EQUAL(find(cache, "", tokens, 0, reading::whole).end, 0u);
    CHECK_EQUAL(cache.find_missing("", tokens.data(), 2 * block, block), 0u);
    add(cache, "", tokens, 3 * block, false, block);
    CHECK_EQUAL(find(cache, "", tokens, 0, reading::whole).end, block);
    CHECK_EQUAL(find(cache, "", tokens).end, 3 * block);
    CHECK_EQUAL(find(cache, "", tokens).n_whole, block);
}

TEST("the state of rows that are read whole later goes with those before them") {
    prefix_cache cache(unlimited, row, /*can_cut*/ false);
    const text tokens = counting(block);
    add(cache, "", tokens, block, /*with_state*/ true);
    const uint64_t n_bytes = cache.counts().n_bytes;
    CHECK(cache.has_state("", tokens.data(), block));
    add(cache, "", tokens, block, false, /*n_whole*/ block);
    CHECK(!cache.has_state("", tokens.data(), block));
    CHECK_EQUAL(cache.counts().n_bytes, n_bytes - row);
    CHECK_EQUAL(find(cache, "", tokens).end, 0u);
    add(cache, "", tokens, block, true, block);
    CHECK_EQUAL(find(cache, "", tokens, 0, reading::whole).end, block);
    CHECK_EQUAL(cache.counts().n_bytes, n_bytes);
}

TEST("a block whose rows cannot be had is not there") {
    prefix_cache cache(unlimited, row, true);
    const text tokens = counting(block);
    bool thrown = false;
    try {
        cache.add("", tokens.data(), block, reading::any, [](uint8_t *) { throw std::bad_alloc(); });
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    CHECK(thrown);
    CHECK_EQUAL(cache.counts().n_blocks, (uint64_t) 0);
    CHECK_EQUAL(find(cache, "", tokens).end, 0u);
    // Nothing can follow what is not there.
    const text longer = counting(2 * block);
    cache.add("", longer.data(), 2 * block, reading::any, [](uint8_t *) {});
    CHECK_EQUAL(cache.counts().n_blocks, (uint64_t) 0);
}
