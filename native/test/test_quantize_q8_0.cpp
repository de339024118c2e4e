// Our q8_0 against ggml's, byte by byte, and how much faster it is.
#include "check.h"
#include "clock.h"
#include "quantize_q8_0.h"

#include <ggml.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <vector>

using namespace overfill;
using namespace overfill::test;

static std::vector<uint8_t> ours(const std::vector<float> & in) {
    std::vector<uint8_t> out(ggml_row_size(GGML_TYPE_Q8_0, (int64_t) in.size()));
    quantize_q8_0(in.data(), out.data(), (int64_t) in.size());
    return out;
}

static std::vector<uint8_t> theirs(const std::vector<float> & in) {
    std::vector<uint8_t> out(ggml_row_size(GGML_TYPE_Q8_0, (int64_t) in.size()));
    ggml_quantize_chunk(GGML_TYPE_Q8_0, in.data(), out.data(), 0, 1, (int64_t) in.size(), nullptr);
    return out;
}

TEST("drawn values of every size") {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (const float size : { 1e-42f, 1e-38f, 1e-20f, 1e-6f, 1e-3f, 1.0f, 100.0f, 1e4f, 8e6f }) {
        std::vector<float> values(32 * 400);
        for (float & value : values) value = size * normal(random);
        CHECK(ours(values) == theirs(values));
    }
}

TEST("ties, and their neighbours on both sides") {
    // With 127 as the largest value the factor is 1, so that these are the numbers that are rounded.
    std::vector<float> values;
    for (int base = 0; base < 126; base++)
        for (const float sign : { 1.0f, -1.0f })
            for (const float part : { 0.0f, 0.5f, std::nextafter(0.5f, 0.0f), std::nextafter(0.5f, 1.0f) }) {
                const float tie = (float) base + part;
                for (const float value : { tie, std::nextafter(tie, 0.0f), std::nextafter(tie, 200.0f) }) {
                    if (values.size() % 32 == 0) values.push_back(127);
                    values.push_back(sign * value);
                }
            }
    values.resize((values.size() + 31) / 32 * 32, 0.0f);
    CHECK(ours(values) == theirs(values));
}

TEST("zeros of both signs, one value alone, equal values") {
    for (const float value : { 0.0f, -0.0f, 1.0f, -3.5f, 65504.0f * 127, std::numeric_limits<float>::denorm_min() }) {
        CHECK(ours(std::vector<float>(64, value)) == theirs(std::vector<float>(64, value)));
        std::vector<float> alone(32, 0.0f);
        alone[7] = value;
        CHECK(ours(alone) == theirs(alone));
    }
}

TEST("it is faster") {
    std::vector<float> values(1 << 22);
    std::mt19937 random(2);
    for (float & value : values) value = (float) random() / 4e9f - 0.5f;
    double best[2] = { 1e9, 1e9 };
    for (int round = 0; round < 5; round++) {
        const stopwatch a;
        const auto one = ours(values);
        best[0] = std::min(best[0], a.milliseconds());
        const stopwatch b;
        CHECK(theirs(values) == one);
        best[1] = std::min(best[1], b.milliseconds());
    }
    std::printf("  %.1f times as fast as ggml's\n", best[1] / best[0]);
    CHECK(best[0] < best[1]);
}
