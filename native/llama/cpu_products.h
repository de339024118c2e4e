// Our matrix kernels (native/kernels) inside ggml's CPU back end: they compute products of the weights of models that were
// named to them, in ggml's own threads, on the weights as they lie. How they come there: docs/decisions/0020.
#pragma once

#include <ggml-backend.h>
#include <llama.h>

#include <string>
#include <vector>

namespace overfill {

// Whether the kernels can be had in this process, and why not.
struct cpu_products_state {
    bool available = false;
    std::string leaf;    // instructions that are used, such as "avx512-vnni"
    std::string reason;  // if they cannot be had, a sentence without a full stop
};

// The CPU back end must be loaded. The first call sets everything up.
const cpu_products_state & cpu_products();

// From now on products of these buffers are computed by the kernels; buffers that do not lie in the processor's plain
// memory are left out. Returns false where there is no room for more, or there are no kernels.
bool take_products_of(const std::vector<ggml_backend_buffer_t> & buffers);
void leave_products_of(const std::vector<ggml_backend_buffer_t> & buffers);

// The buffers of the model's weights that lie in the processor's plain memory.
std::vector<ggml_backend_buffer_t> host_weights_of(const llama_model * model);

// Whether a product of this weight with so many columns would be computed by the kernels, if its buffer were named.
bool suits_products(const ggml_tensor * weight);

}  // namespace overfill
