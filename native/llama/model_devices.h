// The devices that a model's layers lie on, and so compute on.
#pragma once

#include <ggml-backend.h>
#include <llama.h>

#include <set>

namespace overfill {

// Of the layers and the output. The input is looked up on the CPU in any case, which is no work to speak of.
std::set<ggml_backend_dev_t> devices_of(const llama_model * model);

}  // namespace overfill
