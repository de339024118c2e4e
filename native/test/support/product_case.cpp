#include "product_case.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <limits>
#include <mutex>
#include <new>
#include <thread>

#ifndef _WIN32
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace overfill::test {

using namespace kernels;

const std::vector<named_weight_type> all_weight_types = {
    { weight_type::q8_0, GGML_TYPE_Q8_0 },     { weight_type::q4_0, GGML_TYPE_Q4_0 },
    { weight_type::iq4_nl, GGML_TYPE_IQ4_NL }, { weight_type::q4_k, GGML_TYPE_Q4_K },
    { weight_type::q5_k, GGML_TYPE_Q5_K },     { weight_type::q6_k, GGML_TYPE_Q6_K },
    { weight_type::q3_k, GGML_TYPE_Q3_K },     { weight_type::q2_k, GGML_TYPE_Q2_K },
    { weight_type::iq4_xs, GGML_TYPE_IQ4_XS }, { weight_type::f16, GGML_TYPE_F16 },
    { weight_type::bf16, GGML_TYPE_BF16 },
};

std::vector<float> some_floats(std::mt19937 & random, size_t count) {
    std::normal_distribution<float> draw(0, 1);
    std::vector<float> out(count);
    for (float & value : out) value = draw(random);
    return out;
}

product_case make_product(std::mt19937 & random, named_weight_type type, int rows, int elements, int columns) {
    product_case made{ type, rows, elements, columns, {}, some_floats(random, size_t(elements) * columns) };
    const auto values = some_floats(random, size_t(rows) * elements);
    made.weights.resize(made.row_bytes() * rows);
    ggml_quantize_chunk(type.ggml, values.data(), made.weights.data(), 0, rows, elements, nullptr);
    return made;
}

namespace {

class team {
  public:
    explicit team(int size) : size_(size) {}
    team_member member(int index) {
        team_member made;
        made.index = index;
        made.size = size_;
        made.team = this;
        made.wait = [](void * self) { static_cast<team *>(self)->wait(); };
        made.set_next = [](void * self, int value) { static_cast<team *>(self)->next_ = value; };
        made.take_next = [](void * self) { return static_cast<team *>(self)->next_++; };
        return made;
    }

  private:
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

}  // namespace

void run_team(int size, const std::function<void(const team_member &)> & work) {
    team all(size);
    std::vector<std::thread> threads;
    for (int i = 1; i < size; i++) threads.emplace_back([&, i] { work(all.member(i)); });
    work(all.member(0));
    for (auto & thread : threads) thread.join();
}

std::vector<float> product_of(const leaf & by, const product_case & c, int threads, const std::uint8_t * weights) {
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
    run_team(threads, [&](const team_member & member) { multiply(by, product, member, work.data()); });
    return out;
}

std::vector<float> product_of(const leaf & by, const product_case & c, int threads) {
    return product_of(by, c, threads, c.weights.data());
}

std::vector<const leaf *> leaves_of(weight_type type) {
    int count = 0;
    const leaf * const * found = leaves(&count);
    std::vector<const leaf *> having;
    for (int i = 0; i < count; i++)
        if (found[i]->multiply[int(type)]) having.push_back(found[i]);
    return having;
}

const leaf & reference_leaf() { return *leaves_of(weight_type::q8_0).back(); }

bool same_bits(const std::vector<float> & a, const std::vector<float> & b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool nearly_same(const std::vector<float> & a, const std::vector<float> & b) {
    double off = 0;
    double size = 0;
    for (size_t i = 0; i < a.size(); i++) {
        off += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
        size += double(b[i]) * b[i];
    }
    return a.size() == b.size() && off <= 1e-10 * size;
}

double error_allowed(weight_type type, const std::vector<float> & row, const float * x) {
    const size_t block = size_t(format_of(type).activation_block);
    double allowed = 0;
    if (format_of(type).is_float) {
        for (size_t i = 0; i < row.size(); i++) allowed += 1e-6 * std::fabs(double(row[i]) * x[i]);
        return allowed + 1e-6;
    }
    for (size_t first = 0; first < row.size(); first += block) {
        double largest = 0;
        double weight = 0;
        for (size_t i = first; i < std::min(first + block, row.size()); i++) {
            largest = std::max(largest, std::fabs(double(x[i])));
            weight += std::fabs(row[i]);
        }
        // The scale of a block of 32 is rounded to f16 as well.
        allowed += weight * largest * (0.5 / 127 + 1e-3);
    }
    return allowed + 1e-5;
}

#ifdef _WIN32

memory_to_its_end::memory_to_its_end(size_t size) : size_(size), memory_(::operator new(size)) {
    begin_ = static_cast<std::uint8_t *>(memory_);
}
memory_to_its_end::~memory_to_its_end() { ::operator delete(memory_); }

#else

memory_to_its_end::memory_to_its_end(size_t size) : size_(size) {
    const auto page = size_t(sysconf(_SC_PAGESIZE));
    const size_t pages = (size + page - 1) / page * page;
    mapped_ = pages + page;
    memory_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    auto * first = static_cast<std::uint8_t *>(memory_);
    if (mprotect(first + pages, page, PROT_NONE) != 0) throw std::bad_alloc();
    begin_ = first + pages - size;
}
memory_to_its_end::~memory_to_its_end() { munmap(memory_, mapped_); }

#endif

}  // namespace overfill::test
