// When rows are read together.
#include "batch_costs.h"
#include "check.h"

using namespace overfill;

TEST("a batch is tried before anything is known, and kept while it costs less than its rows one by one") {
    batch_costs costs;
    CHECK(costs.pays(2, { 1, 1 }));
    costs.saw(2, 15);
    CHECK(costs.pays(2, { 1, 1 }));
    costs.saw(1, 10);
    for (int i = 0; i < 200; i++) CHECK(costs.pays(2, { 1, 1 }));
    CHECK(costs.pays(9, std::vector<uint32_t>(9, 1)));
}

TEST("a batch that costs more is refused, and tried again now and then") {
    batch_costs costs;
    costs.saw(1, 10);
    costs.saw(2, 25);
    costs.saw(8, 40);
    int n_tried = 0;
    for (int i = 0; i < 640; i++) n_tried += costs.pays(2, { 1, 1 });
    CHECK_EQUAL(n_tried, 10);
    CHECK(costs.pays(8, std::vector<uint32_t>(8, 1)));
    // It has become cheaper.
    for (int i = 0; i < 20; i++) costs.saw(2, 12);
    CHECK(costs.pays(2, { 1, 1 }));
}

TEST("checks of several tokens are compared with what each costs alone") {
    batch_costs costs;
    costs.saw(4, 14);
    costs.saw(3, 13);
    costs.saw(8, 20);
    // Read as four of each.
    CHECK(costs.pays(8, { 4, 3 }));
    costs.saw(12, 50);
    CHECK(!costs.pays(12, { 4, 4, 3 }));
    // Nobody knows what five cost.
    CHECK(costs.pays(12, { 5, 4, 3 }));
}

TEST("a batch that was never measured takes at least what a smaller one does") {
    batch_costs costs;
    CHECK_EQUAL(costs.at_least(3), 0.0);
    costs.saw(2, 15);
    costs.saw(8, 40);
    CHECK_EQUAL(costs.at_least(1), 0.0);
    CHECK_EQUAL(costs.at_least(2), 15.0);
    CHECK_EQUAL(costs.at_least(7), 15.0);
    CHECK_EQUAL(costs.at_least(8), 40.0);
    CHECK_EQUAL(costs.at_least(900), 40.0);
}
