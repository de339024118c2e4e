#include "cuda/translate_cuda.h"

#include "failure.h"

#include <ggml-backend.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace overfill {

namespace {

[[noreturn]] void unavailable(const std::string & why, error_details details = {}) {
    throw failure(error_code::handover_unavailable, "CUDA cannot translate the KV cache: " + why, std::move(details));
}

#if defined(_WIN32)
const char * const file_name = "overfill-cuda.dll";
const char * const separator = "\\";

void * open_library(const std::string & path) {
    const int n = MultiByteToWideChar(CP_UTF8, 0, path.c_str(), -1, nullptr, 0);
    std::wstring wide((size_t) n, L'\0');
    MultiByteToWideChar(CP_UTF8, 0, path.c_str(), -1, wide.data(), n);
    void * handle = (void *) LoadLibraryW(wide.c_str());
    if (!handle)
        unavailable(path + " could not be loaded (error " + std::to_string(GetLastError()) + ")", { { "path", path } });
    return handle;
}
void * find_symbol(void * handle, const char * name) { return (void *) GetProcAddress((HMODULE) handle, name); }
#else
const char * const file_name = "liboverfill-cuda.so";
const char * const separator = "/";

void * open_library(const std::string & path) {
    void * handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) unavailable(dlerror(), { { "path", path } });
    return handle;
}
void * find_symbol(void * handle, const char * name) { return dlsym(handle, name); }
#endif

// The CUDA device that a tensor lies on.
ggml_backend_dev_t device_of(const ggml_tensor * tensor) {
    if (!tensor->buffer) unavailable("a cache is in host memory");
    const ggml_backend_buffer_type_t type = ggml_backend_buffer_get_type(tensor->buffer);
    const ggml_backend_dev_t device = ggml_backend_buft_get_device(type);
    const ggml_backend_reg_t registry = device ? ggml_backend_dev_backend_reg(device) : nullptr;
    // Other buffer types of the back end, such as split or pinned ones, are no plain memory of the device.
    if (!registry || std::strcmp(ggml_backend_reg_name(registry), "CUDA") != 0 ||
        type != ggml_backend_dev_buffer_type(device))
        unavailable(std::string("a cache is in ") + ggml_backend_buft_name(type));
    return device;
}

class cuda_translate : public translate_implementation {
  public:
    cuda_translate(const translation & plan, const std::string & library_path) {
        std::vector<std::pair<ggml_backend_dev_t, std::vector<translate_step>>> groups;
        for (const translate_step & step : plan.steps) {
            const ggml_backend_dev_t from = device_of(step.from.tensor), to = device_of(step.to.tensor);
            if (from != to)
                unavailable("layer " + std::to_string(step.layer) + " moves from " + ggml_backend_dev_name(from) +
                            " to " + ggml_backend_dev_name(to));
            size_t i = 0;
            while (i < groups.size() && groups[i].first != to) i++;
            if (i == groups.size()) groups.push_back({ to, {} });
            groups[i].second.push_back(step);
        }
        const auto library = std::make_shared<const cuda_library>(library_path);
        for (auto & group : groups)
            devices_.push_back(std::make_unique<cuda_translate_device>(library, std::move(group.second)));
    }

    const char * name() const override { return "cuda"; }
    void run(const translate_job & job) override {
        for (const auto & device : devices_) device->run(job);
    }

  private:
    std::vector<std::unique_ptr<cuda_translate_device>> devices_;
};

}  // namespace

cuda_library::cuda_library(const std::string & path) {
    if (path.empty()) unavailable("liboverfill-cuda was not found");
    void * handle = open_library(path);
    const auto bind = [&](auto & member, const char * name) {
        void * symbol = find_symbol(handle, name);
        if (!symbol) unavailable(path + " has no " + name, { { "path", path } });
        std::memcpy(&member, &symbol, sizeof symbol);
    };
    bind(abi, "overfill_cuda_abi");
    if (abi() != overfill_cuda_version)
        unavailable(path + " has interface version " + std::to_string(abi()) + ", expected " +
                        std::to_string(overfill_cuda_version),
                    { { "path", path } });
#define OVERFILL_CUDA_BIND(result, name, parameters) bind(name, "overfill_cuda_" #name);
    OVERFILL_CUDA_FUNCTIONS(OVERFILL_CUDA_BIND)
#undef OVERFILL_CUDA_BIND
}

void check_cuda(int status, const char * message) {
    switch (status) {
    case overfill_cuda_ok: return;
    case overfill_cuda_out_of_memory:
        throw failure(error_code::out_of_memory, std::string("the CUDA device is out of memory: ") + message);
    case overfill_cuda_unavailable: unavailable(message);
    default: throw failure(error_code::inference_failed, std::string("the CUDA device failed: ") + message);
    }
}

cuda_translate_device::cuda_translate_device(std::shared_ptr<const cuda_library> library,
                                             std::vector<translate_step> steps)
    : library_(std::move(library)), plan_(steps) {
    std::set<const void *> pointers;
    for (const translate_step & step : steps) pointers.insert({ step.from.tensor->data, step.to.tensor->data });
    const std::vector<const void *> list(pointers.begin(), pointers.end());
    char message[overfill_cuda_message_size] = "";
    check_cuda(
        library_->create(list.data(), list.size(), plan_.weights().data(), plan_.weights().size(), &context_, message),
        message);
    plan_.release_weights();
}

cuda_translate_device::~cuda_translate_device() { library_->destroy(context_); }

bool cuda_translate_device::prepare(const translate_job & job, overfill_cuda_job & out) {
    plan_.prepare(job);
    out = { plan_.steps().data(),   (uint32_t) plan_.steps().size(),
            plan_.moves().data(),   (uint32_t) plan_.moves().size(),
            plan_.angles().data(),  plan_.angles().size(),
            plan_.angles_version(), plan_.n_groups() };
    return plan_.n_groups() > 0;
}

void cuda_translate_device::run(const translate_job & job) {
    overfill_cuda_job tables;
    if (!prepare(job, tables)) return;
    char message[overfill_cuda_message_size] = "";
    check_cuda(library_->run(context_, &tables, message), message);
}

float cuda_translate_device::time(const translate_job & job) {
    overfill_cuda_job tables;
    if (!prepare(job, tables)) return 0;
    char message[overfill_cuda_message_size] = "";
    float milliseconds = 0;
    check_cuda(library_->time_run(context_, &tables, &milliseconds, message), message);
    return milliseconds;
}

std::string find_cuda_library(const std::string & directory) {
    const char * named = std::getenv("OVERFILL_CUDA_LIBRARY");
    if (named && *named) return named;
    const std::string beside = directory + separator + file_name;
    return std::ifstream(beside).good() ? beside : "";
}

std::unique_ptr<translate_implementation> make_cuda_translate(const translation & plan,
                                                              const std::string & library_path) {
    return std::make_unique<cuda_translate>(plan, library_path);
}

}  // namespace overfill
