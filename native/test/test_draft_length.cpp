// How long drafts are: by costs and acceptance alone.
#include "check.h"
#include "draft_length.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

using namespace overfill;

namespace {

// What reads of so many tokens cost, between which they lie on a line, and what drafting one does, in shares of a token
// of the prefill model's.
struct machine {
    const char * name;
    double draft;
    std::vector<std::pair<uint32_t, double>> reads;

    double check(uint32_t n) const {
        for (size_t i = 1; i < reads.size(); i++) {
            const auto & [from, low] = reads[i - 1];
            const auto & [to, high] = reads[i];
            if (n <= to) return low + (high - low) * (n - from) / (to - from);
        }
        return reads.back().second;
    }
    // Tokens for the time of one of the prefill model's, by drafts of the best length.
    double best(double acceptance) const {
        double out = 1;
        for (uint32_t k = 1; k <= most_drafted; k++) {
            double n_tokens = 0;
            for (uint32_t i = 0; i <= k; i++) n_tokens += std::pow(acceptance, i);
            out = std::max(out, n_tokens / (draft * k + check(k + 1)));
        }
        return out;
    }
};

// As measured: a 1B-shaped q8_0 model, and one whose kernels gain nothing from two rows.
const machine two_cores = { "1B",
                            0.25,
                            { { 1, 1 }, { 2, 1.14 }, { 3, 1.28 }, { 4, 1.42 }, { 5, 2.05 }, { 8, 2.2 }, { 16, 3.4 } } };
const machine dear_pairs = { "dear pairs", 0.35, { { 1, 1 }, { 2, 2.1 }, { 4, 2.67 }, { 8, 3.36 }, { 16, 5.06 } } };
const machine wide = { "wide", 0.3, { { 1, 1 }, { 16, 1.3 } } };
const machine bound_by_arithmetic = { "arithmetic", 0.3, { { 1, 1 }, { 16, 14 } } };

draft_costs costs_of(const machine & on) {
    draft_costs costs;
    for (int i = 0; i < 2; i++) {
        for (uint32_t n = 1; n <= most_drafted + 1; n++) costs.saw_check(n, on.check(n));
        costs.saw_draft(on.draft);
    }
    return costs;
}

machine with_draft(machine on, double draft) {
    on.draft = draft;
    return on;
}

// Tokens for the time of one of the prefill model's, in answers of `length` tokens whose drafts are kept with that
// probability. Costs are those that the first answers find out, or, with `known`, known from the beginning.
double speed_up(const machine & on, double acceptance, uint32_t length = 2000, bool known = true) {
    draft_costs costs = known ? costs_of(on) : draft_costs();
    std::mt19937 random(7);
    std::uniform_real_distribution<double> uniform;
    double ms = 0;
    uint32_t n_tokens = 0;
    for (uint32_t answer = 0; answer < 20000 / length; answer++) {
        draft_length lengths;
        for (uint32_t n = 0; n < length;) {
            const uint32_t drafted = lengths.choose(costs, std::min(most_drafted, length - n - 1));
            uint32_t n_kept = 0;
            while (n_kept < drafted && uniform(random) < acceptance) n_kept++;
            if (drafted > 0) {
                lengths.saw(drafted, n_kept);
                costs.saw_draft(on.draft);
            }
            costs.saw_check(drafted + 1, on.check(drafted + 1));
            ms += on.draft * drafted + on.check(drafted + 1);
            n += n_kept + 1;
            n_tokens += n_kept + 1;
        }
    }
    return n_tokens / ms;
}

}  // namespace

TEST("drafts are as long as pays, in short answers as well, on whatever machine") {
    for (const machine & on : { two_cores, dear_pairs, wide, bound_by_arithmetic })
        for (const bool known : { true, false })
            for (const double acceptance : { 0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 1.0 }) {
                const double possible = on.best(acceptance);
                CHECK(speed_up(on, acceptance, 96, known) > 0.9 * possible);
                CHECK(speed_up(on, acceptance, 2000, known) > 0.92 * possible);
            }
}

TEST("where only long drafts pay, they are found at once if all of them are kept") {
    CHECK(speed_up(dear_pairs, 1.0, 96) > 0.95 * dear_pairs.best(1.0));
    CHECK(dear_pairs.best(1.0) > 1.5);
    const draft_costs costs = costs_of(dear_pairs);
    draft_length length;
    std::vector<uint32_t> tried;
    for (int i = 0; i < 6; i++) {
        tried.push_back(length.choose(costs, most_drafted));
        length.saw(tried.back(), tried.back());
    }
    CHECK_EQUAL(tried[0], 3u);
    CHECK_EQUAL(tried[1], 7u);
    CHECK_EQUAL(tried[5], most_drafted);
}

TEST("a trial that fails is not made again soon") {
    const draft_costs costs = costs_of(dear_pairs);
    draft_length length;
    uint32_t n_trials = 0;
    for (int i = 0; i < 96; i++)
        if (const uint32_t n = length.choose(costs, most_drafted)) {
            n_trials++;
            length.saw(n, 0);
        }
    CHECK_EQUAL(n_trials, 1u);
}

TEST("where no draft pays, hardly any is made") {
    for (const double acceptance : { 0.0, 0.1, 0.3 }) CHECK(speed_up(with_draft(two_cores, 0.75), acceptance) > 0.97);
    CHECK(speed_up(with_draft(two_cores, 3.75), 1.0) > 0.97);
}

TEST("nothing is drafted before the cost of a token alone is known, nor where there is no room") {
    draft_length length;
    CHECK_EQUAL(length.choose({}, 8), 0u);
    CHECK_EQUAL(length.choose_given({}, 8), 0u);
    const draft_costs costs = costs_of(two_cores);
    CHECK_EQUAL(length.choose(costs, 0), 0u);
    CHECK(length.choose(costs, 2) <= 2u);
    CHECK_EQUAL(draft_length(3).choose({}, 8), 3u);
    CHECK_EQUAL(draft_length(3).choose({}, 2), 2u);
}

TEST("what costs nothing is taken where it is likelier to be right than it is dear to check") {
    const draft_costs costs = costs_of(with_draft(two_cores, 0.75));
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

TEST("reads of more tokens than any that was measured are reckoned from those that were") {
    draft_costs costs;
    CHECK_EQUAL(costs.longest_guessed(), 2u);
    for (int i = 0; i < 2; i++) costs.saw_check(1, 10);
    for (int i = 0; i < 2; i++) costs.saw_check(4, 13);
    CHECK_EQUAL(costs.longest_guessed(), 8u);
    CHECK_EQUAL(costs.check_ms(8), 17.0);  // a tenth of a token each
    for (int i = 0; i < 2; i++) costs.saw_check(5, 23);
    CHECK_EQUAL(costs.check_ms(8), 38.0);  // half of what the fifth took
    // None is drafted whose check nobody can guess.
    draft_length length;
    for (int i = 0; i < 50; i++) {
        length.saw(15, 15);
        length.saw_given(15, 15);
    }
    draft_costs fresh;
    for (int i = 0; i < 2; i++) fresh.saw_check(1, 10);
    CHECK_EQUAL(length.choose(fresh, most_drafted), 1u);
    CHECK_EQUAL(length.choose_given(fresh, 15, false), 1u);
}
