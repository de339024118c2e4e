#include "linear_runner.h"

#include "failure.h"

#include <ggml-cpp.h>

namespace overfill {

linear_runner::linear_runner(int32_t n_threads) {
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    backend_.reset(device ? ggml_backend_dev_init(device, nullptr) : nullptr);
    if (!backend_) throw failure(error_code::out_of_memory, "not enough memory for a CPU back end");
    const auto set_threads = (ggml_backend_set_n_threads_t) ggml_backend_reg_get_proc_address(
        ggml_backend_dev_backend_reg(device), "ggml_backend_set_n_threads");
    if (set_threads) set_threads(backend_.get(), n_threads);
}

void linear_runner::run(const linear_map & map, float * in, float * out, uint32_t n) {
    const ggml_context_ptr ctx{ ggml_init(
        { 4 * ggml_tensor_overhead() + ggml_graph_overhead_custom(4, false), nullptr, /*no_alloc*/ true }) };
    if (!ctx) throw failure(error_code::out_of_memory, "not enough memory for a graph");
    ggml_tensor * w = ggml_new_tensor_2d(ctx.get(), GGML_TYPE_F32, map.n_in, map.n_out);
    ggml_tensor * x = ggml_new_tensor_2d(ctx.get(), GGML_TYPE_F32, map.n_in, n);
    w->data = const_cast<float *>(map.weight.data());
    x->data = in;
    ggml_tensor * y = ggml_mul_mat(ctx.get(), w, x);
    y->data = out;
    ggml_cgraph * graph = ggml_new_graph_custom(ctx.get(), 4, false);
    ggml_build_forward_expand(graph, y);
    const ggml_status status = ggml_backend_graph_compute(backend_.get(), graph);
    if (status == GGML_STATUS_ALLOC_FAILED)
        throw failure(error_code::out_of_memory, "not enough memory for a linear map");
    if (status != GGML_STATUS_SUCCESS) throw failure(error_code::inference_failed, "ggml could not apply a linear map");
}

}  // namespace overfill
