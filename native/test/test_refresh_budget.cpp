// When a budget lets an answer be refreshed: by doubts and costs alone. No clock is read.
#include "check.h"
#include "logits.h"
#include "refresh_budget.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>

using namespace overfill;

namespace {

struct machine {
    double token_ms = 50, one_ms = 120, more_ms = 12;  // of two cores, about
    bool in_part = true;
    double refresh_ms(uint32_t n) const { return one_ms + more_ms * (n - 1); }
};

struct course {
    double share = 0;                    // of the writing's time, in the end
    double most_over = -1e9;             // by which the budget was exceeded at any time, in refreshes of one token
    double doubt = 0, doubt_of_all = 0;  // mean at refreshes, and of all tokens
    uint32_t n_refreshes = 0, n_read = 0, n_tokens = 0;
};

// Seldom unsure, as writers are.
float some_doubt(std::mt19937 & random) {
    const float u = std::uniform_real_distribution<float>()(random);
    return u * u * u;
}

course write(double share, uint32_t n_tokens, const machine & costs_of, bool fixed = false,
             const std::function<float(std::mt19937 &)> & doubts = some_doubt) {
    refresh_budget budget({ share, fixed });
    refresh_costs costs;
    refresh_budget::spent so_far;
    std::mt19937 random(3);
    course out;
    uint32_t n_unread = 1;
    for (uint32_t i = 0; i < n_tokens; i++) {
        const float doubt = doubts(random);
        out.doubt_of_all += doubt / n_tokens;
        so_far.writing_ms += costs_of.token_ms;
        const uint32_t n = budget.choose(doubt, n_unread, costs_of.in_part, so_far, costs,
                                         { costs_of.token_ms * 2, costs_of.more_ms * 1.2 });
        if (n > 0) {
            CHECK(n <= n_unread);
            CHECK(costs_of.in_part || n == n_unread);
            const double ms = costs_of.refresh_ms(n);
            costs.saw(n, ms);
            so_far.refresh_ms += ms;
            so_far.n_refreshes++;
            out.doubt += doubt;
            out.n_read += n;
            n_unread = 0;
            const double allowed = share * so_far.writing_ms;
            out.most_over = std::max(out.most_over, (so_far.refresh_ms - allowed) / costs_of.one_ms);
        }
        so_far.n_tokens++;
        n_unread++;
    }
    out.share = so_far.refresh_ms / so_far.writing_ms;
    out.n_refreshes = so_far.n_refreshes;
    out.n_tokens = n_tokens;
    if (out.n_refreshes > 0) out.doubt /= out.n_refreshes;
    return out;
}

}  // namespace

TEST("refreshes take no more than their share, and most of it") {
    for (const double share : { 0.02, 0.05, 0.2, 0.5, 1.0 }) {
        for (const double more_ms : { 0.1, 12.0, 60.0 }) {
            machine m;
            m.more_ms = more_ms;
            const course seen = write(share, 3000, m);
            CHECK(seen.share <= share * 1.02);
            CHECK(seen.share >= share * 0.6);
            // What was not measured yet is guessed.
            CHECK(seen.most_over < 1);
        }
    }
}

TEST("refreshes come where the writer is unsure") {
    const course seen = write(0.05, 3000, {});
    CHECK(seen.doubt_of_all < 0.3);
    CHECK(seen.doubt > 0.7);
    CHECK(seen.n_refreshes > 20);
}

TEST("a writer that is sure is never refreshed, and one that is always as unsure is") {
    CHECK_EQUAL(write(1, 500, {}, false, [](std::mt19937 &) { return 0.01f; }).n_refreshes, 0u);
    CHECK(write(0.05, 1000, {}, false, [](std::mt19937 &) { return 0.4f; }).share > 0.03);
    CHECK(write(0.05, 1000, {}, false, [](std::mt19937 &) { return 1.0f; }).share > 0.03);
}

TEST("the threshold follows a text that grows surer") {
    uint32_t i = 0;
    const course seen = write(0.1, 2000, {}, false,
                              [&](std::mt19937 & random) { return some_doubt(random) * (i++ < 1000 ? 1.0f : 0.3f); });
    CHECK(seen.share > 0.07);
    CHECK(seen.share <= 0.102);
}

TEST("the newest tokens are read again as far as they cost little more than one, all where memory is the limit") {
    machine dear;
    dear.more_ms = 40;
    const course few = write(0.2, 3000, dear);
    CHECK(few.n_read < 3 * few.n_refreshes);
    machine cheap;
    cheap.more_ms = 0.2;
    const course all = write(0.2, 3000, cheap);
    CHECK(all.n_read > 2600);
}

TEST("where all has to be read again it is, once that can be paid") {
    machine m;
    m.in_part = false;
    m.more_ms = 1;
    const course seen = write(0.1, 3000, m);
    CHECK(seen.n_read > 2500);
    CHECK(seen.share <= 0.102);
    // Reading a token again costs more than writing it gives: it can never be paid.
    m.more_ms = 30;
    CHECK(write(0.1, 3000, m).share <= 0.2);
}

TEST("with fixed costs nothing depends on what was measured") {
    machine fast, slow;
    slow.token_ms = 700;
    slow.one_ms = 9;
    const course a = write(0.1, 600, fast, true), b = write(0.1, 600, slow, true);
    CHECK_EQUAL(a.n_refreshes, b.n_refreshes);
    CHECK_EQUAL(a.n_read, b.n_read);
    CHECK(a.n_refreshes >= 10 && a.n_refreshes <= 20);
}

TEST("costs that were not measured lie between those that were") {
    refresh_costs costs;
    CHECK_EQUAL(costs.ms(1, { 100 }), 100.0);
    CHECK(costs.ms(11, { 100 }) > 100 && costs.ms(11, { 100 }) < 250);
    CHECK_EQUAL(costs.ms(11, { 100, 1 }), 110.0);
    CHECK_EQUAL(costs.n_cheap({ 100 }), 1u);
    costs.saw(1, 500);  // with what is done once
    CHECK_EQUAL(costs.ms(1, { 100 }), 100.0);
    costs.saw(1, 80);
    CHECK_EQUAL(costs.ms(1, { 100 }), 80.0);
    // Twice as many as were measured are tried.
    CHECK_EQUAL(costs.n_cheap({ 100 }), 2u);
    for (int i = 0; i < 3; i++) costs.saw(9, 160);
    CHECK_EQUAL(costs.ms(5, { 100 }), 120.0);
    CHECK_EQUAL(costs.ms(9, { 100 }), 160.0);
    CHECK(costs.ms(20, { 100 }) > 160);
    CHECK_EQUAL(costs.n_cheap({ 100 }), 4u);
}

TEST("a doubt is the second likeliest token's probability in shares of the likeliest's") {
    std::vector<float> logits(37, -3.0f);
    for (size_t first = 0; first < logits.size(); first++) {
        for (size_t second = 0; second < logits.size(); second++) {
            if (first == second) continue;
            logits[first] = 2;
            logits[second] = 1;
            CHECK(std::abs(doubt_of(logits.data(), 37) - std::exp(-1.0f)) < 1e-6f);
            logits[first] = logits[second] = -3;
        }
    }
    CHECK_EQUAL(doubt_of(logits.data(), 37), 1.0f);
    std::fill(logits.begin(), logits.end(), -std::numeric_limits<float>::infinity());
    logits[5] = 1;
    CHECK_EQUAL(doubt_of(logits.data(), 37), 0.0f);
}
