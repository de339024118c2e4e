// The ledger against a list with one entry a token.
#include "cache_ledger.h"
#include "check.h"

#include <algorithm>
#include <random>

using namespace overfill;

namespace {

using plain = std::vector<pair_side>;

size_t n_clean(const plain & list) {
    return (size_t) (std::find(list.begin(), list.end(), pair_side::decode) - list.begin());
}

size_t n_alike(const plain & a, const plain & b) {
    const size_t n = std::min(a.size(), b.size());
    return (size_t) (std::mismatch(a.begin(), a.begin() + (std::ptrdiff_t) n, b.begin()).first - a.begin());
}

void check_runs(const cache_ledger & ledger, const plain & list) {
    CHECK_EQUAL(ledger.size(), (uint32_t) list.size());
    CHECK_EQUAL(ledger.n_clean(), (uint32_t) n_clean(list));
    uint32_t begin = 0;
    for (const cache_ledger::run & run : ledger.runs()) {
        CHECK(run.end > begin);
        for (uint32_t i = begin; i < run.end; i++) {
            CHECK(list[i] == run.by);
            CHECK(ledger.run_of(i) == run);
        }
        if (run.end < list.size()) CHECK(list[run.end] != run.by);
        begin = run.end;
    }
}

}  // namespace

TEST("an empty ledger holds nothing") {
    cache_ledger ledger;
    CHECK_EQUAL(ledger.size(), 0u);
    CHECK_EQUAL(ledger.n_clean(), 0u);
    ledger.append(0, pair_side::decode);
    ledger.truncate(0);
    ledger.truncate(7);
    CHECK(ledger == cache_ledger());
}

TEST("random appends and truncations leave what a plain list holds") {
    std::mt19937 random(7);
    const auto below = [&](uint32_t n) { return (uint32_t) (random() % n); };
    for (int round = 0; round < 200; round++) {
        cache_ledger ledgers[2];
        plain lists[2];
        for (int step = 0; step < 40; step++) {
            const size_t which = below(2);
            if (below(3) > 0) {
                const pair_side by = below(2) ? pair_side::prefill : pair_side::decode;
                const uint32_t n = below(6);
                ledgers[which].append(n, by);
                lists[which].insert(lists[which].end(), n, by);
            } else if (below(4) == 0) {
                ledgers[which] = ledgers[1 - which];
                lists[which] = lists[1 - which];
            } else {
                const uint32_t n = below(30);
                ledgers[which].truncate(n);
                lists[which].resize(std::min<size_t>(n, lists[which].size()));
            }
            check_runs(ledgers[which], lists[which]);
            CHECK_EQUAL(ledgers[0].n_alike(ledgers[1]), (uint32_t) n_alike(lists[0], lists[1]));
            CHECK_EQUAL(ledgers[1].n_alike(ledgers[0]), ledgers[0].n_alike(ledgers[1]));
            CHECK((ledgers[0] == ledgers[1]) == (lists[0] == lists[1]));
        }
    }
}
