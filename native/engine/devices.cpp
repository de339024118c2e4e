#include "devices.h"

#include "cpu_products.h"
#include "failure.h"
#include "llama_log.h"

#include <ggml-backend.h>

#include <map>
#include <mutex>

namespace overfill {

static std::mutex registry_mutex;

void load_cpu_backend(const std::string & directory) {
    const std::lock_guard<std::mutex> lock(registry_mutex);
    if (ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU)) return;
    const log_capture log;
    if (!directory.empty()) ggml_backend_load_all_from_path(directory.c_str());
    if (!ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU))
        throw failure(error_code::binding_load_failed,
                      "no CPU back end of ggml could be loaded from " + directory + ": " + log.errors(),
                      { { "directory", directory } });
    // Now, since later something may be computing.
    cpu_products();
}

bool load_gpu_backend(const std::string & path) {
    const std::lock_guard<std::mutex> lock(registry_mutex);
    static std::map<std::string, bool> loaded;
    if (const auto known = loaded.find(path); known != loaded.end()) return known->second;

    const log_capture log;
    ggml_backend_reg_t backend = ggml_backend_load(path.c_str());
    if (!backend)
        throw failure(error_code::gpu_unavailable, path + " could not be loaded: " + log.errors(),
                      { { "path", path } });
    return loaded[path] = ggml_backend_reg_dev_count(backend) > 0;
}

static const char * kind_name(enum ggml_backend_dev_type type) {
    switch (type) {
    case GGML_BACKEND_DEVICE_TYPE_CPU: return "cpu";
    case GGML_BACKEND_DEVICE_TYPE_GPU: return "gpu";
    case GGML_BACKEND_DEVICE_TYPE_IGPU: return "igpu";
    default: return "accel";
    }
}

std::vector<device_info> list_devices() {
    const std::lock_guard<std::mutex> lock(registry_mutex);
    std::vector<device_info> out;
    for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
        ggml_backend_dev_t device = ggml_backend_dev_get(i);
        ggml_backend_dev_props props;
        ggml_backend_dev_get_props(device, &props);
        out.push_back({ props.name, props.description, kind_name(props.type),
                        ggml_backend_reg_name(ggml_backend_dev_backend_reg(device)), props.memory_free,
                        props.memory_total });
    }
    return out;
}

std::string cpu_features() {
    const std::lock_guard<std::mutex> lock(registry_mutex);
    ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    if (!cpu) return "";
    ggml_backend_reg_t backend = ggml_backend_dev_backend_reg(cpu);
    auto * features =
        (ggml_backend_get_features_t) ggml_backend_reg_get_proc_address(backend, "ggml_backend_get_features");
    std::string out;
    for (ggml_backend_feature * f = features ? features(backend) : nullptr; f && f->name; f++)
        out += (out.empty() ? "" : " ") + std::string(f->name);
    return out;
}

}  // namespace overfill
