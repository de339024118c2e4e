#include "product_trials.h"

#include "cpu_products.h"

#include <ggml-backend.h>
#include <ggml-cpp.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>

namespace overfill {

namespace {

constexpr int64_t n_elements = 2048;
constexpr int n_rounds = 5;

// A product as llama.cpp has it computed, on one thread.
class timed_product {
  public:
    timed_product(ggml_backend_t backend, ggml_type type, int64_t n_rows, int64_t n_columns)
        : backend_(backend), context_(ggml_init({ 1 << 20, nullptr, true })) {
        ggml_tensor * weights = ggml_new_tensor_2d(context_.get(), type, n_elements, n_rows);
        ggml_tensor * x = ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, n_elements, n_columns);
        graph_ = ggml_new_graph(context_.get());
        ggml_build_forward_expand(graph_, ggml_mul_mat(context_.get(), weights, x));
        buffer_.reset(ggml_backend_alloc_ctx_tensors(context_.get(), backend));
        if (!buffer_) return;
        // What the numbers are does not matter to speed, as long as they are numbers.
        ggml_backend_buffer_clear(buffer_.get(), 0);
        std::vector<float> ones(size_t(n_elements * n_columns));
        for (size_t i = 0; i < ones.size(); i++) ones[i] = float(i % 17) - 8;
        std::memcpy(x->data, ones.data(), ones.size() * sizeof(float));
    }

    bool is_made() const { return buffer_ != nullptr; }

    // Times ggml's own kernels by ours, each at its least of some rounds, in turn.
    double ratio() {
        double own = std::numeric_limits<double>::infinity();
        double ours = own;
        for (int round = 0; round < n_rounds; round++) {
            own = std::min(own, seconds());
            take_products_of({ buffer_.get() });
            ours = std::min(ours, seconds());
            leave_products_of({ buffer_.get() });
        }
        return own / ours;
    }

  private:
    double seconds() {
        const auto start = std::chrono::steady_clock::now();
        ggml_backend_graph_compute(backend_, graph_);
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }

    ggml_backend_t backend_;
    ggml_context_ptr context_;
    ggml_backend_buffer_ptr buffer_;
    ggml_cgraph * graph_ = nullptr;
};

product_trial run_trial(ggml_type type) {
    product_trial trial{ type };
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    const ggml_backend_ptr backend(ggml_backend_dev_init(device, nullptr));
    const auto set_threads = (ggml_backend_set_n_threads_t) ggml_backend_reg_get_proc_address(
        ggml_backend_dev_backend_reg(device), "ggml_backend_set_n_threads");
    if (!backend || !set_threads) return trial;
    trial.is_right = gives_right_products(type);
    if (!trial.is_right) return trial;
    set_threads(backend.get(), 1);
    const auto ratio = [&](int64_t n_rows, int64_t n_columns) {
        timed_product product(backend.get(), type, n_rows, n_columns);
        return product.is_made() ? product.ratio() : 0;
    };
    // Small enough to be done in some milliseconds each. Where a column alone is left to ggml, nothing is compared.
    trial.one = least_product_columns(type) == 1 ? ratio(2048, 1) : 1;
    if (trial.one < 1 && can_be_left_alone(type)) {
        leave_products_alone_of(type);
        trial.one = 1;
    }
    trial.few = ratio(256, std::max<int64_t>(4, least_product_columns(type)));
    trial.many = ratio(128, 64);
    return trial;
}

}  // namespace

bool product_trial::is_won() const { return is_right && one >= 0.8 && few >= 0.8 && many >= 1.2; }

std::vector<product_trial> try_products(const std::vector<ggml_type> & types) {
    // Under the lock: what is timed beside another trial is timed wrongly.
    static std::mutex mutex;
    static std::map<ggml_type, product_trial> known;
    const std::lock_guard<std::mutex> lock(mutex);
    std::vector<product_trial> out;
    for (const ggml_type type : types) {
        if (known.count(type) == 0) {
            known[type] = run_trial(type);
            if (!known[type].is_won() && can_be_left(type)) leave_products_of(type);
        }
        out.push_back(known[type]);
    }
    return out;
}

}  // namespace overfill
