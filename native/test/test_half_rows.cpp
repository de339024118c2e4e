// Rows of halves become the bytes of q8_0 that ggml's conversions and our Hadamard rotation make one after the other.
#include "check.h"
#include "leaf.h"
#include "rotation.h"
#include "row_conversion.h"

#include <ggml.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

using namespace overfill;
using namespace overfill::test;

namespace {

std::vector<std::uint8_t> step_by_step(const std::vector<ggml_fp16_t> & row, int hadamard) {
    std::vector<float> values(row.size());
    conversion_of(GGML_TYPE_F16).to_float(row.data(), values.data(), (int64_t) row.size());
    if (hadamard > 0) hadamard_rotate(values.data(), (uint32_t) values.size(), (uint32_t) hadamard);
    std::vector<std::uint8_t> out(ggml_row_size(GGML_TYPE_Q8_0, (int64_t) row.size()));
    conversion_of(GGML_TYPE_Q8_0).from_float(values.data(), out.data(), (int64_t) row.size());
    return out;
}

// In memory of exactly these sizes, so that a sanitizer sees what is read or written beside it.
std::vector<std::uint8_t> at_once(const kernels::leaf & by, const std::vector<ggml_fp16_t> & row, int hadamard) {
    std::vector<std::uint8_t> out(ggml_row_size(GGML_TYPE_Q8_0, (int64_t) row.size()) + 64, 0xa5);
    by.halves_to_q8_0(row.data(), out.data(), row.size(), hadamard);
    for (size_t i = out.size() - 64; i < out.size(); i++) CHECK_EQUAL(out[i], 0xa5);
    out.resize(out.size() - 64);
    out.shrink_to_fit();
    return out;
}

void check_row(const std::vector<ggml_fp16_t> & row, int hadamard, const std::string & what) {
    const auto expected = step_by_step(row, hadamard);
    int count = 0;
    const kernels::leaf * const * all = kernels::leaves(&count);
    for (int i = 0; i < count; i++) {
        if (!all[i]->halves_to_q8_0) continue;
        if (at_once(*all[i], row, hadamard) != expected)
            report(false, __FILE__, __LINE__,
                   std::string(all[i]->name) + ", " + what + ", " + std::to_string(row.size()) +
                       " values, rotated by " + std::to_string(hadamard));
    }
}

struct wanted_size {
    int hadamard;
    std::vector<size_t> sizes;
};
const wanted_size wanted[] = {
    { 0, { 32, 64, 96, 128, 160, 224, 256, 1024, 1056 } },
    { 64, { 64, 128, 192, 320, 1024, 1088 } },
    { 128, { 128, 256, 384, 1024 } },
    { 256, { 256, 512, 768, 1024 } },
};

}  // namespace

TEST("rows of halves become q8_0 at once as they do step by step, to the bit") {
    std::mt19937 random(1);
    for (const float deviation : { 1e-6f, 0.01f, 1.0f, 300.0f }) {
        std::normal_distribution<float> draw(0, deviation);
        for (const auto & [hadamard, sizes] : wanted)
            for (const size_t size : sizes)
                for (int repeat = 0; repeat < 20; repeat++) {
                    std::vector<ggml_fp16_t> row(size);
                    for (ggml_fp16_t & value : row) value = ggml_fp32_to_fp16(draw(random));
                    check_row(row, hadamard, "drawn with a deviation of " + std::to_string(deviation));
                }
    }
}

TEST("so do rows of zeros, of the largest and the least numbers, and of halves between two bytes") {
    const auto filled = [](size_t n, std::initializer_list<float> values) {
        std::vector<ggml_fp16_t> row(n);
        for (size_t i = 0; i < n; i++) row[i] = ggml_fp32_to_fp16(values.begin()[i % values.size()]);
        return row;
    };
    for (const auto & [hadamard, sizes] : wanted)
        for (const size_t size : sizes) {
            check_row(filled(size, { 0.0f, -0.0f }), hadamard, "zeros");
            check_row(filled(size, { 65504.0f, -65504.0f, 1.0f }), hadamard, "the largest");
            check_row(filled(size, { 5.96e-8f, -5.96e-8f, 0.0f }), hadamard, "the least");
            // With 127 as the largest the scale is 1, and these lie just between two whole numbers.
            check_row(filled(size, { 127.0f, 0.5f, -0.5f, 1.5f, 2.5f, -1.5f, -2.5f, 126.5f }), hadamard, "halves");
        }
}

TEST("every number that a half can hold becomes the same byte") {
    std::vector<ggml_fp16_t> row;
    for (uint32_t bits = 0; bits < 0x10000; bits++)
        if ((bits & 0x7c00) != 0x7c00) row.push_back((ggml_fp16_t) bits);
    row.resize(row.size() / 32 * 32);
    check_row(row, 0, "every half");
}
