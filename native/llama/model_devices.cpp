#include "model_devices.h"

#include "llama-model.h"

namespace overfill {

std::set<ggml_backend_dev_t> devices_of(const llama_model * model) {
    std::set<ggml_backend_dev_t> out = { model->dev_output() };
    for (int32_t i = 0; i < llama_model_n_layer(model); i++) out.insert(model->dev_layer(i));
    return out;
}

}  // namespace overfill
