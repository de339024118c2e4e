// All converting steps between two caches whose target lies on one device, as a ggml graph of that device's back end.
#pragma once

#include "translation.h"

#include <ggml-backend.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace overfill {

// Where a tensor lies; the CPU for one without a buffer.
inline ggml_backend_dev_t device_of(const ggml_tensor * tensor) {
    ggml_backend_dev_t device =
        tensor->buffer ? ggml_backend_buft_get_device(ggml_backend_buffer_get_type(tensor->buffer)) : nullptr;
    return device ? device : ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
}

class device_graph {
  public:
    virtual ~device_graph() = default;
    virtual void run(const translate_job & job) = 0;
};

// Throws ERR_OUT_OF_MEMORY, ERR_HANDOVER_UNAVAILABLE for a step that the device cannot do, or std::bad_alloc.
std::unique_ptr<device_graph> make_device_graph(std::vector<const translate_step *> steps, ggml_backend_dev_t device,
                                                int32_t n_threads);

}  // namespace overfill
