// The matrix kernels by themselves: every type, leaf and shape against plain arithmetic in double precision, against
// each other bit for bit, and at the end of a page.
#include "check.h"
#include "product_case.h"
#include "self_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

using namespace overfill;
using namespace overfill::kernels;
using namespace overfill::test;

namespace {

std::string told(const product_case & c) {
    return std::string(ggml_type_name(c.type.ggml)) + ", " + std::to_string(c.rows) + " rows of " +
           std::to_string(c.elements) + ", " + std::to_string(c.columns) + " columns";
}

void check_case(bool ok, const product_case & c, const std::string & what) {
    report(ok, __FILE__, __LINE__, told(c) + ": " + what);
}

bool agree(const leaf & by, const product_case & c, const std::vector<float> & a, const std::vector<float> & b) {
    return by.has_few(c.type.type, c.columns) ? nearly_same(a, b) : same_bits(a, b);
}

float greatest_of(const std::vector<float> & values) {
    float greatest = 0;
    for (const float value : values)
        if (std::isfinite(value)) greatest = std::max(greatest, std::fabs(value));
    return greatest;
}

}  // namespace

TEST("a product is that of double precision, within half a step of the activations") {
    std::mt19937 random(1);
    for (const auto & type : all_weight_types) {
        const auto c = make_product(random, type, 37, 768, 5);
        const auto out = product_of(reference_leaf(), c);
        std::vector<float> row(c.elements);
        bool close = true;
        double error = 0;
        double size = 0;
        for (int r = 0; r < c.rows; r++) {
            ggml_get_type_traits(type.ggml)->to_float(c.weights.data() + r * c.row_bytes(), row.data(), c.elements);
            for (int column = 0; column < c.columns; column++) {
                double exact = 0;
                for (int i = 0; i < c.elements; i++) exact += double(row[i]) * c.x[size_t(column) * c.elements + i];
                const double off = std::fabs(out[size_t(column) * c.rows + r] - exact);
                close = close && off <= error_allowed(type.type, row, c.x.data() + size_t(column) * c.elements);
                error += off * off;
                size += exact * exact;
            }
        }
        check_case(close, c, "near enough");
        check_case(std::sqrt(error / size) < 0.02, c, "in all within 2 percent");
    }
}

TEST("every leaf gives the bits of the plain one, whatever the rows, elements and columns, but for few columns") {
    std::mt19937 random(2);
    for (const auto & type : all_weight_types) {
        const int step = std::max(format_of(type.type).block, format_of(type.type).activation_block);
        for (const int elements : { step, 256, 256 + step, 1024, 2048 + 3 * step })
            for (const int rows : { 1, 7, 16, 33, 64, 100 })
                for (const int columns : { 1, 2, 3, 5, 6, 7, 8, 13, 16, 17, 18, 19, 20, 21, 22 }) {
                    if (rows * columns > 400 && elements > 512) continue;
                    const auto c = make_product(random, type, rows, elements, columns);
                    const auto expected = product_of(reference_leaf(), c);
                    for (const leaf * by : leaves_of(type.type)) {
                        const auto out = product_of(*by, c);
                        check_case(agree(*by, c, out, expected), c, by->name);
                    }
                }
    }
}

TEST("a column has the same bits among any others and with any number of threads, but for few and many columns") {
    std::mt19937 random(3);
    for (const auto & type : all_weight_types)
        for (const leaf * by : leaves_of(type.type)) {
            const auto whole = make_product(random, type, 200, 512, 25);
            const auto some = [&](int first, int columns) {
                product_case c = whole;
                c.columns = columns;
                c.x.assign(whole.x.begin() + first * c.elements, whole.x.begin() + (first + columns) * c.elements);
                return c;
            };
            for (const int threads : { 2, 3, 8 })
                for (const int columns : { 9, 25 })
                    check_case(same_bits(product_of(*by, some(0, columns), threads), product_of(*by, some(0, columns))),
                               some(0, columns), "threads");
            for (const int column : { 0, 4, 8 }) {
                std::vector<float> few, many;
                for (const int columns : { 1, 2, 3, 8, 9, 16, 17 }) {
                    const auto c = some(column, columns);
                    auto own = product_of(*by, c, 2);
                    own.resize(size_t(c.rows));
                    auto & expected = by->has_few(type.type, columns) ? few : many;
                    if (expected.empty()) expected = own;
                    check_case(same_bits(own, expected), c, "a column among others");
                }
                if (!few.empty()) check_case(nearly_same(few, many), whole, "few and many columns");
            }
        }
}

TEST("extreme weights and activations: the largest bytes of both signs, zeros, and scales that are not finite") {
    std::mt19937 random(4);
    std::uniform_int_distribution<int> byte(0, 255);
    for (const auto & type : all_weight_types) {
        auto c = make_product(random, type, 64, 512, 3);
        // Any bytes are blocks. Halves with all bits of the exponent set make scales that are no numbers.
        for (auto & value : c.weights) value = std::uint8_t(byte(random) < 64 ? 0xff : byte(random));
        for (size_t i = 0; i < c.x.size(); i++) c.x[i] = i % 3 == 0 ? 1000.0f : i % 3 == 1 ? -1000.0f : 0.0f;
        std::fill(c.x.begin(), c.x.begin() + c.elements, 0.0f);
        const auto expected = product_of(reference_leaf(), c);
        for (const leaf * by : leaves_of(type.type)) {
            const auto out = product_of(*by, c);
            bool same = true;
            // Few columns may differ by rounding, and where all cancels out by more than their size.
            const float near = by->has_few(type.type, c.columns) ? 1e-4f * greatest_of(expected) : 0;
            for (size_t i = 0; i < out.size(); i++)
                same = same && (std::isfinite(expected[i]) ? std::fabs(out[i] - expected[i]) <= near
                                : std::isnan(expected[i])  ? std::isnan(out[i])
                                                           : out[i] == expected[i]);
            check_case(same, c, by->name);
        }
    }
}

TEST("activations that are not finite make no finite product") {
    std::mt19937 random(5);
    for (const auto & type : all_weight_types)
        for (const leaf * by : leaves_of(type.type))
            for (const float bad :
                 { std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity() }) {
                auto one = make_product(random, type, 64, 512, 1);
                one.x[300] = bad;
                for (const float value : product_of(*by, one)) check_case(!std::isfinite(value), one, by->name);
                auto c = make_product(random, type, 64, 512, 2);
                c.x[700] = bad;
                const auto out = product_of(*by, c);
                bool right = true;
                for (int r = 0; r < c.rows; r++)
                    right = right && std::isfinite(out[r]) && !std::isfinite(out[c.rows + r]);
                check_case(right, c, by->name);
            }
}

TEST("weights that end where their memory ends are not read past their end") {
    std::mt19937 random(6);
    for (const auto & type : all_weight_types)
        for (const leaf * by : leaves_of(type.type))
            for (const int columns : { 1, 4, 20 }) {
                const auto c = make_product(random, type, 45, 768, columns);
                const memory_to_its_end weights(c.weights.size());
                std::memcpy(weights.begin(), c.weights.data(), c.weights.size());
                check_case(same_bits(product_of(*by, c, 2, weights.begin()), product_of(*by, c)), c, by->name);
            }
}

TEST("the check that a leaf passes before it is trusted finds one wrong bit, in any column and in one alone") {
    for (const auto & [type, ggml] : all_weight_types)
        for (const leaf * by : leaves_of(type))
            report(gives_same_products(*by, reference_leaf(), type), __FILE__, __LINE__,
                   std::string(by->name) + ", " + ggml_type_name(ggml));
    static const auto right = reference_leaf().multiply[int(weight_type::q4_k)];
    static int off_column = 0;
    leaf wrong = reference_leaf();
    wrong.multiply[int(weight_type::q4_k)] = [](const row_range & range, const activations & columns,
                                                std::uint8_t * scratch) {
        right(range, columns, scratch);
        if (off_column >= columns.columns) return;
        float & value = range.out[size_t(off_column) * range.out_stride + size_t(range.count - 1)];
        value = std::nextafter(value, 0.0f);
    };
    for (off_column = 0; off_column < 7; off_column++)
        CHECK(!gives_same_products(wrong, reference_leaf(), weight_type::q4_k));
    wrong = reference_leaf();
    wrong.most_few[int(weight_type::q4_k)] = 2;
    wrong.multiply_few[int(weight_type::q4_k)] = [](const row_range & range, const activations & columns) {
        for (int c = 0; c < columns.columns; c++)
            for (int r = 0; r < range.count; r++) range.out[size_t(c) * range.out_stride + size_t(r)] = 1;
    };
    CHECK(!gives_same_products(wrong, reference_leaf(), weight_type::q4_k));
}
