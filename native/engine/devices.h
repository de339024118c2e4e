// The ggml back ends of the process and their devices. The registry is ggml's and process-wide: several pairs and
// several worker threads share it.
#pragma once

#include <llama.h>

#include <cstdint>
#include <string>
#include <vector>

namespace overfill {

struct device_info {
    std::string name;         // such as "CPU" or "Vulkan0"
    std::string description;  // such as the processor's name
    std::string kind;         // "cpu", "gpu", "igpu" or "accel"
    std::string backend;      // such as "CPU" or "Vulkan"
    uint64_t memory_free_bytes = 0;
    uint64_t memory_total_bytes = 0;
};

// Loads the CPU back end that suits this processor best from the folder of the platform package, once. An empty folder
// means that the back ends are linked in. Throws ERR_BINDING_LOAD_FAILED if there is none.
void load_cpu_backend(const std::string & directory);

// Loads a GPU back end's library, once; false if it finds no driver or no device. Throws ERR_GPU_UNAVAILABLE if the
// file cannot be loaded.
bool load_gpu_backend(const std::string & path);

std::vector<device_info> list_devices();

// The instruction sets that the loaded CPU back end uses, such as "AVX2".
std::string cpu_features();

}  // namespace overfill
