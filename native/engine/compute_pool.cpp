#include "compute_pool.h"

#include <ggml-cpu.h>

namespace overfill {

compute_pool::compute_pool(int32_t n_threads) {
    if (n_threads <= 1) return;
    ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    ggml_backend_reg_t reg = cpu ? ggml_backend_dev_backend_reg(cpu) : nullptr;
    const auto find = [&](auto * function, const char * name) {
        return (decltype(function)) (reg ? ggml_backend_reg_get_proc_address(reg, name) : nullptr);
    };
    auto * make = find((decltype(ggml_threadpool_new) *) nullptr, "ggml_threadpool_new");
    auto * free = find((decltype(ggml_threadpool_free) *) nullptr, "ggml_threadpool_free");
    if (!make || !free) return;
    ggml_threadpool_params params = ggml_threadpool_params_default(n_threads);
    pool_ = { make(&params), release_pool{ free } };
    set_pool_ = find((decltype(ggml_backend_cpu_set_threadpool) *) nullptr, "ggml_backend_cpu_set_threadpool");
    if (set_pool_) pausing_.reset(ggml_backend_dev_init(cpu, nullptr));
}

void compute_pool::rest() {
    if (!pool_ || !pausing_) return;
    set_pool_(pausing_.get(), pool_.get());
    set_pool_(pausing_.get(), nullptr);
}

}  // namespace overfill
