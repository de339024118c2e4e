#include "rpc_backend.h"

#include "failure.h"
#include "llama_log.h"

#include <ggml-rpc.h>

#include <cstdlib>
#include <mutex>

namespace overfill {

#if defined(_WIN32)
static const char * const file_name = "\\overfill-ggml-rpc.dll";
#elif defined(__APPLE__)
static const char * const file_name = "/liboverfill-ggml-rpc.dylib";
#else
static const char * const file_name = "/liboverfill-ggml-rpc.so";
#endif

static std::mutex library_mutex;
static std::string library_directory;

void set_rpc_directory(const std::string & directory) {
    const std::lock_guard<std::mutex> lock(library_mutex);
    library_directory = directory;
}

static std::string library_path() {
    const char * named = std::getenv("OVERFILL_RPC_LIBRARY");
    return named && *named ? named : library_directory + file_name;
}

// ggml has it by name where it is linked in, or was loaded before.
static ggml_backend_reg_t rpc_backend() {
    const std::lock_guard<std::mutex> lock(library_mutex);
    if (ggml_backend_reg_t known = ggml_backend_reg_by_name("RPC")) return known;
    const std::string path = library_path();
    const log_capture log;
    ggml_backend_reg_t loaded = ggml_backend_load(path.c_str());
    if (!loaded)
        throw failure(error_code::binding_load_failed,
                      path + ", ggml's RPC back end, could not be loaded: " + log.errors(), { { "path", path } });
    return loaded;
}

template <class Function> static Function rpc_function(const char * name) {
    return reinterpret_cast<Function>(ggml_backend_reg_get_proc_address(rpc_backend(), name));
}

std::vector<ggml_backend_dev_t> remote_devices(const std::vector<std::string> & endpoints) {
    if (endpoints.empty()) return {};
    const auto add_server = rpc_function<ggml_backend_reg_t (*)(const char *)>("ggml_backend_rpc_add_server");
    std::vector<ggml_backend_dev_t> out;
    for (const std::string & endpoint : endpoints) {
        ggml_backend_reg_t server = add_server(endpoint.c_str());
        if (!server)
            throw failure(error_code::remote_incompatible, "the server at " + endpoint + " has no devices",
                          { { "address", endpoint } });
        for (size_t i = 0; i < ggml_backend_reg_dev_count(server); i++)
            out.push_back(ggml_backend_reg_dev_get(server, i));
    }
    return out;
}

static std::vector<ggml_backend_dev_t> own_devices(bool use_gpu) {
    std::vector<ggml_backend_dev_t> gpus;
    for (size_t i = 0; use_gpu && i < ggml_backend_dev_count(); i++) {
        ggml_backend_dev_t device = ggml_backend_dev_get(i);
        const auto type = ggml_backend_dev_type(device);
        if (type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU) gpus.push_back(device);
    }
    if (!gpus.empty()) return gpus;
    return { ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) };
}

void run_rpc_server(const rpc_server_options & options) {
    const auto start = rpc_function<decltype(&ggml_backend_rpc_start_server)>("ggml_backend_rpc_start_server");
    std::vector<ggml_backend_dev_t> devices = own_devices(options.use_gpu);
    start(options.endpoint.c_str(), options.cache_directory.empty() ? nullptr : options.cache_directory.c_str(),
          options.n_threads, devices.size(), devices.data());
    throw failure(error_code::remote_unreachable, "the server could not listen at " + options.endpoint,
                  { { "address", options.endpoint } });
}

}  // namespace overfill
