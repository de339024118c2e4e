// How long drafts are: by costs and acceptance alone.
#include "check.h"
#include "draft_length.h"

#include <random>

using namespace overfill;

namespace {

// As measured of a 1B-shaped q8_0 model on two cores.
draft_costs costs_of(double draft_ms) {
    draft_costs costs;
    const double check_ms[] = { 80, 91, 102, 114, 164, 168, 172, 176 };
    for (int i = 0; i < 2; i++) {
        for (uint32_t n = 1; n <= 8; n++) costs.saw_check(n, check_ms[n - 1]);
        costs.saw_draft(draft_ms);
    }
    return costs;
}

// Tokens for the time of one of the prefill model's, in an answer of 2,000 whose drafts are kept with that probability.
double speed_up(double acceptance, double draft_ms) {
    const draft_costs costs = costs_of(draft_ms);
    draft_length length;
    std::mt19937 random(7);
    std::uniform_real_distribution<double> uniform;
    double ms = 0;
    uint32_t n_tokens = 0;
    while (n_tokens < 2000) {
        const uint32_t n = length.choose(costs, most_drafted);
        uint32_t n_kept = 0;
        while (n_kept < n && uniform(random) < acceptance) n_kept++;
        if (n > 0) length.saw(n, n_kept);
        ms += costs.draft_ms() * n + costs.check_ms(n + 1);
        n_tokens += n_kept + 1;
    }
    return n_tokens * costs.check_ms(1) / ms;
}

}  // namespace

TEST("drafts are as long as pays") {
    CHECK(speed_up(0.9, 20) > 0.95 * 1.58);
    CHECK(speed_up(0.8, 20) > 0.95 * 1.38);
    CHECK(speed_up(1.0, 20) > 1.8);
}

TEST("where no draft pays, hardly any is made") {
    for (const double acceptance : { 0.0, 0.1, 0.3 }) CHECK(speed_up(acceptance, 60) > 0.97);
    CHECK(speed_up(1.0, 300) > 0.97);
}

TEST("nothing is drafted before the cost of a token alone is known, nor where there is no room") {
    draft_length length;
    CHECK_EQUAL(length.choose({}, 8), 0u);
    CHECK_EQUAL(length.choose_given({}, 8), 0u);
    const draft_costs costs = costs_of(10);
    CHECK_EQUAL(length.choose(costs, 0), 0u);
    CHECK(length.choose(costs, 2) <= 2u);
    CHECK_EQUAL(draft_length(3).choose({}, 8), 3u);
    CHECK_EQUAL(draft_length(3).choose({}, 2), 2u);
}

TEST("what costs nothing is taken where it is likelier to be right than it is dear to check") {
    const draft_costs costs = costs_of(60);
    draft_length length;
    for (int i = 0; i < 20; i++) length.saw(1, 0);
    for (int i = 0; i < 20; i++) length.saw_given(4, 4);
    CHECK(length.choose_given(costs, 8) > 3);
    for (int i = 0; i < 200; i++) length.saw_given(4, 0);
    CHECK_EQUAL(length.choose_given(costs, 8), 0u);
}

TEST("costs that were not measured lie between those that were") {
    draft_costs costs;
    costs.saw_check(1, 50);  // with what is done once
    CHECK(!costs.knows_token());
    costs.saw_check(1, 10);
    CHECK(costs.check_ms(4) > 10 && costs.check_ms(4) < 20);
    for (int i = 0; i < 2; i++) costs.saw_check(5, 30);
    CHECK_EQUAL(costs.check_ms(3), 20.0);
    CHECK(costs.check_ms(16) > 30);
}
