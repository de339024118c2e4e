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
    return is_alone(by, c.type.type, c.columns) ? nearly_same(a, b) : same_bits(a, b);
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

TEST("every leaf gives the bits of the plain one, whatever the rows, elements and columns, but for a column alone") {
    std::mt19937 random(2);
    for (const auto & type : all_weight_types) {
        const int step = std::max(format_of(type.type).block, format_of(type.type).activation_block);
        for (const int elements : { step, 256, 256 + step, 1024, 2048 + 3 * step })
            for (const int rows : { 1, 7, 16, 33, 64, 100 })
                for (const int columns : { 1, 2, 3, 5, 6, 7, 13 }) {
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

TEST("a column has the same bits among any others and with any number of threads, and nearly the same alone") {
    std::mt19937 random(3);
    for (const auto & type : all_weight_types)
        for (const leaf * by : leaves_of(type.type)) {
            const auto c = make_product(random, type, 200, 512, 9);
            const auto expected = product_of(*by, c);
            for (const int threads : { 2, 3, 8 })
                check_case(same_bits(product_of(*by, c, threads), expected), c, "threads");
            for (const int column : { 0, 4, 8 }) {
                product_case one = c;
                one.columns = 1;
                one.x.assign(c.x.begin() + column * c.elements, c.x.begin() + (column + 1) * c.elements);
                const std::vector<float> own(expected.begin() + column * c.rows,
                                             expected.begin() + (column + 1) * c.rows);
                const auto alone = product_of(*by, one, 2);
                check_case(agree(*by, one, alone, own), c, "a column alone");
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
            for (size_t i = 0; i < out.size(); i++)
                same = same && (std::isnan(out[i]) ? std::isnan(expected[i]) : out[i] == expected[i]);
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
            for (const int columns : { 1, 4 }) {
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
    wrong.multiply_alone[int(weight_type::q4_k)] = [](const row_range & range, const activations &) {
        for (int r = 0; r < range.count; r++) range.out[r] = 1;
    };
    CHECK(!gives_same_products(wrong, reference_leaf(), weight_type::q4_k));
}
