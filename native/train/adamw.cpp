#include "adamw.h"

#include <cmath>
#include <new>

namespace overfill {

adamw::adamw(const parameter_list & trained, const parameter_sums & gradients, const compute_device & device,
             const adamw_options & options)
    : device_(device), options_(options), first_(trained, device), second_(trained, device),
      constants_ctx_(make_tensor_context(2)) {
    decaying_ = ggml_new_tensor_1d(constants_ctx_.get(), GGML_TYPE_F32, 7);
    plain_ = ggml_new_tensor_1d(constants_ctx_.get(), GGML_TYPE_F32, 7);
    constants_buffer_ = device.allocate(constants_ctx_.get());

    // Each operation has itself, the weight and two moments, a gradient and the arguments.
    const size_t n_nodes = 6 * trained.size() + 8;
    ctx_.reset(ggml_init({ n_nodes * ggml_tensor_overhead() + ggml_graph_overhead_custom(n_nodes, false), nullptr,
                           /*no_alloc*/ true }));
    if (!ctx_) throw std::bad_alloc();
    graph_ = ggml_new_graph_custom(ctx_.get(), n_nodes, false);
    for (ggml_tensor * weight : trained) {
        const bool decays = options_.decays ? options_.decays(weight->name) : ggml_n_dims(weight) > 1;
        ggml_build_forward_expand(graph_,
                                  ggml_opt_step_adamw(ctx_.get(), weight, gradients.of(weight), first_.of(weight),
                                                      second_.of(weight), decays ? decaying_ : plain_));
    }
    device.check_supported(graph_);
    for (int i = 0; i < ggml_graph_n_nodes(graph_); i++) {
        ggml_tensor * node = ggml_graph_node(graph_, i);
        if (node->view_src && !node->buffer) ggml_backend_view_init(node);
    }
}

void adamw::step(double learning_rate) {
    n_steps_++;
    const auto t = (double) n_steps_;
    const auto set = [&](ggml_tensor * tensor, double decay) {
        const float values[7] = { (float) learning_rate,
                                  (float) options_.beta1,
                                  (float) options_.beta2,
                                  (float) options_.epsilon,
                                  (float) decay,
                                  (float) (1 / (1 - std::pow(options_.beta1, t))),
                                  (float) (1 / (1 - std::pow(options_.beta2, t))) };
        ggml_backend_tensor_set(tensor, values, 0, sizeof values);
    };
    set(decaying_, options_.decay);
    set(plain_, 0);
    device_.run(graph_);
}

}  // namespace overfill
