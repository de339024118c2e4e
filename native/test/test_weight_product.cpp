// The matrix kernels by themselves: every type, leaf and shape against plain arithmetic in double precision, against
// each other bit for bit, and at the end of a page.
#include "check.h"
#include "leaf.h"
#include "weight_product.h"

#include <ggml.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <limits>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#ifndef _WIN32
#include <sys/mman.h>
#include <unistd.h>
#endif

using namespace overfill;
using namespace overfill::kernels;
using namespace overfill::test;

namespace {

struct named_type {
    weight_type type;
    ggml_type ggml;
};
const named_type all_types[] = {
    { weight_type::q8_0, GGML_TYPE_Q8_0 },     { weight_type::q4_0, GGML_TYPE_Q4_0 },
    { weight_type::iq4_nl, GGML_TYPE_IQ4_NL }, { weight_type::q4_k, GGML_TYPE_Q4_K },
    { weight_type::q5_k, GGML_TYPE_Q5_K },     { weight_type::q6_k, GGML_TYPE_Q6_K },
    { weight_type::q3_k, GGML_TYPE_Q3_K },     { weight_type::q2_k, GGML_TYPE_Q2_K },
    { weight_type::iq4_xs, GGML_TYPE_IQ4_XS },
};

std::vector<float> some_floats(std::mt19937 & random, size_t count) {
    std::normal_distribution<float> draw(0, 1);
    std::vector<float> out(count);
    for (float & value : out) value = draw(random);
    return out;
}

struct some_case {
    named_type type;
    int rows, elements, columns;
    std::vector<std::uint8_t> weights;
    std::vector<float> x;
    size_t row_bytes() const { return ggml_row_size(type.ggml, elements); }
};

some_case make(std::mt19937 & random, named_type type, int rows, int elements, int columns) {
    some_case made{ type, rows, elements, columns, {}, some_floats(random, size_t(elements) * columns) };
    const auto values = some_floats(random, size_t(rows) * elements);
    made.weights.resize(made.row_bytes() * rows);
    ggml_quantize_chunk(type.ggml, values.data(), made.weights.data(), 0, rows, elements, nullptr);
    return made;
}

// A team of threads that meet at a barrier.
class team {
  public:
    explicit team(int size) : size_(size) {}
    void run(const std::function<void(const kernels::team_member &)> & work) {
        std::vector<std::thread> threads;
        for (int i = 0; i < size_; i++) threads.emplace_back([&, i] { work(member(i)); });
        for (auto & thread : threads) thread.join();
    }

  private:
    kernels::team_member member(int index) {
        kernels::team_member made;
        made.index = index;
        made.size = size_;
        made.team = this;
        made.wait = [](void * self) { static_cast<team *>(self)->wait(); };
        made.set_next = [](void * self, int value) { static_cast<team *>(self)->next_ = value; };
        made.take_next = [](void * self) { return static_cast<team *>(self)->next_++; };
        return made;
    }
    void wait() {
        std::unique_lock<std::mutex> lock(mutex_);
        if (++waiting_ == size_) {
            waiting_ = 0;
            round_++;
            all_there_.notify_all();
            return;
        }
        all_there_.wait(lock, [&, round = round_] { return round_ != round; });
    }

    const int size_;
    std::atomic<int> next_{ 0 };
    std::mutex mutex_;
    std::condition_variable all_there_;
    int waiting_ = 0;
    int round_ = 0;
};

std::vector<float> product_of(const leaf & by, const some_case & c, int threads, const std::uint8_t * weights) {
    weight_product product;
    product.type = c.type.type;
    product.weights = weights;
    product.row_stride = c.row_bytes();
    product.rows = c.rows;
    product.elements = c.elements;
    product.x = reinterpret_cast<const std::uint8_t *>(c.x.data());
    product.counts[0] = c.columns;
    product.strides[0] = size_t(c.elements) * sizeof(float);
    std::vector<float> out(size_t(c.rows) * c.columns, std::numeric_limits<float>::quiet_NaN());
    product.out = out.data();
    product.out_stride = size_t(c.rows);
    std::vector<std::uint8_t> work(work_bytes(by, c.type.type, c.elements, c.columns, threads));
    team(threads).run([&](const kernels::team_member & member) { multiply(by, product, member, work.data()); });
    return out;
}

std::vector<float> product_of(const leaf & by, const some_case & c, int threads = 1) {
    return product_of(by, c, threads, c.weights.data());
}

std::vector<const leaf *> all_leaves() {
    int count = 0;
    const leaf * const * found = leaves(&count);
    return { found, found + count };
}
const leaf & plain() { return *all_leaves().back(); }

bool same_bits(const std::vector<float> & a, const std::vector<float> & b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::string told(const some_case & c) {
    return std::string(ggml_type_name(c.type.ggml)) + ", " + std::to_string(c.rows) + " rows of " +
           std::to_string(c.elements) + ", " + std::to_string(c.columns) + " columns";
}

// Whether the leaf has a way of its own with a column alone, whose sums are added in another order.
bool is_alone(const leaf & by, const some_case & c) { return c.columns == 1 && by.multiply_alone[int(c.type.type)]; }

bool nearly_same(const std::vector<float> & a, const std::vector<float> & b) {
    double off = 0;
    double size = 0;
    for (size_t i = 0; i < a.size(); i++) {
        off += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
        size += double(b[i]) * b[i];
    }
    return a.size() == b.size() && off <= 1e-10 * size;
}

void check_case(bool ok, const some_case & c, const std::string & what) {
    report(ok, __FILE__, __LINE__, told(c) + ": " + what);
}

// Of a column the largest error of its activations' bytes, which is half a step, times what the weights make of it.
double error_allowed(const some_case & c, const std::vector<float> & row, int column) {
    const int block = format_of(c.type.type).activation_block;
    double allowed = 0;
    for (int first = 0; first < c.elements; first += block) {
        double largest = 0;
        double weight = 0;
        for (int i = first; i < std::min(first + block, c.elements); i++) {
            largest = std::max(largest, std::fabs(double(c.x[size_t(column) * c.elements + i])));
            weight += std::fabs(row[i]);
        }
        // The scale of a block of 32 is rounded to f16 as well.
        allowed += weight * largest * (0.5 / 127 + 1e-3);
    }
    return allowed + 1e-5;
}

}  // namespace

TEST("a product is that of double precision, within half a step of the activations") {
    std::mt19937 random(1);
    for (const auto & type : all_types) {
        const auto c = make(random, type, 37, 768, 5);
        const auto out = product_of(plain(), c);
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
                close = close && off <= error_allowed(c, row, column);
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
    for (const auto & type : all_types) {
        const int step = std::max(format_of(type.type).block, format_of(type.type).activation_block);
        for (const int elements : { step, 256, 256 + step, 1024, 2048 + 3 * step })
            for (const int rows : { 1, 7, 16, 33, 64, 100 })
                for (const int columns : { 1, 2, 3, 5, 6, 7, 13 }) {
                    if (rows * columns > 400 && elements > 512) continue;
                    const auto c = make(random, type, rows, elements, columns);
                    const auto expected = product_of(plain(), c);
                    for (const leaf * by : all_leaves()) {
                        const auto out = product_of(*by, c);
                        check_case(is_alone(*by, c) ? nearly_same(out, expected) : same_bits(out, expected), c,
                                   by->name);
                    }
                }
    }
}

TEST("a column has the same bits among any others and with any number of threads, and nearly the same alone") {
    std::mt19937 random(3);
    for (const leaf * by : all_leaves())
        for (const auto & type : all_types) {
            const auto c = make(random, type, 200, 512, 9);
            const auto expected = product_of(*by, c);
            for (const int threads : { 2, 3, 8 })
                check_case(same_bits(product_of(*by, c, threads), expected), c, "threads");
            for (const int column : { 0, 4, 8 }) {
                some_case one = c;
                one.columns = 1;
                one.x.assign(c.x.begin() + column * c.elements, c.x.begin() + (column + 1) * c.elements);
                const std::vector<float> own(expected.begin() + column * c.rows,
                                             expected.begin() + (column + 1) * c.rows);
                const auto alone = product_of(*by, one, 2);
                check_case(is_alone(*by, one) ? nearly_same(alone, own) : same_bits(alone, own), c, "a column alone");
            }
        }
}

TEST("extreme weights and activations: the largest bytes of both signs, zeros, and scales that are not finite") {
    std::mt19937 random(4);
    std::uniform_int_distribution<int> byte(0, 255);
    for (const auto & type : all_types) {
        auto c = make(random, type, 64, 512, 3);
        // Any bytes are blocks. Halves with all bits of the exponent set make scales that are no numbers.
        for (auto & value : c.weights) value = std::uint8_t(byte(random) < 64 ? 0xff : byte(random));
        for (size_t i = 0; i < c.x.size(); i++) c.x[i] = i % 3 == 0 ? 1000.0f : i % 3 == 1 ? -1000.0f : 0.0f;
        std::fill(c.x.begin(), c.x.begin() + c.elements, 0.0f);
        const auto expected = product_of(plain(), c);
        for (const leaf * by : all_leaves()) {
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
    for (const leaf * by : all_leaves())
        for (const auto & type : all_types)
            for (const float bad :
                 { std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity() }) {
                auto one = make(random, type, 64, 512, 1);
                one.x[300] = bad;
                for (const float value : product_of(*by, one)) check_case(!std::isfinite(value), one, by->name);
                auto c = make(random, type, 64, 512, 2);
                c.x[700] = bad;
                const auto out = product_of(*by, c);
                bool right = true;
                for (int r = 0; r < c.rows; r++)
                    right = right && std::isfinite(out[r]) && !std::isfinite(out[c.rows + r]);
                check_case(right, c, by->name);
            }
}

#ifndef _WIN32

TEST("weights that end where their memory ends are not read past their end") {
    std::mt19937 random(6);
    const size_t page = size_t(sysconf(_SC_PAGESIZE));
    for (const leaf * by : all_leaves())
        for (const auto & type : all_types) {
            for (const int columns : { 1, 4 }) {
                const auto c = make(random, type, 45, 768, columns);
                const size_t pages = (c.weights.size() + page - 1) / page * page;
                auto * memory = static_cast<std::uint8_t *>(
                    mmap(nullptr, pages + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
                CHECK(memory != MAP_FAILED);
                mprotect(memory + pages, page, PROT_NONE);
                std::uint8_t * weights = memory + pages - c.weights.size();
                std::memcpy(weights, c.weights.data(), c.weights.size());
                check_case(same_bits(product_of(*by, c, 2, weights), product_of(*by, c)), c, by->name);
                munmap(memory, pages + page);
            }
        }
}

#endif
