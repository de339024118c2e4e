#include "compute_device.h"

#include "failure.h"

#include <new>
#include <string>

namespace overfill {

compute_device::compute_device(ggml_backend_dev_t device, int32_t n_threads) : device_(device) {
    if (device_) backend_.reset(ggml_backend_dev_init(device_, nullptr));
    if (!backend_)
        throw failure(error_code::out_of_memory,
                      std::string("no back end for the device ") + (device_ ? ggml_backend_dev_name(device_) : "CPU"));
    const auto set_threads = (ggml_backend_set_n_threads_t) ggml_backend_reg_get_proc_address(
        ggml_backend_dev_backend_reg(device_), "ggml_backend_set_n_threads");
    if (set_threads) set_threads(backend_.get(), n_threads);
}

compute_device::compute_device(int32_t n_threads)
    : compute_device(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU), n_threads) {}

const char * compute_device::name() const { return ggml_backend_dev_name(device_); }

bool compute_device::is_cpu() const { return ggml_backend_dev_type(device_) == GGML_BACKEND_DEVICE_TYPE_CPU; }

ggml_backend_buffer_ptr compute_device::allocate(ggml_context * ctx) const {
    ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(ctx, backend_.get()));
    if (!buffer)
        throw failure(error_code::out_of_memory, std::string("not enough memory for training on the device ") + name(),
                      { { "device", name() } });
    return buffer;
}

void compute_device::check_supported(ggml_cgraph * graph) const {
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        const ggml_tensor * node = ggml_graph_node(graph, i);
        if (ggml_backend_supports_op(backend_.get(), node)) continue;
        throw failure(error_code::operation_unsupported,
                      std::string("the device ") + name() + " cannot train this model: it has no operation " +
                          ggml_op_desc(node),
                      { { "operation", ggml_op_desc(node) }, { "device", name() } });
    }
}

void compute_device::stop_with(const std::atomic<bool> & stop) {
    stop_ = &stop;
    const auto set_callback = (ggml_backend_set_abort_callback_t) ggml_backend_reg_get_proc_address(
        ggml_backend_dev_backend_reg(device_), "ggml_backend_set_abort_callback");
    if (!set_callback) return;
    set_callback(
        backend_.get(), [](void * flag) { return static_cast<const std::atomic<bool> *>(flag)->load(); },
        const_cast<std::atomic<bool> *>(stop_));
}

void compute_device::run(ggml_cgraph * graph) const {
    if (stop_ && *stop_) throw failure(error_code::aborted, "training was aborted");
    const ggml_status status = ggml_backend_graph_compute(backend_.get(), graph);
    if (status == GGML_STATUS_ABORTED) throw failure(error_code::aborted, "training was aborted");
    if (status == GGML_STATUS_SUCCESS) return;
    throw failure(status == GGML_STATUS_ALLOC_FAILED ? error_code::out_of_memory : error_code::inference_failed,
                  std::string("a training graph failed on the device ") + name(),
                  { { "device", name() }, { "status", (int) status } });
}

ggml_context_ptr make_tensor_context(size_t n_tensors) {
    ggml_context_ptr ctx(ggml_init({ n_tensors * ggml_tensor_overhead(), nullptr, /*no_alloc*/ true }));
    if (!ctx) throw std::bad_alloc();
    return ctx;
}

}  // namespace overfill
