// What is counted by size, and which of an answer's times are.
#include "check.h"
#include "histogram.h"
#include "pair_meters.h"

#include <chrono>
#include <sstream>
#include <thread>

using namespace overfill;
using namespace std::chrono_literals;

static std::string told(const histogram & from) {
    std::ostringstream out;
    for (const uint64_t count : from.read().counts) out << count << ' ';
    return out.str();
}

TEST("a value counts with the first bound that is not below it, and above the last with what is larger than all") {
    histogram sizes({ 1, 2, 5 });
    for (const double value : { 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 5.0, 5.5, 1e9 }) sizes.add(value);
    CHECK_EQUAL(told(sizes), "3 2 2 2 ");
    const histogram_counts read = sizes.read();
    CHECK(read.bounds == std::vector<double>({ 1, 2, 5 }));
    CHECK_EQUAL(read.count, 9u);
    CHECK_EQUAL(read.sum, 1e9 + 18);
}

TEST("what was never added to has a count of nothing for each bound") {
    const histogram sizes({ 1, 2 });
    CHECK_EQUAL(told(sizes), "0 0 0 ");
    CHECK_EQUAL(sizes.read().count, 0u);
    CHECK_EQUAL(sizes.read().sum, 0.0);
}

TEST("nothing is lost where several threads add and another reads") {
    histogram sizes({ 0, 1 });
    constexpr uint64_t n = 20000;
    const auto add = [&] {
        for (uint64_t i = 0; i < n; i++) sizes.add((double) (i % 3));
    };
    std::thread first(add), second(add);
    for (uint64_t before = 0; before < 2 * n;) {
        const histogram_counts read = sizes.read();
        uint64_t all = 0;
        for (const uint64_t count : read.counts) all += count;
        CHECK_EQUAL(read.count, all);
        CHECK(read.count >= before);
        before = read.count;
    }
    first.join();
    second.join();
    CHECK_EQUAL(told(sizes), "13334 13334 13332 ");
    CHECK_EQUAL(sizes.read().sum, 13334.0 + 2 * 13332);
}

TEST("bounds ascend") {
    const pair_meters meters;
    for (const histogram * of : { &meters.first_token_ms, &meters.between_tokens_ms, &meters.decode_batch_sizes }) {
        const std::vector<double> bounds = of->read().bounds;
        for (size_t i = 1; i < bounds.size(); i++) CHECK(bounds[i - 1] < bounds[i]);
    }
}

TEST("the first token counts from the prefill's call, each further one from the one before") {
    pair_meters meters;
    const answer_clock::time asked{};
    answer_clock clock(asked);
    clock.wrote_token(meters, asked + 700ms);
    clock.wrote_token(meters, asked + 740ms);
    clock.wrote_token(meters, asked + 800ms);
    CHECK_EQUAL(meters.first_token_ms.read().count, 1u);
    CHECK_EQUAL(meters.first_token_ms.read().sum, 700.0);
    CHECK_EQUAL(meters.between_tokens_ms.read().count, 2u);
    CHECK_EQUAL(meters.between_tokens_ms.read().sum, 100.0);
}

TEST("an answer that goes on has no first token, and what passed before it does not count") {
    pair_meters meters;
    answer_clock clock(std::nullopt);
    clock.wrote_token(meters, answer_clock::time(50ms));
    clock.wrote_token(meters, answer_clock::time(53ms));
    CHECK_EQUAL(meters.first_token_ms.read().count, 0u);
    CHECK_EQUAL(meters.between_tokens_ms.read().sum, 3.0);
}

TEST("the time in which an answer waited for its reader does not count") {
    pair_meters meters;
    answer_clock clock(answer_clock::time(0ms));
    clock.wrote_token(meters, answer_clock::time(10ms));
    clock.waits_for_reader();
    clock.wrote_token(meters, answer_clock::time(5000ms));
    clock.wrote_token(meters, answer_clock::time(5004ms));
    CHECK_EQUAL(meters.between_tokens_ms.read().count, 1u);
    CHECK_EQUAL(meters.between_tokens_ms.read().sum, 4.0);
}
